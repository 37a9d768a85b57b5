//! The TOML file: its text becomes a [`Layer`], or all that is wrong with it at once.

use std::io::Read;
use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

use super::expand::expand;
use super::keys::{Form, KEYS, Key, Setting};
use super::raw::{Given, Layer, Origin, Source, Values};
use super::toml_text::literal;
use crate::problem::Problem;
use crate::suggest::closest;

/// Largest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 1 << 20;
/// Most syntax errors that are reported of one file.
const MAX_SYNTAX_ERRORS: usize = 20;

/// Reads a file.
///
/// # Errors
/// One problem when it cannot be read.
pub fn read(path: &Path) -> Result<Source, Problem> {
    let failed = |why: String| {
        let problem = Problem::error("config-file", format!("{} cannot be read: {why}", path.display()));
        problem.help("name a file with --config FILE, or print a new one with `rminer config init`")
    };
    let file = std::fs::File::open(path).map_err(|error| failed(error.to_string()))?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| failed(error.to_string()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(failed(format!("it has more than {MAX_FILE_BYTES} bytes, no configuration has")));
    }
    let text = String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8 text".into()))?;
    Ok(Source::new(path, text.strip_prefix('\u{feff}').unwrap_or(&text).to_owned()))
}

/// What a file says, and everything that is wrong with its form: syntax, unknown keys, wrong types. `env` looks
/// up the variables that it names. With faults, the layer has what could be read all the same.
pub(super) fn parse(source: &Source, env: &dyn Fn(&str) -> Option<String>) -> (Layer, Vec<Problem>) {
    if source.text().trim_start().starts_with('{') {
        let problem = Problem::error("config-syntax", format!("{} looks like JSON", source.path.display()));
        let help = format!(
            "rminer's own format is TOML: `rminer config migrate {}` prints one from an xmrig file",
            source.path.display()
        );
        return (Layer::default(), vec![problem.help(help)]);
    }
    let (table, errors) = DeTable::parse_recoverable(source.text());
    let mut reader = Reader { source, env, layer: Layer::default(), problems: Vec::new() };
    for error in errors.iter().take(MAX_SYNTAX_ERRORS) {
        let problem =
            Problem::error("config-syntax", format!("{}: {}", source.path.display(), error.message()));
        reader.problem(problem, &error.span().unwrap_or(0..0));
    }
    if errors.is_empty() {
        reader.top(table.get_ref());
    }
    (reader.layer, reader.problems)
}

