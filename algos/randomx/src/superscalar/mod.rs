//! SuperscalarHash (specs 6): random programs over eight registers that make dataset items from a cache.

mod execute;
mod generator;

pub use execute::{execute, execute_lanes};
pub use generator::generate;

use crate::reciprocal::reciprocal;

/// What an instruction does (specs 6.1). The forms of one operation that differ in the model's bytes of code only
/// are kept apart, as the reference implementation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Kind {
    IsubR,
    IxorR,
    IaddRs,
    ImulR,
    IrorC,
    IaddC7,
    IxorC7,
    IaddC8,
    IxorC8,
    IaddC9,
    IxorC9,
    ImulhR,
    IsmulhR,
    ImulRcp,
}

/// One instruction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Instruction {
    /// What it does.
    pub kind: Kind,
    /// Destination register, 0 to 7.
    pub dst: u8,
    /// Source register, 0 to 7; the destination where there is none.
    pub src: u8,
    /// Modifier of IADD_RS.
    pub modifier: u8,
    /// Immediate value.
    pub imm32: u32,
    /// The immediate value as it is used: with its sign in 64 bits, or its reciprocal for IMUL_RCP.
    pub constant: u64,
}

impl Instruction {
    fn new(kind: Kind, dst: u8, src: u8, modifier: u8, imm32: u32) -> Self {
        let constant = match kind {
            Kind::ImulRcp => reciprocal(imm32),
            _ => i64::from(imm32.cast_signed()).cast_unsigned(),
        };
        Self { kind, dst, src, modifier, imm32, constant }
    }

    /// Left shift of the source of IADD_RS, 0 to 3.
    pub const fn shift(self) -> u32 {
        (self.modifier as u32 >> 2) & 3
    }

    /// Whether it multiplies.
    pub const fn is_multiplication(self) -> bool {
        matches!(self.kind, Kind::ImulR | Kind::ImulhR | Kind::IsmulhR | Kind::ImulRcp)
    }
}

/// A program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// Its instructions in order; not more than three for each cycle of the latency, and two.
    pub instructions: Box<[Instruction]>,
    /// The register with the longest chain of dependencies, which addresses the next item of the cache (specs 7.3).
    pub address_register: usize,
}

impl Program {
    fn new(instructions: Vec<Instruction>) -> Self {
        let address_register = address_register(&instructions);
        Self { instructions: instructions.into_boxed_slice(), address_register }
    }
}

/// The first of the registers with the longest chain, with every operation counted as one.
fn address_register(instructions: &[Instruction]) -> usize {
    let mut chains = [0u32; 8];
    for instruction in instructions {
        let (dst, src) = (usize::from(instruction.dst), usize::from(instruction.src));
        chains[dst] = chains[dst].max(chains[src]) + 1;
    }
    let longest = chains.iter().copied().max().unwrap_or(0);
    chains.iter().position(|&chain| chain == longest).unwrap_or(0)
}
