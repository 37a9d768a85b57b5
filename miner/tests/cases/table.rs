//! Every way in which pools are known to fail their miners, by number, and where it is tried out.

use rminer_pool::Reject;

use crate::bitcoin;
use crate::play::{Scene, Step::*};

/// One way.
pub(crate) struct Case {
    pub(crate) number: u8,
    pub(crate) situation: &'static str,
    pub(crate) tries: &'static [Try],
}

/// Where a case is tried out.
pub(crate) enum Try {
    /// Here, at the embedded Bitcoin pool.
    Play(Scene),
    /// Here, in a way of its own.
    Own(fn()),
    /// In another part of the program, by this test of this file.
    Elsewhere(Part, &'static str, &'static str),
    /// In a part that is still to come; its cases come with it.
    Later(Part),
}

/// What a case concerns that is not tried out here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Monero,
    SoloBitcoin,
    SoloMonero,
    Kaspa,
    StratumV2,
    /// Sockets, TLS, proxies and names, which all dialects share.
    Transport,
    /// Devices and their work, which all dialects share.
    Engine,
}

impl Part {
    /// Whether it is still to come.
    pub(crate) fn is_later(self) -> bool {
        matches!(self, Self::StratumV2)
    }
}

use Part::{Engine, Kaspa, Monero, SoloBitcoin, SoloMonero, StratumV2, Transport};
use Try::{Elsewhere, Later, Own, Play};

const SOLO_BITCOIN: &str = "stratum-client/src/dialect/gbt/tests/transcripts.rs";
const TEMPLATES: &str = "stratum-client/src/dialect/gbt/tests/templates.rs";
const KASPA: &str = "miner/tests/kaspa.rs";
const SOLO_MONERO: &str = "stratum-client/src/dialect/monerod/tests/transcripts.rs";

