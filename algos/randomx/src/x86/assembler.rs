//! Writes x86-64 machine code into a buffer of fixed size.
//!
//! The encoders are generic: an instruction is a value of [`Legacy`], [`Vex`] or [`Evex`], as the processors'
//! manuals write it, and its operands are numbers of registers or an [`Address`]. Users give names to what they
//! need. Whatever does not fit into the buffer is not written, and [`Assembler::finish`] says so.

use crate::Error;

/// Bytes behind the cursor that one write may touch. They are free in every buffer but at its very end.
const WRITE_BYTES: usize = 8;

/// Numbers of the integer registers, as encoded.
pub mod register {
    #![allow(missing_docs)]
    pub const RAX: u8 = 0;
    pub const RCX: u8 = 1;
    pub const RDX: u8 = 2;
    pub const RBX: u8 = 3;
    pub const RSP: u8 = 4;
    pub const RBP: u8 = 5;
    pub const RSI: u8 = 6;
    pub const RDI: u8 = 7;
    pub const R8: u8 = 8;
    pub const R9: u8 = 9;
    pub const R10: u8 = 10;
    pub const R11: u8 = 11;
    pub const R12: u8 = 12;
    pub const R13: u8 = 13;
    pub const R14: u8 = 14;
    pub const R15: u8 = 15;
}

/// The byte in front of an opcode that is part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Prefix {
    None = 0,
    P66 = 1,
    PF3 = 2,
    PF2 = 3,
}

/// The table that an opcode stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Map {
    /// One byte alone: legacy encoding only.
    Primary = 0,
    M0F = 1,
    M0F38 = 2,
    M0F3A = 3,
}

/// Bits of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Length {
    L128 = 0,
    L256 = 1,
    L512 = 2,
}

/// A condition of jumps, as encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Condition {
    Below = 2,
    AboveOrEqual = 3,
    Zero = 4,
    NotZero = 5,
    BelowOrEqual = 6,
    Above = 7,
}

/// `[base + index * 2^scale + displacement]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    base: Option<u8>,
    index: Option<u8>,
    scale: u8,
    displacement: i32,
}

impl Address {
    /// `[base + displacement]`
    pub const fn base(base: u8, displacement: i32) -> Self {
        Self { base: Some(base), index: None, scale: 0, displacement }
    }

    /// `[base + index * 2^scale + displacement]`, with `scale` 0 to 3. The index may be a vector register where
    /// an instruction gathers or scatters; as an integer register it must not be `rsp`.
    pub const fn indexed(base: u8, index: u8, scale: u8, displacement: i32) -> Self {
        Self { base: Some(base), index: Some(index), scale: scale & 3, displacement }
    }

    /// `[index * 2^scale + displacement]`
    pub const fn scaled(index: u8, scale: u8, displacement: i32) -> Self {
        Self { base: None, index: Some(index), scale: scale & 3, displacement }
    }

    /// `[displacement]`: one of the lowest 2 GiB of addresses.
    pub const fn absolute(displacement: i32) -> Self {
        Self { base: None, index: None, scale: 0, displacement }
    }
}

/// The operand that can be a register or memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Operand {
    Register(u8),
    Memory(Address),
}

impl From<u8> for Operand {
    fn from(register: u8) -> Self {
        Self::Register(register)
    }
}

impl From<Address> for Operand {
    fn from(address: Address) -> Self {
        Self::Memory(address)
    }
}

/// An instruction without VEX or EVEX. `wide` is REX.W: operands of 64 bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Legacy {
    pub prefix: Prefix,
    pub map: Map,
    pub opcode: u8,
    pub wide: bool,
}

/// An instruction with a VEX prefix. `wide` is VEX.W.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Vex {
    pub prefix: Prefix,
    pub map: Map,
    pub opcode: u8,
    pub wide: bool,
    pub length: Length,
}

/// An instruction with an EVEX prefix. `wide` is EVEX.W.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Evex {
    /// Mandatory prefix.
    pub prefix: Prefix,
    /// Table of the opcode.
    pub map: Map,
    /// Opcode.
    pub opcode: u8,
    /// EVEX.W.
    pub wide: bool,
    /// Bits of the vectors.
    pub length: Length,
    /// Binary logarithm of the bytes that a memory operand has, without broadcast: short displacements are
    /// multiples of them. 6 for a whole vector of 512 bits.
    pub memory_shift: u8,
}

