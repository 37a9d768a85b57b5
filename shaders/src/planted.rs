//! Searches whose outcome is known: run on a device before it mines, and now and then while it does.

use std::ops::Range;
use std::sync::Arc;

use rminer_algos::{Algorithm, Reference, Target, Work};

use crate::fault::Fault;
use crate::part::is_candidate;

/// Counters of one search.
const COUNTERS: u64 = 4096;
/// One in so many hashes wins.
const WINNERS: u32 = 256;
/// Blobs that are tried until a winner stands where it is wanted. Each has one chance in [`WINNERS`]; not one in
/// so many has the chance of 10^-13.
const MAX_TRIES: u64 = 30 * WINNERS as u64;

/// A search with all its winners.
#[derive(Debug, Clone)]
pub(crate) struct Case {
    /// Where the planted winner stands, for messages.
    pub(crate) name: &'static str,
    pub(crate) work: Arc<Work>,
    pub(crate) target: Target,
    pub(crate) counters: Range<u64>,
    /// Counters of all winners, in order; the planted one is among them.
    pub(crate) winners: Vec<u64>,
}

impl Case {
    /// What is wrong with candidates that a device found, if something is.
    pub(crate) fn judge(&self, reference: &mut dyn Reference, candidates: &[u64]) -> Result<(), Fault> {
        let mut found: Vec<u64> = Vec::new();
        for &counter in candidates {
            let hash =
                reference.hash(&self.work, self.work.nonce(counter)).map_err(|error| Fault::Lost(error.0))?;
            if !is_candidate(&hash, self.target) {
                return Err(Fault::Wrong(format!(
                    "it claims a winner that is none ({} at counter {counter:#x})",
                    self.name
                )));
            }
            found.extend(self.target.is_met_by(&hash).then_some(counter));
        }
        found.sort_unstable();
        if found == self.winners {
            return Ok(());
        }
        let missed = self.winners.iter().filter(|winner| !found.contains(winner)).count();
        let more = if missed == 0 { "found some of them twice".into() } else { format!("missed {missed}") };
        Err(Fault::Wrong(format!("of {} planted winners ({}) it {more}", self.winners.len(), self.name)))
    }
}

/// The searches for an algorithm: winners at the first and the last counter and on both sides of the step from
/// one version and nonce 2^32 - 1 to the next version and nonce 0, with and without versions to roll; of wider nonces
/// on both sides of the step from one high word to the next.
pub(crate) fn cases(algorithm: &Algorithm, reference: &mut dyn Reference) -> Result<Vec<Case>, Fault> {
    let (sample_rolled, sample_plain) = (sample(algorithm, 0, true)?, sample(algorithm, 0, false)?);
    let group =
        1u64 << (u32::from(sample_rolled.nonce_field().free_bits) + sample_rolled.lane_bits()).min(62);
    // The very last counter of 64 bits is never handed out.
    let end = sample_rolled.last_counter().saturating_add(1);
    let plain_end = sample_plain.last_counter().saturating_add(1);
    let half = COUNTERS / 2;
    let across = group - half..group.saturating_add(half);
    let places = [
        ("first of all versions", true, 0..COUNTERS, 0),
        ("last of all versions", true, end - COUNTERS..end, end - 1),
        ("before the step to the next version", true, across.clone(), group - 1),
        ("after the step to the next version", true, across, group),
        ("first of one version", false, 0..COUNTERS, 0),
        ("last of one version", false, plain_end - COUNTERS..plain_end, plain_end - 1),
    ];
    let rolls = sample_rolled.version_mask() != 0;
    let places = places.into_iter().filter(|(_, rolled, ..)| rolls || !rolled);
    // Nonces of more than a word: it must be carried into the next one.
    let (word, wide) = (1u64 << 32, sample_plain.nonce_field().free_bits > 32);
    let around = word - half..word + half;
    let steps = [
        ("before the step to the next high word", false, around.clone(), word - 1),
        ("after the step to the next high word", false, around, word),
    ];
    places
        .chain(steps.into_iter().filter(|_| wide))
        .map(|(name, rolled, counters, winner)| case(algorithm, reference, name, rolled, counters, winner))
        .collect()
}

