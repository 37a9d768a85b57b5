//! The vector file: shares, a block of the main network, and the 10,000 hashes whose digest the node's own crate gave.

use rminer_algos::kheavyhash::{BLOCK_BYTES, Matrix, NONCE, Sponge};
use rminer_algos::registry::KHEAVYHASH;
use rminer_algos::{Hash, NonceField, Target, Work, decode_hex_array, encode_hex};
use sha2::{Digest, Sha256};

use super::{kernels, scan};

#[derive(serde::Deserialize)]
struct File {
    shares: Vec<Share>,
    matrices: Vec<Drawn>,
    sequence: Sequence,
}

#[derive(serde::Deserialize)]
struct Share {
    pre_pow_hash: String,
    timestamp: u64,
    nonce: u64,
    bits: Option<u32>,
    hash: String,
}

#[derive(serde::Deserialize)]
struct Drawn {
    pre_pow_hash: String,
    rows: Vec<String>,
}

#[derive(serde::Deserialize)]
struct Sequence {
    pairs: u64,
    sha256: String,
}

fn file() -> File {
    serde_json::from_str(KHEAVYHASH.vectors).unwrap()
}

fn work(pre_pow_hash: &[u8; 32], timestamp: u64, field: NonceField) -> Work {
    let mut blob = [0; BLOCK_BYTES];
    blob[..32].copy_from_slice(pre_pow_hash);
    blob[32..40].copy_from_slice(&timestamp.to_le_bytes());
    Work::new(&blob, field, None).unwrap()
}

/// What a header calls its target: three bytes, and how many bytes there are in all.
fn target(bits: u32) -> Target {
    let (mantissa, bytes) = (bits & 0x00FF_FFFF, usize::try_from(bits >> 24).unwrap());
    let mut target = [0; 32];
    target[bytes - 3..bytes].copy_from_slice(&mantissa.to_le_bytes()[..3]);
    Target::from_le_bytes(target).unwrap()
}

#[test]
fn shares_are_found() {
    let shares = file().shares;
    assert!(shares.len() >= 10, "the vector file lost rows");
    for share in shares {
        let hash = decode_hex_array(&share.hash).unwrap();
        let work = work(&decode_hex_array(&share.pre_pow_hash).unwrap(), share.timestamp, NONCE);
        let mut reference = (KHEAVYHASH.reference)().unwrap();
        assert_eq!(reference.hash(&work, share.nonce).unwrap(), Hash(hash));
        // The share's own hash as the target: the hardest that it meets. What was not mined may have better neighbours.
        let target = Target::from_le_bytes(hash).unwrap();
        for (name, mut kernel) in kernels() {
            let start = share.nonce.saturating_sub(77);
            let found = scan(&mut *kernel, &work, target, start..start.saturating_add(200));
            assert!(found.contains(&share.nonce), "{name}");
        }
    }
}

/// Only the right hash has 58 zeros in front.
#[test]
fn a_block_of_the_main_network_meets_its_target() {
    let blocks: Vec<_> = file().shares.into_iter().filter_map(|share| Some((share.bits?, share))).collect();
    assert!(!blocks.is_empty(), "the vector file lost rows");
    for (bits, block) in blocks {
        let pre_pow_hash = decode_hex_array(&block.pre_pow_hash).unwrap();
        // As from a pool that leaves the low half of the nonce to the miner.
        let field = NonceField { fixed: block.nonce >> 32 << 32, free_bits: 32, ..NONCE };
        let work = work(&pre_pow_hash, block.timestamp, field);
        assert!(target(bits).difficulty() > 2f64.powi(57));
        let counter = block.nonce & work.last_counter();
        for (name, mut kernel) in kernels() {
            let start = counter.saturating_sub(5000);
            let found = scan(&mut *kernel, &work, target(bits), start..counter + 5000);
            assert_eq!(found, [block.nonce], "{name}");
        }
    }
}

#[test]
fn the_published_matrix_is_drawn() {
    let matrices = file().matrices;
    assert!(!matrices.is_empty(), "the vector file lost rows");
    for drawn in matrices {
        let matrix = Matrix::new(&decode_hex_array(&drawn.pre_pow_hash).unwrap()).unwrap();
        let ours = matrix.rows().map(|row| row.map(|number| format!("{number:x}")).concat());
        assert_eq!(ours[..], drawn.rows[..]);
    }
}

/// The readable form by its digest, and each kernel pair by pair: every pair has a matrix of its own.
#[test]
fn ten_thousand_hashes_are_those_of_the_node() {
    let sequence = file().sequence;
    assert!(sequence.pairs >= 10_000);
    let mut all = Sha256::new();
    let mut reference = (KHEAVYHASH.reference)().unwrap();
    let mut kernels: Vec<_> = kernels().collect();
    for number in 0..sequence.pairs {
        let pre_pow_hash: [u8; 32] = Sha256::digest(number.to_le_bytes()).into();
        let more = Sha256::digest(pre_pow_hash);
        let word = |at| u64::from_le_bytes(more[at..at + 8].try_into().unwrap());
        let (work, nonce) = (work(&pre_pow_hash, word(0), NONCE), word(8));
        let hash = reference.hash(&work, nonce).unwrap();
        all.update(hash.0);
        let target = Target::from_le_bytes(hash.0).unwrap();
        for (name, kernel) in &mut kernels {
            assert_eq!(
                scan(&mut **kernel, &work, target, nonce..nonce + 1),
                [nonce],
                "{name}, pair {number}"
            );
        }
    }
    assert_eq!(encode_hex(&all.finalize()), sequence.sha256);
}

#[test]
fn the_sponges_are_the_published_ones() {
    // Words of the states that rusty-kaspa's crypto/hashes/src/pow_hashers.rs begins with.
    let first = [1_242_148_031_264_380_989, 3_008_272_977_830_772_284, 2_188_519_011_337_848_018];
    assert_eq!(Sponge::proof_of_work().load(&[0; 80])[..3], first);
    let second = [4_239_941_492_252_378_377, 8_746_723_911_537_738_262, 8_796_936_657_246_353_646];
    assert_eq!(Sponge::heavy().load(&[0; 32])[..3], second);
}
