//! The two permutations, each reduced to what a search needs of it.
//!
//! Of the first one only lane 9 differs between nonces and four lanes are used; of the second one 21 lanes come from
//! the sponge alone and one is used. The first and the last round of each are made to that measure. The 22 between
//! them are a loop: what the processor has decoded it keeps, if it is not too much. In pairs, because each turn of the
//! loop has to move the lanes back to their registers.

use super::keccak::ROUND;
use super::lanes::Lanes;

/// What both permutations of a job have in common for all nonces.
pub(super) struct Start {
    /// Before chi of the first permutation's first round, for nonce 0.
    moved: [u64; 25],
    /// Before the second permutation, without its four lanes of input.
    heavy: [u64; 25],
    /// Parities of its columns.
    heavy_columns: [u64; 5],
}

impl Start {
    /// From the states before each permutation, without the nonce and without any input.
    pub(super) fn new(block: [u64; 25], heavy: [u64; 25]) -> Self {
        let moved = theta_rho_pi(&block, &columns(&block));
        Self { moved, heavy, heavy_columns: columns(&heavy) }
    }
}

/// The first four lanes behind the first permutation.
#[inline(always)]
pub(super) fn first<L: Lanes>(start: &Start, nonce: L) -> [L; 4] {
    let mut state = chi(moved(&start.moved, nonce), ROUND[0]);
    for constants in ROUND[1..23].as_chunks::<2>().0 {
        state = round(&state, &columns(&state), constants[0]);
        state = round(&state, &columns(&state), constants[1]);
    }
    let [a, b, c, d, e] = last_row(&state);
    [a.chi(b, c).xor(L::splat(ROUND[23])), b.chi(c, d), c.chi(d, e), d.chi(e, a)]
}

/// Lane 3 behind the second permutation: the top bits of the hash.
#[inline(always)]
pub(super) fn second<L: Lanes>(start: &Start, [a, b, c, d]: [L; 4]) -> L {
    let (k, p) = (&start.heavy, &start.heavy_columns);
    let state = [
        L::splat(k[0]).xor(a),
        L::splat(k[1]).xor(b),
        L::splat(k[2]).xor(c),
        L::splat(k[3]).xor(d),
        L::splat(k[4]),
        L::splat(k[5]),
        L::splat(k[6]),
        L::splat(k[7]),
        L::splat(k[8]),
        L::splat(k[9]),
        L::splat(k[10]),
        L::splat(k[11]),
        L::splat(k[12]),
        L::splat(k[13]),
        L::splat(k[14]),
        L::splat(k[15]),
        L::splat(k[16]),
        L::splat(k[17]),
        L::splat(k[18]),
        L::splat(k[19]),
        L::splat(k[20]),
        L::splat(k[21]),
        L::splat(k[22]),
        L::splat(k[23]),
        L::splat(k[24]),
    ];
    let columns_of_start = [
        L::splat(p[0]).xor(a),
        L::splat(p[1]).xor(b),
        L::splat(p[2]).xor(c),
        L::splat(p[3]).xor(d),
        L::splat(p[4]),
    ];
    let mut state = round(&state, &columns_of_start, ROUND[0]);
    for constants in ROUND[1..23].as_chunks::<2>().0 {
        state = round(&state, &columns(&state), constants[0]);
        state = round(&state, &columns(&state), constants[1]);
    }
    let [a, _, _, d, e] = last_row(&state);
    d.chi(e, a)
}

/// The state before the first chi: theta takes the nonce from lane 9 to all of columns 0 and 3.
#[inline(always)]
fn moved<L: Lanes>(k: &[u64; 25], nonce: L) -> [L; 25] {
    [
        L::splat(k[0]).xor(nonce),
        L::splat(k[1]),
        L::splat(k[2]),
        L::splat(k[3]).xor(nonce.rotate_left::<22>()),
        L::splat(k[4]),
        L::splat(k[5]).xor(nonce.rotate_left::<29>()),
        L::splat(k[6]).xor(nonce.rotate_left::<20>()),
        L::splat(k[7]).xor(nonce.rotate_left::<3>()),
        L::splat(k[8]),
        L::splat(k[9]),
        L::splat(k[10]),
        L::splat(k[11]),
        L::splat(k[12]).xor(nonce.rotate_left::<26>()),
        L::splat(k[13]),
        L::splat(k[14]).xor(nonce.rotate_left::<18>()),
        L::splat(k[15]),
        L::splat(k[16]).xor(nonce.rotate_left::<36>()),
        L::splat(k[17]),
        L::splat(k[18]),
        L::splat(k[19]).xor(nonce.rotate_left::<57>()),
        L::splat(k[20]),
        L::splat(k[21]).xor(nonce.rotate_left::<56>()),
        L::splat(k[22]),
        L::splat(k[23]).xor(nonce.rotate_left::<41>()),
        L::splat(k[24]),
    ]
}

/// The first row before chi of the last round.
#[inline(always)]
fn last_row<L: Lanes>(a: &[L; 25]) -> [L; 5] {
    let d = changes(&columns(a));
    [
        a[0].theta(d[0]),
        a[6].theta(d[1]).rotate_left::<44>(),
        a[12].theta(d[2]).rotate_left::<43>(),
        a[18].theta(d[3]).rotate_left::<21>(),
        a[24].theta(d[4]).rotate_left::<14>(),
    ]
}

