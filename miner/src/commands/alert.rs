//! `rminer alert`

use serde_json::json;

use crate::alerts::{tell, trial};
use crate::cli::Context;
use crate::config::Pools;
use crate::exit::Exit;
use crate::mine::rig;
use crate::problem::Problem;

/// Sends an alert by all ways that the settings name, and says whether it arrived.
pub(super) fn test(context: &Context<'_>) -> Exit {
    let settings = match context.resolve(Pools::Optional) {
        Ok(resolution) => resolution.settings,
        Err(exit) => return exit,
    };
    if !settings.alerts.is_on() {
        let problem = Problem::error("alert", "nobody is told of alerts");
        context.report(&[
            problem.help("name a program with --alert-command, or a web address with --alert-webhook")
        ]);
        return Exit::Failed;
    }
    let failures = tell(&settings.alerts, &trial(&rig(&settings)));
    if context.globals().json {
        context.print_json(&json!({ "ok": failures.is_empty(), "failures": failures }));
    } else if failures.is_empty() {
        context.print("the alert has arrived\n");
    } else {
        let problem = Problem::error("alert", "the alert did not arrive");
        let problem = failures.iter().fold(problem, Problem::fact);
        context.report(&[problem.help("the mining itself never waits for an alert")]);
    }
    if failures.is_empty() { Exit::Done } else { Exit::Failed }
}
