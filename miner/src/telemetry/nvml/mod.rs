//! NVIDIA's cards, through the library of their driver. Its calls may block, and any of them may be missing or fail; what
//! cannot be had is not known, and nothing more comes of it.

mod card;
mod library;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nvml_wrapper::error::NvmlError;

use self::card::{Card, Fault};
use self::library::Library;
use super::hwmon::is_of_nvidia;
use super::pci::PciAddress;
use super::roots::Roots;
use super::{DeviceKind, Note, Readings, Source, Watched};

/// A card that is lost, and a library that is not there, are asked again after this long: the driver may be busy with
/// them for seconds each time.
pub const ASK_AGAIN: Duration = Duration::from_secs(60);

/// Reads NVIDIA's cards.
pub struct NvmlSource {
    /// The library's file; `None` for the loader's usual name and places.
    path: Option<PathBuf>,
    cards: Vec<Card>,
    library: Option<Library>,
    /// When the library could not be had, and why.
    fault: Option<(Instant, NvmlError)>,
}

impl NvmlSource {
    /// For these devices; `None` when none of them can be NVIDIA's. `path` names the library's file.
    pub fn new(watched: &[Watched], roots: &Roots, path: Option<PathBuf>) -> Option<Self> {
        let cards = watched.iter().filter(|device| device.kind == DeviceKind::Gpu);
        let cards = cards.filter_map(|card| Some((&card.id, PciAddress::parse(card.pci.as_ref()?)?)));
        let cards: Vec<_> = cards
            .filter(|(_, address)| is_of_nvidia(roots, *address))
            .map(|(id, address)| Card::new(id, address))
            .collect();
        (!cards.is_empty()).then(|| Self { path, cards, library: None, fault: None })
    }

    /// What the cards say at this time.
    pub fn read_at(&mut self, now: Instant) -> Readings {
        let mut devices = BTreeMap::new();
        if self.cards.iter().any(|card| card.is_asked_again(now)) {
            // A library that knew the card when it was lost may never see it again.
            self.library = None;
        }
        // The second time after the driver was loaded anew under the library's feet.
        for _ in 0..2 {
            self.load(now);
            let Some(nvml) = self.library.as_ref().and_then(Library::nvml) else { break };
            devices.clear();
            let mut is_stale = false;
            for card in &mut self.cards {
                match card.read(nvml, now) {
                    Ok(readings) => drop(devices.insert(card.id.clone(), readings)),
                    Err(Fault::Stale) => is_stale = true,
                    Err(Fault::Card) => {}
                }
            }
            if !is_stale {
                break;
            }
            self.library = None;
        }
        Readings { devices, ..Readings::default() }
    }

    /// Loads the library if it is not yet and may be tried.
    fn load(&mut self, now: Instant) {
        let waits = self.fault.as_ref().is_some_and(|(at, _)| now.saturating_duration_since(*at) < ASK_AGAIN);
        if self.library.is_none() && !waits {
            match Library::load(self.path.as_deref()) {
                Ok(library) => {
                    self.cards.iter_mut().for_each(Card::forget_handle);
                    (self.library, self.fault) = (Some(library), None);
                }
                Err(fault) => self.fault = Some((now, fault)),
            }
        }
    }
}

impl Source for NvmlSource {
    fn name(&self) -> &'static str {
        "nvml"
    }

    fn read(&mut self) -> Readings {
        self.read_at(Instant::now())
    }

    fn notes(&self) -> Vec<Note> {
        let note = |card: &Card| match (&self.fault, &card.fault) {
            (Some((_, fault)), _) => without_library(&card.id, fault),
            (None, Some(fault)) => Note::new(&card.id, format!("NVML does not tell of this card: {fault}")),
            (None, None) => Note::new(&card.id, "NVML"),
        };
        self.cards.iter().map(note).collect()
    }
}

fn without_library(id: &str, fault: &NvmlError) -> Note {
    let note = Note::new(id, format!("NVML cannot be used: {fault}"));
    match fault {
        NvmlError::LibloadingError(_) => {
            note.help("libnvidia-ml.so.1 comes with NVIDIA's driver (Debian, Ubuntu: libnvidia-ml1)")
        }
        NvmlError::LibRmVersionMismatch => note.help("the driver was updated: restart the machine"),
        _ => note,
    }
}
