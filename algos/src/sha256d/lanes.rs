//! One lane of 32 bits or several side by side, with the operations that SHA-256 is made of.

/// Several 32-bit words that are worked on at once.
pub(super) trait Lanes: Copy {
    /// The same word in every lane.
    fn splat(word: u32) -> Self;
    /// Sum.
    fn add(self, other: Self) -> Self;
    /// Bits that are set in one or in all of the three.
    fn xor3(self, b: Self, c: Self) -> Self;
    /// Bits of `b` where `self` is set, of `c` elsewhere: Ch.
    fn choose(self, b: Self, c: Self) -> Self;
    /// Bits that are set in at least two of the three: Maj.
    fn majority(self, b: Self, c: Self) -> Self;
    /// Rotation towards the low bits.
    fn rotate_right<const BITS: i32>(self) -> Self;
    /// Shift towards the low bits.
    fn shift_right<const BITS: i32>(self) -> Self;

    /// Sum with the same word in every lane.
    #[inline(always)]
    fn plus(self, word: u32) -> Self {
        self.add(Self::splat(word))
    }

    /// A round of the compression function. In place of `h`, `state` has the sum of `h`, the round's constant and the
    /// schedule's word.
    #[inline(always)]
    fn round(state: [Self; 8]) -> [Self; 8] {
        let [a, b, c, d, e, f, g, sum] = state;
        let first = sum.add(e.choose(f, g)).add(big_sigma1(e));
        let second = a.majority(b, c);
        [first.add(second).add(big_sigma0(a)), a, b, c, d.add(first), e, f, g]
    }

    /// A word of the message schedule from those 2, 7, 15 and 16 before it.
    #[inline(always)]
    fn word(before2: Self, before7: Self, before15: Self, before16: Self) -> Self {
        sigma0(before15).add(before16).add(before7).add(sigma1(before2))
    }
}

/// σ0 of FIPS 180-4.
#[inline(always)]
pub(super) fn sigma0<L: Lanes>(word: L) -> L {
    word.rotate_right::<7>().xor3(word.rotate_right::<18>(), word.shift_right::<3>())
}

/// σ1 of FIPS 180-4.
#[inline(always)]
pub(super) fn sigma1<L: Lanes>(word: L) -> L {
    word.rotate_right::<17>().xor3(word.rotate_right::<19>(), word.shift_right::<10>())
}

/// Σ0 of FIPS 180-4.
#[inline(always)]
pub(super) fn big_sigma0<L: Lanes>(word: L) -> L {
    word.rotate_right::<2>().xor3(word.rotate_right::<13>(), word.rotate_right::<22>())
}

/// Σ1 of FIPS 180-4.
#[inline(always)]
pub(super) fn big_sigma1<L: Lanes>(word: L) -> L {
    word.rotate_right::<6>().xor3(word.rotate_right::<11>(), word.rotate_right::<25>())
}
