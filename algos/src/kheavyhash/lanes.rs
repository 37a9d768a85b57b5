//! One lane of 64 bits or the same lane of several states side by side, with the operations that Keccak is made of.

/// A lane of one or more states that are worked on at once.
///
/// Arrays of these are taken apart and put together by constant indices only: a loop or a closure over them would have
/// the compiler keep them in memory.
pub(super) trait Lanes: Copy {
    /// What theta lays over a column.
    type Change: Copy;

    /// The same word for every state.
    fn splat(word: u64) -> Self;
    /// Bits that are set in one of the two.
    fn xor(self, other: Self) -> Self;
    /// Bits of `self`, flipped where `b` is not set and `c` is: chi.
    fn chi(self, b: Self, c: Self) -> Self;
    /// Rotation towards the high bits.
    fn rotate_left<const BITS: i32>(self) -> Self;

    /// Bits that are set in one or in all of the three.
    #[inline(always)]
    fn xor3(self, b: Self, c: Self) -> Self {
        self.xor(b).xor(c)
    }

    /// From the parity of the column to the left and that of the one to the right.
    fn change(left: Self, right: Self) -> Self::Change;
    /// Theta of a lane.
    fn theta(self, change: Self::Change) -> Self;
}
