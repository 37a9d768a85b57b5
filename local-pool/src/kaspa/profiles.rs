//! The profiles themselves: programs and services that exist, and oddities one by one.

use std::time::Duration;

use super::profile::{
    BadAddress, Enforce, ExtranonceParams, ExtranonceTime, JobForm, Keep, NonceReading, NotificationIds,
    Retarget, SubscribeReply,
};
use super::{Convention, JobIds, Profile, Reaction, Spelling};
use crate::wire::ErrorShape;

/// Programs and services that exist.
pub(super) fn real() -> Vec<Profile> {
    vec![
        Profile::default(),
        Profile {
            bad_address: BadAddress::Silence,
            login_limit: Some(Duration::from_secs(20)),
            extranonce_subscribe: Reaction::Silence,
            unknown_method: Reaction::Silence,
            sniffs_agents: true,
            first_extranonce: Some(0),
            notification_ids: NotificationIds::JobNumber,
            jsonrpc: true,
            first_job_delay: Duration::from_millis(100),
            job_gap: Duration::from_millis(250),
            keep: Keep::Slots(300),
            convention: Convention::AllOnes,
            enforce: Enforce::AtOnce,
            retarget: Retarget::WithNextJob,
            nonces: NonceReading::Bridge,
            silent_refusals: true,
            repeats_verdicts: true,
            refused_result: None,
            ok_error: false,
            bridge_lines: true,
            ..named(
                "rust-bridge",
                "the bridge of the Kaspa project: four jobs a second, silence instead of errors",
            )
        },
        Profile {
            bad_address: BadAddress::Silence,
            extranonce_subscribe: Reaction::Silence,
            unknown_method: Reaction::Silence,
            sniffs_agents: true,
            extranonce_method: "set_extranonce",
            first_extranonce: Some(0),
            notification_ids: NotificationIds::JobNumber,
            jsonrpc: true,
            keep: Keep::Slots(300),
            convention: Convention::AllOnes,
            spelling: Spelling::Point,
            enforce: Enforce::AtOnce,
            retarget: Retarget::WithNextJob,
            nonces: NonceReading::Bridge,
            bridge_lines: true,
            ..named("go-bridge", "the older bridge: a bare set_extranonce, job numbers as message ids")
        },
        Profile {
            subscribe: SubscribeReply::KaspaStratum,
            bad_address: BadAddress::Ban,
            id_required: true,
            extranonce_method: "set_extranonce",
            extranonce_params: ExtranonceParams::WithSize,
            extranonce_time: ExtranonceTime::AfterSubscribe,
            keep: Keep::Last(8),
            enforce: Enforce::LastTwo,
            lenient_percent: 99,
            error_shape: ErrorShape::Object,
            ok_error: false,
            ..named(
                "miningcore",
                "an extranonce before the login, eight jobs kept, some slack in the difficulty",
            )
        },
        Profile {
            names_authorize: true,
            notification_ids: NotificationIds::Small,
            jobs: JobForm::Hex,
            powers_of_two: true,
            keep: Keep::Last(32),
            ..named("vendor", "jobs as one text, message ids 1 to 3, difficulties that are powers of two")
        },
        Profile {
            subscribe: SubscribeReply::ExtranonceMessage,
            extranonce_method: "set_extranonce",
            extranonce_params: ExtranonceParams::WithSize,
            extranonce_time: ExtranonceTime::Never,
            extranonce_bytes: 3,
            extranonce_jobs: Some(40),
            ..named("nicehash", "a message for a reply to subscribe, and another extranonce every 40 jobs")
        },
        Profile {
            strict: true,
            first_job_number: 1_000_001,
            keep: Keep::Last(10),
            extranonce_bytes: 3,
            max_line_bytes: 1024,
            ..named("strict", "exactly what the protocol says, ten jobs kept, or the connection ends")
        },
    ]
}

