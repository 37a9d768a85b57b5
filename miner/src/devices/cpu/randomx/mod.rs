//! RandomX: one memory for each node, one worker for each mining thread.

mod check;
mod device;
mod host;
pub(crate) mod huge_pages;
mod memory;
mod remembered;
mod tuning;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rminer_algos::Variant;
use rminer_algos::randomx::{CACHE_BYTES, DATASET_BYTES, Engine, Method};

use self::device::RandomXSource;
use self::host::{Host, Worker};
use self::memory::NodeMemory;
use self::remembered::Remembered;
pub(crate) use self::remembered::{Entry, Rate};
use self::tuning::{Offer, Tuning};
use super::place;
use super::plan::{self, Needs, Plan, PlannedThread};
use crate::config::{CpuSettings, RandomxEngine};
use crate::devices::topology::Topology;
use crate::devices::{DeviceError, DeviceInfo, DeviceSource, Notice, NoticeSink};
use crate::problem::Problem;

/// The processor with RandomX's memory, ready to be opened thread by thread.
pub(crate) struct RandomxSetup {
    /// One source for each mining thread, those of one node together.
    pub sources: Vec<Arc<dyn DeviceSource>>,
    /// What is known of the processor.
    pub topology: Arc<Topology>,
    /// Which units mine.
    pub plan: Plan,
    /// How hashes are computed, in words: `randomx-c jit+aes`.
    pub engine: String,
    tuning: Arc<Tuning>,
    variant: Variant,
    hosts: Vec<Arc<Host<NodeMemory>>>,
}

impl RandomxSetup {
    /// A worker beside the sources', for a caller that feeds its machine itself. Places the calling thread as
    /// the source of this number does.
    pub(crate) fn worker(&self, source: usize) -> Result<Worker<NodeMemory>, DeviceError> {
        let host = self.hosts.first().zip(self.plan.threads.get(source));
        let (host, thread) = host.ok_or_else(|| DeviceError::Unsupported("no such thread".into()))?;
        // Without its place it is slower, not wrong.
        let _ = place(&self.topology, thread.pu);
        // More would idle: such a caller knows its next input when the last hash is out.
        host.engine().lanes.store(1, Ordering::Relaxed);
        Ok(host.worker())
    }

    /// Whether threads still try how many hashes to compute at once.
    pub(crate) fn is_tuning(&self) -> bool {
        // Without a dataset nothing is tried, so there is nothing to wait for.
        self.hosts.iter().any(|host| !host.engine().is_light()) && self.tuning.is_trying(self.variant)
    }

    /// What is remembered of a measurement of lanes on this processor with these threads.
    pub(crate) fn measured_lanes(&self) -> Option<Entry> {
        self.tuning.remembered(self.variant)
    }

    /// Hashes that a thread computes at once.
    pub(crate) fn lanes(&self) -> u32 {
        u32::try_from(self.tuning.lanes(self.variant)).unwrap_or(1)
    }

    /// Huge pages that hold datasets and machines now, and how many would hold all of them; in pages of
    /// 2 MiB. Both are 0 when none were asked for.
    pub(crate) fn huge_pages(&self) -> (u32, u32) {
        let pages = self.hosts.iter().map(|host| host.engine().huge_pages());
        pages.fold((0, 0), |sum, pages| (sum.0 + pages.0, sum.1 + pages.1))
    }
}

/// How these settings have this version hashed.
///
/// # Errors
/// [`DeviceError::Unsupported`] when they ask for an engine that does not know the version.
pub(crate) fn method(settings: &CpuSettings, variant: Variant) -> Result<Method, DeviceError> {
    match settings.randomx_engine {
        RandomxEngine::Auto if variant == Variant::V1 => Ok(Method::fastest()),
        RandomxEngine::Auto | RandomxEngine::Native => Ok(Method::detect(Engine::Native)),
        RandomxEngine::Reference if variant == Variant::V1 => Ok(Method::detect(Engine::Reference)),
        RandomxEngine::Reference => {
            let text = "--randomx-engine reference computes the first version of RandomX only";
            Err(DeviceError::Unsupported(text.into()))
        }
    }
}

