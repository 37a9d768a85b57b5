//! Takes out of texts what nobody else should read: passwords, tokens, whole wallets, the name of the home folder.

use serde_json::Value;

use crate::wallet::{looks_like_wallet, shown_user};

/// Shorter secrets would be found everywhere, and protect nothing.
const MIN_SECRET_CHARS: usize = 4;
/// What stands in place of a secret.
const HIDDEN: &str = "***";
/// Values are nested no deeper than this; what is below is left out.
const MAX_DEPTH: usize = 32;

/// What is to be taken out.
#[derive(Default)]
pub struct Scrubber {
    /// All forms of all secrets, the longest first.
    secrets: Vec<String>,
    home: Option<String>,
}

impl Scrubber {
    /// Nothing but what can be recognised.
    pub fn new(home: Option<String>) -> Self {
        Self { secrets: Vec::new(), home: home.filter(|home| home.len() > 1) }
    }

    /// A secret that is known, in all forms that texts have it in.
    pub fn hide(&mut self, secret: &str) {
        if secret.chars().count() < MIN_SECRET_CHARS {
            return;
        }
        let percent = |upper: bool| -> String {
            let letter = |byte: u8| match (byte.is_ascii_alphanumeric() || b"-._~".contains(&byte), upper) {
                (true, _) => char::from(byte).to_string(),
                (false, true) => format!("%{byte:02X}"),
                (false, false) => format!("%{byte:02x}"),
            };
            secret.bytes().map(letter).collect()
        };
        let json = Value::from(secret).to_string();
        let forms = [secret.to_owned(), percent(true), percent(false), json[1..json.len() - 1].to_owned()];
        self.secrets.extend(forms);
        self.secrets.sort_by_key(|form| std::cmp::Reverse(form.len()));
        self.secrets.dedup();
    }

    /// A text without them.
    pub fn text(&self, text: &str) -> String {
        let mut text = without_logins(text);
        for secret in &self.secrets {
            text = text.replace(secret.as_str(), HIDDEN);
        }
        if let Some(home) = &self.home {
            text = text.replace(home.as_str(), "~");
        }
        with_short_wallets(&text)
    }

    /// A value without them, names of fields included.
    pub fn value(&self, value: &Value) -> Value {
        self.nested(value, MAX_DEPTH)
    }

    fn nested(&self, value: &Value, depth: usize) -> Value {
        match value {
            _ if depth == 0 => Value::Null,
            Value::String(text) => self.text(text).into(),
            Value::Array(list) => list.iter().map(|entry| self.nested(entry, depth - 1)).collect(),
            Value::Object(fields) => {
                let fields =
                    fields.iter().map(|(name, entry)| (self.text(name), self.nested(entry, depth - 1)));
                Value::Object(fields.collect())
            }
            other => other.clone(),
        }
    }
}

/// `scheme://user:password@host` becomes `scheme://***@host`.
fn without_logins(text: &str) -> String {
    let mut rest = text;
    let mut clean = String::with_capacity(text.len());
    while let Some(at) = rest.find("://") {
        let (head, tail) = rest.split_at(at + 3);
        clean.push_str(head);
        let end = tail
            .find(|letter: char| letter.is_whitespace() || "/\"'<>".contains(letter))
            .unwrap_or(tail.len());
        // A password may hold an @ that was not encoded.
        rest = match tail[..end].rfind('@') {
            Some(login) => {
                clean.push_str(HIDDEN);
                &tail[login..]
            }
            None => tail,
        };
    }
    clean.push_str(rest);
    clean
}

/// Words that are wallets become short; everything else stays as it is, spaces included.
fn with_short_wallets(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || ":._+-".contains(letter);
    let mut short = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.find(is_part) {
        let (gap, tail) = rest.split_at(first);
        short.push_str(gap);
        let end = tail.find(|letter: char| !is_part(letter)).unwrap_or(tail.len());
        let (word, after) = tail.split_at(end);
        let bare = word.trim_end_matches([':', '.', '-', '+']);
        if looks_like_wallet(bare) {
            short.push_str(&shown_user(bare));
            short.push_str(&word[bare.len()..]);
        } else {
            short.push_str(word);
        }
        rest = after;
    }
    short.push_str(rest);
    short
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const WALLET: &str =
        "47Noq88fPGkJ5TGejJ92ZtbZx9LGPSe4NPk236AFKc1cC9dgXDA8ikJgQRShxpLfHtMav6w1eLZguBjzXtd2Z3NGBT5mJYP";

    #[test]
    fn secrets_wallets_logins_and_homes_go_and_the_rest_stays() {
        let mut scrubber = Scrubber::new(Some("/home/alice".into()));
        scrubber.hide("Zq9 \"word\"%");
        scrubber.hide("x");
        let text = |text: &str| scrubber.text(text);
        assert_eq!(text("pass Zq9 \"word\"%!"), "pass ***!");
        assert_eq!(text("u Zq9%20%22word%22%25, Zq9 \\\"word\\\"%"), "u ***, ***");
        assert_eq!(
            text("stratum+tcp://me:p@ss@pool.example:1/x, x"),
            "stratum+tcp://***@pool.example:1/x, x"
        );
        assert_eq!(text("a://b c://d@e"), "a://b c://***@e");
        assert_eq!(text("/home/alice/.config"), "~/.config");
        assert_eq!(
            text(&format!("as {WALLET}.rig: ok")),
            "as 47Noq...JYP: ok".replace("47Noq...JYP", &shown_user(&format!("{WALLET}.rig")))
        );
        assert_eq!(text("  cpu0 at  64.0 C;\n\ttwo"), "  cpu0 at  64.0 C;\n\ttwo");
        let value = scrubber.value(&json!({ WALLET: [{ "a": WALLET, "n": 1 }, null, true] }));
        assert!(!value.to_string().contains(WALLET) && value.to_string().contains("\"n\":1"), "{value}");
    }

    #[test]
    fn what_is_nested_too_deep_is_left_out() {
        let deep = (0..100).fold(json!("end"), |value, _| json!([value]));
        let text = Scrubber::new(None).value(&deep).to_string();
        assert!(text.len() < 100 && !text.contains("end"), "{text}");
    }
}