/// Oddities one by one.
pub(super) fn odd() -> Vec<Profile> {
    let ms = Duration::from_millis;
    vec![
        Profile { subscribe: SubscribeReply::True, ..named("subscribe-true", "answers subscribe with true") },
        Profile {
            subscribe: SubscribeReply::Silence,
            ..named("silent-subscribe", "never answers subscribe")
        },
        Profile {
            subscribe: SubscribeReply::Extranonce,
            extranonce_time: ExtranonceTime::Never,
            ..named("extranonce-in-reply", "the extranonce is in the reply to subscribe")
        },
        Profile {
            subscribe: SubscribeReply::Extranonce,
            extranonce_time: ExtranonceTime::Never,
            extranonce_bytes: 0,
            ..named("empty-extranonce-in-reply", "an empty extranonce and a size of eight in the reply")
        },
        Profile {
            extranonce_time: ExtranonceTime::Never,
            extranonce_bytes: 0,
            ..named("no-extranonce", "never tells an extranonce")
        },
        Profile {
            extranonce_params: ExtranonceParams::WithSize,
            extranonce_bytes: 0,
            ..named("empty-extranonce", "tells an empty extranonce")
        },
        Profile { extranonce_bytes: 1, ..named("extranonce-1", "one byte of extranonce") },
        Profile { extranonce_bytes: 4, ..named("extranonce-4", "four bytes of extranonce") },
        Profile {
            extranonce_bytes: 6,
            ..named("extranonce-6", "six bytes of extranonce: 65,536 nonces for each job")
        },
        Profile {
            extranonce_jobs: Some(5),
            ..named("extranonce-changes", "another extranonce every five jobs")
        },
        Profile { authorize: Reaction::Silence, ..named("silent-authorize", "never answers authorize") },
        Profile { authorize: Reaction::Refuse, ..named("login-refused", "does not like anybody") },
        Profile {
            subscribe: SubscribeReply::Silence,
            authorize: Reaction::Silence,
            never_logs_in: true,
            extranonce_subscribe: Reaction::Silence,
            unknown_method: Reaction::Silence,
            login_limit: Some(Duration::from_secs(3600)),
            ..named("silent", "takes connections and says nothing at all")
        },
        Profile { jobs: JobForm::DecimalTexts, ..named("decimal-texts", "numbers of jobs as decimal texts") },
        Profile { jobs: JobForm::Hex, ..named("hex-jobs", "jobs as one text of hex digits") },
        Profile { job_ids: JobIds::Number, ..named("numeric-job-ids", "job ids are JSON numbers") },
        Profile { job_ids: JobIds::Words, ..named("worded-job-ids", "job ids are no numbers") },
        Profile {
            job_ids: JobIds::HugeDecimal,
            ..named("huge-job-ids", "job ids of more digits than 64 bits hold")
        },
        Profile {
            notification_ids: NotificationIds::Small,
            ..named("colliding-ids", "message ids are those of the miner's own requests")
        },
        Profile {
            first_job_delay: ms(350),
            ..named("late-first-job", "the first job comes behind newer ones")
        },
        Profile { job_gap: ms(1000), ..named("slow-jobs", "one job a second, whatever the chain does") },
        Profile { keep: Keep::Last(1), ..named("keep-1", "takes shares for the last job only") },
        Profile { keep: Keep::Slots(4), ..named("slots-4", "four slots for jobs") },
        Profile {
            enforce: Enforce::AtOnce,
            ..named("enforce-at-once", "a new difficulty counts for the jobs that are out")
        },
        Profile {
            retarget: Retarget::SameJob,
            ..named("retarget-same-job", "the job again with another difficulty")
        },
        Profile { retarget: Retarget::NewJob, ..named("retarget-new-job", "a job for another difficulty") },
        Profile { spelling: Spelling::Text, ..named("difficulty-text", "difficulties in quotes") },
        Profile {
            spelling: Spelling::Exponent,
            ..named("difficulty-exponent", "difficulties with exponents")
        },
        Profile { powers_of_two: true, ..named("powers-of-two", "difficulties are powers of two") },
        Profile { error_shape: ErrorShape::Bare, ..named("bare-false", "refusals without any reason") },
        Profile { error_shape: ErrorShape::Text, ..named("text-errors", "errors are texts") },
        Profile {
            refused_result: Some("\"null\""),
            ..named("null-text", "results of refusals are the text null")
        },
        Profile {
            extranonce_subscribe: Reaction::Close,
            ..named("xnsub-closes", "closes on mining.extranonce.subscribe")
        },
        Profile {
            unknown_method: Reaction::Close,
            ..named("unknown-closes", "closes on methods that it does not know")
        },
        Profile {
            late_result: Some(Duration::from_secs(7)),
            ..named("late-result", "verdicts come 7 s later")
        },
        Profile { glue: true, ..named("two-lines-in-one-packet", "glues lines together") },
        Profile { split_bytes: Some(16), ..named("split-packets", "sends 16 bytes at a time") },
    ]
}

fn named(name: &'static str, about: &'static str) -> Profile {
    Profile { name, about, ..Profile::default() }
}
