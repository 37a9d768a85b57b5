//! A graphics card behind the device trait.

use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rminer_algos::{Algorithm, Reference, Target, Unavailable, Work};
use rminer_shaders::choose::Picks;
use rminer_shaders::{Adapter, Claim, Fault, Options, Runner, variants};

use super::Facts;
use super::remembered::Memory;
use crate::devices::{Check, Device, DeviceError, DeviceInfo, DeviceSource, Found, Interrupt, os};

/// A card that does not answer for this long hangs. Software waits its turn with everything else on the processor.
pub(super) fn patience(adapter: &Adapter) -> Duration {
    Duration::from_secs(if adapter.software { 120 } else { 10 })
}

/// Opens a card, again after each loss.
pub(super) struct GpuSource {
    pub(super) info: DeviceInfo,
    pub(super) adapter: Adapter,
    pub(super) algorithm: &'static Algorithm,
    /// What the settings say; a measurement from before is looked up when it is [`Picks::Auto`].
    pub(super) picks: Picks,
    /// A slice that takes longer is none that comes back.
    pub(super) patience: Duration,
    pub(super) memory: Arc<Memory>,
    pub(super) facts: Arc<Mutex<Facts>>,
}

impl DeviceSource for GpuSource {
    fn info(&self) -> &DeviceInfo {
        &self.info
    }

    fn open(&self) -> Result<Box<dyn Device>, DeviceError> {
        if self.adapter.software {
            // Its threads are made by this one and take after it.
            os::lower_priority();
        }
        let remembered = match &self.picks {
            Picks::Auto | Picks::Measured => self.memory.recall(&self.adapter, self.algorithm),
            _ => None,
        };
        let picks =
            remembered.map_or(self.picks.clone(), |choice| Picks::Known(choice.single, choice.several));
        let options = Options { picks, patience: self.patience, ..Options::default() };
        let runner = Runner::open(&self.adapter, self.algorithm, variants(self.algorithm.name), options)
            .map_err(device_error)?;
        if !runner.choice().measured.is_empty() {
            self.memory.remember(&self.adapter, self.algorithm, runner.choice());
        }
        let device = Gpu { runner, facts: Arc::clone(&self.facts), waiting: None, claims: Vec::new() };
        device.note(|facts| {
            facts.choice = Some(device.runner.choice().clone());
            facts.pipelines = device.runner.pipelines_created();
            facts.saboteur = Some(device.runner.saboteur());
        });
        Ok(Box::new(device))
    }

    fn check(&self) -> Check {
        Check::First
    }

    fn slowest_slice(&self) -> Duration {
        // The runner gives up earlier than that by itself, and says more.
        2 * self.patience
    }

    fn checker(&self) -> Result<Box<dyn Reference>, Unavailable> {
        (self.algorithm.reference)()
    }
}

struct Gpu {
    runner: Runner,
    facts: Arc<Mutex<Facts>>,
    /// Of work whose first hash is still to come.
    waiting: Option<Interrupt>,
    claims: Vec<Claim>,
}

impl Gpu {
    fn note(&self, change: impl FnOnce(&mut Facts)) {
        change(&mut self.facts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Device for Gpu {
    fn load(&mut self, work: &Arc<Work>, target: Target, interrupt: &Interrupt) -> Result<(), DeviceError> {
        self.runner.load(work, target).map_err(device_error)?;
        self.waiting = Some(interrupt.clone());
        Ok(())
    }

    fn scan(
        &mut self,
        range: Range<u64>,
        interrupt: &Interrupt,
        found: &mut Vec<Found>,
    ) -> Result<u64, DeviceError> {
        let scanned = self.runner.scan(range, &|| interrupt.is_set(), &mut self.claims);
        found.extend(self.claims.drain(..).map(|Claim { nonce, hash }| Found { nonce, hash }));
        let first = self.runner.first_hash().and_then(|first| self.waiting.take().map(|new| (new, first)));
        self.note(|facts| {
            facts.stats = self.runner.stats();
            if let Some((new, first)) = first {
                facts.new_work.note(first.saturating_duration_since(new.began()));
            }
        });
        scanned.map_err(device_error)
    }

    fn batch(&self) -> u64 {
        self.runner.batch()
    }

    fn first_hash(&self) -> Option<Instant> {
        self.runner.first_hash()
    }
}

fn device_error(fault: Fault) -> DeviceError {
    match fault {
        Fault::Lost(text) => DeviceError::Lost(text),
        Fault::Hung(_) => DeviceError::Lost(fault.to_string()),
        Fault::Memory(_) => DeviceError::Memory(fault.to_string()),
        Fault::Refused(text) => DeviceError::Unsupported(text),
        Fault::Wrong(text) => DeviceError::Wrong(text),
    }
}
