//! Which engine computes, and how.

use std::fmt;

use super::library::Flags;

/// Who computes the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// The C library that the specification's author wrote.
    Reference,
}

/// How hashes are computed: by which engine, with what of this machine. Every method gives the same hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// The C library with what this machine allows.
    Library(Flags),
}

impl Method {
    /// The fastest of this engine that works on this machine.
    pub fn detect(engine: Engine) -> Self {
        match engine {
            Engine::Reference => Self::Library(Flags::detect()),
        }
    }

    /// The same without a compiler of programs: the engine's second and independent way to hash.
    pub fn interpreted(self) -> Self {
        match self {
            Self::Library(flags) => Self::Library(flags.interpreted()),
        }
    }

    /// Which engine it is.
    pub fn engine(self) -> Engine {
        match self {
            Self::Library(_) => Engine::Reference,
        }
    }

    /// Whether programs are compiled to machine code.
    pub fn has_jit(self) -> bool {
        match self {
            Self::Library(flags) => flags.has_jit(),
        }
    }

    /// The same with this many inputs that one thread hashes at once, as far as the engine can.
    #[must_use]
    pub fn with_lanes(self, _lanes: usize) -> Self {
        match self {
            Self::Library(_) => self,
        }
    }

    /// Inputs that one thread can hash at once, at most.
    pub fn most_lanes(self) -> usize {
        match self {
            Self::Library(_) => 1,
        }
    }

    /// Inputs that one thread hashes at once.
    pub fn lanes(self) -> usize {
        match self {
            Self::Library(_) => 1,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(flags) => write!(f, "randomx-c {flags}"),
        }
    }
}
