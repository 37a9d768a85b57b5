//! What costs hashrate or safety on this machine.

use std::sync::{Arc, Weak};
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

/// What was seen last. One look at a time, those included that nobody waits for any more.
#[derive(Debug, Clone, Default)]
pub(super) struct Keeper(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    /// When, and what.
    seen: Option<(Instant, Vec<Finding>)>,
    /// Held by the last look until it ends.
    look: Weak<()>,
}

impl Keeper {
    /// What was seen within [`FRESH`], else what `look` sees; it may block, and its threads hold what it is given until
    /// they end. While they have not, there is no other look: a sensor that hangs would keep a thread of each.
    async fn findings(
        &self,
        look: impl FnOnce(Arc<()>) -> Vec<Finding> + Send + 'static,
    ) -> Option<Vec<Finding>> {
        let kept = Arc::clone(&self.0);
        // Of its own, so that a look goes on and is kept when who asked for it goes away.
        let looked = tokio::spawn(async move {
            let mut kept = kept.lock().await;
            let is_looking = kept.look.strong_count() > 0;
            match &kept.seen {
                Some((at, findings)) if is_looking || at.elapsed() < FRESH => return Some(findings.clone()),
                None if is_looking => return Some(vec![doctor::no_answer()]),
                _ => {}
            }
            let held = Arc::new(());
            kept.look = Arc::downgrade(&held);
            let findings = tokio::task::spawn_blocking(move || look(held)).await.ok()?;
            kept.seen = Some((Instant::now(), findings.clone()));
            Some(findings)
        });
        looked.await.ok()?
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
    let look = move |held: Arc<()>| {
        let seen = doctor::examine_holding(Places::of_this_machine(), inputs, held);
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
            keeper.findings(move |_held| {
                looks.fetch_add(1, Ordering::SeqCst);
                vec![Finding::green("clock", "right")]
            })
        };
        let (first, second) = tokio::join!(ask(), ask());
        assert_eq!(first.as_ref().map(Vec::len), Some(1));
        assert_eq!((first, looks.load(Ordering::SeqCst)), (second, 1));
    }

    #[tokio::test]
    async fn there_is_no_other_look_before_the_last_one_has_ended() {
        let keeper = Keeper::default();
        let (tell, told) = std::sync::mpsc::channel();
        let hangs = move |held: Arc<()>| {
            let _ = tell.send(held);
            vec![doctor::no_answer()]
        };
        assert_eq!(keeper.findings(hangs).await, Some(vec![doctor::no_answer()]));
        let held = told.recv().unwrap();
        let sees = |_held: Arc<()>| vec![Finding::green("clock", "right")];
        // However long ago that was.
        keeper.0.lock().await.seen = None;
        assert_eq!(keeper.findings(sees).await, Some(vec![doctor::no_answer()]));
        drop(held);
        assert_eq!(keeper.findings(sees).await, Some(vec![Finding::green("clock", "right")]));
    }
}
