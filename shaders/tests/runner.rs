//! The runner on software Vulkan, which computes on the processor what a graphics card would.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

use std::cell::Cell;
use std::ops::Range;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rminer_algos::registry::{KHEAVYHASH, SHA256D};
use rminer_algos::{Algorithm, NonceField, Target, Work};
use rminer_shaders::choose::Picks;
use rminer_shaders::{Adapter, Claim, Fault, Options, Runner, Variant, adapters, variants};

/// A software adapter. Without one a test is skipped, or fails where everything must be there.
fn adapter() -> Option<Adapter> {
    let found = adapters::list(true).usable.into_iter().find(|adapter| adapter.software);
    if found.is_none() {
        let required = std::env::var("RMINER_REQUIRE_FIXTURES").is_ok_and(|value| value == "1");
        assert!(!required, "no software Vulkan: install mesa-vulkan-drivers and libvulkan1");
        eprintln!("skipped: no software Vulkan (mesa-vulkan-drivers, libvulkan1)");
    }
    found
}

/// The readable kernel: the other ones have tests of their own.
fn kernels() -> Vec<Variant> {
    variants("sha256d").into_iter().filter(|variant| variant.name == "reference").collect()
}

fn options() -> Options {
    // Many workers may share this machine, and software waits its turn with them.
    let patience = Duration::from_secs(120);
    Options { patience, opening_patience: patience, ..Options::default() }
}

fn open(adapter: &Adapter, options: Options) -> Runner {
    Runner::open(adapter, &SHA256D, kernels(), options).unwrap()
}

fn work(tag: u8, mask: u32) -> Arc<Work> {
    let mut blob = [0x5A; 80];
    blob[40] = tag;
    let nonce = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    Arc::new(Work::new(&blob, nonce, None).unwrap().with_version_mask(mask).unwrap())
}

/// Met by one hash in `one_in`.
fn target(one_in: u32) -> Target {
    let mut bytes = [0xFF; 32];
    bytes[28..].copy_from_slice(&(u32::MAX / one_in).to_le_bytes());
    Target::from_le_bytes(bytes).unwrap()
}

/// All winners of a range, by the reference.
fn winners(work: &Work, target: Target, range: Range<u64>) -> Vec<u64> {
    winners_of(&SHA256D, work, target, range)
}

fn winners_of(algorithm: &Algorithm, work: &Work, target: Target, range: Range<u64>) -> Vec<u64> {
    let mut reference = (algorithm.reference)().unwrap();
    let nonces = range.map(|counter| work.nonce(counter));
    let mut found: Vec<u64> =
        nonces.filter(|nonce| target.is_met_by(&reference.hash(work, *nonce).unwrap())).collect();
    found.sort_unstable();
    found
}

fn sorted(claims: &[Claim]) -> Vec<u64> {
    let mut nonces: Vec<u64> = claims.iter().map(|claim| claim.nonce).collect();
    nonces.sort_unstable();
    nonces
}

fn never() -> bool {
    false
}

/// Scans a whole range, in as many calls as it takes.
fn scan_all(runner: &mut Runner, mut range: Range<u64>) -> Vec<Claim> {
    let mut claims = Vec::new();
    while !range.is_empty() {
        range.start += runner.scan(range.clone(), &never, &mut claims).unwrap();
    }
    claims
}

#[test]
fn complete_hit_sets_equal_the_reference() {
    let Some(adapter) = adapter() else { return };
    let mut runner = open(&adapter, options());
    // Not aligned to anything, and across the step from the last nonce of some versions to the next ones.
    for (mask, one_in, range) in [
        (0, 300, 12_345..12_345 + (1 << 16)),
        (0, 64, (1 << 32) - 7_001..1 << 32),
        (0x1FFF_E000, 300, (1 << 34) - 30_003..(1 << 34) + 36_001),
        (0x2000, 77, 1..5_000),
    ] {
        let (work, target) = (work(1, mask), target(one_in));
        runner.load(&work, target).unwrap();
        let claims = scan_all(&mut runner, range.clone());
        assert_eq!(sorted(&claims), winners(&work, target, range.clone()), "{mask:#x} {range:?}");
        assert!(claims.iter().all(|claim| claim.hash.is_some_and(|hash| target.is_met_by(&hash))));
    }
    assert_eq!(runner.stats().miscomputes, 0);
    assert_eq!(runner.stats().hashes, (1 << 16) + 7_001 + 66_004 + 4_999);
}

