//! Algorithms that need registers only: the best kernel that this processor runs and that passes its self-test.

mod device;

use std::sync::Arc;

use rminer_algos::{Algorithm, Backend, Unavailable};

use self::device::KernelSource;
use super::CpuSetup;
use super::plan::{self, Needs};
use crate::config::CpuSettings;
use crate::devices::planted::self_test;
use crate::devices::topology::Topology;
use crate::devices::{DeviceError, DeviceInfo, DeviceSource, Notice, NoticeSink};
use crate::problem::Problem;

/// Plans the threads and chooses their kernel.
pub(super) fn open(
    algorithm: &'static Algorithm,
    settings: &CpuSettings,
    notices: &NoticeSink,
) -> Result<CpuSetup, DeviceError> {
    let topology = Arc::new(Topology::detect());
    let plan = plan::for_settings(&topology, settings, Needs::Registers)?;
    let backend = choose(algorithm, settings.kernel, notices)?;
    let mut sources: Vec<Arc<dyn DeviceSource>> = Vec::new();
    for (number, (_, threads)) in plan.by_node().into_iter().enumerate() {
        for (worker, thread) in (0u16..).zip(threads) {
            let info = DeviceInfo {
                id: format!("cpu{number}"),
                worker,
                name: topology.model.clone(),
                pinned_to: Some(thread.pu),
            };
            let (topology, notices) = (Arc::clone(&topology), Arc::clone(notices));
            sources.push(Arc::new(KernelSource { info, algorithm, backend, topology, notices }));
        }
    }
    Ok(CpuSetup { sources, topology, plan, engine: backend.name.into() })
}

/// The first kernel that runs here and whose hits are right, or the one that the user insists on.
fn choose(
    algorithm: &'static Algorithm,
    wanted: Option<&'static str>,
    notices: &NoticeSink,
) -> Result<&'static Backend, DeviceError> {
    let of_this_name = |backend: &&Backend| wanted.is_none_or(|wanted| backend.name == wanted);
    let mut failed = Vec::new();
    for backend in algorithm.kernels.iter().filter(of_this_name) {
        if !(backend.is_available)() {
            continue;
        }
        match test(algorithm, backend) {
            Ok(()) => return Ok(backend),
            Err(fault) => {
                let problem = Problem::warning(
                    "kernel",
                    format!(
                        "the kernel {} for {} fails its self-test and is not used",
                        backend.name, algorithm.name
                    ),
                );
                let problem = problem
                    .fact(fault.clone())
                    .help("lower the processor's clock or raise its voltage, then try again");
                notices(Notice::Warning(problem));
                failed.push(format!("{}: {fault}", backend.name));
            }
        }
    }
    if !failed.is_empty() {
        return Err(DeviceError::Wrong(failed.join("; ")));
    }
    let names = |available: bool| {
        let named = algorithm.kernels.iter().filter(|backend| !available || (backend.is_available)());
        named.map(|backend| backend.name).collect::<Vec<_>>().join(", ")
    };
    Err(DeviceError::Unsupported(match wanted {
        Some(wanted) => format!(
            "--cpu-kernel {wanted}: {} has no such kernel on this processor; it has {}",
            algorithm.name,
            names(true)
        ),
        None => format!("this processor runs none of the kernels for {}: {}", algorithm.name, names(false)),
    }))
}

/// Known hits, on the calling thread.
fn test(algorithm: &Algorithm, backend: &Backend) -> Result<(), String> {
    let mut kernel = (backend.make)();
    self_test(algorithm, &mut |work, target, counters| {
        kernel.load(work, target).map_err(|Unavailable(reason)| reason)?;
        let mut found = Vec::new();
        kernel.scan(counters, &mut found);
        Ok(found)
    })
}

#[cfg(test)]
mod tests;
