//! Faults that the pool commits on request.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::Reject;
use crate::bitcoin::MalformedNotify;
use crate::kaspa::MalformedTemplate;
use crate::monero::MalformedJob;
use crate::wire::ErrorShape;

/// Most jobs that one storm sends.
pub const MAX_STORM_JOBS: u32 = 20_000;
/// Widest extranonce that a fault asks for.
const MAX_EXTRANONCE_BYTES: usize = 32;

/// One fault. Its text form is the variant in lower case with its values in parentheses, as in
/// `delay(200)` or `malformed_job(blob_short)`.
///
/// *Modes* hold until [`Fault::None`]; *deeds* are done once, to every session that is logged in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// `none`: ends every mode.
    None,
    /// `delay(ms)`, mode: everything is sent this much later.
    Delay(Duration),
    /// `split(bytes)` or `split(bytes, ms)`, mode: pieces of this size, this far apart (2 ms).
    Split {
        /// Size of a piece, at least 1.
        bytes: usize,
        /// Time between pieces.
        gap: Duration,
    },
    /// `glue`, mode: what comes within 20 ms is sent in one piece.
    Glue,
    /// `join`, mode: as glue, and without newlines between the objects.
    Join,
    /// `drop_reply(n)`, mode: the next n verdicts are never sent.
    DropReply(u32),
    /// `wrong_id`, mode: verdicts carry ids that nobody asked with.
    WrongId,
    /// `string_ids`, mode: ids come back as text.
    StringIds,
    /// `float_ids`, mode: ids come back as `2.0`.
    FloatIds,
    /// `null_ids`, mode: verdicts come back with id `null`.
    NullIds,
    /// `numbers_as_strings`, mode: heights and error codes are text.
    NumbersAsStrings,
    /// `error_shape(name)`, mode: another shape of error replies.
    ErrorShape(ErrorShape),
    /// `reply_twice`, mode: every verdict is sent twice.
    ReplyTwice,
    /// `reply_reorder`, mode: verdicts are swapped in pairs; a single one waits for 1 s.
    ReplyReorder,
    /// `close_after(n)`, mode: a session ends with its nth request from now; 0 closes new ones at once.
    CloseAfter(u32),
    /// `silent`, mode: nothing is sent any more.
    Silent,
    /// `ban_text`, mode: every request is answered with a ban, and the connection closed.
    BanText,
    /// `reject_all(kind)`, mode: good shares are refused with this reason.
    RejectAll(Reject),
    /// `escape_text`: a message full of terminal escapes, and as a mode such a text in every error.
    EscapeText,
    /// `half_line`: half a job, then silence.
    HalfLine,
    /// `garbage_line`, deed: lines that are no JSON.
    GarbageLine,
    /// `huge_line(bytes)`, deed: that many letters without a newline, then one.
    HugeLine(u64),
    /// `json_bomb`, deed: deep and wide JSON.
    JsonBomb,
    /// `unknown_replies`, deed: replies to ids that were never used, of every type.
    UnknownReplies,
    /// `dup_job`, deed: the last job once more.
    DupJob,
    /// `old_job`, deed of a Kaspa pool: the job before the last once more.
    OldJob,
    /// `same_id_new_content`, deed: another blob under the last job's id.
    SameIdNewContent,
    /// `retarget_same_job`, deed: the last blob under another id at twice the difficulty.
    RetargetSameJob,
    /// `zero_target`, deed: a job with target `00000000`; at a Bitcoin pool difficulties of zero and others that are
    /// none.
    ZeroTarget,
    /// `malformed_job(kind)`, deed of a Monero pool.
    MalformedJob(MalformedJob),
    /// `malformed_notify(kind)`, deed of a Bitcoin pool.
    MalformedNotify(MalformedNotify),
    /// `malformed_template(kind)`, deed of a Kaspa pool.
    MalformedTemplate(MalformedTemplate),
    /// `set_extranonce` or `set_extranonce(first, second)`, deed of a Bitcoin pool: another extranonce1, and the
    /// widths in bytes of both, for the last job again. A Kaspa pool has only the first.
    SetExtranonce(Option<(usize, usize)>),
    /// `absurd_sizes`, deed of a Bitcoin pool: extranonces of 4 GiB and of 5,000 bytes.
    AbsurdSizes,
    /// `set_version_mask(hex)`, deed of a Bitcoin pool.
    SetVersionMask(u32),
    /// `questions`, deed of a Bitcoin pool: asks for version and life, with ids of several kinds.
    Questions,
    /// `redirect(host, port)`, deed: `client.reconnect`; without values the params are empty.
    Redirect(Option<(String, String)>),
    /// `job_storm(n)`, deed: n jobs at once, at most [`MAX_STORM_JOBS`].
    JobStorm(u32),
    /// `new_job`, deed: a new template of the same block.
    NewJob,
    /// `new_block`, deed: somebody else found a block.
    NewBlock,
    /// `seed_change`, deed: a new block, at a Monero pool under another seed.
    SeedChange,
    /// `close`, deed: ends every session.
    Close,
}