#[test]
fn slices_are_timed_by_either_clock() {
    let Some(adapter) = adapter() else { return };
    for device_clock in [None, Some(false), Some(true)] {
        let mut runner = open(&adapter, Options { device_clock, fixed_hashes: Some(1 << 12), ..options() });
        // Software is asked for its times only by those who want to see that it works.
        assert!(device_clock == Some(true) || !runner.has_timestamps());
        let (work, target) = (work(9, 0), target(300));
        runner.load(&work, target).unwrap();
        let claims = scan_all(&mut runner, 0..1 << 14);
        assert_eq!(sorted(&claims), winners(&work, target, 0..1 << 14), "{device_clock:?}");
        let stats = runner.stats();
        assert!(!stats.busy.is_zero() && stats.busy <= stats.wall.mul_f64(1.001), "{stats:?}");
    }
}

#[test]
fn several_lanes_take_rolled_work_and_one_lane_the_rest() {
    let Some(adapter) = adapter() else { return };
    for (name, pipelines) in [("h1", 1), ("h2", 2), ("h4-mad", 2)] {
        let picks = Picks::Named(name.into());
        let options = Options { picks, fixed_hashes: Some(1 << 14), ..options() };
        let mut runner = Runner::open(&adapter, &SHA256D, variants("sha256d"), options).unwrap();
        assert_eq!((runner.pipelines_created(), runner.choice().single.as_str()), (pipelines, "h1"));
        for (mask, range) in [
            (0, 5..1 << 15),
            (0x2000, (1 << 33) - 9_999..1 << 33),
            (0x1FFF_E000, (1 << 34) - 9_999..(1 << 34) + 30_000),
        ] {
            let (work, target) = (work(7, mask), target(500));
            runner.load(&work, target).unwrap();
            let claims = scan_all(&mut runner, range.clone());
            assert_eq!(sorted(&claims), winners(&work, target, range), "{name} {mask:#x}");
        }
        assert_eq!(runner.pipelines_created(), pipelines);
    }
}

#[test]
fn grids_of_several_rows_find_what_is_far_away() {
    let Some(adapter) = adapter() else { return };
    // Workgroups of 64: a row of the grid has at most 65,535 of them.
    let picks = Picks::Named("h1-w64".into());
    let options = Options { picks, fixed_hashes: Some(1 << 23), ..options() };
    let mut runner = Runner::open(&adapter, &SHA256D, variants("sha256d"), options).unwrap();
    let work = work(8, 0);
    // So hard that each of the few winners can be looked up one by one; the last of them stands in the second row.
    let target = target(1 << 19);
    runner.load(&work, target).unwrap();
    let claims = scan_all(&mut runner, 0..1 << 23);
    assert_eq!((runner.stats().slices, runner.stats().miscomputes), (1, 0));
    let in_second_row = claims.iter().filter(|claim| claim.nonce > 65_535 * 64).count();
    assert!(in_second_row > 2, "{claims:?}");
    let mut reference = (SHA256D.reference)().unwrap();
    let edge = 65_535 * 64;
    for nonce in claims.iter().map(|claim| claim.nonce).chain([edge - 1, edge]) {
        let wins = target.is_met_by(&reference.hash(&work, nonce).unwrap());
        assert_eq!(wins, claims.iter().any(|claim| claim.nonce == nonce));
    }
}

