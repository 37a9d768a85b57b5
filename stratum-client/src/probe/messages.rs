//! The part of a probe that carries messages with a node on one stream.

use std::time::Instant;

use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant as Timer, sleep_until, timeout};

use super::{Progress, Step, StepReport, short};
use crate::connect::{BoxedStream, Route};
use crate::dialect::{CloseReason, Dialect, Out, Outbox};
use crate::endpoint::PoolConfig;
use crate::grpc::{self, Incoming};

/// Messages after which a node that has neither a template nor an excuse is given up.
const MAX_MESSAGES: usize = 100;
/// Messages that wait, either way.
const MAX_WAITING: usize = 16;

struct Talk {
    dialect: Box<dyn Dialect>,
    commands: mpsc::Sender<Vec<u8>>,
    came: mpsc::Receiver<Incoming>,
    carrier: JoinHandle<CloseReason>,
}

/// From the first answer to the next template.
pub(super) async fn talk(
    stream: BoxedStream,
    dialect: Box<dyn Dialect>,
    pool: &PoolConfig,
    tell: &mut impl FnMut(StepReport),
) -> bool {
    let route = Route::to_pool(pool);
    let limits = dialect.limits();
    let limit = limits.login.max(limits.first_job) * route.patience();
    let (commands, to_send) = mpsc::channel(MAX_WAITING);
    let (wrapped, came) = mpsc::channel(MAX_WAITING);
    let carrier =
        tokio::spawn(
            async move { grpc::carry(stream, &route, to_send, wrapped, |_, message| message).await },
        );
    let mut talk = Talk { dialect, commands, came, carrier };
    let mut progress = Progress::new("node", format!("blocks pay {}", short(&pool.credentials.user)), tell);
    let ended = timeout(limit, talk.until_job(&mut progress)).await;
    let arrived = progress.arrived(ended, limit);
    if arrived {
        talk.keepalive(tell).await;
    }
    talk.carrier.abort();
    arrived
}

impl Talk {
    async fn until_job<T: FnMut(StepReport)>(
        &mut self,
        progress: &mut Progress<'_, T>,
    ) -> Result<(), String> {
        let mut out = Outbox::default();
        self.dialect.start(Instant::now(), &mut out);
        for _ in 0..MAX_MESSAGES {
            for wanted in out.take() {
                match wanted {
                    Out::Message(message) => self.send(message).await,
                    Out::Event(event) => {
                        if let Some(end) = progress.event(event) {
                            return end;
                        }
                    }
                    Out::Close(reason) => return Err(reason.to_string()),
                    Out::Line(_) | Out::Http(_) | Out::HangUp => {}
                }
            }
            self.hear(&mut out).await?;
        }
        Err("the node answers, but with nothing to mine".into())
    }

    /// The next template, which is what a block takes, too.
    async fn keepalive(&mut self, tell: &mut impl FnMut(StepReport)) {
        let mut out = Outbox::default();
        let Some(due) = self.dialect.deadline() else { return };
        self.dialect.tick(due.max(Instant::now()), &mut out);
        let started = Instant::now();
        for wanted in out.take() {
            if let Out::Message(message) = wanted {
                self.send(message).await;
            }
        }
        match timeout(self.dialect.limits().first_job, self.came.recv()).await {
            Ok(Some(_)) => {
                tell(StepReport::done(Step::Keepalive, "the node tells its newest template".into(), started));
            }
            _ => tell(StepReport::failed(Step::Keepalive, "the node says no more".into(), started)),
        }
    }

    /// What cannot be sent has its reason told by the other end of the stream.
    async fn send(&mut self, message: Vec<u8>) {
        let _ = self.commands.send(message).await;
    }

    /// The next message, or the next time that the dialect wants to be called.
    async fn hear(&mut self, out: &mut Outbox) -> Result<(), String> {
        let due = self.dialect.deadline();
        let wait = async {
            match due {
                Some(due) => sleep_until(Timer::from_std(due)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            message = self.came.recv() => match message {
                Some(message) => self
                    .dialect
                    .message(Instant::now(), &message.bytes, out)
                    .map_err(|fault| fault.to_string()),
                None => Err(match (&mut self.carrier).await {
                    Ok(reason) => reason.to_string(),
                    Err(_) => "a fault in rminer ended the stream; please report it".into(),
                }),
            },
            () = wait => {
                self.dialect.tick(Instant::now(), out);
                Ok(())
            }
        }
    }
}
