//! What a node answers over HTTP, before anybody asks what it means.

use rminer_algos::decode_hex_array;
use serde_json::value::RawValue;

use crate::dialect::{HttpFailure, ProtocolError};
use crate::envelope::{Fields, PeerError, parse_line};
use crate::text::{clean, clean_bytes};

pub(super) const CALL_PATH: &str = "/json_rpc";
pub(super) const HEIGHT_PATH: &str = "/get_height";

pub(super) const WRONG_WALLET: i64 = -4;
pub(super) const NOT_ACCEPTED: i64 = -7;
const BUSY: i64 = -9;
pub(super) const NO_SUBADDRESS: i64 = -12;
pub(super) const NO_SUCH_METHOD: i64 = -32_601;

/// How an exchange ended.
#[derive(Debug)]
pub(super) enum Reply<'a> {
    /// 200 and a JSON object.
    Body(&'a RawValue),
    /// The node wants a login that it did not get, and what is wrong with ours.
    Login(&'a str),
    /// Another status.
    Status(u16),
    /// 200, but no JSON object.
    Garbage(ProtocolError),
    /// No answer, and why.
    Silent(&'a str),
}

/// Sorts the end of an exchange.
pub(super) fn read<'a>(outcome: Result<(u16, &'a [u8]), HttpFailure<'a>>) -> Reply<'a> {
    match outcome {
        Ok((200, body)) => {
            let text = std::str::from_utf8(body).unwrap_or_default();
            match serde_json::from_str::<&RawValue>(text) {
                Ok(raw) if raw.get().starts_with('{') => Reply::Body(raw),
                _ => Reply::Garbage(ProtocolError::NotJson(clean_bytes(body))),
            }
        }
        Ok((401, _)) => Reply::Login("the node asks for its RPC login"),
        Ok((status, _)) => Reply::Status(status),
        Err(HttpFailure::Login(why)) => Reply::Login(why),
        Err(HttpFailure::Other(why)) => Reply::Silent(why),
    }
}

/// A failed exchange in words.
pub(super) fn describe(reply: &Reply<'_>) -> String {
    match reply {
        Reply::Silent(why) | Reply::Login(why) => (*why).to_owned(),
        Reply::Status(status) => format!("the node answers with HTTP status {status}"),
        Reply::Garbage(fault) => fault.to_string(),
        Reply::Body(_) => "the node's answer has no use here".to_owned(),
    }
}

/// The answer to a call.
#[derive(Debug)]
pub(super) enum Answer<'a> {
    /// Done, with these results.
    Done(Fields<'a>),
    /// Not now: the node starts, catches up with the chain or waits for something, in its words.
    Busy(String),
    /// An error.
    Refused(PeerError),
}

/// Reads the answer to a call.
pub(super) fn answer(body: &RawValue) -> Result<Answer<'_>, ProtocolError> {
    let envelope = match parse_line(body.get()).next() {
        Some(Ok(envelope)) => envelope,
        _ => return Err(ProtocolError::NotJson(clean_bytes(body.get().as_bytes()))),
    };
    match (envelope.error, envelope.result.and_then(Fields::read)) {
        (Some(error), _) if error.code == Some(BUSY) => Ok(Answer::Busy(error.text)),
        (Some(error), _) => Ok(Answer::Refused(error)),
        (None, Some(result)) => match result.text("status") {
            Some(status) if status != "OK" => Ok(Answer::Busy(clean(&status))),
            _ => Ok(Answer::Done(result)),
        },
        (None, None) => Err(fault("an answer", "result", "is absent or no object")),
    }
}

/// Height of the next block and id of the last.
pub(super) fn height(body: &RawValue) -> Result<(u64, [u8; 32]), ProtocolError> {
    const MESSAGE: &str = "get_height";
    let fields = Fields::read(body).unwrap_or_default();
    let height = fields.number("height").ok_or_else(|| fault(MESSAGE, "height", "is absent or no number"))?;
    let hash = fields.text("hash").ok_or_else(|| fault(MESSAGE, "hash", "is absent"))?;
    let hash = decode_hex_array(&hash).map_err(|why| fault(MESSAGE, "hash", why))?;
    Ok((height, hash))
}

/// Id of a block from the answer to `get_block_header_by_height`.
pub(super) fn block_hash(body: &RawValue) -> Option<[u8; 32]> {
    let Ok(Answer::Done(result)) = answer(body) else { return None };
    let header = Fields::read(result.get("block_header")?)?;
    decode_hex_array(&header.text("hash")?).ok()
}

fn fault(message: &'static str, field: &'static str, fault: impl ToString) -> ProtocolError {
    ProtocolError::Field { message, field, fault: fault.to_string() }
}
