//! Why things were as they were.

use std::time::Duration;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::lists::query;
use crate::api::time::rfc3339;
use crate::api::{ApiError, ApiState};
use crate::explain::{Earnings, Explanation, Finding, USUAL_SPAN, explain as explanation};
use crate::records::Records;

/// Longest time that is looked back, in seconds: 30 days.
const MAX_SPAN_S: u64 = 30 * 86_400;

/// How far to look back.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Back {
    /// Seconds; without it, two hours. What is known goes back to the start of the miner, and for 24 hours at most.
    #[param(minimum = 1, maximum = 2_592_000)]
    since: Option<u64>,
}

/// What was not as usual, and why.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::api) struct ExplainAnswer {
    /// Beginning of what is explained, in RFC 3339.
    from: String,
    /// Its end.
    to: String,
    /// In the order of their beginnings, 200 at most.
    findings: Vec<FindingItem>,
    /// What pools credited against what was hashed.
    earnings: EarningsItem,
}

/// Something that was not as usual.
#[derive(Debug, Serialize, ToSchema)]
struct FindingItem {
    /// Stable name of its kind: `foreign-load`, `throttled`, `huge-pages-lost`, `pool-latency`, `stale`, `rejected`,
    /// `device-lost`, `paused`, `held-back`, `no-pool`, `history-stopped`, `clock-jump`, `memory-pressure`,
    /// `job-change` or `rate-fell`.
    #[schema(value_type = String, example = "foreign-load")]
    code: &'static str,
    /// Which device; `null` is the rig.
    device: Option<String>,
    /// Its beginning, in RFC 3339.
    from: String,
    /// Its end, or now while it lasts.
    to: String,
    /// Whether it lasts.
    ongoing: bool,
    /// What was not as usual, in a few words.
    #[schema(example = "cpu0 -31 %")]
    what: String,
    /// Change of the rate in percent, where it is one.
    effect_pct: Option<f64>,
    /// Why, with numbers.
    #[schema(example = "firefox used 3.6 cores")]
    cause: String,
    /// What to do about it.
    #[schema(value_type = Option<String>)]
    help: Option<&'static str>,
}

/// What pools credited against what was hashed.
#[derive(Debug, Serialize, ToSchema)]
struct EarningsItem {
    /// In words.
    text: String,
    /// The difference in percent; `null` without a share.
    luck_pct: Option<f64>,
    /// How far chance alone may move it, in percent: it holds 19 of 20 times.
    ci95_pct: Option<f64>,
    /// Shares that it is made of.
    shares: u64,
}

impl ExplainAnswer {
    /// Of the last `span`.
    fn new(records: &Records, span: Duration) -> Self {
        let Explanation { from, to, findings, earnings } = explanation(&records.trace(), span);
        Self {
            from: rfc3339(from.time_s),
            to: rfc3339(to.time_s),
            findings: findings.into_iter().map(FindingItem::from).collect(),
            earnings: EarningsItem::from(earnings),
        }
    }
}

impl From<Finding> for FindingItem {
    fn from(finding: Finding) -> Self {
        Self {
            code: finding.code,
            device: finding.device,
            from: rfc3339(finding.from.time_s),
            to: rfc3339(finding.to.time_s),
            ongoing: finding.ongoing,
            what: finding.what,
            effect_pct: finding.effect_pct,
            cause: finding.cause,
            help: finding.help,
        }
    }
}

impl From<Earnings> for EarningsItem {
    fn from(earnings: Earnings) -> Self {
        let Earnings { text, luck_pct, ci95_pct, shares } = earnings;
        Self { text, luck_pct, ci95_pct, shares }
    }
}

/// What the interface answers for the last `span`, for screens in this process.
pub fn explain_json(records: &Records, span: Duration) -> serde_json::Value {
    // Of numbers that are none JSON has `null`, so that nothing can fail.
    serde_json::to_value(ExplainAnswer::new(records, span)).unwrap_or_default()
}

/// Why the rate fell, shares were stale, or a device paused: what changed in the same time, with numbers.
#[utoipa::path(get, path = "/api/v1/explain", tag = "history", params(Back),
    responses((status = 200, body = ExplainAnswer, description = "200 findings at most")))]
pub(super) async fn explain(
    State(state): State<ApiState>,
    back: Result<Query<Back>, QueryRejection>,
) -> Result<Json<ExplainAnswer>, ApiError> {
    let since_s = query(back)?.since.unwrap_or(USUAL_SPAN.as_secs());
    if !(1..=MAX_SPAN_S).contains(&since_s) {
        let message = format!("the query cannot be read: since is from 1 to {MAX_SPAN_S}");
        return Err(ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad-query",
            message,
            "since is seconds to look back",
        ));
    }
    // A day of observations takes a while to be gone through; other requests need not wait for it.
    let answer =
        tokio::task::spawn_blocking(move || ExplainAnswer::new(&state.records, Duration::from_secs(since_s)));
    match answer.await {
        Ok(answer) => Ok(Json(answer)),
        Err(_) => Err(ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-ready",
            "the explanation was not made: the miner ends",
            "ask again later",
        )),
    }
}
