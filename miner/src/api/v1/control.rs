//! Orders. None can name a pool, a wallet or a file that is not configured. Each is told to everybody who watches.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::error::Category;
use serde_json::{Map, Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;
use utoipa::ToSchema;

use super::lists::no_device;
use crate::api::{ApiError, ApiState, Peer};
use crate::config::MAX_POOLS;
use crate::engine::{Command, Duty, Order};

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest pause with an end.
pub(super) const MAX_PAUSE_S: u64 = 366 * 24 * 3600;
/// Lowest limit; below it is a pause.
pub(super) const MIN_DUTY_PERCENT: u8 = 1;

/// What became of an order.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Done {
    /// What holds now, in words.
    result: String,
}

/// A pause.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PauseOrder {
    /// How long; without it, until someone resumes.
    #[schema(minimum = 1, maximum = 31_622_400)]
    for_s: Option<u64>,
    /// Which device; without it, all. One alone pauses until it is resumed, without `for_s`.
    device: Option<String>,
}

/// The end of a pause.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ResumeOrder {
    /// Which device; without it, all.
    device: Option<String>,
}

/// Nothing to say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PlainOrder {}

/// Another pool.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PoolOrder {
    /// Its place in the configuration, from 1.
    #[schema(minimum = 1, maximum = 32)]
    pool: usize,
}

/// A limit.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitOrder {
    /// Which device; without it, all.
    device: Option<String>,
    /// Share of its time that it may hash, at most; without it, the limit is taken back.
    #[schema(minimum = 1, maximum = 100)]
    duty_percent: Option<u8>,
}

/// Stop hashing, for a while or until someone resumes.
#[utoipa::path(post, path = "/api/v1/control/pause", tag = "control", request_body = PauseOrder,
    responses((status = 200, body = Done, description = "It pauses")))]
pub(super) async fn pause(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Result<Json<Done>, ApiError> {
    let PauseOrder { for_s, device } = read(&body)?;
    if for_s.is_some_and(|seconds| !(1..=MAX_PAUSE_S).contains(&seconds)) {
        return Err(out_of_range("for_s", 1, MAX_PAUSE_S));
    }
    let command = match &device {
        None => Command::Pause { length: for_s.map(Duration::from_secs) },
        Some(_) if for_s.is_some() => {
            return Err(bad_order("a pause of one device has no end: leave for_s out".into()));
        }
        Some(device) => pause_device(&state, device, true)?,
    };
    order(&state, peer, command, json!({ "order": "pause", "for_s": for_s, "device": device })).await
}

/// Take a pause back.
#[utoipa::path(post, path = "/api/v1/control/resume", tag = "control", request_body = ResumeOrder,
    responses((status = 200, body = Done, description = "Nobody wants a pause any more")))]
pub(super) async fn resume(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Result<Json<Done>, ApiError> {
    let ResumeOrder { device } = read(&body)?;
    let command = match &device {
        None => Command::Resume,
        Some(device) => pause_device(&state, device, false)?,
    };
    order(&state, peer, command, json!({ "order": "resume", "device": device })).await
}

/// The order to pause a device, or to let it go on, if there is one of this name.
fn pause_device(state: &ApiState, device: &str, pause: bool) -> Result<Command, ApiError> {
    if state.board.snapshot().devices.iter().any(|known| known.id == device) {
        return Ok(Command::PauseDevice { device: device.to_owned(), pause });
    }
    Err(no_device())
}

/// Read the configuration again. Limits hold at once, all else at the next start.
#[utoipa::path(post, path = "/api/v1/control/reload", tag = "control", request_body = PlainOrder,
    responses((status = 200, body = Done, description = "It was read again")))]
pub(super) async fn reload(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Result<Json<Done>, ApiError> {
    let PlainOrder {} = read(&body)?;
    order(&state, peer, Command::Reload, json!({ "order": "reload" })).await
}

/// Mine for another of the configured pools.
#[utoipa::path(post, path = "/api/v1/control/switch-pool", tag = "control", request_body = PoolOrder,
    responses((status = 200, body = Done, description = "It is tried, or mined for")))]
pub(super) async fn switch_pool(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Result<Json<Done>, ApiError> {
    let PoolOrder { pool } = read(&body)?;
    if !(1..=MAX_POOLS).contains(&pool) {
        return Err(out_of_range("pool", 1, MAX_POOLS));
    }
    if pool > state.about.pools.len() {
        let message = format!("there is no pool {pool}");
        let help = "GET /api/v1/pools lists those of the configuration; no others can be switched to";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "no-such-pool", message, help));
    }
    order(&state, peer, Command::SwitchPool(pool - 1), json!({ "order": "switch-pool", "pool": pool })).await
}