impl Fault {
    /// One fault of every kind with ordinary values, [`Fault::None`] first; the malformed jobs apart, which
    /// [`MalformedJob::ALL`], [`MalformedNotify::ALL`] and [`MalformedTemplate::ALL`] list.
    pub fn examples() -> Vec<Self> {
        let ms = Duration::from_millis;
        vec![
            Self::None,
            Self::Delay(ms(200)),
            Self::Split { bytes: 7, gap: ms(2) },
            Self::Glue,
            Self::Join,
            Self::DropReply(3),
            Self::WrongId,
            Self::StringIds,
            Self::FloatIds,
            Self::NullIds,
            Self::NumbersAsStrings,
            Self::ErrorShape(ErrorShape::Array),
            Self::ReplyTwice,
            Self::ReplyReorder,
            Self::CloseAfter(2),
            Self::Silent,
            Self::BanText,
            Self::RejectAll(Reject::StaleJob),
            Self::EscapeText,
            Self::HalfLine,
            Self::GarbageLine,
            Self::HugeLine(300_000_000),
            Self::JsonBomb,
            Self::UnknownReplies,
            Self::DupJob,
            Self::OldJob,
            Self::SameIdNewContent,
            Self::RetargetSameJob,
            Self::ZeroTarget,
            Self::SetExtranonce(None),
            Self::SetExtranonce(Some((8, 4))),
            Self::AbsurdSizes,
            Self::SetVersionMask(0x1FFF_E000),
            Self::Questions,
            Self::Redirect(None),
            Self::Redirect(Some(("pool.example".into(), "3333".into()))),
            Self::JobStorm(100),
            Self::NewJob,
            Self::NewBlock,
            Self::SeedChange,
            Self::Close,
        ]
    }

    /// Whether it does something at once, rather than change what is done later.
    pub fn is_deed(&self) -> bool {
        matches!(
            self,
            Self::EscapeText
                | Self::HalfLine
                | Self::GarbageLine
                | Self::HugeLine(_)
                | Self::JsonBomb
                | Self::UnknownReplies
                | Self::DupJob
                | Self::OldJob
                | Self::SameIdNewContent
                | Self::RetargetSameJob
                | Self::ZeroTarget
                | Self::MalformedJob(_)
                | Self::MalformedNotify(_)
                | Self::MalformedTemplate(_)
                | Self::SetExtranonce(_)
                | Self::AbsurdSizes
                | Self::SetVersionMask(_)
                | Self::Questions
                | Self::Redirect(_)
                | Self::JobStorm(_)
                | Self::NewJob
                | Self::NewBlock
                | Self::SeedChange
                | Self::Close
        )
    }

    /// Whether it makes one job wrong.
    pub(crate) fn spoils_a_job(&self) -> bool {
        matches!(
            self,
            Self::ZeroTarget | Self::MalformedJob(_) | Self::MalformedNotify(_) | Self::MalformedTemplate(_)
        )
    }
}

/// When a scheduled fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trigger {
    /// After this many further requests to the pool, replies included; 0 is at once.
    AfterRequests(u32),
    /// At the next login: a mode from then on. Of the deeds, those that spoil a job (`zero_target`,
    /// `malformed_job`, `malformed_notify`, `malformed_template`) spoil the login's own; the others follow the login's reply.
    AtLogin,
}

/// A fault with its time. Its text form is that of the fault, and `@login` or `@N` behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduledFault {
    /// What.
    pub fault: Fault,
    /// When.
    pub trigger: Trigger,
}

impl From<Fault> for ScheduledFault {
    /// At once.
    fn from(fault: Fault) -> Self {
        Self { fault, trigger: Trigger::AfterRequests(0) }
    }
}

impl FromStr for ScheduledFault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let (fault, trigger) = match text.rsplit_once('@') {
            None => (text, Trigger::AfterRequests(0)),
            Some((fault, when)) => match when.trim() {
                "login" => (fault, Trigger::AtLogin),
                number => (fault, Trigger::AfterRequests(parse(text, number)?)),
            },
        };
        Ok(Self { fault: fault.parse()?, trigger })
    }
}

/// A text that is no fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no fault: {reason}")]
pub struct FaultError {
    /// What was given.
    pub text: String,
    /// What is wrong with it.
    pub reason: String,
}

impl FromStr for Fault {
    type Err = FaultError;

