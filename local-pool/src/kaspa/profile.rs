//! How the Kaspa pools of the world differ, as data.

use std::time::Duration;

use super::{Convention, JobIds, Reaction, Spelling};
use crate::wire::{ErrorShape, Style};
use crate::{MAX_LINE_BYTES, Reject};

/// The answer to `mining.subscribe`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubscribeReply {
    /// `[true,"EthereumStratum/1.0.0"]`
    EthereumStratum,
    /// `[true,"KaspaStratum/1.0.0"]`
    KaspaStratum,
    /// `true`
    True,
    /// `[null,"00ab",6]`, which is where the extranonce is told.
    Extranonce,
    /// No reply, but the message that tells the extranonce, with the request's id.
    ExtranonceMessage,
    /// None.
    Silence,
}

/// When a session is told its extranonce, unless the reply to subscribe has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtranonceTime {
    /// Behind the reply to subscribe.
    AfterSubscribe,
    /// Behind the reply to authorize.
    AfterAuthorize,
    /// Not at all: the whole nonce is the miner's.
    Never,
}

/// The params of the message that tells the extranonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExtranonceParams {
    /// `["00ab"]`
    Alone,
    /// `["00ab",6]`
    WithSize,
}

/// What a job looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobForm {
    /// `[id, [word, word, word, word], timestamp]`
    Words,
    /// The same with decimal texts for the numbers.
    DecimalTexts,
    /// `[id, "80 hex digits"]`
    Hex,
}

/// Ids of messages that answer nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotificationIds {
    /// The field is absent.
    Absent,
    /// `null`.
    Null,
    /// Absent, but jobs have their number.
    JobNumber,
    /// 1 for extranonces, 2 for difficulties, 3 for jobs: the very ids of the miner's own first requests.
    Small,
}

/// Which shares of older jobs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// Those of the last so many jobs.
    Last(usize),
    /// A job is looked up by its number modulo so many, and nobody looks whether it is the one that was meant.
    Slots(usize),
}

/// Which difficulty a share has to meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enforce {
    /// The one that was in force when the job was sent.
    WithJob,
    /// The one that was told last.
    AtOnce,
    /// The one that was told last, or the one before.
    LastTwo,
}

/// What follows a change of the difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retarget {
    /// Nothing until the next job, in front of which it is told.
    WithNextJob,
    /// It is told at once, and counts from the next job on.
    AtOnce,
    /// The same job again, under its id.
    SameJob,
    /// A job of its own.
    NewJob,
}

/// What a pool does with a login that is no address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BadAddress {
    /// It takes any name.
    Take,
    /// No reply, and no jobs.
    Silence,
    /// An error, and the address is kept out for some seconds.
    Ban,
}

/// How nonces are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceReading {
    /// Sixteen lower-case hex digits, which begin with the extranonce.
    Exact,
    /// As the bridges read: `0x` may stand in front, digits may be missing in front, in which case the extranonce is
    /// put there, and a wrong extranonce is nobody's business.
    Bridge,
}

