//! What is worth an alert, and when. No clock, no socket: times and what happened in, alerts out.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rminer_stratum::Verdict;
use rminer_stratum::supervisor::PoolEvent;
use rminer_stratum::text::clean;

use super::AlertSettings;
use crate::devices::Notice;
use crate::engine::{CrewEvent, DeviceState, Duty, Happening, Snapshot, State as MinerState};
use crate::safety::Reason;
use crate::ui::{crew_problem, duration};

/// Troubles that are known at once; a rig has fewer devices than that.
pub const MAX_STATES: usize = 256;
/// Facts in one alert.
const MAX_FACTS: usize = 8;
/// Shares in a row that are refused before that is a trouble.
const REFUSED_IN_A_ROW: u64 = 10;
/// A share may be this many times later than expected: by chance alone it is so once in 20,000 times.
const MUCH_LATER: f64 = 10.0;

/// What is told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A device was lost, or rests since it failed too often.
    Device,
    /// A device hangs.
    Hung,
    /// No pool has had work for a while.
    NoPool,
    /// It mines, and no share was accepted for a while.
    NoShare,
    /// All shares are refused.
    Refused,
    /// Heat pauses a device.
    Heat,
    /// Heat that a pause does not cool ends the miner.
    Safety,
    /// The history cannot be written.
    Disk,
    /// A block was found.
    Block,
    /// The miner ends by itself.
    Ended,
    /// Somebody tries out whether alerts arrive.
    Test,
}

impl Kind {
    /// All that can be chosen.
    pub const ALL: [Self; 10] = [
        Self::Device,
        Self::Hung,
        Self::NoPool,
        Self::NoShare,
        Self::Refused,
        Self::Heat,
        Self::Safety,
        Self::Disk,
        Self::Block,
        Self::Ended,
    ];

    /// Its name in settings and alerts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Hung => "hung",
            Self::NoPool => "no-pool",
            Self::NoShare => "no-share",
            Self::Refused => "refused",
            Self::Heat => "heat",
            Self::Safety => "safety-stop",
            Self::Disk => "disk",
            Self::Block => "block",
            Self::Ended => "ended",
            Self::Test => "test",
        }
    }
}

/// Whether something begins, is over, or just happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It begins.
    Raised,
    /// It is over.
    Resolved,
    /// It happened.
    Event,
}

impl State {
    /// Its name in alerts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Raised => "raised",
            Self::Resolved => "resolved",
            Self::Event => "event",
        }
    }
}

/// One thing to tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// What it is about.
    pub kind: Kind,
    /// Whether it begins.
    pub state: State,
    /// The devices that it is about, if it is about some.
    pub devices: Vec<String>,
    /// In one line.
    pub text: String,
    /// The same of other devices, a line each.
    pub facts: Vec<String>,
    /// So many more of this kind since the last that was told.
    pub more: u64,
}

impl Alert {
    /// Without devices and facts.
    pub fn new(kind: Kind, state: State, text: String) -> Self {
        Self { kind, state, devices: Vec::new(), text, facts: Vec::new(), more: 0 }
    }
}

/// A trouble.
#[derive(Debug)]
struct Trouble {
    text: String,
    is_over: bool,
    is_told: bool,
}

/// Knows what goes on, and what was told of it.
#[derive(Debug)]
pub struct Policy {
    on: Vec<Kind>,
    after: Duration,
    every: Duration,
    /// By kind and device; no device for those of the whole rig.
    troubles: BTreeMap<(Kind, String), Trouble>,
    /// What happened and was not told yet, by kind: how often, and the last in words.
    happened: BTreeMap<Kind, (u64, String)>,
    told: BTreeMap<Kind, Instant>,
    /// Why a device failed, in words.
    failures: BTreeMap<String, String>,
    /// Why there is no pool, in words.
    pool_words: String,
    without_pool_since: Option<Instant>,
    /// Since when it mines without an accepted share.
    without_share_since: Instant,
    refused_in_a_row: u64,
    refused_words: String,
}

impl Policy {
    /// Knows of nothing yet.
    pub fn new(settings: &AlertSettings, now: Instant) -> Self {
        Self {
            on: settings.on.clone(),
            after: settings.after,
            every: settings.every,
            troubles: BTreeMap::new(),
            happened: BTreeMap::new(),
            told: BTreeMap::new(),
            failures: BTreeMap::new(),
            pool_words: String::new(),
            without_pool_since: None,
            without_share_since: now,
            refused_in_a_row: 0,
            refused_words: String::new(),
        }
    }

