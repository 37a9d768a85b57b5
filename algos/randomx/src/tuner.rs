//! Which way to hash is the fastest on a machine, decided from rates that the caller measures.
//!
//! Nothing here knows a clock. The caller asks for a candidate ([`Tuner::next`]), hashes with it for a while on all its
//! threads, and tells the rate ([`Tuner::add`]), until there is none to ask for. Candidates are measured in rounds, each
//! round in the opposite order of the one before, so that a machine that warms up or gets busy favours none of them; what
//! counts is the median over the rounds of a candidate's rate divided by the default's in the same round.
//!
//! The default is left only for what was clearly faster in most rounds, so that noise cannot choose something slower.

/// Rounds before a decision is made.
const MIN_ROUNDS: usize = 3;

/// Rounds after which the decision is made whatever is known by then.
const MAX_ROUNDS: usize = 5;

/// A candidate must be faster than the default by this factor.
const MARGIN: f64 = 1.03;

/// A candidate must be faster than one before it in the list by this factor.
const STEP: f64 = 1.01;

/// A candidate that is slower than the default by this factor in a round is not measured again.
const HOPELESS: f64 = 0.92;

/// A decision between a default and other candidates.
#[derive(Debug, Clone)]
pub struct Tuner<C> {
    /// The default first, the others from the cheapest to the dearest.
    trials: Vec<Trial<C>>,
    /// What is still to be measured in this round, as places in `trials`, the next one last.
    left: Vec<usize>,
    rounds_done: usize,
}

/// What is known of one candidate.
#[derive(Debug, Clone)]
struct Trial<C> {
    candidate: C,
    /// Rates by round.
    rates_hs: Vec<f64>,
    alive: bool,
}

impl<C: Copy + PartialEq> Tuner<C> {
    /// A decision between `default` and `others`, which come from the cheapest to the dearest: a dearer one must be
    /// faster to be chosen. Candidates that are named twice count once.
    pub fn new(default: C, others: &[C]) -> Self {
        let mut trials: Vec<Trial<C>> = Vec::with_capacity(1 + others.len());
        for &candidate in std::iter::once(&default).chain(others) {
            if !trials.iter().any(|trial| trial.candidate == candidate) {
                trials.push(Trial { candidate, rates_hs: Vec::with_capacity(MAX_ROUNDS), alive: true });
            }
        }
        let mut tuner = Self { trials, left: Vec::new(), rounds_done: 0 };
        tuner.begin_round();
        tuner
    }

    /// What to measure now; `None` once the decision is made.
    pub fn next(&self) -> Option<C> {
        self.left.last().and_then(|&place| self.trials.get(place)).map(|trial| trial.candidate)
    }

    /// Takes the rate of [`Tuner::next`], in hashes per second. What is no rate (not positive, not finite) counts as none
    /// at all: a candidate that does not work.
    pub fn add(&mut self, rate_hs: f64) {
        let Some(place) = self.left.pop() else { return };
        if let Some(trial) = self.trials.get_mut(place) {
            trial.rates_hs.push(if rate_hs.is_finite() && rate_hs > 0.0 { rate_hs } else { 0.0 });
        }
        if self.left.is_empty() {
            self.end_round();
        }
    }

    /// The fastest as far as is known; the default while that is not clear.
    pub fn best(&self) -> C {
        let mut best = (0, 1.0);
        for (place, trial) in self.trials.iter().enumerate().skip(1) {
            let step = if best.0 == 0 { MARGIN } else { STEP };
            match self.ratio(trial) {
                Some(ratio) if trial.alive && ratio >= best.1 * step && self.wins_most(trial) => {
                    best = (place, ratio);
                }
                _ => {}
            }
        }
        // There is at least the default.
        self.trials[best.0].candidate
    }

    /// Every candidate and its median rate in hashes per second, the default first.
    pub fn measured(&self) -> impl Iterator<Item = (C, Option<f64>)> + '_ {
        self.trials.iter().map(|trial| (trial.candidate, median(trial.rates_hs.clone())))
    }

    /// The default is measured first and last in turn.
    fn begin_round(&mut self) {
        let alive = self.trials.iter().enumerate().filter(|(_, trial)| trial.alive).map(|(place, _)| place);
        self.left = alive.collect();
        // Alone it has nobody to beat.
        if self.left.len() < 2 {
            self.left.clear();
        } else if self.rounds_done.is_multiple_of(2) {
            self.left.reverse();
        }
    }

    fn end_round(&mut self) {
        self.rounds_done += 1;
        let of_default = self.trials[0].rates_hs.last().copied().unwrap_or(0.0);
        for trial in self.trials.iter_mut().skip(1).filter(|trial| trial.alive) {
            trial.alive = trial.rates_hs.last().is_some_and(|&rate_hs| rate_hs > of_default * HOPELESS);
        }
        if self.rounds_done < MAX_ROUNDS && !(self.rounds_done >= MIN_ROUNDS && self.is_clear()) {
            self.begin_round();
        }
    }

    /// Whether every candidate that is left is either well ahead of the default or not ahead at all.
    fn is_clear(&self) -> bool {
        let clear =
            |trial: &Trial<C>| self.ratio(trial).is_some_and(|ratio| !(1.0..MARGIN * STEP).contains(&ratio));
        self.trials.iter().skip(1).filter(|trial| trial.alive).all(clear)
    }

    /// Median of the rounds' ratios to the default.
    fn ratio(&self, trial: &Trial<C>) -> Option<f64> {
        (trial.rates_hs.len() >= MIN_ROUNDS).then(|| median(self.ratios(trial).collect())).flatten()
    }

    fn wins_most(&self, trial: &Trial<C>) -> bool {
        let (won, all) =
            self.ratios(trial).fold((0, 0), |(won, all), ratio| (won + usize::from(ratio > 1.0), all + 1));
        won * 3 >= all * 2
    }

    /// A round in which the default could not be measured says nothing.
    fn ratios(&self, trial: &Trial<C>) -> impl Iterator<Item = f64> {
        let of_default = &self.trials[0].rates_hs;
        trial
            .rates_hs
            .iter()
            .zip(of_default)
            .filter(|(_, of_default)| **of_default > 0.0)
            .map(|(own, of)| own / of)
    }
}

