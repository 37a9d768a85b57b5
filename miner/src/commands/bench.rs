//! `rminer bench`

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use rminer_algos::registry::{self, ALGORITHMS, Algorithm};

mod latency;

use super::devices::device_failed;
use super::table::table;
use crate::bench::{
    self, BenchError, BenchLength, BenchOptions, BenchProgress, BenchResult, NewJobs, ProgressSink,
};
use crate::cli::{BenchArgs, Context};
use crate::config;
use crate::config::keys::Setting;
use crate::config::{DevicePattern, DeviceSelection, Pools, Settings};
use crate::devices::Notice;
use crate::exit::Exit;
use crate::problem::{Problem, Severity};
use crate::signals;
use crate::ui::{duration, hashrate, joules_per_hash};

/// How long to hash when nothing else is asked for.
const DEFAULT_TIME: Duration = Duration::from_secs(30);

/// Measures, and prints what came out.
pub(super) fn run(args: &BenchArgs, context: &Context<'_>) -> Exit {
    let resolution = match context.resolve(Pools::Ignored) {
        Ok(resolution) => resolution,
        Err(exit) => return exit,
    };
    let of_algo = resolution.shown.iter().find(|shown| shown.setting == Setting::Algo);
    let named = of_algo.is_some_and(|shown| shown.origin.is_some());
    let mut settings = resolution.settings;
    context.report(&settings.warnings);
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = signals::set_at_interrupt(&stop) {
        context.report(&[Problem::warning("signals", format!("Ctrl-C ends the program at once: {error}"))]);
    }
    let length = match args.hashes {
        Some(hashes) => BenchLength::Hashes(hashes),
        None => BenchLength::Time(args.seconds.unwrap_or(DEFAULT_TIME)),
    };
    // Everything, unless something is named. Only one algorithm has sums.
    let one = [settings.algorithm];
    let algorithms = if named || args.hashes.is_some() { &one[..] } else { ALGORITHMS };
    if settings.devices == DeviceSelection::Auto {
        settings.devices = DeviceSelection::Only(vec![DevicePattern::Cpus, DevicePattern::Gpus]);
    }
    let options = BenchOptions { length, new_job_every: Duration::from_millis(args.new_job_every) };
    let color = context.color_of_errors();
    let progress = progress(color, std::io::stderr().is_terminal() && !context.globals().json);
    let plan = Plan { algorithms, settings, context };
    if args.latency {
        let (paths, error) = plan.measure(|settings| bench::job_paths(settings, options, &progress, &stop));
        plan.end(&paths, error, |paths| latency::print(paths, context))
    } else {
        let (results, error) = plan.measure(|settings| bench::run(settings, options, &progress, &stop));
        let exit = plan.end(&results, error, |results| print(results, length, context));
        if args.save && !results.is_empty() { save(&results, exit, context) } else { exit }
    }
}

/// What is to be measured.
struct Plan<'a> {
    algorithms: &'a [&'static Algorithm],
    settings: Settings,
    context: &'a Context<'a>,
}

impl Plan<'_> {
    /// All results up to the first error.
    fn measure<T>(
        &self,
        measure: impl Fn(&Settings) -> Result<Vec<T>, BenchError>,
    ) -> (Vec<T>, Option<BenchError>) {
        let mut results = Vec::new();
        for &algorithm in self.algorithms {
            match measure(&Settings { algorithm, ..self.settings.clone() }) {
                Ok(measured) => results.extend(measured),
                // The devices that are named need not be good for every algorithm.
                Err(BenchError::NoDevice(problem, Exit::NoDevice)) if self.algorithms.len() > 1 => {
                    self.context.report(&[Problem { severity: Severity::Warning, ..*problem }]);
                }
                Err(error) => return (results, Some(error)),
            }
        }
        (results, None)
    }

    fn end<T>(&self, results: &[T], error: Option<BenchError>, print: impl Fn(&[T]) -> Exit) -> Exit {
        // What was measured before an error is worth seeing.
        let printed = if results.is_empty() { Exit::Done } else { print(results) };
        if let Some(error) = error {
            return failed(self.context, error);
        }
        if results.is_empty() {
            let problem = Problem::error("no-device", "none of the devices that are named can be measured");
            self.context.report(&[problem.help("`rminer devices` lists what there is")]);
            return Exit::NoDevice;
        }
        printed
    }
}

/// Saves what was measured, for the miner to compare with.
fn save(results: &[BenchResult], exit: Exit, context: &Context<'_>) -> Exit {
    let Some(folder) = config::state_folder(context.env()) else {
        let summary = "there is no place to save to: neither HOME nor XDG_STATE_HOME is set";
        return context.fail(&[Problem::error("bench-save", summary)]);
    };
    match bench::save(&folder, results) {
        Ok(_) if context.globals().json => exit,
        Ok(path) => {
            let printed = context.print(&format!("\nSaved in {}\n", path.display()));
            if exit == Exit::Done { printed } else { exit }
        }
        Err(error) => {
            let summary = format!("the result cannot be saved in {}: {error}", folder.display());
            context.report(&[Problem::error("bench-save", summary)]);
            Exit::Failed
        }
    }
}

fn failed(context: &Context<'_>, error: BenchError) -> Exit {
    match error {
        BenchError::Stopped => {
            context.report(&[Problem::warning("stopped", "stopped before there was a result")]);
            Exit::Done
        }
        BenchError::NoDevice(problem, exit) => {
            context.report(&[*problem]);
            exit
        }
        BenchError::Device(error) => device_failed(context, &error),
        BenchError::Length | BenchError::NoSums(_) => {
            context.fail(&[Problem::error("bad-value", error.to_string())])
        }
        BenchError::Thread(_) | BenchError::Pool(_) => {
            context.report(&[Problem::error("bench", error.to_string())]);
            Exit::Failed
        }
    }
}

