//! The part of a probe that speaks lines.

use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::time::timeout;

use super::{Progress, Step, StepReport, short};
use crate::connect::{BoxedStream, Route, system_words};
use crate::dialect::{CloseReason, Dialect, Out, Outbox};
use crate::endpoint::PoolConfig;
use crate::envelope::parse_line;
use crate::line::LineSplitter;

/// For a keepalive's answer.
const KEEPALIVE_PATIENCE: Duration = Duration::from_secs(10);
/// Lines that are read while the answer to one of ours is awaited.
const MAX_LINES: usize = 1000;
/// Broken messages that end a session, and so a probe.
const MAX_FAULTS: usize = 3;

struct Talk {
    stream: BoxedStream,
    dialect: Box<dyn Dialect>,
    splitter: LineSplitter,
    /// Bytes of the last read that hold no whole line yet, or more than one.
    unread: Vec<u8>,
    received_any: bool,
}

/// From login to keepalive.
pub(super) async fn talk(
    stream: BoxedStream,
    dialect: Box<dyn Dialect>,
    pool: &PoolConfig,
    tell: &mut impl FnMut(StepReport),
) -> bool {
    let limits = dialect.limits();
    let patience = Route::to_pool(pool).patience();
    let splitter = LineSplitter::new(limits.line_cap_bytes);
    let mut talk = Talk { stream, dialect, splitter, unread: Vec::new(), received_any: false };
    let mut progress = Progress::new("pool", format!("as {}", short(&pool.credentials.user)), tell);
    let limit = limits.login.max(limits.first_job) * patience;
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
        let mut faults = Vec::new();
        self.dialect.start(Instant::now(), &mut out);
        for _ in 0..MAX_LINES {
            for wanted in out.take() {
                match wanted {
                    Out::Line(line) => self.send(line).await?,
                    Out::Event(event) => {
                        if let Some(end) = progress.event(event) {
                            return end;
                        }
                    }
                    Out::Close(reason) => return Err(reason.to_string()),
                    Out::Http(_) | Out::Message(_) | Out::HangUp => {}
                }
            }
            let line = self.line().await?;
            if let Err(fault) = self.dialect.line(Instant::now(), &line, &mut out) {
                faults.push(fault.to_string());
                if faults.len() == MAX_FAULTS {
                    // The first says most: "HTTP/1.1 400", not the page below it.
                    return Err(faults.swap_remove(0));
                }
            }
        }
        Err("the pool sends line after line, but no job".into())
    }

    /// Asks the dialect for the keepalive of a minute later. True when the pool is fine, with or without.
    async fn keepalive(&mut self, tell: &mut impl FnMut(StepReport)) -> bool {
        let mut out = Outbox::default();
        let Some(due) = self.dialect.deadline() else { return true };
        self.dialect.tick(due, &mut out);
        let lines = out.take().into_iter().filter_map(|wanted| match wanted {
            Out::Line(line) => Some(line),
            _ => None,
        });
        let Some(line) = lines.last() else { return true };
        let started = Instant::now();
        let answer = async {
            self.send(line).await?;
            for _ in 0..MAX_LINES {
                let line = self.line().await?;
                let line = String::from_utf8_lossy(&line);
                let Some(Ok(message)) = parse_line(&line).next() else { continue };
                if message.method.is_none() {
                    return message.error.map_or(Ok(()), |error| Err(format!("\"{}\"", error.text)));
                }
            }
            Err("no answer among all that the pool sends".to_owned())
        };
        let fault = match timeout(KEEPALIVE_PATIENCE, answer).await {
            Ok(Ok(())) => {
                tell(StepReport::done(Step::Keepalive, String::new(), started));
                return true;
            }
            Ok(Err(fault)) => fault,
            Err(_) => format!("no answer within {} s", KEEPALIVE_PATIENCE.as_secs()),
        };
        let text =
            format!("the pool does not take keepalives ({fault}); mining works without: --keepalive off");
        tell(StepReport::failed(Step::Keepalive, text, started));
        true
    }

    async fn send(&mut self, mut line: String) -> Result<(), String> {
        line.push('\n');
        let sent = async {
            self.stream.write_all(line.as_bytes()).await?;
            self.stream.flush().await
        };
        sent.await.map_err(|fault| system_words(&fault))
    }

    async fn line(&mut self) -> Result<Vec<u8>, String> {
        loop {
            let mut input = self.unread.as_slice();
            let line = self.splitter.next_line(&mut input).map_err(|fault| fault.to_string())?;
            self.unread = input.to_vec();
            if let Some(line) = line {
                return Ok(line);
            }
            let mut buffer = [0; 4096];
            match self.stream.read(&mut buffer).await {
                Ok(0) => {
                    return self.splitter.finish().ok_or_else(|| "the pool closed the connection".into());
                }
                Ok(size) => {
                    let first = !std::mem::replace(&mut self.received_any, true);
                    if let Some(reason) = CloseReason::of_first_bytes(&buffer[..size]).filter(|_| first) {
                        return Err(reason.to_string());
                    }
                    self.unread.extend_from_slice(&buffer[..size]);
                }
                Err(fault) => return Err(system_words(&fault)),
            }
        }
    }
}
