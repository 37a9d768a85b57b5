//! Every CPU kernel of kHeavyHash against shares of real software, against the readable reference, and each other.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

use std::ops::Range;

use rminer_algos::kheavyhash::{BLOCK_BYTES, NONCE};
use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Hash, Kernel, NonceField, Target, Work, decode_hex_array};

#[derive(serde::Deserialize)]
struct File {
    shares: Vec<Share>,
}

#[derive(serde::Deserialize)]
struct Share {
    pre_pow_hash: String,
    timestamp: u64,
    nonce: u64,
    hash: String,
}

impl Share {
    fn work(&self, field: NonceField) -> Work {
        let mut blob = [0; BLOCK_BYTES];
        let hash: [u8; 32] = decode_hex_array(&self.pre_pow_hash).unwrap();
        blob[..32].copy_from_slice(&hash);
        blob[32..40].copy_from_slice(&self.timestamp.to_le_bytes());
        Work::new(&blob, field, None).unwrap()
    }
}

fn shares() -> Vec<Share> {
    serde_json::from_str::<File>(KHEAVYHASH.vectors).unwrap().shares
}

/// The backends that this machine has, each with a kernel.
fn kernels() -> impl Iterator<Item = (&'static str, Box<dyn Kernel>)> {
    KHEAVYHASH.kernels.iter().filter(|backend| (backend.is_available)()).map(|b| (b.name, (b.make)()))
}

/// A target that one hash in `2^bits` meets, and that is not decided by the top 64 bits alone.
fn loose(bits: u32) -> Target {
    let mut bytes = [0x5A; 32];
    bytes[28..].copy_from_slice(&(u32::MAX >> bits).to_le_bytes());
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
    counters
        .filter(|counter| *counter <= work.last_counter())
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

#[test]
fn real_shares_are_found() {
    for share in shares() {
        let (work, hash) = (share.work(NONCE), decode_hex_array(&share.hash).unwrap());
        let mut reference = (KHEAVYHASH.reference)().unwrap();
        assert_eq!(reference.hash(&work, share.nonce).unwrap(), Hash(hash));
        // The share's own hash as the target: the hardest that it meets.
        let target = Target::from_le_bytes(hash).unwrap();
        for (name, mut kernel) in kernels() {
            let start = share.nonce.saturating_sub(777);
            assert_eq!(scan(&mut *kernel, &work, target, start..start + 2000), [share.nonce], "{name}");
        }
    }
}

#[test]
fn every_hit_is_found() {
    let work = (KHEAVYHASH.sample)(1).unwrap();
    let end = work.last_counter() + 1;
    agree(&work, loose(6), (1 << 32) - 3000..(1 << 32) + 3000);
    agree(&work, loose(6), end - 3000..end);
    agree(&work, Target::MAX, end - 5..end + 100);
    agree(&work, Target::MAX, 5..2050);
}

#[test]
fn other_work_is_refused() {
    let longer = Work::new(&[1; 81], NONCE, None).unwrap();
    let elsewhere = Work::new(&[1; 80], NonceField { offset: 39, ..NONCE }, None).unwrap();
    let zeros = Work::new(&[0; 80], NONCE, None).unwrap();
    for (name, mut kernel) in kernels() {
        for work in [&longer, &elsewhere, &zeros] {
            assert!(kernel.load(work, Target::MAX).is_err(), "{name}");
        }
    }
}