#[test]
fn a_hundred_jobs_compile_nothing() {
    let Some(adapter) = adapter() else { return };
    let mut runner = open(&adapter, options());
    for tag in 0..100 {
        let (work, target) = (work(tag, if tag % 2 == 0 { 0x1FFF_E000 } else { 0 }), target(128));
        runner.load(&work, target).unwrap();
        let claims = scan_all(&mut runner, 0..1024);
        assert_eq!(sorted(&claims), winners(&work, target, 0..1024), "job {tag}");
        assert!(runner.first_hash().is_some());
    }
    assert_eq!(runner.pipelines_created(), 1);
}

/// Each block has a matrix of its own, and a pool's part of its nonce; counters step over the low word.
#[test]
fn a_hundred_blocks_of_kaspa_compile_nothing() {
    let Some(adapter) = adapter() else { return };
    let kernels = variants(KHEAVYHASH.name);
    let mut runner = Runner::open(&adapter, &KHEAVYHASH, kernels, options()).unwrap();
    assert_eq!(runner.pipelines_created(), 1, "software takes the best guess");
    let (target, step) = (target(64), 1u64 << 32);
    let mut found = 0;
    for number in 0..100 {
        let work = Arc::new((KHEAVYHASH.sample)(number).unwrap());
        let range = step - 300 - number..step + 200;
        runner.load(&work, target).unwrap();
        let claims = scan_all(&mut runner, range.clone());
        assert_eq!(sorted(&claims), winners_of(&KHEAVYHASH, &work, target, range), "block {number}");
        assert!(claims.iter().all(|claim| claim.hash.is_some()));
        found += claims.len();
    }
    assert!(found > 500 && runner.stats().miscomputes == 0, "{found}");
    assert_eq!(runner.pipelines_created(), 1);
    runner.self_test().unwrap();
}

#[test]
fn results_that_overflow_are_searched_again() {
    let Some(adapter) = adapter() else { return };
    for (fixed, one_in, count) in [(1 << 15, 16, 1 << 16), (4096, 1, 4096)] {
        let mut runner = open(&adapter, Options { fixed_hashes: Some(fixed), ..options() });
        for mask in [0, 0x1FFF_E000] {
            let (work, target) = (work(2, mask), target(one_in));
            runner.load(&work, target).unwrap();
            let claims = scan_all(&mut runner, 3..3 + count);
            assert_eq!(sorted(&claims), winners(&work, target, 3..3 + count), "one in {one_in}");
        }
        assert!(runner.stats().overflows > 0);
    }
    // With slices of its own choice there is room for what is likely.
    let mut runner = open(&adapter, options());
    let (work, target) = (work(2, 0), target(16));
    runner.load(&work, target).unwrap();
    assert_eq!(sorted(&scan_all(&mut runner, 0..20_000)), winners(&work, target, 0..20_000));
    assert_eq!(runner.stats().overflows, 0);
}

#[test]
fn a_lost_device_loses_and_doubles_nothing() {
    let Some(adapter) = adapter() else { return };
    let (work, target) = (work(3, 0x1FFF_E000), target(200));
    let whole = 0..1u64 << 17;
    let mut runner = open(&adapter, Options { fixed_hashes: Some(1 << 13), ..options() });
    runner.load(&work, target).unwrap();
    let (saboteur, calls) = (runner.saboteur(), Cell::new(0));
    let destroy_in_the_middle = || {
        calls.set(calls.get() + 1);
        if calls.get() == 5 {
            saboteur.destroy();
        }
        false
    };
    let mut claims = Vec::new();
    let done = runner.scan(whole.clone(), &destroy_in_the_middle, &mut claims).unwrap();
    assert!(done < whole.end, "the device was destroyed after {done}");
    assert_eq!(sorted(&claims), winners(&work, target, 0..done), "claims of what is done, and no others");
    let lost = runner.scan(done..whole.end, &never, &mut claims).unwrap_err();
    assert!(matches!(lost, Fault::Lost(_)), "{lost:?}");
    drop(runner);
    let began = Instant::now();
    let mut runner = open(&adapter, options());
    runner.load(&work, target).unwrap();
    claims.extend(scan_all(&mut runner, done..whole.end));
    assert_eq!(sorted(&claims), winners(&work, target, whole), "each exactly once");
    eprintln!("mining again {} ms after the loss was told", began.elapsed().as_millis());
}