    /// Something happened.
    pub fn happening(&mut self, now: Instant, happening: &Happening) {
        match happening {
            Happening::Share(settled, device) => match &settled.verdict {
                Verdict::Accepted => {
                    self.refused_in_a_row = 0;
                    self.without_share_since = now;
                    if settled.row.block {
                        self.happened(Kind::Block, format!("{device} found a block"));
                    }
                }
                Verdict::Rejected { kind, text } => {
                    self.refused_in_a_row += 1;
                    self.refused_words = format!("{kind}: {}", clean(text));
                }
                Verdict::NoReply | Verdict::Lost | Verdict::NotSent(_) => {}
            },
            Happening::Crew(event, device, worker) => {
                let words = crew_problem(event, device, *worker).map(|problem| problem.summary);
                let Some(words) = words else { return };
                if matches!(event, CrewEvent::Hung(..)) {
                    self.begins(Kind::Hung, device, words.clone());
                }
                if self.failures.len() < MAX_STATES || self.failures.contains_key(device) {
                    self.failures.insert(device.clone(), words);
                }
            }
            Happening::Pool(_, PoolEvent::Down { reason, .. }) => {
                self.pool_words = clean(&reason.to_string());
            }
            Happening::Device(Notice::Warning(problem)) if problem.code == "history-file" => {
                self.happened(Kind::Disk, problem.summary.clone());
            }
            Happening::Warning(problem) if problem.code == "safety-stop" => {
                self.happened(Kind::Safety, format!("stopped for safety: {}", problem.summary));
            }
            _ => {}
        }
    }

    /// The state, once a second: what is to be told now.
    pub fn second(&mut self, now: Instant, snapshot: &Snapshot) -> Vec<Alert> {
        self.devices(snapshot);
        self.pool(now, snapshot);
        self.shares(now, snapshot);
        let mut alerts = self.events(now);
        alerts.extend(self.troubles(now));
        alerts
    }

    /// What happened and may be told now.
    pub fn events(&mut self, now: Instant) -> Vec<Alert> {
        let due: Vec<Kind> = self.happened.keys().copied().filter(|kind| self.may_tell(*kind, now)).collect();
        let mut alerts = Vec::new();
        for kind in due {
            if let Some((count, text)) = self.happened.remove(&kind) {
                self.told.insert(kind, now);
                alerts.push(Alert { more: count - 1, ..Alert::new(kind, State::Event, text) });
            }
        }
        alerts
    }

    fn devices(&mut self, snapshot: &Snapshot) {
        for device in &snapshot.devices {
            let id = &device.id;
            match device.state {
                DeviceState::Lost | DeviceState::Benched | DeviceState::Unusable => {
                    let words = self.failures.get(id).cloned();
                    let words = words.unwrap_or_else(|| format!("{id} is {}", device.state.name()));
                    self.begins(Kind::Device, id, words);
                }
                DeviceState::Mining | DeviceState::Paused | DeviceState::Idle => {
                    self.ends(Kind::Device, id);
                }
                // It may be lost again at once.
                DeviceState::Starting => {}
            }
            if device.state == DeviceState::Mining {
                self.ends(Kind::Hung, id);
            }
            let heat = device.caps.iter().find(|cap| cap.reason == Reason::Heat && cap.duty == Duty::PAUSE);
            match heat {
                Some(cap) => self.begins(Kind::Heat, id, format!("{id} is paused: {}", cap.detail)),
                None => self.ends(Kind::Heat, id),
            }
        }
    }

    fn pool(&mut self, now: Instant, snapshot: &Snapshot) {
        let has_work = snapshot.pool.is_some() && snapshot.state != MinerState::Waiting;
        if has_work || snapshot.state == MinerState::Stopping {
            self.without_pool_since = None;
            self.ends(Kind::NoPool, "");
            return;
        }
        let since = *self.without_pool_since.get_or_insert(now);
        if now.saturating_duration_since(since) >= self.after {
            let why = if self.pool_words.is_empty() { "" } else { ": " };
            let text = format!("no pool has had work for {}{why}{}", duration(self.after), self.pool_words);
            self.begins(Kind::NoPool, "", text);
        }
    }

