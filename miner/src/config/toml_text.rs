//! Settings as TOML for people: what is set as lines, what could be as comments.

use std::fmt::Write;

use super::expand::escape;
use super::keys::{Form, KEYS, Key};
use super::raw::{Given, Layer};

/// Width of comment lines, in characters.
const WIDTH: usize = 100;

/// A value as it stands behind the `=`.
pub fn literal(key: &Key, text: &str) -> String {
    let trimmed = text.trim();
    match key.form {
        Form::Switch => match trimmed {
            "on" => return "true".into(),
            "off" => return "false".into(),
            _ => {}
        },
        Form::Number | Form::NumberOrList if trimmed.parse::<i64>().is_ok() => return trimmed.into(),
        Form::NumberOrList
            if trimmed.contains(',') && trimmed.bytes().all(|b| b.is_ascii_digit() || b", ".contains(&b)) =>
        {
            let numbers: Vec<&str> = trimmed.split(',').map(str::trim).filter(|n| !n.is_empty()).collect();
            return format!("[{}]", numbers.join(", "));
        }
        Form::List if trimmed.contains(',') => {
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            let items: Vec<String> =
                items.map(|item| toml::Value::String(escape(item)).to_string()).collect();
            return format!("[{}]", items.join(", "));
        }
        _ => {}
    }
    toml::Value::String(escape(text)).to_string()
}

/// A whole configuration file that says what `layer` says, with every other key explained in a comment.
pub fn document(layer: &Layer, heading: &[String]) -> String {
    let mut text = String::new();
    for line in heading {
        comment(&mut text, line);
    }
    let general = |key: &Key| key.file.is_some_and(|path| !path.contains('.'));
    for key in KEYS.iter().filter(|key| general(key)) {
        entry(&mut text, key, layer.values.get(&key.setting));
    }
    text.push_str("\n# Pools are tried in this order; the first is returned to.\n");
    text.push_str("# Each may have its own user, pass, worker, tls, proxy and so on.\n");
    if layer.pools.is_empty() {
        text.push_str("#[[pool]]\n#url = \"stratum+tls://pool.example:443\"\n");
    }
    for pool in &layer.pools {
        text.push_str("[[pool]]\n");
        for (setting, given) in pool {
            let key = Key::of(*setting);
            if let Some(name) = key.file_name() {
                let _ = writeln!(text, "{name} = {}", literal(key, &given.text));
            }
        }
    }
    for section in ["cpu", "gpu", "safety", "log", "api", "alert"] {
        let _ = write!(text, "\n[{section}]");
        let prefix = format!("{section}.");
        for key in KEYS.iter().filter(|key| key.file.is_some_and(|path| path.starts_with(&prefix))) {
            entry(&mut text, key, layer.values.get(&key.setting));
        }
    }
    text
}

fn entry(text: &mut String, key: &Key, given: Option<&Given>) {
    text.push('\n');
    comment(text, &format!("{}.", in_words_of_the_file(key.help)));
    if !key.more.is_empty() {
        comment(text, &in_words_of_the_file(key.more));
    }
    if !key.words.is_empty() && key.form != Form::Switch {
        comment(text, &format!("One of: {}.", key.words.join(", ")));
    }
    let name = key.file_name().unwrap_or(key.flag);
    let _ = match given {
        Some(given) => writeln!(text, "{name} = {}", literal(key, &given.text)),
        None if key.default.is_empty() => {
            writeln!(text, "#{name} = {}", if key.form == Form::Switch { "true" } else { "\"\"" })
        }
        None => writeln!(text, "#{name} = {}", literal(key, key.default)),
    };
}

/// Help speaks of flags; in a file they have other names.
fn in_words_of_the_file(help: &str) -> String {
    let mut flags: Vec<(String, &str)> =
        KEYS.iter().filter_map(|key| Some((format!("--{}", key.flag), key.file_name()?))).collect();
    // `--pass-file` before `--pass`.
    flags.sort_by_key(|(flag, _)| std::cmp::Reverse(flag.len()));
    flags.iter().fold(help.to_owned(), |text, (flag, name)| text.replace(flag, name))
}

fn comment(text: &mut String, line: &str) {
    let mut column = 0;
    for word in line.split_whitespace() {
        if column > 0 && column + 1 + word.chars().count() > WIDTH {
            text.push('\n');
            column = 0;
        }
        text.push_str(if column == 0 { "# " } else { " " });
        column += 1 + word.chars().count() + usize::from(column == 0);
        text.push_str(word);
    }
    text.push('\n');
}
