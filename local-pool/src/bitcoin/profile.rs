//! How the Bitcoin pools of the world differ, as data.

use std::time::Duration;

use super::{JobIds, Spelling};
use crate::wire::{ErrorShape, Style};
use crate::{MAX_LINE_BYTES, Reject};

/// BIP 320: the version bits that are left to miners.
pub const GENERAL_PURPOSE_BITS: u32 = 0x1FFF_E000;

/// The reaction to a request that a pool may or may not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// As the request's author hopes.
    Grant,
    /// An error that says so.
    Refuse,
    /// None at all.
    Silence,
    /// The connection ends.
    Close,
}

/// When a session gets its first job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FirstJob {
    /// Before the reply to subscribe, without which it cannot be mined.
    BeforeSubscribeReply,
    /// Behind the reply to subscribe.
    AfterSubscribe,
    /// Behind the reply to authorize.
    AfterAuthorize,
    /// Never, nor any other.
    Never,
}

/// How submitted version bits make the header's version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VersionFormula {
    /// `(version & !mask) | (bits & mask)`.
    Bip310,
    /// `version ^ bits`.
    Xor,
}

/// What follows a change of the difficulty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retarget {
    /// Only `mining.set_difficulty`; it counts from the next job on.
    NextJob,
    /// The same job again, under its id.
    SameJob,
    /// A new job of the same block.
    NewJob,
}

/// The first item of the reply to subscribe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subscriptions {
    /// `[["mining.set_difficulty",id],["mining.notify",id]]`
    Pairs,
    /// `[["mining.notify",id]]`
    NotifyOnly,
    /// `["mining.notify",id]`
    Flat,
    /// `[]`
    Empty,
    /// `null`
    Null,
}

