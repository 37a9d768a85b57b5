//! Answers in the shapes of other programs, so that tools made for those work unchanged: xmrig's for its own dashboards
//! and all that reads them, Hive OS's for its agent. Shapes are theirs, values are ours.

mod hive;
mod machine;
mod rpc;
mod xmrig;

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Extension, Json, Router};
use rminer_algos::registry::ALGORITHMS;
use serde_json::{Value, json};

use self::machine::Machine;
use self::xmrig::Form;
use super::ApiState;
use crate::engine::Rates;

pub(super) fn routes() -> Router<ApiState> {
    let first =
        get(|state: State<ApiState>, machine: Extension<Arc<Machine>>| summary(state, machine, Form::First));
    let second =
        get(|state: State<ApiState>, machine: Extension<Arc<Machine>>| summary(state, machine, Form::Second));
    Router::new()
        .route("/1/summary", first.clone())
        .route("/api.json", first)
        .route("/2/summary", second)
        .route("/2/backends", get(backends))
        .route("/compat/hive", get(hive))
        .merge(rpc::routes())
        // Looked at once: none of it changes while the miner runs.
        .layer(Extension(Arc::new(Machine::detect())))
}

async fn summary(
    State(state): State<ApiState>,
    Extension(machine): Extension<Arc<Machine>>,
    form: Form,
) -> Json<Value> {
    Json(xmrig::summary(&state.about, &state.board.snapshot(), &state.records.statistics(), &machine, form))
}

async fn backends(State(state): State<ApiState>, Extension(machine): Extension<Arc<Machine>>) -> Json<Value> {
    Json(xmrig::backends(&state.about, &state.board.snapshot(), &machine))
}

async fn hive(State(state): State<ApiState>) -> Json<Value> {
    Json(hive::stats(&state.about, &state.board.snapshot()))
}

/// The name that tools of other miners know an algorithm by: `rx/0` for RandomX, else ours.
fn wire_name(algorithm: &'static str) -> &'static str {
    let known = ALGORITHMS.iter().find(|known| known.name == algorithm);
    known.and_then(|known| known.wire_names.first()).copied().unwrap_or(algorithm)
}

/// The windows that all of these tools know: 10 s, 60 s, 15 min, in hashes per second; `null` before anything was seen.
fn windows(rates: &Rates) -> Value {
    json!([rate(rates.s10_hs), rate(rates.s60_hs), rate(rates.m15_hs)])
}

/// A rate with two decimals.
fn rate(rate_hs: Option<f64>) -> Option<f64> {
    rate_hs.map(|rate_hs| (rate_hs * 100.0).round() / 100.0)
}

/// A positive number without its fraction.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // saturates
fn whole(number: f64) -> u64 {
    number.round() as u64
}

#[cfg(test)]
mod tests;
