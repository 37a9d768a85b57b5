//! Every RandomX engine against the vector file, and the engines against each other.
#![cfg(feature = "randomx")]
#![allow(clippy::unwrap_used, reason = "a failing test should say where")]

mod vectors;

use rminer_algos::randomx::{Flags, LightReference};
use vectors::conforms;

#[test]
fn light_engine_conforms() {
    let mut engine = LightReference::default();
    conforms("light", |key, input| engine.hash_with_key(key, input).unwrap());
}

#[test]
fn light_interpreter_conforms() {
    let mut engine = LightReference::with_flags(Flags::detect().interpreted());
    conforms("light interpreter", |key, input| engine.hash_with_key(key, input).unwrap());
}
