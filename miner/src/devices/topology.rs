//! The processor: packages, cores, caches, memory nodes. The only file that knows hwloc.
//!
//! hwloc2 panics when it is asked for memory nodes, because those live at a negative depth that it takes for
//! an index. It is never asked: each processing unit carries the set of its nodes.

use std::fmt;
use std::fs;
use std::sync::Mutex;
use std::sync::PoisonError;

use hwloc2::{CpuBindFlags, CpuSet, ObjectType, TopologyObject};

use super::affinity::parse_list;
use super::os;

/// One core with the processing units (hardware threads) that this process may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Core {
    /// Operating-system indices, first the one that mines first.
    pub pus: Vec<u32>,
    /// Package (socket), counted from 0.
    pub package: u32,
    /// Memory node by its operating-system index.
    pub node: u32,
    /// Index into [`Topology::l2_bytes`]; cores of one cluster share it.
    pub l2: Option<usize>,
    /// Index into [`Topology::l3_bytes`].
    pub l3: Option<usize>,
    /// What kind of core it is, on processors with several.
    pub kind: CoreKind,
}

/// Kinds of cores in a hybrid processor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum CoreKind {
    /// A fast one, or the only kind there is.
    Performance,
    /// A small one that saves power.
    Efficient,
}

/// What is known of the processor.
#[derive(Default)]
pub struct Topology {
    /// Model name as the processor tells it; empty when it does not.
    pub model: String,
    /// Cores with at least one usable unit, in the order of hwloc.
    pub cores: Vec<Core>,
    /// Sizes of the level-2 caches.
    pub l2_bytes: Vec<u64>,
    /// Sizes of the level-3 caches.
    pub l3_bytes: Vec<u64>,
    /// For pinning; none when there is nothing to pin to.
    binder: Option<Mutex<hwloc2::Topology>>,
}

impl Topology {
    /// Looks at this machine, within the processing units that this thread may use. A machine that tells
    /// nothing has one core for each usable unit and unknown caches.
    pub fn detect() -> Self {
        let allowed = if describes_another_machine() { None } else { os::allowed_pus() };
        let usable = |pu: u32| allowed.as_ref().is_none_or(|allowed| allowed.contains(&pu));
        let mut found = hwloc2::Topology::new().map(|hwloc| read(hwloc, usable)).unwrap_or_default();
        if found.cores.is_empty() {
            found = Self::without_hwloc(allowed);
        }
        found.model = processor_model();
        if !describes_another_machine() {
            found.mark_efficient_cores();
        }
        found
    }

    /// Number of packages (sockets) with usable cores.
    pub fn packages(&self) -> usize {
        let mut packages: Vec<_> = self.cores.iter().map(|core| core.package).collect();
        packages.sort_unstable();
        packages.dedup();
        packages.len()
    }

    /// Memory nodes with usable cores, in ascending order.
    pub fn nodes(&self) -> Vec<u32> {
        let mut nodes: Vec<_> = self.cores.iter().map(|core| core.node).collect();
        nodes.sort_unstable();
        nodes.dedup();
        nodes
    }

    /// All usable processing units, in the order of the cores.
    pub fn pus(&self) -> impl Iterator<Item = u32> {
        self.cores.iter().flat_map(|core| core.pus.iter().copied())
    }

    /// The core of a processing unit.
    pub fn core_of(&self, pu: u32) -> Option<&Core> {
        self.cores.iter().find(|core| core.pus.contains(&pu))
    }

    /// Pins the calling thread to one processing unit.
    ///
    /// # Errors
    /// The system's reason when it refuses.
    pub fn pin(&self, pu: u32) -> Result<(), String> {
        let binder = self.binder.as_ref().ok_or("this machine's topology is unknown")?;
        let flags = CpuBindFlags::CPUBIND_THREAD | CpuBindFlags::CPUBIND_STRICT;
        let mut binder = binder.lock().unwrap_or_else(PoisonError::into_inner);
        binder.set_cpubind(CpuSet::from(pu), flags).map_err(|hwloc2::CpuBindError::Generic(_, text)| text)
    }

    fn without_hwloc(allowed: Option<Vec<u32>>) -> Self {
        let pus = allowed.unwrap_or_else(|| {
            let count = std::thread::available_parallelism().map_or(1, |count| count.get().min(4096));
            (0..u32::try_from(count).unwrap_or(1)).collect()
        });
        let core =
            |pu| Core { pus: vec![pu], package: 0, node: 0, l2: None, l3: None, kind: CoreKind::Performance };
        Self { cores: pus.into_iter().map(core).collect(), ..Self::default() }
    }

