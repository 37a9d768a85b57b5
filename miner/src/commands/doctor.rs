//! `rminer doctor`

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;
use rminer_stratum::connect::Dialer;
use rminer_stratum::probe::{Step, StepReport, probe};
use serde_json::Value;

use super::remote::{Interface, runtime};
use crate::cli::{Context, DoctorArgs};
use crate::config::{Pools, Settings};
use crate::devices::cpu;
use crate::devices::{Chosen, DeviceSource, LeftOut, gpu};
use crate::doctor::{self, Finding, Inputs, Report, SettingsFacts};
use crate::exit::Exit;
use crate::mine::dial_options;
use crate::problem::Problem;
use crate::setup::Places;

/// How long all pools together may take.
const POOLS_PATIENCE: Duration = Duration::from_secs(60);
/// How long the search for graphics cards may take: drivers are loaded for it.
const CARDS_PATIENCE: Duration = Duration::from_secs(8);

/// Looks at this machine, its settings and its running miner, or asks another machine's miner.
pub(super) fn run(args: &DoctorArgs, context: &Context<'_>) -> Exit {
    let report = if args.remote.host.is_some() { remote(args, context) } else { Ok(here(args, context)) };
    let report = match report {
        Ok(report) => report,
        Err(problem) => {
            context.report(&[problem]);
            return Exit::Failed;
        }
    };
    let printed = if context.globals().json {
        context.print_json(&report)
    } else {
        context.print(&doctor::text(&report, context.globals().verbosity > 0))
    };
    match printed {
        Exit::Done if report.is_red() => Exit::Failed,
        printed => printed,
    }
}

/// What the miner of another machine says of it.
fn remote(args: &DoctorArgs, context: &Context<'_>) -> Result<Report, Problem> {
    let interface = Interface::new(&args.remote, context)?;
    let answer: Bytes = runtime()?.block_on(interface.get("/api/v1/doctor"))?;
    serde_json::from_slice(&answer).map_err(|_| interface.stranger("its findings are of another form"))
}

pub(super) fn here(args: &DoctorArgs, context: &Context<'_>) -> Report {
    let read = context.read(Pools::Optional);
    let inputs = match &read {
        Ok(resolution) => inputs(&resolution.settings),
        Err(problems) => Inputs {
            need: Some(crate::setup::hugepages::Need::one_node(threads())),
            mines_on_cpus: true,
            state_folder: crate::config::state_folder(context.env()),
            config_file: context.config_path(),
            settings: SettingsFacts::broken(problems.clone()),
            ..Inputs::default()
        },
    };
    let seen = doctor::examine(Places::of_this_machine(), inputs);
    let mut findings = seen.unwrap_or_else(|| vec![doctor::no_answer()]);
    if let Ok(resolution) = &read {
        findings.extend(running(args, context));
        if args.pools {
            findings.extend(pools(&resolution.settings));
        }
    }
    doctor::report(findings)
}

/// Threads of RandomX where the settings say nothing that could be used.
fn threads() -> u32 {
    let units = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    u32::try_from(units).unwrap_or(u32::MAX)
}

/// Which devices would mine, without taking anything of them.
fn inputs(settings: &Settings) -> Inputs {
    let silent: crate::devices::NoticeSink = Arc::new(|_| {});
    let mut chosen: Vec<Chosen> = Vec::new();
    let wants_cpus = crate::devices::chooses_a_cpu(&settings.devices);
    if let (true, Ok(opened)) = (wants_cpus, cpu::open(settings.algorithm, &settings.cpu, &silent)) {
        for source in &opened.sources {
            count(&mut chosen, source.as_ref(), &opened.engine);
        }
    }
    Inputs::of(settings, &chosen, &cards(settings))
}

fn count(chosen: &mut Vec<Chosen>, source: &dyn DeviceSource, engine: &str) {
    let info = source.info();
    match chosen.last_mut().filter(|last| last.id == info.id) {
        Some(last) => last.workers += 1,
        None => chosen.push(Chosen {
            id: info.id.clone(),
            name: info.name.clone(),
            engine: engine.to_owned(),
            workers: 1,
            pci: None,
        }),
    }
}

