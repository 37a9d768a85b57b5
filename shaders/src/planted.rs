//! Searches whose outcome is known: run on a device before it mines, and now and then while it does.

use std::ops::Range;
use std::sync::Arc;

use rminer_algos::{Algorithm, NonceField, Reference, Target, Work, registry};

use crate::fault::Fault;
use crate::part::is_candidate;

/// Counters of one search.
const COUNTERS: u64 = 4096;
/// One in so many hashes wins.
const WINNERS: u32 = 256;
/// Versions are rolled in the bits that pools leave to miners, BIP 320.
const VERSION_MASK: u32 = 0x1FFF_E000;
/// Blobs that are tried until a winner stands where it is wanted. Each has one chance in [`WINNERS`]; not one in
/// so many has the chance of 10^-13.
const MAX_TRIES: u32 = 30 * WINNERS;

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
/// one version and nonce 2^32 - 1 to the next version and nonce 0, with and without versions to roll.
pub(crate) fn cases(algorithm: &Algorithm, reference: &mut dyn Reference) -> Result<Vec<Case>, Fault> {
    let rolled = sample(algorithm, 0, VERSION_MASK)?;
    let group = 1u64 << (u32::from(rolled.nonce_field().free_bits) + rolled.lane_bits());
    let (last, plain_last) = (rolled.last_counter(), sample(algorithm, 0, 0)?.last_counter());
    let half = COUNTERS / 2;
    [
        ("first", VERSION_MASK, 0..COUNTERS, 0),
        ("last", VERSION_MASK, last + 1 - COUNTERS..last + 1, last),
        ("before 2^32", VERSION_MASK, group - half..group + half, group - 1),
        ("after 2^32", VERSION_MASK, group - half..group + half, group),
        ("first of one version", 0, 0..COUNTERS, 0),
        ("last of one version", 0, plain_last + 1 - COUNTERS..plain_last + 1, plain_last),
    ]
    .into_iter()
    .map(|(name, mask, counters, winner)| case(algorithm, reference, name, mask, counters, winner))
    .collect()
}

/// Work that hardly any hash meets, to measure with.
pub(crate) fn idle_work(algorithm: &Algorithm, rolled: bool) -> Result<(Arc<Work>, Target), Fault> {
    let mut target = [0; 32];
    target[0] = 1;
    let target = Target::from_le_bytes(target).unwrap_or(Target::MAX);
    Ok((Arc::new(sample(algorithm, 1, if rolled { VERSION_MASK } else { 0 })?), target))
}

fn case(
    algorithm: &Algorithm,
    reference: &mut dyn Reference,
    name: &'static str,
    mask: u32,
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
        let work = sample(algorithm, seed, mask)?;
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

/// Some work of the algorithm's shape.
fn sample(algorithm: &Algorithm, seed: u32, mask: u32) -> Result<Work, Fault> {
    let unknown = || Fault::Refused(format!("there are no kernels for {}", algorithm.name));
    if *algorithm != registry::SHA256D {
        return Err(unknown());
    }
    // Any bytes will do; these are no constant, so that kernels cannot be right by chance.
    let mut blob: Vec<u8> = (0..80u8).map(|place| place.wrapping_mul(73).wrapping_add(41)).collect();
    if let Some(bytes) = blob.get_mut(64..68) {
        bytes.copy_from_slice(&seed.wrapping_mul(0x9E37_79B9).to_le_bytes());
    }
    let nonce = NonceField { offset: 76, len: 4, fixed: 0, free_bits: 32 };
    let work = Work::new(&blob, nonce, None).and_then(|work| work.with_version_mask(mask));
    work.map_err(|error| Fault::Refused(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn winners_stand_where_they_were_planted() {
        let algorithm = &registry::SHA256D;
        let mut reference = (algorithm.reference)().unwrap();
        let cases = cases(algorithm, &mut *reference).unwrap();
        assert_eq!(cases.len(), 6);
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
        assert_eq!(cases[0].winners[0], 0);
        assert_eq!(cases[1].winners.last(), Some(&cases[1].work.last_counter()));
        assert!(cases[2].winners.contains(&((1 << 34) - 1)) && cases[3].winners.contains(&(1 << 34)));
    }

    #[test]
    fn algorithms_without_kernels_are_refused() {
        assert!(matches!(idle_work(&registry::RANDOMX, false), Err(Fault::Refused(_))));
    }
}
