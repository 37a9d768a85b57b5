//! Whether it runs, and whether it mines: for systemd, Docker, Kubernetes.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::{ApiError, ApiState};
use crate::engine::{DeviceState, Snapshot, State as Doing};

/// The process is there. Needs no token anywhere.
#[utoipa::path(get, path = "/healthz", tag = "health",
    responses((status = 200, content_type = "text/plain", body = String, description = "It runs")))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// It is ready.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ready {
    /// What the miner does: `mining` or `paused`.
    #[schema(value_type = String, example = "mining")]
    state: &'static str,
}

/// There is a pool that is up and a device that hashes, or would if nobody had asked for a pause. Who is paused on
/// purpose, by heat or by the clock, need not be started again.
#[utoipa::path(get, path = "/readyz", tag = "health",
    responses((status = 200, body = Ready, description = "It mines, or is paused")))]
pub(super) async fn readyz(State(state): State<ApiState>) -> Result<Json<Ready>, ApiError> {
    let snapshot = state.board.snapshot();
    match missing(&snapshot) {
        None => Ok(Json(Ready { state: snapshot.state.name() })),
        Some(what) => {
            let help = "GET /api/v1/status says more";
            let error = ApiError::new(StatusCode::SERVICE_UNAVAILABLE, "not-ready", what, help);
            Err(error.retry_after(1))
        }
    }
}

/// What keeps it from being ready.
fn missing(snapshot: &Snapshot) -> Option<&'static str> {
    let works = |state| matches!(state, DeviceState::Mining | DeviceState::Paused);
    if snapshot.state == Doing::Stopping {
        Some("the miner ends")
    } else if !snapshot.pools.iter().any(|pool| pool.is_up) {
        Some("no pool is up")
    } else if !snapshot.devices.iter().any(|device| works(device.state)) {
        Some("no device mines")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{DeviceSnapshot, PoolSnapshot};

    #[test]
    fn ready_is_who_mines_or_is_paused() {
        let mut snapshot = Snapshot::default();
        assert_eq!(missing(&snapshot), Some("no pool is up"));
        snapshot.pools =
            vec![PoolSnapshot::default(), PoolSnapshot { is_up: true, ..PoolSnapshot::default() }];
        assert_eq!(missing(&snapshot), Some("no device mines"));
        snapshot.devices = vec![DeviceSnapshot::default()];
        for (state, ready) in [
            (DeviceState::Starting, false),
            (DeviceState::Mining, true),
            (DeviceState::Paused, true),
            (DeviceState::Idle, false),
            (DeviceState::Lost, false),
            (DeviceState::Benched, false),
            (DeviceState::Unusable, false),
        ] {
            snapshot.devices[0].state = state;
            assert_eq!(missing(&snapshot).is_none(), ready, "{state:?}");
        }
        snapshot.devices[0].state = DeviceState::Mining;
        snapshot.state = Doing::Stopping;
        assert_eq!(missing(&snapshot), Some("the miner ends"));
    }
}
