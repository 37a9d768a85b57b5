//! Which engine computes, and how.

use std::fmt;

use super::library::Flags;
use super::native::Native;

/// Who computes the hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Our own, written from the specification.
    Native,
    /// The C library that the specification's author wrote.
    Reference,
}

/// How hashes are computed: by which engine, with what of this machine. Every method gives the same hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Our own engine with what this machine allows.
    Native(Native),
    /// The C library with what this machine allows. It knows version 1 only.
    Library(Flags),
}

impl Method {
    /// The fastest of this engine that works on this machine.
    pub fn detect(engine: Engine) -> Self {
        match engine {
            Engine::Native => Self::Native(Native::detect()),
            Engine::Reference => Self::Library(Flags::detect()),
        }
    }

    /// Our own engine where it compiles programs, or where the C library does not either; else the C library.
    pub fn fastest() -> Self {
        let (native, library) = (Self::detect(Engine::Native), Self::detect(Engine::Reference));
        if library.has_jit() && !native.has_jit() { library } else { native }
    }

    /// The same without a compiler of programs: the engine's second and independent way to hash.
    pub fn interpreted(self) -> Self {
        match self {
            Self::Native(native) => Self::Native(native.interpreted()),
            Self::Library(flags) => Self::Library(flags.interpreted()),
        }
    }

    /// Which engine it is.
    pub fn engine(self) -> Engine {
        match self {
            Self::Native(_) => Engine::Native,
            Self::Library(_) => Engine::Reference,
        }
    }

    /// Whether programs are compiled to machine code.
    pub fn has_jit(self) -> bool {
        match self {
            Self::Native(native) => native.has_jit(),
            Self::Library(flags) => flags.has_jit(),
        }
    }

    /// The same with this many inputs that one thread hashes at once, as far as the engine can.
    #[must_use]
    pub fn with_lanes(self, lanes: usize) -> Self {
        match self {
            Self::Native(native) => Self::Native(native.with_lanes(lanes)),
            Self::Library(_) => self,
        }
    }

    /// Inputs that one thread can hash at once, at most.
    pub fn most_lanes(self) -> usize {
        match self {
            Self::Native(native) => native.most_lanes(),
            Self::Library(_) => 1,
        }
    }

    /// Inputs that one thread hashes at once.
    pub fn lanes(self) -> usize {
        match self {
            Self::Native(native) => native.lanes(),
            Self::Library(_) => 1,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Native(native) => write!(f, "randomx native {native}"),
            Self::Library(flags) => write!(f, "randomx-c {flags}"),
        }
    }
}