/// The switches in which pools differ. Every field has the value of an ordinary pool in
/// [`Profile::default`]; [`Profile::by_name`] has the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name, as in fault scripts and examples.
    pub name: &'static str,
    /// What it does, in one line for help texts.
    pub about: &'static str,
    /// Reaction to `mining.configure`; a refusal of version rolling comes with a mask all the same.
    pub configure: Reaction,
    /// Version bits that the pool leaves to miners.
    pub version_mask: u32,
    /// The minimum number of bits is told too, as text.
    pub tells_bit_count: bool,
    /// `mining.set_version_mask` comes unasked behind the reply to subscribe.
    pub early_version_mask: bool,
    /// How version bits are read.
    pub version_formula: VersionFormula,
    /// Version of the jobs.
    pub version: u32,
    /// Reaction to `mining.extranonce.subscribe`.
    pub extranonce_subscribe: Reaction,
    /// Reaction to methods that nobody knows.
    pub unknown_method: Reaction,
    /// Reaction to `mining.suggest_difficulty`. Granted, it has no reply but the new difficulty.
    pub suggest_difficulty: Reaction,
    /// Reaction to authorize. Silence is a login all the same.
    pub authorize: Reaction,
    /// A job and a difficulty come in front of the reply to authorize.
    pub authorize_reply_last: bool,
    /// When the first job comes.
    pub first_job: FirstJob,
    /// No difficulty is told before the second job, or a change: until then it is 1.
    pub late_difficulty: bool,
    /// Look of the subscriptions.
    pub subscriptions: Subscriptions,
    /// A session id in subscribe brings back the lost session's extranonce1 and jobs.
    pub resume: bool,
    /// Extranonce1 of the first session; drawn when absent. The next session has the next one.
    pub first_extranonce1: Option<u64>,
    /// All sessions have the same extranonce1, so that they get the same work.
    pub one_extranonce1: bool,
    /// Another extranonce is told in front of the reply to subscribe, which replaces it, and a third one behind it.
    pub restless_extranonce: bool,
    /// Width of extranonce1.
    pub extranonce1_bytes: usize,
    /// Width of extranonce2.
    pub extranonce2_bytes: usize,
    /// The extranonce changes after this many jobs: by a message when the miner subscribed to that, otherwise the
    /// connection ends.
    pub extranonce_jobs: Option<u32>,
    /// An extranonce2 of another length is cut or filled up.
    pub bends_extranonce2: bool,
    /// Zero bytes in an output of every coinbase.
    pub coinbase_padding: usize,
    /// Hashes in the merkle branch.
    pub branch_hashes: usize,
    /// Number of the first job.
    pub first_job_number: u64,
    /// Look of job ids.
    pub job_ids: JobIds,
    /// Numbers of jobs come without leading zeros.
    pub unpadded: bool,
    /// Another flag stands behind the clean flag.
    pub extra_item: bool,
    /// Notifications carry numbers as ids.
    pub notification_ids: bool,
    /// Every job says that it is clean.
    pub always_clean: bool,
    /// Jobs kept for each session; a share for an older one is stale. At least one.
    pub keep_jobs: usize,
    /// What follows a change of the difficulty.
    pub retarget: Retarget,
    /// A changed difficulty counts for jobs that were sent before, too.
    pub enforce_at_once: bool,
    /// Shares down to this part of the difficulty are accepted, in percent.
    pub lenient_percent: u64,
    /// How difficulties are written.
    pub spelling: Spelling,
    /// Seconds by which a share's time may be ahead of the job's, or of the pool's clock if `time_by_clock`.
    pub time_slack_s: u32,
    /// The slack counts from the pool's clock.
    pub time_by_clock: bool,
    /// Shape of refusals.
    pub error_shape: ErrorShape,
    /// What `result` says in a refusal.
    pub refused_result: &'static str,
    /// Numbers of params are checked, request ids must be unsigned numbers, and a submit before authorize ends the
    /// connection.
    pub strict: bool,
    /// Longest line that is taken.
    pub max_line_bytes: usize,
    /// A line that is no request ends the connection.
    pub close_on_bad_line: bool,
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
            about: "an ordinary pool: version rolling, four and eight bytes of extranonce",
            configure: Reaction::Grant,
            version_mask: GENERAL_PURPOSE_BITS,
            tells_bit_count: false,
            early_version_mask: false,
            version_formula: VersionFormula::Bip310,
            version: 0x2000_0000,
            extranonce_subscribe: Reaction::Grant,
            unknown_method: Reaction::Refuse,
            suggest_difficulty: Reaction::Grant,
            authorize: Reaction::Grant,
            authorize_reply_last: false,
            first_job: FirstJob::AfterAuthorize,
            late_difficulty: false,
            subscriptions: Subscriptions::Pairs,
            resume: false,
            first_extranonce1: None,
            one_extranonce1: false,
            restless_extranonce: false,
            extranonce1_bytes: 4,
            extranonce2_bytes: 8,
            extranonce_jobs: None,
            bends_extranonce2: false,
            coinbase_padding: 1,
            branch_hashes: 12,
            first_job_number: 1,
            job_ids: JobIds::Hex,
            unpadded: false,
            extra_item: false,
            notification_ids: false,
            always_clean: false,
            keep_jobs: 8,
            retarget: Retarget::NextJob,
            enforce_at_once: false,
            lenient_percent: 100,
            spelling: Spelling::Number,
            time_slack_s: 7200,
            time_by_clock: true,
            error_shape: ErrorShape::Array,
            refused_result: "null",
            strict: false,
            max_line_bytes: MAX_LINE_BYTES,
            close_on_bad_line: true,
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

    /// What the shared core has to know.
    pub(crate) fn style(&self) -> Style {
        Style {
            prefix: "",
            words,
            error_shape: self.error_shape,
            ok_error: true,
            refused_result: Some(self.refused_result),
            late_result: self.late_result,
            glue: self.glue,
            split_bytes: self.split_bytes,
            close_on_bad_line: self.close_on_bad_line,
            cleans_lines: false,
            strict_ban: None,
            min_line_bytes: 0,
            max_line_bytes: self.max_line_bytes,
        }
    }

    /// Every profile, in the order of lists.
    pub fn all() -> Vec<Self> {
        let mut all = real();
        all.extend(odd());
        all
    }
}