/// Work that hardly any hash meets, to measure with.
pub(crate) fn idle_work(algorithm: &Algorithm, rolled: bool) -> Result<(Arc<Work>, Target), Fault> {
    let mut target = [0; 32];
    target[0] = 1;
    let target = Target::from_le_bytes(target).unwrap_or(Target::MAX);
    Ok((Arc::new(sample(algorithm, 1, rolled)?), target))
}

fn case(
    algorithm: &Algorithm,
    reference: &mut dyn Reference,
    name: &'static str,
    rolled: bool,
    counters: Range<u64>,
    winner: u64,
) -> Result<Case, Fault> {
    let mut bytes = [0xFF; 32];
    bytes[28..].copy_from_slice(&(u32::MAX / WINNERS).to_le_bytes());
    let target = Target::from_le_bytes(bytes).unwrap_or(Target::MAX);
    let mut wins = |work: &Work, counter| {
        let hash = reference.hash(work, work.nonce(counter)).map_err(|error| Fault::Lost(error.0))?;
        Ok(target.is_met_by(&hash))
    };
    for seed in 0..MAX_TRIES {
        let work = sample(algorithm, seed, rolled)?;
        if !wins(&work, winner)? {
            continue;
        }
        let mut winners = Vec::new();
        for counter in counters.clone() {
            if wins(&work, counter)? {
                winners.push(counter);
            }
        }
        return Ok(Case { name, work: Arc::new(work), target, counters, winners });
    }
    Err(Fault::Lost("no work with a winner in its place was found".into()))
}

/// Work of the algorithm's shape, with its versions to roll or with one version only.
fn sample(algorithm: &Algorithm, seed: u64, rolled: bool) -> Result<Work, Fault> {
    let work = (algorithm.sample)(seed).and_then(|work| {
        if rolled { Ok(work) } else { Work::new(work.blob(), work.nonce_field(), work.seed().copied()) }
    });
    work.map_err(|error| Fault::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry;

    use super::*;

    /// All cases of an algorithm, each with its planted winner and some more, and each a judge of what is found.
    fn judged(algorithm: &Algorithm, count: usize) -> Vec<Case> {
        let mut reference = (algorithm.reference)().unwrap();
        let cases = cases(algorithm, &mut *reference).unwrap();
        assert_eq!(cases.len(), count);
        for case in &cases {
            assert!(
                case.winners.len() > 1 && case.winners.len() < 63,
                "{}: {:?}",
                case.name,
                case.winners.len()
            );
            assert_eq!(case.judge(&mut *reference, &case.winners), Ok(()));
            let fault = case.judge(&mut *reference, &case.winners[1..]).unwrap_err();
            assert!(matches!(&fault, Fault::Wrong(text) if text.contains("missed 1")), "{fault}");
            let mut more = case.winners.clone();
            more.push(case.counters.clone().find(|counter| !case.winners.contains(counter)).unwrap());
            assert!(matches!(case.judge(&mut *reference, &more), Err(Fault::Wrong(_))));
        }
        cases
    }

    #[test]
    fn winners_stand_where_they_were_planted() {
        let cases = judged(&registry::SHA256D, 6);
        assert_eq!(cases[0].winners[0], 0);
        assert_eq!(cases[1].winners.last(), Some(&cases[1].work.last_counter()));
        assert!(cases[2].winners.contains(&((1 << 34) - 1)) && cases[3].winners.contains(&(1 << 34)));
        let cases = judged(&registry::KHEAVYHASH, 4);
        assert_eq!(cases[0].winners[0], 0);
        assert_eq!(cases[1].winners.last(), Some(&cases[1].work.last_counter()));
        assert!(cases[2].winners.contains(&0xFFFF_FFFF) && cases[3].winners.contains(&(1 << 32)));
    }
}
