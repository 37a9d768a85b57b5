//! A program and the settings it brings with it (specs 4.4 and 4.5).

use crate::config::Config;
use crate::instruction::Instruction;
use crate::low_word;

/// Bytes in front of the instructions that the settings are made from.
pub const ENTROPY_BYTES: usize = 128;

/// Bits of the fraction of a double.
const FRACTION_BITS: u32 = 52;

/// Exponent of 1.0 as it is stored.
const EXPONENT_BIAS: u64 = 1023;

/// Exponent bits that all numbers of group E have: bits 0–2 from the top are 011 (specs 4.3.2).
const E_EXPONENT: u64 = 0x300;

/// Low bits of the exponent that group E takes from memory.
const E_DYNAMIC_BITS: u32 = 4;

/// Fraction bits of group E that the mask decides.
const E_FRACTION_MASK: u64 = (1 << 22) - 1;

/// A program as the generator gives it. It is allocated once and loaded many times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The quadwords that [`Settings`] are made from.
    pub entropy: [u64; 16],
    /// [`Config::program_instructions`] of them.
    pub instructions: Box<[Instruction]>,
}

impl Program {
    /// A program of zeroes, of this configuration's length.
    pub fn new(config: &Config) -> Self {
        let instructions = vec![Instruction::default(); config.program_instructions];
        Self { entropy: [0; 16], instructions: instructions.into_boxed_slice() }
    }

    /// Takes over [`Config::program_bytes`] bytes of a generator, little-endian on every host.
    ///
    /// # Panics
    /// When there are more or fewer bytes than this program has.
    pub fn load(&mut self, bytes: &[u8]) {
        assert_eq!(bytes.len(), ENTROPY_BYTES + 8 * self.instructions.len(), "bytes of a program");
        let (words, _) = bytes.as_chunks::<8>();
        let (entropy, instructions) = words.split_at(self.entropy.len());
        for (quadword, bytes) in self.entropy.iter_mut().zip(entropy) {
            *quadword = u64::from_le_bytes(*bytes);
        }
        for (instruction, bytes) in self.instructions.iter_mut().zip(instructions) {
            *instruction = Instruction::from_bytes(*bytes);
        }
    }
}

/// How the machine is set before a program runs (specs 4.5.2 to 4.5.6).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Settings {
    /// Registers a0 to a3, every number in [1, 2^32).
    pub a: [[f64; 2]; 4],
    /// Address of the next read of the dataset, in bytes, aligned to 64 and below the dataset's base size.
    pub ma: u32,
    /// Address of the next prefetch, likewise.
    pub mx: u32,
    /// Numbers of the registers `readReg0` to `readReg3`: 0 or 1, 2 or 3, 4 or 5, 6 or 7.
    pub read_registers: [usize; 4],
    /// Added to every address of the dataset, in bytes, a multiple of 64.
    pub dataset_offset: u64,
    /// What the low and the high half of group E get in place of the bits that [`E_MANTISSA_MASK`] clears.
    pub e_masks: [u64; 2],
}

/// Bits of a converted number that group E keeps, before a mask of [`Settings::e_masks`] is set: sign and high
/// exponent bits are cleared (specs 4.3.2).
pub const E_MANTISSA_MASK: u64 = (1 << (FRACTION_BITS + E_DYNAMIC_BITS)) - 1;

impl Settings {
    /// From a program's quadwords.
    pub fn from_entropy(config: &Config, entropy: &[u64; 16]) -> Self {
        let number = |at: usize| small_positive_number(entropy[at]);
        let register = |pair: usize| 2 * pair + (entropy[12] >> pair & 1) as usize;
        let extra_items = config.dataset_extra_bytes / 64;
        Self {
            a: [0, 2, 4, 6].map(|low| [number(low), number(low + 1)]),
            ma: low_word(entropy[8]) & config.dataset_mask(),
            mx: low_word(entropy[10]) & config.dataset_mask(),
            read_registers: [0, 1, 2, 3].map(register),
            dataset_offset: entropy[13] % (extra_items + 1) * 64,
            e_masks: [e_mask(entropy[14]), e_mask(entropy[15])],
        }
    }
}

/// A number in [1, 2^32): bits 59 to 63 are the exponent, bits 0 to 51 the fraction (specs 4.5.2).
fn small_positive_number(entropy: u64) -> f64 {
    let exponent = (entropy >> 59) + EXPONENT_BIAS;
    f64::from_bits(exponent << FRACTION_BITS | entropy & ((1 << FRACTION_BITS) - 1))
}

/// Exponent and fraction that half of group E is given (specs 4.5.6).
fn e_mask(entropy: u64) -> u64 {
    let exponent = E_EXPONENT | entropy >> 60 << E_DYNAMIC_BITS;
    exponent << FRACTION_BITS | entropy & E_FRACTION_MASK
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{RX_0, RX_2};

    #[test]
    fn bytes_become_quadwords_and_instructions() {
        for (config, bytes) in [(&RX_0, 2176), (&RX_2, 3200)] {
            assert_eq!(config.program_bytes(), bytes, "{}", config.name);
            let mut program = Program::new(config);
            let generated: Vec<u8> = (0..=250).cycle().take(bytes).collect();
            program.load(&generated);
            assert_eq!(program.entropy[1], 0x0f0e_0d0c_0b0a_0908);
            assert_eq!(program.instructions[0].opcode, 128);
            assert_eq!(program.instructions[0].imm32, 0x8786_8584);
            let last = program.instructions.last().unwrap();
            assert_eq!(last.opcode, generated[bytes - 8]);
        }
    }

    #[test]
    #[should_panic(expected = "bytes of a program")]
    fn a_program_of_another_length_is_refused() {
        Program::new(&RX_0).load(&[0; 3200]);
    }

    #[test]
    fn settings_of_all_zeroes_and_all_ones() {
        let settings = Settings::from_entropy(&RX_0, &[0; 16]);
        assert_eq!(settings.a, [[1.0; 2]; 4]);
        assert_eq!((settings.ma, settings.mx, settings.dataset_offset), (0, 0, 0));
        assert_eq!(settings.read_registers, [0, 2, 4, 6]);
        assert_eq!(settings.e_masks, [0x300 << 52; 2]);
        let settings = Settings::from_entropy(&RX_0, &[u64::MAX; 16]);
        let largest = (2.0 - f64::EPSILON) * f64::from(1u32 << 31);
        assert_eq!(settings.a, [[largest; 2]; 4]);
        assert_eq!((settings.ma, settings.mx), (0x7fff_ffc0, 0x7fff_ffc0));
        assert_eq!(settings.read_registers, [1, 3, 5, 7]);
        assert_eq!(settings.e_masks, [0x3f0 << 52 | 0x3f_ffff; 2]);
    }

    #[test]
    fn the_last_offset_reaches_the_end_of_the_dataset() {
        let items = RX_0.dataset_extra_bytes / 64;
        let mut entropy = [0; 16];
        entropy[13] = items;
        let settings = Settings::from_entropy(&RX_0, &entropy);
        let last = u64::from(RX_0.dataset_mask()) + settings.dataset_offset;
        assert_eq!(last / 64, RX_0.dataset_items() - 1);
        entropy[13] = items + 1;
        assert_eq!(Settings::from_entropy(&RX_0, &entropy).dataset_offset, 0);
    }
}
