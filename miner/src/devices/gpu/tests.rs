use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rminer_algos::registry::{RANDOMX, SHA256D};
use rminer_algos::{NonceField, Reference, Target, Template, Unavailable, Work};
use rminer_shaders::Fault;
use rminer_stratum::{Job, JobKey, Supersede};
use tokio::sync::mpsc;

use super::*;
use crate::config::DevicePattern;
use crate::devices::{Check, Device, DeviceError, Found, Generation};
use crate::engine::{Crew, CrewEvent, Letter, Mailbox, Patience, Report, Scheduler};

fn software() -> DeviceSelection {
    DeviceSelection::Only(vec![DevicePattern::Software])
}

/// The software adapter as the miner sees it. Without one a test is skipped, or fails where everything must be there.
fn setup() -> Option<GpuSetup> {
    let setup = open(&SHA256D, &GpuSettings::default(), &software(), None);
    if setup.sources.is_empty() {
        let required = std::env::var("RMINER_REQUIRE_FIXTURES").is_ok_and(|value| value == "1");
        assert!(!required, "no software Vulkan: install mesa-vulkan-drivers and libvulkan1");
        eprintln!("skipped: no software Vulkan (mesa-vulkan-drivers, libvulkan1)");
        return None;
    }
    Some(setup)
}

fn target() -> Target {
    let mut bytes = [0xFF; 32];
    bytes[30..].fill(0);
    Target::from_le_bytes(bytes).unwrap()
}

#[test]
fn a_card_is_opened_and_finds_what_the_reference_finds() {
    let Some(setup) = setup() else { return };
    let source = &setup.sources[0];
    assert_eq!((source.info().id.as_str(), source.check()), (&*setup.chosen[0].id, Check::First));
    let mut device = source.open().unwrap();
    let generation = Generation::default();
    let work = Arc::new((SHA256D.sample)(3).unwrap());
    let mut reference = source.checker().unwrap();
    let (mut counter, mut found) = (0, Vec::<Found>::new());
    for _ in 0..3 {
        generation.advance();
        let interrupt = generation.interrupt();
        device.load(&work, target(), &interrupt).unwrap();
        counter += device.scan(counter..counter + (1 << 16), &interrupt, &mut found).unwrap();
    }
    assert_eq!(counter, 3 << 16);
    let mut wins = |counter: &u64| target().is_met_by(&reference.hash(&work, work.nonce(*counter)).unwrap());
    let mut wanted: Vec<u64> = (0..counter).filter(&mut wins).map(|counter| work.nonce(counter)).collect();
    let mut nonces: Vec<u64> = found.iter().map(|found| found.nonce).collect();
    wanted.sort_unstable();
    nonces.sort_unstable();
    assert_eq!(nonces, wanted);
    let facts = setup.cards[0].facts();
    assert_eq!((facts.new_work.count(), facts.pipelines, facts.stats.hashes), (3, 1, 3 << 16));
    // Newer work keeps it from beginning anything.
    let interrupt = generation.interrupt();
    device.load(&work, target(), &interrupt).unwrap();
    generation.advance();
    assert_eq!(device.scan(counter..counter + 1000, &interrupt, &mut found), Ok(0));
}

/// A source of the readable kernel, which is slow enough to be lost in the middle of a million nonces.
fn readable(setup: &GpuSetup) -> GpuSource {
    GpuSource {
        info: setup.sources[0].info().clone(),
        adapter: setup.cards[0].adapter.clone(),
        algorithm: &SHA256D,
        picks: Picks::Named("reference".into()),
        patience: Duration::from_secs(120),
        memory: Arc::new(Memory::new(None)),
        facts: Arc::clone(&setup.cards[0].facts),
    }
}

/// Opens a bad device first and good ones after so many lives.
struct Bad {
    bad: GpuSource,
    good: GpuSource,
    bad_lives: AtomicU32,
}