pub(crate) const CASES: &[Case] = &[
    Case {
        number: 1,
        situation: "the pool repeats a job",
        tries: &[
            Play(Scene {
                story: &[Accepted(1), Fault("dup_job"), Fault("dup_job"), Accepted(2)],
                check: |seen| {
                    assert_eq!(seen.stats.jobs, 3);
                    assert_eq!(seen.named("job").len(), 1, "{:?}", seen.events);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
        ],
    },
    Case {
        number: 2,
        situation: "one job id gets another content",
        tries: &[
            Play(Scene {
                story: &[Accepted(1), Fault("same_id_new_content"), Accepted(2)],
                check: |seen| assert_eq!(seen.named("job").len(), 2, "{:?}", seen.events),
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
        ],
    },
    Case {
        number: 3,
        situation: "the same job id after another extranonce or difficulty",
        tries: &[
            Play(Scene {
                story: &[
                    Accepted(1),
                    Fault("set_extranonce"),
                    Accepted(2),
                    Fault("retarget_same_job"),
                    Accepted(1),
                    Fault("set_extranonce(16, 4)"),
                    Accepted(1),
                ],
                check: |seen| {
                    assert_eq!(seen.stats.connects, 1);
                    assert_eq!(seen.named("job").len(), 4, "{:?}", seen.events);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "the_extranonce_changes_in_mid_session"),
        ],
    },
    Case {
        number: 4,
        situation: "the same job again with another difficulty",
        tries: &[Play(Scene {
            story: &[
                Accepted(2),
                Difficulty(200),
                Accepted(2),
                Difficulty(50),
                Accepted(2),
                Difficulty(100),
                Accepted(2),
            ],
            check: |seen| {
                assert_eq!((seen.stats.connects, seen.stats.jobs), (1, 4));
                assert_eq!(seen.stats.shares.duplicates(), 0);
            },
            ..Scene::calm("miningcore")
        })],
    },
    Case {
        number: 5,
        situation: "the same work comes back after other work",
        tries: &[
            Play(Scene {
                story: &[Accepted(2), Link("reset"), Accepted(2), Link("reset"), Accepted(2)],
                check: |seen| {
                    assert!(seen.stats.connects >= 3, "{:?}", seen.stats);
                    assert_eq!(seen.stats.shares.duplicates(), 0);
                },
                ..Scene::calm("same-work")
            }),
            Elsewhere(Monero, "miner/tests/mining.rs", "pool_faults_lose_no_share_and_break_nothing"),
            Elsewhere(Engine, "miner/src/engine/cursor.rs", "repeated_work_goes_on_where_it_was"),
        ],
    },
    Case {
        number: 6,
        situation: "little or no extranonce2, and shares called duplicates",
        tries: &[
            Play(Scene {
                story: &[
                    Says("leaves an extranonce of 0 bytes"),
                    Accepted(2),
                    Pool("rolled versions", |stats| stats.rolled_versions > 0),
                ],
                ..Scene::at("extranonce2-0")
            }),
            Play(Scene {
                story: &[Says("leaves an extranonce of 1 bytes"), Accepted(2)],
                ..Scene::at("extranonce2-1")
            }),
            Play(Scene {
                faults: &["reject_all(duplicate)"],
                story: &[
                    Pool("two called duplicates", |stats| stats.forced_rejects >= 2),
                    Fault("none"),
                    Accepted(1),
                ],
                check: |seen| {
                    assert_eq!(seen.refused("duplicate"), seen.stats.forced_rejects);
                    // Moved on in the extranonce once.
                    assert_eq!(seen.named("job").len(), 2, "{:?}", seen.events);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(
                Engine,
                "miner/src/engine/scheduler.rs",
                "exhausted_work_idles_and_old_reports_do_nothing",
            ),
        ],
    },
    Case {
        number: 7,
        situation: "the extranonce changes in mid-session",
        tries: &[
            Play(Scene {
                arguments: &["--extranonce-subscribe=off"],
                story: &[
                    Accepted(1),
                    Fault("set_extranonce"),
                    Accepted(2),
                    Fault("set_extranonce(0, 8)"),
                    Accepted(2),
                    Fault("set_extranonce(4, 1)"),
                    Accepted(2),
                    Fault("set_extranonce(32, 16)"),
                    Accepted(2),
                    Fault("set_extranonce(5, 3)"),
                    Accepted(2),
                ],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("default")
            }),
            Play(Scene {
                arguments: &["--extranonce-subscribe=on"],
                story: &[Pool("eight jobs", |stats| stats.jobs >= 8), Accepted(2)],
                check: |seen| {
                    assert_eq!((seen.stats.connects, seen.stats.rolled_versions), (1, 0));
                },
                ..Scene::at("nicehash")
            }),
            Play(Scene {
                job_interval_s: 1,
                arguments: &["--extranonce-subscribe=on"],
                story: &[Pool("eight jobs", |stats| stats.jobs >= 8), Accepted(2)],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("sv2-translator")
            }),
            // For those that are not told it ends the connection.
            Play(Scene {
                job_interval_s: 1,
                arguments: &["--extranonce-subscribe=off"],
                story: &[Pool("another connection", |stats| stats.connects > 1), Accepted(2)],
                ..Scene::at("sv2-translator")
            }),
            Elsewhere(Kaspa, KASPA, "the_extranonce_changes_in_mid_session"),
        ],
    },
    Case {
        number: 8,
        situation: "the extranonce of the subscription is the first",
        tries: &[Play(Scene {
            story: &[Accepted(2)],
            check: |seen| assert_eq!((seen.stats.connects, seen.stats.jobs), (1, 1)),
            ..Scene::calm("extranonce2-16")
        })],
    },
    Case {
        number: 9,
        situation: "the extranonce changes while the reply to subscribe is on its way",
        tries: &[
            Play(Scene { story: &[Accepted(2)], ..Scene::calm("restless-extranonce") }),
            // The same in one piece, and in very small ones.
            Play(Scene { faults: &["join"], story: &[Accepted(2)], ..Scene::calm("restless-extranonce") }),
            Play(Scene {
                faults: &["split(1)"],
                story: &[Accepted(2)],
                ..Scene::calm("restless-extranonce")
            }),
        ],
    },
    Case {
        number: 10,
        situation: "a job before the reply to subscribe or authorize",
        tries: &[
            Play(Scene { story: &[Accepted(2)], ..Scene::calm("early-job") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::calm("ckpool") }),
            Play(Scene { arguments: &["--pipeline=off"], story: &[Accepted(2)], ..Scene::calm("ckpool") }),
        ],
    },
    Case {
        number: 11,
        situation: "after a reconnect the same job id with another extranonce1",
        tries: &[
            Play(Scene {
                story: &[
                    Accepted(1),
                    Link("reset"),
                    Accepted(2),
                    Link("close"),
                    Accepted(2),
                    Fault("redirect"),
                    Says("asked to reconnect"),
                    Accepted(2),
                ],
                check: |seen| {
                    assert!(seen.stats.connects >= 4, "{:?}", seen.stats);
                    let jobs = seen.stats.sessions.iter().filter(|session| session.jobs > 0);
                    assert!(jobs.clone().all(|session| session.jobs == 1), "{:?}", seen.stats);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "reconnects_repeat_nothing"),
        ],
    },
    Case {
        number: 12,
        situation: "shares after a reconnect",
        tries: &[
            Play(Scene {
                story: &[Accepted(1), Fault("close"), Accepted(3)],
                check: |seen| {
                    let credited = seen.stats.sessions.iter().filter(|session| session.shares.accepted > 0);
                    assert_eq!(credited.count(), 2, "{:?}", seen.stats);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "reconnects_repeat_nothing"),
        ],
    },
    Case {
        number: 13,
        situation: "the pool closes on what it does not know",
        tries: &[
            Play(Scene {
                arguments: &["--extranonce-subscribe=on"],
                story: &[Accepted(2)],
                check: |seen| assert!(seen.stats.connects > 1, "{:?}", seen.stats),
                ..Scene::at("xnsub-closes")
            }),
            Play(Scene {
                story: &[Says("closed on the usual login"), Accepted(2)],
                check: |seen| assert!(seen.stats.connects > 1, "{:?}", seen.stats),
                ..Scene::at("configure-closes")
            }),
            Play(Scene {
                arguments: &["--version-mask", "0", "--extranonce-subscribe=off"],
                story: &[Accepted(2)],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("configure-closes")
            }),
            Elsewhere(
                Monero,
                "stratum-client/src/dialect/monero/tests.rs",
                "keepalive_after_silence_until_refused",
            ),
        ],
    },
    Case {
        number: 14,
        situation: "two live connections after a failover",
        tries: &[Own(bitcoin::one_pool_at_a_time)],
    },
    Case {
        number: 15,
        situation: "the pool sends its miners away",
        tries: &[Play(Scene {
            story: &[
                Accepted(1),
                Fault("redirect(evil.example, 1)"),
                Says("wants us at another host; not followed"),
                Accepted(1),
                Fault("redirect(evil.example, 1)"),
                Pool("a third connection", |stats| stats.connects == 3),
                Accepted(1),
                Fault("redirect(127.0.0.1, 0)"),
                Pool("a fourth connection", |stats| stats.connects == 4),
                Accepted(1),
                Fault("redirect"),
                Says("asked to reconnect too often"),
                Accepted(1),
            ],
            check: |seen| assert_eq!(seen.stats.connects, 4),
            ..Scene::calm("default")
        })],
    },
    Case {
        number: 16,
        situation: "another port of the same host",
        tries: &[Own(bitcoin::another_port_is_followed)],
    },
    Case {
        number: 17,
        situation: "difficulties that are fractions",
        tries: &[
            Play(Scene {
                story: &[Accepted(2), Difficulty(170), Accepted(2), Difficulty(25), Accepted(2)],
                check: |seen| {
                    let told: Vec<_> =
                        seen.named("job").iter().filter_map(|job| job["difficulty"].as_f64()).collect();
                    assert!(told.iter().all(|told| (0.0001..0.001).contains(told)), "{told:?}");
                },
                ..Scene::at("difficulty-exponent")
            }),
            Play(Scene {
                story: &[Accepted(2), Difficulty(170), Accepted(2), Difficulty(25), Accepted(2)],
                ..Scene::at("difficulty-text")
            }),
            Play(Scene {
                faults: &["numbers_as_strings"],
                story: &[Accepted(2), Difficulty(170), Accepted(2)],
                ..Scene::at("default")
            }),
            Elsewhere(Kaspa, KASPA, "difficulties_change_in_every_way"),
        ],
    },
    Case {
        number: 18,
        situation: "targets that 64 bits do not hold",
        tries: &[Own(bitcoin::targets_are_exact)],
    },
    Case {
        number: 19,
        situation: "shares of too low a difficulty after a rise",
        tries: &[
            Own(bitcoin::a_raise_without_a_job_is_obeyed_soon),
            Play(Scene {
                story: &[
                    Accepted(2),
                    Difficulty(200),
                    Accepted(2),
                    Difficulty(50),
                    Accepted(2),
                    Difficulty(100),
                    Accepted(2),
                ],
                // It reads version bits in its own way, which two shares show.
                refusals: &[Reject::LowDifficulty],
                check: |seen| {
                    assert!(seen.refused("low difficulty") <= 12, "{}", seen.summary);
                    assert_eq!(seen.stats.connects, 1);
                },
                ..Scene::at("public-pool")
            }),
            Play(Scene {
                story: &[Accepted(2), Difficulty(200), Accepted(2), Difficulty(50), Accepted(2)],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("gopool")
            }),
            Elsewhere(Kaspa, KASPA, "difficulties_change_in_every_way"),
        ],
    },
    Case {
        number: 20,
        situation: "version bits as a difference, or behind a mask",
        tries: &[
            Play(Scene {
                arguments: &["--version-bits", "xor"],
                story: &[Accepted(4), Pool("rolled versions", |stats| stats.rolled_versions > 0)],
                ..Scene::at("version-in-mask-xor")
            }),
            // Who is not told finds out: the wrong formula costs the first shares, and not more.
            Play(Scene {
                story: &[Says("shares now tell their version bits the xor way"), Accepted(4)],
                refusals: &[Reject::LowDifficulty],
                check: |seen| {
                    let missed = seen.stats.shares.rejects(Reject::LowDifficulty);
                    assert!((2..=12).contains(&missed), "{:?}", seen.stats);
                },
                ..Scene::at("version-in-mask-xor")
            }),
            Play(Scene {
                story: &[Accepted(2), Pool("rolled versions", |stats| stats.rolled_versions > 0)],
                ..Scene::at("version-in-mask")
            }),
        ],
    },
    Case {
        number: 21,
        situation: "version bits that were not agreed on",
        tries: &[
            Play(Scene {
                story: &[Accepted(2)],
                check: |seen| assert_eq!(seen.stats.rolled_versions, 0),
                ..Scene::at("no-configure")
            }),
            Play(Scene {
                arguments: &["--pipeline=off"],
                story: &[Accepted(2)],
                check: |seen| assert_eq!(seen.stats.rolled_versions, 0),
                ..Scene::at("no-configure")
            }),
            Play(Scene {
                arguments: &["--version-mask", "0"],
                story: &[Accepted(2)],
                check: |seen| assert_eq!(seen.stats.rolled_versions, 0),
                ..Scene::at("version-in-mask")
            }),
            Play(Scene {
                story: &[Accepted(2)],
                check: |seen| assert_eq!(seen.stats.rolled_versions, 0),
                ..Scene::at("empty-mask")
            }),
        ],
    },
    Case {
        number: 22,
        situation: "a version mask before authorize",
        tries: &[Play(Scene {
            story: &[Accepted(2), Pool("rolled versions", |stats| stats.rolled_versions > 0)],
            ..Scene::at("early-mask")
        })],
    },
    Case {
        number: 23,
        situation: "version bits that have a meaning for consensus",
        tries: &[
            Play(Scene {
                story: &[
                    Accepted(2),
                    Fault("set_version_mask(0000e000)"),
                    Accepted(2),
                    Fault("set_version_mask(00000000)"),
                    Accepted(2),
                    Fault("set_version_mask(ffffffff)"),
                    Accepted(2),
                    Fault("set_version_mask(00002000)"),
                    Accepted(2),
                ],
                check: |seen| {
                    assert_eq!(seen.stats.connects, 1);
                    assert!(seen.stats.rolled_versions > 0, "{:?}", seen.stats);
                },
                ..Scene::at("default")
            }),
            Own(bitcoin::reserved_version_bits_are_never_rolled),
        ],
    },
    Case {
        number: 24,
        situation: "errors of every shape",
        tries: &[
            Own(bitcoin::refusals_are_counted_by_what_they_say),
            Elsewhere(Kaspa, KASPA, "refusals_are_counted_by_what_they_say"),
        ],
    },
    Case {
        number: 25,
        situation: "a reason beside the result in place of an error",
        tries: &[Play(Scene {
            faults: &["reject_all(low_difficulty)"],
            story: &[Pool("two refusals", |stats| stats.forced_rejects >= 2), Fault("none"), Accepted(1)],
            check: |seen| assert_eq!(seen.refused("low difficulty"), seen.stats.forced_rejects),
            ..Scene::calm("ckpool")
        })],
    },
    Case {
        number: 26,
        situation: "huge coinbases and lines",
        tries: &[
            Play(Scene { story: &[Accepted(2)], ..Scene::at("huge-coinbase") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::at("odd-coinbase") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::at("long-branch") }),
            Play(Scene {
                story: &[
                    Accepted(1),
                    Fault("huge_line(300000)"),
                    Accepted(1),
                    Fault("huge_line(2000000)"),
                    Says("a line of more than 1048576 bytes"),
                    Accepted(1),
                ],
                ..Scene::calm("default")
            }),
        ],
    },
    Case {
        number: 27,
        situation: "malformed jobs",
        tries: &[
            Own(bitcoin::malformed_jobs_are_dropped_and_unusual_ones_mined),
            // The third within a minute ends the session.
            Play(Scene {
                story: &[
                    Accepted(1),
                    Fault("malformed_notify(coinbase1_odd)"),
                    Fault("malformed_notify(previous_short)"),
                    Accepted(1),
                    Fault("malformed_notify(branch_short_hash)"),
                    Says("the pool broke the protocol"),
                    Accepted(1),
                ],
                check: |seen| assert_eq!(seen.stats.connects, 2),
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "malformed_jobs_are_dropped_and_unusual_ones_mined"),
        ],
    },
    Case {
        number: 28,
        situation: "lines in pieces, and several in one",
        tries: &[
            Play(Scene { story: &[Accepted(2)], ..Scene::at("split-packets") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::at("two-lines-in-one-packet") }),
            Play(Scene {
                story: &[
                    Fault("split(1)"),
                    Accepted(1),
                    Fault("glue"),
                    Accepted(1),
                    Fault("none"),
                    Fault("join"),
                    Accepted(1),
                ],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("default")
            }),
            Play(Scene {
                story: &[
                    Link("chop 3"),
                    Accepted(2),
                    Link("ok"),
                    Fault("half_line"),
                    Link("close"),
                    Fault("none"),
                    Accepted(1),
                ],
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
        ],
    },
    Case {
        number: 29,
        situation: "more items in a job than it has",
        tries: &[Play(Scene { story: &[Accepted(2)], ..Scene::at("extra-item") })],
    },
    Case {
        number: 30,
        situation: "job ids of every look",
        tries: &[
            Play(Scene { story: &[Accepted(2)], ..Scene::at("numeric-job-ids") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::at("worded-job-ids") }),
            Play(Scene { story: &[Accepted(2)], ..Scene::at("p2pool") }),
        ],
    },
    Case {
        number: 31,
        situation: "a pool that takes only numbers as request ids",
        tries: &[Play(Scene {
            story: &[Accepted(2)],
            check: |seen| assert_eq!((seen.stats.connects, seen.stats.protocol_errors), (1, 0)),
            ..Scene::at("braiins")
        })],
    },
    Case {
        number: 32,
        situation: "replies with a wrong id, without one, twice, or never",
        tries: &[
            Play(Scene {
                story: &[
                    Fault("string_ids"),
                    Accepted(1),
                    Fault("float_ids"),
                    Accepted(1),
                    Fault("none"),
                    Fault("reply_twice"),
                    Accepted(1),
                    Fault("reply_reorder"),
                    Accepted(2),
                    Fault("none"),
                    Fault("unknown_replies"),
                    Fault("questions"),
                    Accepted(1),
                    Pool("three answers", |stats| stats.answers == 3),
                ],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::at("default")
            }),
            // Nobody knows what became of these shares but the pool; mining goes on.
            Play(Scene {
                story: &[
                    Accepted(1),
                    Fault("wrong_id"),
                    Pool("three accepted", |stats| stats.shares.accepted >= 3),
                    Fault("none"),
                    Fault("null_ids"),
                    Pool("five accepted", |stats| stats.shares.accepted >= 5),
                    Fault("none"),
                    Fault("drop_reply(2)"),
                    Pool("seven accepted", |stats| stats.shares.accepted >= 7),
                    Fault("none"),
                    Accepted(1),
                ],
                check: |seen| {
                    let accepted = seen.summary["shares"]["accepted"].as_u64().unwrap();
                    assert!(accepted < seen.stats.shares.accepted, "{} {:?}", seen.summary, seen.stats);
                },
                ..Scene::at("default")
            }),
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
        ],
    },
    Case {
        number: 33,
        situation: "HTTP, garbage or another coin's pool on the port",
        tries: &[
            Own(bitcoin::http_on_the_port_is_named),
            Own(bitcoin::a_pool_of_another_coin_is_left),
            Play(Scene {
                story: &[Accepted(1), Fault("garbage_line"), Accepted(1)],
                check: |seen| assert!(seen.said.contains("not JSON"), "{}", seen.said),
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "another_protocol_on_the_port_is_named"),
        ],
    },
    Case {
        number: 34,
        situation: "a port of stratum V2, which stays silent",
        tries: &[Own(bitcoin::a_silent_port_is_named)],
    },
    Case { number: 35, situation: "a certificate is refused for the clock", tries: &[Later(StratumV2)] },
    Case { number: 36, situation: "no authority key, no authentication", tries: &[Later(StratumV2)] },
    Case {
        number: 37,
        situation: "the pool's time is far from ours",
        tries: &[
            Play(Scene {
                first_time_s: Some(1_000_000_000),
                story: &[Says("behind this machine's"), Accepted(2)],
                check: bitcoin::time_is_only_the_jobs,
                ..Scene::at("default")
            }),
            Play(Scene {
                first_time_s: Some(4_000_000_000),
                story: &[Says("ahead of this machine's"), Accepted(2)],
                check: bitcoin::time_is_only_the_jobs,
                ..Scene::at("default")
            }),
        ],
    },
    Case { number: 38, situation: "shares for old jobs, and jobs of the future", tries: &[Later(StratumV2)] },
    Case { number: 39, situation: "another extranonce prefix between jobs", tries: &[Later(StratumV2)] },
    Case { number: 40, situation: "the meaning of the least time", tries: &[Later(StratumV2)] },
    Case {
        number: 41,
        situation: "a prefix of four bytes exhausts the nonces",
        tries: &[
            Elsewhere(Kaspa, KASPA, "a_used_up_job_is_waited_out"),
            Elsewhere(
                Kaspa,
                "stratum-client/src/dialect/kaspa/tests/jobs.rs",
                "a_small_nonce_space_is_told_once",
            ),
        ],
    },
    Case {
        number: 42,
        situation: "jobs that come faster than they are taken",
        tries: &[
            Elsewhere(Kaspa, KASPA, "every_profile_is_mined"),
            Elsewhere(
                Kaspa,
                "stratum-client/src/dialect/kaspa/tests/shares.rs",
                "recent_jobs_are_still_sent_for",
            ),
        ],
    },
    Case {
        number: 43,
        situation: "the same job id in every share",
        tries: &[Elsewhere(
            Kaspa,
            "stratum-client/src/dialect/kaspa/tests/shares.rs",
            "job_ids_go_back_as_they_came",
        )],
    },
    Case {
        number: 44,
        situation: "pools that judge miners by their name",
        tries: &[
            Play(Scene {
                story: &[Accepted(1)],
                check: |seen| {
                    let agent = seen.stats.sessions[0].agent.clone().unwrap();
                    assert!(agent.starts_with(concat!("rminer/", env!("CARGO_PKG_VERSION"))), "{agent}");
                    assert!(!agent.contains("cpuminer"), "{agent}");
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "every_profile_is_mined"),
            Elsewhere(
                Kaspa,
                "stratum-client/src/dialect/kaspa/tests/handshake.rs",
                "both_requests_go_out_together",
            ),
        ],
    },
    Case {
        number: 45,
        situation: "hashes that are wrong",
        tries: &[
            Elsewhere(Engine, "miner/tests/engine.rs", "wrong_hits_of_an_untrusted_device_are_never_sent"),
            Elsewhere(Engine, "miner/tests/engine.rs", "a_device_that_is_always_wrong_is_benched"),
        ],
    },
    Case {
        number: 46,
        situation: "a template without the segwit rule",
        tries: &[
            Elsewhere(SoloBitcoin, TEMPLATES, "a_witness_is_there_exactly_when_it_must"),
            Elsewhere(SoloBitcoin, "miner/tests/gbt.rs", "bcoin_accepts_blocks_with_witnesses"),
        ],
    },
    Case {
        number: 47,
        situation: "solo coins are paid elsewhere",
        tries: &[
            Elsewhere(SoloBitcoin, "miner/tests/gbt.rs", "wrong_logins_and_addresses_are_told"),
            Elsewhere(SoloBitcoin, SOLO_BITCOIN, "what_cannot_work_is_told_and_ends"),
        ],
    },
    Case {
        number: 48,
        situation: "a node that catches up or is busy",
        tries: &[
            Elsewhere(SoloBitcoin, SOLO_BITCOIN, "a_node_that_is_not_ready_is_waited_for"),
            Elsewhere(SoloMonero, SOLO_MONERO, "a_busy_node_is_waited_for"),
        ],
    },
    Case {
        number: 49,
        situation: "a template that is too old",
        tries: &[
            Elsewhere(SoloBitcoin, SOLO_BITCOIN, "templates_are_fetched_again_in_any_case"),
            Elsewhere(SoloMonero, SOLO_MONERO, "polls_and_refreshes"),
        ],
    },
    Case {
        number: 50,
        situation: "the same template for two connections",
        tries: &[
            Elsewhere(SoloBitcoin, TEMPLATES, "blocks_are_whole"),
            Elsewhere(SoloMonero, SOLO_MONERO, "first_job_comes_from_the_first_answer"),
        ],
    },
    Case {
        number: 51,
        situation: "templates and jobs of an unknown coin",
        tries: &[
            Own(bitcoin::jobs_of_another_coin_end_it),
            Elsewhere(SoloBitcoin, TEMPLATES, "templates_of_other_chains_are_refused_by_name"),
            Elsewhere(
                SoloMonero,
                "stratum-client/src/dialect/monerod/tests/layout.rs",
                "old_and_foreign_headers_are_refused",
            ),
        ],
    },
    Case {
        number: 52,
        situation: "answers of SOCKS5 proxies",
        tries: &[
            Elsewhere(Transport, "stratum-client/tests/shell/socks.rs", "replies_of_every_shape"),
            Elsewhere(Transport, "miner/tests/wires.rs", "socks_through_microsocks"),
        ],
    },
    Case {
        number: 53,
        situation: "names that no longer resolve",
        tries: &[
            Elsewhere(
                Transport,
                "stratum-client/src/connect/resolve.rs",
                "good_addresses_outlive_the_resolver",
            ),
            Elsewhere(Transport, "stratum-client/tests/shell/dial.rs", "a_name_that_does_not_exist"),
        ],
    },
    Case { number: 54, situation: "a quiet chain", tries: &[Own(bitcoin::a_quiet_pool_is_no_dead_one)] },
    Case {
        number: 55,
        situation: "a pool that gives no job, or no further one",
        tries: &[Own(bitcoin::a_pool_without_jobs_is_left)],
    },
    Case {
        number: 56,
        situation: "a loop of reconnects that nothing ends",
        tries: &[Play(Scene {
            story: &[
                Accepted(1),
                Link("refuse"),
                Link("reset"),
                Miner("three failures", |miner| miner.down_reasons().lines().count() >= 3),
                Pool("nobody there", |stats| stats.open_sessions == 0),
                Link("ok"),
                Accepted(1),
                Fault("close_after(2)"),
                Pool("five connections", |stats| stats.connects >= 5),
                Fault("none"),
                Accepted(1),
            ],
            ..Scene::calm("default")
        })],
    },
    Case {
        number: 57,
        situation: "shares before the login is taken",
        tries: &[Play(Scene {
            story: &[Accepted(1)],
            check: |seen| {
                let silence = |event: &serde_json::Value| {
                    event["text"].as_str().is_some_and(|text| text.contains("does not answer the login"))
                };
                let share = seen.place(|event| event["event"] == "share");
                assert!(seen.place(silence) < share && share.is_some(), "{:?}", seen.events);
            },
            ..Scene::calm("silent-authorize")
        })],
    },
    Case { number: 58, situation: "addresses of IPv6", tries: &[Own(bitcoin::addresses_of_ipv6)] },
    Case {
        number: 59,
        situation: "wrong counts of accepted and refused shares",
        tries: &[
            Own(bitcoin::the_books_agree_with_the_pools),
            Elsewhere(Kaspa, KASPA, "the_books_agree_with_the_pools"),
        ],
    },
    Case {
        number: 60,
        situation: "a verdict that comes late",
        tries: &[Play(Scene {
            story: &[Accepted(1)],
            check: |seen| assert_eq!(seen.stats.connects, 1),
            ..Scene::at("late-result")
        })],
    },
    Case {
        number: 61,
        situation: "no difficulty before the first share, or a senseless one",
        tries: &[
            Play(Scene {
                story: &[Miner("the first job", |miner| miner.named("job").len() == 1), Job, Accepted(2)],
                check: |seen| {
                    let told: Vec<_> =
                        seen.named("job").iter().filter_map(|job| job["difficulty"].as_f64()).collect();
                    assert_eq!(told.len(), 2, "{told:?}");
                    assert!((told[0] - 1.0).abs() < 1e-9 && told[1] < 0.001, "{told:?}");
                },
                ..Scene::calm("late-difficulty")
            }),
            Play(Scene {
                threads: "2",
                story: &[Accepted(1), Fault("zero_target"), Says("no number above zero"), Accepted(2)],
                check: |seen| assert_eq!((seen.stats.connects, seen.stats.jobs), (1, 1)),
                ..Scene::calm("default")
            }),
            Own(bitcoin::an_absurd_difficulty_floods_nobody),
            Elsewhere(Kaspa, KASPA, "an_absurd_difficulty_floods_nobody"),
        ],
    },
    Case {
        number: 62,
        situation: "sizes from the pool that memory has to bear",
        tries: &[Play(Scene {
            story: &[
                Accepted(1),
                Fault("absurd_sizes"),
                Accepted(1),
                Fault("json_bomb"),
                Accepted(1),
                Fault("malformed_notify(branch_endless)"),
                Accepted(1),
                Fault("malformed_notify(id_huge)"),
                Accepted(1),
            ],
            ..Scene::at("default")
        })],
    },
    Case {
        number: 63,
        situation: "a storm of jobs",
        tries: &[
            Play(Scene {
                story: &[Accepted(1), Fault("job_storm(10000)"), Accepted(2)],
                check: |seen| {
                    assert!(seen.stats.jobs > 10_000, "{:?}", seen.stats);
                    assert_eq!(seen.stats.connects, 1);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
        ],
    },
    Case {
        number: 64,
        situation: "a connection of which only one half is left",
        tries: &[
            Play(Scene {
                story: &[
                    Accepted(1),
                    Link("drop-down"),
                    Says("no answer to a share within 20 s"),
                    Link("ok"),
                    Accepted(1),
                ],
                check: |seen| {
                    let lost = seen.summary["shares"]["lost"].as_u64().unwrap();
                    let unanswered = seen.summary["shares"]["no_reply"].as_u64().unwrap();
                    assert!(lost + unanswered > 0, "{}", seen.summary);
                },
                ..Scene::calm("default")
            }),
            Elsewhere(Transport, "stratum-client/src/connect/tcp.rs", "options_are_set"),
            Elsewhere(
                Transport,
                "stratum-client/src/supervisor/tests.rs",
                "sleep_of_the_machine_is_no_fault_of_the_pool",
            ),
        ],
    },
    Case {
        number: 65,
        situation: "an older job comes behind a newer one",
        tries: &[
            Elsewhere(Kaspa, KASPA, "pool_faults_lose_no_share_and_break_nothing"),
            Elsewhere(
                Kaspa,
                "stratum-client/src/dialect/kaspa/tests/jobs.rs",
                "a_job_that_was_overtaken_is_dropped",
            ),
        ],
    },
    Case {
        number: 66,
        situation: "the login is never answered",
        tries: &[
            Play(Scene {
                arguments: &["--pipeline=off"],
                story: &[Says("the pool does not answer the login"), Accepted(1)],
                check: |seen| assert_eq!(seen.stats.connects, 1),
                ..Scene::calm("silent-authorize")
            }),
            Elsewhere(Kaspa, KASPA, "a_pool_that_says_nothing_is_told"),
            Elsewhere(
                Kaspa,
                "stratum-client/src/dialect/kaspa/tests/handshake.rs",
                "a_login_without_an_answer",
            ),
        ],
    },
];