/// What an EVEX prefix can do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extras {
    /// Mask register k1 to k7; 0 is none.
    pub mask: u8,
    /// What the mask leaves out becomes zero instead of staying.
    pub zeroing: bool,
    /// The memory operand is one element, and stands for all. Its size is 8 bytes with `wide`, 4 without.
    pub broadcast: bool,
    /// Rounding mode as MXCSR numbers it: 0 nearest, 1 down, 2 up, 3 towards zero. The vector is of 512 bits, or
    /// one element.
    pub rounding: Option<u8>,
}

/// A jump whose target is not known yet.
#[derive(Debug)]
#[must_use = "a jump that is never bound goes to the next instruction"]
pub struct Jump {
    /// Behind the displacement.
    end: usize,
    /// Of one byte; else of four.
    short: bool,
}

/// The cursor over a buffer of code.
#[derive(Debug)]
pub struct Assembler<'a> {
    code: &'a mut [u8],
    at: usize,
    failed: bool,
}

impl<'a> Assembler<'a> {
    /// Begins at `at`, an offset into the buffer.
    pub fn new(code: &'a mut [u8], at: usize) -> Self {
        Self { code, at, failed: false }
    }

    /// Offset of the next instruction.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Offset behind the last instruction.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the code did not fit into the buffer, or a jump did not reach its target.
    pub fn finish(&self) -> Result<usize, Error> {
        let error = Error::Unsupported { what: "compiled code", reason: "it does not fit into its buffer" };
        if self.failed { Err(error) } else { Ok(self.at) }
    }

    /// The low `count` bytes of `bytes`, 8 at most. All eight are written; the next write covers the rest.
    #[inline(always)]
    pub fn put(&mut self, bytes: u64, count: usize) {
        match self.code.get_mut(self.at..).and_then(|rest| rest.first_chunk_mut::<WRITE_BYTES>()) {
            Some(place) => {
                *place = bytes.to_le_bytes();
                self.at += count.min(WRITE_BYTES);
            }
            None => self.failed = true,
        }
    }

    /// Four bytes, little-endian.
    #[inline(always)]
    pub fn put_u32(&mut self, value: u32) {
        self.put(u64::from(value), 4);
    }