/// Programs and services that exist.
fn real() -> Vec<Profile> {
    vec![
        Profile::default(),
        Profile {
            first_job: FirstJob::AfterSubscribe,
            authorize_reply_last: true,
            unknown_method: Reaction::Silence,
            extranonce_subscribe: Reaction::Silence,
            resume: true,
            error_shape: ErrorShape::RejectReason,
            subscriptions: Subscriptions::NotifyOnly,
            bends_extranonce2: true,
            time_slack_s: 7000,
            time_by_clock: false,
            max_line_bytes: 1024,
            ..named("ckpool", "a job before authorize, reject-reason, sessions can be resumed")
        },
        Profile {
            strict: true,
            unpadded: true,
            retarget: Retarget::NewJob,
            enforce_at_once: true,
            version_formula: VersionFormula::Xor,
            extranonce_subscribe: Reaction::Refuse,
            subscriptions: Subscriptions::NotifyOnly,
            ..named("public-pool", "strict; numbers without leading zeros, a new difficulty counts at once")
        },
        Profile {
            notification_ids: true,
            extranonce1_bytes: 0,
            job_ids: JobIds::HugeDecimal,
            always_clean: true,
            error_shape: ErrorShape::Bare,
            subscriptions: Subscriptions::Flat,
            ..named(
                "p2pool",
                "ids on notifications, no extranonce1, decimal job ids, refusals without reason",
            )
        },
        Profile {
            extranonce1_bytes: 5,
            extranonce2_bytes: 3,
            extranonce_jobs: Some(5),
            configure: Reaction::Refuse,
            ..named("nicehash", "three bytes of extranonce2, and another extranonce1 every five jobs")
        },
        Profile {
            strict: true,
            suggest_difficulty: Reaction::Silence,
            ..named("braiins", "closes on what it does not like")
        },
        Profile {
            error_shape: ErrorShape::Object,
            retarget: Retarget::SameJob,
            lenient_percent: 99,
            ..named("miningcore", "errors as objects, the same job again after a change of difficulty")
        },
        Profile {
            extranonce_subscribe: Reaction::Refuse,
            retarget: Retarget::NewJob,
            ..named("gopool", "errors for unknown methods, a new job after a change of difficulty")
        },
        Profile {
            extranonce1_bytes: 16,
            extranonce2_bytes: 4,
            tells_bit_count: true,
            unknown_method: Reaction::Close,
            suggest_difficulty: Reaction::Silence,
            extranonce_jobs: Some(6),
            ..named(
                "sv2-translator",
                "16 bytes of extranonce1, closes on unknown methods and for a new extranonce",
            )
        },
    ]
}

