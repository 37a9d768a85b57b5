//! Which processing units mine: all that have what the algorithm needs, one for each core before any sibling.

use rminer_algos::randomx::SCRATCHPAD_BYTES;
use thiserror::Error;

use crate::config::CpuSettings;
use crate::devices::DeviceError;
use crate::devices::topology::{Core, Topology};

/// Level-2 cache that one thread wants: the part of the scratchpad that most of its reads go to.
const L2_BYTES_A_THREAD: u64 = 256 << 10;

/// What a thread needs beside its processing unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// RandomX: a scratchpad in the caches.
    Scratchpads,
    /// Registers only. Siblings of one core help each other then: the chains of additions in a hash leave room
    /// in a core's pipes that a second thread fills.
    Registers,
}

/// A thread that will mine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlannedThread {
    /// Processing unit to pin it to.
    pub pu: u32,
    /// Memory node whose dataset it reads.
    pub node: u32,
}

/// Threads that will mine, best units first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The threads.
    pub threads: Vec<PlannedThread>,
    /// How many there would be without wishes; what `threads` is when nothing else was asked for.
    pub automatic: usize,
}

impl Plan {
    /// The threads of each memory node: a processor is one device for each, whatever it mines.
    pub fn by_node(&self) -> Vec<(u32, Vec<PlannedThread>)> {
        let mut nodes: Vec<(u32, Vec<PlannedThread>)> = Vec::new();
        for thread in &self.threads {
            match nodes.iter_mut().find(|(node, _)| *node == thread.node) {
                Some((_, threads)) => threads.push(*thread),
                None => nodes.push((thread.node, vec![*thread])),
            }
        }
        nodes
    }
}

/// What a user asked for that this machine cannot do.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PlanError {
    /// More threads than units.
    #[error("{threads} threads are more than the {units} processing units that this process may use")]
    TooMany {
        /// Threads asked for.
        threads: usize,
        /// Units there are, or that the affinity names.
        units: usize,
    },
    /// A unit that is not there or not allowed.
    #[error("processing unit {pu} is not among those that this process may use ({usable})")]
    NoSuchUnit {
        /// The unit asked for.
        pu: u32,
        /// Those there are, as a list.
        usable: String,
    },
    /// Nothing was asked for.
    #[error("zero threads mine nothing")]
    Zero,
}

/// Plans the threads that the settings ask for.
///
/// # Errors
/// [`DeviceError::Unsupported`] when they ask for what is not there.
pub fn for_settings(topology: &Topology, settings: &CpuSettings, needs: Needs) -> Result<Plan, DeviceError> {
    let threads = settings.threads.map(|threads| threads.get() as usize);
    plan(topology, threads, settings.affinity.as_deref(), settings.intensity, needs)
        .map_err(|fault| DeviceError::Unsupported(fault.to_string()))
}

/// Plans threads: `threads` of them, on the units of `affinity`, or on all units that have what is needed.
/// `intensity` (in tenths, 1 to 10) is the share of the automatic number that is used.
///
/// # Errors
/// Every variant of [`PlanError`].
pub fn plan(
    topology: &Topology,
    threads: Option<usize>,
    affinity: Option<&[u32]>,
    intensity: u8,
    needs: Needs,
) -> Result<Plan, PlanError> {
    let fed = match needs {
        Needs::Scratchpads => fed_by_caches(topology),
        Needs::Registers => ranked(topology).into_iter().map(|(pu, _)| pu).collect(),
    };
    let automatic = fed.len();
    let (pus, wanted) = match affinity {
        Some(pus) => (pus.to_vec(), threads.unwrap_or(pus.len())),
        None => (preferred(topology, &fed), threads.unwrap_or_else(|| share(automatic, intensity))),
    };
    if wanted == 0 {
        return Err(PlanError::Zero);
    }
    if wanted > pus.len() {
        return Err(PlanError::TooMany { threads: wanted, units: pus.len() });
    }
    let place = |pu: &u32| match topology.core_of(*pu) {
        Some(core) => Ok(PlannedThread { pu: *pu, node: core.node }),
        None => Err(PlanError::NoSuchUnit { pu: *pu, usable: list(topology.pus()) }),
    };
    let threads = pus.iter().take(wanted).map(place).collect::<Result<_, _>>()?;
    Ok(Plan { threads, automatic })
}

