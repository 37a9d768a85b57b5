//! Graphics cards: one device and one worker for each, for every algorithm that has kernels.

mod device;
mod remembered;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rminer_algos::Algorithm;
use rminer_shaders::adapters::{self, Why};
use rminer_shaders::choose::{Choice, Picks};
use rminer_shaders::runner::{Saboteur, Stats};
use rminer_shaders::{Adapter, Histogram};

use self::device::GpuSource;
use self::remembered::Memory;
use super::{Chosen, DeviceInfo, DeviceSource, LeftOut};
use crate::config::{DeviceSelection, GpuSettings};

/// The graphics cards, ready to be opened.
#[derive(Default)]
pub struct GpuSetup {
    /// One source for each card that was chosen.
    pub sources: Vec<Arc<dyn DeviceSource>>,
    /// What they are, in the order of the sources.
    pub chosen: Vec<Chosen>,
    /// More about each, in the order of the sources.
    pub cards: Vec<Card>,
    /// Cards that are here and do not mine, and what keeps cards from being found.
    pub left_out: Vec<LeftOut>,
}

/// What is known of a card before and while it mines.
#[derive(Clone)]
pub struct Card {
    /// `gpu0`, …
    pub id: String,
    /// What the driver says.
    pub adapter: Adapter,
    /// What was chosen when it was opened last, today or before; `None` for a card that was never measured.
    pub remembered: Option<Choice>,
    facts: Arc<Mutex<Facts>>,
}

/// What a card did so far.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// From new work in the mailbox to its first hash on the card.
    pub new_work: Histogram,
    /// Counts of the life of the card that is or was the last.
    pub stats: Stats,
    /// Kernels in use.
    pub choice: Option<Choice>,
    /// Pipelines that were made in this life of the card.
    pub pipelines: u32,
    /// What loses this life of the card on purpose, for tests of what comes after.
    pub saboteur: Option<Saboteur>,
}

impl Card {
    /// What it did so far.
    pub fn facts(&self) -> Facts {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Looks for graphics cards. Nothing is opened yet, and nothing is looked for when the algorithm has no kernels or
/// no card is wanted. Cards have their numbers by PCI address, also those that are not wanted; software adapters
/// come behind them.
pub fn open(
    algorithm: &'static Algorithm,
    settings: &GpuSettings,
    selection: &DeviceSelection,
    state_folder: Option<&Path>,
) -> GpuSetup {
    let mut setup = GpuSetup::default();
    let wanted = selection.includes_software() || (0..=u8::MAX).any(|n| selection.includes_gpu(n.into()));
    if !wanted || !can_compute(algorithm) {
        return setup;
    }
    let memory = Arc::new(Memory::new(state_folder));
    let listing = adapters::list(selection.includes_software());
    for (number, adapter) in (0u16..).zip(listing.usable) {
        let id = format!("gpu{number}");
        let chosen = selection.includes_gpu(number) && !adapter.software
            || selection.includes_software() && adapter.software;
        if !chosen {
            setup.left_out.push(LeftOut {
                id,
                name: adapter.id.name,
                reason: "is not named by --devices".into(),
                help: Vec::new(),
            });
            continue;
        }
        let remembered = memory.recall(&adapter, algorithm);
        let kernel = match (&settings.kernel, &remembered) {
            (Some(name), _) => name.clone(),
            (None, Some(choice)) => kernels(choice),
            (None, None) => "auto".into(),
        };
        let name = adapter.id.name.clone();
        setup.chosen.push(Chosen {
            id: id.clone(),
            name: name.clone(),
            engine: format!("{} {kernel}", adapter.backend.to_lowercase()),
            workers: 1,
            pci: Some(adapter.id.pci.clone()).filter(|pci| !pci.is_empty()),
        });
        let facts: Arc<Mutex<Facts>> = Arc::default();
        let info = DeviceInfo { id: id.clone(), worker: 0, name, pinned_to: None };
        setup.sources.push(Arc::new(GpuSource {
            info,
            adapter: adapter.clone(),
            algorithm,
            patience: device::patience(&adapter),
            picks: settings.kernel.clone().map_or(Picks::Auto, Picks::Named),
            memory: Arc::clone(&memory),
            facts: Arc::clone(&facts),
        }));
        setup.cards.push(Card { id, adapter, remembered, facts });
    }
    // Who asks for software alone does not want to hear what is missing for cards.
    let cards_wanted = (0..=u8::MAX).any(|number| selection.includes_gpu(number.into()));
    setup.left_out.extend(listing.left_out.into_iter().filter(|_| cards_wanted).map(left_out));
    setup
}

/// Whether there are kernels for an algorithm.
pub fn can_compute(algorithm: &Algorithm) -> bool {
    !rminer_shaders::variants(algorithm.name).is_empty()
}

/// Names of the kernels in use.
pub fn kernels(choice: &Choice) -> String {
    match &choice.several {
        Some(several) => format!("{}, {several} where versions are rolled", choice.single),
        None => choice.single.clone(),
    }
}

fn left_out(left_out: adapters::LeftOut) -> LeftOut {
    let help = match left_out.why {
        Why::Software => "--devices software uses it all the same".into(),
        _ => left_out.fix,
    };
    LeftOut { id: "gpu".into(), name: left_out.name, reason: left_out.reason, help: vec![help] }
}

#[cfg(test)]
mod tests;
