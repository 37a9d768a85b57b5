//! The client and the embedded Kaspa pool in virtual time, at ten jobs a second: every kind of pool, and histories of what
//! a pool may do in the middle of a session.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/pool_world.rs"]
mod world;

use std::time::Duration;

use rminer_pool::kaspa::{Enforce, Keep, MalformedTemplate, Profile, Reaction};
use rminer_pool::{Fault, PoolStats, Reject};
use rminer_stratum::rng::Rng;
use world::World;

/// Pools at which nobody mines.
fn is_closed(profile: &Profile) -> bool {
    profile.authorize == Reaction::Refuse || profile.never_logs_in
}

/// Refusals that the miner could not know of when it sent the share.
fn excused(profile: &Profile, reject: Reject) -> bool {
    // A share that was on its way when the difficulty rose.
    profile.enforce != Enforce::WithJob && reject == Reject::Retargeted
        || reject == Reject::StaleJob && keeps_few(profile)
}

/// The world's miner finds shares of jobs up to four old, and a wire of 200 ms makes two more of them.
fn keeps_few(profile: &Profile) -> bool {
    matches!(profile.keep, Keep::Last(..=8) | Keep::Slots(..=8))
}

fn faults_of_ours(profile: &Profile, stats: &PoolStats) -> Vec<(Reject, u64)> {
    let rejected = stats.shares.rejected.iter().map(|(reject, count)| (*reject, *count));
    rejected.filter(|(reject, _)| !excused(profile, *reject)).collect()
}

#[test]
fn every_kind_of_pool_takes_every_share() {
    for (number, profile) in (1..).zip(Profile::all()) {
        for vardiff in [false, true] {
            let mut world = World::new(profile.clone(), number, vardiff);
            world.run(Duration::from_secs(60));
            let notices = std::mem::take(&mut world.notices);
            let (counts, stats) = world.close();
            let about = format!("{} vardiff {vardiff}: {counts:?}\n{stats:?}\n{notices:#?}", profile.name);
            if is_closed(&profile) {
                assert_eq!((counts.found, stats.shares.submitted), (0, 0), "{about}");
                continue;
            }
            // At a pool that keeps the newest job only, every share comes too late.
            let judged = if keeps_few(&profile) { stats.shares.submitted } else { stats.shares.accepted };
            assert!(judged >= 50, "{about}");
            assert_eq!(faults_of_ours(&profile, &stats), [], "{about}");
            assert_eq!(stats.shares.submitted, stats.shares.accepted + stats.shares.rejected_total());
            assert_eq!(counts.accepted, stats.shares.accepted, "{about}");
            assert_eq!((stats.protocol_errors, stats.connects), (0, 1), "{about}");
        }
    }
}

/// Deeds of a pool after which every share is still as good as before.
fn deeds() -> Vec<Fault> {
    let mut deeds = vec![
        Fault::DupJob,
        Fault::OldJob,
        Fault::SameIdNewContent,
        Fault::RetargetSameJob,
        Fault::ZeroTarget,
        Fault::SetExtranonce(None),
        Fault::SetExtranonce(Some((4, 4))),
        Fault::SetExtranonce(Some((0, 8))),
        Fault::SetExtranonce(Some((6, 2))),
        Fault::JobStorm(50),
        Fault::NewJob,
        Fault::NewBlock,
        Fault::UnknownReplies,
        Fault::EscapeText,
        Fault::GarbageLine,
        Fault::Close,
        Fault::None,
        Fault::NumbersAsStrings,
        Fault::StringIds,
        Fault::FloatIds,
        Fault::ReplyTwice,
        Fault::ReplyReorder,
        Fault::Split { bytes: 7, gap: Duration::from_millis(2) },
        Fault::Join,
        Fault::RejectAll(Reject::StaleJob),
        Fault::RejectAll(Reject::Unauthenticated),
        Fault::RejectAll(Reject::NiceHashByte),
        Fault::DropReply(20),
    ];
    let malformed = MalformedTemplate::ALL.iter().copied();
    deeds.extend(malformed.map(Fault::MalformedTemplate));
    deeds
}

#[test]
fn whatever_a_pool_does_no_share_is_wrong_or_sent_twice() {
    let profiles: Vec<Profile> = Profile::all()
        .into_iter()
        .filter(|profile| !is_closed(profile) && profile.late_result.is_none())
        .collect();
    let deeds = deeds();
    for seed in 0..5 {
        let mut rng = Rng::new(seed);
        let mut pick = |count: usize| usize::try_from(rng.below(count.try_into().unwrap())).unwrap();
        let profile = profiles[pick(profiles.len())].clone();
        let mut world = World::new(profile.clone(), seed, pick(2) == 0);
        let (pause, last) = (Duration::from_secs(10), Duration::from_secs(60));
        let (story, recovered) = world.live_through(&deeds, &mut rng, pause, last);
        let (counts, stats) = world.close();
        let about = format!("seed {seed}, {}: {story:?}\n{counts:?}\n{stats:?}", profile.name);
        assert!(recovered, "{about}");
        assert_eq!(stats.shares_for_malformed_jobs, 0, "{about}");
        let mut faults = faults_of_ours(&profile, &stats);
        faults.retain(|(reject, _)| *reject != Reject::StaleJob);
        assert_eq!(faults, [], "{about}");
    }
}
