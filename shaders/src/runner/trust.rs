//! How often a device was wrong lately.

use crate::fault::Fault;

/// Candidates that are remembered.
const REMEMBERED: u32 = 100;
/// Wrong ones among them after which the device is opened anew.
const MAX_WRONG: u32 = 3;

/// The last candidates of a device: which were none.
#[derive(Debug, Default)]
pub(super) struct Trust {
    /// A bit for each, set where it was wrong; the newest is the lowest.
    wrong: u128,
}

impl Trust {
    /// Notes a candidate; an error when the device should be opened anew: two wrong ones in a row, or three of the
    /// last hundred.
    pub(super) fn note(&mut self, right: bool) -> Result<(), Fault> {
        let kept = u128::MAX >> (u128::BITS - REMEMBERED);
        self.wrong = (self.wrong << 1 | u128::from(!right)) & kept;
        let count = self.wrong.count_ones();
        if self.wrong & 0b11 == 0b11 {
            return Err(Fault::Lost("it computed wrongly twice in a row".into()));
        }
        if count >= MAX_WRONG {
            return Err(Fault::Lost(format!("{count} of its last {REMEMBERED} winners were none")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn single_slips_are_forgiven() {
        let mut trust = Trust::default();
        for round in 0..1000 {
            assert_eq!(trust.note(round % 60 != 0), Ok(()), "{round}");
        }
        assert!(trust.note(false).is_ok() && trust.note(false).is_err(), "twice in a row");
        let mut trust = Trust::default();
        let outcomes: Vec<bool> = (0..90).map(|round| trust.note(round % 40 != 0).is_ok()).collect();
        assert_eq!(outcomes.iter().position(|fine| !fine), Some(80), "the third of a hundred");
    }
}