    fn shares(&mut self, now: Instant, snapshot: &Snapshot) {
        if self.refused_in_a_row >= REFUSED_IN_A_ROW {
            let text = format!("the last {REFUSED_IN_A_ROW} shares were refused: {}", self.refused_words);
            self.begins(Kind::Refused, "", text);
        } else if self.refused_in_a_row == 0 {
            self.ends(Kind::Refused, "");
        }
        if snapshot.state != MinerState::Mining {
            self.without_share_since = now;
        }
        let silence = now.saturating_duration_since(self.without_share_since);
        let rate_hs = snapshot.rates.s60_hs.or(snapshot.rates.s10_hs).filter(|rate_hs| *rate_hs > 0.0);
        let (Some(difficulty), Some(rate_hs)) = (snapshot.difficulty, rate_hs) else { return };
        let late = Duration::try_from_secs_f64(MUCH_LATER * difficulty / rate_hs).unwrap_or(Duration::MAX);
        let limit = self.after.max(late);
        if silence >= limit {
            let expected =
                duration(Duration::try_from_secs_f64(difficulty / rate_hs).unwrap_or(Duration::MAX));
            let text = format!(
                "it mines, but no share was accepted for {}; one is expected every {expected}",
                duration(limit)
            );
            self.begins(Kind::NoShare, "", text);
        } else if silence < self.after {
            self.ends(Kind::NoShare, "");
        }
    }

    fn begins(&mut self, kind: Kind, device: &str, text: String) {
        if !self.on.contains(&kind) {
            return;
        }
        let key = (kind, device.to_owned());
        if let Some(trouble) = self.troubles.get_mut(&key) {
            trouble.is_over = false;
        } else if self.troubles.len() < MAX_STATES {
            self.troubles.insert(key, Trouble { text, is_over: false, is_told: false });
        }
    }

    fn ends(&mut self, kind: Kind, device: &str) {
        if let Some(trouble) = self.troubles.get_mut(&(kind, device.to_owned())) {
            trouble.is_over = true;
        }
    }

    fn happened(&mut self, kind: Kind, text: String) {
        if self.on.contains(&kind) {
            let (count, words) = self.happened.entry(kind).or_default();
            (*count, *words) = (*count + 1, text);
        }
    }

    fn may_tell(&self, kind: Kind, now: Instant) -> bool {
        self.told.get(&kind).is_none_or(|at| now.saturating_duration_since(*at) >= self.every)
    }

    /// One alert for all devices with the same trouble. The end of one that nobody heard of is no news.
    fn troubles(&mut self, now: Instant) -> Vec<Alert> {
        self.troubles.retain(|_, trouble| trouble.is_told || !trouble.is_over);
        let mut alerts: Vec<Alert> = Vec::new();
        let mut add = |kind: Kind, state: State, device: &str, text: &str| {
            let known = alerts.iter_mut().find(|alert| alert.kind == kind && alert.state == state);
            let alert = match known {
                Some(alert) => {
                    if alert.facts.len() < MAX_FACTS {
                        alert.facts.push(text.to_owned());
                    } else {
                        alert.more += 1;
                    }
                    alert
                }
                None => {
                    alerts.push(Alert::new(kind, state, text.to_owned()));
                    let last = alerts.len() - 1;
                    &mut alerts[last]
                }
            };
            if !device.is_empty() && alert.devices.len() <= MAX_FACTS {
                alert.devices.push(device.to_owned());
            }
        };
        let (every, told) = (self.every, &self.told);
        let is_due =
            |kind: Kind| told.get(&kind).is_none_or(|at| now.saturating_duration_since(*at) >= every);
        let mut raised = Vec::new();
        self.troubles.retain(|(kind, device), trouble| {
            match (trouble.is_over, trouble.is_told) {
                (true, _) => add(*kind, State::Resolved, device, &trouble.text),
                (false, false) if is_due(*kind) => {
                    add(*kind, State::Raised, device, &trouble.text);
                    raised.push(*kind);
                    trouble.is_told = true;
                }
                (false, _) => {}
            }
            !trouble.is_over
        });
        for kind in raised {
            self.told.insert(kind, now);
        }
        alerts
    }
}

