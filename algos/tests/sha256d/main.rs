//! Every CPU kernel of SHA-256d against real blocks, against the `sha2` crate, and against each other.
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

use std::ops::Range;

use proptest::prelude::*;
use rminer_algos::{
    Backend, Hash, Kernel, NonceField, Target, Work, decode_hex, decode_hex_array, registry::SHA256D,
};
use sha2::{Digest, Sha256};

const NONCE: NonceField = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
/// Counters of which every hit is compared.
const WINDOW: u64 = 1 << 16;

#[derive(serde::Deserialize)]
struct File {
    blocks: Vec<Block>,
}

#[derive(serde::Deserialize)]
struct Block {
    height: u32,
    header: String,
    nonce: u64,
    hash: String,
}

fn blocks() -> Vec<Block> {
    let file: File = serde_json::from_str(SHA256D.vectors).unwrap();
    let heights: Vec<_> = file.blocks.iter().map(|block| block.height).collect();
    assert_eq!(heights, [0, 1, 170, 125_552]);
    file.blocks
}

/// The backends that this machine has, each with a kernel.
fn kernels() -> impl Iterator<Item = (&'static str, Box<dyn Kernel>)> {
    SHA256D.kernels.iter().filter(|backend| (backend.is_available)()).map(|b| (b.name, (b.make)()))
}

fn backend(name: &str) -> Option<&'static Backend> {
    SHA256D.kernels.iter().find(|backend| backend.name == name)
}

fn header(block: &Block) -> Vec<u8> {
    decode_hex(&block.header).unwrap()
}

/// A header without any structure, different for each seed.
fn any_header(seed: u32) -> Vec<u8> {
    let halves = [0u8, 1, 2].map(|part| Sha256::digest([&seed.to_le_bytes()[..], &[part]].concat()));
    halves.concat()[..80].to_vec()
}

/// A target that one hash in `2^bits` meets, and that is not decided by the top 32 bits alone.
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

/// All hits of a range by the `sha2` crate.
fn expected(work: &Work, target: Target, counters: Range<u64>) -> Vec<u64> {
    let mut blob = work.blob().to_vec();
    let meets = |nonce: &u64| {
        work.write_nonce(&mut blob, *nonce);
        target.is_met_by(&Hash(Sha256::digest(Sha256::digest(&blob)).into()))
    };
    let mut nonces: Vec<_> =
        counters.filter(|c| *c <= work.last_counter()).map(|c| work.nonce(c)).filter(meets).collect();
    nonces.sort_unstable();
    nonces
}

fn agree(work: &Work, target: Target, counters: Range<u64>) {
    let expected = expected(work, target, counters.clone());
    for (name, mut kernel) in kernels() {
        assert_eq!(scan(&mut *kernel, work, target, counters.clone()), expected, "{name}, {counters:?}");
    }
}

#[test]
fn real_blocks_are_found() {
    for block in blocks() {
        let work = Work::new(&header(&block), NONCE, None).unwrap();
        // The block's own hash as the target: the hardest that it meets.
        let target = Target::from_le_bytes(decode_hex_array(&block.hash).unwrap()).unwrap();
        for (name, mut kernel) in kernels() {
            // The nonce at odd places of the window, the first and the last one included.
            for before in [0, 1, WINDOW / 2 + 7, WINDOW - 1] {
                let start = block.nonce - before;
                let found = scan(&mut *kernel, &work, target, start..start + WINDOW);
                assert_eq!(found, [block.nonce], "{name}, block {}", block.height);
            }
            let found = scan(&mut *kernel, &work, target, block.nonce + 1..block.nonce + 1 + WINDOW);
            assert!(found.is_empty(), "{name}, block {}", block.height);
        }
    }
}

#[test]
fn one_more_than_the_target_is_no_hit() {
    let block = &blocks()[1];
    let work = Work::new(&header(block), NONCE, None).unwrap();
    let mut bytes: [u8; 32] = decode_hex_array(&block.hash).unwrap();
    bytes[0] -= 1;
    let target = Target::from_le_bytes(bytes).unwrap();
    for (name, mut kernel) in kernels() {
        assert!(scan(&mut *kernel, &work, target, block.nonce - 5..block.nonce + 50).is_empty(), "{name}");
    }
}

