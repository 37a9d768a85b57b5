//! Requests to a node and what it answers: `KaspadRequest` and `KaspadResponse`, of which each holds one of many.
//!
//! Numbers of fields are those of the node's `messages.proto` and `rpc.proto`.

use rminer_algos::encode_hex;

use super::protobuf::{Field, Value, fields, put_bytes, put_number};
use crate::dialect::ProtocolError;
use crate::text::clean;

/// The number of a request, which its answer repeats.
const ID: u32 = 101;
/// What went wrong, in every answer.
const ERROR: u32 = 1000;

const ANSWER: &str = "answer of the node";

/// Asks for version, network and state.
pub(super) fn server_info(id: u64) -> Vec<u8> {
    request(id, 1092, &[])
}

/// Asks to be told of new templates. The command to start is zero, which is not written.
pub(super) fn notify_new_template(id: u64) -> Vec<u8> {
    request(id, 1081, &[])
}

/// Asks for a block that pays `address`.
pub(super) fn block_template(id: u64, address: &str, extra_data: &str) -> Vec<u8> {
    let mut payload = Vec::new();
    put_bytes(&mut payload, 1, address.as_bytes());
    put_bytes(&mut payload, 2, extra_data.as_bytes());
    request(id, 1005, &payload)
}

/// Hands in a block. `allowNonDAABlocks` stays false: a block that is hours behind is worth nothing.
pub(super) fn submit_block(id: u64, block: &[u8]) -> Vec<u8> {
    let mut payload = Vec::with_capacity(block.len() + 8);
    put_bytes(&mut payload, 2, block);
    request(id, 1003, &payload)
}

/// Asks what became of a block.
pub(super) fn block_color(id: u64, hash: &[u8; 32]) -> Vec<u8> {
    let mut payload = Vec::new();
    put_bytes(&mut payload, 1, encode_hex(hash).as_bytes());
    request(id, 1110, &payload)
}

fn request(id: u64, number: u32, payload: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(payload.len() + 16);
    put_number(&mut message, ID, id);
    put_bytes(&mut message, number, payload);
    message
}

/// Something that a node says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    /// There is a better template.
    NewTemplate,
    Info(Result<Info, String>),
    Notified(Result<(), String>),
    Template(Result<Template<'a>, String>),
    Submitted(Submitted),
    Color(Result<bool, String>),
    /// Something that was not asked for.
    Other,
}

#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Info {
    /// Such as `mainnet` or `testnet-10`.
    pub(super) network: String,
    pub(super) version: String,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Template<'a> {
    pub(super) block: &'a [u8],
    pub(super) is_synced: bool,
}

/// What became of a block that was handed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Submitted {
    Taken,
    /// It will never be taken.
    Invalid(String),
    /// Not now: the node catches up with the others, or is overloaded.
    Busy(String),
}

impl<'a> Message<'a> {
    pub(super) fn read(message: &'a [u8]) -> Result<Self, ProtocolError> {
        let mut found = Self::Other;
        for field in fields(ANSWER, message) {
            let field = field?;
            let Value::Bytes(payload) = field.value else { continue };
            found = match field.number {
                1083 => Self::NewTemplate,
                1093 => Self::Info(info(payload)?),
                1082 => Self::Notified(error(payload)?.map_or(Ok(()), Err)),
                1006 => Self::Template(template(payload)?),
                1004 => Self::Submitted(submitted(payload)?),
                1111 => Self::Color(color(payload)?),
                _ => continue,
            };
        }
        Ok(found)
    }
}

fn info(payload: &[u8]) -> Result<Result<Info, String>, ProtocolError> {
    let mut info = Info::default();
    for field in fields(ANSWER, payload) {
        let field = field?;
        match field.number {
            3 => info.version = clean(field.text_of(ANSWER, "serverVersion")?),
            4 => info.network = clean(field.text_of(ANSWER, "networkId")?),
            ERROR => return Ok(Err(words(&field)?)),
            _ => {}
        }
    }
    Ok(Ok(info))
}

fn template(payload: &[u8]) -> Result<Result<Template<'_>, String>, ProtocolError> {
    let (mut block, mut is_synced) = (None, false);
    for field in fields(ANSWER, payload) {
        let field = field?;
        match field.number {
            2 => is_synced = field.number_of(ANSWER, "isSynced")? != 0,
            3 => block = Some(field.bytes_of(ANSWER, "block")?),
            ERROR => return Ok(Err(words(&field)?)),
            _ => {}
        }
    }
    let block = block.ok_or_else(|| super::protobuf::fault(ANSWER, "block", "is absent"))?;
    Ok(Ok(Template { block, is_synced }))
}

fn submitted(payload: &[u8]) -> Result<Submitted, ProtocolError> {
    /// `BLOCK_INVALID`; the others are `IS_IN_IBD` and, of newer nodes, a queue that is full.
    const INVALID: u64 = 1;
    let (mut reason, mut error) = (0, None);
    for field in fields(ANSWER, payload) {
        let field = field?;
        match field.number {
            1 => reason = field.number_of(ANSWER, "rejectReason")?,
            ERROR => error = Some(words(&field)?),
            _ => {}
        }
    }
    // A full queue has an error and no reason.
    Ok(match (reason, error) {
        (0, None) => Submitted::Taken,
        (INVALID, error) => Submitted::Invalid(error.unwrap_or_else(|| "the block is invalid".into())),
        (reason, error) => Submitted::Busy(error.unwrap_or_else(|| format!("reject reason {reason}"))),
    })
}

fn color(payload: &[u8]) -> Result<Result<bool, String>, ProtocolError> {
    let mut blue = false;
    for field in fields(ANSWER, payload) {
        let field = field?;
        match field.number {
            1 => blue = field.number_of(ANSWER, "blue")? != 0,
            ERROR => return Ok(Err(words(&field)?)),
            _ => {}
        }
    }
    Ok(Ok(blue))
}

fn error(payload: &[u8]) -> Result<Option<String>, ProtocolError> {
    for field in fields(ANSWER, payload) {
        let field = field?;
        if field.number == ERROR {
            return words(&field).map(Some);
        }
    }
    Ok(None)
}

/// The words of an `RPCError`, safe to show.
fn words(error: &Field<'_>) -> Result<String, ProtocolError> {
    let mut words = "an error without words".to_owned();
    for field in fields(ANSWER, error.bytes_of(ANSWER, "error")?) {
        let field = field?;
        if field.number == 1 {
            words = clean(field.text_of(ANSWER, "message")?);
        }
    }
    Ok(words)
}
