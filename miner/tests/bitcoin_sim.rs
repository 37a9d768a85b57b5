//! The client and the embedded Bitcoin pool in virtual time: every kind of pool, and hundreds of schedules of what a
//! pool may do in the middle of a session.
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

#[path = "support/pool_world.rs"]
mod world;

use std::time::Duration;

use rminer_pool::bitcoin::{FirstJob, MalformedNotify, Profile, Reaction, VersionFormula};
use rminer_pool::{Fault, PoolStats, Reject};
use rminer_stratum::rng::Rng;
use world::World;

/// Refusals that cannot be told from here whose fault they are.
fn excused(profile: &Profile, reject: Reject) -> bool {
    // Two shares show that the server reads version bits in its own way.
    profile.version_formula == VersionFormula::Xor && reject == Reject::LowDifficulty
        // A share that was on its way when the difficulty rose.
        || profile.enforce_at_once && matches!(reject, Reject::LowDifficulty | Reject::Retargeted)
}

fn faults_of_ours(profile: &Profile, stats: &PoolStats) -> Vec<(Reject, u64)> {
    let stale = [Reject::StaleJob, Reject::BlockExpired];
    let rejected = stats.shares.rejected.iter().map(|(reject, count)| (*reject, *count));
    rejected.filter(|(reject, _)| !stale.contains(reject) && !excused(profile, *reject)).collect()
}

#[test]
fn every_kind_of_pool_takes_every_share() {
    for (number, profile) in (1..).zip(Profile::all()) {
        for vardiff in [false, true] {
            let mut world = World::new(profile.clone(), number, vardiff);
            world.run(Duration::from_secs(300));
            let notices = std::mem::take(&mut world.notices);
            let (counts, stats) = world.close();
            let about = format!("{} vardiff {vardiff}: {counts:?}\n{stats:?}\n{notices:#?}", profile.name);
            if profile.authorize == Reaction::Refuse || profile.first_job == FirstJob::Never {
                assert_eq!((counts.found, stats.shares.submitted), (0, 0), "{about}");
                continue;
            }
            assert!(stats.shares.accepted >= 100, "{about}");
            assert_eq!(faults_of_ours(&profile, &stats), [], "{about}");
            assert!(stats.shares.rejects(Reject::LowDifficulty) <= 20, "{about}");
            assert_eq!(stats.shares.submitted, stats.shares.accepted + stats.shares.rejected_total());
            assert_eq!(counts.accepted, stats.shares.accepted, "{about}");
            let grants = profile.configure == Reaction::Grant && profile.version_mask & !profile.version != 0;
            assert_eq!(stats.rolled_versions > 0, grants, "{about}");
        }
    }
}

/// Deeds of a pool after which every share is still as good as before.
fn deeds() -> Vec<Fault> {
    let mut deeds = vec![
        Fault::DupJob,
        Fault::RetargetSameJob,
        Fault::ZeroTarget,
        Fault::SetExtranonce(None),
        Fault::SetExtranonce(Some((8, 4))),
        Fault::SetExtranonce(Some((0, 16))),
        Fault::AbsurdSizes,
        Fault::SetVersionMask(0x1FFF_E000),
        Fault::Questions,
        Fault::JobStorm(50),
        Fault::NewJob,
        Fault::NewBlock,
        Fault::UnknownReplies,
        Fault::EscapeText,
        Fault::GarbageLine,
        Fault::Close,
        Fault::None,
        Fault::StringIds,
        Fault::FloatIds,
        Fault::ReplyTwice,
        Fault::ReplyReorder,
        Fault::Split { bytes: 7, gap: Duration::from_millis(2) },
        Fault::Join,
        Fault::RejectAll(Reject::StaleJob),
        Fault::RejectAll(Reject::Unauthenticated),
    ];
    deeds.extend(MalformedNotify::ALL.iter().copied().map(Fault::MalformedNotify));
    deeds
}

#[test]
fn whatever_a_pool_does_no_share_is_wrong_or_sent_twice() {
    let profiles: Vec<Profile> = Profile::all()
        .into_iter()
        .filter(|profile| profile.authorize != Reaction::Refuse && profile.late_result.is_none())
        .filter(|profile| profile.first_job != FirstJob::Never)
        .collect();
    let deeds = deeds();
    for seed in 0..40 {
        let mut rng = Rng::new(seed);
        let mut pick = |count: usize| usize::try_from(rng.below(count.try_into().unwrap())).unwrap();
        let profile = profiles[pick(profiles.len())].clone();
        let mut world = World::new(profile.clone(), seed, pick(2) == 0);
        let (pause, last) = (Duration::from_secs(20), Duration::from_secs(120));
        let (story, recovered) = world.live_through(&deeds, &mut rng, pause, last);
        let (counts, stats) = world.close();
        let about = format!("seed {seed}, {}: {story:?}\n{counts:?}\n{stats:?}", profile.name);
        assert!(recovered, "{about}");
        assert_eq!(stats.shares_for_malformed_jobs, 0, "{about}");
        // A share may be on its way while the name of its job gets another meaning.
        let renamed = story.iter().filter(|deed| deed.starts_with("SetExtranonce")).count() as u64;
        let mut faults = faults_of_ours(&profile, &stats);
        faults.retain(|(reject, count)| *reject != Reject::LowDifficulty || *count > 2 * renamed);
        assert_eq!(faults, [], "{about}");
    }
}
