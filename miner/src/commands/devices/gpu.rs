//! Rows of graphics cards.

use std::path::Path;

use rminer_algos::Algorithm;
use rminer_algos::registry::ALGORITHMS;

use super::{KernelRow, Row, Suitability};
use crate::config::{DevicePattern, DeviceSelection, GpuSettings};
use crate::devices::gpu::{self, Card};
use crate::devices::{Chosen, LeftOut, kinds};

/// Rows for all cards that can compute something, then for what is left out. Nothing is opened: what is told of
/// kernels is what was measured when a card mined before.
pub(super) fn rows(state_folder: Option<&Path>) -> Vec<Row> {
    let selection = DeviceSelection::Only(vec![DevicePattern::Gpus]);
    let mut cards: Vec<Row> = Vec::new();
    let mut left_out: Vec<LeftOut> = Vec::new();
    for algorithm in ALGORITHMS {
        let setup = gpu::open(algorithm, &GpuSettings::default(), &selection, state_folder);
        for (card, chosen) in setup.cards.iter().zip(setup.chosen) {
            let suitability = suitability(algorithm, card, &chosen);
            match cards.iter_mut().find(|row| row.id == chosen.id) {
                Some(row) => row.algorithms.push(suitability),
                None => cards.push(row(card, chosen, suitability)),
            }
        }
        for device in setup.left_out {
            if !left_out.contains(&device) {
                left_out.push(device);
            }
        }
    }
    for row in &mut cards {
        let others = ALGORITHMS.iter().filter(|algorithm| !kinds(algorithm).contains(&"gpu"));
        row.algorithms.extend(others.map(|algorithm| Suitability {
            algo: algorithm.name,
            engine: String::new(),
            reason: "is not computed on GPUs".into(),
            kernels: Vec::new(),
        }));
    }
    cards.extend(left_out.into_iter().map(without));
    cards
}

fn row(card: &Card, chosen: Chosen, suitability: Suitability) -> Row {
    Row {
        id: chosen.id,
        name: chosen.name,
        kind: "gpu",
        state: "ready",
        reason: format!("{}, {}", card.adapter.backend, card.adapter.driver),
        help: Vec::new(),
        algorithms: vec![suitability],
        pci: chosen.pci,
        sensors: None,
        cpu: None,
    }
}

fn without(device: LeftOut) -> Row {
    Row {
        id: device.id,
        name: device.name,
        kind: "gpu",
        state: "left out",
        reason: device.reason,
        help: device.help,
        algorithms: Vec::new(),
        pci: None,
        sensors: None,
        cpu: None,
    }
}

fn suitability(algorithm: &'static Algorithm, card: &Card, chosen: &Chosen) -> Suitability {
    let measured = card.remembered.iter().flat_map(|choice| &choice.measured);
    let is_chosen = |name: &String| {
        card.remembered
            .as_ref()
            .is_some_and(|choice| choice.single == *name || choice.several.as_ref() == Some(name))
    };
    let mut kernels: Vec<_> = measured
        .map(|row| KernelRow {
            kernel: row.name.clone(),
            state: match row.rate_hs {
                _ if is_chosen(&row.name) => "chosen".into(),
                Some(_) => "available".into(),
                None => "does not compile".into(),
            },
            rate_hs: row.rate_hs,
        })
        .collect();
    if kernels.is_empty() {
        kernels = rminer_shaders::variants(algorithm.name)
            .into_iter()
            .map(|variant| KernelRow {
                kernel: variant.name,
                state: "is measured when the card first mines".into(),
                rate_hs: None,
            })
            .collect();
    }
    Suitability { algo: algorithm.name, engine: chosen.engine.clone(), reason: String::new(), kernels }
}
