//! A node's answer to `getblocktemplate`, read, checked, and made into a block that lacks nothing but its proof.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use rminer_algos::sha256d::sha256d;
use rminer_algos::{Hash, HeaderTemplate, Target, decode_hex, decode_hex_array};
use serde::de::{Deserialize, Deserializer, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::GbtConfig;
use super::coinbase::{self, EXTRANONCE2_BYTES};
use super::merkle;
use crate::address::Form;
use crate::dialect::ProtocolError;
use crate::envelope::{Fields, items, truth};
use crate::text::clean;

const MESSAGE: &str = "getblocktemplate";
/// Transactions of one block that are taken; Bitcoin's blocks have up to some 12,000.
const MAX_TRANSACTIONS: usize = 100_000;
/// Things that the node may want to have in the coinbase.
const MAX_EXTRA: usize = 16;
/// Longest name or id that is kept, in bytes.
const MAX_ID_BYTES: usize = 1024;
/// The top three version bits say that the others are bits at all (BIP 9).
/// Bits that anybody may ever roll (BIP 323).
const FREE_BITS: u32 = 0x1fff_ffe0;
const TOP_BITS: u32 = 0xe000_0000;
const TOP_BITS_OF_BIP9: u32 = 0x2000_0000;
/// How the script of an output begins that commits to the witnesses (BIP 141).
const COMMITMENT: [u8; 6] = [0x6a, 0x24, 0xaa, 0x21, 0xa9, 0xed];
const COMMITMENT_BYTES: usize = COMMITMENT.len() + 32;
/// Rules that ask nothing of who makes a block, or that are kept here.
const KNOWN_RULES: [&str; 4] = ["segwit", "csv", "taproot", "testdummy"];

/// Why there is nothing to mine in an answer.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is broken.
    Broken(ProtocolError),
    /// It is in order, but not for us.
    NotForUs(String),
}

impl From<ProtocolError> for Fault {
    fn from(fault: ProtocolError) -> Self {
        Self::Broken(fault)
    }
}

/// A block that lacks nothing but its proof of work.
#[derive(Debug)]
pub(super) struct BlockTemplate {
    /// What is rolled and hashed.
    pub(super) header: Arc<HeaderTemplate>,
    /// A hash that meets this makes it a block of the chain.
    pub(super) target: Target,
    /// Height that the block will have.
    pub(super) height: u64,
    /// What a long poll asks with.
    pub(super) long_poll_id: Option<String>,
    /// The node can say what it thinks of a block without proof.
    pub(super) can_propose: bool,
    /// Goes back with the block; the node may then know no other template than its last.
    pub(super) work_id: Option<String>,
    /// Blocks of older templates are still taken.
    pub(super) takes_old: bool,
    /// The coinbase goes into the block with a witness.
    witness: bool,
    /// All but the coinbase, as they go into the block.
    transactions: Vec<Vec<u8>>,
}

impl BlockTemplate {
    /// Reads the result of the call.
    pub(super) fn read(result: &RawValue, config: &GbtConfig) -> Result<Self, Fault> {
        let fields = Fields::read(result).ok_or_else(|| fault("result", "is no object"))?;
        let has_segwit = rules(&fields)?;
        whole_range(&fields)?;
        fits(&fields, config, has_segwit)?;

        let height = fields.number("height").ok_or_else(|| fault("height", "is absent or no number"))?;
        let mut parent: [u8; 32] = hash(&fields, "previousblockhash")?;
        parent.reverse();
        let (bits, target) = target(&fields)?;
        let transactions = transactions(&fields)?;
        let ids: Vec<[u8; 32]> = transactions.iter().map(|transaction| transaction.id).collect();
        let commitment = match has_segwit {
            true => commitment(&fields, &transactions)?,
            false => None,
        };
        let value = fields.number("coinbasevalue").ok_or_else(|| {
            fault("coinbasevalue", "is absent or no number, and only that says what a block may pay")
        })?;
        let (prefix, suffix) = coinbase::split(&coinbase::Parts {
            height,
            extra: &extra(&fields)?,
            extranonce1: &config.extranonce1,
            value,
            payout: &config.payout.script,
            commitment: commitment.as_deref(),
        });
        let (version, version_mask) = version(&fields, config.version_mask)?;
        let header = HeaderTemplate {
            version,
            previous: parent,
            coinbase_prefix: prefix.into(),
            coinbase_suffix: suffix.into(),
            extranonce2_len: EXTRANONCE2_BYTES,
            // Nobody else has our extranonce1.
            extranonce2_first: 0,
            branch: merkle::branch(&ids).into(),
            time: time(&fields)?,
            // Never needed: there are 2^64 extranonces, and a new time comes with each template.
            time_slack_s: 0,
            bits,
            version_mask,
        };
        let capabilities = fields.get("capabilities").and_then(items).unwrap_or_default();
        Ok(Self {
            header: Arc::new(header),
            target,
            height,
            long_poll_id: id(&fields, "longpollid"),
            can_propose: capabilities.iter().any(|name| name.get() == "\"proposal\""),
            work_id: id(&fields, "workid"),
            takes_old: fields.get("submitold").and_then(truth) != Some(false),
            witness: commitment.is_some(),
            transactions: transactions.into_iter().map(|transaction| transaction.data).collect(),
        })
    }

