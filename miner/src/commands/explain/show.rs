//! An explanation for people, from the interface's own answer. Another version of rminer may leave fields out or have
//! more, and nothing of it steers the terminal.

use serde_json::Value;

use crate::api::parse_rfc3339;
use crate::clock::{LocalTime, local};
use crate::problem::printable;

/// Findings that are shown.
const MAX_SHOWN: usize = 1000;
/// Columns of a screen before the cause begins a line of its own.
const WIDEST_WHAT: usize = 28;

/// Lines, the last with a newline.
pub(super) fn explanation(said: &Value) -> String {
    let to = time(&said["to"]);
    let findings = said["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let rows: Vec<[String; 3]> = findings
        .iter()
        .take(MAX_SHOWN)
        .map(|finding| [span(finding, to), word(&finding["what"]), word(&finding["cause"])])
        .collect();
    let width = |column: usize, least: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(least)
    };
    let (first, second) = (width(0, "earnings".len()), width(1, 0).min(WIDEST_WHAT));
    let mut text = String::new();
    if rows.is_empty() {
        let since = time(&said["from"]).map(|from| from.shown(to)).unwrap_or_default();
        text.push_str(&format!("{since:<first$}  nothing was out of the ordinary since then\n"));
    }
    for (row, finding) in rows.iter().zip(findings) {
        let [when, what, cause] = row;
        text.push_str(format!("{when:<first$}  {what:<second$}  {cause}").trim_end());
        text.push('\n');
        // What is over needs no remedy.
        if finding["ongoing"] == true
            && let Some(help) = finding["help"].as_str()
        {
            text.push_str(&format!("{:<first$}  help: {}\n", "", printable(help)));
        }
    }
    let earnings = word(&said["earnings"]["text"]);
    text.push_str(format!("{:<first$}  {earnings}", "earnings").trim_end());
    text.push('\n');
    text
}

/// `13:10-13:42`, `14:07`, `13:10-now`, and with the day where that is not the day of the answer.
fn span(finding: &Value, answered: Option<LocalTime>) -> String {
    let Some(from) = time(&finding["from"]) else { return "?".into() };
    let begin = from.shown(answered);
    if finding["ongoing"] == true {
        return format!("{begin}-now");
    }
    match time(&finding["to"]) {
        Some(to) if to != from => format!("{begin}-{}", to.shown(Some(from))),
        _ => begin,
    }
}

fn time(text: &Value) -> Option<LocalTime> {
    local(parse_rfc3339(text.as_str()?)?)
}

fn word(text: &Value) -> String {
    text.as_str().map(printable).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn finding(from: &str, to: &str, ongoing: bool, what: &str, cause: &str) -> Value {
        let day = "2026-11-22T";
        json!({ "code": "x", "from": format!("{day}{from}Z"), "to": format!("{day}{to}Z"), "ongoing": ongoing,
            "what": what, "cause": cause, "help": "do\u{7} it" })
    }

    /// The times of day depend on the time zone of who runs this: only their form is looked at.
    fn form(text: &str) -> String {
        let digits = |letter: char| if letter.is_ascii_digit() { '0' } else { letter };
        text.lines()
            .map(|line| line[..13].chars().map(digits).collect::<String>() + &line[13..] + "\n")
            .collect()
    }

    #[test]
    fn findings_are_lines_and_what_lasts_has_help() {
        let said = json!({
            "from": "2026-11-22T12:00:00.000Z", "to": "2026-11-22T14:10:00.000Z",
            "findings": [
                finding("13:10:00.000", "13:42:10.000", false, "cpu0 -31 %", "firefox used 3.6 cores"),
                finding("14:07:00.000", "14:07:00.000", false, "1 stale share", "a new job\u{1b}[2J"),
                finding("14:08:00.000", "14:10:00.000", true, "gpu0 paused", "86 C"),
            ],
            "earnings": { "text": "-2.3 % against the raw rate" },
        });
        assert_eq!(
            form(&explanation(&said)),
            "00:00-00:00  cpu0 -31 %     firefox used 3.6 cores\n\
             00:00        1 stale share  a new job\u{fffd}[2J\n\
             00:00-now    gpu0 paused    86 C\n\
            \x20            help: do\u{fffd} it\n\
             earnings     -2.3 % against the raw rate\n"
        );
    }

    #[test]
    fn nothing_is_said_to_be_nothing_and_other_forms_are_shown_as_far_as_they_go() {
        let said = json!({ "from": "2026-11-22T12:00:00Z", "to": "2026-11-22T14:00:00Z", "findings": [],
            "earnings": { "text": "none" } });
        let text = explanation(&said);
        assert!(text.contains("  nothing was out of the ordinary since then\n"), "{text}");
        let odd = json!({ "findings": [{ "from": 7, "what": null }, 5] });
        assert_eq!(explanation(&odd), "?\n?\nearnings\n");
    }
}
