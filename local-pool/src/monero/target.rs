//! From a difficulty to the target on the wire.

use rminer_algos::encode_hex;

/// Width of the `target` field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetWidth {
    /// 8 hex digits for difficulties up to `four_up_to`, 16 above.
    Auto {
        /// The highest difficulty that is sent in the compact form.
        four_up_to: u64,
    },
    /// Always 16 hex digits.
    Eight,
}

impl TargetWidth {
    /// The compact form wherever it can carry the difficulty at all: it is zero from 2^32 on.
    pub const FOUR: Self = Self::Auto { four_up_to: u32::MAX as u64 };
}

/// What a share must be below, as a number and as it is written in a job.
///
/// The two are made together because the compact form rounds: the pool must measure with what it said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WireTarget {
    /// The top eight bytes of the hash, read little-endian, must be *less* than this.
    pub(crate) limit: u64,
    pub(crate) hex: String,
}

impl WireTarget {
    /// A difficulty of zero is taken as one.
    pub(crate) fn new(difficulty: u64, width: TargetWidth) -> Self {
        let difficulty = difficulty.max(1);
        let compact = match width {
            TargetWidth::Auto { four_up_to } if difficulty <= four_up_to => {
                u32::try_from(difficulty).ok().map(|difficulty| u32::MAX / difficulty)
            }
            _ => None,
        };
        match compact {
            // `compact` is at least one, since the difficulty fits 32 bits.
            Some(compact) => Self {
                limit: u64::MAX / u64::from(u32::MAX / compact),
                hex: encode_hex(&compact.to_le_bytes()),
            },
            None => {
                let limit = u64::MAX / difficulty;
                Self { limit, hex: encode_hex(&limit.to_le_bytes()) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rminer_algos::Target;

    /// Difficulty, compact form, 64-bit form: vectors recomputed by an independent script.
    #[test]
    fn wire_vectors() {
        for (difficulty, compact, wide) in [
            (200, "14ae4701", "ae47e17a14ae4701"),
            (1000, "37894100", "efa7c64b37894100"),
            (50_000, "8b4f0100", "8f368e588b4f0100"),
            (480_045, "f3220000", "780d7f02f3220000"),
        ] {
            assert_eq!(WireTarget::new(difficulty, TargetWidth::FOUR).hex, compact);
            assert_eq!(WireTarget::new(difficulty, TargetWidth::Eight).hex, wide);
        }
        // The compact form of five billion would be zero.
        assert_eq!(WireTarget::new(5_000_000_000, TargetWidth::FOUR).hex, "cefee6db00000000");
        let p2pool = TargetWidth::Auto { four_up_to: 4_000_000 };
        assert_eq!(WireTarget::new(4_000_000, p2pool).hex.len(), 8);
        assert_eq!(WireTarget::new(4_000_001, p2pool).hex.len(), 16);
        assert_eq!(WireTarget::new(0, TargetWidth::FOUR).hex, "ffffffff");
    }

    proptest! {
        /// The miner's reading of the text is the limit that the pool measures with.
        #[test]
        fn text_and_limit_agree(difficulty in any::<u64>(), four_up_to in any::<u64>()) {
            let target = WireTarget::new(difficulty, TargetWidth::Auto { four_up_to });
            let read = Target::from_monero_hex(&target.hex).unwrap();
            prop_assert_eq!(read, Target::from_monero_u64(target.limit).unwrap());
        }
    }
}