    fn from_str(text: &str) -> Result<Self, FaultError> {
        let error = |reason: &str| FaultError { text: text.to_owned(), reason: reason.to_owned() };
        let trimmed = text.trim();
        let (name, values) = match trimmed.split_once('(') {
            None => (trimmed, Vec::new()),
            Some((name, rest)) => {
                let inner =
                    rest.strip_suffix(')').ok_or_else(|| error("the closing parenthesis is missing"))?;
                let values = inner.split(',').map(str::trim).filter(|value| !value.is_empty()).collect();
                (name.trim(), values)
            }
        };
        let millis = |value: &str| parse(text, value).map(Duration::from_millis);
        let fault = match (name, values.as_slice()) {
            ("none", []) => Self::None,
            ("delay", [ms]) => Self::Delay(millis(ms)?),
            ("split", [bytes]) => Self::Split { bytes: parse(text, bytes)?, gap: Duration::from_millis(2) },
            ("split", [bytes, ms]) => Self::Split { bytes: parse(text, bytes)?, gap: millis(ms)? },
            ("glue", []) => Self::Glue,
            ("join", []) => Self::Join,
            ("drop_reply", [count]) => Self::DropReply(parse(text, count)?),
            ("wrong_id", []) => Self::WrongId,
            ("string_ids", []) => Self::StringIds,
            ("float_ids", []) => Self::FloatIds,
            ("null_ids", []) => Self::NullIds,
            ("numbers_as_strings", []) => Self::NumbersAsStrings,
            ("error_shape", [shape]) => ErrorShape::ALL
                .into_iter()
                .find(|(name, _)| name == shape)
                .map(|(_, shape)| Self::ErrorShape(shape))
                .ok_or_else(|| error("no such shape"))?,
            ("reply_twice", []) => Self::ReplyTwice,
            ("reply_reorder", []) => Self::ReplyReorder,
            ("close_after", [count]) => Self::CloseAfter(parse(text, count)?),
            ("silent", []) => Self::Silent,
            ("ban_text", []) => Self::BanText,
            ("reject_all", [kind]) => Self::RejectAll(kind.parse().map_err(|reason: String| error(&reason))?),
            ("escape_text", []) => Self::EscapeText,
            ("half_line", []) => Self::HalfLine,
            ("garbage_line", []) => Self::GarbageLine,
            ("huge_line", []) => Self::HugeLine(1_000_000),
            ("huge_line", [bytes]) => Self::HugeLine(parse(text, bytes)?),
            ("json_bomb", []) => Self::JsonBomb,
            ("unknown_replies", []) => Self::UnknownReplies,
            ("dup_job", []) => Self::DupJob,
            ("old_job", []) => Self::OldJob,
            ("same_id_new_content", []) => Self::SameIdNewContent,
            ("retarget_same_job", []) => Self::RetargetSameJob,
            ("zero_target", []) => Self::ZeroTarget,
            ("malformed_job", [kind]) => {
                Self::MalformedJob(kind.parse().map_err(|reason: String| error(&reason))?)
            }
            ("malformed_notify", [kind]) => {
                Self::MalformedNotify(kind.parse().map_err(|reason: String| error(&reason))?)
            }
            ("malformed_template", [kind]) => {
                Self::MalformedTemplate(kind.parse().map_err(|reason: String| error(&reason))?)
            }
            ("set_extranonce", []) => Self::SetExtranonce(None),
            ("set_extranonce", [first, second]) => {
                let (first, second) = (parse(text, first)?, parse(text, second)?);
                if first > MAX_EXTRANONCE_BYTES || second > MAX_EXTRANONCE_BYTES {
                    return Err(error("an extranonce has at most 32 bytes"));
                }
                Self::SetExtranonce(Some((first, second)))
            }
            ("absurd_sizes", []) => Self::AbsurdSizes,
            ("set_version_mask", [mask]) => Self::SetVersionMask(
                u32::from_str_radix(mask, 16).map_err(|_| error("the mask is no hex of eight digits"))?,
            ),
            ("questions", []) => Self::Questions,
            ("redirect", []) => Self::Redirect(None),
            ("redirect", [host, port]) => Self::Redirect(Some(((*host).to_owned(), (*port).to_owned()))),
            ("job_storm", [count]) => Self::JobStorm(parse(text, count)?),
            ("new_job", []) => Self::NewJob,
            ("new_block", []) => Self::NewBlock,
            ("seed_change", []) => Self::SeedChange,
            ("close", []) => Self::Close,
            _ => return Err(error("unknown name, or another number of values than it takes")),
        };
        Ok(fault)
    }
}

