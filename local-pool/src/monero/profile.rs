//! How the Monero pools of the world differ, as data.

use std::time::Duration;

use super::TargetWidth;
use crate::wire::{ErrorShape, Style};
use crate::{MAX_LINE_BYTES, Reject};

/// What the pool does about `keepalived`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keepalive {
    /// Answers `KEEPALIVED`.
    Answer,
    /// Answers that it does not know the method.
    Error,
    /// Says nothing.
    Silent,
}

/// NiceHash mode: the top byte of the nonce belongs to the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NiceHash {
    /// The extension list names `nicehash`; without it only the blob tells.
    pub announced: bool,
    /// Byte of the first session; the next gets the next one. With zero only the extension list tells.
    pub first_byte: u8,
}

/// The switches in which pools differ. Every field has the value of an ordinary pool in
/// [`Profile::default`]; [`Profile::by_name`] has the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Profile {
    /// Name, as in `rminer demo --profile`.
    pub name: &'static str,
    /// What it does, in one line for help texts.
    pub about: &'static str,
    /// Reaction to `keepalived`.
    pub keepalive: Keepalive,
    /// Shape of error replies.
    pub error_shape: ErrorShape,
    /// Request ids must be unsigned numbers, methods known and submits well formed; otherwise the address is
    /// banned for this long.
    pub strict_ban: Option<Duration>,
    /// Width of the target field.
    pub target_width: TargetWidth,
    /// NiceHash mode.
    pub nicehash: Option<NiceHash>,
    /// All sessions get the same blob, so that a nonce counts once for all of them.
    pub shared_blob: bool,
    /// Jobs kept for each session; a share for an older one is stale. At least one.
    pub keep_jobs: usize,
    /// Shares for an earlier block are refused even when the job is still kept.
    pub expire_blocks: bool,
    /// The login job comes once more as a notification.
    pub repeat_login_job: bool,
    /// The `algo` field of jobs. Those of `rx/2` and its other names are judged as RandomX version 2 asks for.
    pub algorithm: &'static str,
    /// The `algo` field of every second template's jobs, where it differs.
    pub alternate: Option<&'static str>,
    /// The extension list of the login reply.
    pub extensions: &'static [&'static str],
    /// Verdicts of shares come this much later than everything else.
    pub late_result: Option<Duration>,
    /// Every login is refused with this, and the connection closed.
    pub refuse_login: Option<Reject>,
    /// Lines are held for a moment and sent in one piece; a second job follows the login reply at once.
    pub glue: bool,
    /// Everything is cut into pieces of this many bytes.
    pub split_bytes: Option<usize>,
    /// Job ids are numbers.
    pub numeric_job_ids: bool,
    /// Sessions wait this long for the first job after their login.
    pub template_delay: Option<Duration>,
    /// The seed changes after this many jobs and is announced for half of them.
    pub seed_jobs: Option<u32>,
    /// Shorter lines count as no request.
    pub min_line_bytes: usize,
    /// A line that is no request, or a share with a wrong NiceHash byte, ends the connection.
    pub close_on_bad_line: bool,
    /// A changed difficulty is sent at once, with the same blob; otherwise with the next job.
    pub resend_on_retarget: bool,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "default",
            about: "an ordinary pool: keepalive, 8-byte targets, four jobs kept",
            keepalive: Keepalive::Answer,
            error_shape: ErrorShape::Object,
            strict_ban: None,
            target_width: TargetWidth::Eight,
            nicehash: None,
            shared_blob: false,
            keep_jobs: 4,
            expire_blocks: false,
            repeat_login_job: false,
            algorithm: "rx/0",
            alternate: None,
            extensions: &["algo", "keepalive"],
            late_result: None,
            refuse_login: None,
            glue: false,
            split_bytes: None,
            numeric_job_ids: false,
            template_delay: None,
            seed_jobs: None,
            min_line_bytes: 0,
            close_on_bad_line: true,
            resend_on_retarget: true,
        }
    }
}

impl Profile {
    /// The profile of that name.
    pub fn by_name(name: &str) -> Option<Self> {
        Self::all().into_iter().find(|profile| profile.name == name)
    }