#[test]
fn a_device_that_does_not_answer_is_left_behind() {
    let Some(adapter) = adapter() else { return };
    let (work, target) = (work(10, 0), target(500));
    // No dispatch of so many hashes is done when it is looked for the first time.
    let hasty = Options { patience: Duration::ZERO, fixed_hashes: Some(1 << 18), ..options() };
    let mut runner = open(&adapter, hasty);
    runner.load(&work, target).unwrap();
    let mut claims = Vec::new();
    let done = runner.scan(0..1 << 20, &never, &mut claims);
    assert_eq!((done, claims.as_slice()), (Ok(0), &[][..]), "nothing is done, and nothing claimed");
    for _ in 0..2 {
        let fault = runner.scan(0..1 << 20, &never, &mut claims).unwrap_err();
        assert_eq!(fault, Fault::Hung(Duration::ZERO));
    }
    drop(runner);
    let mut runner = open(&adapter, options());
    runner.load(&work, target).unwrap();
    assert_eq!(sorted(&scan_all(&mut runner, 0..1 << 14)), winners(&work, target, 0..1 << 14));
}

#[test]
fn memory_that_runs_out_ends_a_scan_with_what_is_done() {
    let Some(adapter) = adapter() else { return };
    let (work, target) = (work(11, 0), target(200));
    let mut runner = open(&adapter, Options { fixed_hashes: Some(1 << 12), ..options() });
    runner.load(&work, target).unwrap();
    let (saboteur, calls) = (runner.saboteur(), Cell::new(0));
    let use_up = || {
        calls.set(calls.get() + 1);
        if calls.get() == 5 {
            saboteur.report(Fault::Memory("of the device".into()));
        }
        false
    };
    let mut claims = Vec::new();
    let done = runner.scan(0..1 << 16, &use_up, &mut claims).unwrap();
    assert_eq!(done, 3 << 12, "the slice in flight went with the memory");
    assert_eq!(sorted(&claims), winners(&work, target, 0..done));
    let fault = runner.scan(done..1 << 16, &never, &mut claims).unwrap_err();
    assert_eq!(fault, Fault::Memory("of the device".into()));
    drop(runner);
    let mut runner = open(&adapter, options());
    runner.load(&work, target).unwrap();
    claims.extend(scan_all(&mut runner, done..1 << 16));
    assert_eq!(sorted(&claims), winners(&work, target, 0..1 << 16), "each exactly once");
}

#[test]
fn the_fastest_of_what_compiles_is_chosen() {
    let Some(adapter) = adapter() else { return };
    let kernel = |name: &str| variants("sha256d").into_iter().find(|kernel| kernel.name == name).unwrap();
    let broken = || {
        let mut broken = kernel("h1-w64");
        broken.text = broken.text.replacen("fn main(", "fn main_(", 1);
        broken
    };
    let picks = Picks::Measured;
    let patient = Options { picks: picks.clone(), measuring: Duration::from_secs(600), ..options() };
    let table = || vec![kernel("reference"), broken(), kernel("h1-mad"), kernel("h1"), kernel("h2")];
    let runner = Runner::open(&adapter, &SHA256D, table(), patient.clone()).unwrap();
    let choice = runner.choice();
    let names: Vec<&str> = choice.measured.iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["h1-w64", "h1-mad", "h1", "h2"], "what is there to be read is not measured");
    let rate = |name: &str| choice.measured.iter().find(|row| row.name == name).unwrap().rate_hs;
    assert_eq!(rate("h1-w64"), None, "it does not compile");
    let best = if rate("h1-mad") > rate("h1") { "h1-mad" } else { "h1" };
    assert_eq!(choice.single, best);
    let worthwhile = rate("h2").unwrap() > rate(best).unwrap() * 1.01;
    assert_eq!(choice.several.as_deref(), worthwhile.then_some("h2"));

    // Without time for more than one, the first that compiles is taken, and the readable one when nothing else does.
    let hasty = Options { measuring: Duration::ZERO, ..patient };
    for (table, measured, single) in [
        (table(), vec!["h1-w64", "h1-mad"], "h1-mad"),
        (vec![broken(), kernel("reference")], vec!["h1-w64", "reference"], "reference"),
    ] {
        let runner = Runner::open(&adapter, &SHA256D, table, hasty.clone()).unwrap();
        let names: Vec<&str> = runner.choice().measured.iter().map(|row| row.name.as_str()).collect();
        assert_eq!((names, runner.choice().single.as_str()), (measured, single));
    }

    // What was chosen before is compiled and not measured again, unless the program does not have it any more.
    for known in ["h1", "a kernel of another version"] {
        let picks = Picks::Known(known.into(), None);
        let options = Options { picks, ..options() };
        let variants = vec![kernel("h1"), kernel("reference")];
        let runner = Runner::open(&adapter, &SHA256D, variants, options).unwrap();
        assert_eq!((runner.choice().single.as_str(), runner.pipelines_created()), ("h1", 1));
        assert!(runner.choice().measured.is_empty());
    }
    let nothing = Runner::open(&adapter, &SHA256D, vec![broken()], Options { picks, ..options() });
    assert!(matches!(nothing.err(), Some(Fault::Refused(_))));
}