/// Units in words: `0-3,8`.
pub fn list(pus: impl Iterator<Item = u32>) -> String {
    let mut pus: Vec<_> = pus.collect();
    pus.sort_unstable();
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    for pu in pus {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == pu => *last = pu,
            _ => ranges.push((pu, pu)),
        }
    }
    let word = |(first, last): &(u32, u32)| match last - first {
        0 => first.to_string(),
        _ => format!("{first}-{last}"),
    };
    ranges.iter().map(word).collect::<Vec<_>>().join(",")
}

fn share(automatic: usize, intensity: u8) -> usize {
    (automatic * usize::from(intensity.clamp(1, 10))).div_ceil(10).max(1)
}

/// Units in the order of their worth: one of each fast core, one of each small core, then the siblings.
fn ranked(topology: &Topology) -> Vec<(u32, &Core)> {
    let mut units: Vec<_> = topology
        .cores
        .iter()
        .flat_map(|core| core.pus.iter().enumerate().map(move |(sibling, pu)| (sibling, core, *pu)))
        .collect();
    // Stable, so that units of one rank stay in the order of hwloc: near ones together.
    units.sort_by_key(|(sibling, core, _)| (*sibling, core.kind));
    units.into_iter().map(|(_, core, pu)| (pu, core)).collect()
}

/// The units that the caches feed, by rank: one for each 2 MiB of a level-3 cache and each 256 KiB of a
/// level-2 cache, at least one in all. A cache of unknown size limits nothing.
fn fed_by_caches(topology: &Topology) -> Vec<u32> {
    let room = |sizes: &[u64], each| sizes.iter().map(|bytes| bytes / each).collect::<Vec<u64>>();
    let mut l3_room = room(&topology.l3_bytes, SCRATCHPAD_BYTES);
    let mut l2_room = room(&topology.l2_bytes, L2_BYTES_A_THREAD);
    let ranked = ranked(topology);
    let mut fed = Vec::new();
    for (pu, core) in &ranked {
        let l3 = core.l3.and_then(|cache| l3_room.get_mut(cache));
        let l2 = core.l2.and_then(|cache| l2_room.get_mut(cache));
        if l3.as_deref() == Some(&0) || l2.as_deref() == Some(&0) {
            continue;
        }
        for room in [l3, l2].into_iter().flatten() {
            *room -= 1;
        }
        fed.push(*pu);
    }
    if fed.is_empty() {
        fed.extend(ranked.first().map(|(pu, _)| *pu));
    }
    fed
}

