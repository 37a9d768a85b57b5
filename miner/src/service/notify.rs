//! What a service manager is told while the miner runs. All of it is sent from the engine's own loop: a loop that does
//! not turn any more sends no sign of life, and the manager starts the miner again.

use std::time::{Duration, Instant};

use rminer_stratum::text::clean;

use super::Environment;
use super::channel::Channel;
use crate::clock::monotonic_us;
use crate::engine::{CrewEvent, Happening, Snapshot, State};
use crate::problem::Problem;
use crate::ui::hashrate;

/// The state in words is told at most once in this time.
const STATUS_EVERY: Duration = Duration::from_secs(10);
/// While devices are opened the manager is asked for this much more time, again and again.
const MORE_TIME: Duration = Duration::from_secs(30);
/// No start takes longer than this; then the manager may decide.
const LONGEST_START: Duration = Duration::from_secs(600);
/// Longest state in words, in characters.
const MAX_STATUS_CHARS: usize = 240;

/// The manager that started this process.
#[derive(Debug)]
pub struct Manager {
    channel: Channel,
    teller: Teller,
}

impl Manager {
    /// The manager that the environment names, if there is one. `pools` are the pools' names in order.
    ///
    /// # Errors
    /// When it cannot be told anything, as a warning.
    pub fn of(environment: &Environment, pools: Vec<String>, now: Instant) -> Result<Option<Self>, Problem> {
        let Some(socket) = &environment.notify_socket else { return Ok(None) };
        let channel = Channel::open(socket).map_err(|error| {
            let summary = format!("the service manager cannot be told how it goes: {error}");
            Problem::warning("service-manager", summary)
                .fact(format!("NOTIFY_SOCKET is {}", clean(socket)))
                .help("start rminer by its unit, or without NOTIFY_SOCKET")
        })?;
        Ok(Some(Self { channel, teller: Teller::new(environment.watchdog, pools, now) }))
    }

    /// A device may be open now.
    pub fn happening(&mut self, happening: &Happening) {
        self.teller.happening(happening);
    }

    /// The state, once a second.
    pub fn second(&mut self, now: Instant, snapshot: &Snapshot) {
        let message = self.teller.second(now, snapshot);
        let text = message.text();
        // What was not taken is told again in a second.
        if !text.is_empty() && self.channel.send(&text).is_ok() {
            self.teller.told(now, message);
        }
    }

    /// The configuration is about to be read again.
    pub fn reloading(&mut self) {
        self.say(&format!(
            "RELOADING=1\nMONOTONIC_USEC={}\nSTATUS=reading the configuration again\n",
            monotonic_us()
        ));
    }

    /// The configuration was read again, or stays as it was.
    pub fn reloaded(&mut self) {
        if self.teller.is_ready {
            self.say("READY=1\n");
        }
        self.teller.status = None;
    }

    /// The miner ends. Told once.
    pub fn stopping(&mut self) {
        if !std::mem::replace(&mut self.teller.is_stopping, true) {
            self.say("STOPPING=1\nSTATUS=stopping\n");
        }
    }

    fn say(&self, text: &str) {
        // A manager that is gone needs no telling.
        let _gone = self.channel.send(text);
    }
}

/// Decides what is told when. It sends nothing.
#[derive(Debug)]
struct Teller {
    pools: Vec<String>,
    /// Time between two signs of life.
    ping_every: Option<Duration>,
    started: Instant,
    is_open: bool,
    is_ready: bool,
    is_stopping: bool,
    pinged: Option<Instant>,
    status: Option<(Instant, String)>,
}

/// What is to be told now.
#[derive(Debug, Default, PartialEq, Eq)]
struct Message {
    ready: bool,
    ping: bool,
    status: Option<String>,
    more_time: bool,
}

