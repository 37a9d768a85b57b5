//! `rminer config migrate`

use std::path::Path;

use super::xmrig;
use crate::cli::Context;
use crate::config::{read_text, toml_text};
use crate::exit::Exit;
use crate::problem::Problem;

/// Prints the TOML that an xmrig file means, and names what it leaves out.
pub(super) fn run(path: &Path, context: &Context<'_>) -> Exit {
    let source = match read_text(path) {
        Ok(source) => source,
        Err(problem) => return context.fail(&[problem]),
    };
    let translation = match xmrig::translate(&source) {
        Ok(translation) => translation,
        Err(problem) => return context.fail(&[problem]),
    };
    let mut heading = vec![format!("Made from {} by `rminer config migrate`.", path.display())];
    if !translation.dropped.is_empty() {
        heading.push(format!("Left out, having no meaning here: {}.", translation.dropped.join(", ")));
    }
    let mut warnings = Vec::new();
    for loss in &translation.losses {
        heading.push(format!("Left out: {loss}."));
        warnings.push(Problem::warning("migrate", format!("left out: {loss}")));
    }
    context.report(&warnings);
    context.print(&toml_text::document(&translation.layer, &heading))
}