struct Reader<'a> {
    source: &'a Source,
    env: &'a dyn Fn(&str) -> Option<String>,
    layer: Layer,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn problem(&mut self, problem: Problem, span: &Range<usize>) {
        let excerpt = self.source.excerpt(span);
        // The place stands right below the fault, before other facts.
        let mut located = problem;
        located.facts.insert(0, excerpt);
        self.problems.push(located);
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (name, value) in table {
            match name.get_ref().as_ref() {
                "pool" => self.pools(name.span(), value),
                section @ ("cpu" | "gpu" | "log" | "api" | "safety" | "alert") => match value.get_ref() {
                    DeValue::Table(inner) => {
                        let values = self.section(&format!("{section}."), inner);
                        self.layer.values.extend(values);
                    }
                    other => {
                        let problem = wrong_type(section, "a table", other)
                            .help(format!("write [{section}] on a line of its own, its keys below"));
                        self.problem(problem, &value.span());
                    }
                },
                _ => {
                    let given = self.entry("", name, value);
                    self.layer.values.extend(given);
                }
            }
        }
    }

    fn pools(&mut self, name: Range<usize>, value: &Spanned<DeValue<'_>>) {
        let help = "write [[pool]] on a line of its own, and url = \"...\" below it, for each pool";
        let list = match value.get_ref() {
            DeValue::Array(list) => list,
            DeValue::Table(_) => {
                let problem =
                    Problem::error("config-type", "[pool] has single brackets, but pools are a list");
                return self.problem(problem.help("write [[pool]]"), &name);
            }
            other => {
                return self.problem(wrong_type("pool", "a list of tables", other).help(help), &value.span());
            }
        };
        for item in list {
            match item.get_ref() {
                DeValue::Table(table) => {
                    let values = self.section("pool.", table);
                    if !values.contains_key(&Setting::Pool) && !table.contains_key("url") {
                        let problem = Problem::error("config-pool", "this pool has no `url`");
                        let help = "add url = \"stratum+tls://HOST:PORT\" below its [[pool]]";
                        self.problem(problem.help(help), &item.span());
                    }
                    self.layer.pools.push(values);
                }
                other => self.problem(wrong_type("pool", "a list of tables", other).help(help), &item.span()),
            }
        }
    }

    fn section(&mut self, prefix: &str, table: &DeTable<'_>) -> Values {
        table.iter().filter_map(|(name, value)| self.entry(prefix, name, value)).collect()
    }

    /// One `key = value`, or nothing and a problem more.
    fn entry(
        &mut self,
        prefix: &str,
        name: &Spanned<std::borrow::Cow<'_, str>>,
        value: &Spanned<DeValue<'_>>,
    ) -> Option<(Setting, Given)> {
        let known = known_keys(prefix);
        let Some(key) =
            known.iter().find(|(known, _)| *known == name.get_ref().as_ref()).map(|(_, key)| *key)
        else {
            let problem = unknown_key(prefix, name.get_ref(), &known);
            self.problem(problem, &name.span());
            return None;
        };
        let text = match as_text(key, value.get_ref()) {
            Ok(text) => text,
            Err(wanted) => {
                let shown = format!("{prefix}{}", name.get_ref());
                let help = match key.default {
                    "" => format!("write {} = \"...\"", name.get_ref()),
                    default => {
                        format!("write it like the default: {} = {}", name.get_ref(), literal(key, default))
                    }
                };
                self.problem(wrong_type(&shown, wanted, value.get_ref()).help(help), &value.span());
                return None;
            }
        };
        match expand(&text, self.env) {
            Ok(text) => Some((key.setting, Given { text, origin: Origin::File(value.span()) })),
            Err(missing) => {
                let problem = Problem::error("config-variable", missing.to_string());
                self.problem(problem.help("set it, or write $${...} for the text itself"), &value.span());
                None
            }
        }
    }
}

/// Names that may stand in a section, with their rows. Settings of pools may also stand at the top, for all.
fn known_keys(prefix: &str) -> Vec<(&'static str, &'static Key)> {
    let mut known = Vec::new();
    for key in KEYS {
        let Some(path) = key.file else { continue };
        let own = path.strip_prefix(prefix).filter(|rest| !rest.contains('.'));
        let of_pool = (prefix == "pool." && key.per_pool).then_some(path);
        if let Some(name) = own.or(of_pool) {
            known.push((name, key));
        }
    }
    known
}

fn unknown_key(prefix: &str, name: &str, known: &[(&str, &Key)]) -> Problem {
    let place = match prefix.strip_suffix('.') {
        None => "the top of the file".to_owned(),
        Some("pool") => "[[pool]]".to_owned(),
        Some(section) => format!("[{section}]"),
    };
    let names: Vec<&str> = known.iter().map(|(name, _)| *name).collect();
    let problem = Problem::error("config-key", format!("unknown key `{name}`"));
    // The right key in the wrong place is the commonest mistake.
    let elsewhere = KEYS.iter().filter_map(|key| key.file).find_map(|path| {
        let (section, rest) = path.split_once('.')?;
        (rest == name).then(|| if section == "pool" { "[[pool]]".to_owned() } else { format!("[{section}]") })
    });
    let problem = match (closest(name, &names), elsewhere) {
        (_, Some(section)) => problem.help(format!("`{name}` belongs below {section}")),
        (Some(similar), None) => problem.help(format!("did you mean `{similar}`?")),
        (None, None) => problem,
    };
    problem.help(format!("{place} takes: {}", names.join(", ")))
}