/// Hold a device back, or no longer. Never above what the settings allow.
#[utoipa::path(post, path = "/api/v1/control/limit", tag = "control", request_body = LimitOrder,
    responses((status = 200, body = Done, description = "The limit holds")))]
pub(super) async fn limit(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    body: Bytes,
) -> Result<Json<Done>, ApiError> {
    let LimitOrder { device, duty_percent } = read(&body)?;
    if duty_percent.is_some_and(|percent| !(MIN_DUTY_PERCENT..=100).contains(&percent)) {
        return Err(out_of_range("duty_percent", MIN_DUTY_PERCENT, 100));
    }
    if let Some(device) = &device
        && !state.board.snapshot().devices.iter().any(|known| known.id == *device)
    {
        return Err(no_device());
    }
    let duty = duty_percent.map(|percent| Duty::from_permille(u16::from(percent) * 10));
    let fields = json!({ "order": "limit", "device": device, "duty_percent": duty_percent });
    order(&state, peer, Command::Limit { device, duty }, fields).await
}

pub(super) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    // By way of an object: a list would be taken for the fields in order.
    let fields = serde_json::from_slice::<Map<String, Value>>(body);
    let order = fields.and_then(|mut fields| {
        fields.values_mut().for_each(make_whole);
        serde_json::from_value(Value::Object(fields))
    });
    order.map_err(|error| match error.classify() {
        Category::Data => bad_order(format!("the body does not fit: {error}")),
        Category::Syntax | Category::Eof | Category::Io => ApiError::new(
            StatusCode::BAD_REQUEST,
            "bad-json",
            format!("the body is no JSON: {error}"),
            "send a JSON object, {} if there is nothing to say",
        ),
    })
}

/// Numbers that a float holds exactly, all from 0 up to here.
const MAX_WHOLE: f64 = 9_007_199_254_740_992.0;

/// To JSON, `600.0` is as much of an integer as `600`.
fn make_whole(value: &mut Value) {
    if let Some(number) = value.as_f64().filter(|_| value.is_f64())
        && number.fract() == 0.0
        && (0.0..=MAX_WHOLE).contains(&number)
    {
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let whole = number as u64;
        *value = whole.into();
    }
}

fn bad_order(message: String) -> ApiError {
    let help = "GET /api/v1/openapi.json says what this path takes";
    ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "bad-order", message, help)
}

fn out_of_range(name: &str, min: impl std::fmt::Display, max: impl std::fmt::Display) -> ApiError {
    bad_order(format!("{name} must be from {min} to {max}"))
}

/// Gives an order to the engine, waits for what becomes of it, and writes down who asked.
async fn order(
    state: &ApiState,
    peer: Option<Extension<Peer>>,
    command: Command,
    mut fields: Value,
) -> Result<Json<Done>, ApiError> {
    let outcome = obeyed(state, command).await;
    fields["from"] = peer.map(|Extension(peer)| peer.remote.to_string()).into();
    fields["ok"] = outcome.is_ok().into();
    fields["outcome"] = match &outcome {
        Ok(result) => result.as_str().into(),
        Err(error) => error.message.as_str().into(),
    };
    state.records.events.add("state", &fields);
    outcome.map(|result| Json(Done { result }))
}

async fn obeyed(state: &ApiState, command: Command) -> Result<String, ApiError> {
    let unavailable = |code, message: &str| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, code, message, "try again").retry_after(1)
    };
    let (answer, answered) = oneshot::channel();
    if state.orders.try_send(Order { command, answer }).is_err() {
        return Err(unavailable("busy", "too many orders wait already, or the miner ends"));
    }
    match timeout(PATIENCE, answered).await {
        Ok(Ok(Ok(result))) => Ok(result),
        Ok(Ok(Err(refusal))) => {
            let help = refusal.help.join("; ");
            Err(ApiError::new(StatusCode::CONFLICT, refusal.code, refusal.summary, help))
        }
        Ok(Err(_)) => Err(unavailable("stopping", "the miner ends")),
        Err(_) => Err(unavailable(
            "no-answer",
            "the miner has not answered in time; the order may hold all the same",
        )),
    }
}
