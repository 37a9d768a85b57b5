//! Every CPU kernel of kHeavyHash against shares and blocks of real software, against the readable reference, and
//! each other.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

mod vectors;

use std::ops::Range;

use proptest::prelude::*;
use rminer_algos::kheavyhash::{BLOCK_BYTES, NONCE};
use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Kernel, NonceField, Target, Work};
use sha2::{Digest, Sha256};

/// Counters of which every hit is compared.
const WINDOW: u64 = 1 << 15;

/// The backends that this machine has, each with a kernel.
fn kernels() -> impl Iterator<Item = (&'static str, Box<dyn Kernel>)> {
    KHEAVYHASH.kernels.iter().filter(|backend| (backend.is_available)()).map(|b| (b.name, (b.make)()))
}

/// A block without any structure, different for each seed.
fn any_block(seed: u64) -> [u8; BLOCK_BYTES] {
    let mut block = [0; BLOCK_BYTES];
    let hash = Sha256::digest(seed.to_le_bytes());
    block[..32].copy_from_slice(&hash);
    block[32..64].copy_from_slice(&Sha256::digest(hash));
    block
}

fn work(block: &[u8; BLOCK_BYTES], field: NonceField) -> Work {
    Work::new(block, field, None).unwrap()
}

/// A target that one hash in `2^bits` meets, and that is not decided by the top 64 bits alone.
fn loose(bits: u32) -> Target {
    let mut bytes = [0x5A; 32];
    bytes[24..].copy_from_slice(&(u64::MAX >> bits).to_le_bytes());
    Target::from_le_bytes(bytes).unwrap()
}

fn scan(kernel: &mut dyn Kernel, work: &Work, target: Target, counters: Range<u64>) -> Vec<u64> {
    kernel.load(work, target).unwrap();
    let mut found = Vec::new();
    kernel.scan(counters, &mut found);
    found.sort_unstable();
    found
}

fn expected(work: &Work, target: Target, counters: Range<u64>) -> Vec<u64> {
    let mut reference = (KHEAVYHASH.reference)().unwrap();
    let end = counters.end.min(work.last_counter().saturating_add(1));
    (counters.start..end)
        .map(|counter| work.nonce(counter))
        .filter(|nonce| target.is_met_by(&reference.hash(work, *nonce).unwrap()))
        .collect()
}

fn agree(work: &Work, target: Target, counters: Range<u64>) {
    let expected = expected(work, target, counters.clone());
    for (name, mut kernel) in kernels() {
        assert_eq!(scan(&mut *kernel, work, target, counters.clone()), expected, "{name}, {counters:?}");
    }
}

/// Twenty jobs, one kernel of each kind for all of them.
#[test]
fn every_hit_of_job_after_job_is_found() {
    let mut kernels: Vec<_> = kernels().collect();
    for seed in 0..20 {
        let work = work(&any_block(seed), NONCE);
        // Everywhere in the space, and at no particular number.
        let start = u64::from_le_bytes(work.blob()[40..48].try_into().unwrap()) >> (seed + 1);
        let counters = start..start + WINDOW + seed;
        let expected = expected(&work, loose(7), counters.clone());
        assert!(expected.len() > 150, "one in 128 of {WINDOW}");
        for (name, kernel) in &mut kernels {
            let found = scan(&mut **kernel, &work, loose(7), counters.clone());
            assert_eq!(found, expected, "{name}, job {seed}");
        }
    }
}

#[test]
fn every_hash_may_be_a_hit() {
    // None is lost to a full list, whatever the alignment.
    let work = work(&any_block(100), NONCE);
    for start in [0, 5, 16, 1 << 40] {
        agree(&work, Target::MAX, start..start + 1031);
    }
    agree(&work, Target::MAX, 3..3);
    agree(&work, Target::MAX, 3..4);
    // More than one piece.
    agree(&work, Target::MAX, 9..9 + (1 << 14) + 3);
}