    /// The names in the `algo` fields of jobs.
    pub(super) fn algorithms(&self) -> impl Iterator<Item = &'static str> {
        [self.algorithm].into_iter().chain(self.alternate)
    }

    /// What the shared core has to know.
    pub(crate) fn style(&self) -> Style {
        Style {
            prefix: "\"jsonrpc\":\"2.0\",",
            words: |reject| (-1, reject.text()),
            error_shape: self.error_shape,
            ok_error: true,
            refused_result: None,
            late_result: self.late_result,
            glue: self.glue,
            split_bytes: self.split_bytes,
            close_on_bad_line: self.close_on_bad_line,
            cleans_lines: false,
            strict_ban: self.strict_ban,
            min_line_bytes: self.min_line_bytes,
            max_line_bytes: MAX_LINE_BYTES,
        }
    }

    /// The text of a job id.
    pub(crate) fn job_id(&self, number: u64) -> String {
        if self.numeric_job_ids { number.to_string() } else { format!("{number:04x}") }
    }

    /// The number behind a job id, if it can be one of ours.
    pub(crate) fn job_number(&self, id: &str) -> Option<u64> {
        if self.numeric_job_ids { id.parse().ok() } else { u64::from_str_radix(id, 16).ok() }
    }

    /// Every profile, in the order of lists.
    pub fn all() -> Vec<Self> {
        let base = Self::default;
        let named = |name, about| Self { name, about, ..base() };
        vec![
            base(),
            Self {
                keepalive: Keepalive::Silent,
                error_shape: ErrorShape::NoCode,
                strict_ban: Some(Duration::from_secs(600)),
                target_width: TargetWidth::Auto { four_up_to: 4_000_000 },
                extensions: &[],
                ..named("p2pool", "silent on keepalive, errors without code, bans for bad ids")
            },
            Self {
                keepalive: Keepalive::Error,
                extensions: &["algo"],
                ..named("no-keepalive", "answers keepalive with an error")
            },
            Self {
                nicehash: Some(NiceHash { announced: true, first_byte: 1 }),
                extensions: &["algo", "nicehash", "keepalive"],
                ..named("nicehash", "keeps the top nonce byte and says so")
            },
            Self {
                nicehash: Some(NiceHash { announced: false, first_byte: 1 }),
                ..named("nicehash-silent", "keeps the top nonce byte; only the blob tells")
            },
            Self { repeat_login_job: true, ..named("dup-login-job", "repeats the login job once") },
            Self { target_width: TargetWidth::FOUR, ..named("target4", "compact targets") },
            Self { target_width: TargetWidth::Eight, ..named("target8", "64-bit targets") },
            Self {
                seed_jobs: Some(6),
                ..named("seed-rotate", "a new seed every six jobs, announced before")
            },
            Self {
                algorithm: "rx/wow",
                ..named("algo-unknown", "jobs of an algorithm that nobody asked for")
            },
            Self {
                algorithm: "rx/2",
                ..named("rx2", "RandomX version 2: the commitment is the result, the hash comes along")
            },
            Self {
                alternate: Some("rx/2"),
                ..named("algo-switch", "jobs of RandomX version 1 and 2 in turns")
            },
            Self {
                late_result: Some(Duration::from_secs(25)),
                ..named("late-result", "verdicts come 25 s later")
            },
            Self {
                refuse_login: Some(Reject::Banned),
                ..named("ban-text", "says that the address is banned")
            },
            Self { glue: true, ..named("two-lines-in-one-packet", "glues lines together") },
            Self { split_bytes: Some(7), ..named("split-packets", "sends seven bytes at a time") },
            Self { numeric_job_ids: true, ..named("numeric-job-ids", "job ids are numbers") },
            Self {
                template_delay: Some(Duration::from_secs(3)),
                ..named("no-template-yet", "login without a job, which comes 3 s later")
            },
            Self {
                refuse_login: Some(Reject::InvalidAddress),
                ..named("login-refused", "does not like any address")
            },
            Self {
                refuse_login: Some(Reject::NoCompatibleAlgorithm),
                ..named("no-compatible-algo", "has no algorithm in common with anybody")
            },
            Self {
                nicehash: Some(NiceHash { announced: true, first_byte: 0 }),
                shared_blob: true,
                keep_jobs: 2,
                min_line_bytes: 32,
                extensions: &["algo", "nicehash", "connect", "tls", "keepalive"],
                ..named("xmrig-proxy", "NiceHash mode on one blob for all, the previous job kept")
            },
            Self {
                shared_blob: true,
                ..named("shared-blob", "one blob for all sessions, also after a reconnect")
            },
            Self { expire_blocks: true, ..named("strict-blocks", "refuses shares of the block before") },
        ]
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
}
