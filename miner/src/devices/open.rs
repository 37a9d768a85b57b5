//! Which devices mine an algorithm: what the user names, else whatever is best at it.

use std::sync::Arc;

use rminer_algos::Algorithm;
use rminer_algos::randomx::Engine;
use rminer_algos::registry::RANDOMX;

use super::{DeviceError, DeviceSource, Notice, NoticeSink, cpu, gpu};
use crate::config::{DeviceSelection, Settings};
use crate::exit::Exit;
use crate::problem::Problem;

/// Devices that are ready to be opened, and why the others are not.
#[derive(Default)]
pub struct Setup {
    /// One source for each worker.
    pub sources: Vec<Arc<dyn DeviceSource>>,
    /// The devices of the sources, in their order.
    pub chosen: Vec<Chosen>,
    /// Devices that are here and do not mine.
    pub left_out: Vec<LeftOut>,
}

/// A device that mines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chosen {
    /// `cpu0`, `gpu0`, …
    pub id: String,
    /// Model name.
    pub name: String,
    /// How it hashes, in words: `avx512`, `randomx-c jit+aes`.
    pub engine: String,
    /// Its workers.
    pub workers: usize,
    /// PCI address of a graphics card.
    pub pci: Option<String>,
}

/// A device that does not mine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `gpu0`, or what kind it would be.
    pub id: String,
    /// Model name; empty where nothing was found at all.
    pub name: String,
    /// Why.
    pub reason: String,
    /// What to do about it; empty where nothing can be done.
    pub help: Vec<String>,
}

/// Opens what the settings name for their algorithm.
///
/// # Errors
/// What keeps all of them from mining, for people to read, with the exit code.
pub fn open(settings: &Settings, notices: &NoticeSink) -> Result<Setup, (Problem, Exit)> {
    let mut setup = Setup::default();
    let auto = settings.devices == DeviceSelection::Auto;
    add_gpus(&mut setup, settings);
    if auto && !setup.sources.is_empty() {
        return Ok(setup);
    }
    if chooses_a_cpu(&settings.devices) {
        let found = add_cpus(&mut setup, settings, notices);
        match found {
            Err(fault) if setup.sources.is_empty() => return Err(refused(settings.algorithm, fault)),
            // The GPUs mine without it.
            Err(fault) => setup.left_out.push(LeftOut {
                id: "cpu".into(),
                name: String::new(),
                reason: fault.to_string(),
                help: Vec::new(),
            }),
            Ok(()) if auto => tell_of_missing_gpus(&setup, settings.algorithm, notices),
            Ok(()) => {}
        }
    }
    if setup.sources.is_empty() {
        let summary = format!("--devices leaves no device that can mine {}", settings.algorithm.name);
        let problem = with_reasons(Problem::error("no-device", summary), &setup.left_out);
        return Err((problem.help("rminer devices"), Exit::NoDevice));
    }
    Ok(setup)
}

/// What the devices of these settings can hash beside their algorithm, with the memory that they have.
pub fn also(settings: &Settings) -> Vec<&'static Algorithm> {
    let algorithm = settings.algorithm;
    if algorithm.engine != RANDOMX.engine {
        return Vec::new();
    }
    // The C library knows one version of RandomX only.
    match cpu::randomx::method(&settings.cpu, algorithm.variant) {
        Ok(method) if method.engine() == Engine::Native => algorithm.siblings(),
        _ => Vec::new(),
    }
}

/// Whether any processor of whatever number is named.
pub fn chooses_a_cpu(selection: &DeviceSelection) -> bool {
    (0..=u8::MAX).any(|number| selection.includes_cpu(number.into()))
}

/// Kinds of devices that can compute an algorithm.
pub fn kinds(algorithm: &Algorithm) -> Vec<&'static str> {
    let cpu = cpu::can_compute(algorithm).then_some("cpu");
    let gpu = gpu::can_compute(algorithm).then_some("gpu");
    gpu.into_iter().chain(cpu).collect()
}

fn add_gpus(setup: &mut Setup, settings: &Settings) {
    let state_folder = settings.state_folder.as_deref();
    let opened = gpu::open(settings.algorithm, &settings.gpu, &settings.devices, state_folder);
    setup.sources.extend(opened.sources);
    setup.chosen.extend(opened.chosen);
    setup.left_out.extend(opened.left_out);
}

fn add_cpus(setup: &mut Setup, settings: &Settings, notices: &NoticeSink) -> Result<(), DeviceError> {
    let opened = cpu::open(settings.algorithm, &settings.cpu, notices)?;
    for source in opened.sources {
        let info = source.info();
        let number = info.id.trim_start_matches("cpu").parse().unwrap_or(0);
        if !settings.devices.includes_cpu(number) {
            continue;
        }
        match setup.chosen.last_mut().filter(|chosen| chosen.id == info.id) {
            Some(chosen) => chosen.workers += 1,
            None => setup.chosen.push(Chosen {
                id: info.id.clone(),
                name: info.name.clone(),
                engine: opened.engine.clone(),
                workers: 1,
                pci: None,
            }),
        }
        setup.sources.push(source);
    }
    Ok(())
}

fn tell_of_missing_gpus(setup: &Setup, algorithm: &Algorithm, notices: &NoticeSink) {
    if setup.left_out.is_empty() {
        return;
    }
    let summary = format!("no GPU can mine {} here, so the CPU does", algorithm.name);
    let problem = with_reasons(Problem::warning("no-gpu", summary), &setup.left_out);
    notices(Notice::Warning(problem.help("--devices cpu chooses the CPU without this warning")));
}

