//! What a node answers over HTTP, before anybody asks what it means.
//!
//! Bitcoin Core puts errors of a call under the HTTP statuses 500 and 404, bcoin under 200: the body decides.

use serde_json::value::RawValue;

use crate::dialect::{HttpFailure, ProtocolError};
use crate::envelope::{PeerError, parse_line};
use crate::text::clean_bytes;

pub(super) const PATH: &str = "/";

/// No such parameter, rule or height.
pub(super) const INVALID_PARAMETER: i64 = -8;
pub(super) const NO_SUCH_METHOD: i64 = -32_601;
/// No peers; catching up with the chain; starting.
const BUSY: [i64; 3] = [-9, -10, -28];

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Reply<'a> {
    /// A JSON object, under whatever status.
    Body(&'a RawValue),
    /// The node wants a login that it did not get, and what is wrong with ours.
    Login(&'a str),
    /// The node does not speak with this machine, or not about this.
    Forbidden,
    /// Another status without an answer.
    Status(u16),
    /// 200, but no JSON object.
    Garbage(ProtocolError),
    /// No answer, and why.
    Silent(&'a str),
}

/// What a call came to.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// Its result; none for `null`.
    Done(Option<&'a RawValue>),
    /// Not now: the node starts, catches up with the chain or has no peers, in its words.
    Busy(String),
    /// An error.
    Refused(PeerError),
}

/// Sorts the end of an exchange.
pub(super) fn read<'a>(outcome: Result<(u16, &'a [u8]), HttpFailure<'a>>) -> Reply<'a> {
    let (status, body) = match outcome {
        Ok((401, _)) => return Reply::Login("the node asks for its RPC login"),
        Ok((403, _)) => return Reply::Forbidden,
        Ok(answer) => answer,
        Err(HttpFailure::Login(why)) => return Reply::Login(why),
        Err(HttpFailure::Other(why)) => return Reply::Silent(why),
    };
    let text = std::str::from_utf8(body).unwrap_or_default();
    match serde_json::from_str::<&RawValue>(text) {
        Ok(raw) if raw.get().starts_with('{') => Reply::Body(raw),
        _ if status == 200 => Reply::Garbage(ProtocolError::NotJson(clean_bytes(body))),
        _ => Reply::Status(status),
    }
}

/// The end of an exchange that gave no answer, for people.
pub(super) fn describe(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Body(_) => "an answer".to_owned(),
        Reply::Login(why) | Reply::Silent(why) => (*why).to_owned(),
        Reply::Forbidden => {
            "the node refuses this machine (HTTP 403); bitcoind wants its address in rpcallowip".to_owned()
        }
        Reply::Status(status) => format!("the node answers with HTTP status {status}"),
        Reply::Garbage(fault) => fault.to_string(),
    }
}

/// Reads the answer to a call.
pub(super) fn answer(body: &RawValue) -> Result<Answer<'_>, ProtocolError> {
    let envelope = match parse_line(body.get()).next() {
        Some(Ok(envelope)) => envelope,
        _ => return Err(ProtocolError::NotJson(clean_bytes(body.get().as_bytes()))),
    };
    Ok(match envelope.error {
        Some(error) if error.code.is_some_and(|code| BUSY.contains(&code)) => Answer::Busy(error.text),
        Some(error) => Answer::Refused(error),
        None => Answer::Done(envelope.result),
    })
}
