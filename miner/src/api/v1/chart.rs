//! What the page draws: a few metrics of the rig over the last hours, as short as JSON allows.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::lists::query;
use crate::api::{ApiError, ApiState};
use crate::clock::unix_seconds;
use crate::records::Metric;

/// Longest time that is shown, in hours.
pub(in crate::api) const HOURS: u32 = 24;
/// Points in an answer: ten minutes each for a day, 25 seconds for an hour.
const POINTS: u32 = 144;
/// Finest steps that are kept, in seconds.
const FINEST_S: f64 = 10.0;

/// How much to show.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// How many hours back; without it, 24.
    #[param(minimum = 1, maximum = 24)]
    hours: Option<u32>,
}

/// Metrics of the rig side by side: each value is of one step, the first one begins at `from_s`.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct Chart {
    /// Begin of the first step, in seconds since 1970.
    pub from_s: u64,
    /// Length of a step, in seconds.
    pub step_s: f64,
    /// What the devices computed, in hashes per second.
    pub raw_hs: Vec<Option<f64>>,
    /// What pools credited, in hashes per second.
    pub effective_hs: Vec<Option<f64>>,
    /// Hottest place, in degrees Celsius.
    pub temp_c: Vec<Option<f64>>,
}

impl Chart {
    /// The last `hours`.
    pub(in crate::api) fn new(state: &ApiState, hours: u32, points: u32) -> Self {
        let span_s = f64::from(hours) * 3600.0;
        let step_s = (span_s / f64::from(points.max(1))).max(FINEST_S);
        let from_s = (unix_seconds() - span_s).max(0.0).floor();
        let of = |metric| {
            let history = state.records.history(metric, None, from_s, from_s + span_s, step_s);
            history.into_iter().map(|(_, value)| value.filter(|v| v.is_finite()).map(short)).collect()
        };
        Self {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time since 1970")]
            from_s: from_s as u64,
            step_s,
            raw_hs: of(Metric::RawHs),
            effective_hs: of(Metric::EffectiveHs),
            temp_c: of(Metric::TempC),
        }
    }
}

/// Four digits are more than an eye sees in a chart.
fn short(value: f64) -> f64 {
    if value == 0.0 {
        return 0.0;
    }
    let scale = 10f64.powf(3.0 - value.abs().log10().floor());
    let rounded = (value * scale).round() / scale;
    if rounded.is_finite() { rounded } else { value }
}

/// What the page draws: rates and heat of the rig over the last hours, in 144 steps.
#[utoipa::path(get, path = "/api/v1/chart", tag = "history", params(Wanted),
    responses((status = 200, body = Chart, description = "All lists are of one length")))]
pub(super) async fn chart(
    State(state): State<ApiState>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Result<Json<Chart>, ApiError> {
    let hours = query(wanted)?.hours.unwrap_or(HOURS);
    if !(1..=HOURS).contains(&hours) {
        let message = format!("the query cannot be read: hours is from 1 to {HOURS}");
        let help = "GET /api/v1/history shows more than a day";
        return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad-query", message, help));
    }
    Ok(Json(Chart::new(&state, hours, POINTS)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_keep_four_digits() {
        for (value, shown) in [
            (0.0, 0.0),
            (64.0, 64.0),
            (123_456_789.0, 123_500_000.0),
            (0.012_345, 0.012_35),
            (-71.26, -71.26),
        ] {
            assert!((short(value) - shown).abs() < shown.abs() * 1e-9 + 1e-12, "{value}: {}", short(value));
        }
        assert!(short(f64::MIN_POSITIVE).is_finite() && short(f64::MAX).is_finite());
    }
}
