//! `rminer status`

use std::io::{IsTerminal, Write};
use std::time::Duration;

use hyper::body::Bytes;
use serde_json::Value;

use super::remote::{Interface, runtime};
use crate::cli::{Context, StatusArgs};
use crate::exit::Exit;
use crate::problem::Problem;

/// Time between two looks.
const WATCH_EVERY: Duration = Duration::from_secs(2);
/// Clears a terminal and puts the cursor at its top.
const CLEAR: &str = "\x1b[H\x1b[2J\x1b[3J";

/// Shows what a running miner does.
pub(super) fn run(args: &StatusArgs, context: &Context<'_>) -> Exit {
    let outcome = Interface::new(&args.remote, context)
        .and_then(|interface| Ok((runtime()?, interface)))
        .and_then(|(runtime, interface)| {
            runtime.block_on(async {
                if args.watch { watch(&interface, context).await } else { once(&interface, context).await }
            })
        });
    outcome.unwrap_or_else(|problem| {
        context.report(&[problem]);
        Exit::Failed
    })
}

async fn once(interface: &Interface, context: &Context<'_>) -> Result<Exit, Problem> {
    Ok(context.print(&text(interface, context).await?))
}

/// Until nobody reads any more. A miner that goes away later may come back.
async fn watch(interface: &Interface, context: &Context<'_>) -> Result<Exit, Problem> {
    let is_terminal = std::io::stdout().is_terminal() && !context.globals().json;
    let mut first = true;
    loop {
        match text(interface, context).await {
            Ok(text) if is_terminal => {
                if context.print(&format!("{CLEAR}{text}")) != Exit::Done {
                    return Ok(Exit::Failed);
                }
            }
            Ok(text) => {
                let gap = if first || context.globals().json { "" } else { "\n" };
                // A reader that has seen enough ends this, and is no fault.
                let mut output = std::io::stdout().lock();
                if write!(output, "{gap}{text}").and_then(|()| output.flush()).is_err() {
                    return Ok(Exit::Done);
                }
            }
            Err(problem) if first => return Err(problem),
            Err(problem) => context.report(&[problem]),
        }
        first = false;
        tokio::time::sleep(WATCH_EVERY).await;
    }
}

/// The answer as it is shown, with a newline at the end.
async fn text(interface: &Interface, context: &Context<'_>) -> Result<String, Problem> {
    let answer: Bytes = interface.get("/api/v1/status").await?;
    let status = serde_json::from_slice::<Value>(&answer).ok().filter(|status| status["api"] == 1);
    let status = status.ok_or_else(|| interface.stranger("its status is of another form"))?;
    if context.globals().json {
        let mut text = String::from_utf8_lossy(&answer).into_owned();
        if !text.ends_with('\n') {
            text.push('\n');
        }
        return Ok(text);
    }
    Ok(crate::ui::status(&status))
}
