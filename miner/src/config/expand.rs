//! `${NAME}` in strings of the file.

use std::fs;

use thiserror::Error;

/// Why a string cannot be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum ExpandError {
    /// No such variable.
    #[error("the environment variable `{0}` is not set")]
    Missing(String),
    /// `${` without its end.
    #[error("`${{` without its `}}`")]
    Unclosed,
}

/// Replaces every `${NAME}` by the variable; `$${` stands for `${` itself. What comes out of a variable is
/// not expanded again.
///
/// # Errors
/// [`ExpandError`] when a variable is not set or the text is malformed.
pub(super) fn expand(text: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<String, ExpandError> {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        let (before, from) = rest.split_at(at);
        if let Some(literal) = before.strip_suffix('$') {
            expanded.push_str(literal);
            expanded.push_str("${");
            rest = &from[2..];
            continue;
        }
        expanded.push_str(before);
        let (name, after) = from[2..].split_once('}').ok_or(ExpandError::Unclosed)?;
        let value = env(name).or_else(|| (name == "HOSTNAME").then(host_name).flatten());
        expanded.push_str(&value.ok_or_else(|| ExpandError::Missing(name.to_owned()))?);
        rest = after;
    }
    expanded.push_str(rest);
    Ok(expanded)
}

/// The text that [`expand`] turns into this one.
pub(super) fn escape(text: &str) -> String {
    text.replace("${", "$${")
}

/// Shells set HOSTNAME but rarely export it, so services and cron do not have it.
fn host_name() -> Option<String> {
    let name =
        ["/proc/sys/kernel/hostname", "/etc/hostname"].iter().find_map(|path| fs::read_to_string(path).ok());
    let name = name.or_else(|| std::env::var("COMPUTERNAME").ok())?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn env(name: &str) -> Option<String> {
        (name == "A").then(|| "one ${A}".to_owned())
    }

    #[test]
    fn variables_are_replaced_once() {
        assert_eq!(expand("x${A}y$${A}$z", &env).unwrap(), "xone ${A}y${A}$z");
        assert_eq!(expand("${B}", &env), Err(ExpandError::Missing("B".into())));
        assert_eq!(expand("${A", &env), Err(ExpandError::Unclosed));
        assert!(!expand("${HOSTNAME}", &|_| None).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn escaped_text_comes_back(text in "[a-z${}]{0,20}") {
            prop_assert_eq!(expand(&escape(&text), &env), Ok(text));
        }
    }
}
