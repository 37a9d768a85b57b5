//! `rminer setup`

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use rminer_algos::Variant;
use serde::Serialize;

use crate::cli::{Context, SetupArgs, SetupPart};
use crate::config::CpuSettings;
use crate::devices::cpu::randomx;
use crate::doctor::is_root;
use crate::exit::Exit;
use crate::problem::Problem;
use crate::setup::apply::{self, Hands, Outcome, OwnHands};
use crate::setup::hugepages::{self, Need, Pages};
use crate::setup::{Places, Step, msr, plan_text, rights};

/// What was done, for `--json`.
#[derive(Serialize)]
struct Report {
    part: &'static str,
    /// In words, in order.
    plan: Vec<String>,
    /// Whether anything was done; false with `--dry-run`.
    done: bool,
    changed: usize,
    unchanged: usize,
    failed: Vec<String>,
}

/// Plans, shows the plan, does it and looks at what came of it.
pub(super) fn run(args: &SetupArgs, context: &Context<'_>) -> Exit {
    let places = Places::of_this_machine();
    match carry_out(args, context, &places, &mut OwnHands) {
        Ok(exit) => exit,
        Err(problem) => {
            context.report(&[problem]);
            Exit::Failed
        }
    }
}

fn carry_out(
    args: &SetupArgs,
    context: &Context<'_>,
    places: &Places,
    hands: &mut dyn Hands,
) -> Result<Exit, Problem> {
    let part = args.part.name();
    if args.undo {
        return undo(args, context, places, hands);
    }
    let steps = plan(args, context, places)?;
    show(args, context, &plan_text(&steps), "nothing to do: it is as it should be\n");
    let plan = steps.iter().map(ToString::to_string).collect();
    if args.dry_run {
        return Ok(finish(context, Report::new(part, plan, None)));
    }
    if steps.is_empty() {
        return Ok(finish(context, Report::new(part, plan, Some(Outcome::default()))));
    }
    let outcome = if is_root() {
        apply::apply(places, part, &steps, hands).map_err(|why| state_fault(&why))?
    } else {
        return Err(needs_root(args));
    };
    let failed = tell_failures(&outcome, args, context, places);
    let short = args.part == SetupPart::Hugepages && tell_shortfall(args, context, places);
    if args.part == SetupPart::GpuRights && !failed && !context.globals().json {
        let _ = context
            .print("The groups hold from the next login of that user, or the next start of its service.\n");
    }
    let printed = finish(context, Report::new(part, plan, Some(outcome)));
    Ok(if failed || short { Exit::Failed } else { printed })
}

fn undo(
    args: &SetupArgs,
    context: &Context<'_>,
    places: &Places,
    hands: &mut dyn Hands,
) -> Result<Exit, Problem> {
    let part = args.part.name();
    let kept = apply::kept(places, part).map_err(|why| state_fault(&why))?;
    let kept = kept.into_iter().filter(|saved| !args.keep_files || saved.is_until_restart());
    let plan: Vec<String> = kept.map(|saved| saved.to_string()).collect();
    let text: String = plan.iter().map(|line| format!("  {line}\n")).collect();
    show(args, context, &text, "nothing to set back: nothing was changed since the machine was started\n");
    if args.dry_run || plan.is_empty() {
        let outcome = (!args.dry_run).then(Outcome::default);
        return Ok(finish(context, Report::new(part, plan, outcome)));
    }
    if !is_root() {
        return Err(needs_root(args));
    }
    let outcome = apply::undo(places, part, args.keep_files, hands).map_err(|why| state_fault(&why))?;
    let failed = tell_failures(&outcome, args, context, places);
    let printed = finish(context, Report::new(part, plan, Some(outcome)));
    Ok(if failed { Exit::Failed } else { printed })
}

fn plan(args: &SetupArgs, context: &Context<'_>, places: &Places) -> Result<Vec<Step>, Problem> {
    match args.part {
        SetupPart::Hugepages => hugepages::plan(places, &Pages::look(places), &need(args)?, args.persist),
        SetupPart::Msr => {
            let exe = if args.persist { Some(own_path()?) } else { None };
            msr::plan(places, &msr::Facts::look(places, is_root()), exe.as_deref())
        }
        SetupPart::GpuRights => {
            let user = args.user.clone().or_else(|| (context.env())("SUDO_USER"));
            let user = user.or_else(|| (context.env())("USER")).unwrap_or_default();
            if !user.chars().all(|letter| letter.is_ascii_alphanumeric() || "-._".contains(letter))
                || user.starts_with('-')
            {
                let problem = Problem::error("bad-value", format!("{user} is no name of a user"));
                return Err(problem.help("sudo rminer setup gpu-rights --user NAME"));
            }
            rights::plan(places, &rights::Facts::look(places, &user))
        }
    }
}

/// What RandomX needs on this machine, as it would be planned.
fn need(args: &SetupArgs) -> Result<Need, Problem> {
    if let Some(threads) = args.threads {
        return Ok(Need::one_node(threads));
    }
    let silent: crate::devices::NoticeSink = Arc::new(|_| {});
    let setup = randomx::open(&CpuSettings::default(), Variant::V1, &silent)
        .map_err(|error| Problem::error("cpu", error.to_string()).help("name them with --threads N"))?;
    let by_node = setup.plan.by_node();
    // Where memory does not suffice for a dataset on each node, all share one.
    let is_shared = setup.sources.iter().all(|source| source.info().id == "cpu0");
    let count = |threads: usize| u32::try_from(threads).unwrap_or(u32::MAX);
    if is_shared {
        return Ok(Need::one_node(count(setup.sources.len())));
    }
    Ok(Need {
        threads_by_node: by_node.into_iter().map(|(node, threads)| (node, count(threads.len()))).collect(),
    })
}

