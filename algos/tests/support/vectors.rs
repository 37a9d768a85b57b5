//! The vector file, and the suite that every engine passes.
#![allow(dead_code, reason = "each test program uses its part")]

use rminer_algos::{Hash, decode_hex, decode_hex_array, registry};

pub(crate) struct Vector {
    pub(crate) key: Vec<u8>,
    pub(crate) input: Vec<u8>,
    pub(crate) hash: Hash,
}

pub(crate) struct Item {
    pub(crate) key: Vec<u8>,
    pub(crate) index: u64,
    pub(crate) start: u64,
}

#[derive(serde::Deserialize)]
struct File {
    hashes: Vec<HashRow>,
    items: Vec<ItemRow>,
}

#[derive(serde::Deserialize)]
struct HashRow {
    key: String,
    input: String,
    hash: String,
}

#[derive(serde::Deserialize)]
struct ItemRow {
    key: String,
    index: u64,
    start: String,
}

fn file() -> File {
    serde_json::from_str(registry::RANDOMX.vectors).unwrap()
}

/// All hashes, those of one key together.
pub(crate) fn vectors() -> Vec<Vector> {
    let row = |row: HashRow| Vector {
        key: decode_hex(&row.key).unwrap(),
        input: decode_hex(&row.input).unwrap(),
        hash: Hash(decode_hex_array(&row.hash).unwrap()),
    };
    let rows: Vec<_> = file().hashes.into_iter().map(row).collect();
    assert!(rows.len() >= 7, "the vector file lost rows");
    rows
}

/// The dataset items.
pub(crate) fn items() -> Vec<Item> {
    let row = |row: ItemRow| Item {
        key: decode_hex(&row.key).unwrap(),
        index: row.index,
        start: u64::from_str_radix(&row.start, 16).unwrap(),
    };
    let rows: Vec<_> = file().items.into_iter().map(row).collect();
    assert!(rows.len() >= 4, "the vector file lost rows");
    rows
}

/// Runs every vector on an engine that hashes `input` under `key`.
pub(crate) fn conforms(engine: &str, mut hash: impl FnMut(&[u8], &[u8]) -> Hash) {
    for (row, vector) in vectors().iter().enumerate() {
        assert_eq!(hash(&vector.key, &vector.input), vector.hash, "{engine}, vector {row}");
    }
}
