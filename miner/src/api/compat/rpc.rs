//! What xmrig lets people ask by HTTP: a pause and its end. All else is refused in its words.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use axum::{Json, Router};
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::api::ApiState;
use crate::engine::{Command, Order};

/// How long an order may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// JSON-RPC's codes.
const PARSE_ERROR: i32 = -32_700;
const METHOD_NOT_FOUND: i32 = -32_601;
/// Not carried out; the first of those that JSON-RPC leaves to servers.
const REFUSED: i32 = -32_000;

pub(super) fn routes() -> Router<ApiState> {
    Router::new()
        .route("/json_rpc", post(json_rpc))
        // Wallets and pools are nobody's business from afar; xmrig answers the same while it is restricted.
        .route("/1/config", any(forbidden))
        .route("/2/config", any(forbidden))
}

async fn forbidden() -> Response {
    refusal(StatusCode::FORBIDDEN, "FORBIDDEN")
}

fn refusal(status: StatusCode, word: &str) -> Response {
    (status, Json(json!({ "status": status.as_u16(), "error": word }))).into_response()
}

pub(super) async fn json_rpc(State(state): State<ApiState>, body: Bytes) -> Response {
    let Ok(Value::Object(request)) = serde_json::from_slice(&body) else {
        return error(&Value::Null, PARSE_ERROR, "Parse error");
    };
    let id = request.get("id").filter(|id| id.is_number() || id.is_string()).cloned().unwrap_or_default();
    let command = match request.get("method").and_then(Value::as_str) {
        Some("pause") => Command::Pause { length: None },
        Some("resume") => Command::Resume,
        // Who may not start it again from afar should not end it from afar.
        Some("stop") => return forbidden().await,
        _ => return error(&id, METHOD_NOT_FOUND, "Method not found"),
    };
    match order(&state, command).await {
        Ok(()) => Json(json!({ "id": id, "jsonrpc": "2.0", "result": { "status": "OK" } })).into_response(),
        Err(reason) => error(&id, REFUSED, &reason),
    }
}

fn error(id: &Value, code: i32, message: &str) -> Response {
    Json(json!({ "id": id, "jsonrpc": "2.0", "error": { "code": code, "message": message } })).into_response()
}

/// Gives an order to the engine and waits for what becomes of it.
async fn order(state: &ApiState, command: Command) -> Result<(), String> {
    let (answer, answered) = oneshot::channel();
    state
        .orders
        .try_send(Order { command, answer })
        .map_err(|_| "too many orders wait already".to_owned())?;
    match timeout(PATIENCE, answered).await {
        Ok(Ok(outcome)) => outcome.map(drop).map_err(|refusal| refusal.summary),
        Ok(Err(_)) => Err("the miner ends".into()),
        Err(_) => Err("the miner has not answered in time".into()),
    }
}