#[cfg(test)]
mod tests {
    use rminer_stratum::Reject;
    use rminer_stratum::dialect::CloseReason;

    use super::*;
    use crate::engine::{DeviceSnapshot, Rates};
    use crate::problem::Problem;
    use crate::records::samples;
    use crate::safety::Cap;

    /// A rig whose time goes by when it is asked.
    struct Rig {
        policy: Policy,
        now: Instant,
        snapshot: Snapshot,
    }

    impl Rig {
        fn new(devices: &[&str]) -> Self {
            let now = Instant::now() + Duration::from_secs(10);
            let device = |id: &&str| DeviceSnapshot {
                id: (*id).to_owned(),
                state: DeviceState::Mining,
                ..DeviceSnapshot::default()
            };
            let snapshot = Snapshot {
                state: MinerState::Mining,
                pool: Some(0),
                difficulty: Some(1e9),
                rates: Rates { s60_hs: Some(1e9), ..Rates::default() },
                devices: devices.iter().map(device).collect(),
                ..Snapshot::default()
            };
            Self { policy: Policy::new(&AlertSettings::default(), now), now, snapshot }
        }

        /// What is told in so many seconds.
        fn run(&mut self, seconds: u64) -> Vec<Alert> {
            let mut alerts = Vec::new();
            for _ in 0..seconds {
                self.now += Duration::from_secs(1);
                alerts.extend(self.policy.second(self.now, &self.snapshot));
            }
            alerts
        }

        fn names(&mut self, seconds: u64) -> Vec<(&'static str, &'static str)> {
            self.run(seconds).iter().map(|alert| (alert.kind.name(), alert.state.name())).collect()
        }

        fn share(&mut self, verdict: Verdict, block: bool) {
            let mut settled = samples::settled(1, 1, verdict, self.now, Duration::from_millis(5));
            settled.row.block = block;
            self.policy.happening(self.now, &Happening::Share(settled, "gpu0".into()));
        }
    }

