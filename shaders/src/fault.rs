//! What goes wrong with a device, gathered from all the places where wgpu tells it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use thiserror::Error;

/// Why a device cannot go on.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Fault {
    /// Gone or broken. Opened anew it may work again.
    #[error("{0}")]
    Lost(String),
    /// It did not answer in time. What it holds is left behind, since waiting for it could take for ever.
    #[error("no answer for {} s", .0.as_secs())]
    Hung(Duration),
    /// Its memory is used up.
    #[error("out of memory: {0}")]
    Memory(String),
    /// The driver or the device does not do what is asked of it, and would not do it the next time.
    #[error("{0}")]
    Refused(String),
    /// It computes wrongly: it did not find what it must find, or claims what cannot be.
    #[error("{0}")]
    Wrong(String),
}

/// The first fault of an open device, from whichever thread or callback it comes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Watch(Arc<Mutex<Option<Fault>>>);

impl Watch {
    /// A watch that hears of the device's errors. Without it wgpu panics at the first of them.
    pub(crate) fn on(device: &wgpu::Device) -> Self {
        let watch = Self::default();
        let (errors, losses) = (watch.clone(), watch.clone());
        device.on_uncaptured_error(Arc::new(move |error| errors.note(from_wgpu(&error))));
        device.set_device_lost_callback(move |reason, text| {
            losses.note(Fault::Lost(format!("device lost ({reason:?}): {}", or_nothing(&text))));
        });
        watch
    }

    /// Notes a fault unless there is one already: what follows is mostly its consequence.
    pub(crate) fn note(&self, fault: Fault) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
    }

    /// The first fault, if there was one.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(fault) => Err(fault.clone()),
            None => Ok(()),
        }
    }

    /// The first fault, if it only concerns what was just asked for; then the device goes on without that.
    pub(crate) fn take_refusal(&self) -> Result<(), Fault> {
        let mut fault = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*fault {
            Some(Fault::Refused(_)) => fault.take().map_or(Ok(()), Err),
            Some(other) => Err(other.clone()),
            None => Ok(()),
        }
    }
}

/// Calls into wgpu, which panics where an error has no other way out: polling a lost device is one of those.
pub(crate) fn contained<T>(what: &str, call: impl FnOnce() -> T) -> Result<T, Fault> {
    catch_unwind(AssertUnwindSafe(call))
        .map_err(|panic| Fault::Lost(format!("{what}: {}", or_nothing(panic_text(&*panic)))))
}

fn from_wgpu(error: &wgpu::Error) -> Fault {
    match error {
        wgpu::Error::OutOfMemory { source } => Fault::Memory(source.to_string()),
        wgpu::Error::Validation { description, .. } => Fault::Refused(one_line(description)),
        wgpu::Error::Internal { description, .. } => Fault::Lost(one_line(description)),
    }
}

fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or_default()
}

fn or_nothing(text: &str) -> String {
    if text.trim().is_empty() { "the driver says nothing more".into() } else { one_line(text) }
}

/// The driver's words in one line of bounded length: descriptions may quote a whole shader.
fn one_line(text: &str) -> String {
    const MAX_CHARS: usize = 300;
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_fault_stays_and_refusals_can_be_taken() {
        let watch = Watch::default();
        assert_eq!(watch.check(), Ok(()));
        watch.note(Fault::Refused("no".into()));
        watch.note(Fault::Lost("later".into()));
        assert_eq!(watch.take_refusal(), Err(Fault::Refused("no".into())));
        assert_eq!(watch.check(), Ok(()));
        watch.note(Fault::Lost("gone".into()));
        assert_eq!(watch.take_refusal(), Err(Fault::Lost("gone".into())));
        assert_eq!(watch.check(), Err(Fault::Lost("gone".into())), "a loss stays");
    }

    #[test]
    fn panics_become_losses_with_bounded_text() {
        let fault = contained("poll", || -> u32 { panic!("a\n  b {}", "x".repeat(1000)) }).unwrap_err();
        let Fault::Lost(text) = fault else { panic!("{fault:?}") };
        assert!(text.starts_with("poll: a b xxx") && text.len() < 320, "{text}");
        assert_eq!(contained("poll", || 7), Ok(7));
    }
}
