//! What kernels find: the blocks that are known, and all hits of a loose target.

use std::collections::BTreeSet;

use rminer_algos::{NonceField, Target, Work, decode_hex, registry};

use super::every_kernel;
use super::gpu::{Gpu, Kernel};

/// Version bits that BIP 320 leaves to miners.
const VERSION_MASK: u32 = 0x1FFF_E000;

/// Candidates of `count` nonces as whole nonces, found in dispatches that their results have room for.
fn candidates(
    kernel: &Kernel<'_>,
    job: &[u32],
    version: u32,
    first: u32,
    count: u32,
    step: u32,
) -> BTreeSet<u64> {
    let lanes = kernel.lanes();
    let mut found = BTreeSet::new();
    for start in (0..count).step_by(step as usize) {
        let results = kernel.run(job, u64::from(first + start), step.min(count - start));
        assert!(!results.overflowed(), "{} candidates in {step} nonces", results.count());
        for hit in results.hits() {
            let (index, lane) = (hit / lanes, hit % lanes);
            assert!(index < step.min(count - start), "beyond the dispatch");
            let nonce = u64::from(version + lane) << 32 | u64::from(first + start + index);
            assert!(found.insert(nonce), "{nonce:#x} twice");
        }
    }
    found
}

fn work(header: &[u8], rolled: bool) -> Work {
    let field = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    let work = Work::new(header, field, None).unwrap();
    if rolled { work.with_version_mask(VERSION_MASK).unwrap() } else { work }
}

/// Heights, headers and nonces of the vectors.
fn blocks() -> Vec<(u64, Vec<u8>, u32)> {
    let vectors: serde_json::Value = serde_json::from_str(registry::SHA256D.vectors).unwrap();
    let blocks = vectors["blocks"].as_array().unwrap();
    let block = |block: &serde_json::Value| {
        let nonce = u32::try_from(block["nonce"].as_u64().unwrap()).unwrap();
        (block["height"].as_u64().unwrap(), decode_hex(block["header"].as_str().unwrap()).unwrap(), nonce)
    };
    blocks.iter().map(block).collect()
}

#[test]
fn known_blocks_are_found_by_every_kernel() {
    let Some(gpu) = Gpu::open() else { return };
    let blocks = blocks();
    for height in [0, 1, 170, 125_552] {
        assert!(blocks.iter().any(|block| block.0 == height), "no vector for block {height}");
    }
    // Met by the hash of each block: 32 zero bits.
    let mut target = [0xFF; 32];
    target[28..].fill(0);
    let target = Target::from_le_bytes(target).unwrap();
    for variant in every_kernel().iter().filter(|variant| gpu.int64 || !variant.name.contains("wide")) {
        let kernel = gpu.compile(variant);
        for (height, header, nonce) in &blocks {
            // The versions of these blocks have none of the rolled bits, so the first lane has the block.
            let work = work(header, variant.lanes > 1);
            let job = variant.job_words(&work, target, 0).unwrap();
            let found = candidates(&kernel, &job, 0, nonce - 700, 1500, 1500);
            assert_eq!(Vec::from_iter(found), [u64::from(*nonce)], "{}: block {height}", variant.name);
        }
    }
}

#[test]
fn all_hits_of_a_loose_target_are_found_by_every_kernel() {
    let Some(gpu) = Gpu::open() else { return };
    // Not a power of two, so that the cheap test of the device lets some through that are no hits.
    let mut target = [0x5A; 32];
    target[31] = 0;
    target[30] = 0xA0;
    let target = Target::from_le_bytes(target).unwrap();
    let (_, header, nonce) = blocks().pop().unwrap();
    let work = work(&header, true);
    let version = 12;
    // In the middle and up to the end of what a nonce can be; the length is no multiple of any workgroup.
    let ranges = [(nonce - 20_000, 40_001u32), (u32::MAX - 29_999, 30_000)];
    assert!(ranges.iter().map(|range| range.1).sum::<u32>() >= 1 << 16);
    let mut reference = (registry::SHA256D.reference)().unwrap();
    let mut hits = BTreeSet::new();
    for (first, count) in ranges {
        for nonce in first..=first + (count - 1) {
            for lane in 0..4 {
                let nonce = u64::from(version + lane) << 32 | u64::from(nonce);
                if target.is_met_by(&reference.hash(&work, nonce).unwrap()) {
                    hits.insert(nonce);
                }
            }
        }
    }
    for variant in every_kernel().iter().filter(|variant| gpu.int64 || !variant.name.contains("wide")) {
        let kernel = gpu.compile(variant);
        let job = variant.job_words(&work, target, version).unwrap();
        let mut found = BTreeSet::new();
        for (first, count) in ranges {
            found.extend(candidates(&kernel, &job, version, first, count, 6007 / variant.lanes));
        }
        let candidates = found.len();
        found.retain(|nonce| target.is_met_by(&reference.hash(&work, *nonce).unwrap()));
        let expected: BTreeSet<u64> =
            hits.iter().copied().filter(|nonce| nonce >> 32 < u64::from(version + variant.lanes)).collect();
        assert!(expected.len() > 100 * variant.lanes as usize);
        assert!(found == expected, "{}: {} of {} hits", variant.name, found.len(), expected.len());
        assert!(
            candidates < 2 * expected.len() + 50,
            "{}: the cheap test lets too much through",
            variant.name
        );
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let (_, header, _) = blocks().remove(0);
    for variant in every_kernel() {
        let plain = work(&header, false);
        assert_eq!(variant.job_words(&plain, Target::MAX, 0).is_ok(), variant.lanes == 1);
        assert!(variant.job_words(&plain, Target::MAX, 1).is_err(), "no version is rolled");
        let rolled = work(&header, true);
        assert!(variant.job_words(&rolled, Target::MAX, 65_536 - variant.lanes).is_ok());
        assert!(variant.job_words(&rolled, Target::MAX, 65_536).is_err(), "16 bits are rolled");
        assert!(variant.job_words(&rolled, Target::MAX, u32::MAX).is_err());
        let field = NonceField { offset: 39, len: 4, fixed: 0, free_bits: 32 };
        let other = Work::new(&[0; 76], field, None).unwrap();
        assert!(variant.job_words(&other, Target::MAX, 0).is_err());
        let words = variant.job_words(&rolled, Target::MAX, 0).unwrap();
        assert_eq!(words.len(), 4 * variant.job_vec4s as usize);
    }
}
