//! The processor: one worker for each mining thread, pinned and behind everything interactive.

pub(crate) mod kernel;
pub mod plan;
pub(crate) mod randomx;

use std::sync::Arc;

use rminer_algos::Algorithm;
use rminer_algos::registry::RANDOMX;

use self::plan::Plan;
use super::topology::Topology;
use super::{DeviceError, DeviceInfo, DeviceSource, NoticeSink, os};
use crate::config::CpuSettings;
use crate::problem::Problem;

/// The processor, ready to be opened thread by thread.
pub struct CpuSetup {
    /// One source for each mining thread, those of one device together.
    pub sources: Vec<Arc<dyn DeviceSource>>,
    /// What is known of the processor.
    pub topology: Arc<Topology>,
    /// Which units mine.
    pub plan: Plan,
    /// How hashes are computed, in words: `randomx-c jit+aes`, `avx512`.
    pub engine: String,
}

/// Looks at the processor and plans the mining threads. No memory is taken before the first work is loaded.
///
/// # Errors
/// [`DeviceError::Unsupported`] when the settings ask for threads, units or a kernel that are not there, or when a
/// processor cannot compute this algorithm at all.
pub fn open(
    algorithm: &'static Algorithm,
    settings: &CpuSettings,
    notices: &NoticeSink,
) -> Result<CpuSetup, DeviceError> {
    if !algorithm.kernels.is_empty() {
        return kernel::open(algorithm, settings, notices);
    }
    if !can_compute(algorithm) {
        return Err(DeviceError::Unsupported(format!("{} is not computed on processors", algorithm.name)));
    }
    let randomx::RandomxSetup { sources, topology, plan, engine, .. } =
        randomx::open(settings, algorithm.variant, notices)?;
    Ok(CpuSetup { sources, topology, plan, engine })
}

/// Whether a processor can compute it at all.
pub fn can_compute(algorithm: &Algorithm) -> bool {
    !algorithm.kernels.is_empty() || algorithm.engine == RANDOMX.engine
}

/// Puts the calling thread on its processing unit and behind everything interactive.
///
/// # Errors
/// Why it could not be pinned; it runs all the same.
fn place(topology: &Topology, pu: u32) -> Result<(), String> {
    os::lower_priority();
    topology.pin(pu)
}

fn not_pinned(info: &DeviceInfo, pu: u32, reason: &str) -> Problem {
    Problem::warning("pin", format!("{} thread {} runs unpinned, which may cost speed", info.id, info.worker))
        .fact(format!("processing unit {pu}: {reason}"))
}
