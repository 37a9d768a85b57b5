//! Orders are carried out here, between two turns of the engine's loop.

use std::time::{Duration, Instant};

use rminer_stratum::client::Client;
use rminer_stratum::supervisor::{NoSwitch, Switch};

use super::order::{Command, Obeyed, Refusal};
use super::run::{Reloaded, Surroundings};
use crate::problem::Problem;
use crate::ui::duration;

/// Longest pause with an end; whoever wants more pauses without one.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(366 * 86_400);

/// What orders have changed beyond governor and client.
#[derive(Debug, Default)]
pub(super) struct Orders {
    /// When the pause that somebody asked for ends, and how long it was.
    pause: Option<(Instant, Duration)>,
}

/// What the loop must do after an order.
#[derive(Debug)]
pub(super) struct Done {
    /// For who asked, and for everybody who watches.
    pub(super) outcome: Result<String, Refusal>,
    /// What people should know of a configuration that was read again.
    pub(super) warnings: Vec<Problem>,
    /// A new time between reports.
    pub(super) stats_interval: Option<Option<Duration>>,
}

impl From<Result<String, Refusal>> for Done {
    fn from(outcome: Result<String, Refusal>) -> Self {
        Self { outcome, warnings: Vec::new(), stats_interval: None }
    }
}

impl Orders {
    /// Carries an order out, or says why not: then nothing has changed.
    pub(super) fn obey(
        &mut self,
        now: Instant,
        command: Command,
        around: &mut Surroundings<'_>,
        client: &mut Client,
    ) -> Done {
        match command {
            Command::Pause { length } => self.pause(now, length, around).into(),
            Command::Resume => {
                self.pause = None;
                around.governor.resume();
                Ok("no pause is asked for any more".into()).into()
            }
            Command::Limit { device, duty } => around.governor.limit(device.as_deref(), duty).into(),
            Command::SwitchPool(pool) => switch(pool, client).into(),
            Command::Reload => reload(around, client),
        }
    }

    fn pause(
        &mut self,
        now: Instant,
        length: Option<Duration>,
        around: &mut Surroundings<'_>,
    ) -> Result<String, Refusal> {
        if let Some(length) = length.filter(|length| length.is_zero() || *length > LONGEST_PAUSE) {
            let summary = format!("a pause of {} is none that can be had", duration(length));
            return Err(Problem::error("bad-value", summary)
                .help("from 1 second to 366 days, or without a time until someone resumes"));
        }
        self.pause = length.map(|length| (now + length, length));
        around.governor.pause(now, length);
        Ok(match length {
            Some(length) => format!("paused for {}", duration(length)),
            None => "paused until someone resumes".into(),
        })
    }

    /// Tells that a pause is over, once.
    pub(super) fn tick(&mut self, now: Instant) -> Option<Obeyed> {
        let (_, length) = self.pause.take_if(|(end, _)| *end <= now)?;
        Some(Obeyed { what: "resume", outcome: Ok(format!("the pause of {} is over", duration(length))) })
    }
}

fn switch(pool: usize, client: &mut Client) -> Result<String, Refusal> {
    let names = client.pool_names();
    let number = pool.saturating_add(1);
    let name = names.get(pool).map_or("", String::as_str);
    match client.prefer(pool) {
        Ok(Switch::Stays) => Ok(format!("pool {number} is mined for already, and stays: {name}")),
        Ok(Switch::Tries(wait)) => {
            let when = match wait {
                Duration::ZERO => "now".to_owned(),
                wait => format!("in {}, since it failed before", duration(wait)),
            };
            Ok(format!("pool {number} is tried {when}, and mined for once it has a job: {name}"))
        }
        Err(NoSwitch::Unknown) => {
            let problem = Problem::error("no-such-pool", format!("there is no pool {number}"));
            let known = (1..).zip(&names).map(|(number, name)| format!("pool {number}  {name}"));
            Err(known
                .fold(problem, Problem::fact)
                .help("only pools of the configuration can be switched to; a new start reads new ones"))
        }
        Err(NoSwitch::Already) => {
            Err(Problem::error("already", format!("pool {number} is mined for already: {name}")))
        }
        Err(NoSwitch::GivenUp) => {
            let summary = format!("pool {number} refused the login too often and is not tried again: {name}");
            Err(Problem::error("login-refused", summary)
                .help("check its user; rminer pool test says what the pool answers"))
        }
        Err(NoSwitch::Ending) => Err(ending()),
    }
}

/// The answer to orders that come while the miner stops.
pub(super) fn ending() -> Refusal {
    Problem::error("stopping", "the miner is stopping, and takes no more orders")
}

fn reload(around: &mut Surroundings<'_>, client: &mut Client) -> Done {
    let Some(read) = &mut around.reload else {
        return Err(Problem::error("no-reload", "there is no configuration to read again")
            .help("only `rminer mine` reads one"))
        .into();
    };
    let Reloaded { safety, stats_interval, changed, needs_start, mut warnings } = match read() {
        Ok(reloaded) => reloaded,
        Err(problem) => return Err(problem).into(),
    };
    around.governor.reload(safety);
    client.prefer_first();
    let mut text = match changed.as_slice() {
        [] => "read again; nothing has changed that holds at once".to_owned(),
        changed => format!("read again; new from now on: {}", changed.join(", ")),
    };
    if !needs_start.is_empty() {
        let waits = needs_start.join(", ");
        text.push_str(&format!("; changed, but only for the next start: {waits}"));
        let summary = format!("changed in the configuration, but not in this run: {waits}");
        let help = "start rminer again for them; until then it mines as it was started";
        warnings.push(Problem::warning("needs-restart", summary).help(help));
    }
    Done { outcome: Ok(text), warnings, stats_interval: Some(stats_interval) }
}

#[cfg(test)]
mod tests {
    use tokio::sync::mpsc;

    use super::*;

    #[test]
    fn pauses_have_a_bound_and_tell_their_end_once() {
        let mut around = Surroundings::bare(mpsc::channel(1).1);
        let (mut orders, now) = (Orders::default(), Instant::now());
        for wrong in [Duration::ZERO, LONGEST_PAUSE + Duration::from_secs(1), Duration::MAX] {
            assert!(orders.pause(now, Some(wrong), &mut around).is_err());
        }
        assert!(orders.pause(now, Some(LONGEST_PAUSE), &mut around).is_ok());
        let text = orders.pause(now, Some(Duration::from_secs(600)), &mut around).unwrap();
        assert_eq!(text, "paused for 10 min 0 s");
        assert!(orders.tick(now + Duration::from_secs(599)).is_none());
        let over = orders.tick(now + Duration::from_secs(600)).unwrap();
        assert_eq!(
            (over.what, over.outcome.unwrap().as_str()),
            ("resume", "the pause of 10 min 0 s is over")
        );
        assert!(orders.tick(now + Duration::from_secs(601)).is_none());
        // Without an end there is none to tell of.
        assert_eq!(orders.pause(now, None, &mut around).unwrap(), "paused until someone resumes");
        assert!(orders.tick(now + LONGEST_PAUSE).is_none());
    }
}
