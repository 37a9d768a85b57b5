//! `rminer ctl`

mod pair;
mod qr;

use std::time::Duration;

use serde_json::{Value, json};

use super::remote::{Interface, runtime};
use crate::cli::{Context, CtlArgs, OrderArgs, Which};
use crate::exit::Exit;
use crate::problem::{Problem, printable};

/// Gives a running miner an order, and says what holds then.
pub(super) fn run(args: &CtlArgs, context: &Context<'_>) -> Exit {
    match give(args, context) {
        Ok((answer, said)) => {
            if context.globals().json {
                return context.print(&answer);
            }
            context.print(&(said + "\n"))
        }
        Err(problem) => {
            context.report(&[problem]);
            Exit::Failed
        }
    }
}

fn give(args: &CtlArgs, context: &Context<'_>) -> Result<(String, String), Problem> {
    let interface = Interface::new(&args.remote, context)?;
    match args.order {
        OrderArgs::Pair { read, ascii } => return pair::offer(&interface, context, read, ascii),
        OrderArgs::Paired => return pair::list(&interface),
        _ => {}
    }
    let (name, body) = request(&args.order);
    let path = format!("/api/v1/control/{name}");
    let answer = runtime()?.block_on(interface.post(&path, &body))?;
    let text = String::from_utf8_lossy(&answer).into_owned();
    let said = serde_json::from_slice::<Value>(&answer).unwrap_or_default();
    let said = said["result"].as_str().map(printable);
    let said = said.ok_or_else(|| interface.stranger("its answer to an order has no words"))?;
    Ok((text, said))
}

/// The route and the body for an order.
fn request(order: &OrderArgs) -> (&'static str, Value) {
    match order {
        OrderArgs::Pause { length: Some(length), .. } => {
            ("pause", json!({ "for_s": whole_seconds(*length) }))
        }
        OrderArgs::Pause { length: None, device: Some(device) } => ("pause", json!({ "device": device })),
        OrderArgs::Pause { length: None, device: None } => ("pause", json!({})),
        OrderArgs::Resume { device: Some(device) } => ("resume", json!({ "device": device })),
        OrderArgs::Resume { device: None } => ("resume", json!({})),
        OrderArgs::Reload => ("reload", json!({})),
        OrderArgs::Pool { number } => ("switch-pool", json!({ "pool": number })),
        OrderArgs::Limit { percent, device } => {
            ("limit", json!({ "duty_percent": percent, "device": device }))
        }
        OrderArgs::Unpair { which: Which::All } => ("unpair", json!({})),
        OrderArgs::Unpair { which: Which::Number(number) } => ("unpair", json!({ "number": number })),
        // Asked for above; as an order it would be the same.
        OrderArgs::Pair { .. } | OrderArgs::Paired => ("pair", json!({})),
    }
}

/// At least as long as was asked for.
fn whole_seconds(length: Duration) -> u64 {
    length.as_secs().saturating_add(u64::from(length.subsec_nanos() > 0))
}
