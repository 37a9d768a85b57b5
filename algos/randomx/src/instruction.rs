//! Instructions of the virtual machine as they are encoded (specs 5.1), and what all engines make of them.

use crate::config::Config;

/// The integer register whose IADD_RS adds its immediate value too (specs 5.2.1).
pub const DISPLACED_REGISTER: u8 = 5;

/// What FSCAL_R flips: the sign and the low four bits of the exponent (specs 5.3.4).
pub const SCALE_MASK: u64 = 0x80f0_0000_0000_0000;

/// From this condition on ISTORE writes to the whole scratchpad (specs 5.1.4).
const STORE_L3_CONDITION: u32 = 14;

/// What an instruction does (specs 5.2 to 5.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Opcode {
    IaddRs,
    IaddM,
    IsubR,
    IsubM,
    ImulR,
    ImulM,
    ImulhR,
    ImulhM,
    IsmulhR,
    IsmulhM,
    ImulRcp,
    InegR,
    IxorR,
    IxorM,
    IrorR,
    IrolR,
    IswapR,
    FswapR,
    FaddR,
    FaddM,
    FsubR,
    FsubM,
    FscalR,
    FmulR,
    FdivM,
    FsqrtR,
    Cbranch,
    Cfround,
    Istore,
    Nop,
}

impl Opcode {
    /// All, in the order in which the numbers of opcodes are dealt out.
    pub const ALL: [Self; 30] = [
        Self::IaddRs,
        Self::IaddM,
        Self::IsubR,
        Self::IsubM,
        Self::ImulR,
        Self::ImulM,
        Self::ImulhR,
        Self::ImulhM,
        Self::IsmulhR,
        Self::IsmulhM,
        Self::ImulRcp,
        Self::InegR,
        Self::IxorR,
        Self::IxorM,
        Self::IrorR,
        Self::IrolR,
        Self::IswapR,
        Self::FswapR,
        Self::FaddR,
        Self::FaddM,
        Self::FsubR,
        Self::FsubM,
        Self::FscalR,
        Self::FmulR,
        Self::FdivM,
        Self::FsqrtR,
        Self::Cbranch,
        Self::Cfround,
        Self::Istore,
        Self::Nop,
    ];
}

/// Eight bytes of a program (specs 5.1): what they mean depends on the configuration's opcodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Instruction {
    /// Number of the opcode.
    pub opcode: u8,
    /// Destination; reduced to a register by its user.
    pub dst: u8,
    /// Source; reduced to a register by its user.
    pub src: u8,
    /// Modifiers: bits 0–1 `mod.mem`, 2–3 `mod.shift`, 4–7 `mod.cond`.
    pub modifier: u8,
    /// Immediate value.
    pub imm32: u32,
}

impl Instruction {
    /// From eight bytes of a program buffer.
    pub const fn from_bytes(bytes: [u8; 8]) -> Self {
        let [opcode, dst, src, modifier, a, b, c, d] = bytes;
        Self { opcode, dst, src, modifier, imm32: u32::from_le_bytes([a, b, c, d]) }
    }

    /// Whether the first level of the scratchpad is meant (`mod.mem` is not zero), else the second.
    pub const fn reads_l1(self) -> bool {
        self.modifier & 3 != 0
    }

    /// Left shift of the source in IADD_RS, 0 to 3.
    pub const fn shift(self) -> u32 {
        (self.modifier as u32 >> 2) & 3
    }

    /// Condition of CBRANCH and ISTORE, 0 to 15.
    pub const fn condition(self) -> u32 {
        self.modifier as u32 >> 4
    }

    /// Whether ISTORE writes to the whole scratchpad.
    pub const fn stores_to_l3(self) -> bool {
        self.condition() >= STORE_L3_CONDITION
    }

    /// What CBRANCH adds to its register, to be extended by its sign, and the bits that it looks at then (specs 5.4.2).
    pub const fn branch(self, config: &Config) -> (u32, u32) {
        let bit = self.condition() + config.jump_offset;
        let below = if bit > 0 { 1 << (bit - 1) } else { 0 };
        ((self.imm32 | 1 << bit) & !below, ((1 << config.jump_bits) - 1) << bit)
    }

    /// The immediate value with its sign in 64 bits.
    pub const fn imm64(self) -> u64 {
        self.imm32 as i32 as i64 as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_eight_bytes() {
        let instruction = Instruction::from_bytes([0xef, 1, 2, 0b1010_0100, 0xff, 0xff, 0xff, 0x80]);
        assert_eq!((instruction.opcode, instruction.dst, instruction.src), (0xef, 1, 2));
        assert_eq!((instruction.shift(), instruction.condition()), (1, 10));
        assert!(!instruction.reads_l1());
        assert_eq!(instruction.imm64(), 0xffff_ffff_80ff_ffff);
        assert!(!instruction.stores_to_l3());
    }

    #[test]
    fn branches_set_one_bit_and_clear_the_one_below() {
        let branch = |modifier, imm32| {
            Instruction { modifier, imm32, ..Instruction::default() }.branch(&crate::config::RX_0)
        };
        assert_eq!(branch(0, 0), (0x100, 0xff00));
        assert_eq!(branch(0xf0, u32::MAX), (0xffbf_ffff, 0x7f80_0000));
    }
}
