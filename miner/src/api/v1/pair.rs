//! How other devices are let in: the owner asks for a code, the device shows it and gets a token.

use std::time::Instant;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::header::USER_AGENT;
use axum::http::{HeaderMap, StatusCode};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;

use super::control::read;
use crate::api::pairing::{CODE_LIFE, MAX_PAIRED, Refusal, Scope};
use crate::api::time::rfc3339;
use crate::api::{ApiError, ApiState, Peer};
use crate::clock::unix_seconds;

/// A code, as it was read off the rig's terminal.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PairOrder {
    /// Small letters, spaces and hyphens do not matter.
    code: String,
    /// What the device is called in the list; without it, by its browser.
    name: Option<String>,
}

/// A token of the device's own.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Admitted {
    /// To be sent as `Authorization: Bearer`. It is shown this once.
    token: String,
    /// What it may do.
    scope: Scope,
    /// Number in the list of paired devices.
    number: u32,
}

/// Lets a device in for a code.
#[utoipa::path(post, path = "/api/v1/pair", tag = "pairing", request_body = PairOrder,
    responses((status = 200, body = Admitted, description = "Its token, this once")))]
pub(super) async fn pair(
    State(state): State<ApiState>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Admitted>, ApiError> {
    let PairOrder { code, name } = read(&body)?;
    let browser =
        || headers.get(USER_AGENT).map(|agent| String::from_utf8_lossy(agent.as_bytes()).into_owned());
    let name = name.filter(|name| !name.trim().is_empty()).or_else(browser).unwrap_or_default();
    let outcome = state.pairing.pair(&code, &name, Instant::now(), unix_seconds());
    let from = peer.map(|Extension(peer)| peer.remote.to_string());
    let (name, ok) = match &outcome {
        Ok((_, paired)) => (Some(paired.name.as_str()), true),
        Err(_) => (None, false),
    };
    let words = if ok { "let in" } else { "not let in" };
    let fields = json!({ "order": "pair", "name": name, "from": from, "ok": ok, "outcome": words });
    state.records.events.add("state", &fields);
    let (token, paired) = outcome.map_err(refused)?;
    Ok(Json(Admitted { token, scope: paired.scope, number: paired.number }))
}

/// What a new device may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CodeOrder {
    /// `read` or `control`; without it, `control`.
    #[schema(example = "control")]
    scope: Option<NewScope>,
}

/// What a new device may do.
#[derive(Debug, Clone, Copy, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum NewScope {
    /// Look.
    Read,
    /// Look and give orders.
    Control,
}

/// A code for one device.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Offered {
    /// Eight characters.
    code: String,
    /// What the device may do.
    scope: Scope,
    /// How long the code is good.
    expires_s: u64,
    /// Where this interface listens.
    bind: Option<String>,
    /// Name of the rig.
    name: String,
}

/// Asks for a code that lets one device in. Only the owner's token does that.
#[utoipa::path(post, path = "/api/v1/control/pair", tag = "pairing", request_body = CodeOrder,
    responses((status = 200, body = Offered, description = "A code; the one before it is no longer good")))]
pub(super) async fn code(State(state): State<ApiState>, body: Bytes) -> Result<Json<Offered>, ApiError> {
    let CodeOrder { scope } = read(&body)?;
    let scope = match scope {
        Some(NewScope::Read) => Scope::Read,
        Some(NewScope::Control) | None => Scope::Control,
    };
    let code = state.pairing.offer(scope, Instant::now()).map_err(refused)?;
    let bind = state.about.bind.map(|bind| bind.to_string());
    Ok(Json(Offered { code, scope, expires_s: CODE_LIFE.as_secs(), bind, name: state.about.rig.clone() }))
}

/// Which device.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnpairOrder {
    /// Its number in the list; without it, all.
    number: Option<u32>,
}

/// What became of it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Unpaired {
    /// In words.
    result: String,
}

/// Lets devices in no longer. Only the owner's token does that.
#[utoipa::path(post, path = "/api/v1/control/unpair", tag = "pairing", request_body = UnpairOrder,
    responses((status = 200, body = Unpaired, description = "Their tokens are worth nothing any more")))]
pub(super) async fn unpair(State(state): State<ApiState>, body: Bytes) -> Result<Json<Unpaired>, ApiError> {
    let UnpairOrder { number } = read(&body)?;
    let gone = state.pairing.forget(number).map_err(refused)?;
    if let (0, Some(number)) = (gone, number) {
        let message = format!("there is no paired device {number}");
        let help = "GET /api/v1/paired lists them";
        return Err(ApiError::new(StatusCode::NOT_FOUND, "no-such-pairing", message, help));
    }
    let fields =
        json!({ "order": "unpair", "number": number, "ok": true, "outcome": format!("{gone} forgotten") });
    state.records.events.add("state", &fields);
    let result = match gone {
        0 => "no device was paired".to_owned(),
        1 => "1 device is let in no longer".to_owned(),
        count => format!("{count} devices are let in no longer"),
    };
    Ok(Json(Unpaired { result }))
}

/// The devices that are let in.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct PairedList {
    paired: Vec<PairedDevice>,
}

/// A device that is let in.
#[derive(Debug, Serialize, ToSchema)]
struct PairedDevice {
    /// For `unpair`.
    number: u32,
    /// As it called itself.
    name: String,
    /// What it may do.
    scope: Scope,
    /// Since when, in RFC 3339.
    since: String,
}

/// The devices that are let in, without their tokens.
#[utoipa::path(get, path = "/api/v1/paired", tag = "pairing",
    responses((status = 200, body = PairedList, description = "In order of their coming")))]
pub(super) async fn paired(State(state): State<ApiState>) -> Json<PairedList> {
    let device = |paired: crate::api::pairing::Paired| PairedDevice {
        number: paired.number,
        name: paired.name,
        scope: paired.scope,
        since: rfc3339(paired.since_s),
    };
    Json(PairedList { paired: state.pairing.list().into_iter().map(device).collect() })
}

fn refused(refusal: Refusal) -> ApiError {
    match refusal {
        Refusal::WrongCode => ApiError::new(
            StatusCode::FORBIDDEN,
            "wrong-code",
            "this code is wrong, was used, or is too old",
            "type on the rig: rminer ctl pair",
        ),
        Refusal::Full => ApiError::new(
            StatusCode::CONFLICT,
            "too-many-paired",
            format!("{MAX_PAIRED} devices are paired, and no more can be"),
            "forget one: rminer ctl paired, rminer ctl unpair NUMBER",
        ),
        Refusal::System => ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "not-kept",
            "the list of paired devices cannot be kept",
            "is the disk full, or the state folder of rminer not writable?",
        ),
    }
}
