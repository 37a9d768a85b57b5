//! Version rolling: which bits of the version are the miner's, and how a share tells them.

use crate::endpoint::{RESERVED_VERSION_BITS, VersionBits};
use crate::ledger::Reject;

/// Shares refused for their difficulty after which the other way to tell the bits is tried.
const MISSES: u32 = 2;

/// What was agreed with the pool.
#[derive(Debug)]
pub(super) struct Rolling {
    asked: u32,
    mask: u32,
    agreed: bool,
    way: VersionBits,
    may_flip: bool,
    misses: u32,
}

impl Rolling {
    pub(super) fn new(asked: u32, way: VersionBits) -> Self {
        let asked = asked & !RESERVED_VERSION_BITS;
        Self { asked, mask: 0, agreed: false, way, may_flip: true, misses: 0 }
    }

    /// The bits to ask for; zero for none.
    pub(super) fn asked(&self) -> u32 {
        self.asked
    }

    /// The pool lets us roll the bits of `mask`. True when that changes anything.
    pub(super) fn agree(&mut self, mask: u32) -> bool {
        let before = (self.agreed, self.mask);
        if self.asked != 0 {
            (self.agreed, self.mask) = (true, mask & self.asked);
        }
        (self.agreed, self.mask) != before
    }

    /// Bits that may be rolled at present.
    pub(super) fn mask(&self) -> u32 {
        self.mask
    }

    /// Bits that are rolled in a job of this version. Those that are set already are left alone, since there the
    /// two ways to tell them disagree.
    pub(super) fn job_mask(&self, version: u32) -> u32 {
        self.mask & !version
    }

    /// The sixth parameter of a share; none where rolling was not agreed on.
    pub(super) fn bits(&self, version: u32, hashed: u32) -> Option<u32> {
        self.agreed.then_some(match self.way {
            VersionBits::Bip310 => hashed & self.mask,
            VersionBits::Xor => hashed ^ version,
        })
    }

    /// Whether the two ways differ for this share.
    pub(super) fn is_ambiguous(&self, version: u32, hashed: u32) -> bool {
        self.agreed && hashed & self.mask != hashed ^ version
    }

    /// Learns from the answer to a share. True when the way has changed by it: that happens once, and only while no
    /// share was ever taken for which it makes a difference.
    pub(super) fn answered(&mut self, ambiguous: bool, refused: Option<Reject>) -> bool {
        if !ambiguous || !self.may_flip {
            return false;
        }
        match refused {
            None => self.may_flip = false,
            Some(Reject::LowDifficulty) => self.misses += 1,
            Some(_) => {}
        }
        let flips = self.may_flip && self.misses >= MISSES;
        if flips {
            self.may_flip = false;
            self.way = match self.way {
                VersionBits::Bip310 => VersionBits::Xor,
                VersionBits::Xor => VersionBits::Bip310,
            };
        }
        flips
    }

    pub(super) fn way_name(&self) -> &'static str {
        match self.way {
            VersionBits::Bip310 => "bip310",
            VersionBits::Xor => "xor",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOB: u32 = 0x32EF_0000;
    const MASK: u32 = 0x1FFF_E000;

    #[test]
    fn both_formulas() {
        let hashed = 0x2A5D_E000;
        let mut bip = Rolling::new(MASK, VersionBits::Bip310);
        assert_eq!(bip.bits(JOB, hashed), None, "not agreed on");
        assert!(bip.agree(MASK) && !bip.agree(MASK));
        let mut xor = Rolling::new(MASK, VersionBits::Xor);
        xor.agree(MASK);
        assert_eq!((bip.bits(JOB, hashed), xor.bits(JOB, hashed)), (Some(0x0A5D_E000), Some(0x18B2_E000)));
        // What a server that follows BIP 310 makes of each.
        let rebuilt = |bits: u32| JOB & !MASK | bits & MASK;
        assert_eq!(rebuilt(0x0A5D_E000), hashed);
        assert_eq!(rebuilt(0x18B2_E000), 0x38B2_E000);
        assert!(bip.is_ambiguous(JOB, hashed));
    }

    #[test]
    fn bits_that_the_job_has_are_left_alone() {
        let mut rolling = Rolling::new(MASK, VersionBits::Bip310);
        rolling.agree(MASK);
        let mask = rolling.job_mask(JOB);
        assert_eq!(mask, 0x0D10_E000);
        let hashed = JOB | mask;
        let bits = rolling.bits(JOB, hashed).unwrap();
        assert_eq!(JOB & !MASK | bits & MASK, hashed);
        assert!(rolling.is_ambiguous(JOB, JOB), "even unrolled, since the job has bits of the mask");
        assert!(!rolling.is_ambiguous(0x2000_0000, 0x2000_0000 | 0x0000_2000));
    }

    #[test]
    fn masks_only_ever_narrow_what_was_asked_for() {
        let mut rolling = Rolling::new(u32::MAX, VersionBits::Bip310);
        assert_eq!(rolling.asked(), 0x1FFF_FFFF);
        rolling.agree(u32::MAX);
        assert_eq!(rolling.mask(), 0x1FFF_FFFF);
        let mut none = Rolling::new(0, VersionBits::Bip310);
        assert!(!none.agree(MASK));
        assert_eq!(none.bits(JOB, JOB), None);
    }

    #[test]
    fn the_way_changes_once_and_only_without_success() {
        let low = Some(Reject::LowDifficulty);
        let fresh = || {
            let mut rolling = Rolling::new(MASK, VersionBits::Bip310);
            rolling.agree(MASK);
            rolling
        };
        let mut rolling = fresh();
        assert!(!rolling.answered(false, low) && !rolling.answered(false, low), "not to blame");
        assert!(!rolling.answered(true, low) && rolling.answered(true, low));
        assert_eq!(rolling.way_name(), "xor");
        assert!((0..10).all(|_| !rolling.answered(true, low)));
        let mut rolling = fresh();
        assert!(!rolling.answered(true, None));
        assert!((0..10).all(|_| !rolling.answered(true, low)));
        let mut rolling = fresh();
        assert!((0..10).all(|_| !rolling.answered(true, Some(Reject::Stale))));
    }
}
