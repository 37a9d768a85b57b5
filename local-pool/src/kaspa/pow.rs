//! kHeavyHash as the pool computes it, from nothing but the algorithm's description and an ordinary cSHAKE256.

use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{CShake256, CShake256Core};

/// Ranks are taken modulo these primes. A matrix of whole numbers that is regular modulo a prime is regular; a regular
/// one fails at one of them in about 2^31 cases, and at both never in practice.
const PRIME: u64 = (1 << 31) - 1;
const OTHER_PRIME: u64 = (1 << 32) - 5;
/// Rows and columns of a matrix, and nibbles of a hash.
const SIDE: usize = 64;

/// The matrix that belongs to a pre-PoW hash: 64 rows of 64 numbers below 16.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix(Box<[[u8; SIDE]; SIDE]>);

impl Matrix {
    /// Draws matrices from the hash until one is regular.
    pub fn new(pre_pow_hash: &[u8; 32]) -> Self {
        let mut draws = Draws::new(pre_pow_hash);
        loop {
            let mut rows = Box::new([[0; SIDE]; SIDE]);
            for place in rows.iter_mut().flat_map(|row| row.chunks_exact_mut(16)) {
                let draw = draws.next();
                for (index, nibble) in place.iter_mut().enumerate() {
                    *nibble = draw.to_le_bytes()[index / 2] >> (4 * (index % 2)) & 0xF;
                }
            }
            let matrix = Self(rows);
            if matrix.rank::<PRIME>() == SIDE || matrix.rank::<OTHER_PRIME>() == SIDE {
                return matrix;
            }
        }
    }

    /// Rank modulo a prime of at most 32 bits, by Gaussian elimination.
    fn rank<const P: u64>(&self) -> usize {
        let mut rows: Vec<Vec<u64>> =
            self.0.iter().map(|row| row.iter().map(|number| u64::from(*number)).collect()).collect();
        let mut rank = 0;
        for column in 0..SIDE {
            let Some(pivot) = (rank..SIDE).find(|row| rows[*row][column] != 0) else { continue };
            rows.swap(rank, pivot);
            let (upper, lower) = rows.split_at_mut(rank + 1);
            let Some(pivot_row) = upper.last() else { continue };
            let inverse = inverse::<P>(pivot_row[column]);
            for row in lower.iter_mut().filter(|row| row[column] != 0) {
                let factor = row[column] * inverse % P;
                for (number, pivot) in row.iter_mut().zip(pivot_row).skip(column) {
                    *number = (*number + (P - factor) * *pivot) % P;
                }
            }
            rank += 1;
        }
        rank
    }

    /// The value of a nonce: a number, least significant byte first.
    pub fn pow(&self, pre_pow_hash: &[u8; 32], timestamp_ms: u64, nonce: u64) -> [u8; 32] {
        let first = cshake256(
            b"ProofOfWorkHash",
            &[pre_pow_hash, &timestamp_ms.to_le_bytes(), &[0; 32], &nonce.to_le_bytes()],
        );
        let nibbles: Vec<u16> =
            first.iter().flat_map(|byte| [u16::from(byte >> 4), u16::from(byte & 0xF)]).collect();
        let product = |row: &[u8; SIDE]| -> u8 {
            let sum: u16 = row.iter().zip(&nibbles).map(|(number, nibble)| u16::from(*number) * nibble).sum();
            // At most 64 * 15 * 15, so the shift leaves four bits.
            (sum >> 10).to_le_bytes()[0]
        };
        let mut second = first;
        for (byte, rows) in second.iter_mut().zip(self.0.chunks_exact(2)) {
            *byte ^= product(&rows[0]) << 4 | product(&rows[1]);
        }
        cshake256(b"HeavyHash", &[&second])
    }
}

/// 32 bytes of cSHAKE256 with a customization.
fn cshake256(customization: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = CShake256::from_core(CShake256Core::new(customization));
    parts.iter().for_each(|part| hasher.update(part));
    let mut hash = [0; 32];
    hasher.finalize_xof().read(&mut hash);
    hash
}

/// xoshiro256++ by Blackman and Vigna, started with a hash.
struct Draws([u64; 4]);

impl Draws {
    fn new(hash: &[u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(hash.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Self(state)
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = self.0;
        let result = a.wrapping_add(d).rotate_left(23).wrapping_add(a);
        let (c, d) = (c ^ a, d ^ b);
        self.0 = [a ^ d, b ^ c, c ^ (b << 17), d.rotate_left(45)];
        result
    }
}

/// The inverse modulo a prime, by Fermat.
fn inverse<const P: u64>(number: u64) -> u64 {
    let (mut result, mut power, mut exponent) = (1, number, P - 2);
    while exponent > 0 {
        if exponent & 1 == 1 {
            result = result * power % P;
        }
        power = power * power % P;
        exponent >>= 1;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use rminer_algos::{decode_hex_array, encode_hex};

    /// A share that a stratum bridge of the Kaspa project took; its value is the one of the `kaspa-pow` crate.
    #[test]
    fn accepted_share() {
        let hash =
            decode_hex_array("1a6f94ca9a062bd6eb4264fd565e4bc88ed2f5eff55fb6310be18bc4cecf6399").unwrap();
        let value = Matrix::new(&hash).pow(&hash, 1_787_225_603_300, 0xcad);
        assert_eq!(encode_hex(&value), "f310a8f1e3338071bf9bd0ed898f21b59f6440d29d6ae51af492fd3962c20000");
    }

    /// The generator's outputs for the state 1, 2, 3, 4, as its reference implementation has them.
    #[test]
    fn draws_as_published() {
        let mut draws = Draws([1, 2, 3, 4]);
        let first: Vec<u64> = (0..4).map(|_| draws.next()).collect();
        assert_eq!(first, [41_943_041, 58_720_359, 3_588_806_011_781_223, 3_591_011_842_654_386]);
    }

    #[test]
    fn dependent_rows_lower_the_rank() {
        let mut matrix = Matrix::new(&[7; 32]);
        assert_eq!(matrix.rank::<PRIME>(), SIDE);
        matrix.0[63] = [0; SIDE];
        assert_eq!(matrix.rank::<PRIME>(), SIDE - 1);
        matrix.0[10] = matrix.0[20];
        assert_eq!(matrix.rank::<PRIME>(), SIDE - 2);
        *matrix.0 = [[1; SIDE]; SIDE];
        assert_eq!(matrix.rank::<PRIME>(), 1);
        // The sum of two rows, without leaving the range that matrices have.
        let mut matrix = Matrix::new(&[9; 32]);
        for row in matrix.0.iter_mut() {
            row.iter_mut().for_each(|number| *number /= 2);
        }
        let sum: Vec<u8> = matrix.0[0].iter().zip(&matrix.0[1]).map(|(left, right)| left + right).collect();
        matrix.0[2].copy_from_slice(&sum);
        assert_eq!(matrix.rank::<PRIME>(), SIDE - 1);
    }
}