/// Looks at the processor and plans the mining threads. No memory is taken before the first work is loaded.
///
/// # Errors
/// [`DeviceError::Unsupported`] when the settings ask for threads or units that are not there.
pub(crate) fn open(
    settings: &CpuSettings,
    variant: Variant,
    notices: &NoticeSink,
) -> Result<RandomxSetup, DeviceError> {
    let topology = Arc::new(Topology::detect());
    let plan = plan::for_settings(&topology, settings, Needs::Scratchpads)?;
    let method = method(settings, variant)?;
    let engine = method.to_string();
    let offer = Offer {
        default: method.lanes(),
        most: method.most_lanes(),
        wanted: settings.randomx_lanes.map(usize::from),
        anew: settings.randomx_retune,
    };
    let threads = plan.threads.len();
    let remembered = Remembered::new(settings.state_folder.as_deref(), &topology.model, &engine, threads);
    let tuning = Arc::new(Tuning::new(offer, threads, remembered));
    let nodes = nodes(&plan, notices);
    let mut sources: Vec<Arc<dyn DeviceSource>> = Vec::new();
    let mut hosts = Vec::new();
    for (number, (node, threads)) in nodes.into_iter().enumerate() {
        let device = format!("cpu{number}");
        let host = Arc::new(Host::new(NodeMemory {
            device: device.clone(),
            topology: Arc::clone(&topology),
            pus: filling_units(&topology, settings.affinity.as_deref(), node),
            threads: threads.len(),
            method,
            huge_pages: settings.huge_pages,
            mode: settings.randomx_mode,
            tuning: Arc::clone(&tuning),
            lanes: AtomicUsize::new(tuning.lanes(variant)),
            notices: Arc::clone(notices),
            seen: memory::Seen::default(),
        }));
        for (worker, thread) in (0u16..).zip(threads) {
            let info = DeviceInfo {
                id: device.clone(),
                worker,
                name: topology.model.clone(),
                pinned_to: Some(thread.pu),
            };
            let (topology, host) = (Arc::clone(&topology), Arc::clone(&host));
            sources.push(Arc::new(RandomXSource { info, topology, host }));
        }
        hosts.push(host);
    }
    Ok(RandomxSetup { sources, topology, plan, engine, tuning, variant, hosts })
}

/// The planned threads by memory node. Where the memory does not suffice for a dataset on each node, all
/// threads share one: far memory is slower than near memory, but much faster than none.
fn nodes(plan: &Plan, notices: &NoticeSink) -> Vec<(Option<u32>, Vec<PlannedThread>)> {
    let nodes: Vec<_> = plan.by_node().into_iter().map(|(node, threads)| (Some(node), threads)).collect();
    let need = (DATASET_BYTES + CACHE_BYTES).saturating_mul(nodes.len() as u64);
    let available = huge_pages::available_bytes().map(|bytes| bytes + huge_pages::free_bytes());
    if nodes.len() > 1 && available.is_some_and(|available| available < need) {
        let warning =
            Problem::warning("numa", "one RandomX dataset serves all memory nodes, which is slower")
                .fact(format!("need {} MiB for {} nodes", need >> 20, nodes.len()))
                .fact(format!("available {} MiB", available.unwrap_or(0) >> 20))
                .help("end other programs or add memory");
        notices(Notice::Warning(warning));
        return vec![(None, plan.threads.clone())];
    }
    nodes
}

/// Units that fill the dataset of a node: all usable ones there, or those of them that the user named.
fn filling_units(topology: &Topology, affinity: Option<&[u32]>, node: Option<u32>) -> Vec<u32> {
    let near = topology.cores.iter().filter(|core| node.is_none_or(|node| core.node == node));
    let named = |pu: &u32| affinity.is_none_or(|affinity| affinity.contains(pu));
    near.flat_map(|core| core.pus.iter().copied()).filter(named).collect()
}

#[cfg(test)]
pub(crate) mod tests;
