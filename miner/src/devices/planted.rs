//! Planted winners: hits that are known beforehand, since the reference found them. What a device must bring back
//! before it mines, and now and then while it does; a device that only misses would never be noticed otherwise.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use rminer_algos::{Algorithm, Hash, Reference, Target, Unavailable, Work};

/// Counters around each edge that a self-test hashes. Odd and not aligned to anything, so that the ends of a
/// kernel's groups are among them.
const SPAN: u64 = 237;

/// Counters among which a winner is planted while mining: the best of them is one.
pub const PLANTED_AMONG: u64 = 256;

/// One in this many slices of mining has a planted winner.
pub const PLANTED_ONE_IN: u64 = 4096;

/// Searches counters of a piece of work; gives the whole nonces that meet the target.
pub type Scan<'a> = dyn FnMut(&Arc<Work>, Target, Range<u64>) -> Result<Vec<u64>, String> + 'a;

/// Searches the edges of the counters' space of a sample, under targets that each edge and the best counter near it
/// just meet: the first counter, the last one, and both sides of the step from one version of the header to the next.
/// The hits must be those of the reference, all of them and no others.
///
/// # Errors
/// What was missed or invented, or why there was no search.
pub fn self_test(algorithm: &Algorithm, scan: &mut Scan<'_>) -> Result<(), String> {
    let work = (algorithm.sample)(0).map_err(|fault| fault.to_string())?;
    let work = Arc::new(work);
    let mut reference = (algorithm.reference)().map_err(|Unavailable(reason)| reason)?;
    for (counters, edges) in spans(&work) {
        let hashes = hashes(&mut *reference, &work, counters.clone())?;
        let at_edge = |edge: &u64| hashes.iter().find(|(counter, _)| counter == edge);
        let best = hashes.iter().min_by(|(_, a), (_, b)| a.0.iter().rev().cmp(b.0.iter().rev()));
        for (edge, hash) in edges.iter().filter_map(at_edge).chain(best) {
            // A hash of zero would be a discovery.
            let Some(target) = Target::from_le_bytes(hash.0) else { continue };
            let wanted = hashes.iter().filter(|(_, hash)| target.is_met_by(hash));
            let wanted: BTreeSet<u64> = wanted.map(|(counter, _)| work.nonce(*counter)).collect();
            let found = scan(&work, target, counters.clone())?;
            compare(&wanted, &found).map_err(|fault| format!("near counter {edge:#x}: {fault}"))?;
        }
    }
    Ok(())
}

/// A winner that is planted among the counters of a slice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planted {
    /// Its whole nonce.
    pub nonce: u64,
    /// Its hash.
    pub hash: Hash,
}

impl Planted {
    /// What a search must be given as its target to find it beside all that meets `target`.
    pub fn target(&self, target: Target) -> Target {
        let met = target.is_met_by(&self.hash);
        // A hash of zero meets every target.
        if met { target } else { Target::from_le_bytes(self.hash.0).unwrap_or(target) }
    }
}

/// The best of the [`PLANTED_AMONG`] counters (or as many as there are) from the start of `counters`, which a search
/// under [`Planted::target`] must find. `None` for no counters.
///
/// # Errors
/// When the reference cannot hash.
pub fn plant(
    reference: &mut dyn Reference,
    work: &Work,
    counters: Range<u64>,
) -> Result<Option<Planted>, Unavailable> {
    let end = counters.end.min(counters.start.saturating_add(PLANTED_AMONG));
    let mut best: Option<(u64, Hash)> = None;
    for counter in counters.start..end {
        let nonce = work.nonce(counter);
        let hash = reference.hash(work, nonce)?;
        if best.is_none_or(|(_, best)| hash.0.iter().rev().lt(best.0.iter().rev())) {
            best = Some((nonce, hash));
        }
    }
    Ok(best.map(|(nonce, hash)| Planted { nonce, hash }))
}

/// Ranges of counters, each with the counters in it that are edges.
fn spans(work: &Work) -> Vec<(Range<u64>, Vec<u64>)> {
    // Of a space of 64 bits the very last counter is never searched.
    let end = work.last_counter().saturating_add(1);
    let mut spans = vec![(0..SPAN.min(end), vec![0]), (end.saturating_sub(SPAN)..end, vec![end - 1])];
    let step = u32::from(work.nonce_field().free_bits) + work.lane_bits();
    if let Some(edge) = 1u64.checked_shl(step).filter(|edge| *edge < end) {
        let start = edge.saturating_sub(SPAN / 2);
        spans.push((start..end.min(start + SPAN), vec![edge - 1, edge]));
    }
    spans
}

