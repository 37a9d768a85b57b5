//! What was measured, over time.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::lists::{no_device, query};
use crate::api::time::rfc3339;
use crate::api::{ApiError, ApiState};
use crate::clock::unix_seconds;
use crate::records::Metric;

/// What is shown without a wish, in seconds.
const USUAL_SPAN_S: u64 = 3600;
/// Seconds between two points without a wish: what the finest rows have.
const USUAL_STEP_S: u64 = 10;
/// Latest time that is taken, in seconds since 1970: the end of the year 9999.
const LATEST_S: u64 = 253_402_300_799;

/// What to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// What was measured.
    metric: Metric,
    /// Of which device; without it, of the rig.
    device: Option<String>,
    /// From when, in seconds since 1970; without it, an hour before the end.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    from: Option<u64>,
    /// Until when; without it, now.
    #[param(minimum = 0, maximum = 253_402_300_799_i64)]
    to: Option<u64>,
    /// Seconds from one point to the next, longer where there would be more than 2000.
    #[param(minimum = 1, maximum = 253_402_300_799_i64)]
    step: Option<u64>,
}

/// A metric over time.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HistoryAnswer {
    /// What was measured.
    metric: Metric,
    /// Of which device; `null` is the rig.
    device: Option<String>,
    /// Oldest first.
    points: Vec<Point>,
}

/// One stretch of time.
#[derive(Debug, Serialize, ToSchema)]
struct Point {
    /// Its start, in RFC 3339.
    time: String,
    /// `null` where nothing is known.
    value: Option<f64>,
}

/// What was measured over time: ten seconds fine for a day, five minutes fine for 30 days.
#[utoipa::path(get, path = "/api/v1/history", tag = "history", params(Wanted),
    responses((status = 200, body = HistoryAnswer, description = "2000 points at most")))]
pub(super) async fn history(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<HistoryAnswer>, ApiError> {
    let Wanted { metric, device, from, to, step } = query(wanted)?;
    let bad = |message: &str| {
        let help = "from and to are seconds since 1970, step is seconds";
        ApiError::new(StatusCode::BAD_REQUEST, "bad-query", message, help)
    };
    if [from, to, step].into_iter().flatten().any(|time| time > LATEST_S) || step == Some(0) {
        return Err(bad("the query cannot be read: a time is out of range"));
    }
    if let Some(device) = &device
        && !state.board.snapshot().devices.iter().any(|known| known.id == *device)
    {
        return Err(no_device());
    }
    // Of what is at most `LATEST_S`, no second is lost.
    #[allow(clippy::cast_precision_loss)]
    let seconds = |time: u64| time as f64;
    let to_s = to.map_or_else(unix_seconds, seconds);
    let from_s = from.map_or((to_s - seconds(USUAL_SPAN_S)).max(0.0), seconds);
    let step_s = seconds(step.unwrap_or(USUAL_STEP_S));
    let points = state.records.history(metric, device.as_deref(), from_s, to_s, step_s);
    let points = points.into_iter().map(|(time_s, value)| Point { time: rfc3339(time_s), value });
    Ok(Json(HistoryAnswer { metric, device, points: points.collect() }))
}
