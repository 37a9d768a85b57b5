//! A web address of the user's own that alerts are sent to. Its path is a secret: whoever has it can write there.

use std::fmt;
use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rminer_stratum::connect::{DialOptions, Dialer, Path, Route};
use rminer_stratum::endpoint::{Host, PoolUrl, Protocol, TlsPolicy};
use rminer_stratum::text::clean;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

/// Longest address.
const MAX_URL_BYTES: usize = 2048;
/// How long a connection and an answer may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);
/// What of an answer is read; none of it is needed.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// Where alerts go. What shows it shows scheme, host and port.
#[derive(Clone)]
pub struct Webhook {
    encrypted: bool,
    host: Host,
    port: u16,
    /// Path and query.
    path: SecretString,
}

impl Webhook {
    /// From an address as browsers have it.
    ///
    /// # Errors
    /// Why it is none; the text is not repeated.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MAX_URL_BYTES {
            return Err(format!("is longer than {MAX_URL_BYTES} bytes"));
        }
        let uri: Uri = text.trim().parse().map_err(|_| "is no web address".to_owned())?;
        let encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err("is no address with http:// or https://".into()),
        };
        let authority = uri.authority().ok_or("names no host")?;
        if authority.as_str().contains('@') {
            return Err("has a login before the host, which is not spoken here".into());
        }
        let port = match authority.port_u16() {
            Some(port) => port,
            None if authority.as_str() == authority.host() => {
                if encrypted {
                    443
                } else {
                    80
                }
            }
            None => return Err("names a port that is none".into()),
        };
        // The same reading of names and addresses as for pools.
        let url: PoolUrl = format!("tcp://{}:{port}", authority.host())
            .parse()
            .map_err(|_| "names a host that is none".to_owned())?;
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { encrypted, host: url.host().clone(), port, path: path.into() })
    }

    /// Sends this there. Redirects are not followed.
    ///
    /// # Errors
    /// Why it did not arrive, without the address.
    pub(super) async fn post(&self, alert: &Value) -> Result<(), String> {
        match tokio::time::timeout(PATIENCE, self.exchange(alert)).await {
            Ok(outcome) => outcome.map_err(|why| format!("{self}: {why}")),
            Err(_) => Err(format!("{self}: no answer within {} s", PATIENCE.as_secs())),
        }
    }

    async fn exchange(&self, alert: &Value) -> Result<(), String> {
        let route = Route {
            host: self.host.clone(),
            port: self.port,
            tls: self.encrypted.then_some(TlsPolicy::Verify),
            proxy: None,
            protocol: Protocol::Stratum,
        };
        let dialer = Dialer::new(DialOptions::default());
        let stream = dialer.dial(&route, &mut Path::default()).await.map_err(|error| error.to_string())?;
        let words = |error: hyper::Error| clean(&error.to_string());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(words)?;
        let driver = tokio::spawn(connection);
        let host = match (self.encrypted, self.port) {
            (true, 443) | (false, 80) => self.host.to_string(),
            _ => format!("{}:{}", self.host, self.port),
        };
        let request = Request::post(self.path.expose_secret())
            .header(HOST, host)
            .header(USER_AGENT, concat!("rminer/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(Bytes::from(alert.to_string())))
            .map_err(|_| "the address cannot be asked for".to_owned())?;
        let response = sender.send_request(request).await.map_err(words)?;
        let status = response.status();
        // So that a server that writes before it closes is not cut off; what it says is of no use.
        let _said = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
        driver.abort();
        if status.is_success() {
            return Ok(());
        }
        let hint = if status.is_redirection() { "; redirects are not followed" } else { "" };
        Err(format!("it answers {status}{hint}"))
    }
}

impl fmt::Display for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.encrypted { "https" } else { "http" };
        write!(f, "{scheme}://{}:{}/***", self.host, self.port)
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for Webhook {
    fn eq(&self, other: &Self) -> bool {
        (self.encrypted, &self.host, self.port) == (other.encrypted, &other.host, other.port)
            && self.path.expose_secret() == other.path.expose_secret()
    }
}

impl Eq for Webhook {}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_read_and_their_secrets_not_shown() {
        let hook = Webhook::parse("https://hooks.example/services/T0/hunter2?key=hunter2").unwrap();
        assert_eq!((hook.port, hook.path.expose_secret()), (443, "/services/T0/hunter2?key=hunter2"));
        assert_eq!(format!("{hook} {hook:?}").matches("hunter2").count(), 0);
        assert_eq!(hook.to_string(), "https://hooks.example:443/***");
        assert_eq!(Webhook::parse("http://[::1]:8080").unwrap().path.expose_secret(), "/");
        for wrong in [
            "",
            "hooks.example",
            "ftp://hooks.example",
            "https://",
            "https://u:hunter2@h/",
            "https://h:99999/",
            "https://a b/",
        ] {
            let why = Webhook::parse(wrong).unwrap_err();
            assert!(!why.contains("hunter2"), "{wrong}: {why}");
        }
        assert!(Webhook::parse(&format!("https://h/{}", "x".repeat(MAX_URL_BYTES))).is_err());
    }

    /// What a server got that answers with this.
    fn asked(answer: &'static str) -> (Result<(), String>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = vec![0; 4096];
            let mut text = String::new();
            while !text.ends_with('}') {
                let length = stream.read(&mut bytes).unwrap();
                text.push_str(&String::from_utf8_lossy(&bytes[..length]));
            }
            stream.write_all(answer.as_bytes()).unwrap();
            text
        });
        let hook = Webhook::parse(&format!("http://{address}/in/hunter2?a=b")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let outcome = runtime.block_on(hook.post(&json!({ "text": "gpu0 is lost" })));
        (outcome, server.join().unwrap())
    }

    #[test]
    fn an_alert_arrives_as_json() {
        let (outcome, said) = asked("HTTP/1.1 204 No Content\r\n\r\n");
        assert_eq!(outcome, Ok(()));
        assert!(said.starts_with("POST /in/hunter2?a=b HTTP/1.1\r\n"), "{said}");
        assert!(said.to_lowercase().contains("content-type: application/json"), "{said}");
        assert!(said.ends_with("{\"text\":\"gpu0 is lost\"}"), "{said}");
    }

    #[test]
    fn refusals_and_silence_are_told_without_the_address() {
        for (answer, words) in [
            ("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "404"),
            (
                "HTTP/1.1 302 Found\r\nLocation: http://other.example/\r\nContent-Length: 0\r\n\r\n",
                "not followed",
            ),
            ("nonsense", "127.0.0.1"),
        ] {
            let why = asked(answer).0.unwrap_err();
            assert!(why.contains(words) && !why.contains("hunter2"), "{why}");
        }
    }
}
