//! SHA-256d, Bitcoin's proof of work: SHA-256 of the SHA-256 of an 80-byte header.

mod reference;

pub(crate) use self::reference::ScalarReference;
pub use self::reference::{INITIAL, ROUND, compress, sha256, sha256d};