/// Oddities one by one.
fn odd() -> Vec<Profile> {
    // Version bits inside the mask, as a pool has them that copies the version of the block before.
    let rolled_version = 0x32EF_0000;
    vec![
        Profile { configure: Reaction::Silence, ..named("no-configure", "never answers configure") },
        Profile { configure: Reaction::Close, ..named("configure-closes", "closes on configure") },
        Profile {
            first_job: FirstJob::BeforeSubscribeReply,
            ..named("early-job", "the first job comes before the reply to subscribe")
        },
        Profile { first_job: FirstJob::Never, ..named("no-job", "takes the login and never sends a job") },
        Profile {
            late_difficulty: true,
            ..named("late-difficulty", "names no difficulty before the second job")
        },
        Profile { authorize: Reaction::Silence, ..named("silent-authorize", "never answers authorize") },
        Profile { authorize: Reaction::Refuse, ..named("login-refused", "does not like anybody") },
        Profile { job_ids: JobIds::Number, ..named("numeric-job-ids", "job ids are JSON numbers") },
        Profile { job_ids: JobIds::Words, ..named("worded-job-ids", "job ids are no numbers") },
        Profile { unpadded: true, ..named("unpadded", "numbers without leading zeros") },
        Profile { extra_item: true, ..named("extra-item", "another flag behind the clean flag") },
        Profile { error_shape: ErrorShape::Bare, ..named("bare-false", "refusals without any reason") },
        Profile { error_shape: ErrorShape::Text, ..named("text-errors", "errors are texts") },
        Profile { spelling: Spelling::Text, ..named("difficulty-text", "difficulties in quotes") },
        Profile {
            spelling: Spelling::Exponent,
            ..named("difficulty-exponent", "difficulties with exponents")
        },
        Profile { extranonce2_bytes: 0, ..named("extranonce2-0", "no extranonce2 at all") },
        Profile { extranonce2_bytes: 1, ..named("extranonce2-1", "one byte of extranonce2") },
        Profile { extranonce2_bytes: 16, ..named("extranonce2-16", "sixteen bytes of extranonce2") },
        Profile {
            one_extranonce1: true,
            extranonce2_bytes: 0,
            ..named("same-work", "every session gets the same work, and no extranonce2")
        },
        Profile {
            restless_extranonce: true,
            ..named("restless-extranonce", "changes the extranonce around the reply to subscribe")
        },
        Profile { coinbase_padding: 200 * 1024, ..named("huge-coinbase", "coinbases of 200 KiB") },
        Profile { coinbase_padding: 2, ..named("odd-coinbase", "coinbases of an odd number of bytes") },
        Profile { branch_hashes: 0, ..named("no-branch", "blocks without transactions") },
        Profile { branch_hashes: 32, ..named("long-branch", "the longest merkle branch") },
        Profile {
            enforce_at_once: true,
            ..named("enforce-at-once", "a new difficulty counts for the jobs that are out")
        },
        Profile { early_version_mask: true, ..named("early-mask", "a version mask before authorize") },
        Profile { version_mask: 0, ..named("empty-mask", "grants version rolling of no bits") },
        Profile { version_mask: 0x0000_E000, ..named("narrow-mask", "three version bits") },
        Profile {
            version: rolled_version,
            ..named("version-in-mask", "the version of jobs has rolled bits")
        },
        Profile {
            version: rolled_version,
            version_formula: VersionFormula::Xor,
            ..named("version-in-mask-xor", "the same, and bits are exclusive-or")
        },
        Profile {
            unknown_method: Reaction::Close,
            ..named("unknown-closes", "closes on methods that it does not know")
        },
        Profile {
            extranonce_subscribe: Reaction::Close,
            ..named("xnsub-closes", "closes on mining.extranonce.subscribe")
        },
        Profile { subscriptions: Subscriptions::Empty, ..named("no-subscriptions", "an empty list of them") },
        Profile { subscriptions: Subscriptions::Null, ..named("null-subscriptions", "null instead of them") },
        Profile {
            late_result: Some(Duration::from_secs(25)),
            ..named("late-result", "verdicts come 25 s later")
        },
        Profile { glue: true, ..named("two-lines-in-one-packet", "glues lines together") },
        Profile { split_bytes: Some(64), ..named("split-packets", "sends 64 bytes at a time") },
    ]
}

fn named(name: &'static str, about: &'static str) -> Profile {
    Profile { name, about, ..Profile::default() }
}

/// Codes and texts of the dialect.
fn words(reject: Reject) -> (i64, &'static str) {
    match reject {
        Reject::StaleJob | Reject::BlockExpired | Reject::InvalidJobId => (21, "Job not found (=stale)"),
        Reject::Duplicate => (22, reject.text()),
        Reject::LowDifficulty | Reject::Retargeted | Reject::BadHash => (23, reject.text()),
        Reject::Unauthenticated => (24, "Unauthorized worker"),
        Reject::InvalidAddress | Reject::Banned => (24, reject.text()),
        Reject::NotSubscribed => (25, reject.text()),
        Reject::UnknownMethod => (-32601, "Method not found"),
        _ => (20, reject.text()),
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
            let (code, text) = words(reject);
            assert!(code != 0 && !text.is_empty(), "{reject}");
        }
    }
}
