//! Our own engine, as [`Method`](super::Method) names it.

use std::fmt;

use rminer_randomx::aes::Aes;
use rminer_randomx::config::{Config, RX_0, RX_2};
use rminer_randomx::vm::{Engine, Options};
use rminer_randomx::{CodeMode, DatasetKernel, Error};

use super::{EngineError, MAX_LANES, Pages};
use crate::Variant;

/// What our own engine uses of this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Native {
    engine: Engine,
    aes: Aes,
    code: CodeMode,
    lanes: usize,
}

impl Native {
    /// The fastest that works on this machine.
    pub fn detect() -> Self {
        let Options { engine, aes, code, lanes, .. } = Options::detect(&RX_0);
        Self { engine, aes, code, lanes }
    }

    pub(super) fn interpreted(self) -> Self {
        Self { engine: Engine::Interpreter, lanes: 1, ..self }
    }

    pub(super) fn has_jit(self) -> bool {
        self.engine == Engine::Jit
    }

    pub(super) fn lanes(self) -> usize {
        self.lanes
    }

    pub(super) fn with_lanes(self, lanes: usize) -> Self {
        Self { lanes: lanes.clamp(1, self.most_lanes()), ..self }
    }

    /// An interpreter gains nothing by more than one.
    pub(super) fn most_lanes(self) -> usize {
        if self.has_jit() { MAX_LANES } else { 1 }
    }

    /// How a machine of these pages is made.
    pub(super) fn options(self, pages: Pages) -> Options {
        let Self { engine, aes, code, lanes } = self;
        Options { config: config(Variant::V1), pages, engine, aes, lanes, code }
    }
}

impl fmt::Display for Native {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_jit() { "jit" } else { "interpreter" })?;
        if self.has_jit() && self.code == CodeMode::DualMapping {
            f.write_str("+w^x")?;
        }
        match self.aes {
            Aes::Soft => f.write_str("+soft-aes")?,
            Aes::Ni => f.write_str("+aes")?,
            other => write!(f, "+{}", format!("{other:?}").to_lowercase())?,
        }
        write!(f, " dataset-{}", DatasetKernel::best())
    }
}

/// What our own crate calls a variant.
pub(super) fn config(variant: Variant) -> &'static Config {
    match variant {
        Variant::V1 => &RX_0,
        Variant::V2 => &RX_2,
    }
}

/// The same error in the words that both engines share; `memory` says what there was no memory for.
pub(super) fn error(fault: Error, memory: fn(Pages) -> EngineError) -> EngineError {
    match fault {
        Error::Memory { pages, .. } => memory(pages),
        Error::NoKey => EngineError::NoKey,
        Error::Unfilled { done, total } => EngineError::Unfilled { done, total },
        Error::Range { start, end } => EngineError::Range { start, end },
        other => EngineError::Native(other),
    }
}
