//! `rminer pool test`

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use rminer_stratum::connect::Dialer;
use rminer_stratum::probe::{Step, StepReport, probe};
use rminer_stratum::{PoolConfig, Protocol};
use serde::Serialize;

use crate::cli::Context;
use crate::config::Pools;
use crate::exit::Exit;
use crate::mine::dial_options;
use crate::problem::Problem;

#[derive(Serialize)]
struct Report {
    pool: String,
    ok: bool,
    steps: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    step: &'static str,
    ok: bool,
    text: String,
    took_ms: f64,
}

/// Goes to every pool step by step, and says whether all can be mined at.
pub(super) fn run(context: &Context<'_>) -> Exit {
    let settings = match context.resolve(Pools::Needed) {
        Ok(resolution) => resolution.settings,
        Err(exit) => return exit,
    };
    context.report(&settings.warnings);
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            context.report(&[Problem::error("system", error.to_string())]);
            return Exit::Failed;
        }
    };
    let dialer = Arc::new(Dialer::new(dial_options(&settings)));
    let mut all_good = true;
    for (index, pool) in settings.pools.iter().enumerate() {
        let (good, printed) = if context.globals().json {
            let mut steps = Vec::new();
            let good = runtime.block_on(probe(Arc::clone(&dialer), pool, |step| steps.push(row(&step))));
            (good, context.print_json_line(&Report { pool: pool.url.to_string(), ok: good, steps }))
        } else {
            let heading = if settings.pools.len() > 1 { heading(index, pool) } else { String::new() };
            show(context, &runtime, &dialer, pool, &heading)
        };
        if printed != Exit::Done {
            return printed;
        }
        all_good &= good;
    }
    // A name that is still being looked up must not hold up the end.
    runtime.shutdown_background();
    if all_good { Exit::Done } else { Exit::Failed }
}

/// Prints each step as soon as it is known: one that takes long should be seen to.
fn show(
    context: &Context<'_>,
    runtime: &tokio::runtime::Runtime,
    dialer: &Arc<Dialer>,
    pool: &PoolConfig,
    heading: &str,
) -> (bool, Exit) {
    let mut printed = context.print(heading);
    let mut round_trip = None;
    let good = runtime.block_on(probe(Arc::clone(dialer), pool, |step| {
        if step.ok && matches!(step.step, Step::Login | Step::Keepalive) {
            round_trip = Some(step.took);
        }
        if printed == Exit::Done {
            printed = context.print(&line(&step));
        }
    }));
    let block_time_s = pool.algorithm.family.block_time_s();
    if let (true, Protocol::Stratum, Some(round_trip), Some(block_time_s)) =
        (good, pool.url.protocol(), round_trip, block_time_s)
    {
        // Work on an old block goes on until word of the new one is here, and a share needs as long back.
        let stale = 100.0 * round_trip.as_secs_f64() / f64::from(block_time_s);
        let share = if stale < 0.01 { "less than 0.01".to_owned() } else { format!("about {stale:.2}") };
        let text = format!("At this distance {share} % of shares go stale ({block_time_s} s blocks).\n");
        printed = context.print(&text);
    }
    (good, printed)
}

fn heading(index: usize, pool: &PoolConfig) -> String {
    let space = if index == 0 { "" } else { "\n" };
    format!("{space}pool {}  {}\n", index + 1, pool.url)
}

fn line(step: &StepReport) -> String {
    let mut text = format!("{:<10} ", name(step.step));
    let took = milliseconds(step.took);
    let verdict = match (step.ok, step.step) {
        (true, _) => "ok",
        // Pools may do without.
        (false, Step::Keepalive) => "no answer",
        (false, _) => "failed",
    };
    // A long text, such as that of an error, has the rest below it.
    let mut lines = step.text.lines();
    let first = lines.next().unwrap_or_default();
    let _ = writeln!(text, "{first:<56} {took:>9}   {verdict}");
    for more in lines {
        let _ = writeln!(text, "{:<10} {more}", "");
    }
    text
}

fn row(step: &StepReport) -> Row {
    let took_ms = (step.took.as_secs_f64() * 1e6).round() / 1e3;
    Row { step: name(step.step), ok: step.ok, text: step.text.clone(), took_ms }
}

fn milliseconds(time: Duration) -> String {
    match time.as_millis() {
        0 => "< 1 ms".to_owned(),
        milliseconds => format!("{milliseconds} ms"),
    }
}

fn name(step: Step) -> &'static str {
    match step {
        Step::Name => "name",
        Step::Connect => "connect",
        Step::Proxy => "proxy",
        Step::Tls => "tls",
        Step::Login => "login",
        Step::Job => "job",
        Step::Keepalive => "keepalive",
    }
}