fn hashes(
    reference: &mut dyn Reference,
    work: &Work,
    counters: Range<u64>,
) -> Result<Vec<(u64, Hash)>, String> {
    let hash =
        |counter| Ok((counter, reference.hash(work, work.nonce(counter)).map_err(|Unavailable(r)| r)?));
    counters.map(hash).collect()
}

fn compare(wanted: &BTreeSet<u64>, found: &[u64]) -> Result<(), String> {
    let distinct: BTreeSet<u64> = found.iter().copied().collect();
    let (missed, invented) = (wanted.difference(&distinct).count(), distinct.difference(wanted).count());
    let doubled = found.len() - distinct.len();
    match (missed, invented, doubled) {
        (0, 0, 0) => Ok(()),
        _ => Err(format!(
            "of {} known hits {missed} were missed, {invented} false ones were found, {doubled} were found twice",
            wanted.len()
        )),
    }
}

#[cfg(test)]
mod tests {
    use rminer_algos::registry::SHA256D;

    use super::*;

    /// Spoils what was found.
    type Fault = fn(&Work, Range<u64>, &mut Vec<u64>);

    /// Searches by the reference, with a fault.
    fn searched(fault: Fault) -> Result<(), String> {
        let mut reference = (SHA256D.reference)().unwrap();
        self_test(&SHA256D, &mut |work, target, counters| {
            let hashes = hashes(&mut *reference, work, counters.clone())?;
            let met = hashes.iter().filter(|(_, hash)| target.is_met_by(hash));
            let mut found = met.map(|(counter, _)| work.nonce(*counter)).collect();
            fault(work, counters, &mut found);
            Ok(found)
        })
    }

    #[test]
    fn each_kind_of_fault_is_found() {
        assert_eq!(searched(|_, _, _| {}), Ok(()));
        let faults: [Fault; 6] = [
            |_, _, found| found.clear(),
            |work, range, found| found.retain(|nonce| *nonce != work.nonce(range.end - 1)),
            |work, range, found| found.retain(|nonce| *nonce != work.nonce(range.start)),
            // The nonce is right, the version is not.
            |_, _, found| found.iter_mut().for_each(|nonce| *nonce &= 0xffff_ffff),
            |_, _, found| found.extend(found.clone()),
            |work, range, found| found.push(work.nonce(range.end)),
        ];
        for (number, fault) in faults.into_iter().enumerate() {
            assert!(searched(fault).is_err(), "fault {number}");
        }
    }

    #[test]
    fn the_edges_of_the_space_are_searched() {
        let work = (SHA256D.sample)(0).unwrap();
        let edges = spans(&work).into_iter().flat_map(|(range, edges)| {
            assert!(edges.iter().all(|edge| range.contains(edge)));
            edges
        });
        let edges: Vec<_> = edges.collect();
        assert_eq!(edges, [0, work.last_counter(), (1 << 34) - 1, 1 << 34]);
        assert_eq!(work.version_number(work.nonce((1 << 34) - 1)) >> 2, 0);
        assert_eq!(work.version_number(work.nonce(1 << 34)) >> 2, 1);
    }

    #[test]
    fn what_is_planted_is_the_best_of_its_counters() {
        let work = (SHA256D.sample)(3).unwrap();
        let mut reference = (SHA256D.reference)().unwrap();
        let planted = plant(&mut *reference, &work, 1000..100_000).unwrap().unwrap();
        let target = planted.target(Target::from_difficulty(1 << 100).unwrap());
        let met = (1000..1000 + PLANTED_AMONG)
            .map(|counter| work.nonce(counter))
            .filter(|nonce| target.is_met_by(&reference.hash(&work, *nonce).unwrap()));
        let met: Vec<_> = met.collect();
        assert_eq!(met, [planted.nonce]);
        assert_eq!(planted.target(Target::MAX), Target::MAX, "an easy job stays as easy");
        assert_eq!(plant(&mut *reference, &work, 5..5).unwrap(), None);
    }
}
