//! Cases 1 to 30.

use rminer_pool::Reject;

use crate::bitcoin;
use crate::play::{Scene, Step::*};
use crate::table::{
    Case, KASPA,
    Part::{Engine, Kaspa, Monero},
    Try::{Elsewhere, Own, Play},
};

pub(super) const CASES: &[Case] = &[
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
];