fn parse<T: FromStr>(text: &str, value: &str) -> Result<T, FaultError> {
    value.parse().map_err(|_| FaultError {
        text: text.to_owned(),
        reason: format!("`{value}` is no number that fits"),
    })
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none"),
            Self::Delay(delay) => write!(f, "delay({})", delay.as_millis()),
            Self::Split { bytes, gap } => write!(f, "split({bytes}, {})", gap.as_millis()),
            Self::Glue => f.write_str("glue"),
            Self::Join => f.write_str("join"),
            Self::DropReply(count) => write!(f, "drop_reply({count})"),
            Self::WrongId => f.write_str("wrong_id"),
            Self::StringIds => f.write_str("string_ids"),
            Self::FloatIds => f.write_str("float_ids"),
            Self::NullIds => f.write_str("null_ids"),
            Self::NumbersAsStrings => f.write_str("numbers_as_strings"),
            Self::ErrorShape(shape) => {
                let name = ErrorShape::ALL
                    .iter()
                    .find(|(_, known)| known == shape)
                    .map_or("object", |(name, _)| name);
                write!(f, "error_shape({name})")
            }
            Self::ReplyTwice => f.write_str("reply_twice"),
            Self::ReplyReorder => f.write_str("reply_reorder"),
            Self::CloseAfter(count) => write!(f, "close_after({count})"),
            Self::Silent => f.write_str("silent"),
            Self::BanText => f.write_str("ban_text"),
            Self::RejectAll(kind) => write!(f, "reject_all({kind})"),
            Self::EscapeText => f.write_str("escape_text"),
            Self::HalfLine => f.write_str("half_line"),
            Self::GarbageLine => f.write_str("garbage_line"),
            Self::HugeLine(bytes) => write!(f, "huge_line({bytes})"),
            Self::JsonBomb => f.write_str("json_bomb"),
            Self::UnknownReplies => f.write_str("unknown_replies"),
            Self::DupJob => f.write_str("dup_job"),
            Self::OldJob => f.write_str("old_job"),
            Self::SameIdNewContent => f.write_str("same_id_new_content"),
            Self::RetargetSameJob => f.write_str("retarget_same_job"),
            Self::ZeroTarget => f.write_str("zero_target"),
            Self::MalformedJob(kind) => write!(f, "malformed_job({kind})"),
            Self::MalformedNotify(kind) => write!(f, "malformed_notify({kind})"),
            Self::MalformedTemplate(kind) => write!(f, "malformed_template({kind})"),
            Self::SetExtranonce(None) => f.write_str("set_extranonce"),
            Self::SetExtranonce(Some((first, second))) => write!(f, "set_extranonce({first}, {second})"),
            Self::AbsurdSizes => f.write_str("absurd_sizes"),
            Self::SetVersionMask(mask) => write!(f, "set_version_mask({mask:08x})"),
            Self::Questions => f.write_str("questions"),
            Self::Redirect(None) => f.write_str("redirect()"),
            Self::Redirect(Some((host, port))) => write!(f, "redirect({host}, {port})"),
            Self::JobStorm(count) => write!(f, "job_storm({count})"),
            Self::NewJob => f.write_str("new_job"),
            Self::NewBlock => f.write_str("new_block"),
            Self::SeedChange => f.write_str("seed_change"),
            Self::Close => f.write_str("close"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_read_back() {
        let monero = MalformedJob::ALL.iter().map(|kind| Fault::MalformedJob(*kind));
        let bitcoin = MalformedNotify::ALL.iter().map(|kind| Fault::MalformedNotify(*kind));
        let kaspa = MalformedTemplate::ALL.iter().map(|kind| Fault::MalformedTemplate(*kind));
        for fault in Fault::examples().into_iter().chain(monero).chain(bitcoin).chain(kaspa) {
            let text = fault.to_string();
            assert_eq!(text.parse(), Ok(fault.clone()));
            let scheduled: ScheduledFault = format!("{text}@login").parse().unwrap();
            assert_eq!(scheduled, ScheduledFault { fault: fault.clone(), trigger: Trigger::AtLogin });
            let scheduled: ScheduledFault = format!("{text} @ 12").parse().unwrap();
            assert_eq!(scheduled, ScheduledFault { fault, trigger: Trigger::AfterRequests(12) });
        }
        assert_eq!("close_after(2)".parse(), Ok(Fault::CloseAfter(2)));
        assert_eq!("malformed_job(blob_short)".parse(), Ok(Fault::MalformedJob(MalformedJob::BlobShort)));
        assert_eq!("split(1)".parse(), Ok(Fault::Split { bytes: 1, gap: Duration::from_millis(2) }));
    }

    #[test]
    fn errors_name_the_fault_and_the_reason() {
        for text in ["nosuch", "delay", "delay(x)", "delay(1", "glue(1)", "reject_all(no)", "glue@soon", ""] {
            let error = text.parse::<ScheduledFault>().unwrap_err();
            assert!(!error.reason.is_empty(), "{text}");
        }
    }
}
