//! What is usual for a device: the rate that it has when nothing holds it back.

/// Observations that it takes to know what is usual.
pub(super) const ENOUGH: usize = 6;
/// Where the good ones are looked for: below this share of all are those of troubles, however long they lasted.
const GOOD_QUANTILE: f64 = 0.8;
/// How far from there the good ones are.
const GOOD_WITHIN: f64 = 0.05;
/// A drop that is smaller is never worth a word, however steady the device is.
const LEAST_DROP: f64 = 0.06;
/// A drop is this many times what the good ones differ by.
const SPREADS: f64 = 4.0;
/// Half of the values of a normal distribution are within so many standard deviations.
const DEVIATIONS_OF_HALF: f64 = 0.6745;

/// What is usual.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Usual {
    /// Hashes per second.
    pub(super) rate_hs: f64,
    /// Share of it that must be missing to be a drop.
    pub(super) drop: f64,
}

impl Usual {
    /// Of these rates, in any order, those of troubles among them; `None` while too little is known.
    pub(super) fn of(mut rates: Vec<f64>) -> Option<Self> {
        rates.retain(|rate_hs| rate_hs.is_finite() && *rate_hs > 0.0);
        let top = quantile(&mut rates, GOOD_QUANTILE)?;
        rates.retain(|rate_hs| (rate_hs / top - 1.0).abs() <= GOOD_WITHIN);
        if rates.len() < ENOUGH {
            return None;
        }
        let rate_hs = median(&mut rates)?;
        let mut apart: Vec<f64> = rates.iter().map(|other| (other / rate_hs - 1.0).abs()).collect();
        let spread = median(&mut apart)? / DEVIATIONS_OF_HALF;
        Some(Self { rate_hs, drop: (SPREADS * spread).max(LEAST_DROP) })
    }

    /// Whether a rate is a drop.
    pub(super) fn is_low(&self, rate_hs: f64) -> bool {
        rate_hs < self.rate_hs * (1.0 - self.drop)
    }

    /// Whether a rate is as usual: half of the way to a drop belongs to neither.
    pub(super) fn is_good(&self, rate_hs: f64) -> bool {
        rate_hs > self.rate_hs * (1.0 - self.drop / 2.0)
    }
}

/// The value that this share of them, from 0 to 1, does not exceed. Sorts them.
pub(super) fn quantile(values: &mut [f64], share: f64) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "within the values")]
    let place = (share.clamp(0.0, 1.0) * last as f64).round() as usize;
    values.get(place).copied()
}

/// The middle one. Sorts them.
pub(super) fn median(values: &mut [f64]) -> Option<f64> {
    quantile(values, 0.5)
}

/// The mean; `None` of none.
pub(super) fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (sum, count) = values.into_iter().fold((0.0, 0u32), |(sum, count), value| (sum + value, count + 1));
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn troubles_do_not_count_even_when_they_last() {
        let good = [100.0, 101.0, 99.0, 100.5, 99.5, 100.2, 99.8, 100.1];
        let rates = |bad: usize| good.iter().copied().chain((0..bad).map(|_| 60.0)).collect::<Vec<_>>();
        for bad in [0, 5, 24] {
            let usual = Usual::of(rates(bad)).unwrap();
            assert!((usual.rate_hs - 100.1).abs() < 0.5, "{bad} {usual:?}");
            assert!(usual.is_low(90.0) && !usual.is_low(96.0) && usual.is_good(98.0) && !usual.is_good(95.0));
        }
        assert_eq!(Usual::of(good[..5].to_vec()), None);
        assert_eq!(Usual::of(vec![0.0, f64::NAN]), None);
    }

    #[test]
    fn an_unsteady_device_may_differ_by_more() {
        let rates: Vec<f64> = (0..40).map(|number| 100.0 + 2.0 * f64::from(number % 3 - 1)).collect();
        let usual = Usual::of(rates).unwrap();
        assert!(usual.drop > 0.1 && usual.drop < 0.3, "{usual:?}");
    }
}
