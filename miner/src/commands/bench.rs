//! `rminer bench`

use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use super::devices::device_failed;
use super::table::table;
use crate::bench::{self, BenchError, BenchLength, BenchOptions, BenchProgress, BenchResult, ProgressSink};
use crate::cli::{BenchArgs, Context};
use crate::config::{DeviceSelection, Pools, Settings};
use crate::devices::Notice;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::signals;
use crate::ui::hashrate;

/// How long to hash when nothing else is asked for.
const DEFAULT_TIME: Duration = Duration::from_secs(30);

/// Measures, and prints what came out.
pub(super) fn run(args: &BenchArgs, context: &Context<'_>) -> Exit {
    let settings = match context.resolve(Pools::Ignored) {
        Ok(resolution) => resolution.settings,
        Err(exit) => return exit,
    };
    context.report(&settings.warnings);
    if !chooses_cpu(&settings) {
        let problem =
            Problem::error("no-device", "--devices leaves out the CPU, and this version has no other device");
        context.report(&[problem.help("rminer bench --devices cpu")]);
        return Exit::NoDevice;
    }
    let stop = Arc::new(AtomicBool::new(false));
    if let Err(error) = signals::set_at_interrupt(&stop) {
        context.report(&[Problem::warning("signals", format!("Ctrl-C ends the program at once: {error}"))]);
    }
    let length = match args.hashes {
        Some(hashes) => BenchLength::Hashes(hashes),
        None => BenchLength::Time(args.seconds.unwrap_or(DEFAULT_TIME)),
    };
    let color = context.color_of_errors();
    let progress = progress(color, std::io::stderr().is_terminal() && !context.globals().json);
    match bench::run(&BenchOptions { cpu: settings.cpu, length }, &progress, &stop) {
        Ok(result) => print(&result, length, context),
        Err(BenchError::Stopped) => {
            context.report(&[Problem::warning("stopped", "stopped before there was a result")]);
            Exit::Done
        }
        Err(BenchError::Device(error)) => device_failed(context, &error),
        Err(BenchError::Length) => {
            context.fail(&[Problem::error("bad-value", BenchError::Length.to_string())])
        }
        Err(error) => {
            context.report(&[Problem::error("bench", error.to_string())]);
            Exit::Failed
        }
    }
}

fn print(result: &BenchResult, length: BenchLength, context: &Context<'_>) -> Exit {
    let published = match length {
        BenchLength::Hashes(hashes) => bench::published_sum(hashes, result.threads),
        BenchLength::Time(_) => None,
    };
    let printed = if context.globals().json {
        context.print_json_line(result)
    } else {
        context.print(&text(result, published))
    };
    match (&result.checksum, published) {
        (Some(sum), Some(published)) if sum != published => {
            let summary = format!("the sum is {sum}, but xmrig publishes {published}: some hashes are wrong");
            let problem = Problem::error("bench-checksum", summary);
            context.report(&[
                problem.help("memory or processor miscompute; lower their clocks, then try again")
            ]);
            Exit::Failed
        }
        _ => printed,
    }
}

fn text(result: &BenchResult, published: Option<&str>) -> String {
    let heading = ["DEVICE", "ALGORITHM", "THREADS", "HASHRATE", "SPREAD", "DATASET", "HUGE PAGES", "ENGINE"]
        .map(str::to_owned);
    let row = [
        result.device.clone(),
        result.algo.to_owned(),
        result.threads.to_string(),
        hashrate(Some(result.rate_hs)),
        result.spread_percent.map_or_else(|| "-".into(), |spread| format!("+-{spread:.1} %")),
        format!("{:.1} s", Duration::from_millis(result.init_ms).as_secs_f64()),
        format!("{} of {}", result.hugepages_have, result.hugepages_want),
        result.engine.clone(),
    ];
    let mut text = table(&[heading, row]);
    if let Some(sum) = &result.checksum {
        let note = if published == Some(sum.as_str()) { ", as xmrig publishes it" } else { "" };
        text.push_str(&format!("\n{} hashes in {:.1} s, sum {sum}{note}\n", result.hashes, result.seconds));
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
        BenchProgress::Notice(Notice::DatasetReady(_)) => line(String::new()),
        BenchProgress::Hashing { hashes, of, seconds, rate_hs } => {
            let part = of.map_or_else(|| format!("{seconds:.0} s"), |of| format!("{hashes} of {of}"));
            line(format!("{part}   {}", hashrate(Some(rate_hs))));
        }
    })
}

fn chooses_cpu(settings: &Settings) -> bool {
    match &settings.devices {
        DeviceSelection::Auto => true,
        selection => (0..=u8::MAX).any(|number| selection.includes_cpu(number.into())),
    }
}