    /// Hash of the block before, in the order in which it is hashed.
    pub(super) fn parent(&self) -> &[u8; 32] {
        &self.header.previous
    }

    /// The header of a roll with `nonce` in place; none past the last roll.
    pub(super) fn header_with(&self, roll: u64, nonce: u64) -> Option<Box<[u8]>> {
        self.header.work(roll).map(|work| work.blob_with(nonce))
    }

    /// The whole block behind that header, as it is submitted.
    pub(super) fn block_with(&self, roll: u64, header: &[u8]) -> Option<Vec<u8>> {
        let bare = self.header.coinbase(&self.header.extranonce2(roll)?);
        let coinbase = if self.witness { coinbase::with_witness(&bare) } else { bare };
        let size: usize = self.transactions.iter().map(Vec::len).sum();
        let mut block = Vec::with_capacity(header.len() + 9 + coinbase.len() + size);
        block.extend_from_slice(header);
        block.extend(coinbase::var_int(self.transactions.len() + 1));
        block.extend(coinbase);
        block.extend(self.transactions.iter().flatten());
        Some(block)
    }

    /// Whether `hash` makes it a block.
    pub(super) fn is_solved_by(&self, header: &[u8]) -> bool {
        self.target.is_met_by(&Hash(sha256d(header)))
    }
}

/// Whether segregated witness is in force. A rule that begins with `!` must be known by who makes a block (BIP 9).
fn rules(fields: &Fields<'_>) -> Result<bool, Fault> {
    let Some(rules) = fields.get("rules") else { return Ok(false) };
    let rules = items(rules).ok_or_else(|| fault("rules", "is no list"))?;
    let mut has_segwit = false;
    for rule in rules {
        let rule: Cow<'_, str> = serde_json::from_str(rule.get())
            .map_err(|_| fault("rules", "holds something that is no text"))?;
        let name = rule.strip_prefix('!');
        if let Some(name) = name.filter(|name| !KNOWN_RULES.contains(name)) {
            return Err(Fault::NotForUs(format!(
                "blocks of this chain need the rule \"{}\", which rminer does not know, so the node would refuse them",
                clean(name)
            )));
        }
        has_segwit |= name.unwrap_or(&rule) == "segwit";
    }
    Ok(has_segwit)
}

/// A node that gives out a part of the nonces only is none of Bitcoin's.
fn whole_range(fields: &Fields<'_>) -> Result<(), ProtocolError> {
    match fields.text("noncerange") {
        Some(range) if range != "00000000ffffffff" => {
            Err(fault("noncerange", format!("is not the whole range: \"{}\"", clean(&range))))
        }
        _ => Ok(()),
    }
}