impl DeviceSource for Bad {
    fn info(&self) -> &DeviceInfo {
        self.good.info()
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        let left =
            self.bad_lives.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if left.is_ok() { self.bad.open() } else { self.good.open() }
    }

    fn check(&self) -> Check {
        self.good.check()
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        self.good.checker()
    }
}

/// What a crew of one device tells while it searches all nonces of a piece of work. At the first winner of all,
/// `trouble` comes over the device. Every winner must be found, and each only once.
fn mine_through(source: Arc<dyn DeviceSource>, trouble: &mut dyn FnMut()) -> Vec<CrewEvent> {
    let sample = (SHA256D.sample)(5).unwrap();
    let field = NonceField { free_bits: 20, ..sample.nonce_field() };
    let work = Arc::new(Work::new(sample.blob(), field, None).unwrap());
    let job = Arc::new(Job {
        key: JobKey { session: 1, seq: 1 },
        pool: 0,
        algorithm: &SHA256D,
        template: Template::Fixed(Arc::clone(&work)),
        target: target(),
        block_target: None,
        supersede: Supersede::Prefer,
        height: None,
        next_seed: None,
        received: Instant::now(),
    });
    let mailbox = Arc::new(Mailbox::default());
    let (sender, mut reports) = mpsc::channel(1024);
    let mut crew = Crew::new(vec![source], Arc::clone(&mailbox), sender, PATIENCE);
    mailbox.post(Letter::Mine(Scheduler::default().job(job).unwrap()));
    let end = Instant::now() + Duration::from_secs(240);
    let (mut nonces, mut events) = (Vec::new(), Vec::new());
    'mining: loop {
        assert!(Instant::now() < end, "{} winners, {events:?}", nonces.len());
        let now = Instant::now();
        events.extend(crew.tick(now));
        while let Ok(report) = reports.try_recv() {
            match report {
                Report::Hit(hit) => {
                    nonces.push(hit.nonce);
                    if nonces.len() == 1 {
                        trouble();
                    }
                }
                Report::Ended { worker, life, error } => events.extend(crew.ended(now, worker, life, error)),
                Report::Exhausted(_) => break 'mining,
                Report::Ready { .. } => {}
                Report::Excess(excess) => panic!("{} winners more", excess.count),
            }
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(crew.stop(Instant::now() + Duration::from_secs(60)), 0);
    let mut reference = (SHA256D.reference)().unwrap();
    let wins = |nonce: &u64| target().is_met_by(&reference.hash(&work, *nonce).unwrap());
    nonces.sort_unstable();
    assert_eq!(nonces, (0..1 << 20).filter(wins).collect::<Vec<u64>>());
    events
}

/// Of each wait another length, to tell them apart.
const PATIENCE: Patience = Patience {
    hashing: Duration::from_secs(240),
    preparing: Duration::from_secs(240),
    rebirth: [Duration::from_millis(20), Duration::from_millis(60)],
    bench: Duration::from_millis(100),
    test: false,
};

#[test]
fn a_lost_card_comes_back_and_finds_each_winner_once() {
    let Some(setup) = setup() else { return };
    let saboteur = || setup.cards[0].facts().saboteur.unwrap();
    let events = mine_through(Arc::new(readable(&setup)), &mut || saboteur().destroy());
    let [wait, _] = PATIENCE.rebirth;
    assert!(
        matches!(&events[..], [CrewEvent::Lost(0, DeviceError::Lost(_), waited)] if *waited == wait),
        "{events:?}"
    );
    let no_memory = Fault::Memory("for another buffer".into());
    let events = mine_through(Arc::new(readable(&setup)), &mut || saboteur().report(no_memory.clone()));
    assert_eq!(events, [CrewEvent::Lost(0, DeviceError::Memory(no_memory.to_string()), wait)]);
}

#[test]
fn a_card_that_hangs_is_opened_anew_after_longer_and_longer_waits() {
    let Some(setup) = setup() else { return };
    // It has no time at all for a slice; the third time the device rests, and then it is cured.
    let bad = GpuSource { patience: Duration::ZERO, ..readable(&setup) };
    let source = Bad { bad, good: readable(&setup), bad_lives: AtomicU32::new(3) };
    let events = mine_through(Arc::new(source), &mut || ());
    let hung = || DeviceError::Lost(Fault::Hung(Duration::ZERO).to_string());
    let [first, second] = PATIENCE.rebirth;
    let expected = [
        CrewEvent::Lost(0, hung(), first),
        CrewEvent::Lost(0, hung(), second),
        CrewEvent::Benched(0, hung()),
    ];
    assert_eq!(events, expected);
}

#[test]
fn kernels_are_measured_once_for_a_card_and_its_driver() {
    let Some(setup) = setup() else { return };
    let folder = tempfile::tempdir().unwrap();
    let source = |driver: &str, picks| {
        let mut adapter = setup.cards[0].adapter.clone();
        adapter.driver = driver.into();
        let facts: Arc<Mutex<Facts>> = Arc::default();
        let memory = Arc::new(Memory::new(Some(folder.path())));
        (GpuSource { adapter, picks, memory, facts: Arc::clone(&facts), ..readable(&setup) }, facts)
    };
    let open = |driver: &str, picks| {
        let (source, facts) = source(driver, picks);
        source.open().unwrap();
        let facts = facts.lock().unwrap().clone();
        (facts.choice.unwrap(), facts.pipelines)
    };
    let (measured, _) = open("1", Picks::Measured);
    assert!(!measured.measured.is_empty());
    // From now on only what was chosen is compiled, whoever opens the card.
    let in_use = 1 + u32::from(measured.several.is_some());
    for picks in [Picks::Measured, Picks::Auto] {
        let (known, pipelines) = open("1", picks);
        assert_eq!((known.single, known.several), (measured.single.clone(), measured.several.clone()));
        assert_eq!((known.measured.len(), pipelines), (0, in_use));
    }
    let recalled = |driver: &str| {
        let source = source(driver, Picks::Auto).0;
        source.memory.recall(&source.adapter, &SHA256D)
    };
    assert_eq!(recalled("1").unwrap().measured.len(), measured.measured.len());
    // The user's word counts, and is not kept as if it had been measured.
    assert_eq!(open("1", Picks::Named("reference".into())).0.single, "reference");
    assert_eq!(recalled("1").unwrap().single, measured.single);
    // Another driver may make other code of the same kernels.
    assert_eq!(recalled("2"), None);
    assert!(!open("2", Picks::Measured).0.measured.is_empty());
    assert!(recalled("2").is_some() && recalled("1").is_some());
}

#[test]
fn work_of_another_shape_is_refused() {
    let Some(setup) = setup() else { return };
    let mut device = setup.sources[0].open().unwrap();
    let other: Arc<Work> = Arc::new((RANDOMX.sample)(1).unwrap());
    let refused = device.load(&other, target(), &Generation::default().interrupt());
    assert!(matches!(refused, Err(DeviceError::Unsupported(_))), "{refused:?}");
}

#[test]
fn nothing_is_looked_for_in_vain() {
    for (algorithm, selection) in
        [(&RANDOMX, DeviceSelection::Auto), (&SHA256D, DeviceSelection::Only(vec![DevicePattern::Cpus]))]
    {
        let setup = open(algorithm, &GpuSettings::default(), &selection, None);
        assert!(setup.sources.is_empty() && setup.left_out.is_empty());
    }
    let setup = open(&SHA256D, &GpuSettings::default(), &DeviceSelection::Auto, None);
    assert!(setup.cards.iter().all(|card| !card.adapter.software), "software is never chosen unasked");
    for left_out in &setup.left_out {
        assert!(!left_out.reason.is_empty() && !left_out.help.is_empty(), "{left_out:?}");
    }
}
