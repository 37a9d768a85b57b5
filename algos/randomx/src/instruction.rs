//! Instructions of the virtual machine as they are encoded (specs 5.1).

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
    }
}
