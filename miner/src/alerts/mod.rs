//! Tells somebody who does not look: a command or a web address of the user's own is given what goes wrong, what is
//! over, and blocks. What is worth a word is decided without socket and clock; telling is done by a thread of its own,
//! so that nothing here can hold up mining.

mod command;
mod deliver;
mod policy;
mod webhook;

use std::io;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::rfc3339;
use crate::clock::unix_seconds;
use crate::devices::NoticeSink;
use crate::engine::{Happening, Snapshot};
use crate::exit::Exit;
use crate::ui::Screen;

pub use command::MAX_WORDS;
pub(crate) use deliver::tell;
pub use deliver::{Deliverer, MAX_WAITING};
pub use policy::{Alert, Kind, MAX_STATES, Policy, State};
pub use webhook::Webhook;

/// What the settings say of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertSettings {
    /// A program with its arguments that gets each alert on its standard input.
    pub command: Option<Vec<String>>,
    /// A web address that each alert is sent to.
    pub webhook: Option<Webhook>,
    /// What is told of.
    pub on: Vec<Kind>,
    /// How long there may be no pool, or no share, before that is one.
    pub after: Duration,
    /// The least time between two of a kind.
    pub every: Duration,
}

impl Default for AlertSettings {
    fn default() -> Self {
        Self {
            command: None,
            webhook: None,
            on: Kind::ALL.to_vec(),
            after: Duration::from_secs(600),
            every: Duration::from_secs(900),
        }
    }
}

impl AlertSettings {
    /// Whether anybody is told.
    pub fn is_on(&self) -> bool {
        self.command.is_some() || self.webhook.is_some()
    }
}

/// The alerts of one run.
pub struct Alerts {
    deliverer: Deliverer,
    rig: String,
    wants_end: bool,
}

impl Alerts {
    /// Starts the thread that tells, and makes the screen that feeds it. Nothing at all if nobody is to be told.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(
        settings: &AlertSettings,
        rig: &str,
        sink: NoticeSink,
    ) -> io::Result<Option<(Self, AlertScreen)>> {
        if !settings.is_on() {
            return Ok(None);
        }
        let deliverer = Deliverer::start(settings, Some(sink))?;
        let screen = AlertScreen {
            policy: Policy::new(settings, Instant::now()),
            rig: rig.to_owned(),
            sender: deliverer.sender(),
        };
        let wants_end = settings.on.contains(&Kind::Ended);
        Ok(Some((Self { deliverer, rig: rig.to_owned(), wants_end }, screen)))
    }

    /// Tells that the miner ends by itself, and waits for `patience` at most until all is told.
    pub fn finish(self, exit: Exit, patience: Duration) {
        if exit != Exit::Done && self.wants_end {
            let text = format!("rminer has ended by itself with code {}", exit.code());
            let alert = Alert::new(Kind::Ended, State::Event, text);
            self.deliverer.sender().send(document(&alert, &self.rig));
        }
        self.deliverer.finish(patience);
    }
}

/// Watches what happens.
pub struct AlertScreen {
    policy: Policy,
    rig: String,
    sender: deliver::Sender,
}

impl Screen for AlertScreen {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.policy.happening(Instant::now(), happening);
        Ok(())
    }

    fn second(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        for alert in self.policy.second(Instant::now(), snapshot) {
            self.sender.send(document(&alert, &self.rig));
        }
        Ok(())
    }

    fn rates(&mut self, _: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, _: &Snapshot) -> io::Result<()> {
        for alert in self.policy.events(Instant::now()) {
            self.sender.send(document(&alert, &self.rig));
        }
        Ok(())
    }
}

/// One to see whether alerts arrive.
pub fn trial(rig: &str) -> Value {
    document(&Alert::new(Kind::Test, State::Event, "this is a trial; alerts arrive".into()), rig)
}

/// An alert as it is sent. `text` and `content` are what the hooks of chats look for.
fn document(alert: &Alert, rig: &str) -> Value {
    let text = match alert.state {
        State::Raised => format!("{rig}: {}", alert.text),
        State::Resolved => format!("{rig}: over: {}", alert.text),
        State::Event => format!("{rig}: {}", alert.text),
    };
    json!({
        "event": "alert",
        "kind": alert.kind.name(),
        "state": alert.state.name(),
        "rig": rig,
        "devices": alert.devices,
        "text": text,
        "content": text,
        "facts": alert.facts,
        "more": alert.more,
        "time": rfc3339(unix_seconds()),
        "version": env!("CARGO_PKG_VERSION"),
    })
}
