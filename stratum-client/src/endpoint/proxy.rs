//! SOCKS5 proxies.

use std::fmt;
use std::str::FromStr;

use secrecy::ExposeSecret;
use thiserror::Error;

use super::authority::{Authority, Host, Login};
use super::url::UrlError;

/// Longest user name or password that RFC 1929 can carry, in bytes.
const MAX_LOGIN_BYTES: usize = 255;

/// A SOCKS5 proxy (RFC 1928), with user and password (RFC 1929) where it asks for them.
#[derive(Debug, Clone)]
pub struct Proxy {
    host: Host,
    port: u16,
    login: Option<Login>,
}

/// Why a text is not a proxy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ProxyError {
    /// Only SOCKS5 is spoken.
    #[error("proxies of the kind `{scheme}` are not supported")]
    Scheme {
        /// What stood before `://`.
        scheme: String,
    },
    /// Host, port or login are wrong.
    #[error(transparent)]
    Address(#[from] UrlError),
    /// RFC 1929 counts both in one byte.
    #[error("user and password of a SOCKS5 proxy have 1 to {MAX_LOGIN_BYTES} bytes each")]
    Login,
}

impl ProxyError {
    /// What the user can do about it.
    pub fn help(&self) -> String {
        match self {
            Self::Address(UrlError::MissingPort { .. }) => {
                "write the port too, such as socks5://127.0.0.1:9050 for Tor".into()
            }
            Self::Address(error) => error.help(),
            Self::Scheme { .. } | Self::Login => {
                "write socks5://HOST:PORT or socks5://USER:PASS@HOST:PORT".into()
            }
        }
    }
}

impl Proxy {
    /// The proxy itself: a name or an address.
    pub fn host(&self) -> &Host {
        &self.host
    }

    /// Port of the proxy.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// User and password; when there is a user there is a password too.
    pub fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // Nothing else is spoken, so a bare HOST:PORT can only mean SOCKS5.
        let rest = match text.split_once("://") {
            None => text,
            Some((scheme, rest)) if ["socks5", "socks5h"].contains(&scheme.to_ascii_lowercase().as_str()) => {
                rest
            }
            Some((scheme, _)) => return Err(ProxyError::Scheme { scheme: scheme.to_owned() }),
        };
        let authority = Authority::parse(rest.strip_suffix('/').unwrap_or(rest), None)?;
        if let Some(login) = &authority.login {
            let sizes = [login.user.len(), login.pass.as_ref().map_or(0, |pass| pass.expose_secret().len())];
            if sizes.iter().any(|size| !(1..=MAX_LOGIN_BYTES).contains(size)) {
                return Err(ProxyError::Login);
            }
        }
        Ok(Self { host: authority.host, port: authority.port, login: authority.login })
    }
}

/// Redacted: a login shows as `***`.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let login = if self.login.is_some() { "***@" } else { "" };
        write!(f, "socks5://{login}{}:{}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_that_are_taken() {
        for text in ["socks5://127.0.0.1:9050", "SOCKS5H://127.0.0.1:9050/", "127.0.0.1:9050"] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!(proxy.to_string(), "socks5://127.0.0.1:9050");
            assert!(proxy.login().is_none());
        }
        let proxy: Proxy = "socks5://me:p%40ss@[::1]:1080".parse().unwrap();
        let login = proxy.login().unwrap();
        assert_eq!(login.user, "me");
        assert_eq!(login.pass.as_ref().unwrap().expose_secret(), "p@ss");
        assert_eq!(proxy.to_string(), "socks5://***@[::1]:1080");
    }

    #[test]
    fn faults_are_named() {
        let fault = |text: &str| text.parse::<Proxy>().unwrap_err();
        assert_eq!(fault("http://127.0.0.1:80"), ProxyError::Scheme { scheme: "http".into() });
        assert!(matches!(fault("socks5://127.0.0.1"), ProxyError::Address(UrlError::MissingPort { .. })));
        assert_eq!(fault("socks5://me@127.0.0.1:1080"), ProxyError::Login);
        assert_eq!(fault(&format!("socks5://{}:p@127.0.0.1:1080", "u".repeat(256))), ProxyError::Login);
    }
}
