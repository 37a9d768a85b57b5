//! `rminer config show`

use std::fmt::Write;

use crate::cli::Context;
use crate::config::keys::Key;
use crate::config::toml_text::literal;
use crate::config::{Layers, Pools, Shown, resolve};
use crate::exit::Exit;

/// Prints what flags, environment and file come to.
pub(super) fn run(origin: bool, context: &Context<'_>) -> Exit {
    let (layers, problems) = context.layers();
    let resolution = match resolve(&layers, Pools::Optional, context.globals()) {
        Ok(resolution) if problems.is_empty() => resolution,
        // Prints what both found.
        _ => return context.resolve(Pools::Optional).err().unwrap_or(Exit::Usage),
    };
    context.report(&resolution.settings.warnings);
    let shown: Vec<&Shown> =
        resolution.shown.iter().filter(|shown| !shown.text.is_empty() || shown.origin.is_some()).collect();
    if context.globals().json {
        return context.print_json(&resolution.settings.effective);
    }
    context.print(&document(&shown, &layers, origin))
}

/// The settings in the form of a config file.
fn document(shown: &[&Shown], layers: &Layers, with_origin: bool) -> String {
    let mut text = String::new();
    let section =
        |shown: &Shown| match (shown.pool, Key::of(shown.setting).file.and_then(|path| path.split_once('.')))
        {
            (Some(pool), _) => Some((format!("[[pool]] # {}", pool + 1), 0)),
            (None, Some((section, _))) => Some((format!("[{section}]"), 1)),
            (None, None) => None,
        };
    let mut order: Vec<&&Shown> = shown.iter().collect();
    // Stable: top first, then pools, then sections by name; the order of resolving inside.
    order.sort_by_key(|shown| {
        section(shown).map(|(name, rank)| (rank, if rank == 0 { String::new() } else { name }))
    });
    let mut heading = None;
    for shown in order {
        let key = Key::of(shown.setting);
        let Some(name) = key.file_name() else { continue };
        let new = section(shown).map(|(name, _)| name);
        if new != heading {
            let _ = writeln!(text, "\n{}", new.as_deref().unwrap_or_default());
            heading = new;
        }
        let line = format!("{name} = {}", literal(key, &shown.text));
        let _ = match with_origin {
            true => writeln!(text, "{line:<50} # {}", place(shown, layers)),
            false => writeln!(text, "{line}"),
        };
    }
    text
}

fn place(shown: &Shown, layers: &Layers) -> String {
    shown.origin.as_ref().map_or_else(|| "default".to_owned(), |origin| layers.place(origin))
}
