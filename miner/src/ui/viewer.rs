//! The thread that writes. A terminal that is held with Ctrl-S, or a pipe that nobody reads, must not stop a
//! share on its way.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Screen;
use crate::engine::{Happening, Snapshot};

/// What may wait to be shown; more is dropped, and the screens are told how much.
const MAX_WAITING: usize = 1024;

enum Message {
    Missed(u64),
    Happening(Happening),
    Second(Arc<Snapshot>),
    Rates(Box<Snapshot>),
    Summary(Box<Snapshot>),
}

/// Hands everything to screens on a thread of their own.
pub struct Viewer {
    messages: SyncSender<Message>,
    thread: JoinHandle<()>,
    /// Happenings that were dropped and not told of yet.
    missed: u64,
}

impl Viewer {
    /// Starts the thread; `screens` makes the screens there.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub fn start(screens: impl FnOnce() -> Vec<Box<dyn Screen>> + Send + 'static) -> std::io::Result<Self> {
        let (messages, waiting) = sync_channel(MAX_WAITING);
        let thread =
            std::thread::Builder::new().name("screen".into()).spawn(move || show(screens(), &waiting))?;
        Ok(Self { messages, thread, missed: 0 })
    }

    /// Something happened.
    pub fn happening(&mut self, happening: Happening) {
        if self.missed > 0 && self.messages.try_send(Message::Missed(self.missed)).is_ok() {
            self.missed = 0;
        }
        if self.messages.try_send(Message::Happening(happening)).is_err() {
            self.missed += 1;
        }
    }

    /// The state, once a second.
    pub fn second(&mut self, snapshot: Arc<Snapshot>) {
        self.send(Message::Second(snapshot));
    }

    /// The regular report.
    pub fn rates(&mut self, snapshot: Snapshot) {
        self.send(Message::Rates(Box::new(snapshot)));
    }

    /// Shows the last word and waits until it is written, for `patience` at most.
    pub fn finish(mut self, snapshot: Snapshot, patience: Duration) {
        self.send(Message::Summary(Box::new(snapshot)));
        drop(self.messages);
        let end = Instant::now() + patience;
        while !self.thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn send(&mut self, message: Message) {
        // The next one says more.
        let _full = self.messages.try_send(message);
    }
}

fn show(mut screens: Vec<Box<dyn Screen>>, waiting: &Receiver<Message>) {
    while let Ok(message) = waiting.recv() {
        // A screen that nobody can see any more is dropped; mining and the other screens go on.
        screens.retain_mut(|screen| {
            let shown = match &message {
                Message::Missed(happenings) => {
                    screen.missed(*happenings);
                    Ok(())
                }
                Message::Happening(happening) => screen.happening(happening),
                Message::Second(snapshot) => screen.second(snapshot),
                Message::Rates(snapshot) => screen.rates(snapshot),
                Message::Summary(snapshot) => screen.summary(snapshot),
            };
            shown.is_ok()
        });
    }
}