#[test]
fn an_interrupt_ends_a_scan_after_what_is_in_flight() {
    let Some(adapter) = adapter() else { return };
    let mut runner = open(&adapter, Options { fixed_hashes: Some(1 << 12), ..options() });
    let (work, target) = (work(4, 0), target(100));
    runner.load(&work, target).unwrap();
    let calls = Cell::new(0u64);
    let after_seven = || {
        calls.set(calls.get() + 1);
        calls.get() > 7
    };
    let mut claims = Vec::new();
    let done = runner.scan(0..1 << 20, &after_seven, &mut claims).unwrap();
    assert_eq!(done, 7 << 12, "seven slices were queued and all of them came back");
    assert_eq!(sorted(&claims), winners(&work, target, 0..done));
    let done = runner.scan(done..1 << 20, &|| true, &mut claims).unwrap();
    assert_eq!(done, 0, "an interrupt that is set already queues nothing");
}

#[test]
fn only_work_that_replaces_other_work_sets_the_pace() {
    let Some(adapter) = adapter() else { return };
    let mut runner = open(&adapter, Options { fixed_hashes: Some(1 << 10), ..options() });
    let asked = options().slice;
    for tag in 0..3 {
        // As when nonces end and the next work goes on with the same job.
        runner.load(&work(tag, 0), target(100)).unwrap();
        assert!(!scan_all(&mut runner, 0..1 << 10).is_empty());
        assert_eq!(runner.wanted_slice(), asked);
    }
    for tag in 0..2 {
        assert_eq!(runner.wanted_slice(), asked, "one piece of news has no gap yet");
        assert_eq!(runner.scan(0..1 << 10, &|| true, &mut Vec::new()), Ok(0));
        runner.load(&work(tag, 0), target(100)).unwrap();
    }
    assert_ne!(runner.wanted_slice(), asked);
}

/// The readable kernel with one text in place of another.
fn broken(original: &str, replacement: &str) -> Vec<Variant> {
    let mut kernels = kernels();
    for kernel in &mut kernels {
        assert!(kernel.text.contains(original), "the kernel has changed: {original}");
        kernel.text = kernel.text.replacen(original, replacement, 1);
    }
    kernels
}

#[test]
fn kernels_that_compute_wrongly_are_not_used() {
    let Some(adapter) = adapter() else { return };
    for (original, replacement, message) in [
        ("0x428a2f98u", "0x428a2f99u", "none"),
        ("results.hits[place] = index", "results.hits[place] = index + 1u", "none"),
        ("if index >= parameters.count", "if index + 1u >= parameters.count", "missed"),
        ("results.hits[place] = index", "results.hits[place] = index + parameters.count", "not given"),
        ("let nonce = parameters.first_nonce + index", "let nonce = index", "none"),
    ] {
        let outcome = Runner::open(&adapter, &SHA256D, broken(original, replacement), options());
        let fault = outcome.err().unwrap_or_else(|| panic!("`{replacement}` passes the self-test"));
        assert!(matches!(&fault, Fault::Wrong(text) if text.contains(message)), "{replacement}: {fault}");
    }
}

