//! The native interface, version 1.

mod chart;
mod control;
mod doctor;
mod explain;
mod headline;
mod health;
mod history;
mod lists;
mod model;
mod openapi;
mod pair;
mod status;
mod stream;

use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};

use super::ApiState;

pub use explain::explain_json;

/// Every route: the router is made from this list, and a test compares the document with it.
fn list() -> Vec<(&'static str, MethodRouter<ApiState>)> {
    vec![
        ("/healthz", get(health::healthz)),
        ("/readyz", get(health::readyz)),
        ("/api/v1/status", get(lists::status)),
        ("/api/v1/devices", get(lists::devices)),
        ("/api/v1/devices/{id}", get(lists::device)),
        ("/api/v1/threads", get(lists::threads)),
        ("/api/v1/pools", get(lists::pools)),
        ("/api/v1/shares", get(lists::shares)),
        ("/api/v1/events", get(lists::events)),
        ("/api/v1/history", get(history::history)),
        ("/api/v1/doctor", get(doctor::doctor)),
        ("/api/v1/explain", get(explain::explain)),
        ("/api/v1/chart", get(chart::chart)),
        ("/api/v1/config", get(lists::config)),
        ("/api/v1/constraints", get(lists::constraints)),
        ("/api/v1/stream", get(stream::stream)),
        ("/api/v1/openapi.json", get(openapi::openapi)),
        ("/api/v1/paired", get(pair::paired)),
        ("/api/v1/pair", post(pair::pair)),
        ("/api/v1/control/pair", post(pair::code)),
        ("/api/v1/control/unpair", post(pair::unpair)),
        ("/api/v1/control/pause", post(control::pause)),
        ("/api/v1/control/resume", post(control::resume)),
        ("/api/v1/control/reload", post(control::reload)),
        ("/api/v1/control/switch-pool", post(control::switch_pool)),
        ("/api/v1/control/limit", post(control::limit)),
    ]
}

pub(super) use chart::{Chart, HOURS};
pub(super) use model::{Pool, Status};
pub(super) use status::View;

pub(super) fn routes() -> Router<ApiState> {
    let routes = list().into_iter();
    let router = routes.fold(Router::new(), |router, (path, method)| router.route(path, method));
    router.layer(Extension(stream::Places::default())).layer(Extension(doctor::Keeper::default()))
}

#[cfg(test)]
pub(super) use tests::samples;

#[cfg(test)]
mod tests;
