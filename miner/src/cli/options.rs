//! The rows of [`KEYS`] as arguments of clap.

use clap::builder::PossibleValue;
use clap::{Arg, ArgAction};

use super::foreign;
use crate::config::keys::{Form, Group, KEYS, Key};

/// Arguments for the settings of these groups. Values are taken as text: what they mean is decided where all
/// sources meet, so that a wrong value has one message wherever it stood.
pub(super) fn args(groups: &[Group]) -> impl Iterator<Item = Arg> {
    KEYS.iter().filter(|key| groups.contains(&key.group) && key.no_flag.is_none()).map(arg)
}

fn arg(key: &'static Key) -> Arg {
    let mut arg = Arg::new(key.flag)
        .long(key.flag)
        .action(ArgAction::Append)
        .hide(key.hidden)
        .help_heading(key.group.heading())
        .help(short_help(key))
        .long_help(long_help(key));
    if let Some(short) = key.short {
        arg = arg.short(short);
    }
    if let [shown, others @ ..] = key.aliases {
        arg = arg.visible_alias(*shown).aliases(others.iter().copied());
    }
    match key.value {
        Some(name) => arg = arg.value_name(name).allow_negative_numbers(true),
        // A switch, or with `=` any of its words.
        None => arg = arg.num_args(0..=1).require_equals(true).default_missing_value("on").value_name("HOW"),
    }
    if key.words.is_empty() || key.form == Form::Switch { arg } else { arg.value_parser(Words(key.words)) }
}

fn short_help(key: &Key) -> String {
    match key.default {
        "" => key.help.to_owned(),
        default => format!("{} [default: {default}]", key.help),
    }
}

fn long_help(key: &Key) -> String {
    let mut help = format!("{}.", key.help);
    if !key.more.is_empty() {
        help.push_str("\n\n");
        help.push_str(key.more);
    }
    let mut facts = Vec::new();
    if let Some(name) = key.env_name() {
        facts.push(format!("[env: {name}]"));
    }
    if !key.default.is_empty() {
        facts.push(format!("[default: {}]", key.default));
    }
    if !facts.is_empty() {
        help.push_str("\n\n");
        help.push_str(&facts.join(" "));
    }
    help
}

/// Any text, with the usual words for help and completions.
#[derive(Clone)]
struct Words(&'static [&'static str]);

impl clap::builder::TypedValueParser for Words {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(self.0.iter().map(|word| PossibleValue::new(*word))))
    }
}

/// Whether an argument is one of those that a command that mines takes, be it ours or another miner's.
pub(super) fn is_of_mining(id: &str) -> bool {
    KEYS.iter().any(|key| key.flag == id) || foreign::has(id)
}