impl Message {
    fn text(&self) -> String {
        let mut text = String::new();
        if self.ready {
            text.push_str("READY=1\n");
        }
        if self.more_time {
            text.push_str(&format!("EXTEND_TIMEOUT_USEC={}\n", MORE_TIME.as_micros()));
        }
        if self.ping {
            text.push_str("WATCHDOG=1\n");
        }
        if let Some(status) = &self.status {
            text.push_str(&format!("STATUS={status}\n"));
        }
        text
    }
}

impl Teller {
    /// With the longest silence that the manager bears; half of it passes between two signs of life.
    fn new(longest_silence: Option<Duration>, pools: Vec<String>, now: Instant) -> Self {
        Self {
            pools,
            ping_every: longest_silence.map(|silence| silence / 2),
            started: now,
            is_open: false,
            is_ready: false,
            is_stopping: false,
            pinged: None,
            status: None,
        }
    }

    fn happening(&mut self, happening: &Happening) {
        self.is_open |= matches!(happening, Happening::Crew(CrewEvent::Ready(_), ..));
    }

    fn second(&self, now: Instant, snapshot: &Snapshot) -> Message {
        let since = |at: Instant| now.saturating_duration_since(at);
        let is_due = self.status.as_ref().is_none_or(|(at, _)| since(*at) >= STATUS_EVERY);
        let ready = self.is_open && !self.is_ready;
        let waits = !self.is_open && since(self.started) < LONGEST_START;
        let status = Some(words(snapshot, &self.pools)).filter(|words| {
            let is_news = self.status.as_ref().is_none_or(|(_, told)| told != words);
            is_due && is_news && !self.is_stopping
        });
        Message {
            ready,
            // A second early is better than late: this is asked once a second.
            ping: self
                .ping_every
                .is_some_and(|every| self.pinged.is_none_or(|at| since(at) + Duration::from_secs(1) > every)),
            more_time: waits && is_due,
            status,
        }
    }

    fn told(&mut self, now: Instant, message: Message) {
        self.is_ready |= message.ready;
        if message.ping {
            self.pinged = Some(now);
        }
        match (message.status, message.more_time) {
            (Some(words), _) => self.status = Some((now, words)),
            // The words are the same; the time for more of it counts anew.
            (None, true) => self.status = self.status.take().map(|(_, words)| (now, words)),
            (None, false) => {}
        }
    }
}