    /// hwloc knows the kinds of cores, its binding does not pass them on; Linux lists them by name.
    fn mark_efficient_cores(&mut self) {
        let list = fs::read_to_string("/sys/devices/cpu_atom/cpus").unwrap_or_default();
        let efficient = parse_list(list.trim()).unwrap_or_default();
        for core in &mut self.cores {
            if core.pus.iter().any(|pu| efficient.contains(pu)) {
                core.kind = CoreKind::Efficient;
            }
        }
    }
}

impl fmt::Debug for Topology {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Topology")
            .field("model", &self.model)
            .field("cores", &self.cores)
            .field("l2_bytes", &self.l2_bytes)
            .field("l3_bytes", &self.l3_bytes)
            .finish_non_exhaustive()
    }
}

/// Takes over what hwloc knows of the usable units.
fn read(hwloc: hwloc2::Topology, usable: impl Fn(u32) -> bool) -> Topology {
    let mut topology = Topology::default();
    let mut core_ids = Vec::new();
    let mut l2_ids = Vec::new();
    let mut l3_ids = Vec::new();
    let mut package_ids = Vec::new();
    for unit in hwloc.objects_with_type(&ObjectType::PU).unwrap_or_default() {
        let pu = unit.os_index();
        if !usable(pu) {
            continue;
        }
        // Units without a core object are cores of their own, apart from all that have one.
        let core_id = enclosing(unit, |kind| matches!(kind, ObjectType::Core))
            .map_or((true, unit.logical_index()), |core| (false, core.logical_index()));
        if let Some(known) = core_ids.iter().position(|id| *id == core_id) {
            topology.cores[known].pus.push(pu);
            continue;
        }
        core_ids.push(core_id);
        let package = enclosing(unit, |kind| matches!(kind, ObjectType::Package));
        let package = package.map_or(0, TopologyObject::logical_index);
        let l2 = enclosing(unit, |kind| matches!(kind, ObjectType::L2Cache));
        let l3 = enclosing(unit, |kind| matches!(kind, ObjectType::L3Cache));
        topology.cores.push(Core {
            pus: vec![pu],
            package: u32::try_from(index_of(&mut package_ids, package)).unwrap_or(0),
            node: unit.nodeset().map_or(0, |nodes| u32::try_from(nodes.first()).unwrap_or(0)),
            l2: l2.and_then(|cache| cache_index(cache, &mut l2_ids, &mut topology.l2_bytes)),
            l3: l3.and_then(|cache| cache_index(cache, &mut l3_ids, &mut topology.l3_bytes)),
            kind: CoreKind::Performance,
        });
    }
    topology.binder = Some(Mutex::new(hwloc));
    topology
}

/// The nearest enclosing object of a kind.
fn enclosing(object: &TopologyObject, kind: impl Fn(ObjectType) -> bool) -> Option<&TopologyObject> {
    /// hwloc's trees have about ten levels.
    const MAX_LEVELS: usize = 64;
    std::iter::successors(object.parent(), |object| object.parent())
        .take(MAX_LEVELS)
        .find(|object| kind(object.object_type()))
}

/// Place of a cache among those seen; caches of unknown size are as good as none.
fn cache_index(cache: &TopologyObject, ids: &mut Vec<u32>, sizes: &mut Vec<u64>) -> Option<usize> {
    let bytes = cache.cache_attributes()?.size();
    if bytes == 0 {
        return None;
    }
    let index = index_of(ids, cache.logical_index());
    if index == sizes.len() {
        sizes.push(bytes);
    }
    Some(index)
}

fn index_of(ids: &mut Vec<u32>, id: u32) -> usize {
    ids.iter().position(|known| *known == id).unwrap_or_else(|| {
        ids.push(id);
        ids.len() - 1
    })
}

/// hwloc reads a made-up or recorded machine when one of these is set; nothing of this one applies then.
fn describes_another_machine() -> bool {
    ["HWLOC_SYNTHETIC", "HWLOC_XMLFILE"].iter().any(|name| std::env::var_os(name).is_some())
}

fn processor_model() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let value = |name| {
        let line = text.lines().find(|line| line.split(':').next().is_some_and(|key| key.trim() == name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    value("model name").or_else(|| value("Model")).or_else(|| value("uarch")).unwrap_or_default()
}

#[cfg(test)]
mod tests;
