//! Digest (RFC 7616) and basic (RFC 7617) logins.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use digest_auth::{AlgorithmType, AuthContext, WwwAuthenticateHeader};
use hyper::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};

use super::HttpError;
use crate::endpoint::Login;
use crate::text::clean;

/// Challenges of one answer that are looked at.
const MAX_CHALLENGES: usize = 8;

/// User and password for a node.
pub(super) struct Credentials {
    user: String,
    pass: SecretString,
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

impl Credentials {
    pub(super) fn from_login(login: &Login) -> Self {
        Self { user: login.user.clone(), pass: login.pass.clone().unwrap_or_default() }
    }

    pub(super) fn user(&self) -> &str {
        &self.user
    }
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

    /// How to log in after an answer that asks for it; none when the node has seen the login and says no.
    pub(super) fn challenged<'a>(
        &self,
        challenges: impl Iterator<Item = &'a HeaderValue>,
        private: bool,
    ) -> Result<Option<Self>, HttpError> {
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
        match (self, best) {
            // The nonce was too old or its count wrong: not the password's fault.
            (Self::Digest(_), Some(fresh)) if fresh.stale => Ok(Some(Self::Digest(Box::new(fresh)))),
            (Self::Digest(_), Some(_)) | (Self::Basic, _) => Ok(None),
            (_, Some(fresh)) => Ok(Some(Self::Digest(Box::new(fresh)))),
            (Self::Digest(_), None) => Ok(None),
            (Self::None, None) if basic && private => Ok(Some(Self::Basic)),
            (Self::None, None) if basic => Err(HttpError::LoginInTheClear),
            (Self::None, None) => Err(HttpError::LoginUnknown(others.join(", "))),
        }
    }
}

fn strength(challenge: &WwwAuthenticateHeader) -> u8 {
    match challenge.algorithm.algo {
        AlgorithmType::MD5 => 0,
        AlgorithmType::SHA2_256 => 1,
        AlgorithmType::SHA2_512_256 => 2,
    }
}
