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

/// Counts what is handed to it in bulk.
#[derive(Default)]
struct Bulk(Vec<(usize, u16, u64)>);

impl Submit for Bulk {
    fn share(&mut self, _: &Share) {}

    fn not_sent(&mut self, _: &Share, _: NotSent) {}

    fn throttled(&mut self, pool: usize, worker: u16, hits: u64) {
        self.0.push((pool, worker, hits));
    }
}

#[test]
fn counted_hits_are_one_word_a_tick_for_a_device() {
    let (reports, _keep) = mpsc::channel(64);
    let (checked, _keep_too) = mpsc::channel(64);
    let start = Instant::now();
    let sources = [0, 1].map(|worker| Arc::new(SimSource::new(worker, SimOptions::default())) as _);
    let mut core = Core::new(sources.into(), reports, checked, Patience::default(), start).unwrap();
    let assignment = Scheduler::default().job(job(1, 1, false)).unwrap();
    let mut bulk = Bulk::default();
    for (worker, count) in [(0, 1000), (1, 50), (0, 7)] {
        let excess = Excess { worker, assignment: Arc::clone(&assignment), count };
        core.on_report(start, Report::Excess(excess), &mut bulk);
    }
    assert_eq!(bulk.0, [(0, 0, 1000), (0, 1, 50), (0, 0, 7)]);
    assert!(core.take_happenings().is_empty());
    core.tick(start);
    let told = core.take_happenings();
    assert!(matches!(&told[..], [Happening::Excess(0, device, 1057)] if device == "sim0"), "{told:?}");
    core.tick(start);
    assert!(core.take_happenings().is_empty());
    core.stop(Duration::from_secs(10));
}

/// While a block is on its way to the node the job is one that no hash meets; people are told nothing of that.
#[test]
fn a_held_job_is_no_news() {
    let (reports, _keep) = mpsc::channel(64);
    let (checked, _keep_too) = mpsc::channel(64);
    let start = Instant::now();
    let mut core = Core::new(Vec::new(), reports, checked, Patience::default(), start).unwrap();
    let mut held = Job::clone(&job(1, 2, true));
    held.target = Target::HARDEST;
    core.on_pool(Event::Job(Arc::new(held)));
    // A rate is known by then.
    for (second, hashes) in [(0, 0), (10, 1000), (11, 1100)] {
        core.total_window.sample(start + Duration::from_secs(second), hashes);
    }
    core.tell_of_rare_shares();
    assert!(core.take_happenings().is_empty());
    assert_eq!(core.snapshot(start, &Ledger::default()).difficulty, None);
    core.on_pool(Event::Job(job(2, 1 << 60, true)));
    core.tell_of_rare_shares();
    let told = core.take_happenings();
    assert!(matches!(&told[..], [Happening::Job(_), Happening::RareShares(_)]), "{told:?}");
    core.stop(Duration::from_secs(10));
}

#[test]
fn frequent_shares_are_nothing_to_tell() {
    assert_eq!(rare(2, false), []);
}
