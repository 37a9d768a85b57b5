//! `rminer service`

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rminer_stratum::text::clean;

use crate::cli::{Context, ServiceArgs};
use crate::config::{self, Globals, Layers, Pools};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::service::install::{Machine, Plan, Wish, no_systemd, not_owner};
use crate::service::state::{PROPERTIES, State};
use crate::service::unit;

/// Lines of another program's error that are shown.
const MAX_ERROR_LINES: usize = 5;

/// Installs, removes or shows the service of this machine.
pub(super) fn run(args: &ServiceArgs, context: &Context<'_>) -> Exit {
    let machine = Machine::here();
    let outcome = match args {
        ServiceArgs::Install { dry_run, user, no_start } => {
            install(&machine, *dry_run, user.clone(), !no_start, context)
        }
        ServiceArgs::Uninstall { dry_run } => uninstall(&machine, *dry_run, context),
        ServiceArgs::Status => status(&machine, context),
    };
    outcome.unwrap_or_else(|problems| {
        context.report(&problems);
        Exit::Failed
    })
}

fn install(
    machine: &Machine,
    dry_run: bool,
    user: Option<String>,
    start: bool,
    context: &Context<'_>,
) -> Result<Exit, Vec<Problem>> {
    let config = match context.named_config() {
        Some(path) => absolute(path).map_err(|problem| vec![problem])?,
        None => unit::CONFIG.into(),
    };
    let program = own_program().map_err(|problem| vec![problem])?;
    let wish = Wish { program, config, user, start };
    let mut problems = machine.problems(&wish);
    if !problems.iter().any(|problem| problem.code == "service-config") {
        problems.extend(faults(&machine.at(&wish.config)));
    }
    let plan = machine.plan_install(&wish);
    if dry_run {
        context.report(&problems);
        context.print(&told(&plan));
        return Ok(context.print(&format!("\n{}", machine.wanted(&wish).text())));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    carry_out(machine, &plan, context)?;
    if !start {
        return Ok(context.print("installed, not started: sudo systemctl start rminer\n"));
    }
    status(machine, context)
}

fn uninstall(machine: &Machine, dry_run: bool, context: &Context<'_>) -> Result<Exit, Vec<Problem>> {
    let plan = machine.plan_uninstall();
    if plan.file.is_none() {
        return Ok(context.print("there is no service to remove\n"));
    }
    if dry_run {
        context.print("systemctl disable --now rminer.service\n");
        return Ok(context.print(&told(&plan)));
    }
    if !machine.has_systemd() {
        return Err(vec![no_systemd()]);
    }
    if !machine.is_owner {
        return Err(vec![not_owner("uninstall")]);
    }
    systemctl(&["disable", "--now", unit::NAME], context)?;
    carry_out(machine, &plan, context)?;
    Ok(Exit::Done)
}

fn status(machine: &Machine, context: &Context<'_>) -> Result<Exit, Vec<Problem>> {
    if !machine.has_systemd() {
        return Err(vec![no_systemd()]);
    }
    let answer = ask(&["show", unit::NAME, "--property", PROPERTIES]).map_err(|problem| vec![problem])?;
    let state = State::parse(&answer);
    if context.globals().json {
        context.print_json(&state)
    } else {
        context.print(&state.words())
    };
    Ok(if state.pid.is_some() { Exit::Done } else { Exit::Failed })
}

/// What the file of the service says, without this call's options and environment: all that is wrong with it.
fn faults(path: &Path) -> Vec<Problem> {
    let none = |_: &str| None;
    match config::from_file(path, &none) {
        Err(problem) => vec![problem],
        Ok((_, _, problems)) if !problems.is_empty() => problems,
        Ok((source, file, _)) => {
            let layers = Layers { file, source: Some(source), ..Layers::default() };
            config::resolve(&layers, Pools::Needed, Globals::default()).err().unwrap_or_default()
        }
    }
}

fn carry_out(machine: &Machine, plan: &Plan, context: &Context<'_>) -> Result<(), Vec<Problem>> {
    context.print(&told(plan));
    machine.change(plan).map_err(|error| {
        let path = plan.file.as_ref().map(|(path, _)| path.display().to_string()).unwrap_or_default();
        vec![Problem::error("service", format!("{path}: {error}")).help("is the file system writable?")]
    })?;
    plan.commands.iter().try_for_each(|command| systemctl(command, context))
}

/// The plan, a line for each step.
fn told(plan: &Plan) -> String {
    let file = match &plan.file {
        None => "the unit is in place already\n".to_owned(),
        Some((path, Some(_))) => format!("write     {}\n", path.display()),
        Some((path, None)) => format!("remove    {}\n", path.display()),
    };
    let commands = plan.commands.iter().map(|command| format!("systemctl {}\n", command.join(" ")));
    let notes = plan.notes.iter().map(|note| format!("note      {note}\n"));
    std::iter::once(file).chain(commands).chain(notes).collect()
}

fn systemctl(words: &[&str], context: &Context<'_>) -> Result<(), Vec<Problem>> {
    let said = ask(words).map_err(|problem| vec![problem])?;
    context.print(&said);
    Ok(())
}

/// What `systemctl` says to these words.
fn ask(words: &[&str]) -> Result<String, Problem> {
    let command = format!("systemctl {}", words.join(" "));
    let output = Command::new("systemctl").args(words).stdin(Stdio::null()).output();
    let output = output.map_err(|error| {
        Problem::error("service", format!("`{command}` cannot be started: {error}"))
            .help("is systemd installed?")
    })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let problem = Problem::error("service", format!("`{command}` failed"));
    let problem = said.lines().take(MAX_ERROR_LINES).map(clean).fold(problem, Problem::fact);
    Err(problem.help("journalctl -u rminer says more"))
}

/// This program, as the service will start it.
fn own_program() -> Result<PathBuf, Problem> {
    std::env::current_exe().and_then(std::fs::canonicalize).map_err(|error| {
        Problem::error("service-program", format!("this program does not know where it is: {error}"))
            .help("call it by its full path")
    })
}

fn absolute(path: &Path) -> Result<PathBuf, Problem> {
    std::path::absolute(path).map_err(|error| {
        Problem::error("service-config", format!("{}: {error}", path.display()))
            .help("name the file by its full path")
    })
}
