//! Cases 31 and more.

use crate::bitcoin;
use crate::play::{Scene, Step::*};
use crate::table::{
    Case, KASPA,
    Part::{Engine, Kaspa, SoloBitcoin, SoloMonero, StratumV2, Transport},
    SOLO_BITCOIN, SOLO_MONERO, TEMPLATES,
    Try::{Elsewhere, Later, Own, Play},
};

pub(super) const CASES: &[Case] = &[
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