/// All units: those that the caches feed, then the others.
fn preferred(topology: &Topology, fed: &[u32]) -> Vec<u32> {
    let others = ranked(topology).into_iter().map(|(pu, _)| pu).filter(|pu| !fed.contains(pu));
    fed.iter().copied().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::devices::topology::CoreKind;

    fn plan(
        topology: &Topology,
        threads: Option<usize>,
        affinity: Option<&[u32]>,
        intensity: u8,
    ) -> Result<Plan, PlanError> {
        super::plan(topology, threads, affinity, intensity, Needs::Scratchpads)
    }

    fn core(pus: &[u32], node: u32, l2: Option<usize>, l3: Option<usize>, kind: CoreKind) -> Core {
        Core { pus: pus.to_vec(), package: node, node, l2, l3, kind }
    }

    fn topology(cores: Vec<Core>, l2_bytes: &[u64], l3_bytes: &[u64]) -> Topology {
        let mut topology = Topology::default();
        topology.cores = cores;
        topology.l2_bytes = l2_bytes.to_vec();
        topology.l3_bytes = l3_bytes.to_vec();
        topology
    }

    fn pus(plan: &Plan) -> Vec<u32> {
        plan.threads.iter().map(|thread| thread.pu).collect()
    }

    /// 2 fast cores with siblings and 4 small cores that share one level-2 cache.
    fn hybrid(l3_bytes: u64) -> Topology {
        use CoreKind::{Efficient, Performance};
        let mut cores = vec![
            core(&[0, 1], 0, Some(0), Some(0), Performance),
            core(&[2, 3], 0, Some(1), Some(0), Performance),
        ];
        cores.extend((4..8).map(|pu| core(&[pu], 0, Some(2), Some(0), Efficient)));
        topology(cores, &[1280 << 10, 1280 << 10, 2 << 20], &[l3_bytes])
    }

    #[test]
    fn fast_cores_then_small_ones_then_siblings() {
        let plan_of = |mib: u64| plan(&hybrid(mib << 20), None, None, 10).unwrap();
        assert_eq!(pus(&plan_of(16)), [0, 2, 4, 5, 6, 7, 1, 3]);
        assert_eq!(pus(&plan_of(12)), [0, 2, 4, 5, 6, 7], "12 MiB feed six");
        assert_eq!(pus(&plan_of(5)), [0, 2], "what is left of 2 MiB feeds none");
        assert_eq!(pus(&plan_of(1)), [0], "one thread mines on the smallest cache");
    }

    #[test]
    fn level_2_limits_too() {
        let cores = (0..4).map(|pu| core(&[pu], 0, Some(0), Some(0), CoreKind::Performance)).collect();
        let plan = plan(&topology(cores, &[512 << 10], &[64 << 20]), None, None, 10).unwrap();
        assert_eq!(pus(&plan), [0, 1]);
    }

    #[test]
    fn unknown_caches_limit_nothing() {
        let cores = (0..4).map(|pu| core(&[pu], 0, None, None, CoreKind::Performance)).collect();
        assert_eq!(pus(&plan(&topology(cores, &[], &[]), None, None, 10).unwrap()), [0, 1, 2, 3]);
    }

    #[test]
    fn registers_are_everywhere() {
        let plan_of =
            |intensity| super::plan(&hybrid(1 << 20), None, None, intensity, Needs::Registers).unwrap();
        assert_eq!(pus(&plan_of(10)), [0, 2, 4, 5, 6, 7, 1, 3], "siblings last, but they mine");
        assert_eq!(pus(&plan_of(5)), [0, 2, 4, 5]);
    }

    #[test]
    fn intensity_is_a_share_of_the_automatic_number() {
        let topology = hybrid(16 << 20);
        for (intensity, threads) in [(1, 1), (3, 3), (5, 4), (9, 8), (10, 8), (0, 1), (99, 8)] {
            assert_eq!(plan(&topology, None, None, intensity).unwrap().threads.len(), threads, "{intensity}");
        }
        assert_eq!(plan(&topology, Some(6), None, 1).unwrap().threads.len(), 6, "a number stands over it");
        assert_eq!(plan(&topology, None, None, 5).unwrap().automatic, 8);
    }

    #[test]
    fn wishes_stand_over_the_caches() {
        let topology = hybrid(4 << 20);
        assert_eq!(pus(&plan(&topology, Some(4), None, 10).unwrap()), [0, 2, 4, 5]);
        assert_eq!(pus(&plan(&topology, None, Some(&[7, 1]), 10).unwrap()), [7, 1]);
        assert_eq!(pus(&plan(&topology, Some(1), Some(&[7, 1]), 10).unwrap()), [7]);
    }

    #[test]
    fn impossible_wishes_are_named() {
        let topology = hybrid(4 << 20);
        let fault = |threads, affinity: Option<&[u32]>| plan(&topology, threads, affinity, 10).unwrap_err();
        assert_eq!(fault(Some(9), None), PlanError::TooMany { threads: 9, units: 8 });
        assert_eq!(fault(Some(3), Some(&[0, 1])), PlanError::TooMany { threads: 3, units: 2 });
        assert_eq!(fault(Some(0), None), PlanError::Zero);
        assert_eq!(fault(None, Some(&[])), PlanError::Zero);
        assert_eq!(fault(None, Some(&[9])), PlanError::NoSuchUnit { pu: 9, usable: "0-7".into() });
    }

    #[test]
    fn threads_of_a_node_are_together() {
        let cores = [0, 1, 0, 1].into_iter().zip(0..);
        let cores = cores.map(|(node, pu)| core(&[pu], node, None, None, CoreKind::Performance)).collect();
        let nodes = plan(&topology(cores, &[], &[]), Some(3), None, 10).unwrap().by_node();
        let of_node = |(node, threads): &(u32, Vec<PlannedThread>)| {
            (*node, threads.iter().map(|thread| thread.pu).collect::<Vec<_>>())
        };
        assert_eq!(nodes.iter().map(of_node).collect::<Vec<_>>(), [(0, vec![0, 2]), (1, vec![1])]);
    }

    #[test]
    fn lists_are_short() {
        assert_eq!(list([3, 0, 1, 2, 9, 11, 12].into_iter()), "0-3,9,11-12");
        assert_eq!(list([].into_iter()), "");
    }
}
