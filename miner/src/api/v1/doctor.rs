//! What costs hashrate or safety on this machine.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::State;
use axum::http::StatusCode;
use axum::{Extension, Json};
use tokio::sync::Mutex;

use super::explain::explain_json;
use super::status::View;
use crate::api::{ApiError, ApiState};
use crate::doctor::{self, Finding, Report};
use crate::explain::USUAL_SPAN;
use crate::setup::Places;

/// The machine is looked at no more often than this; who asks meanwhile gets what was seen last.
const FRESH: Duration = Duration::from_secs(10);

/// What was seen last. One look at a time.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper(Arc<Mutex<Option<Seen>>>);

/// When, and what.
type Seen = (Instant, Vec<Finding>);

impl Keeper {
    /// What was seen within [`FRESH`], else what `look` sees; it may block.
    async fn findings(&self, look: impl FnOnce() -> Vec<Finding> + Send + 'static) -> Option<Vec<Finding>> {
        let mut kept = self.0.lock().await;
        if let Some((at, findings)) = &*kept
            && at.elapsed() < FRESH
        {
            return Some(findings.clone());
        }
        let findings = tokio::task::spawn_blocking(look).await.ok()?;
        *kept = Some((Instant::now(), findings.clone()));
        Some(findings)
    }
}

/// Everything that costs hashrate or safety, the most urgent first: the machine as it was within the last ten
/// seconds, and the miner as it is.
#[utoipa::path(get, path = "/api/v1/doctor", tag = "state",
    responses((status = 200, body = Report, description = "100 findings at most")))]
pub(super) async fn doctor(
    State(state): State<ApiState>,
    Extension(keeper): Extension<Keeper>,
) -> Result<Json<Report>, ApiError> {
    let inputs = state.about.examined.clone();
    let look = move || {
        let seen = doctor::examine(Places::of_this_machine(), inputs);
        seen.unwrap_or_else(|| vec![doctor::no_answer()])
    };
    let Some(mut findings) = keeper.findings(look).await else {
        let error = ApiError::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "busy",
            "the machine could not be looked at",
            "try again in a moment",
        );
        return Err(error.retry_after(1));
    };
    let status = serde_json::to_value(View::new(&state).status()).unwrap_or_default();
    let records = Arc::clone(&state.records);
    let explained = tokio::task::spawn_blocking(move || explain_json(&records, USUAL_SPAN)).await;
    findings.extend(doctor::judge_running(&status, explained.ok().as_ref()));
    Ok(Json(doctor::report(findings)))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_machine_is_looked_at_once_however_many_ask() {
        let (keeper, looks) = (Keeper::default(), Arc::new(AtomicUsize::new(0)));
        let ask = || {
            let looks = Arc::clone(&looks);
            keeper.findings(move || {
                looks.fetch_add(1, Ordering::SeqCst);
                vec![Finding::green("clock", "right")]
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(first.as_ref().map(Vec::len), Some(1));
        assert_eq!((first, looks.load(Ordering::SeqCst)), (second, 1));
    }
}
