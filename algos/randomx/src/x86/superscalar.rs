//! Instructions of SuperscalarHash in integer registers (specs 6.1): `r8` to `r15`, with `rax` and `rdx` for products.

use super::assembler::register::{R8, RAX, RDX};
use super::assembler::{Address, Assembler, Legacy, Map, Operand, Prefix};
use crate::superscalar::{Instruction, Kind};

const fn wide(opcode: u8) -> Legacy {
    Legacy { prefix: Prefix::None, map: Map::Primary, opcode, wide: true }
}

const LOAD: Legacy = wide(0x8b);
const ADD: Legacy = wide(0x03);
const SUBTRACT: Legacy = wide(0x2b);
const XOR: Legacy = wide(0x33);
const LOAD_ADDRESS: Legacy = wide(0x8d);
const MULTIPLY: Legacy = Legacy { map: Map::M0F, ..wide(0xaf) };
const WITH_CONSTANT: Legacy = wide(0x81);
const ROTATE: Legacy = wide(0xc1);
const HIGH_PRODUCT: Legacy = wide(0xf7);

/// The processor's register for one of the program's.
pub(crate) const fn register(number: u8) -> u8 {
    R8 + (number & 7)
}

/// One instruction of the processor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    instruction: Legacy,
    reg: u8,
    operand: Operand,
    /// What follows, and how many bytes of it.
    immediate: (u32, usize),
}

impl Step {
    fn new(instruction: Legacy, reg: u8, operand: impl Into<Operand>) -> Self {
        Self { instruction, reg, operand: operand.into(), immediate: (0, 0) }
    }

    /// Writes it.
    pub(crate) fn write(self, assembler: &mut Assembler<'_>) {
        assembler.legacy(self.instruction, self.reg, self.operand);
        let (value, bytes) = self.immediate;
        assembler.put(value.into(), bytes);
    }
}

/// The steps of one instruction in order. `factor` is where IMUL_RCP finds its reciprocal.
pub(crate) fn steps(instruction: Instruction, factor: impl Into<Operand>) -> impl Iterator<Item = Step> {
    let (dst, src) = (register(instruction.dst), register(instruction.src));
    let one = |step| [Some(step), None, None];
    let constant =
        |extension| Step { immediate: (instruction.imm32, 4), ..Step::new(WITH_CONSTANT, extension, dst) };
    let high_product = |extension| {
        let product = Step::new(HIGH_PRODUCT, extension, src);
        [Some(Step::new(LOAD, RAX, dst)), Some(product), Some(Step::new(LOAD, dst, RDX))]
    };
    let steps = match instruction.kind {
        Kind::IsubR => one(Step::new(SUBTRACT, dst, src)),
        Kind::IxorR => one(Step::new(XOR, dst, src)),
        Kind::IaddRs if instruction.shift() == 0 => one(Step::new(ADD, dst, src)),
        Kind::IaddRs => {
            let scale = u8::try_from(instruction.shift()).unwrap_or(0);
            one(Step::new(LOAD_ADDRESS, dst, Address::indexed(dst, src, scale, 0)))
        }
        Kind::ImulR => one(Step::new(MULTIPLY, dst, src)),
        Kind::IrorC => one(Step { immediate: (instruction.imm32 & 63, 1), ..Step::new(ROTATE, 1, dst) }),
        Kind::IaddC7 | Kind::IaddC8 | Kind::IaddC9 => one(constant(0)),
        Kind::IxorC7 | Kind::IxorC8 | Kind::IxorC9 => one(constant(6)),
        Kind::ImulhR => high_product(4),
        Kind::IsmulhR => high_product(5),
        Kind::ImulRcp => one(Step::new(MULTIPLY, dst, factor)),
    };
    steps.into_iter().flatten()
}
