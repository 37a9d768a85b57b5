//! `rminer explain`

mod show;

use serde_json::Value;

use super::remote::{Interface, runtime};
use crate::cli::{Context, ExplainArgs};
use crate::exit::Exit;
use crate::explain::{USUAL_SPAN, codes};
use crate::problem::{Problem, printable};
use crate::suggest::closest;

/// Says why a running miner's rate fell, or what a code means.
pub(super) fn run(args: &ExplainArgs, context: &Context<'_>) -> Exit {
    if args.list {
        return list(context);
    }
    if let Some(code) = &args.code {
        return explain_code(code, context);
    }
    match ask(args, context) {
        Ok(text) => context.print(&text),
        Err(problem) => {
            context.report(&[problem]);
            Exit::Failed
        }
    }
}

fn ask(args: &ExplainArgs, context: &Context<'_>) -> Result<String, Problem> {
    let interface = Interface::new(&args.remote, context)?;
    let since_s = args.since.unwrap_or(USUAL_SPAN).as_secs();
    let answer = runtime()?.block_on(interface.get(&format!("/api/v1/explain?since={since_s}")))?;
    let said = serde_json::from_slice::<Value>(&answer).ok().filter(|said| said["findings"].is_array());
    let said = said.ok_or_else(|| interface.stranger("its explanation is of another form"))?;
    if context.globals().json {
        let mut text = String::from_utf8_lossy(&answer).into_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        return Ok(text);
    }
    Ok(show::explanation(&said))
}

/// All codes with what they mean.
fn list(context: &Context<'_>) -> Exit {
    if context.globals().json {
        return context.print_json(&codes::all().collect::<Vec<_>>());
    }
    let rows: Vec<_> = codes::all().map(|entry| [entry.code.to_owned(), entry.meaning.to_owned()]).collect();
    context.print(&super::table::table(&rows))
}

fn explain_code(typed: &str, context: &Context<'_>) -> Exit {
    // As it stands in a message: `error[wallet-checksum]`.
    let code = typed.trim().trim_end_matches([']', ':']);
    let code = code.rsplit('[').next().unwrap_or(code).to_lowercase();
    let Some(entry) = codes::find(&code) else {
        let problem = Problem::error("no-such-code", format!("there is no code `{}`", printable(typed)));
        let known: Vec<&str> = codes::all().map(|entry| entry.code).collect();
        let near = closest(&code, &known);
        let problem = match near {
            Some(near) => problem.help(format!("did you mean rminer explain {near}?")),
            None => problem,
        };
        return context.fail(&[problem.help("rminer explain --list has all of them")]);
    };
    if context.globals().json {
        return context.print_json(entry);
    }
    context.print(&entry.to_string())
}
