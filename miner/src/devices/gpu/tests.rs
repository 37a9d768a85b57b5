use std::time::{Duration, Instant};

use rminer_algos::registry::{RANDOMX, SHA256D};
use rminer_algos::{NonceField, Target, Template, Work};
use rminer_stratum::{Job, JobKey, Supersede};
use tokio::sync::mpsc;

use super::*;
use crate::config::DevicePattern;
use crate::devices::{DeviceError, Found, Generation};
use crate::engine::{Crew, CrewEvent, Letter, Mailbox, Patience, Report, Scheduler};

fn software() -> DeviceSelection {
    DeviceSelection::Only(vec![DevicePattern::Software])
}

/// The software adapter as the miner sees it. Without one a test is skipped, or fails where everything must be there.
fn setup() -> Option<GpuSetup> {
    setup_with(None)
}

fn setup_with(kernel: Option<&str>) -> Option<GpuSetup> {
    let settings = GpuSettings { kernel: kernel.map(str::to_owned) };
    let setup = open(&SHA256D, &settings, &software(), None);
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
    assert_eq!(
        (source.info().id.as_str(), source.check()),
        (&*setup.chosen[0].id, crate::devices::Check::First)
    );
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

/// The readable kernel is slow enough to be lost in the middle of a million nonces.
#[test]
fn a_lost_card_comes_back_and_finds_each_winner_once() {
    let Some(setup) = setup_with(Some("reference")) else { return };
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
    let mut crew = Crew::new(setup.sources.clone(), Arc::clone(&mailbox), sender, Patience::default());
    mailbox.post(Letter::Mine(Scheduler::default().job(job).unwrap()));
    let end = Instant::now() + Duration::from_secs(120);
    let (mut nonces, mut losses, mut lost, mut mining_again) = (Vec::new(), 0, None, None);
    'mining: loop {
        assert!(Instant::now() < end, "{} winners, {losses} losses", nonces.len());
        let now = Instant::now();
        let mut events = crew.tick(now);
        while let Ok(report) = reports.try_recv() {
            match report {
                Report::Hit(hit) => {
                    nonces.push(hit.nonce);
                    if losses == 1 {
                        mining_again = mining_again.or(lost.map(|lost: Instant| lost.elapsed()));
                    }
                    if lost.is_none() {
                        setup.cards[0].facts().saboteur.unwrap().destroy();
                        lost = Some(Instant::now());
                    }
                }
                Report::Ended { worker, life, error } => events.extend(crew.ended(now, worker, life, error)),
                Report::Exhausted(_) => break 'mining,
                Report::Ready { .. } => {}
                Report::Excess(excess) => panic!("{} winners more", excess.count),
            }
        }
        losses += events.iter().filter(|event| matches!(event, CrewEvent::Lost(..))).count();
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(crew.stop(Instant::now() + Duration::from_secs(60)), 0);
    assert_eq!(losses, 1);
    eprintln!("a winner again {:?} after the device was destroyed", mining_again.unwrap());
    let mut reference = (SHA256D.reference)().unwrap();
    let wins = |nonce: &u64| target().is_met_by(&reference.hash(&work, *nonce).unwrap());
    nonces.sort_unstable();
    assert_eq!(nonces, (0..1 << 20).filter(wins).collect::<Vec<u64>>());
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
