//! What has happened, the settings, and what may be asked.

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::control::{MAX_PAUSE_S, MIN_DUTY_PERCENT};
use super::model;
use super::status::View;
use crate::api::time::rfc3339;
use crate::api::{ApiError, ApiState};
use crate::records::{Event, RecentShare};

/// The whole state in one answer.
#[utoipa::path(get, path = "/api/v1/status", tag = "state",
    responses((status = 200, body = model::Status, description = "The state")))]
pub(super) async fn status(State(state): State<ApiState>) -> Json<model::Status> {
    Json(View::new(&state).status())
}

/// All devices.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Devices {
    devices: Vec<model::Device>,
}

/// All devices.
#[utoipa::path(get, path = "/api/v1/devices", tag = "state",
    responses((status = 200, body = Devices, description = "In order of their names")))]
pub(super) async fn devices(State(state): State<ApiState>) -> Json<Devices> {
    Json(Devices { devices: View::new(&state).devices() })
}

/// One device.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "state",
    params(("id" = String, Path, description = "Name of the device, such as cpu0")),
    responses((status = 200, body = model::Device, description = "The device")))]
pub(super) async fn device(
    State(state): State<ApiState>,
    Path(id): Path<String>,
) -> Result<Json<model::Device>, ApiError> {
    let devices = View::new(&state).devices();
    match devices.into_iter().find(|device| device.id == id) {
        Some(device) => Ok(Json(device)),
        None => Err(no_device()),
    }
}

/// No device has this name.
pub(super) fn no_device() -> ApiError {
    let help = "GET /api/v1/devices lists them";
    ApiError::new(StatusCode::NOT_FOUND, "no-such-device", "there is no device of this name", help)
}

/// All threads.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Threads {
    threads: Vec<model::Thread>,
}

/// Every worker thread of every device.
#[utoipa::path(get, path = "/api/v1/threads", tag = "state",
    responses((status = 200, body = Threads, description = "In order of the devices")))]
pub(super) async fn threads(State(state): State<ApiState>) -> Json<Threads> {
    Json(Threads { threads: View::new(&state).threads() })
}

/// All pools.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Pools {
    pools: Vec<model::Pool>,
}

/// All pools of the configuration, in its order.
#[utoipa::path(get, path = "/api/v1/pools", tag = "state",
    responses((status = 200, body = Pools, description = "In order of the configuration")))]
pub(super) async fn pools(State(state): State<ApiState>) -> Json<Pools> {
    Json(Pools { pools: View::new(&state).pools() })
}

/// Where to go on.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Since {
    /// Number of the last entry that is known already; without it, all that is kept.
    pub(super) since: Option<u64>,
}

/// Largest number of an entry: what every reader of JSON can hold.
pub(super) const MAX_ID: u64 = i64::MAX as u64;

/// The last entry that is known already.
pub(super) fn since_of(since: Result<Query<Since>, QueryRejection>) -> Result<Option<u64>, ApiError> {
    let since = query(since)?.since;
    match since {
        Some(id) if id > MAX_ID => {
            let message = format!("the query cannot be read: since is at most {MAX_ID}");
            let help = "give what `last` was in an earlier answer";
            Err(ApiError::new(StatusCode::BAD_REQUEST, "bad-query", message, help))
        }
        since => Ok(since),
    }
}

/// What the query says.
pub(super) fn query<T>(query: Result<Query<T>, QueryRejection>) -> Result<T, ApiError> {
    query.map(|Query(query)| query).map_err(|rejection| {
        let message = format!("the query cannot be read: {}", rejection.body_text());
        let help = "GET /api/v1/openapi.json says what this path takes";
        ApiError::new(StatusCode::BAD_REQUEST, "bad-query", message, help)
    })
}

/// The last shares.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ShareList {
    /// Oldest first.
    shares: Vec<Share>,
    /// What to give as `since` next time.
    last: u64,
}

/// A share and what became of it.
#[derive(Debug, Serialize, ToSchema)]
struct Share {
    /// Counts up from 1 since the start.
    id: u64,
    /// Number of the share: of entries with the same one, the last is right.
    share: u64,
    /// When it got its verdict, in RFC 3339.
    time: String,
    /// Its pool, from 1.
    pool: usize,
    /// Who found it.
    device: String,
    /// `accepted`, `rejected`, `stale`, `no-reply`, `lost` or `not-sent`.
    #[schema(value_type = String, example = "accepted")]
    verdict: &'static str,
    /// Class of the refusal, or why it was not sent.
    #[schema(value_type = Option<String>)]
    reason: Option<&'static str>,
    /// The pool's words.
    text: Option<String>,
    /// Hashes that a share of its job takes, on average.
    difficulty_hashes: f64,
    /// Hashes that one as good as this takes, on average.
    hash_difficulty_hashes: f64,
    /// Whether it solves a block, as far as the job tells.
    block: bool,
    /// From sending to the answer.
    answer_ms: Option<f64>,
    /// Why it was stale.
    #[schema(value_type = Option<String>)]
    stale_cause: Option<&'static str>,
    /// Whether the answer came after it had been given up.
    late: bool,
}