#[inline(always)]
fn round<L: Lanes>(state: &[L; 25], columns: &[L; 5], constant: u64) -> [L; 25] {
    chi(theta_rho_pi(state, columns), constant)
}

/// Parity of each column.
#[inline(always)]
fn columns<L: Lanes>(a: &[L; 25]) -> [L; 5] {
    [
        a[0].xor3(a[5], a[10]).xor3(a[15], a[20]),
        a[1].xor3(a[6], a[11]).xor3(a[16], a[21]),
        a[2].xor3(a[7], a[12]).xor3(a[17], a[22]),
        a[3].xor3(a[8], a[13]).xor3(a[18], a[23]),
        a[4].xor3(a[9], a[14]).xor3(a[19], a[24]),
    ]
}

/// What theta lays over each column.
#[inline(always)]
fn changes<L: Lanes>(columns: &[L; 5]) -> [L::Change; 5] {
    let [a, b, c, d, e] = *columns;
    [
        L::change(e, b.rotate_left::<1>()),
        L::change(a, c.rotate_left::<1>()),
        L::change(b, d.rotate_left::<1>()),
        L::change(c, e.rotate_left::<1>()),
        L::change(d, a.rotate_left::<1>()),
    ]
}

/// Theta, and the lane (x, y), rotated by its number of [`super::keccak::ROTATION`], goes to (y, 2x + 3y).
#[inline(always)]
fn theta_rho_pi<L: Lanes>(a: &[L; 25], columns: &[L; 5]) -> [L; 25] {
    let d = changes(columns);
    [
        a[0].theta(d[0]),
        a[6].theta(d[1]).rotate_left::<44>(),
        a[12].theta(d[2]).rotate_left::<43>(),
        a[18].theta(d[3]).rotate_left::<21>(),
        a[24].theta(d[4]).rotate_left::<14>(),
        a[3].theta(d[3]).rotate_left::<28>(),
        a[9].theta(d[4]).rotate_left::<20>(),
        a[10].theta(d[0]).rotate_left::<3>(),
        a[16].theta(d[1]).rotate_left::<45>(),
        a[22].theta(d[2]).rotate_left::<61>(),
        a[1].theta(d[1]).rotate_left::<1>(),
        a[7].theta(d[2]).rotate_left::<6>(),
        a[13].theta(d[3]).rotate_left::<25>(),
        a[19].theta(d[4]).rotate_left::<8>(),
        a[20].theta(d[0]).rotate_left::<18>(),
        a[4].theta(d[4]).rotate_left::<27>(),
        a[5].theta(d[0]).rotate_left::<36>(),
        a[11].theta(d[1]).rotate_left::<10>(),
        a[17].theta(d[2]).rotate_left::<15>(),
        a[23].theta(d[3]).rotate_left::<56>(),
        a[2].theta(d[2]).rotate_left::<62>(),
        a[8].theta(d[3]).rotate_left::<55>(),
        a[14].theta(d[4]).rotate_left::<39>(),
        a[15].theta(d[0]).rotate_left::<41>(),
        a[21].theta(d[1]).rotate_left::<2>(),
    ]
}

/// Chi and iota.
#[inline(always)]
fn chi<L: Lanes>(b: [L; 25], constant: u64) -> [L; 25] {
    [
        b[0].chi(b[1], b[2]).xor(L::splat(constant)),
        b[1].chi(b[2], b[3]),
        b[2].chi(b[3], b[4]),
        b[3].chi(b[4], b[0]),
        b[4].chi(b[0], b[1]),
        b[5].chi(b[6], b[7]),
        b[6].chi(b[7], b[8]),
        b[7].chi(b[8], b[9]),
        b[8].chi(b[9], b[5]),
        b[9].chi(b[5], b[6]),
        b[10].chi(b[11], b[12]),
        b[11].chi(b[12], b[13]),
        b[12].chi(b[13], b[14]),
        b[13].chi(b[14], b[10]),
        b[14].chi(b[10], b[11]),
        b[15].chi(b[16], b[17]),
        b[16].chi(b[17], b[18]),
        b[17].chi(b[18], b[19]),
        b[18].chi(b[19], b[15]),
        b[19].chi(b[15], b[16]),
        b[20].chi(b[21], b[22]),
        b[21].chi(b[22], b[23]),
        b[22].chi(b[23], b[24]),
        b[23].chi(b[24], b[20]),
        b[24].chi(b[20], b[21]),
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::kheavyhash::keccak::keccak_f1600;

    proptest! {
        /// What is folded away changes nothing, against the readable permutation.
        #[test]
        fn both_equal_the_whole_permutation(
            block in proptest::array::uniform25(any::<u64>()),
            heavy in proptest::array::uniform25(any::<u64>()),
            nonce in any::<u64>(),
            input in proptest::array::uniform4(any::<u64>()),
        ) {
            let start = Start::new(block, heavy);
            let mut state = block;
            state[9] ^= nonce;
            keccak_f1600(&mut state);
            prop_assert_eq!(&first(&start, nonce)[..], &state[..4]);
            let mut state = heavy;
            for (lane, input) in state.iter_mut().zip(input) {
                *lane ^= input;
            }
            keccak_f1600(&mut state);
            prop_assert_eq!(second(&start, input), state[3]);
        }
    }
}