/// The state in words, rates, pool: one line.
fn words(snapshot: &Snapshot, pools: &[String]) -> String {
    let pool = snapshot.pool.and_then(|pool| pools.get(pool)).map_or("no pool", String::as_str);
    let shares = &snapshot.shares;
    let counts = format!("{} shares accepted, {} refused", shares.accepted, shares.rejected_total());
    let algorithm = snapshot.algorithm.unwrap_or("nothing");
    let text = match snapshot.state {
        State::Starting => "starting".to_owned(),
        State::Mining => {
            let rate = hashrate(snapshot.rates.s60_hs.or(snapshot.rates.s10_hs));
            format!("mining {algorithm} at {rate} for {pool}; {counts}")
        }
        State::Paused => format!("paused ({}) at {pool}; {counts}", snapshot.paused_by().join(", ")),
        State::Waiting => format!("waiting for work: {pool}; {counts}"),
        State::Stopping => "stopping".to_owned(),
    };
    clean(&text).chars().take(MAX_STATUS_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::Rates;

    fn mining(accepted: u64) -> Snapshot {
        let mut snapshot = Snapshot {
            state: State::Mining,
            pool: Some(0),
            algorithm: Some("sha256d"),
            rates: Rates { s10_hs: Some(12.3e6), ..Rates::default() },
            ..Snapshot::default()
        };
        snapshot.shares.accepted = accepted;
        snapshot
    }

    fn teller(watchdog_s: Option<u64>) -> (Teller, Instant) {
        let now = Instant::now();
        let pools = vec!["stratum+tcp://pool.example:3333".to_owned()];
        (Teller::new(watchdog_s.map(Duration::from_secs), pools, now), now)
    }

    /// What is told in each of so many seconds.
    fn seconds(
        teller: &mut Teller,
        from: Instant,
        count: u64,
        snapshot: impl Fn(u64) -> Snapshot,
    ) -> Vec<String> {
        let second = |second: u64| {
            let now = from + Duration::from_secs(second);
            let message = teller.second(now, &snapshot(second));
            let text = message.text();
            teller.told(now, message);
            text
        };
        (0..count).map(second).collect()
    }

    fn open() -> Happening {
        Happening::Crew(CrewEvent::Ready(0), "cpu0".into(), 0)
    }

    #[test]
    fn it_is_ready_once_and_only_when_a_device_is_open() {
        let (mut teller, now) = teller(None);
        let before = seconds(&mut teller, now, 5, |_| Snapshot::default());
        assert!(before.iter().all(|text| !text.contains("READY")), "{before:?}");
        assert!(before[0].contains("STATUS=starting") && before[0].contains("EXTEND_TIMEOUT_USEC=30000000"));
        teller.happening(&open());
        let after = seconds(&mut teller, now + Duration::from_secs(5), 60, mining);
        assert!(after[0].starts_with("READY=1\n"), "{after:?}");
        assert_eq!(after.iter().filter(|text| text.contains("READY")).count(), 1);
        assert!(after.iter().all(|text| !text.contains("EXTEND")), "{after:?}");
    }

    #[test]
    fn more_time_is_asked_for_with_a_bound() {
        let (mut teller, now) = teller(None);
        let told = seconds(&mut teller, now, 1000, |_| Snapshot::default());
        let asked: Vec<usize> = (0..1000).filter(|second| told[*second].contains("EXTEND")).collect();
        assert_eq!(asked.len(), 60, "{asked:?}");
        assert_eq!(asked.last(), Some(&590));
    }

    #[test]
    fn signs_of_life_come_within_half_the_time() {
        for (watchdog_s, gap) in [(60, 29..=30), (3, 1..=1), (2, 1..=1), (1, 1..=1)] {
            let (mut teller, now) = teller(Some(watchdog_s));
            let told = seconds(&mut teller, now, 300, |_| mining(1));
            let pings: Vec<usize> = (0..300).filter(|second| told[*second].contains("WATCHDOG=1")).collect();
            assert_eq!(pings[0], 0);
            assert!(
                pings.windows(2).all(|pair| gap.contains(&(pair[1] - pair[0]))),
                "{watchdog_s}: {pings:?}"
            );
        }
        let (mut without, now) = teller(None);
        assert!(seconds(&mut without, now, 300, mining).iter().all(|text| !text.contains("WATCHDOG")));
    }

    #[test]
    fn the_state_is_told_every_ten_seconds_if_it_is_news() {
        let (mut teller, now) = teller(None);
        teller.happening(&open());
        let told = seconds(&mut teller, now, 100, mining);
        assert_eq!(told.iter().filter(|text| text.contains("STATUS=")).count(), 10);
        assert!(told[10].contains("STATUS=mining sha256d at 12.3 MH/s for stratum+tcp://pool.example:3333; 10 shares accepted, 0 refused\n"), "{told:?}");
        let same = seconds(&mut teller, now + Duration::from_secs(100), 100, |_| mining(7));
        assert_eq!(same.iter().filter(|text| text.contains("STATUS=")).count(), 1);
    }

    #[test]
    fn the_state_is_one_line_of_bounded_length() {
        let hostile = [format!("pool\nREADY=1\n{}", "x".repeat(1000))];
        let text = words(&mining(3), &hostile);
        assert!(!text.contains('\n') && text.chars().count() <= MAX_STATUS_CHARS, "{text}");
        for state in State::ALL {
            let snapshot = Snapshot { state, ..Snapshot::default() };
            assert!(words(&snapshot, &[]).contains(state.name()), "{state:?}");
        }
    }
}