#[test]
fn every_hit_is_found() {
    let work = Work::new(&any_header(1), NONCE, None).unwrap();
    agree(&work, loose(8), 0x1234_5678..0x1234_5678 + WINDOW);
    agree(&work, loose(4), 3..WINDOW + 10);
    // Where every hash is a hit, none is lost to a full list.
    agree(&work, Target::MAX, 5..WINDOW + 42);
}

#[test]
fn every_hit_of_rolled_versions_is_found() {
    for mask in [0x2000, 0x6000, 0x1fff_e000, 0xe000, 0x8000_0001] {
        let work = Work::new(&any_header(mask), NONCE, None).unwrap().with_version_mask(mask).unwrap();
        agree(&work, loose(8), 0x10_0000_0001..0x10_0000_0003 + WINDOW);
        // The last nonces of one set of versions and the first of the next.
        let turn = 1u64 << (32 + work.lane_bits());
        if turn < work.last_counter() {
            agree(&work, loose(8), turn - WINDOW / 2 - 1..turn + WINDOW / 2 + 2);
            agree(&work, loose(2), turn - 3..turn + 2);
        }
    }
}

#[test]
fn the_space_ends() {
    for mask in [0, 0x2000, 0xe000] {
        let work = Work::new(&any_header(7), NONCE, None).unwrap().with_version_mask(mask).unwrap();
        let end = work.last_counter() + 1;
        agree(&work, loose(6), end - WINDOW - 3..end);
        // Nothing of what lies beyond, nor of the beginning.
        agree(&work, Target::MAX, end - 5..end + 100);
    }
}

#[test]
fn fixed_nonce_bits_stay() {
    let field = NonceField { fixed: 0xAB00_0000, free_bits: 10, ..NONCE };
    for mask in [0, 0x7000_0000] {
        let work = Work::new(&any_header(8), field, None).unwrap().with_version_mask(mask).unwrap();
        agree(&work, loose(3), 0..work.last_counter() + 1);
        agree(&work, loose(1), 1000..1050);
    }
}

#[test]
fn a_kernel_follows_work_after_work() {
    let (old, new) = (any_header(20), any_header(21));
    let work = |header: &[u8], mask| Work::new(header, NONCE, None).unwrap().with_version_mask(mask).unwrap();
    for (name, mut kernel) in kernels() {
        for (header, mask, bits) in [(&old, 0xF0, 4), (&new, 0, 2), (&new, 0xF, 6), (&old, 0xF0, 5)] {
            let work = work(header, mask);
            let found = scan(&mut *kernel, &work, loose(bits), 17..2000);
            assert_eq!(found, expected(&work, loose(bits), 17..2000), "{name}");
            assert_eq!(kernel.granule() % (1 << work.lane_bits()), 0);
        }
    }
}

#[test]
fn other_work_is_refused() {
    let longer = Work::new(&[1; 81], NONCE, None).unwrap();
    let elsewhere = Work::new(&[1; 80], NonceField { offset: 39, ..NONCE }, None).unwrap();
    for (name, mut kernel) in kernels() {
        assert!(kernel.load(&longer, Target::MAX).is_err(), "{name}");
        assert!(kernel.load(&elsewhere, Target::MAX).is_err(), "{name}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Any header, version bits and range.
    #[test]
    fn kernels_agree_with_the_sha2_crate(
        header in proptest::collection::vec(any::<u8>(), 80),
        mask in prop_oneof![Just(0u32), any::<u32>().prop_map(|mask| mask & 0x1fff_e000)],
        start in any::<u64>(),
        len in 0u64..300,
        bits in 0u32..4,
    ) {
        let work = Work::new(&header, NONCE, None).unwrap().with_version_mask(mask).unwrap();
        let start = start % (work.last_counter() + 1);
        agree(&work, loose(bits), start..start + len);
    }
}

/// A kernel that is forced by its name is that kernel, and one that this machine cannot run says so.
#[test]
fn each_backend_by_name() {
    let names: Vec<_> = SHA256D.kernels.iter().map(|backend| backend.name).collect();
    assert_eq!(names.last(), Some(&"scalar"), "there is always one");
    let work = Work::new(&any_header(30), NONCE, None).unwrap();
    let expected = expected(&work, loose(6), 0..5000);
    for name in names {
        let backend = backend(name).unwrap();
        if !(backend.is_available)() {
            println!("{name}: not on this machine");
            continue;
        }
        assert_eq!(scan(&mut *(backend.make)(), &work, loose(6), 0..5000), expected, "{name}");
    }
}