#[test]
fn kernels_that_do_not_compile_are_refused() {
    let Some(adapter) = adapter() else { return };
    let outcome = Runner::open(&adapter, &SHA256D, broken("fn compress(", "fn compress_("), options());
    assert!(matches!(outcome.err(), Some(Fault::Refused(_))));
    let picks = Picks::Named("nosuch".into());
    let outcome = Runner::open(&adapter, &SHA256D, kernels(), Options { picks, ..options() });
    let fault = outcome.err().unwrap();
    assert!(matches!(&fault, Fault::Refused(text) if text.contains("reference")), "{fault}");
}

#[test]
fn wrong_claims_are_marked_and_end_the_device() {
    let Some(adapter) = adapter() else { return };
    // Right in the small dispatches of the self-test, wrong in larger ones.
    let kernels = broken(
        "results.hits[place] = index",
        "results.hits[place] = select(index, index ^ 1u, parameters.count > 5000u)",
    );
    let fixed = Options { fixed_hashes: Some(1 << 13), ..options() };
    let mut runner = Runner::open(&adapter, &SHA256D, kernels, fixed).unwrap();
    runner.load(&work(5, 0), target(256)).unwrap();
    let mut claims = Vec::new();
    let done = runner.scan(0..1 << 16, &never, &mut claims).unwrap();
    assert!(done <= 1 << 13, "the first slice shows it");
    assert!(claims.len() > 2 && claims.iter().all(|claim| claim.hash.is_none()), "{claims:?}");
    assert_eq!(runner.stats().miscomputes, claims.len() as u64);
    let fault = runner.scan(done..1 << 16, &never, &mut claims).unwrap_err();
    assert!(matches!(&fault, Fault::Lost(text) if text.contains("in a row")), "{fault}");
}

#[test]
fn a_device_that_goes_blind_while_mining_is_found_out() {
    let Some(adapter) = adapter() else { return };
    // Only the counter of the results is cleared between dispatches, so the last hit can count them.
    let kernels = broken(
        "if (state[7] & job.tail.w) == 0u {",
        "if index == 0u { results.hits[62] += 1u; }\n    if results.hits[62] < 60u && (state[7] & job.tail.w) == 0u {",
    );
    let fixed = Options { fixed_hashes: Some(256), planted_every: 16, ..options() };
    let mut runner = Runner::open(&adapter, &SHA256D, kernels, fixed).unwrap();
    // Hardly anything wins, so nobody would miss it.
    let mut hard = [0; 32];
    hard[20] = 1;
    runner.load(&work(6, 0), Target::from_le_bytes(hard).unwrap()).unwrap();
    let mut range = 0..1u64 << 20;
    let fault = loop {
        assert!(!range.is_empty(), "a blind device mined on");
        let offered = range.start..range.start + 1024;
        match runner.scan(offered, &never, &mut Vec::new()) {
            Ok(done) => range.start += done,
            Err(fault) => break fault,
        }
    };
    assert!(matches!(&fault, Fault::Wrong(text) if text.contains("missed")), "{fault}");
    assert!(runner.stats().planted > 1);
}

#[test]
fn work_that_no_kernel_takes_is_refused() {
    let Some(adapter) = adapter() else { return };
    let mut runner = open(&adapter, options());
    let nonce = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
    let other = Arc::new(Work::new(&[1; 76], nonce, None).unwrap());
    assert!(matches!(runner.load(&other, Target::MAX), Err(Fault::Refused(_))));
    assert!(matches!(runner.scan(0..100, &never, &mut Vec::new()), Ok(0)), "nothing was loaded");
    assert!(runner.scan(0..100, &never, &mut Vec::new()).is_err());
}