/// The switches in which pools differ. Every field has the value of an ordinary pool in
/// [`Profile::default`]; [`Profile::by_name`] has the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name, as in fault scripts and examples.
    pub name: &'static str,
    /// What it does, in one line for help texts.
    pub about: &'static str,
    /// The answer to subscribe.
    pub subscribe: SubscribeReply,
    /// Reaction to authorize. Silence is a login all the same, unless `never_logs_in`.
    pub authorize: Reaction,
    /// Nobody gets a job.
    pub never_logs_in: bool,
    /// The reply to authorize names the method in a field `params`, which is a text.
    pub names_authorize: bool,
    /// What happens to logins that are no address.
    pub bad_address: BadAddress,
    /// Time from connect to a login, where it is not that of the pool's limits.
    pub login_limit: Option<Duration>,
    /// Reaction to `mining.extranonce.subscribe`.
    pub extranonce_subscribe: Reaction,
    /// Reaction to methods that nobody knows, and to requests without a list of params.
    pub unknown_method: Reaction,
    /// A request without id is refused.
    pub id_required: bool,
    /// Miners of some names are spoken to in another way.
    pub sniffs_agents: bool,
    /// Name of the message that tells the extranonce.
    pub extranonce_method: &'static str,
    /// What it says.
    pub extranonce_params: ExtranonceParams,
    /// When it comes.
    pub extranonce_time: ExtranonceTime,
    /// Width of the extranonce, the first bytes of every nonce; at most 8.
    pub extranonce_bytes: usize,
    /// Extranonce of the first session; drawn when absent. The next session has the next one.
    pub first_extranonce: Option<u64>,
    /// The extranonce changes after this many jobs, and job ids start anew: another buyer's pool stands behind.
    pub extranonce_jobs: Option<u32>,
    /// Look of jobs.
    pub jobs: JobForm,
    /// Look of job ids.
    pub job_ids: JobIds,
    /// Number of a session's first job.
    pub first_job_number: u64,
    /// Ids of messages that answer nothing.
    pub notification_ids: NotificationIds,
    /// Messages that answer nothing say `"jsonrpc":"2.0"`.
    pub jsonrpc: bool,
    /// The first job comes so much after the rest of the login. Newer ones do not wait for it.
    pub first_job_delay: Duration,
    /// Jobs that would come sooner than this after the one before are left out.
    pub job_gap: Duration,
    /// Jobs that are kept for each session.
    pub keep: Keep,
    /// What difficulties mean.
    pub convention: Convention,
    /// How they are written.
    pub spelling: Spelling,
    /// Difficulties are rounded down to powers of two.
    pub powers_of_two: bool,
    /// Which one a share has to meet.
    pub enforce: Enforce,
    /// Shares down to this part of the difficulty are accepted, in percent.
    pub lenient_percent: u64,
    /// What follows a change of the difficulty.
    pub retarget: Retarget,
    /// How nonces are read.
    pub nonces: NonceReading,
    /// A share that cannot be read, or that names an empty slot, has no reply.
    pub silent_refusals: bool,
    /// A share that was accepted is accepted again. The pool counts it as a duplicate.
    pub repeats_verdicts: bool,
    /// Nothing that is not exactly right is let pass: ids must be unsigned numbers, job ids of the type in which they
    /// came, params exactly as many as it takes, workers authorized. Most of what is wrong ends the connection.
    pub strict: bool,
    /// Shape of refusals.
    pub error_shape: ErrorShape,
    /// What `result` says in a refusal; absent when there is none.
    pub refused_result: Option<&'static str>,
    /// Replies of success say `"error":null`.
    pub ok_error: bool,
    /// HTTP ends the connection, and a line that is nothing at all does not.
    pub bridge_lines: bool,
    /// Longest line that is taken.
    pub max_line_bytes: usize,
    /// Verdicts of shares come this much later than everything else.
    pub late_result: Option<Duration>,
    /// Lines are held for a moment and sent in one piece.
    pub glue: bool,
    /// Everything is cut into pieces of this many bytes.
    pub split_bytes: Option<usize>,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "default",
            about: "an ordinary pool: two bytes of extranonce, jobs as words, any login",
            subscribe: SubscribeReply::EthereumStratum,
            authorize: Reaction::Grant,
            never_logs_in: false,
            names_authorize: false,
            bad_address: BadAddress::Take,
            login_limit: None,
            extranonce_subscribe: Reaction::Grant,
            unknown_method: Reaction::Refuse,
            id_required: false,
            sniffs_agents: false,
            extranonce_method: "mining.set_extranonce",
            extranonce_params: ExtranonceParams::Alone,
            extranonce_time: ExtranonceTime::AfterAuthorize,
            extranonce_bytes: 2,
            first_extranonce: None,
            extranonce_jobs: None,
            jobs: JobForm::Words,
            job_ids: JobIds::Decimal,
            first_job_number: 1,
            notification_ids: NotificationIds::Null,
            jsonrpc: false,
            first_job_delay: Duration::ZERO,
            job_gap: Duration::ZERO,
            keep: Keep::Last(64),
            convention: Convention::Bitcoin,
            spelling: Spelling::Number,
            powers_of_two: false,
            enforce: Enforce::WithJob,
            lenient_percent: 100,
            retarget: Retarget::AtOnce,
            nonces: NonceReading::Exact,
            silent_refusals: false,
            repeats_verdicts: false,
            strict: false,
            error_shape: ErrorShape::Array,
            refused_result: Some("null"),
            ok_error: true,
            bridge_lines: false,
            max_line_bytes: MAX_LINE_BYTES,
            late_result: None,
            glue: false,
            split_bytes: None,
        }
    }
}

impl Profile {
    /// The profile of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|profile| profile.name == name)
    }

    /// Every profile, in the order of lists.
    pub fn all() -> Vec<Self> {
        let mut all = super::profiles::real();
        all.extend(super::profiles::odd());
        all
    }

    /// What the shared core has to know.
    pub(crate) fn style(&self) -> Style {
        Style {
            prefix: "",
            words: if self.repeats_verdicts { bridge_words } else { words },
            error_shape: self.error_shape,
            ok_error: self.ok_error,
            refused_result: self.refused_result,
            late_result: self.late_result,
            glue: self.glue,
            split_bytes: self.split_bytes,
            close_on_bad_line: !self.bridge_lines,
            cleans_lines: self.bridge_lines,
            strict_ban: None,
            min_line_bytes: 0,
            max_line_bytes: self.max_line_bytes,
        }
    }
}

/// Codes and texts of the dialect.
fn words(reject: Reject) -> (i64, &'static str) {
    match reject {
        Reject::StaleJob | Reject::BlockExpired | Reject::InvalidJobId => (21, "Job not found"),
        Reject::Duplicate => (22, "Duplicate share submitted"),
        Reject::LowDifficulty | Reject::Retargeted | Reject::BadHash => (23, "Invalid difficulty"),
        Reject::Unauthenticated => (24, "Unauthorized worker"),
        Reject::InvalidAddress | Reject::Banned => (24, reject.text()),
        Reject::NotSubscribed => (25, reject.text()),
        Reject::MalformedNonce => (20, "nonce out of range"),
        Reject::NiceHashByte => (30, "invalid extranonce"),
        Reject::UnknownMethod => (-32601, "Method not found"),
        _ => (20, reject.text()),
    }
}

/// The same at a bridge to a node, where 21 means that the node has the block already, and 20 that it refuses it.
fn bridge_words(reject: Reject) -> (i64, &'static str) {
    match words(reject) {
        (20, _) => (20, "Unknown problem"),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique() {
        for profile in Profile::all() {
            assert_eq!(Profile::by_name(profile.name), Some(profile));
        }
        let mut names: Vec<_> = Profile::all().iter().map(|profile| profile.name).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Profile::all().len());
        assert_eq!(Profile::by_name("nosuch"), None);
    }

    #[test]
    fn every_reason_has_a_code_and_words() {
        for reject in Reject::ALL {
            for words in [words, bridge_words] {
                let (code, text) = words(reject);
                assert!(code != 0 && !text.is_empty(), "{reject}");
            }
        }
    }
}
