//! What a command needs to know of how the program was called.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ArgMatches;
use clap::parser::ValueSource;

use super::args::Global;
use super::{flags, options};
use crate::config::{self, Env, Globals, Layer, Layers, Pools, Resolution, When};
use crate::exit::Exit;
use crate::problem::Problem;
use crate::service::Environment;
use crate::ui::Stamp;

/// The call of the program: options of the command, global ones, environment.
pub struct Context<'a> {
    globals: Globals,
    config: Option<&'a Path>,
    root: &'a ArgMatches,
    env: Env<'a>,
}

impl<'a> Context<'a> {
    pub(super) fn new(global: &'a Global, root: &'a ArgMatches, color: When, env: Env<'a>) -> Self {
        let globals = Globals { verbosity: global.verbose, color, json: global.json };
        Self { globals, config: global.config.as_deref(), root, env }
    }

    /// Options that every command has.
    pub fn globals(&self) -> Globals {
        self.globals
    }

    /// Looks up an environment variable.
    pub fn env(&self) -> Env<'a> {
        self.env
    }

    /// The configuration file that an option names.
    pub fn named_config(&self) -> Option<&Path> {
        self.config
    }

    /// The configuration file to read, if there is any.
    pub fn config_path(&self) -> Option<PathBuf> {
        config::file_path(self.config, self.env)
    }

    /// All that flags, environment and file come to, checked. Problems have been printed when this fails.
    ///
    /// # Errors
    /// [`Exit::Usage`].
    pub fn resolve(&self, need: Pools) -> Result<Resolution, Exit> {
        self.read(need).map_err(|problems| self.fail(&problems))
    }

    /// The same without a word: all sources are read again, as they are now.
    ///
    /// # Errors
    /// All problems.
    pub fn read(&self, need: Pools) -> Result<Resolution, Vec<Problem>> {
        let (layers, mut problems) = self.layers();
        match config::resolve(&layers, need, self.globals) {
            Ok(resolution) if problems.is_empty() => return Ok(resolution),
            Ok(_) => {}
            Err(more) => problems.extend(config::without_follow_ups(&problems, more)),
        }
        Err(problems)
    }

    /// The settings on the command line alone.
    ///
    /// # Errors
    /// [`Exit::Usage`], with the problems printed.
    pub fn flags(&self) -> Result<(Layer, Vec<Problem>), Exit> {
        match flags::read(self.innermost()) {
            Ok(flags) => Ok((flags.layer, flags.notes)),
            Err(problems) => Err(self.fail(&problems)),
        }
    }

    /// Every source, and what is wrong with their form.
    pub fn layers(&self) -> (Layers, Vec<Problem>) {
        let mut layers = Layers {
            env: config::from_env(self.env),
            state_folder: config::state_folder(self.env),
            service: Environment::read(self.env, std::process::id()),
            ..Layers::default()
        };
        let mut problems = Vec::new();
        match flags::read(self.innermost()) {
            Ok(flags) => {
                layers.flags = flags.layer;
                layers.notes = flags.notes;
            }
            Err(found) => problems.extend(found),
        }
        match self.config_path().map(|path| config::from_file(&path, self.env)) {
            None => {}
            Some(Ok((source, layer, found))) => {
                layers.file = layer;
                layers.source = Some(source);
                problems.extend(found);
            }
            Some(Err(problem)) => problems.push(problem),
        }
        (layers, problems)
    }

    /// Prints errors and warnings to standard error.
    pub fn report(&self, problems: &[Problem]) {
        let color = self.color_of_errors();
        let stamp = Stamp::of(std::io::stderr(), Environment::read(self.env, std::process::id()).journal);
        let mut output = std::io::stderr().lock();
        for problem in problems {
            // Nobody is left to tell when standard error is gone.
            let _ = output.write_all(stamp.message(problem, color).as_bytes());
        }
    }

    /// Prints errors and says how the program ends.
    pub fn fail(&self, problems: &[Problem]) -> Exit {
        self.report(problems);
        Exit::Usage
    }

    /// Prints the result of a command to standard output. A reader that has seen enough is no fault.
    pub fn print(&self, text: &str) -> Exit {
        let mut output = std::io::stdout().lock();
        match output.write_all(text.as_bytes()).and_then(|()| output.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
                self.report(&[Problem::error(
                    "output",
                    format!("standard output cannot be written: {error}"),
                )]);
                Exit::Failed
            }
            _ => Exit::Done,
        }
    }

    /// As [`Context::print`], for the value as JSON over several lines.
    pub fn print_json(&self, value: &impl serde::Serialize) -> Exit {
        self.print_as_json(serde_json::to_string_pretty(value))
    }

    /// As [`Context::print`], for the value as JSON on one line: one of several results.
    pub fn print_json_line(&self, value: &impl serde::Serialize) -> Exit {
        self.print_as_json(serde_json::to_string(value))
    }

    fn print_as_json(&self, text: serde_json::Result<String>) -> Exit {
        match text {
            Ok(text) => self.print(&(text + "\n")),
            Err(error) => {
                self.report(&[Problem::error(
                    "output",
                    format!("the result cannot be written as JSON: {error}"),
                )]);
                Exit::Failed
            }
        }
    }

    /// Options of mining stand behind the command that they are for, not before another one.
    pub(super) fn refuse_misplaced_options(&self) -> Result<(), Exit> {
        let Some((name, _)) = self.root.subcommand() else { return Ok(()) };
        for id in self.root.ids() {
            // Options of the command itself may be here as well, which the root knows nothing of.
            if options::is_of_mining(id.as_str())
                && self.root.value_source(id.as_str()) == Some(ValueSource::CommandLine)
            {
                let problem = Problem::error(
                    "misplaced-option",
                    format!("--{id} stands before `{name}`, where only global options do"),
                );
                return Err(self.fail(&[
                    problem.help(format!("write it behind the command: rminer {name} --{id} ..."))
                ]));
            }
        }
        Ok(())
    }

    /// Whether to colour what goes to standard error.
    pub fn color_of_errors(&self) -> bool {
        match self.globals.color {
            When::Always => true,
            When::Never => false,
            When::Auto => std::io::stderr().is_terminal() && (self.env)("NO_COLOR").is_none(),
        }
    }

    /// Whether what goes to standard output may have colours, when that is a terminal.
    pub fn colors_output(&self) -> bool {
        match self.globals.color {
            When::Always => true,
            When::Never => false,
            When::Auto => (self.env)("NO_COLOR").is_none(),
        }
    }

    /// The matches of the command itself, however deep it is nested.
    fn innermost(&self) -> &'a ArgMatches {
        let mut matches = self.root;
        while let Some((_, inner)) = matches.subcommand() {
            matches = inner;
        }
        matches
    }
}
