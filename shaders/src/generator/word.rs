//! Widths of values.

use std::fmt;
use std::hash::Hash;
use std::ops::{BitAnd, BitOr, BitXor, Not, Shl, Shr};

/// What a value of an evaluation is made of: 32 or 64 bits.
pub trait Word:
    Copy
    + Default
    + Eq
    + Hash
    + fmt::Debug
    + fmt::LowerHex
    + BitAnd<Output = Self>
    + BitOr<Output = Self>
    + BitXor<Output = Self>
    + Not<Output = Self>
    + Shl<u32, Output = Self>
    + Shr<u32, Output = Self>
    + Send
    + Sync
    + 'static
{
    /// Width in bits.
    const BITS: u32;

    /// Sum modulo the width.
    fn wrapping_add(self, other: Self) -> Self;

    /// Rotation to the right.
    fn rotate_right(self, bits: u32) -> Self;

    /// The bytes in reversed order.
    fn swap_bytes(self) -> Self;

    /// As words of 32 bits, the lowest first: how it lies in a buffer.
    fn words(self) -> impl Iterator<Item = u32>;
}

impl Word for u32 {
    const BITS: u32 = u32::BITS;

    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn rotate_right(self, bits: u32) -> Self {
        self.rotate_right(bits)
    }

    fn swap_bytes(self) -> Self {
        self.swap_bytes()
    }

    fn words(self) -> impl Iterator<Item = u32> {
        std::iter::once(self)
    }
}

impl Word for u64 {
    const BITS: u32 = u64::BITS;

    fn wrapping_add(self, other: Self) -> Self {
        self.wrapping_add(other)
    }

    fn rotate_right(self, bits: u32) -> Self {
        self.rotate_right(bits)
    }

    fn swap_bytes(self) -> Self {
        self.swap_bytes()
    }

    fn words(self) -> impl Iterator<Item = u32> {
        split(self).into_iter()
    }
}

/// Low and high half.
#[allow(clippy::cast_possible_truncation, reason = "the halves are what is wanted")]
pub(crate) fn split(value: u64) -> [u32; 2] {
    [value as u32, (value >> 32) as u32]
}
