//! Pool traffic for `-vv`, on the error output, secrets hidden.

use rminer_algos::encode_hex;
use rminer_stratum::client::{Direction, Traffic};
use rminer_stratum::text::clean;
use rminer_stratum::{PoolConfig, Protocol};
use secrecy::ExposeSecret;
use serde_json::Value;

use crate::clock::local_time;
use crate::ui::say_error;

/// Bytes of a message that is no text which are shown.
const MAX_HEX_BYTES: usize = 64 * 1024;
/// Shorter secrets are hidden where their field is known only: most pools are sent the password `x`.
const MIN_SECRET_BYTES: usize = 4;
/// What stands in place of a secret.
const HIDDEN: &str = "***";

/// What must be known of a pool to show its messages.
struct Shown {
    /// Messages of a Kaspa node are no text, and hold no secret.
    is_text: bool,
    /// Each as it is, and as JSON writes it.
    secrets: Vec<String>,
}

/// Shows messages with these pools.
pub(crate) fn show(pools: &[PoolConfig]) -> Traffic {
    let pools: Vec<Shown> = pools.iter().map(Shown::new).collect();
    Box::new(move |pool, direction, bytes| {
        let arrow = match direction {
            Direction::Out => ">",
            Direction::In => "<",
        };
        let Some(shown) = pools.get(pool) else { return };
        for line in shown.lines(bytes) {
            say_error!("{} pool {} {arrow} {line}", local_time(), pool + 1);
        }
    })
}

impl Shown {
    fn new(pool: &PoolConfig) -> Self {
        let url = pool.url.login().and_then(|login| login.pass.as_ref());
        let proxy = pool.proxy.as_ref().and_then(|proxy| proxy.login()?.pass.as_ref());
        let mut secrets = Vec::new();
        for secret in [Some(&pool.credentials.pass), url, proxy].into_iter().flatten() {
            let secret = secret.expose_secret();
            if secret.len() >= MIN_SECRET_BYTES {
                secrets.push(Value::from(secret).to_string().trim_matches('"').to_owned());
                secrets.push(secret.to_owned());
            }
        }
        Self { is_text: pool.url.protocol() != Protocol::Kaspad, secrets }
    }

    fn lines(&self, bytes: &[u8]) -> Vec<String> {
        if !self.is_text {
            let shown = encode_hex(&bytes[..bytes.len().min(MAX_HEX_BYTES)]);
            return vec![format!("{} bytes {shown}", bytes.len())];
        }
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| self.without_secrets(line)).collect()
    }

    fn without_secrets(&self, line: &[u8]) -> String {
        let text = match serde_json::from_slice::<Value>(line) {
            Ok(mut message) => {
                let method = message["method"].as_str().unwrap_or_default();
                let place = match method {
                    "mining.authorize" => "/params/1",
                    _ => "/params/pass",
                };
                if let Some(pass) = message.pointer_mut(place) {
                    *pass = HIDDEN.into();
                }
                message.to_string()
            }
            Err(_) => String::from_utf8_lossy(line).into_owned(),
        };
        let text = self.secrets.iter().fold(text, |text, secret| text.replace(secret.as_str(), HIDDEN));
        clean(&text)
    }
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::{KHEAVYHASH, SHA256D};
    use rminer_stratum::Credentials;

    use super::*;

    fn pool(url: &str, pass: &str) -> Shown {
        let credentials = Credentials { user: "account".into(), pass: pass.to_owned().into(), rig_id: None };
        let algorithm = if url.starts_with("kaspad") { &KHEAVYHASH } else { &SHA256D };
        Shown::new(&PoolConfig::new(url.parse().unwrap(), credentials, algorithm))
    }

    #[test]
    fn passwords_are_hidden_wherever_a_dialect_has_them() {
        let pool = pool("stratum+tcp://127.0.0.1:1", "x");
        let lines = pool.lines(
            b"{\"method\":\"mining.authorize\",\"params\":[\"account\",\"x\"]}\n{\"method\":\"login\",\"params\":{\"pass\":\"x\"}}\n",
        );
        assert_eq!(lines[0], r#"{"method":"mining.authorize","params":["account","***"]}"#);
        assert_eq!(lines[1], r#"{"method":"login","params":{"pass":"***"}}"#);
        // A share has no password at that place.
        let share = r#"{"method":"mining.submit","params":["account","1"]}"#;
        assert_eq!(pool.lines(share.as_bytes()), [share]);
    }

    #[test]
    fn secrets_are_hidden_in_what_pools_say_too() {
        let pool = pool("gbt+http://rpc:node-secret@127.0.0.1:1", "p\u{e4}ss\"w");
        for said in ["bad password p\u{e4}ss\"w", r#"{"error":"not p\u00e4ss\"w"}"#, "HTTP rpc:node-secret\r"]
        {
            let shown = pool.lines(said.as_bytes()).concat();
            assert!(
                shown.contains("***") && !shown.contains("ss\"w") && !shown.contains("secret"),
                "{shown}"
            );
        }
        // A letter that is cut in two makes no other text of it.
        let cut = pool.lines(b"\xc3 and \xffp\xc3\xa4ss\"w").concat();
        assert!(cut.contains("***") && !cut.contains("70c3a4"), "{cut}");
        assert!(!pool.lines(b"\x1b[2J").concat().contains('\x1b'));
    }

    #[test]
    fn messages_that_are_no_text_are_numbers_with_an_end() {
        let node = pool("kaspad://127.0.0.1:16110", "x");
        assert_eq!(node.lines(b"\x00\xff\n"), ["3 bytes 00ff0a"]);
        let long = node.lines(&vec![7; MAX_HEX_BYTES + 1]);
        assert_eq!(long[0].len(), "65537 bytes ".len() + 2 * MAX_HEX_BYTES);
    }
}