/// Whether the payout address can be spent on this chain.
fn fits(fields: &Fields<'_>, config: &GbtConfig, has_segwit: bool) -> Result<(), Fault> {
    let why = match config.payout.form {
        Form::Segwit if !has_segwit => {
            "the payout address is one of segregated witness, which is not in force on the node's chain: give one \
             that begins with 1 or 3 (tests: m, n or 2)"
        }
        Form::Cash if has_segwit || fields.get("default_witness_commitment").is_some() => {
            "the payout address is one of Bitcoin Cash, but the node's chain has segregated witness, so it is another"
        }
        _ => return Ok(()),
    };
    Err(Fault::NotForUs(why.to_owned()))
}

/// The compact target, and what it stands for.
fn target(fields: &Fields<'_>) -> Result<(u32, Target), ProtocolError> {
    let text = fields.text("bits").ok_or_else(|| fault("bits", "is absent"))?;
    let bits = (text.len() == 8).then(|| u32::from_str_radix(&text, 16).ok()).flatten();
    let bits =
        bits.ok_or_else(|| fault("bits", format!("is no number of 8 hex digits: \"{}\"", clean(&text))))?;
    let target = Target::from_compact(bits)
        .ok_or_else(|| fault("bits", format!("is no target that a hash can meet ({bits:08x})")))?;
    if let Some(text) = fields.text("target") {
        let mut bytes: [u8; 32] = decode_hex_array(&text).map_err(|why| fault("target", why))?;
        bytes.reverse();
        if bytes != target.to_le_bytes() {
            return Err(fault("target", format!("is not what bits stands for ({bits:08x})")));
        }
    }
    Ok((bits, target))
}

/// The version, and the bits of it that may be rolled: those that neither the node nor a soft fork has a use for.
fn version(fields: &Fields<'_>, wanted_mask: u32) -> Result<(u32, u32), ProtocolError> {
    let text = fields.text("version").ok_or_else(|| fault("version", "is absent"))?;
    // Some nodes write it with a sign.
    let version = text.parse().or_else(|_| text.parse::<i32>().map(i32::cast_unsigned));
    let version: u32 = version.map_err(|_| fault("version", "is no number of 32 bits"))?;
    let required = fields.number("vbrequired").and_then(|bits| u32::try_from(bits).ok()).unwrap_or(0);
    let mut used = version | required;
    if let Some(available) = fields.get("vbavailable").and_then(Fields::read) {
        for bit in available.values().filter_map(crate::envelope::number) {
            used |= u32::try_from(bit).ok().and_then(|bit| 1u32.checked_shl(bit)).unwrap_or(0);
        }
    }
    let mask = if version & TOP_BITS == TOP_BITS_OF_BIP9 { wanted_mask & FREE_BITS & !used } else { 0 };
    Ok((version, mask))
}

/// The node's time, which knows about the blocks before.
fn time(fields: &Fields<'_>) -> Result<u32, ProtocolError> {
    let read = |field| match fields.get(field) {
        None => Ok(None),
        Some(_) => match fields.number(field).and_then(|time| u32::try_from(time).ok()) {
            Some(time) => Ok(Some(time)),
            None => Err(fault(field, "is no time of 32 bits")),
        },
    };
    let now = read("curtime")?.ok_or_else(|| fault("curtime", "is absent"))?;
    let time = now.max(read("mintime")?.unwrap_or(0));
    match read("maxtime")? {
        Some(latest) if latest < time => Err(fault("maxtime", format!("{latest} is before {time}"))),
        _ => Ok(time),
    }
}

/// What the node wants to have in the coinbase (BIP 22): the values count, not their names.
fn extra(fields: &Fields<'_>) -> Result<Vec<Vec<u8>>, ProtocolError> {
    let Some(extra) = fields.get("coinbaseaux") else { return Ok(Vec::new()) };
    let extra = Fields::read(extra).ok_or_else(|| fault("coinbaseaux", "is no object"))?;
    extra
        .values()
        .take(MAX_EXTRA)
        .map(|value| {
            let text =
                crate::envelope::text(value).ok_or_else(|| fault("coinbaseaux", "holds no hex text"))?;
            decode_hex(&text).map_err(|why| fault("coinbaseaux", why))
        })
        .collect()
}

