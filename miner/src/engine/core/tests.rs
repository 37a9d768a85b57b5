//! Decisions of the engine that need neither pool nor socket.

use rminer_algos::registry::RANDOMX;
use rminer_algos::{NonceField, Target, Template, Work};
use rminer_stratum::Supersede;

use super::*;
use crate::devices::sim::{SimOptions, SimSource};

fn job(seq: u64, difficulty: u128, solo: bool) -> Arc<Job> {
    let nonce = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
    let target = Target::from_difficulty(difficulty).unwrap();
    Arc::new(Job {
        key: JobKey { session: 1, seq },
        pool: 0,
        algorithm: &RANDOMX,
        template: Template::Fixed(Arc::new(Work::new(&[7; 76], nonce, None).unwrap())),
        target,
        block_target: solo.then_some(target),
        supersede: Supersede::Prefer,
        height: None,
        next_seed: None,
        received: Instant::now(),
    })
}

/// What an engine with one simulated device says of rare shares in eleven seconds, told seconds only.
fn rare(difficulty: u128, solo: bool) -> Vec<RareShares> {
    let (reports, _keep) = mpsc::channel(64);
    let (checked, _keep_too) = mpsc::channel(64);
    let source = Arc::new(SimSource::new(0, SimOptions::default()));
    let start = Instant::now();
    let mut core = Core::new(vec![source], reports, checked, Patience::default(), start).unwrap();
    core.on_pool(Event::Job(job(1, difficulty, solo)));
    core.tick(start);
    let end = Instant::now() + Duration::from_secs(30);
    while core.crew.each().all(|(_, hashes, _)| hashes == 0) {
        assert!(Instant::now() < end, "the device does not hash");
        std::thread::sleep(Duration::from_millis(1));
    }
    for second in 1..=11 {
        core.on_pool(Event::Job(job(1 + second, difficulty, solo)));
        core.tick(start + Duration::from_secs(second));
    }
    let happenings = core.take_happenings().into_iter();
    let told =
        happenings.filter_map(|told| if let Happening::RareShares(rare) = told { Some(rare) } else { None });
    let told = told.collect();
    drop((_keep, _keep_too));
    core.stop(Duration::from_secs(10));
    told
}

#[test]
fn rare_shares_are_told_of_once() {
    let told = rare(1 << 60, false);
    assert_eq!(told.len(), 1, "{told:?}");
    let RareShares { expected, difficulty, rate_hs, solo } = told[0];
    assert!((difficulty / 2.0f64.powi(60) - 1.0).abs() < 1e-6 && rate_hs > 0.0 && !solo);
    assert!((expected.as_secs_f64() * rate_hs / difficulty - 1.0).abs() < 1e-6);
    assert!(rare(1 << 100, true)[0].solo);
}

#[test]
fn frequent_shares_are_nothing_to_tell() {
    assert_eq!(rare(2, false), []);
}