#[test]
fn the_words_of_a_nonce_carry() {
    let work = work(&any_block(101), NONCE);
    for turn in [1 << 32, 0xFF_FFFF_FFFF, 1 << 63] {
        agree(&work, loose(5), turn - 1500..turn + 1500);
    }
}

#[test]
fn the_space_ends() {
    for free_bits in [64, 63, 48, 32, 5, 1] {
        let work = work(&any_block(u64::from(free_bits)), NonceField { free_bits, ..NONCE });
        let last = work.last_counter();
        agree(&work, loose(3), last.saturating_sub(1500)..last);
        // Nothing of what lies beyond, nor of the beginning.
        agree(&work, Target::MAX, last.saturating_sub(5)..last.saturating_add(100));
        agree(&work, Target::MAX, last.saturating_sub(40)..u64::MAX);
    }
}

#[test]
fn fixed_nonce_bits_stay() {
    for (fixed, free_bits) in [(0xA5C3 << 48, 48), (u64::MAX << 10, 10), (0x7F << 56, 56), (1 << 63, 63)] {
        let work = work(&any_block(102), NonceField { fixed, free_bits, ..NONCE });
        let end = work.last_counter() + 1;
        agree(&work, loose(3), 0..1050);
        agree(&work, loose(3), end.saturating_sub(777)..end);
        for nonce in expected(&work, loose(3), 0..1050) {
            assert_eq!(nonce & (u64::MAX << free_bits), fixed);
        }
    }
}

#[test]
fn one_more_than_the_target_is_no_hit() {
    let work = work(&any_block(103), NONCE);
    let mut reference = (KHEAVYHASH.reference)().unwrap();
    for nonce in [0, 77, u64::MAX - 1] {
        let hash = reference.hash(&work, nonce).unwrap().0;
        // The same top 64 bits, so only the whole comparison tells them apart.
        let mut less = hash;
        let lowest = less.iter_mut().find(|byte| **byte > 0).unwrap();
        *lowest -= 1;
        for (name, mut kernel) in kernels() {
            let target = |bytes| Target::from_le_bytes(bytes).unwrap();
            assert_eq!(scan(&mut *kernel, &work, target(hash), nonce..nonce + 1), [nonce], "{name}");
            assert!(scan(&mut *kernel, &work, target(less), nonce..nonce + 1).is_empty(), "{name}");
        }
    }
}

#[test]
fn other_work_is_refused() {
    let longer = Work::new(&[1; 81], NONCE, None).unwrap();
    let elsewhere = Work::new(&[1; 80], NonceField { offset: 39, ..NONCE }, None).unwrap();
    let zeros = Work::new(&[0; 80], NONCE, None).unwrap();
    for (name, mut kernel) in kernels() {
        let mut found = Vec::new();
        for refused in [&longer, &elsewhere, &zeros] {
            kernel.load(&work(&any_block(104), NONCE), Target::MAX).unwrap();
            assert!(kernel.load(refused, Target::MAX).is_err(), "{name}");
            // Nothing of the job before is left.
            kernel.scan(0..100, &mut found);
            assert!(found.is_empty(), "{name}");
        }
    }
}

#[test]
fn the_last_kernel_runs_anywhere() {
    let last = KHEAVYHASH.kernels.last().unwrap();
    assert!(last.name == "scalar" && (last.is_available)());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any block, fixed bits and range.
    #[test]
    fn kernels_agree_with_the_reference(
        pre_pow_hash in proptest::array::uniform32(any::<u8>()),
        time in any::<u64>(),
        fixed in any::<u64>(),
        free_bits in 1u8..=64,
        start in any::<u64>(),
        len in 0u64..300,
        bits in 0u32..4,
    ) {
        let mut block = [0; BLOCK_BYTES];
        block[..32].copy_from_slice(&pre_pow_hash);
        block[32..40].copy_from_slice(&time.to_le_bytes());
        let fixed = if free_bits == 64 { 0 } else { fixed >> free_bits << free_bits };
        let work = work(&block, NonceField { fixed, free_bits, ..NONCE });
        let start = start & work.last_counter();
        agree(&work, loose(bits), start..start.saturating_add(len));
    }
}
