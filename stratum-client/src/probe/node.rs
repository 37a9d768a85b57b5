//! The part of a probe that asks a node over HTTP.

use std::sync::Arc;
use std::time::Instant;

use tokio::time::timeout;

use super::{Progress, Step, StepReport, short};
use crate::connect::{Dialer, Route};
use crate::dialect::{Dialect, HttpFailure, HttpReply, HttpRequest, Out, Outbox};
use crate::endpoint::PoolConfig;
use crate::http::{HttpClient, HttpError};

/// Exchanges after which a node that has neither a template nor an excuse is given up.
const MAX_EXCHANGES: usize = 100;

struct Talk {
    node: HttpClient,
    dialect: Box<dyn Dialect>,
}

/// From the first answer to the next look at the chain.
pub(super) async fn talk(
    dialer: Arc<Dialer>,
    dialect: Box<dyn Dialect>,
    pool: &PoolConfig,
    tell: &mut impl FnMut(StepReport),
) -> bool {
    let limits = dialect.limits();
    let limit = limits.login.max(limits.first_job) * Route::to_pool(pool).patience();
    let mut talk = Talk { node: HttpClient::new(dialer, pool), dialect };
    let mut progress = Progress::new("node", format!("blocks pay {}", short(&pool.credentials.user)), tell);
    let ended = timeout(limit, talk.until_job(&mut progress)).await;
    if !progress.arrived(ended, limit) {
        return false;
    }
    talk.keepalive(tell).await
}

impl Talk {
    async fn until_job<T: FnMut(StepReport)>(
        &mut self,
        progress: &mut Progress<'_, T>,
    ) -> Result<(), String> {
        let mut out = Outbox::default();
        self.dialect.start(Instant::now(), &mut out);
        for _ in 0..MAX_EXCHANGES {
            for wanted in out.take() {
                match wanted {
                    Out::Http(request) => self.exchange(&request, &mut out).await?,
                    Out::Event(event) => {
                        if let Some(end) = progress.event(event) {
                            return end;
                        }
                    }
                    Out::Close(reason) => return Err(reason.to_string()),
                    Out::Line(_) | Out::Message(_) | Out::HangUp => {}
                }
            }
            if out.0.is_empty() {
                self.wait(&mut out).await;
            }
        }
        Err("the node answers, but with nothing to mine".into())
    }

    /// The next look at the newest block.
    async fn keepalive(&mut self, tell: &mut impl FnMut(StepReport)) -> bool {
        let mut out = Outbox::default();
        self.wait(&mut out).await;
        let request = out.take().into_iter().find_map(|wanted| match wanted {
            Out::Http(request) => Some(request),
            _ => None,
        });
        let Some(request) = request else { return true };
        let started = Instant::now();
        match self.node.exchange(&request).await {
            Ok(_) => {
                tell(StepReport::done(Step::Keepalive, "the node tells its newest block".into(), started));
            }
            Err(fault) => tell(StepReport::failed(Step::Keepalive, fault.to_string(), started)),
        }
        true
    }

    async fn exchange(&mut self, request: &HttpRequest, out: &mut Outbox) -> Result<(), String> {
        let tag = request.tag;
        let answer = self.node.exchange(request).await;
        // A node that cannot be asked at all is no node; the dialect would only try again.
        if let Err(fault @ (HttpError::Dial(_) | HttpError::NotHttp { .. })) = &answer {
            return Err(fault.to_string());
        }
        let words = answer.as_ref().err().map(|fault| (fault.is_login(), fault.to_string()));
        let outcome = match (&answer, &words) {
            (Ok((status, body)), _) => Ok((*status, body.as_ref())),
            (Err(_), Some((true, fault))) => Err(HttpFailure::Login(fault)),
            (Err(_), fault) => Err(HttpFailure::Other(fault.as_ref().map_or("", |(_, fault)| fault))),
        };
        self.dialect.http(Instant::now(), HttpReply { tag, outcome }, out).map_err(|fault| fault.to_string())
    }

    async fn wait(&mut self, out: &mut Outbox) {
        if let Some(due) = self.dialect.deadline() {
            tokio::time::sleep_until(due.into()).await;
            self.dialect.tick(Instant::now(), out);
        }
    }
}