/// The script that commits to the witnesses, checked against them: a wrong one would cost the block.
fn commitment(fields: &Fields<'_>, transactions: &[Transaction]) -> Result<Option<Vec<u8>>, ProtocolError> {
    const FIELD: &str = "default_witness_commitment";
    let Some(text) = fields.text(FIELD) else { return Ok(None) };
    let script = decode_hex(&text).map_err(|why| fault(FIELD, why))?;
    if script.len() != COMMITMENT_BYTES || !script.starts_with(&COMMITMENT) {
        return Err(fault(FIELD, "is no script that commits to witnesses"));
    }
    let hashes: Vec<[u8; 32]> = transactions.iter().map(|transaction| transaction.hash).collect();
    let root = merkle::root([0; 32], &merkle::branch(&hashes));
    if script.get(COMMITMENT.len()..) != Some(&sha256d(&[root, [0; 32]].concat())) {
        return Err(fault(FIELD, "does not fit the transactions"));
    }
    Ok(Some(script))
}

/// One transaction.
struct Transaction {
    data: Vec<u8>,
    /// Its id, and its hash with witnesses, in the order in which they are hashed.
    id: [u8; 32],
    hash: [u8; 32],
}

fn transactions(fields: &Fields<'_>) -> Result<Vec<Transaction>, ProtocolError> {
    const FIELD: &str = "transactions";
    #[derive(serde::Deserialize)]
    struct Written<'a> {
        data: Cow<'a, str>,
        txid: Option<Cow<'a, str>>,
        hash: Option<Cow<'a, str>>,
    }
    let Some(list) = fields.get(FIELD) else { return Err(fault(FIELD, "is absent")) };
    let list: Bounded<Written<'_>> =
        serde_json::from_str(list.get()).map_err(|why| fault(FIELD, clean(&why.to_string())))?;
    let read = |number: usize, written: Written<'_>| {
        let fault = |why: String| fault(FIELD, format!("number {}: {why}", number + 1));
        let data = decode_hex(&written.data).map_err(|why| fault(why.to_string()))?;
        let display = |text: Option<Cow<'_, str>>| -> Result<Option<[u8; 32]>, ProtocolError> {
            let Some(text) = text else { return Ok(None) };
            let mut hash: [u8; 32] = decode_hex_array(&text).map_err(|why| fault(why.to_string()))?;
            hash.reverse();
            Ok(Some(hash))
        };
        let computed = sha256d(&data);
        let hash = display(written.hash)?.unwrap_or(computed);
        // Before segregated witness there was the hash alone.
        let id = display(written.txid)?.unwrap_or(hash);
        // No inputs, and a one: what marks a transaction with witnesses.
        let has_witness = data.get(4..6) == Some(&[0, 1]);
        if hash != computed || (!has_witness && id != computed) {
            return Err(fault("hash or txid is not that of data".to_owned()));
        }
        Ok(Transaction { data, id, hash })
    };
    list.0.into_iter().enumerate().map(|(number, written)| read(number, written)).collect()
}

/// A list of at most [`MAX_TRANSACTIONS`].
struct Bounded<T>(Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Bounded<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct All<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for All<T> {
            type Value = Vec<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "a list of at most {MAX_TRANSACTIONS} transactions")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    if items.len() == MAX_TRANSACTIONS {
                        return Err(A::Error::invalid_length(MAX_TRANSACTIONS + 1, &self));
                    }
                    items.push(item);
                }
                Ok(items)
            }
        }
        deserializer.deserialize_seq(All(PhantomData)).map(Self)
    }
}

fn hash(fields: &Fields<'_>, field: &'static str) -> Result<[u8; 32], ProtocolError> {
    let text = fields.text(field).ok_or_else(|| fault(field, "is absent"))?;
    decode_hex_array(&text).map_err(|why| fault(field, why))
}

/// A text that only goes back to the node.
fn id(fields: &Fields<'_>, field: &str) -> Option<String> {
    fields.text(field).filter(|text| text.len() <= MAX_ID_BYTES).map(Cow::into_owned)
}

fn fault(field: &'static str, fault: impl ToString) -> ProtocolError {
    ProtocolError::Field { message: MESSAGE, field, fault: fault.to_string() }
}