/// Where this program is, for a unit that starts it.
fn own_path() -> Result<String, Problem> {
    let path = std::env::current_exe().ok().and_then(|path| path.to_str().map(str::to_owned));
    let is_plain =
        |path: &String| path.chars().all(|letter| letter.is_ascii_alphanumeric() || "/-._+".contains(letter));
    let help = "sudo install -m 755 rminer /usr/local/bin/rminer, and call it there";
    let Some(path) = path.filter(is_plain) else {
        let problem =
            Problem::error("bad-path", "the path of this program has characters that a unit cannot hold");
        return Err(problem.help(help));
    };
    match whose(Path::new(&path), 0) {
        None => Ok(path),
        Some(other) => {
            let summary =
                format!("root would start {path} at each start of the machine, and others can change it");
            let fact = format!("{} is not root's alone", other.display());
            Err(Problem::error("bad-path", summary).fact(fact).help(help))
        }
    }
}

/// The part of a path that others than this user may change, if there is one.
fn whose(path: &Path, owner_uid: u32) -> Option<&Path> {
    path.ancestors().find(|part| {
        std::fs::metadata(part)
            .map_or(true, |metadata| metadata.uid() != owner_uid || metadata.mode() & 0o022 != 0)
    })
}

fn show(args: &SetupArgs, context: &Context<'_>, plan: &str, nothing: &str) {
    if context.globals().json {
        return;
    }
    let what = if args.undo { "set back" } else { "plan" };
    let text =
        if plan.is_empty() { nothing.to_owned() } else { format!("{what} ({})\n{plan}", args.part.name()) };
    // A reader that is gone does not keep root's work from being done.
    let _ = context.print(&text);
}

fn finish(context: &Context<'_>, report: Report) -> Exit {
    if context.globals().json {
        return context.print_json(&report);
    }
    if !report.done || report.plan.is_empty() {
        return Exit::Done;
    }
    let Report { changed, unchanged, failed, .. } = &report;
    context.print(&format!("{changed} changed, {unchanged} as they should be, {} failed\n", failed.len()))
}

impl Report {
    fn new(part: &'static str, plan: Vec<String>, outcome: Option<Outcome>) -> Self {
        let done = outcome.is_some();
        let Outcome { changed, unchanged, failed } = outcome.unwrap_or_default();
        Self { part, plan, done, changed, unchanged, failed }
    }
}

/// Whether something failed; says what.
fn tell_failures(outcome: &Outcome, args: &SetupArgs, context: &Context<'_>, places: &Places) -> bool {
    let failed = !outcome.failed.is_empty();
    if failed {
        context.report(&[failures(outcome, args, places)]);
    }
    failed
}

/// What failed, with the cause as it shows now.
fn failures(outcome: &Outcome, args: &SetupArgs, places: &Places) -> Problem {
    let summary = format!("{} steps of the plan failed", outcome.failed.len());
    let problem = Problem::error("setup", summary);
    let problem = outcome.failed.iter().fold(problem, |problem, line| problem.fact(line.clone()));
    if args.part != SetupPart::Msr {
        return problem.help("what was changed can be set back with --undo");
    }
    let facts = msr::Facts::look(places, true);
    match msr::Cause::of(&facts) {
        Some(cause) => Problem { code: cause.code(), ..problem }.fact(cause.short()).help(cause.help()),
        None => problem.help(
            "the firmware or the processor may refuse these registers; --undo sets back what was changed",
        ),
    }
}

/// Whether the kernel gave fewer pages than it was asked for; says so.
fn tell_shortfall(args: &SetupArgs, context: &Context<'_>, places: &Places) -> bool {
    let Ok(need) = need(args) else { return false };
    let have = Pages::look(places);
    match hugepages::shortfall(&have, &need) {
        Some(warning) => {
            context.report(&[warning]);
            true
        }
        None => {
            if !context.globals().json {
                let line =
                    format!("huge pages: have {}, want {}, free {}\n", have.total, need.pages(), have.free);
                let _ = context.print(&line);
            }
            false
        }
    }
}

fn needs_root(args: &SetupArgs) -> Problem {
    let mut words = format!("sudo rminer setup {}", args.part.name());
    for (flag, is_given) in
        [(" --persist", args.persist), (" --undo", args.undo), (" --keep-files", args.keep_files)]
    {
        if is_given {
            words.push_str(flag);
        }
    }
    Problem::error("needs-root", "only root can do this; nothing was changed").help(words)
}

fn state_fault(why: &str) -> Problem {
    Problem::error("setup-state", format!("what was there before cannot be kept or read: {why}"))
        .help("nothing more was changed")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_root_starts_is_changed_by_nobody_else() {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("bin/rminer");
        std::fs::create_dir(folder.path().join("bin")).unwrap();
        std::fs::write(&program, "").unwrap();
        // Below a folder for all, as /tmp is.
        assert!(whose(&program, 0).is_some());
        assert_eq!(whose(&program.with_extension("gone"), 0), Some(&*program.with_extension("gone")));
        let own = std::fs::metadata(&program).unwrap().uid();
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(folder.path().join("bin"), std::fs::Permissions::from_mode(0o777)).unwrap();
        assert_eq!(whose(&program, own), Some(&*folder.path().join("bin")));
        assert_eq!(whose(Path::new("/proc"), 0), None);
    }
}