fn with_reasons(problem: Problem, left_out: &[LeftOut]) -> Problem {
    left_out.iter().fold(problem, |problem, device| {
        let name = if device.name.is_empty() { String::new() } else { format!(" {}", device.name) };
        let problem = problem.fact(format!("{}{name}: {}", device.id, device.reason));
        device.help.iter().fold(problem, |problem, help| problem.help(help.clone()))
    })
}

fn refused(algorithm: &Algorithm, fault: DeviceError) -> (Problem, Exit) {
    match fault {
        // What the user asked for is not there.
        DeviceError::Unsupported(text) => (Problem::error("cpu", text).help("rminer devices"), Exit::Usage),
        fault => {
            let problem = Problem::error("no-device", fault.to_string());
            (problem.fact(format!("for {}", algorithm.name)).help("rminer devices"), Exit::NoDevice)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};

    use rminer_algos::registry::{RANDOMX, RANDOMX_V2, SHA256D};

    use super::*;
    use crate::config::{DevicePattern, Globals, Layers, Pools, RandomxEngine, RandomxMode, resolve};

    /// What is opened for these devices, and the codes of the warnings.
    fn opened(
        algorithm: &'static Algorithm,
        devices: DeviceSelection,
    ) -> (Result<Setup, (Problem, Exit)>, Vec<Problem>) {
        let settings = resolve(&Layers::default(), Pools::Ignored, Globals::default()).unwrap().settings;
        let heard: Arc<Mutex<Vec<Problem>>> = Arc::default();
        let sink: NoticeSink = {
            let heard = Arc::clone(&heard);
            Arc::new(move |notice| {
                if let Notice::Warning(problem) = notice {
                    heard.lock().unwrap_or_else(PoisonError::into_inner).push(problem);
                }
            })
        };
        let setup = open(&Settings { algorithm, devices, ..settings }, &sink);
        let heard = heard.lock().unwrap_or_else(PoisonError::into_inner).clone();
        (setup, heard)
    }

    fn only(patterns: &[DevicePattern]) -> DeviceSelection {
        DeviceSelection::Only(patterns.to_vec())
    }

    /// Offered is what the device that is opened says of itself: the C library has one version only.
    #[test]
    fn what_is_offered_is_what_the_device_hashes() {
        let settings = resolve(&Layers::default(), Pools::Ignored, Globals::default()).unwrap().settings;
        for (algorithm, engines) in [
            (&RANDOMX, &[RandomxEngine::Auto, RandomxEngine::Native, RandomxEngine::Reference][..]),
            (&RANDOMX_V2, &[RandomxEngine::Auto, RandomxEngine::Native]),
        ] {
            for mode in [RandomxMode::Auto, RandomxMode::Fast, RandomxMode::Light] {
                for engine in engines {
                    let mut settings = settings.clone();
                    settings.algorithm = algorithm;
                    settings.devices = only(&[DevicePattern::Cpus]);
                    settings.cpu.randomx_mode = mode;
                    settings.cpu.randomx_engine = *engine;
                    let setup = open(&settings, &(Arc::new(|_| {}) as _)).unwrap();
                    let is_library = setup.chosen[0].engine.starts_with("randomx-c");
                    assert_eq!(
                        also(&settings).is_empty(),
                        is_library,
                        "{} {mode:?} {engine:?}",
                        algorithm.name
                    );
                }
            }
        }
        assert!(also(&Settings { algorithm: &SHA256D, ..settings }).is_empty());
    }

    #[test]
    fn what_is_named_is_opened_and_nothing_else() {
        for algorithm in [&SHA256D, &RANDOMX] {
            let (setup, heard) = opened(algorithm, only(&[DevicePattern::Cpus]));
            let setup = setup.unwrap();
            assert!(setup.chosen.iter().all(|device| device.id.starts_with("cpu")), "{:?}", setup.chosen);
            let workers: usize = setup.chosen.iter().map(|device| device.workers).sum();
            assert_eq!(workers, setup.sources.len());
            assert!(heard.iter().all(|problem| problem.code != "no-gpu"), "{heard:?}");
        }
        let (setup, _) = opened(&SHA256D, only(&[DevicePattern::Cpu(200)]));
        let (problem, exit) = setup.err().unwrap();
        assert_eq!((problem.code, exit), ("no-device", Exit::NoDevice));
    }

    #[test]
    fn gpus_that_cannot_be_had_are_refused_with_reasons() {
        let (setup, _) = opened(&RANDOMX, only(&[DevicePattern::Gpus]));
        let (problem, exit) = setup.err().unwrap();
        assert_eq!((problem.code, exit), ("no-device", Exit::NoDevice));
        assert!(problem.summary.contains("randomx"));
        let (setup, _) = opened(&SHA256D, only(&[DevicePattern::Gpus]));
        match setup {
            Ok(setup) => assert!(setup.chosen.iter().all(|device| device.id.starts_with("gpu"))),
            Err((problem, _)) => assert!(!problem.facts.is_empty() && problem.help.len() > 1, "{problem}"),
        }
    }

    #[test]
    fn without_a_gpu_the_processor_mines_and_it_is_said() {
        let (setup, heard) = opened(&SHA256D, DeviceSelection::Auto);
        let setup = setup.unwrap();
        let on_gpus = setup.chosen.iter().any(|device| device.id.starts_with("gpu"));
        let told: Vec<_> = heard.iter().filter(|problem| problem.code == "no-gpu").collect();
        assert_eq!(told.len(), usize::from(!on_gpus), "{heard:?}");
        assert!(told.iter().all(|problem| !problem.facts.is_empty() && !problem.help.is_empty()));
        let (setup, heard) = opened(&RANDOMX, DeviceSelection::Auto);
        assert!(
            setup.unwrap().chosen[0].id == "cpu0" && heard.iter().all(|problem| problem.code != "no-gpu")
        );
    }
}