/// Cards that cannot be used. A driver that hangs is told as one.
fn cards(settings: &Settings) -> Vec<LeftOut> {
    let (tell, told) = std::sync::mpsc::channel();
    let (gpu, devices, folder) =
        (settings.gpu.clone(), settings.devices.clone(), settings.state_folder.clone());
    let look = move || {
        // Whether a card can be used is the same for every algorithm that has kernels.
        let opened = gpu::open(&rminer_algos::registry::SHA256D, &gpu, &devices, folder.as_deref());
        let _ = tell.send(opened.left_out);
    };
    if std::thread::Builder::new().name("cards".into()).spawn(look).is_err() {
        return Vec::new();
    }
    told.recv_timeout(CARDS_PATIENCE).unwrap_or_else(|_| {
        vec![LeftOut {
            id: "gpu".into(),
            name: "GPUs".into(),
            reason: "their driver does not answer within 8 s".into(),
            help: vec!["update the driver, or restart the machine".into()],
        }]
    })
}

/// What the miner that runs here says, if one does.
fn running(args: &DoctorArgs, context: &Context<'_>) -> Vec<Finding> {
    let asked = Interface::new(&args.remote, context).and_then(|interface| {
        runtime()?.block_on(async {
            let status = interface.get("/api/v1/status").await?;
            // Miners of other versions may have none.
            let explained = interface.get("/api/v1/explain").await.unwrap_or_default();
            Ok((status, explained))
        })
    });
    let json = |bytes: &Bytes| serde_json::from_slice::<Value>(bytes).ok();
    match asked {
        Ok((status, explained)) => match json(&status).filter(|status| status["api"] == 1) {
            Some(status) => doctor::judge_running(&status, json(&explained).as_ref()),
            None => Vec::new(),
        },
        Err(problem) if ["no-miner", "wrong-program"].contains(&problem.code) => {
            vec![Finding::green("no-miner", "no miner runs here that could be asked")]
        }
        Err(problem) => vec![Finding::of_problem(&problem)],
    }
}

/// How far each configured pool can be reached.
fn pools(settings: &Settings) -> Vec<Finding> {
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let dialer = Arc::new(Dialer::new(dial_options(settings)));
    let findings = runtime.block_on(async {
        let mut findings = Vec::new();
        let end = tokio::time::Instant::now() + POOLS_PATIENCE;
        for (number, pool) in settings.pools.iter().enumerate() {
            let name = format!("pool {} {}", number + 1, pool.url);
            let mut failed = None;
            let asked = probe(Arc::clone(&dialer), pool, |step| {
                if !step.ok && step.step != Step::Keepalive {
                    failed = Some(step);
                }
            });
            let good = tokio::time::timeout_at(end, asked).await;
            findings.push(match (good, failed) {
                (Ok(true), _) => Finding::green("pool", format!("{name} gives work")),
                (_, Some(step)) => of_step(&name, &step),
                (Ok(false) | Err(_), None) => {
                    Finding::red("pool-unreachable", format!("{name} does not answer in time"))
                }
            });
        }
        findings
    });
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    findings
}

fn of_step(name: &str, step: &StepReport) -> Finding {
    let code = match step.step {
        Step::Name | Step::Connect | Step::Proxy => "pool-unreachable",
        Step::Tls if step.text.contains("not the pinned") => "tls-pin",
        Step::Tls => "tls-untrusted",
        Step::Login => "login-refused",
        Step::Job | Step::Keepalive => "no-job",
    };
    let mut lines = step.text.lines();
    let finding = Finding::red(code, format!("{name}: {}", lines.next().unwrap_or_default()));
    let finding = if step.step == Step::Tls { finding.safety() } else { finding };
    lines.fold(finding, Finding::fact).command("rminer pool test")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_that_fail_have_names_of_their_own() {
        let code = |step, text: &str| {
            let report = StepReport { step, ok: false, text: text.into(), took: Duration::ZERO };
            let finding = of_step("pool 1", &report);
            assert!(finding.title.starts_with("pool 1: "), "{finding:?}");
            finding.code
        };
        assert_eq!(code(Step::Connect, "refused\nafter 2 ms"), "pool-unreachable");
        assert_eq!(code(Step::Tls, "the certificate is not the pinned one"), "tls-pin");
        assert_eq!(code(Step::Tls, "nobody vouches for it\n--tls-pin AB"), "tls-untrusted");
        assert_eq!(code(Step::Login, "no such account"), "login-refused");
        assert_eq!(code(Step::Job, "none came"), "no-job");
    }
}
