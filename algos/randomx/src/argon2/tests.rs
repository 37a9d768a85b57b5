//! Against the crate `argon2`, which shares no code with this one, and against caches of the C library.

use argon2::{Algorithm, Argon2, Block as OracleBlock, Params, Version};
use proptest::prelude::*;

use super::*;
use crate::config::RX_0;

/// Smaller memory, other lanes and passes than any kin of RandomX has.
fn config(memory_kib: u32, passes: u32, lanes: u32) -> Config {
    Config { argon2_memory_kib: memory_kib, argon2_passes: passes, argon2_lanes: lanes, ..RX_0 }
}

/// What the other crate fills.
fn oracle(config: &Config, key: &[u8]) -> Vec<u8> {
    let params =
        Params::new(config.argon2_memory_kib, config.argon2_passes, config.argon2_lanes, None).unwrap();
    let mut blocks = vec![OracleBlock::default(); params.block_count()];
    let argon2 = Argon2::new(Algorithm::Argon2d, Version::V0x13, params);
    argon2.fill_memory(key, config.argon2_salt, &mut blocks).unwrap();
    let words = blocks.iter().flat_map(|block| block.as_ref());
    words.flat_map(|word| word.to_le_bytes()).collect()
}

fn filled(config: &Config, key: &[u8], kernel: Kernel) -> Vec<u8> {
    // What the memory held before must not matter.
    let mut memory = vec![0xa5; config.cache_bytes()];
    fill(config, key, &mut memory, kernel);
    memory
}

/// First block in which two memories differ.
fn difference(left: &[u8], right: &[u8]) -> Option<usize> {
    assert_eq!(left.len(), right.len());
    left.chunks(BLOCK_BYTES).zip(right.chunks(BLOCK_BYTES)).position(|(left, right)| left != right)
}

#[test]
fn every_kernel_fills_what_the_other_crate_fills() {
    for lanes in [1, 2, 3, 4] {
        for passes in [1, 2, 3] {
            for segment_blocks in [2, 3, 16] {
                let config = config(segment_blocks * lanes * 4, passes, lanes);
                let expected = oracle(&config, b"test key 000");
                for kernel in Kernel::available() {
                    let memory = filled(&config, b"test key 000", kernel);
                    let difference = difference(&memory, &expected);
                    assert_eq!(
                        difference, None,
                        "{kernel}: {lanes} lanes, {passes} passes, {segment_blocks}"
                    );
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn any_key_and_shape(
        key in prop::collection::vec(any::<u8>(), 0..=60),
        lanes in 1u32..=4,
        passes in 1u32..=4,
        segment_blocks in 2u32..=64,
    ) {
        let config = config(segment_blocks * lanes * 4, passes, lanes);
        let expected = oracle(&config, &key);
        for kernel in Kernel::available() {
            prop_assert_eq!(difference(&filled(&config, &key, kernel), &expected), None);
        }
    }
}

/// A whole cache with every kernel: `cargo test --release -p rminer-randomx argon2 -- --ignored`.
#[test]
#[ignore = "takes long without optimisation of the other crate"]
fn a_whole_cache_is_what_the_other_crate_fills() {
    let expected = oracle(&RX_0, b"test key 000");
    for kernel in Kernel::available() {
        assert_eq!(difference(&filled(&RX_0, b"test key 000", kernel), &expected), None, "{kernel}");
    }
}

/// Words that the reference implementation's own tests expect in the cache of this key.
#[test]
fn published_words_of_a_cache() {
    let memory = filled(&RX_0, b"test key 000", Kernel::best());
    let word = |at: usize| u64::from_le_bytes(memory[8 * at..8 * at + 8].try_into().unwrap());
    assert_eq!(word(0), 0x191e_0e1d_23c0_2186);
    assert_eq!(word(1_568_413), 0xf1b6_2fe6_210b_f8b1);
    assert_eq!(word(33_554_431), 0x1f47_f056_d05c_d99b);
}

#[test]
#[should_panic(expected = "a cache of another size")]
fn memory_of_another_size_is_refused() {
    fill(&RX_0, b"", &mut [0; 1024], Kernel::Portable);
}
