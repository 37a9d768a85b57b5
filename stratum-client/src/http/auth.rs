//! Digest (RFC 7616) and basic (RFC 7617) logins, and where user and password come from.

use std::fs::File;
use std::io::Read as _;
use std::path::PathBuf;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use digest_auth::{AlgorithmType, AuthContext, WwwAuthenticateHeader};
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::HttpError;
use crate::connect::system_words;
use crate::endpoint::Login;
use crate::text::clean;

/// Challenges of one answer that are looked at.
const MAX_CHALLENGES: usize = 8;

/// Longest cookie file, in bytes; bitcoind's has 75.
const MAX_COOKIE_BYTES: u64 = 4096;

/// Where user and password come from.
pub(super) enum Source {
    /// Nowhere.
    None,
    /// The address of the node.
    Fixed(Credentials),
    /// A file that the node writes at each start: `__cookie__:PASSWORD`.
    Cookie(PathBuf),
}

/// User and password for a node.
#[derive(Clone)]
pub(super) struct Credentials {
    user: String,
    pass: SecretString,
}

/// What to do about an answer that asks for a login.
pub(super) enum Next {
    /// Log in like this.
    Try(Auth),
    /// The node has seen the login and says no.
    Refused,
    /// Only in a way that others could read.
    Clear,
}

/// What a connection has learnt about logging in.
pub(super) enum Auth {
    /// Nothing was asked for yet.
    None,
    /// User and password as they are.
    Basic,
    /// The node's nonce, with the count of its uses.
    Digest(Box<WwwAuthenticateHeader>),
}

impl Source {
    /// A login in the address counts before a file.
    pub(super) fn new(login: Option<&Login>, cookie: Option<&PathBuf>) -> Self {
        match (login, cookie) {
            (Some(login), _) => {
                let pass = login.pass.clone().unwrap_or_default();
                Self::Fixed(Credentials { user: login.user.clone(), pass })
            }
            (None, Some(path)) => Self::Cookie(path.clone()),
            (None, None) => Self::None,
        }
    }

    /// What is to be said now.
    pub(super) fn read(&self) -> Result<Option<Credentials>, HttpError> {
        match self {
            Self::None => Ok(None),
            Self::Fixed(credentials) => Ok(Some(credentials.clone())),
            Self::Cookie(path) => match read_cookie(path) {
                Ok(credentials) => Ok(Some(credentials)),
                Err(fault) => Err(HttpError::Cookie { path: path.clone(), fault }),
            },
        }
    }

    /// The error for a node that says no.
    pub(super) fn refused(&self, credentials: &Credentials) -> HttpError {
        match self {
            Self::Cookie(path) => HttpError::CookieRefused(path.clone()),
            Self::None | Self::Fixed(_) => HttpError::LoginRefused(clean(&credentials.user)),
        }
    }
}

fn read_cookie(path: &PathBuf) -> Result<Credentials, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|fault| system_words(&fault))?;
    file.take(MAX_COOKIE_BYTES).read_to_string(&mut text).map_err(|fault| system_words(&fault))?;
    let line = text.lines().next().unwrap_or_default();
    let (user, pass) = line.split_once(':').ok_or("its first line is not USER:PASSWORD")?;
    Ok(Credentials { user: user.to_owned(), pass: SecretString::from(pass) })
}

impl Auth {
    /// The login for the next request; none while nothing was asked for.
    pub(super) fn respond(
        &mut self,
        credentials: &Credentials,
        uri: &str,
        body: Option<&str>,
    ) -> Result<Option<String>, HttpError> {
        let (user, pass) = (credentials.user.as_str(), credentials.pass.expose_secret());
        match self {
            Self::None => Ok(None),
            Self::Basic => Ok(Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{pass}"))))),
            Self::Digest(challenge) => {
                let context = match body {
                    Some(body) => AuthContext::new_post(user, pass, uri, Some(body.as_bytes())),
                    None => AuthContext::new(user, pass, uri),
                };
                let header = challenge
                    .respond(&context)
                    .map_err(|e| HttpError::LoginUnknown(clean(&e.to_string())))?;
                Ok(Some(header.to_header_string()))
            }
        }
    }

    /// How to log in after an answer that asks for it.
    pub(super) fn challenged<'a>(
        &self,
        challenges: impl Iterator<Item = &'a HeaderValue>,
        private: bool,
    ) -> Result<Next, HttpError> {
        let mut best: Option<WwwAuthenticateHeader> = None;
        let mut basic = false;
        let mut others = Vec::new();
        for challenge in challenges.take(MAX_CHALLENGES) {
            let challenge = String::from_utf8_lossy(challenge.as_bytes());
            let (scheme, rest) = challenge.trim().split_once(' ').unwrap_or((&challenge, ""));
            if scheme.eq_ignore_ascii_case("basic") {
                basic = true;
            } else if scheme.eq_ignore_ascii_case("digest")
                && let Ok(parsed) = WwwAuthenticateHeader::parse(rest)
            {
                if best.as_ref().is_none_or(|best| strength(&parsed) > strength(best)) {
                    best = Some(parsed);
                }
            } else {
                others.push(clean(&challenge));
            }
        }
        Ok(match (self, best) {
            // The nonce was too old or its count wrong: not the password's fault.
            (Self::Digest(_), Some(fresh)) if fresh.stale => Next::Try(Self::Digest(Box::new(fresh))),
            (Self::Digest(_), _) | (Self::Basic, _) => Next::Refused,
            (Self::None, Some(fresh)) => Next::Try(Self::Digest(Box::new(fresh))),
            (Self::None, None) if basic && private => Next::Try(Self::Basic),
            (Self::None, None) if basic => Next::Clear,
            (Self::None, None) => return Err(HttpError::LoginUnknown(others.join(", "))),
        })
    }
}

fn strength(challenge: &WwwAuthenticateHeader) -> u8 {
    match challenge.algorithm.algo {
        AlgorithmType::MD5 => 0,
        AlgorithmType::SHA2_256 => 1,
        AlgorithmType::SHA2_512_256 => 2,
    }
}
