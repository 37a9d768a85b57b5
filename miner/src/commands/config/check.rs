//! `rminer config check`

use std::path::PathBuf;

use serde::Serialize;

use crate::cli::Context;
use crate::config::{self, Layers, Pools};
use crate::exit::Exit;
use crate::problem::{Problem, Severity};

#[derive(Serialize)]
struct Report<'a> {
    file: String,
    ok: bool,
    problems: Vec<Row<'a>>,
}

#[derive(Serialize)]
struct Row<'a> {
    severity: &'static str,
    code: &'static str,
    summary: &'a str,
    facts: &'a [String],
    help: &'a [String],
}

/// Checks a file as if it were mined with, and prints all that is wrong. The environment counts, since it may
/// be where the pool or the password of a container is.
pub(super) fn run(file: Option<PathBuf>, context: &Context<'_>) -> Exit {
    let Some(path) = file.or_else(|| context.config_path()) else {
        let usual = config::usual_path(context.env()).map(|path| path.display().to_string());
        let summary =
            format!("there is no config file at {}", usual.unwrap_or_else(|| "the usual place".into()));
        let problem = Problem::error("config-file", summary);
        return context.fail(&[problem.help("name one, or print a new one with `rminer config init`")]);
    };
    let (problems, pools) = match config::from_file(&path, context.env()) {
        Err(problem) => (vec![problem], 0),
        Ok((source, layer, mut problems)) => {
            let env = config::from_env(context.env());
            let layers = Layers { env, file: layer, source: Some(source), ..Layers::default() };
            let mut pools = 0;
            match config::resolve(&layers, Pools::Needed, context.globals()) {
                Ok(resolution) => {
                    pools = resolution.settings.pools.len();
                    problems.extend(resolution.settings.warnings);
                }
                Err(more) => {
                    let more = config::without_follow_ups(&problems, more);
                    problems.extend(more);
                }
            }
            (problems, pools)
        }
    };
    let ok = problems.iter().all(|problem| problem.severity == Severity::Warning);
    let printed = if context.globals().json {
        context.print_json(&Report { file: path.display().to_string(), ok, problems: rows(&problems) })
    } else {
        context.report(&problems);
        match (ok, pools) {
            (false, _) => Exit::Done,
            (true, 1) => context.print(&format!("{}: ok, 1 pool\n", path.display())),
            (true, _) => context.print(&format!("{}: ok, {pools} pools\n", path.display())),
        }
    };
    if ok { printed } else { Exit::Usage }
}

fn rows(problems: &[Problem]) -> Vec<Row<'_>> {
    problems.iter().map(row).collect()
}

fn row(problem: &Problem) -> Row<'_> {
    let Problem { severity, code, summary, facts, help } = problem;
    let severity = if *severity == Severity::Error { "error" } else { "warning" };
    Row { severity, code, summary, facts, help }
}
