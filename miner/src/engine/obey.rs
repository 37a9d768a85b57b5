//! Orders are carried out here, between two turns of the engine's loop.

use std::time::{Duration, Instant};

use rminer_stratum::client::Client;
use rminer_stratum::supervisor::{NoSwitch, Switch};

use super::order::{Command, Refusal};
use super::run::{Reloaded, Surroundings};
use crate::problem::Problem;
use crate::safety::Governor;
use crate::ui::duration;

/// Longest pause with an end; whoever wants more pauses without one.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(366 * 86_400);

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

/// Carries an order out, or says why not: then nothing has changed.
pub(super) fn obey(
    now: Instant,
    command: Command,
    around: &mut Surroundings<'_>,
    client: &mut Client,
) -> Done {
    match command {
        Command::Pause { length } => pause(now, length, &mut around.governor).into(),
        Command::Resume => {
            around.governor.resume();
            Ok("no pause is asked for any more".into()).into()
        }
        Command::PauseDevice { device, pause } => around.governor.pause_device(&device, pause).into(),
        Command::Limit { device, duty } => around.governor.limit(device.as_deref(), duty).into(),
        Command::SwitchPool(pool) => switch(pool, client).into(),
        Command::Reload => reload(around, client),
    }
}

fn pause(now: Instant, length: Option<Duration>, governor: &mut Governor) -> Result<String, Refusal> {
    if let Some(length) = length.filter(|length| length.is_zero() || *length > LONGEST_PAUSE) {
        let summary = format!("a pause of {} is none that can be had", duration(length));
        return Err(Problem::error("bad-value", summary)
            .help("from 1 second to 366 days, or without a time until someone resumes"));
    }
    governor.pause(now, length);
    Ok(match length {
        Some(length) => format!("paused for {}", duration(length)),
        None => "paused until someone resumes".into(),
    })
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
    use super::*;
    use crate::safety::WeekTime;
    use crate::telemetry::Readings;

    #[test]
    fn pauses_have_a_bound_and_tell_their_end_once() {
        let (mut governor, now) = (Governor::none(), Instant::now());
        for wrong in [Duration::ZERO, LONGEST_PAUSE + Duration::from_secs(1), Duration::MAX] {
            assert!(pause(now, Some(wrong), &mut governor).is_err());
        }
        assert!(pause(now, Some(LONGEST_PAUSE), &mut governor).is_ok());
        let length = Duration::from_secs(600);
        assert_eq!(pause(now, Some(length), &mut governor).unwrap(), "paused for 10 min 0 s");
        let over = |governor: &mut Governor, after: Duration| {
            let monday = WeekTime { weekday: 0, minute: 0 };
            governor.tick(now + after, monday, &Readings::default()).pause_over
        };
        assert_eq!(over(&mut governor, Duration::from_secs(599)), None);
        assert_eq!(over(&mut governor, length), Some(length));
        assert_eq!(over(&mut governor, Duration::from_secs(601)), None);
        // Without an end there is none to tell of.
        assert_eq!(pause(now, None, &mut governor).unwrap(), "paused until someone resumes");
        assert_eq!(over(&mut governor, LONGEST_PAUSE), None);
    }
}
