//! The native interface, version 1.

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::ApiState;

pub(super) fn routes() -> Router<ApiState> {
    Router::new().route("/healthz", get(async || "ok\n")).route("/api/v1/status", get(status))
}

async fn status(State(state): State<ApiState>) -> Json<Value> {
    let snapshot = state.board.snapshot();
    Json(json!({
        "api": 1,
        "name": state.about.rig,
        "version": env!("CARGO_PKG_VERSION"),
        "state": snapshot.state,
        "uptime_s": snapshot.uptime.as_secs_f64(),
    }))
}