/// The middle value, or the lower of the two in the middle.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a decision between 1, 2 and 3 lanes; `rate` is told the lanes and the number of the measurement.
    fn decide(mut rate: impl FnMut(usize, usize) -> f64) -> (Tuner<usize>, usize) {
        let mut tuner = Tuner::new(1, &[2, 3]);
        let mut measured = 0;
        while let Some(lanes) = tuner.next() {
            tuner.add(rate(lanes, measured));
            measured += 1;
            assert!(measured <= 3 * MAX_ROUNDS, "it does not end");
        }
        (tuner, measured)
    }

    #[test]
    fn what_is_clearly_faster_is_chosen() {
        let (tuner, measured) = decide(|lanes, _| [0.0, 500.0, 600.0, 590.0][lanes]);
        assert_eq!((tuner.best(), measured), (2, 3 * MIN_ROUNDS));
        assert!(tuner.measured().eq([(1, Some(500.0)), (2, Some(600.0)), (3, Some(590.0))]));
        assert_eq!(decide(|lanes, _| [0.0, 500.0, 600.0, 640.0][lanes]).0.best(), 3);
        // A third lane costs memory, so it must be worth it.
        assert_eq!(decide(|lanes, _| [0.0, 500.0, 600.0, 603.0][lanes]).0.best(), 2);
    }

    #[test]
    fn the_default_stays_where_others_are_slower_or_hardly_faster() {
        let (tuner, measured) = decide(|lanes, _| [0.0, 500.0, 430.0, 400.0][lanes]);
        assert_eq!((tuner.best(), measured), (1, 3), "hopeless after one round");
        let (tuner, measured) = decide(|lanes, _| [0.0, 500.0, 510.0, 505.0][lanes]);
        assert_eq!((tuner.best(), measured), (1, 3 * MAX_ROUNDS), "in doubt it looks longer");
        let (tuner, measured) = decide(|lanes, _| [0.0, 500.0, 490.0, 480.0][lanes]);
        assert_eq!((tuner.best(), measured), (1, 3 * MIN_ROUNDS));
    }

    #[test]
    fn what_does_not_work_is_never_chosen() {
        for broken in [0.0, f64::NAN, f64::INFINITY, -1.0] {
            assert_eq!(decide(|lanes, _| if lanes == 1 { 500.0 } else { broken }).0.best(), 1);
            // Nothing is known of the default either: it stays.
            assert_eq!(decide(|_, _| broken).0.best(), 1);
            assert_eq!(decide(|lanes, _| if lanes == 1 { broken } else { 500.0 }).0.best(), 1);
        }
    }

    #[test]
    fn a_machine_that_gets_busy_favours_nobody() {
        // Each measurement finds it two percent slower than the one before, and all candidates are the same.
        let (tuner, _) = decide(|_, number| 500.0 * 0.98f64.powi(i32::try_from(number).unwrap()));
        assert_eq!(tuner.best(), 1);
        // A burst of other work in one round does not hide what is faster.
        let (tuner, _) =
            decide(|lanes, number| [0.0, 500.0, 600.0, 400.0][lanes] * if number == 4 { 0.5 } else { 1.0 });
        assert_eq!(tuner.best(), 2);
    }

    #[test]
    fn without_others_there_is_nothing_to_decide() {
        let mut tuner = Tuner::new(7, &[7]);
        assert_eq!((tuner.next(), tuner.best()), (None, 7));
        tuner.add(1.0);
        assert_eq!(tuner.best(), 7);
    }

    proptest! {
        /// With true rates and noise of up to one percent the choice is never slower than the default.
        #[test]
        fn never_slower_than_the_default(
            two in 0.8f64..1.3,
            three in 0.8f64..1.3,
            noise in prop::collection::vec(-0.01f64..0.01, 3 * MAX_ROUNDS),
        ) {
            let truth = [0.0, 1.0, two, three];
            let (tuner, _) = decide(|lanes, number| truth[lanes] * (1.0 + noise[number]));
            prop_assert!(truth[tuner.best()] >= 1.0);
        }

        /// Whatever is measured, it ends, and with one of the candidates.
        #[test]
        fn it_always_ends(rates in prop::collection::vec(prop::num::f64::ANY, 3 * MAX_ROUNDS)) {
            let (tuner, _) = decide(|_, number| rates[number]);
            prop_assert!((1..=3).contains(&tuner.best()));
        }
    }
}
