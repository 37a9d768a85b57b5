//! What kernels for kHeavyHash find: all hits of a loose target, of many blocks, wherever a pool has its nonces.

use std::collections::BTreeSet;

use rminer_algos::{NonceField, Target, Work, registry};
use rminer_shaders::UnsuitableWork;

use super::every_kheavyhash_kernel;
use super::gpu::{Gpu, Kernel};

const JOBS: u32 = 20;
/// Nonces of each job; no multiple of a workgroup.
const NONCES: u32 = (1 << 15) + 1;
/// The same for the readable kernel, which is slow: as many of all jobs together.
const READABLE_NONCES: u32 = NONCES / JOBS + 1;
/// Nonces of a dispatch: its results have room for twice the hits that are likely.
const STEP: u32 = 8191;

struct Job {
    work: Work,
    first: u64,
    hits: BTreeSet<u64>,
}

/// About one hash of 300, and not a power of two.
fn target() -> Target {
    let mut target = [0x5A; 32];
    target[28..].copy_from_slice(&0x00DA_5A5A_u32.to_le_bytes());
    Target::from_le_bytes(target).unwrap()
}

/// Another block for each number, and another part of the nonce that its pool has fixed.
fn work(number: u32) -> Work {
    let free_bits = [64, 56, 48, 40, 33][(number % 5) as usize];
    let number = u64::from(number);
    let sample = (registry::KHEAVYHASH.sample)(1000 + number).unwrap();
    let mut blob = sample.blob().to_vec();
    blob[32..40].copy_from_slice(&(1_700_000_000_123 + number * 0x1_0000_0001).to_le_bytes());
    let fixed = if free_bits == 64 { 0 } else { 0xC3A5_96E1_7B2D_8F41 >> free_bits << free_bits };
    let field = NonceField { fixed, free_bits, ..sample.nonce_field() };
    Work::new(&blob, field, None).unwrap()
}

/// Jobs whose nonces step from one high word to the next, begin at the first one, or end with the last one.
fn jobs() -> Vec<Job> {
    let mut reference = (registry::KHEAVYHASH.reference)().unwrap();
    let jobs = (0..JOBS).map(|number| {
        let work = work(number);
        let counter = match number % 3 {
            0 => (1 << 32) - u64::from(NONCES) / 2,
            1 => 0,
            _ => work.last_counter() - u64::from(NONCES - 1),
        };
        let first = work.nonce(counter);
        let all = (0..u64::from(NONCES)).map(|index| first.wrapping_add(index));
        let hits = all.filter(|nonce| target().is_met_by(&reference.hash(&work, *nonce).unwrap())).collect();
        Job { work, first, hits }
    });
    jobs.collect()
}

fn candidates(kernel: &Kernel<'_>, words: &[u32], first: u64, nonces: u32) -> BTreeSet<u64> {
    let mut found = BTreeSet::new();
    for start in (0..nonces).step_by(STEP as usize) {
        let count = STEP.min(nonces - start);
        let results = kernel.run(words, first + u64::from(start), count);
        assert!(!results.overflowed(), "{} candidates in {count} nonces", results.count());
        for index in results.hits() {
            assert!(*index < count, "beyond the dispatch");
            assert!(found.insert(first + u64::from(start + index)), "twice");
        }
    }
    found
}

#[test]
fn all_hits_of_twenty_blocks_are_found_by_every_kernel() {
    let Some(gpu) = Gpu::open() else { return };
    let jobs = jobs();
    let hits: usize = jobs.iter().map(|job| job.hits.len()).sum();
    assert!(hits > 50 * JOBS as usize && jobs.iter().all(|job| !job.hits.is_empty()));
    for variant in every_kheavyhash_kernel().iter().filter(|variant| gpu.int64 || !variant.needs_int64) {
        let nonces = if variant.generated { NONCES } else { READABLE_NONCES };
        let kernel = gpu.compile(variant);
        for (number, job) in jobs.iter().enumerate() {
            let words = variant.job_words(&job.work, target(), 0).unwrap();
            let found = candidates(&kernel, &words, job.first, nonces);
            let hits: BTreeSet<u64> = job.hits.range(..=job.first + u64::from(nonces - 1)).copied().collect();
            // The device compares the top word with the target's, which lets hardly anything else through.
            assert!(
                found.is_superset(&hits) && found.len() <= hits.len() + 1,
                "{}, block {number}: {} candidates, {} hits, {} of them found",
                variant.name,
                found.len(),
                hits.len(),
                found.intersection(&hits).count()
            );
        }
    }
}

#[test]
fn no_text_depends_on_a_job() {
    let kernels = every_kheavyhash_kernel();
    for variant in &kernels {
        let mut seen = BTreeSet::new();
        for number in 0..100 {
            let words = variant.job_words(&work(number), target(), 0).unwrap();
            assert_eq!(words.len(), 4 * variant.job_vec4s as usize);
            assert!(words.len() * 4 <= 1 << 14, "the least that a uniform buffer has room for");
            seen.insert(words);
        }
        assert_eq!(seen.len(), 100);
    }
    // Made again, they are the same: nothing of a job is left in them.
    for (variant, again) in kernels.iter().zip(every_kheavyhash_kernel()) {
        assert_eq!(variant.text, again.text);
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let header = (registry::SHA256D.sample)(1).unwrap();
    let block = work(1);
    let nameless = Work::new(&[0; 80], block.nonce_field(), None).unwrap();
    for variant in every_kheavyhash_kernel() {
        assert!(matches!(variant.job_words(&header, target(), 0), Err(UnsuitableWork::Layout { .. })));
        assert!(matches!(variant.job_words(&block, target(), 1), Err(UnsuitableWork::Lanes { .. })));
        assert_eq!(variant.job_words(&nameless, target(), 0), Err(UnsuitableWork::NoMatrix));
    }
}
