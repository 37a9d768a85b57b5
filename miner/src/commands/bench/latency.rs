//! What `rminer bench --latency` prints.

use super::super::table::table;
use crate::bench::{JobPath, Stage};
use crate::cli::Context;
use crate::exit::Exit;
use crate::ui::hashrate;

pub(super) fn print(paths: &[JobPath], context: &Context<'_>) -> Exit {
    if context.globals().json {
        let printed = paths.iter().map(|path| context.print_json_line(path));
        return printed.fold(Exit::Done, |exit, printed| if exit == Exit::Done { printed } else { exit });
    }
    let text: Vec<_> = paths.iter().map(describe).collect();
    context.print(&text.join("\n"))
}

fn describe(path: &JobPath) -> String {
    let JobPath { device, algo, name, engine, every_ms, taken, accepted, refused, .. } = path;
    let heading = ["STAGE", "HALF WITHIN", "99 % WITHIN", "ALL WITHIN"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading).chain(path.stages.iter().map(row)).collect();
    let steps = path.stages.iter().find(|stage| stage.stage == "read to first hash").map(|stage| {
        let steps = stage.times.iter().map(|step| format!("<= {} ms: {}", step.up_to_ms, step.times));
        steps.collect::<Vec<_>>().join(", ")
    });
    format!(
        "{device} {algo}: {name}, {engine}\n  a new job of a pool every {every_ms} ms, {taken} hashed for, {}; \
         {accepted} shares accepted, {refused} refused\n{}read to first hash: {}\n",
        hashrate(Some(path.rate_hs)),
        table(&rows),
        steps.unwrap_or_default()
    )
}

fn row(stage: &Stage) -> [String; 4] {
    let ms = |time: Option<f64>| time.map_or_else(|| "-".to_owned(), |time| format!("{time:.3} ms"));
    [stage.stage.to_owned(), ms(stage.p50_ms), ms(stage.p99_ms), ms(stage.max_ms)]
}
