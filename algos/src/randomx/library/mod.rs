//! RandomX version 1 on the C library, behind owner types that cannot be misused.
//!
//! Whoever reads memory holds it shared, whoever fills it holds it alone, so the borrow checker sees what the
//! library only documents. Every allocation can fail and says so.

mod cache;
mod dataset;
mod ffi;
mod flags;
mod float;
mod giant;
mod shell;
mod vm;

use std::ffi::c_uint;

pub(super) use self::cache::Cache;
pub(super) use self::dataset::{Dataset, Fill, item_count};
pub use self::flags::Flags;
pub(super) use self::vm::Vm;
use super::Pages;

/// The bit that asks for these pages.
fn flag(pages: Pages) -> c_uint {
    match pages {
        Pages::Normal => 0,
        Pages::Huge | Pages::Giant => ffi::LARGE_PAGES,
    }
}