    /// As many bytes as there are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.put(u64::from(byte), 1);
        }
    }

    /// Fills up to a multiple of `alignment` bytes, a power of two, with instructions that do nothing.
    pub fn align(&mut self, alignment: usize) {
        while !self.failed && self.at & (alignment - 1) != 0 {
            let gap = alignment - (self.at & (alignment - 1));
            let (bytes, count) = NOPS[gap.min(NOPS.len()) - 1];
            self.put(bytes, count);
        }
    }

    /// An instruction in legacy encoding: `reg` is the field that can only be a register, or an extension of the
    /// opcode.
    pub fn legacy(&mut self, instruction: Legacy, reg: u8, operand: impl Into<Operand>) {
        let operand = operand.into();
        let (x, b) = extension_bits(operand);
        let rex = u64::from(instruction.wide) << 3 | u64::from(reg >> 3 & 1) << 2 | x << 1 | b;
        let (mut bytes, mut count) = (0, 0);
        let mut add = |byte: u64| {
            bytes |= byte << count;
            count += 8;
        };
        match instruction.prefix {
            Prefix::None => {}
            Prefix::P66 => add(0x66),
            Prefix::PF3 => add(0xf3),
            Prefix::PF2 => add(0xf2),
        }
        if rex != 0 {
            add(0x40 | rex);
        }
        if instruction.map != Map::Primary {
            add(0x0f);
        }
        match instruction.map {
            Map::Primary | Map::M0F => {}
            Map::M0F38 => add(0x38),
            Map::M0F3A => add(0x3a),
        }
        add(u64::from(instruction.opcode));
        self.put(bytes, count / 8);
        self.operand(reg, operand, 0);
    }

    /// An instruction in VEX encoding: `reg` is the first operand as a rule, `second` the one that is encoded
    /// inverted (0 where there is none).
    pub fn vex(&mut self, instruction: Vex, reg: u8, second: u8, operand: impl Into<Operand>) {
        let operand = operand.into();
        let (x, b) = extension_bits(operand);
        let not_r = u64::from(!reg >> 3 & 1) << 7;
        let low =
            u64::from(!second & 15) << 3 | (instruction.length as u64 & 1) << 2 | instruction.prefix as u64;
        if x == 0 && b == 0 && !instruction.wide && instruction.map == Map::M0F {
            self.put(0xc5 | (not_r | low) << 8 | u64::from(instruction.opcode) << 16, 3);
        } else {
            let first = not_r | (x ^ 1) << 6 | (b ^ 1) << 5 | instruction.map as u64;
            let last = u64::from(instruction.wide) << 7 | low;
            self.put(0xc4 | first << 8 | last << 16 | u64::from(instruction.opcode) << 24, 4);
        }
        self.operand(reg, operand, 0);
    }

    /// An instruction in EVEX encoding; operands as with [`Assembler::vex`], registers 0 to 31.
    pub fn evex(
        &mut self,
        instruction: Evex,
        reg: u8,
        second: u8,
        operand: impl Into<Operand>,
        extras: Extras,
    ) {
        let operand = operand.into();
        let (x, b) = match operand {
            Operand::Register(register) => (u64::from(register >> 4 & 1), u64::from(register >> 3 & 1)),
            Operand::Memory(_) => extension_bits(operand),
        };
        // The fifth bit of an index register stands where that of the second operand stands, which gathers lack.
        let high_index = match operand {
            Operand::Memory(Address { index: Some(index), .. }) if index > 15 => 1,
            _ => 0,
        };
        let high_second = u64::from(second >> 4 & 1) | high_index;
        let first = u64::from(!reg >> 3 & 1) << 7
            | (x ^ 1) << 6
            | (b ^ 1) << 5
            | u64::from(!reg >> 4 & 1) << 4
            | instruction.map as u64;
        let middle = u64::from(instruction.wide) << 7
            | u64::from(!second & 15) << 3
            | 1 << 2
            | instruction.prefix as u64;
        let length = extras.rounding.map_or(instruction.length as u64, |mode| u64::from(mode & 3));
        let last = u64::from(extras.zeroing) << 7
            | length << 5
            | u64::from(extras.broadcast || extras.rounding.is_some()) << 4
            | (high_second ^ 1) << 3
            | u64::from(extras.mask & 7);
        let bytes = 0x62 | first << 8 | middle << 16 | last << 24 | u64::from(instruction.opcode) << 32;
        self.put(bytes, 5);
        let element_shift = if instruction.wide { 3 } else { 2 };
        let shift = if extras.broadcast { element_shift } else { instruction.memory_shift };
        self.operand(reg, operand, shift);
    }

    /// ModRM, SIB and displacement. A short displacement counts in units of `2^shift` bytes.
    #[inline(always)]
    fn operand(&mut self, reg: u8, operand: Operand, shift: u8) {
        let reg = u64::from(reg & 7) << 3;
        let address = match operand {
            Operand::Register(register) => {
                self.put(0xc0 | reg | u64::from(register & 7), 1);
                return;
            }
            Operand::Memory(address) => address,
        };
        let displacement = u64::from(address.displacement.cast_unsigned());
        let Some(base) = address.base else {
            let index = address.index.map_or(4, |index| u64::from(index & 7));
            let sib = u64::from(address.scale) << 6 | index << 3 | 5;
            self.put(reg | 4 | sib << 8 | displacement << 16, 6);
            return;
        };
        let base = u64::from(base & 7);
        let scaled = address.displacement >> shift;
        let short = scaled << shift == address.displacement && i8::try_from(scaled).is_ok();
        // A base whose low bits are 101 has no form without displacement.
        let (mode, width) = match address.displacement {
            0 if base != 5 => (0, 0),
            _ if short => (1 << 6, 1),
            _ => (2 << 6, 4),
        };
        let displacement = if width == 1 { u64::from(scaled.cast_unsigned() & 0xff) } else { displacement };
        match address.index {
            None if base != 4 => self.put(mode | reg | base | displacement << 8, 1 + width),
            index => {
                let index = index.map_or(4, |index| u64::from(index & 7));
                let sib = u64::from(address.scale) << 6 | index << 3 | base;
                self.put(mode | reg | 4 | sib << 8 | displacement << 16, 2 + width);
            }
        }
    }

    /// `push register`.
    pub fn push(&mut self, register: u8) {
        self.stack(0x50, register);
    }

    /// `pop register`.
    pub fn pop(&mut self, register: u8) {
        self.stack(0x58, register);
    }

    fn stack(&mut self, opcode: u64, register: u8) {
        let opcode = opcode | u64::from(register & 7);
        if register < 8 {
            self.put(opcode, 1);
        } else {
            self.put(0x41 | opcode << 8, 2);
        }
    }

    /// `mov register, value` in its shortest form.
    pub fn move_constant(&mut self, register: u8, value: u64) {
        let b = u64::from(register >> 3);
        let opcode = u64::from(0xb8 | register & 7);
        if let Ok(value) = u32::try_from(value) {
            if b == 0 {
                self.put(opcode | u64::from(value) << 8, 5);
            } else {
                self.put(0x41 | opcode << 8 | u64::from(value) << 16, 6);
            }
        } else if i64::from(i32::MIN) <= value.cast_signed() && value.cast_signed() < 0 {
            self.put(0x48 | b | 0xc7 << 8 | u64::from(0xc0 | register & 7) << 16 | value << 24, 7);
        } else {
            self.put(0x48 | b | opcode << 8, 2);
            self.put(value, 8);
        }
    }

    /// `jcc target`, or `jmp target` without condition, to code that is written already.
    pub fn jump_back(&mut self, condition: Option<Condition>, target: usize) {
        let back = target as i64 - self.at as i64;
        if !(-(1 << 30)..=0).contains(&back) {
            self.failed = true;
            return;
        }
        if back - 2 >= i64::from(i8::MIN) {
            let opcode = condition.map_or(0xeb, |condition| 0x70 | condition as u64);
            self.put(opcode | (back - 2).cast_unsigned() << 8, 2);
        } else if let Some(condition) = condition {
            self.put(0x0f | (0x80 | condition as u64) << 8 | (back - 6).cast_unsigned() << 16, 6);
        } else {
            self.put(0xe9 | (back - 5).cast_unsigned() << 8, 5);
        }
    }

    /// A jump forward, whose target [`Assembler::bind`] gives later: within 127 bytes if `short`.
    pub fn jump_forward(&mut self, condition: Option<Condition>, short: bool) -> Jump {
        match (condition, short) {
            (Some(condition), true) => self.put(0x70 | condition as u64, 2),
            (None, true) => self.put(0xeb, 2),
            (Some(condition), false) => self.put(0x0f | (0x80 | condition as u64) << 8, 6),
            (None, false) => self.put(0xe9, 5),
        }
        Jump { end: self.at, short }
    }

    /// Makes a jump go to the next instruction.
    pub fn bind(&mut self, jump: &Jump) {
        self.bind_at(jump, self.at);
    }

    /// Makes a jump go to the instruction at an offset.
    pub fn bind_at(&mut self, jump: &Jump, target: usize) {
        let distance = target as i64 - jump.end as i64;
        let width = if jump.short { 1 } else { 4 };
        let reaches =
            if jump.short { i8::try_from(distance).is_ok() } else { i32::try_from(distance).is_ok() };
        let place = jump.end.checked_sub(width).and_then(|start| self.code.get_mut(start..jump.end));
        match place {
            Some(place) if reaches => place.copy_from_slice(&distance.to_le_bytes()[..width]),
            _ => self.failed = true,
        }
    }
}

/// The bits of the numbers of index and base that stand in a prefix.
#[inline(always)]
fn extension_bits(operand: Operand) -> (u64, u64) {
    match operand {
        Operand::Register(register) => (0, u64::from(register >> 3 & 1)),
        Operand::Memory(address) => {
            let bit = |register: Option<u8>| u64::from(register.unwrap_or(0) >> 3 & 1);
            (bit(address.index), bit(address.base))
        }
    }
}

/// The recommended instructions of 1 to 8 bytes that do nothing.
const NOPS: [(u64, usize); 8] = [
    (0x90, 1),
    (0x9066, 2),
    (0x00_1f0f, 3),
    (0x0040_1f0f, 4),
    (0x00_0044_1f0f, 5),
    (0x0000_441f_0f66, 6),
    (0x0080_1f0f, 7),
    (0x0000_0000_0084_1f0f, 8),
];
