//! Blocks for every processor.

use super::{Block, Step};

/// Computes a block, and tells the number of the block that it points to.
pub(super) fn compress(step: Step<'_>) -> usize {
    let mut mixed = words(&step.blocks[step.previous]);
    for (word, other) in mixed.iter_mut().zip(words(&step.blocks[step.reference])) {
        *word ^= other;
    }
    let before = mixed;
    for row in mixed.as_chunks_mut::<16>().0 {
        permute(row);
    }
    for column in 0..8 {
        let place = |word: usize| word / 2 * 16 + column * 2 + word % 2;
        let mut words = std::array::from_fn(|word| mixed[place(word)]);
        permute(&mut words);
        for (word, value) in words.into_iter().enumerate() {
            mixed[place(word)] = value;
        }
    }
    let out = &mut step.blocks[step.current];
    for ((bytes, word), before) in out.as_chunks_mut::<8>().0.iter_mut().zip(mixed).zip(before) {
        let added = if step.adds { u64::from_le_bytes(*bytes) } else { 0 };
        *bytes = (word ^ before ^ added).to_le_bytes();
    }
    let word = super::first_word(out);
    step.points_to(word)
}

fn words(block: &Block) -> [u64; 128] {
    let (words, _) = block.as_chunks::<8>();
    std::array::from_fn(|at| u64::from_le_bytes(words[at]))
}

/// The round of Blake2b with multiplications, over columns and then diagonals of four by four words.
fn permute(words: &mut [u64; 16]) {
    for column in 0..4 {
        mix(words, column, 4 + column, 8 + column, 12 + column);
    }
    for diagonal in 0..4 {
        mix(words, diagonal, 4 + (diagonal + 1) % 4, 8 + (diagonal + 2) % 4, 12 + (diagonal + 3) % 4);
    }
}

fn mix(words: &mut [u64; 16], a: usize, b: usize, c: usize, d: usize) {
    for (first, second) in [(32, 24), (16, 63)] {
        words[a] = add(words[a], words[b]);
        words[d] = (words[d] ^ words[a]).rotate_right(first);
        words[c] = add(words[c], words[d]);
        words[b] = (words[b] ^ words[c]).rotate_right(second);
    }
}

fn add(x: u64, y: u64) -> u64 {
    const LOW: u64 = 0xffff_ffff;
    x.wrapping_add(y).wrapping_add(((x & LOW) * (y & LOW)).wrapping_mul(2))
}