fn print(results: &[BenchResult], length: BenchLength, context: &Context<'_>) -> Exit {
    let published = |result: &BenchResult| match length {
        BenchLength::Hashes(hashes) => {
            let variant = registry::find(result.algo)?.variant;
            bench::randomx::published_sum(variant, hashes, result.threads)
        }
        BenchLength::Time(_) => None,
    };
    let mut exit = if context.globals().json {
        results.iter().map(|result| context.print_json_line(result)).find(|exit| *exit != Exit::Done)
    } else {
        let mut text = table(&rows(results));
        for result in results {
            text.push_str(&notes(result, published(result)));
        }
        Some(context.print(&text))
    };
    for result in results {
        if let (Some(sum), Some(published)) = (&result.checksum, published(result))
            && sum != published
        {
            let summary = format!("the sum is {sum}, but xmrig publishes {published}: some hashes are wrong");
            let problem = Problem::error("bench-checksum", summary);
            context.report(&[
                problem.help("memory or processor miscompute; lower their clocks, then try again")
            ]);
            exit = Some(Exit::Failed);
        }
    }
    exit.unwrap_or(Exit::Done)
}

fn rows(results: &[BenchResult]) -> Vec<[String; 10]> {
    let heading = [
        "DEVICE",
        "ALGORITHM",
        "WORKERS",
        "HASHRATE",
        "SPREAD",
        "POWER",
        "ENERGY",
        "IN THE MINER",
        "READY IN",
        "ENGINE",
    ]
    .map(str::to_owned);
    let dash = || "-".to_owned();
    let row = |result: &BenchResult| {
        let in_miner = |jobs: &NewJobs| format!("{:.1} %", jobs.of_alone * 100.0);
        [
            result.device.clone(),
            result.algo.to_owned(),
            result.threads.to_string(),
            hashrate(Some(result.rate_hs)),
            result.spread_percent.map_or_else(dash, |spread| format!("+-{spread:.1} %")),
            result.power_w.map_or_else(dash, |watts| format!("{watts:.1} W")),
            result.joules_per_hash.map_or_else(dash, joules_per_hash),
            result.new_jobs.as_ref().map_or_else(dash, in_miner),
            duration(Duration::from_millis(result.init_ms)),
            result.engine.clone(),
        ]
    };
    std::iter::once(heading).chain(results.iter().map(row)).collect()
}

/// What does not fit the table.
fn notes(result: &BenchResult, published: Option<&str>) -> String {
    let mut text = format!("\n{} {}: {}", result.device, result.algo, result.name);
    if result.hugepages_want > 0 {
        text.push_str(&format!(", huge pages {} of {}", result.hugepages_have, result.hugepages_want));
    }
    text.push('\n');
    if let Some(sum) = &result.checksum {
        let note = if published == Some(sum.as_str()) { ", as xmrig publishes it" } else { "" };
        text.push_str(&format!("  {} hashes in {:.1} s, sum {sum}{note}\n", result.hashes, result.seconds));
    }
    if let Some(jobs) = &result.new_jobs {
        let ms = |time: Option<f64>| time.map_or_else(|| "-".into(), |time| format!("{time:.1} ms"));
        text.push_str(&format!(
            "  a new job every {} ms: {}, {:.1} % of the device alone ({:.1} % by processor time)\n",
            jobs.every_ms,
            hashrate(Some(jobs.rate_hs)),
            jobs.of_alone * 100.0,
            jobs.of_alone_cpu * 100.0
        ));
        text.push_str(&format!(
            "  new job to hashing for it: half within {}, 99 % within {}, all within {} ({} times)\n",
            ms(jobs.hashing_p50_ms),
            ms(jobs.hashing_p99_ms),
            ms(jobs.hashing_max_ms),
            jobs.taken
        ));
        let steps = jobs.hashing.iter().map(|step| format!("<= {} ms: {}", step.up_to_ms, step.times));
        text.push_str(&format!("    {}\n", steps.collect::<Vec<_>>().join(", ")));
        text.push_str(&format!(
            "  new job to its first slice done: half within {}, 99 % within {}\n",
            ms(jobs.slice_p50_ms),
            ms(jobs.slice_p99_ms)
        ));
    }
    text
}

/// Shows warnings, and on a terminal one line that is written over.
fn progress(color: bool, is_terminal: bool) -> ProgressSink {
    let line = move |text: String| {
        if is_terminal {
            let mut output = std::io::stderr().lock();
            // Nobody is left to tell when standard error is gone.
            let _ = write!(output, "\r{text:<70}\r").and_then(|()| output.flush());
        }
    };
    Arc::new(move |progress| match progress {
        BenchProgress::Notice(Notice::Warning(warning)) => {
            let _ = writeln!(std::io::stderr(), "{}", warning.render(color));
        }
        BenchProgress::Notice(Notice::DatasetProgress { device, done_percent }) => {
            line(format!("{device}: dataset {done_percent} %"));
        }
        BenchProgress::Notice(Notice::DatasetReady(_) | Notice::LanesChosen { .. }) => line(String::new()),
        BenchProgress::Hashing { hashes, of, seconds, rate_hs } => {
            let part = of.map_or_else(|| format!("{seconds:.0} s"), |of| format!("{hashes} of {of}"));
            line(format!("{part}   {}", hashrate(Some(rate_hs))));
        }
    })
}
