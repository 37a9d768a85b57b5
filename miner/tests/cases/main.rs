//! The ways in which pools are known to fail their miners, all of them in one numbered table: each is tried out here on
//! the real binary and the embedded Bitcoin pool, or the row names the test that does, or the part of the program that
//! is still to come.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

mod bitcoin;
mod play;
#[path = "../support/mod.rs"]
mod support;
mod table;
#[path = "../support/pool_world.rs"]
mod world;

use std::collections::BTreeSet;
use std::path::Path;

use rminer_pool::bitcoin::{FirstJob, Profile, Reaction};

use play::{Scene, Step, play};
use support::Miner;
use table::{Case, Part, Try, cases};

/// One test for each number that has something to try out here, so that each can be run alone.
macro_rules! cases {
    ($($test:ident = $number:literal,)*) => {
        const TRIED_HERE: &[u8] = &[$($number),*];
        $(#[test] fn $test() { try_case($number); })*
    };
}

cases! {
    case_01 = 1, case_02 = 2, case_03 = 3, case_04 = 4, case_05 = 5, case_06 = 6, case_07 = 7, case_08 = 8,
    case_09 = 9, case_10 = 10, case_11 = 11, case_12 = 12, case_13 = 13, case_14 = 14, case_15 = 15, case_16 = 16,
    case_17 = 17, case_18 = 18, case_19 = 19, case_20 = 20, case_21 = 21, case_22 = 22, case_23 = 23, case_24 = 24,
    case_25 = 25, case_26 = 26, case_27 = 27, case_28 = 28, case_29 = 29, case_30 = 30, case_31 = 31, case_32 = 32,
    case_33 = 33, case_34 = 34, case_37 = 37, case_44 = 44, case_51 = 51, case_54 = 54, case_55 = 55, case_56 = 56,
    case_57 = 57, case_58 = 58, case_59 = 59, case_60 = 60, case_61 = 61, case_62 = 62, case_63 = 63, case_64 = 64,
    case_66 = 66,
}

fn try_case(number: u8) {
    let case = cases().find(|case| case.number == number).unwrap();
    for (place, one) in case.tries.iter().enumerate() {
        match one {
            Try::Play(scene) => {
                play(&format!("case {number}.{place} ({}, {})", case.situation, scene.profile), scene);
            }
            Try::Own(run) => run(),
            Try::Elsewhere(..) | Try::Later(_) => {}
        }
    }
}

/// Every number once and in order, and each with a try that exists.
#[test]
fn the_table_is_complete() {
    let numbers: Vec<u8> = cases().map(|case| case.number).collect();
    assert_eq!(numbers, (1..=66).collect::<Vec<u8>>());
    let here = |case: &&Case| case.tries.iter().any(|one| matches!(one, Try::Play(_) | Try::Own(_)));
    let tried: Vec<u8> = cases().filter(here).map(|case| case.number).collect();
    assert_eq!(tried, TRIED_HERE, "a number that is tried out here is a test");
    for case in cases() {
        assert!(!case.situation.is_empty() && !case.tries.is_empty(), "case {}", case.number);
        for one in case.tries {
            match one {
                Try::Play(scene) => {
                    let waits = |step: &Step| !matches!(step, Step::Fault(_) | Step::Link(_) | Step::Job);
                    assert!(scene.story.iter().any(waits), "case {} waits for nothing", case.number);
                    assert!(Profile::by_name(scene.profile).is_some(), "{}", scene.profile);
                }
                Try::Own(_) => {}
                Try::Elsewhere(part, file, test) => {
                    assert!(!part.is_later(), "case {}: {part:?} has no test yet", case.number);
                    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(file);
                    let text =
                        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
                    assert!(
                        text.contains(&format!("fn {test}(")),
                        "case {}: no {test} in {file}",
                        case.number
                    );
                }
                Try::Later(part) => assert!(part.is_later(), "case {}: {part:?} is there", case.number),
            }
        }
    }
}

/// What is still to come is refused by name; as soon as it is not, its cases belong into the table.
#[test]
fn what_is_to_come_is_not_there_yet() {
    let later = |part: Part| {
        cases().any(|case| case.tries.iter().any(|one| matches!(one, Try::Later(which) if *which == part)))
    };
    assert!(later(Part::StratumV2));
    let mut miner =
        Miner::start_sha256d(&["--pool", "stratum2+tcp://127.0.0.1:3336/x", "--user", play::USER]);
    assert_eq!(miner.wait_exit(play::PATIENCE_S), Some(2));
    assert!(miner.errors().contains("Stratum V2"), "{}", miner.errors());
}

/// Kinds of pools that are in no case of their own.
#[test]
fn every_other_kind_of_pool_is_mined() {
    let scenes = cases().flat_map(|case| case.tries).filter_map(|one| match one {
        Try::Play(scene) => Some(scene.profile),
        _ => None,
    });
    let in_cases: BTreeSet<&str> = scenes.chain(["enforce-at-once"]).collect();
    let others = Profile::all().into_iter().filter(|profile| !in_cases.contains(profile.name));
    let others = others
        .filter(|profile| profile.authorize != Reaction::Refuse && profile.first_job != FirstJob::Never);
    bitcoin::each(others.collect(), |profile: Profile| {
        let scene = Scene { story: &[Step::Accepted(3)], ..Scene::at(profile.name) };
        play(profile.name, &scene);
    });
}

#[test]
fn a_refused_login_is_told_and_ends_it() {
    let story: &[Step] = &[Step::Says("refused the login"), Step::Exits(5)];
    let scene = Scene { arguments: &["--retries", "1"], story, ..Scene::calm("login-refused") };
    play("login-refused", &scene);
}
