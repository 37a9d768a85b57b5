//! The one letter that workers read: the latest assignment wins, and nothing ever piles up.

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use super::scheduler::Assignment;
use crate::devices::{Generation, Interrupt};

/// What a worker should do now.
#[derive(Debug, Clone)]
pub enum Letter {
    /// Nothing to mine.
    Idle,
    /// Mine this.
    Mine(Arc<Assignment>),
    /// End the thread.
    Stop,
}

/// Written by the engine, read by every worker. Workers are plain threads that park here while idle; while they
/// hash, the generation tells them at the cost of one load that there is a newer letter.
#[derive(Debug)]
pub struct Mailbox {
    letter: Mutex<(u64, Letter)>,
    changed: Condvar,
    generation: Generation,
}

impl Default for Mailbox {
    fn default() -> Self {
        Self {
            letter: Mutex::new((0, Letter::Idle)),
            changed: Condvar::new(),
            generation: Generation::default(),
        }
    }
}

impl Mailbox {
    /// Replaces the letter. Nothing replaces [`Letter::Stop`].
    pub fn post(&self, letter: Letter) {
        let mut slot = self.letter.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(slot.1, Letter::Stop) {
            *slot = (slot.0 + 1, letter);
        }
        // Under the lock, so that a reader's interrupt belongs to the letter that it read.
        self.generation.advance();
        self.changed.notify_all();
    }

    /// The letter now, its number, and an interrupt that the next one sets.
    pub fn read(&self) -> (u64, Letter, Interrupt) {
        let slot = self.letter.lock().unwrap_or_else(PoisonError::into_inner);
        (slot.0, slot.1.clone(), self.generation.interrupt())
    }

    /// Parks until there is a letter with another number than `seen`, at most for `patience`.
    pub fn wait(&self, seen: u64, patience: Duration) {
        let slot = self.letter.lock().unwrap_or_else(PoisonError::into_inner);
        let _unused = self
            .changed
            .wait_timeout_while(slot, patience, |slot| slot.0 == seen && !matches!(slot.1, Letter::Stop));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_is_final_and_wakes() {
        let mailbox = Arc::new(Mailbox::default());
        let (number, letter, interrupt) = mailbox.read();
        assert!(matches!(letter, Letter::Idle) && !interrupt.is_set());
        let waiting = std::thread::spawn({
            let mailbox = Arc::clone(&mailbox);
            move || {
                mailbox.wait(number, Duration::from_secs(60));
                mailbox.read().1
            }
        });
        mailbox.post(Letter::Stop);
        assert!(matches!(waiting.join().unwrap(), Letter::Stop));
        assert!(interrupt.is_set());
        mailbox.post(Letter::Idle);
        assert!(matches!(mailbox.read().1, Letter::Stop));
    }

    #[test]
    fn an_interrupt_read_with_a_letter_is_set_by_the_next() {
        let mailbox = Mailbox::default();
        mailbox.post(Letter::Idle);
        let (number, _, interrupt) = mailbox.read();
        assert!(!interrupt.is_set());
        mailbox.post(Letter::Idle);
        assert!(interrupt.is_set());
        assert_ne!(mailbox.read().0, number);
    }
}