impl From<RecentShare> for Share {
    fn from(share: RecentShare) -> Self {
        Self {
            id: share.id,
            share: share.share,
            time: rfc3339(share.time_s),
            pool: share.pool + 1,
            device: share.device,
            verdict: share.verdict,
            reason: Some(share.reason).filter(|reason| !reason.is_empty()),
            text: share.text,
            difficulty_hashes: share.difficulty_hashes,
            hash_difficulty_hashes: share.hash_difficulty_hashes,
            block: share.block,
            answer_ms: share.answer_ms,
            stale_cause: share.stale_cause.map(crate::records::StaleCause::name),
            late: share.late,
        }
    }
}

/// The last shares, one by one.
#[utoipa::path(get, path = "/api/v1/shares", tag = "history", params(Since),
    responses((status = 200, body = ShareList, description = "The last 500 at most")))]
pub(super) async fn shares(
    State(state): State<ApiState>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<ShareList>, ApiError> {
    let since = since_of(since)?.unwrap_or_default();
    let shares: Vec<Share> = state.records.recent_shares(since).into_iter().map(Share::from).collect();
    let last = shares.last().map_or(since, |share| share.id);
    Ok(Json(ShareList { shares, last }))
}

/// The last events.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct EventList {
    /// Oldest first.
    events: Vec<EventItem>,
    /// What to give as `since` next time.
    last: u64,
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
struct EventItem {
    /// Counts up from 1 since the start.
    id: u64,
    /// When, in RFC 3339.
    time: String,
    /// `share`, `job`, `pool`, `device`, `state` or `alert`.
    #[schema(value_type = String, example = "share")]
    kind: &'static str,
    /// Its fields.
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

impl EventItem {
    fn new(event: &Event) -> Self {
        let data = RawValue::from_string(event.json.clone());
        Self {
            id: event.id,
            time: rfc3339(event.time_s),
            kind: event.kind,
            // What is written to the ring is JSON always.
            data: data.unwrap_or_else(|_| RawValue::NULL.to_owned()),
        }
    }
}

/// The last events, as the stream has them.
#[utoipa::path(get, path = "/api/v1/events", tag = "history", params(Since),
    responses((status = 200, body = EventList, description = "The last 1000 at most")))]
pub(super) async fn events(
    State(state): State<ApiState>,
    since: Result<Query<Since>, QueryRejection>,
) -> Result<Json<EventList>, ApiError> {
    let since = since_of(since)?.unwrap_or_default();
    let events: Vec<EventItem> =
        state.records.events.after(since).iter().map(|event| EventItem::new(event)).collect();
    let last = events.last().map_or(since, |event| event.id);
    Ok(Json(EventList { events, last }))
}

/// The settings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConfigAnswer {
    settings: Vec<Setting>,
}

/// A setting as it was at the start.
#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    /// Its name in the file.
    key: String,
    /// The pool that it is of, from 1.
    pool: Option<usize>,
    /// Its value as written; secrets are `***`, users are shortened.
    value: String,
    /// Where it comes from: `default`, or flag, environment or line of the file.
    origin: String,
}

/// The settings that were in force at the start, and where each comes from.
#[utoipa::path(get, path = "/api/v1/config", tag = "state",
    responses((status = 200, body = ConfigAnswer, description = "Without secrets")))]
pub(super) async fn config(State(state): State<ApiState>) -> Json<ConfigAnswer> {
    let settings = state.about.config.iter().map(|row| Setting {
        key: row.key.to_owned(),
        pool: row.pool,
        value: match row.key {
            "user" => crate::wallet::shown_user(&row.value),
            _ => row.value.clone(),
        },
        origin: row.origin.clone(),
    });
    Json(ConfigAnswer { settings: settings.collect() })
}

/// What orders may ask.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Constraints {
    /// Length of a pause, in seconds; `null` lasts until someone resumes.
    pause_for_s: Constraint,
    /// Share of its time that a device may hash, in percent; `null` takes the limit back.
    limit_duty_percent: Constraint,
    /// Number of a pool.
    switch_pool: Constraint,
}

/// What a number may be.
#[derive(Debug, Serialize, ToSchema)]
struct Constraint {
    min: u64,
    max: u64,
    step: u64,
    /// What holds when nothing is said.
    default: Option<u64>,
    /// Whether it may be asked at all: that needs a token.
    allowed: bool,
}

/// What orders may ask: bounds of every number.
#[utoipa::path(get, path = "/api/v1/constraints", tag = "control",
    responses((status = 200, body = Constraints, description = "Bounds of every number")))]
pub(super) async fn constraints(State(state): State<ApiState>) -> Json<Constraints> {
    let allowed = state.about.takes_orders;
    let pools = u64::try_from(state.about.pools.len()).unwrap_or(u64::MAX);
    let constraint = |min, max, default| Constraint { min, max, step: 1, default, allowed };
    Json(Constraints {
        pause_for_s: constraint(1, MAX_PAUSE_S, None),
        limit_duty_percent: constraint(MIN_DUTY_PERCENT.into(), 100, Some(100)),
        switch_pool: constraint(1, pools, None),
    })
}
