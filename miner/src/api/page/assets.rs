//! Style and script of the page, in the binary. Each has a name with a hash of its content: a browser keeps it for ever,
//! and a new version of the program is a new name.

use ring::digest::{SHA256, digest};
use rminer_algos::encode_hex;

/// Digits of the hash in a name.
const HASH_DIGITS: usize = 16;

/// A file of the page.
#[derive(Debug)]
pub(super) struct Asset {
    /// In addresses.
    pub(super) name: String,
    /// SHA-256, cut.
    pub(super) hash: String,
    /// Media type.
    pub(super) kind: &'static str,
    pub(super) content: &'static str,
}

/// All files of the page.
#[derive(Debug)]
pub(super) struct Assets {
    pub(super) style: Asset,
    pub(super) script: Asset,
    pub(super) chart_style: Asset,
    pub(super) chart_script: Asset,
    pub(super) icon: Asset,
}

impl Assets {
    pub(super) fn new() -> Self {
        let (css, js) = ("text/css; charset=utf-8", "text/javascript; charset=utf-8");
        let asset = |stem: &str, end: &str, kind, content: &'static str| {
            let mut hash = encode_hex(digest(&SHA256, content.as_bytes()).as_ref());
            hash.truncate(HASH_DIGITS);
            Asset { name: format!("{stem}-{hash}.{end}"), hash, kind, content }
        };
        Self {
            style: asset("page", "css", css, include_str!("../../../page/page.css")),
            script: asset("page", "js", js, include_str!("../../../page/page.js")),
            chart_style: asset("uplot", "css", css, include_str!("../../../page/uplot/uPlot.min.css")),
            chart_script: asset("uplot", "js", js, include_str!("../../../page/uplot/uPlot.iife.min.js")),
            icon: asset("icon", "svg", "image/svg+xml", include_str!("../../../page/icon.svg")),
        }
    }

    pub(super) fn all(&self) -> [&Asset; 5] {
        [&self.style, &self.script, &self.chart_style, &self.chart_script, &self.icon]
    }

    /// The file of a name.
    pub(super) fn named(&self, name: &str) -> Option<&Asset> {
        self.all().into_iter().find(|asset| asset.name == name)
    }
}
