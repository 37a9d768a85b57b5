//! The device around kernels that are right, wrong, and silent.

use std::sync::Mutex;

use rminer_algos::registry::SHA256D;
use rminer_algos::{Kernel, Target, Work};

use super::device::KernelDevice;
use super::*;
use crate::devices::planted::PLANTED_ONE_IN;
use crate::devices::{Check, Device, Found, Generation};

/// A sink that remembers.
fn listen() -> (NoticeSink, Arc<Mutex<Vec<Notice>>>) {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&heard);
    (Arc::new(move |notice| sink.lock().unwrap().push(notice)), heard)
}

fn sample() -> Arc<Work> {
    Arc::new((SHA256D.sample)(1).unwrap())
}

/// Met by one hash in `difficulty`.
fn target(difficulty: u128) -> Target {
    Target::from_difficulty(difficulty).unwrap()
}

/// Hits among these counters, by the reference.
fn expected(work: &Work, target: Target, counters: std::ops::Range<u64>) -> Vec<u64> {
    let mut reference = (SHA256D.reference)().unwrap();
    let nonces = counters.map(|counter| work.nonce(counter));
    nonces.filter(|nonce| target.is_met_by(&reference.hash(work, *nonce).unwrap())).collect()
}

/// Scans until `end`, as a worker of the engine does.
fn scan_all(device: &mut dyn Device, end: u64) -> Result<Vec<u64>, DeviceError> {
    let interrupt = Generation::default().interrupt();
    let (mut next, mut found) = (0, Vec::new());
    while next < end {
        let done = device.scan(next..end.min(next + device.batch()), &interrupt, &mut found)?;
        assert!(done > 0, "nobody interrupts, so each slice gets on");
        next += done;
    }
    assert_eq!(next, end);
    assert!(found.iter().all(|found| found.hash.is_none()));
    Ok(found.into_iter().map(|Found { nonce, .. }| nonce).collect())
}

#[test]
fn every_kernel_of_this_processor_finds_all_hits() {
    let work = sample();
    let target = target(500);
    let wanted = expected(&work, target, 0..30_000);
    assert!(wanted.len() > 20);
    for backend in SHA256D.kernels.iter().filter(|backend| (backend.is_available)()) {
        let settings = CpuSettings { kernel: Some(backend.name), ..CpuSettings::default() };
        let (sink, heard) = listen();
        let setup = open(&SHA256D, &settings, &sink).unwrap();
        assert_eq!(setup.engine, backend.name);
        let source = &setup.sources[0];
        assert_eq!((source.info().id.as_str(), source.check()), ("cpu0", Check::First));
        let mut device = source.open().unwrap();
        device.load(&work, target, &Generation::default().interrupt()).unwrap();
        let mut found = scan_all(&mut *device, 30_000).unwrap();
        found.sort_unstable();
        let mut wanted = wanted.clone();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{}", backend.name);
        let heard = heard.lock().unwrap();
        assert!(heard.iter().all(|n| matches!(n, Notice::Warning(p) if p.code == "pin")), "{heard:?}");
    }
}

#[test]
fn slices_end_at_interrupts_and_at_the_end_of_the_space() {
    let setup = open(&SHA256D, &CpuSettings::default(), &listen().0).unwrap();
    let mut device = setup.sources[0].open().unwrap();
    let generation = Generation::default();
    let interrupt = generation.interrupt();
    let mut found = Vec::new();
    assert!(matches!(device.scan(0..9, &interrupt, &mut found), Err(DeviceError::Lost(_))));
    let work = sample();
    device.load(&work, target(1 << 40), &interrupt).unwrap();
    let last = work.last_counter();
    let mut next = last - 9;
    while next <= last {
        next += device.scan(next..last + 500, &interrupt, &mut found).unwrap();
    }
    assert_eq!(next, last + 1);
    generation.advance();
    assert_eq!(device.scan(0..900, &interrupt, &mut found), Ok(0));
    let one_slice = device.scan(0..1 << 40, &generation.interrupt(), &mut found).unwrap();
    assert!(0 < one_slice && one_slice < 1 << 40);
    assert!(found.is_empty());
}

/// A target that every hash meets does not flood anybody.
#[test]
fn easy_targets_make_short_slices() {
    let setup = open(&SHA256D, &CpuSettings::default(), &listen().0).unwrap();
    let mut device = setup.sources[0].open().unwrap();
    let interrupt = Generation::default().interrupt();
    device.load(&sample(), Target::MAX, &interrupt).unwrap();
    let mut found = Vec::new();
    let done = device.scan(0..1 << 40, &interrupt, &mut found).unwrap();
    assert_eq!(found.len() as u64, done);
    assert!((1..=64).contains(&done), "{done}");
}

#[test]
fn a_kernel_that_cannot_be_had_is_named() {
    let open_with = |kernel| {
        let settings = CpuSettings { kernel: Some(kernel), ..CpuSettings::default() };
        open(&SHA256D, &settings, &listen().0).err().unwrap()
    };
    let fault = open_with("abacus");
    assert!(
        matches!(&fault, DeviceError::Unsupported(text) if text.contains("abacus") && text.contains("scalar"))
    );
}

/// Finds nothing at all, which no pool would ever complain about.
struct Silent;

impl Kernel for Silent {
    fn load(&mut self, _: &Work, _: Target) -> Result<(), Unavailable> {
        Ok(())
    }