fn wrong_type(name: &str, wanted: &str, got: &DeValue<'_>) -> Problem {
    let got = match got {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a number with a point",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    };
    Problem::error("config-type", format!("`{name}` is {got}, but must be {wanted}"))
}

/// The value in the spelling of the command line, or what it should be.
fn as_text(key: &Key, value: &DeValue<'_>) -> Result<String, &'static str> {
    let wanted = match key.form {
        Form::Text => "a string in quotes",
        Form::Switch if key.words.contains(&"auto") => "true, false or \"auto\"",
        Form::Switch => "true or false",
        Form::Number => "a whole number or a string",
        Form::NumberOrList => "a whole number, a string or a list of whole numbers",
        Form::List => "a string or a list of strings",
    };
    match (key.form, value) {
        (Form::Switch, DeValue::Boolean(on)) => Ok(if *on { "on" } else { "off" }.into()),
        (Form::Switch, DeValue::String(text)) if key.words.contains(&"auto") => Ok(text.to_string()),
        (Form::Switch, _) => Err(wanted),
        (_, DeValue::String(text)) => Ok(text.to_string()),
        (Form::Number | Form::NumberOrList, DeValue::Integer(number)) => decimal(number).ok_or(wanted),
        (Form::NumberOrList, DeValue::Array(list)) => {
            let number = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::Integer(number) => decimal(number),
                _ => None,
            };
            let numbers = list.iter().map(number).collect::<Option<Vec<_>>>().ok_or(wanted)?;
            // A comma even behind a single number says that this is a list.
            Ok(numbers.iter().map(|number| format!("{number},")).collect())
        }
        (Form::List, DeValue::Array(list)) => {
            let text = |item: &Spanned<DeValue<'_>>| match item.get_ref() {
                DeValue::String(text) => Some(text.to_string()),
                _ => None,
            };
            let texts = list.iter().map(text).collect::<Option<Vec<_>>>().ok_or(wanted)?;
            Ok(texts.join(","))
        }
        _ => Err(wanted),
    }
}

fn decimal(number: &DeInteger<'_>) -> Option<String> {
    i64::from_str_radix(number.as_str(), number.radix()).ok().map(|number| number.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parsed(text: &str) -> (Layer, Vec<Problem>) {
        parse(&Source::new("x.toml", text.to_owned()), &|_| None)
    }

    #[test]
    fn values_take_the_spelling_of_the_command_line() {
        let (layer, problems) = parsed(
            "nicehash = true\nkeepalive = \"auto\"\nretries = 0x10\n[cpu]\nthreads = [6]\naffinity = [0, 1_0]\n",
        );
        assert_eq!(problems, []);
        for (setting, text) in [
            (Setting::Nicehash, "on"),
            (Setting::Keepalive, "auto"),
            (Setting::Retries, "16"),
            (Setting::Threads, "6,"),
            (Setting::Affinity, "0,10,"),
        ] {
            assert_eq!(layer.values[&setting].text, text);
        }
    }

    #[test]
    fn every_key_has_a_place() {
        for key in KEYS.iter().filter(|key| key.file.is_some()) {
            let places = ["", "pool.", "cpu.", "gpu.", "log.", "api.", "safety.", "alert."].map(|prefix| {
                known_keys(prefix).iter().filter(|(_, known)| known.setting == key.setting).count()
            });
            let wanted = if key.per_pool { [1, 1, 0, 0, 0].to_vec() } else { vec![1] };
            assert_eq!(places.iter().sum::<usize>(), wanted.iter().sum::<usize>(), "{}", key.flag);
        }
    }

    proptest! {
        #[test]
        fn any_text_is_judged(text in "([a-z.\\[\\]={}\"'\\\\#\\-0-9, \t\r\né€]|pool|cpu|url|true|\"\"\"){0,60}") {
            let (_, problems) = parsed(&text);
            for problem in problems {
                prop_assert!(problem.to_string().contains("x.toml"));
            }
        }
    }
}