    #[test]
    fn devices_that_fail_together_are_one_alert_and_so_is_their_return() {
        let mut rig = Rig::new(&["gpu0", "gpu1", "gpu2"]);
        assert_eq!(rig.names(5), []);
        let lost =
            CrewEvent::Lost(0, crate::devices::DeviceError::Lost("gone".into()), Duration::from_secs(1));
        rig.policy.happening(rig.now, &Happening::Crew(lost, "gpu0".into(), 0));
        rig.snapshot.devices[0].state = DeviceState::Lost;
        rig.snapshot.devices[1].state = DeviceState::Benched;
        let told = rig.run(60);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].kind, told[0].state), (Kind::Device, State::Raised));
        assert_eq!(told[0].devices, ["gpu0", "gpu1"]);
        assert!(told[0].text.contains("gone") && told[0].facts == ["gpu1 is benched"], "{told:?}");
        rig.snapshot.devices[0].state = DeviceState::Starting;
        assert_eq!(rig.names(5), [], "starting is not back yet");
        rig.snapshot.devices.iter_mut().for_each(|device| device.state = DeviceState::Mining);
        assert_eq!(rig.names(60), [("device", "resolved")]);
    }

    #[test]
    fn one_that_comes_and_goes_is_told_once_in_the_time() {
        let mut rig = Rig::new(&["gpu0"]);
        rig.snapshot.difficulty = None;
        let mut told = Vec::new();
        for round in 0..180 {
            rig.snapshot.devices[0].state =
                if round % 2 == 0 { DeviceState::Lost } else { DeviceState::Mining };
            told.extend(rig.names(10));
        }
        // Half an hour with a word every quarter of one.
        assert_eq!(told.iter().filter(|(_, state)| *state == "raised").count(), 2, "{told:?}");
        assert_eq!(told.iter().filter(|(_, state)| *state == "resolved").count(), 2, "{told:?}");
    }

    #[test]
    fn without_a_pool_the_reason_is_told_after_the_time() {
        let mut rig = Rig::new(&["gpu0"]);
        let reason = CloseReason::Network("reset\n".into());
        rig.policy.happening(rig.now, &Happening::Pool(0, PoolEvent::Down { reason, retry_in: None }));
        (rig.snapshot.pool, rig.snapshot.state) = (None, MinerState::Waiting);
        assert_eq!(rig.names(600), []);
        let told = rig.run(1);
        assert!(told[0].kind == Kind::NoPool && told[0].text.contains("reset"), "{told:?}");
        (rig.snapshot.pool, rig.snapshot.state) = (Some(0), MinerState::Mining);
        assert_eq!(rig.names(5), [("no-pool", "resolved")]);
    }

    #[test]
    fn silence_counts_by_what_is_expected() {
        let mut rig = Rig::new(&["gpu0"]);
        assert_eq!(rig.names(595), []);
        assert_eq!(rig.names(20), [("no-share", "raised")]);
        rig.share(Verdict::Accepted, false);
        assert_eq!(rig.names(5), [("no-share", "resolved")]);
        // One an hour is expected: ten hours are long, one is not.
        rig.snapshot.difficulty = Some(3600e9);
        assert_eq!(rig.names(35_000), []);
        assert_eq!(rig.names(2000), [("no-share", "raised")]);
        // A pause is no silence.
        rig.snapshot.state = MinerState::Paused;
        assert_eq!(rig.names(10), [("no-share", "resolved")]);
        assert_eq!(rig.names(40_000), []);
    }

    #[test]
    fn refusals_heat_blocks_disks_and_safety_are_told() {
        let mut rig = Rig::new(&["gpu0"]);
        rig.snapshot.difficulty = None;
        let refused = || Verdict::Rejected { kind: Reject::BadHash, text: "bad".into() };
        (0..9).for_each(|_| rig.share(refused(), false));
        assert_eq!(rig.names(2), []);
        rig.share(refused(), false);
        assert_eq!(rig.names(2), [("refused", "raised")]);
        rig.share(Verdict::Accepted, true);
        let told = rig.names(2);
        assert!(told.contains(&("refused", "resolved")) && told.contains(&("block", "event")), "{told:?}");
        // Blocks that come at once are one alert, which says how many.
        (0..5).for_each(|_| rig.share(Verdict::Accepted, true));
        assert_eq!(rig.names(890), []);
        rig.share(Verdict::Accepted, true);
        let told = rig.run(20);
        assert_eq!((told.len(), told[0].kind, told[0].more), (1, Kind::Block, 5), "{told:?}");
        let heat = Cap { reason: Reason::Heat, duty: Duty::PAUSE, detail: "memory 103 C".into() };
        rig.snapshot.devices[0].caps = vec![heat];
        let told = rig.run(2);
        assert!(told[0].kind == Kind::Heat && told[0].text.contains("memory 103 C"), "{told:?}");
        let warning = |code| Problem::warning(code, "words");
        rig.policy.happening(rig.now, &Happening::Device(Notice::Warning(warning("history-file"))));
        rig.policy.happening(rig.now, &Happening::Warning(warning("safety-stop")));
        rig.policy.happening(rig.now, &Happening::Warning(warning("needs-restart")));
        assert_eq!(rig.names(1), [("safety-stop", "event"), ("disk", "event")]);
        let hung = CrewEvent::Hung(0, Duration::from_secs(10), false);
        rig.snapshot.devices[0].state = DeviceState::Lost;
        rig.policy.happening(rig.now, &Happening::Crew(hung, "gpu0".into(), 0));
        let told = rig.names(1);
        assert!(told.contains(&("hung", "raised")) && told.contains(&("device", "raised")), "{told:?}");
    }

    #[test]
    fn what_is_not_wished_for_is_not_told() {
        let mut rig = Rig::new(&["gpu0"]);
        let settings = AlertSettings { on: vec![Kind::Block], ..AlertSettings::default() };
        rig.policy = Policy::new(&settings, rig.now);
        rig.snapshot.devices[0].state = DeviceState::Lost;
        assert_eq!(rig.names(2000), []);
    }

    #[test]
    fn troubles_have_a_bound() {
        let names: Vec<String> = (0..2 * MAX_STATES).map(|number| format!("gpu{number}")).collect();
        let mut rig = Rig::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
        rig.snapshot.devices.iter_mut().for_each(|device| device.state = DeviceState::Lost);
        let told = rig.run(3);
        assert_eq!((told.len(), rig.policy.troubles.len()), (1, MAX_STATES));
        assert_eq!(told[0].facts.len(), MAX_FACTS);
        assert_eq!(told[0].more, (MAX_STATES - 1 - MAX_FACTS) as u64);
    }
}
