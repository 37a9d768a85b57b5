//! What a terminal can show.

use std::io::IsTerminal as _;

use crate::config::{Env, When};

/// How things are drawn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Letters of ASCII alone.
    pub(crate) ascii: bool,
    /// Colours of the palette of 16.
    pub(crate) color: bool,
}

impl Look {
    /// As the settings and the environment want it: the locale says which letters there are, `NO_COLOR` takes colours.
    pub(crate) fn new(color: When, env: Env<'_>) -> Self {
        let color = match color {
            When::Always => true,
            When::Never => false,
            When::Auto => std::io::stdout().is_terminal() && env("NO_COLOR").is_none(),
        };
        Self { ascii: !is_utf8(env), color }
    }
}

/// The first variable that is set counts, as it does for every program.
fn is_utf8(env: Env<'_>) -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(env).unwrap_or_default().to_lowercase();
    locale.contains("utf-8") || locale.contains("utf8")
}

/// Whether somebody can look and press keys here.
pub(crate) fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stdout().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locale_and_no_color_are_honoured() {
        let look = |color, variables: &[(&str, &str)]| {
            Look::new(color, &|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert!(!look(When::Always, &[("LANG", "de_DE.UTF-8")]).ascii);
        assert!(!look(When::Always, &[("LC_ALL", "C.utf8"), ("LANG", "C")]).ascii);
        assert!(look(When::Always, &[("LC_ALL", "C"), ("LANG", "de_DE.UTF-8")]).ascii);
        assert!(look(When::Always, &[]).ascii);
        assert!(look(When::Always, &[("NO_COLOR", "1")]).color, "who says always means it");
        assert!(!look(When::Never, &[]).color);
        assert!(!look(When::Auto, &[("NO_COLOR", "1")]).color);
    }
}
