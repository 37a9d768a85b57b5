//! The functions made of AES rounds (specs 3.2 to 3.4), with whatever instructions a processor has for them.

mod keys;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod ni;
mod rounds;
mod soft;
#[cfg(test)]
mod tests;

use std::fmt;

use crate::config::Generator;
use soft::Soft;

/// How rounds of AES are computed. All give the same bytes. One that this processor does not have works too:
/// its place is taken by [`Aes::Soft`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Aes {
    /// By tables of 8 KiB, on any processor.
    Soft,
    /// Instructions of x86-64.
    Ni,
    /// Instructions of aarch64.
    Neon,
}

/// Calls a function of the module that `$aes` means, where the processor has its instructions.
macro_rules! dispatch {
    ($aes:expr, $function:ident($($argument:expr),*)) => {
        match $aes {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: the instructions are there.
            Aes::Ni if ni::available() => unsafe { ni::$function($($argument),*) },
            #[cfg(target_arch = "aarch64")]
            // SAFETY: the instructions are there.
            Aes::Neon if neon::available() => unsafe { neon::$function($($argument),*) },
            _ => rounds::$function::<Soft>($($argument),*),
        }
    };
}

#[allow(unsafe_code)]
impl Aes {
    /// All ways, the preferred ones last.
    const ALL: [Self; 3] = [Self::Soft, Self::Ni, Self::Neon];

    /// The ways that this processor has, the best one last. There is always [`Aes::Soft`].
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|aes| aes.is_available())
    }

    /// The best way that this processor has.
    pub fn detect() -> Self {
        Self::available().last().unwrap_or(Self::Soft)
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Soft => true,
            #[cfg(target_arch = "x86_64")]
            Self::Ni => ni::available(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => neon::available(),
            #[allow(unreachable_patterns)]
            _ => false,
        }
    }

    /// AesGenerator1R (specs 3.2): fills `out` and leaves the generator's state behind it.
    ///
    /// # Panics
    /// When `out` is not a multiple of 64 bytes; so do the others here.
    pub fn fill_scratchpad(self, state: &mut [u8; 64], out: &mut [u8]) {
        dispatch!(self, fill_scratchpad(state, blocks_mut(out)));
    }

    /// AesGenerator4R (specs 3.3): fills `out` and leaves the generator's state behind it.
    pub fn fill_program(self, generator: Generator, state: &mut [u8; 64], out: &mut [u8]) {
        let keys = match generator {
            Generator::Specified => &keys::GENERATOR_4R,
            Generator::FourKeys => &keys::GENERATOR_4R_FOUR_KEYS,
        };
        dispatch!(self, fill_program(keys, state, blocks_mut(out)));
    }

    /// AesHash1R (specs 3.4), the fingerprint of a scratchpad.
    pub fn hash(self, input: &[u8]) -> [u8; 64] {
        dispatch!(self, hash(blocks(input)))
    }

    /// [`Aes::hash`] of the scratchpad, and [`Aes::fill_scratchpad`] of the same memory for the next hash, in one pass.
    pub fn hash_and_fill(self, scratchpad: &mut [u8], state: &mut [u8; 64]) -> [u8; 64] {
        dispatch!(self, hash_and_fill(blocks_mut(scratchpad), state))
    }

    /// How version 2 mixes group F with group E at the end of an iteration (specs 4.6.2, step 10): 16 rounds.
    pub fn mix(self, f: &mut [[f64; 2]; 4], e: &[[f64; 2]; 4]) {
        let mut mixed = to_bytes(f);
        dispatch!(self, mix(&mut mixed, &to_bytes(e)));
        let (words, _) = mixed.as_chunks::<8>();
        for (number, word) in f.as_flattened_mut().iter_mut().zip(words) {
            *number = f64::from_le_bytes(*word);
        }
    }
}

impl fmt::Display for Aes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Soft => "tables",
            Self::Ni => "AES-NI",
            Self::Neon => "NEON",
        })
    }
}

/// Four registers as they lie in memory.
fn to_bytes(registers: &[[f64; 2]; 4]) -> [u8; 64] {
    let mut bytes = [0; 64];
    for (bytes, number) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(registers.as_flattened()) {
        *bytes = number.to_le_bytes();
    }
    bytes
}

fn blocks(bytes: &[u8]) -> &[[u8; 64]] {
    let (blocks, rest) = bytes.as_chunks();
    assert!(rest.is_empty(), "AES generators and hashes work on blocks of 64 bytes");
    blocks
}

fn blocks_mut(bytes: &mut [u8]) -> &mut [[u8; 64]] {
    let (blocks, rest) = bytes.as_chunks_mut();
    assert!(rest.is_empty(), "AES generators and hashes work on blocks of 64 bytes");
    blocks
}