    fn scan(&mut self, _: std::ops::Range<u64>, _: &mut Vec<u64>) {}

    fn granule(&self) -> u64 {
        16
    }
}

fn silent() -> Box<dyn Kernel> {
    Box::new(Silent)
}

fn scalar() -> &'static Backend {
    SHA256D.kernels.iter().find(|backend| backend.name == "scalar").unwrap()
}

fn make_scalar() -> Box<dyn Kernel> {
    (scalar().make)()
}

const BROKEN: Backend = Backend { name: "broken", is_available: || true, make: silent };
const GOOD: Backend = Backend { name: "good", is_available: || true, make: make_scalar };

/// An algorithm whose best kernel is broken.
static HALF_BROKEN: Algorithm = Algorithm { kernels: &[BROKEN, GOOD], name: "half-broken", ..SHA256D };
static ALL_BROKEN: Algorithm = Algorithm { kernels: &[BROKEN], name: "all-broken", ..SHA256D };

#[test]
fn a_kernel_that_fails_its_self_test_is_passed_over() {
    let (sink, heard) = listen();
    let setup = open(&HALF_BROKEN, &CpuSettings::default(), &sink).unwrap();
    assert_eq!(setup.engine, "good");
    let heard = heard.lock().unwrap();
    let told =
        heard.iter().any(|notice| matches!(notice, Notice::Warning(p) if p.summary.contains("broken")));
    assert!(told, "{heard:?}");
    let fault = open(&ALL_BROKEN, &CpuSettings::default(), &listen().0).err().unwrap();
    assert!(matches!(fault, DeviceError::Wrong(_)), "{fault}");
}

#[test]
fn a_kernel_that_goes_silent_is_found_out_by_a_planted_winner() {
    let mut device = KernelDevice::new(Box::new(Silent), (SHA256D.reference)().unwrap(), 0);
    device.load(&sample(), target(1 << 50), &Generation::default().interrupt()).unwrap();
    let mut slices = 0;
    let fault = loop {
        match scan_all(&mut device, 16) {
            Ok(found) => assert!(found.is_empty()),
            Err(fault) => break fault,
        }
        slices += 1;
        assert!(slices < PLANTED_ONE_IN);
    };
    assert_eq!(slices, PLANTED_ONE_IN - 1);
    assert!(matches!(&fault, DeviceError::Wrong(text) if text.contains("known beforehand")), "{fault}");
}

/// A good kernel passes the same test, and what is reported in that slice is what is reported in any other.
#[test]
fn planted_winners_are_no_shares() {
    let (work, target) = (sample(), target(50));
    let wanted = expected(&work, target, 0..2000);
    let mut device = KernelDevice::new(make_scalar(), (SHA256D.reference)().unwrap(), PLANTED_ONE_IN - 1);
    device.load(&work, target, &Generation::default().interrupt()).unwrap();
    assert_eq!(scan_all(&mut device, 2000).unwrap(), wanted);
}

/// The whole engine on one job, without a pool: what it hands over as shares are the job's hits.
#[test]
fn the_engine_mines_on_kernels() {
    use std::time::{Duration, Instant};

    use rminer_algos::Template;
    use rminer_stratum::supervisor::Event;
    use rminer_stratum::{Job, JobKey, NotSent, Share, Supersede};

    use crate::engine::{Core, Patience, Submit};

    #[derive(Default)]
    struct Sent(Vec<u64>, u32);

    impl Submit for Sent {
        fn share(&mut self, share: &Share) {
            assert!(share.job.target.is_met_by(&share.hash));
            self.0.push(share.nonce);
        }

        fn not_sent(&mut self, _: &Share, why: NotSent) {
            assert_eq!(why, NotSent::Throttled);
            self.1 += 1;
        }

        fn throttled(&mut self, _: usize, _: u16, _: u64) {}
    }

    let (sink, _) = listen();
    let setup = open(&SHA256D, &CpuSettings::default(), &sink).unwrap();
    let (report, mut reports) = tokio::sync::mpsc::channel(64);
    let (checked_sender, mut checked) = tokio::sync::mpsc::channel(64);
    let now = Instant::now();
    let mut core = Core::new(setup.sources, report, checked_sender, Patience::default(), now).unwrap();
    let work = sample();
    let target = target(20_000);
    let job = Job {
        key: JobKey { session: 1, seq: 1 },
        pool: 0,
        algorithm: &SHA256D,
        template: Template::Fixed(Arc::clone(&work)),
        target,
        block_target: None,
        supersede: Supersede::Prefer,
        height: None,
        next_seed: None,
        received: now,
    };
    core.on_pool(Event::Job(Arc::new(job)));
    core.tick(now);
    let mut sent = Sent::default();
    let end = now + Duration::from_secs(120);
    while sent.0.len() < 20 {
        assert!(Instant::now() < end, "{} shares", sent.0.len());
        while let Ok(report) = reports.try_recv() {
            core.on_report(Instant::now(), report, &mut sent);
        }
        while let Ok(checked) = checked.try_recv() {
            core.on_checked(Instant::now(), checked, &mut sent);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let mut reference = (SHA256D.reference)().unwrap();
    for nonce in &sent.0 {
        assert!(target.is_met_by(&reference.hash(&work, *nonce).unwrap()));
    }
    let mut distinct = sent.0.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), sent.0.len());
    drop((reports, checked));
    core.stop(Duration::from_secs(10));
}
