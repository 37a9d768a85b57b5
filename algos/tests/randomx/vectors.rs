//! The vector file, and the suite that every engine passes.

use rminer_algos::{Hash, decode_hex, registry};

pub(crate) struct Vector {
    pub(crate) key: Vec<u8>,
    pub(crate) input: Vec<u8>,
    pub(crate) hash: Hash,
}

/// All vectors, those of one key together.
pub(crate) fn vectors() -> Vec<Vector> {
    #[derive(serde::Deserialize)]
    struct Row {
        key: String,
        input: String,
        hash: String,
    }
    #[derive(serde::Deserialize)]
    struct File {
        hashes: Vec<Row>,
    }
    let file: File = serde_json::from_str(registry::RANDOMX.vectors).unwrap();
    let rows: Vec<Vector> = file
        .hashes
        .iter()
        .map(|row| Vector {
            key: decode_hex(&row.key).unwrap(),
            input: decode_hex(&row.input).unwrap(),
            hash: Hash(rminer_algos::decode_hex_array(&row.hash).unwrap()),
        })
        .collect();
    assert!(rows.len() >= 7, "the vector file lost rows");
    rows
}

/// Runs every vector on an engine that hashes `input` under `key`.
pub(crate) fn conforms(engine: &str, mut hash: impl FnMut(&[u8], &[u8]) -> Hash) {
    for (row, vector) in vectors().iter().enumerate() {
        assert_eq!(hash(&vector.key, &vector.input), vector.hash, "{engine}, vector {row}");
    }
}
