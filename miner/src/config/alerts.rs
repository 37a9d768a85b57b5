//! Alerts: from texts to what they mean.

use super::keys::Setting;
use super::resolve::Resolver;
use super::values::{self, Fault, fault};
use crate::alerts::{AlertSettings, Kind, MAX_WORDS, Webhook};
use crate::suggest::closest;

pub(super) fn resolve(resolver: &mut Resolver<'_>) -> AlertSettings {
    let usual = AlertSettings::default();
    AlertSettings {
        command: resolver.take(Setting::AlertCommand, command),
        webhook: resolver.take(Setting::AlertWebhook, webhook),
        on: resolver.take(Setting::AlertOn, kinds).unwrap_or(usual.on),
        after: resolver.take(Setting::AlertAfter, values::time).flatten().unwrap_or(usual.after),
        every: resolver.take(Setting::AlertEvery, values::time).flatten().unwrap_or(usual.every),
    }
}

/// The words of a command.
fn command(text: &str) -> Result<Vec<String>, Fault> {
    let help = "write a program with its arguments, divided by spaces; put what needs a shell into a script";
    let words: Vec<String> = text.split_whitespace().map(str::to_owned).collect();
    match words.len() {
        0 => fault("is empty", help),
        count if count > MAX_WORDS => fault(format!("has more than {MAX_WORDS} words"), help),
        _ if text.contains('\0') => fault("has a character that no command can have", help),
        _ => Ok(words),
    }
}

fn webhook(text: &str) -> Result<Webhook, Fault> {
    Webhook::parse(text).map_err(|why| Fault { why, help: "write it as https://HOST/PATH".into() })
}

/// A list of kinds, or `all`.
fn kinds(text: &str) -> Result<Vec<Kind>, Fault> {
    let names = Kind::ALL.map(Kind::name);
    let mut kinds = Vec::new();
    for word in text.split(',').map(|word| word.trim().to_ascii_lowercase()).filter(|word| !word.is_empty()) {
        if word == "all" {
            return Ok(Kind::ALL.to_vec());
        }
        match Kind::ALL.into_iter().find(|kind| kind.name() == word) {
            Some(kind) if kinds.contains(&kind) => {}
            Some(kind) => kinds.push(kind),
            None => {
                let similar = closest(&word, &names).map(|name| format!("did you mean `{name}`?"));
                let help = similar.unwrap_or_else(|| format!("write all, or of: {}", names.join(", ")));
                return fault(format!("has `{word}`, which is nothing to tell of"), help);
            }
        }
    }
    if kinds.is_empty() {
        return fault("is empty", format!("write all, or of: {}", names.join(", ")));
    }
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_words() {
        assert_eq!(command(" /usr/bin/notify  --rig 1 ").unwrap(), ["/usr/bin/notify", "--rig", "1"]);
        assert!(command("  ").is_err() && command("a\0b").is_err());
        assert!(command(&"a ".repeat(MAX_WORDS)).is_ok() && command(&"a ".repeat(MAX_WORDS + 1)).is_err());
    }

    #[test]
    fn kinds_are_named_or_suggested() {
        assert_eq!(kinds("Heat, block,heat,").unwrap(), [Kind::Heat, Kind::Block]);
        assert_eq!(kinds("block,all").unwrap().len(), Kind::ALL.len());
        assert!(kinds("no-pol").unwrap_err().help.contains("`no-pool`"));
        assert!(kinds(",").is_err() && kinds("test").is_err());
    }

    #[test]
    fn what_is_wrong_with_an_address_does_not_repeat_it() {
        let fault = webhook("ftp://hooks.example/hunter2").unwrap_err();
        assert!(!format!("{} {}", fault.why, fault.help).contains("hunter2"));
    }
}
