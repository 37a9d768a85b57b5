//! The thread that tells: one alert after the other, each by the command and by the web address.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::{AlertSettings, command, webhook};
use crate::devices::{Notice, NoticeSink};
use crate::problem::Problem;

/// Alerts that may wait; what is beyond is dropped, since nothing may wait for them.
pub const MAX_WAITING: usize = 32;

/// Tells, on a thread of its own.
pub struct Deliverer {
    sender: Sender,
    thread: JoinHandle<()>,
}

/// Hands alerts over.
#[derive(Clone)]
pub(super) struct Sender {
    alerts: SyncSender<Value>,
    /// Those that found no room since the last that did.
    dropped: Arc<AtomicU64>,
}

impl Sender {
    /// Never waits. Says whether there was room; the next one for which there is tells how many had none.
    pub(super) fn send(&self, mut alert: Value) -> bool {
        let dropped = self.dropped.load(Ordering::Relaxed);
        if let Some(fields) = alert.as_object_mut().filter(|_| dropped > 0) {
            fields.insert("dropped".into(), dropped.into());
        }
        match self.alerts.try_send(alert) {
            Ok(()) => {
                self.dropped.fetch_sub(dropped, Ordering::Relaxed);
                true
            }
            Err(_) => {
                self.dropped.fetch_add(1, Ordering::Relaxed);
                false
            }
        }
    }
}

impl Deliverer {
    /// Starts the thread. `sink` hears when an alert does not arrive: once, until one does again.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(settings: &AlertSettings, sink: Option<NoticeSink>) -> io::Result<Self> {
        let (sender, waiting) = sync_channel(MAX_WAITING);
        let settings = settings.clone();
        let thread = std::thread::Builder::new()
            .name("alerts".into())
            .spawn(move || tell_all(&settings, &waiting, sink.as_ref()))?;
        Ok(Self { sender: Sender { alerts: sender, dropped: Arc::default() }, thread })
    }

    pub(super) fn sender(&self) -> Sender {
        self.sender.clone()
    }

    /// Waits until all is told, for `patience` at most. The screens that feed it must be gone.
    pub(super) fn finish(self, patience: Duration) {
        drop(self.sender);
        let end = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn tell_all(settings: &AlertSettings, waiting: &Receiver<Value>, sink: Option<&NoticeSink>) {
    let mut failed = false;
    while let Ok(alert) = waiting.recv() {
        let failures = tell(settings, &alert);
        if let (Some(sink), false, [first, ..]) = (sink, failed, failures.as_slice()) {
            sink(Notice::Warning(undelivered(first)));
        }
        failed = !failures.is_empty();
    }
}

/// An alert did not arrive.
fn undelivered(why: &str) -> Problem {
    Problem::warning("alert", format!("an alert did not arrive: {why}"))
        .fact("Told once, until one arrives again.")
        .help("rminer alert test tries it out")
}

/// Tells one by all ways; why those failed that did.
pub(crate) fn tell(settings: &AlertSettings, alert: &Value) -> Vec<String> {
    let mut failures = Vec::new();
    if let Some(words) = &settings.command {
        failures.extend(command::run(words, alert, command::PATIENCE).err());
    }
    if let Some(hook) = &settings.webhook {
        failures.extend(by_web(hook, alert).err());
    }
    failures
}

fn by_web(hook: &webhook::Webhook, alert: &Value) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    let outcome = runtime.block_on(hook.post(alert));
    // A name that is still looked up must not hold this thread.
    runtime.shutdown_background();
    outcome
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::json;

    use super::*;

    fn settings(script: &str) -> AlertSettings {
        let words = ["sh", "-c", script].map(str::to_owned).to_vec();
        AlertSettings { command: Some(words), ..AlertSettings::default() }
    }

    #[test]
    fn all_are_told_in_order_before_the_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("said");
        let deliverer = Deliverer::start(&settings(&format!("cat >> '{}'", path.display())), None).unwrap();
        for number in 0..5 {
            assert!(deliverer.sender().send(json!(number)));
        }
        deliverer.finish(Duration::from_secs(60));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "0\n1\n2\n3\n4\n");
    }

    #[test]
    fn a_slow_command_makes_nobody_wait_and_the_queue_has_an_end() {
        let deliverer = Deliverer::start(&settings("sleep 5"), None).unwrap();
        let sender = deliverer.sender();
        let taken = (0..3 * MAX_WAITING).filter(|number| sender.send(json!(number))).count();
        // One more may be at work already.
        assert!((MAX_WAITING..=MAX_WAITING + 1).contains(&taken), "{taken}");
        drop(sender);
        deliverer.finish(Duration::ZERO);
    }

    #[test]
    fn the_next_that_has_room_says_how_many_had_none() {
        let (alerts, waiting) = sync_channel(1);
        let sender = Sender { alerts, dropped: Arc::default() };
        assert!(sender.send(json!({ "number": 0 })));
        assert!(!sender.send(json!({ "number": 1 })) && !sender.send(json!({ "number": 2 })));
        assert_eq!(waiting.recv().unwrap(), json!({ "number": 0 }));
        assert!(sender.send(json!({ "number": 3 })));
        assert_eq!(waiting.recv().unwrap(), json!({ "number": 3, "dropped": 2 }));
        assert!(sender.send(json!({ "number": 4 })));
        assert_eq!(waiting.recv().unwrap(), json!({ "number": 4 }));
    }

    #[test]
    fn a_failure_is_told_once() {
        let told = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&told);
        let sink: NoticeSink = Arc::new(move |notice| {
            if let Notice::Warning(problem) = notice {
                heard.lock().unwrap().push(problem.to_string());
            }
        });
        let deliverer = Deliverer::start(&settings("exit 7"), Some(sink)).unwrap();
        (0..4).for_each(|number| assert!(deliverer.sender().send(json!(number))));
        deliverer.finish(Duration::from_secs(60));
        let told = told.lock().unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].contains("warning[alert]") && told[0].contains("sh failed"), "{told:?}");
    }
}
