//! `rminer algos`

use rminer_algos::Algorithm;
use rminer_algos::registry::ALGORITHMS;
use serde::Serialize;

use super::table::table;
use crate::cli::Context;
use crate::devices::kinds;
use crate::exit::Exit;

#[derive(Serialize)]
struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    wire_names: &'static [&'static str],
    coins: &'static [&'static str],
    devices: Vec<&'static str>,
    /// CPU kernels, best first.
    kernels: Vec<&'static str>,
}

/// Prints the algorithms.
pub(super) fn run(context: &Context<'_>) -> Exit {
    if context.globals().json {
        let rows = ALGORITHMS.iter().map(|known| Row {
            name: known.name,
            aliases: known.aliases,
            wire_names: known.wire_names,
            coins: known.coins,
            devices: kinds(known),
            kernels: known.kernels.iter().map(|kernel| kernel.name).collect(),
        });
        return context.print_json(&rows.collect::<Vec<_>>());
    }
    let heading = ["ALGORITHM", "DEVICES", "ALSO WRITTEN", "COINS"].map(str::to_owned);
    let row = |known: &&Algorithm| {
        [known.name.to_owned(), kinds(known).join(", "), known.aliases.join(", "), known.coins.join(", ")]
    };
    let rows: Vec<_> = std::iter::once(heading).chain(ALGORITHMS.iter().map(row)).collect();
    context.print(&table(&rows))
}
