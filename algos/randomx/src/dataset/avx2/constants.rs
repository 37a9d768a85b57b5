//! Vectors that do not change, addressed by their offset from the first.

use std::collections::HashMap;

/// Constants of one kernel. Each is there once.
#[derive(Debug, Default)]
pub(super) struct Constants {
    vectors: Vec<Vector>,
    offsets: HashMap<[u64; 4], i32>,
}

/// 32 bytes, aligned as vector instructions want them.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(32))]
pub(super) struct Vector(pub(super) [u64; 4]);

impl Constants {
    /// Offset of this vector in bytes.
    pub(super) fn vector(&mut self, words: [u64; 4]) -> i32 {
        *self.offsets.entry(words).or_insert_with(|| {
            let offset = 32 * self.vectors.len();
            self.vectors.push(Vector(words));
            // Some hundreds for each program.
            i32::try_from(offset).unwrap_or(i32::MAX)
        })
    }

    /// Offset of the choice of bytes that rotates each word right by so many bytes, 1 to 7.
    pub(super) fn rotation(&mut self, bytes: u8) -> i32 {
        let word = |base: u8| {
            u64::from_le_bytes(std::array::from_fn(|at| base + (u8::try_from(at).unwrap_or(0) + bytes) % 8))
        };
        self.vector([word(0), word(8), word(0), word(8)])
    }

    /// All, in order.
    pub(super) fn into_vectors(self) -> Box<[Vector]> {
        self.vectors.into_boxed_slice()
    }
}
