//! The instructions of a program as x86-64 code (specs 5).
//!
//! Integer registers are `r8` to `r15`; groups F, E and A are `xmm0–3`, `xmm4–7` and `xmm8–11`. `rax`, `rcx`, `rdx` and
//! `xmm12` are free for each instruction. The rest is as [`super::frame`] sets it up.
//!
//! A program has to be compiled in microseconds. So instructions are written as whole constants into which the numbers
//! of registers are put; tests read them again with a disassembler, and run them beside the interpreter.

#![allow(clippy::cast_possible_truncation)] // numbers of registers, below eight
#![allow(clippy::unusual_byte_groupings)] // bytes of instructions, not digits of numbers

use super::assembler::{Assembler, Condition};
use super::context;
use crate::config::{Config, Version};
use crate::instruction::{DISPLACED_REGISTER, Instruction, Opcode};
use crate::reciprocal::reciprocal;

/// Bytes that one instruction takes at most. ISMULH_M and CFROUND are the longest.
pub(super) const INSTRUCTION_BYTES: usize = 40;

/// The integer register whose encoding as a base needs one byte more (`r12`).
const INDEXED_REGISTER: u64 = 4;

/// `op register, [rsi + rax]` and its kin, by the byte of the operation.
#[derive(Clone, Copy)]
enum Operation {
    Add = 0x03,
    Subtract = 0x2b,
    Xor = 0x33,
}

/// Writes the instructions of one lane.
pub(super) struct Body<'a, 'code> {
    assembler: &'a mut Assembler<'code>,
    opcodes: &'a [Opcode; 256],
    config: &'static Config,
    masks: [u32; 3],
    /// Where the lane's rounding mode is kept, as seen from the context; none where MXCSR alone keeps it.
    control: Option<i32>,
    /// Behind the code of the instruction that changed each integer register last: where a CBRANCH jumps to.
    modified: [usize; 8],
}

impl<'a, 'code> Body<'a, 'code> {
    /// For the lane whose rounding mode is kept at `control`.
    pub(super) fn new(
        assembler: &'a mut Assembler<'code>,
        config: &'static Config,
        opcodes: &'a [Opcode; 256],
        control: Option<i32>,
    ) -> Self {
        let modified = [assembler.position(); 8];
        Self { assembler, opcodes, config, masks: config.scratchpad_masks(), control, modified }
    }

    /// All instructions in turn.
    pub(super) fn write(mut self, instructions: &[Instruction]) {
        for &instruction in instructions {
            self.instruction(instruction);
        }
    }

    #[inline(always)]
    fn put(&mut self, bytes: u64, count: usize) {
        self.assembler.put(bytes, count);
    }

    #[allow(clippy::too_many_lines)]
    fn instruction(&mut self, instruction: Instruction) {
        let (dst, src) = (u64::from(instruction.dst & 7), u64::from(instruction.src & 7));
        let (float_dst, float_src) = (dst & 3, src & 3);
        let imm = u64::from(instruction.imm32);
        match self.opcodes[usize::from(instruction.opcode)] {
            Opcode::IaddRs => {
                let sib = u64::from(instruction.shift()) << 6 | src << 3 | dst;
                // It is the one whose encoding as a base needs a displacement (`r13`).
                if dst == u64::from(DISPLACED_REGISTER) {
                    self.put(0x84_8d4f | dst << 19 | sib << 24 | imm << 32, 8);
                } else {
                    self.put(0x04_8d4f | dst << 19 | sib << 24, 4);
                }
                self.modifies(dst);
            }
            Opcode::IaddM => self.with_memory(Operation::Add, instruction, dst, src),
            Opcode::IsubR if src == dst => self.with_value(0xe8, dst, imm),
            Opcode::IsubR => self.with_register(0xc0_294d, dst, src),
            Opcode::IsubM => self.with_memory(Operation::Subtract, instruction, dst, src),
            Opcode::ImulR => {
                if src == dst {
                    self.put(0xc0_694d | dst << 19 | dst << 16 | imm << 24, 7);
                } else {
                    self.put(0xc0_af0f_4d | dst << 27 | src << 24, 4);
                }
                self.modifies(dst);
            }
            Opcode::ImulM => {
                if src == dst {
                    let mask = u64::from(self.masks[2]);
                    self.put(0x86_af0f_4c | dst << 27 | (imm & mask) << 32, 8);
                } else {
                    self.address_in_rax(src, imm, self.level(instruction));
                    self.put(0x06_04_af0f_4c | dst << 27, 5);
                }
                self.modifies(dst);
            }
            Opcode::ImulhR => self.high_product_of_register(0xe0, dst, src),
            Opcode::IsmulhR => self.high_product_of_register(0xe8, dst, src),
            Opcode::ImulhM => self.high_product_of_memory(4, instruction, dst, src),
            Opcode::IsmulhM => self.high_product_of_memory(5, instruction, dst, src),
            Opcode::ImulRcp => {
                let factor = reciprocal(instruction.imm32);
                if factor != 0 {
                    self.put(0xb848, 2);
                    self.put(factor, 8);
                    self.put(0xc0_af0f_4c | dst << 27, 4);
                    self.modifies(dst);
                }
            }
            Opcode::InegR => {
                self.put(0xd8_f749 | dst << 16, 3);
                self.modifies(dst);
            }
            Opcode::IxorR if src == dst => self.with_value(0xf0, dst, imm),
            Opcode::IxorR => self.with_register(0xc0_314d, dst, src),
            Opcode::IxorM => self.with_memory(Operation::Xor, instruction, dst, src),
            Opcode::IrorR => self.rotate(0xc8, dst, src, imm),
            Opcode::IrolR => self.rotate(0xc0, dst, src, imm),
            Opcode::IswapR => {
                if src != dst {
                    self.put(0xc0_874d | src << 19 | dst << 16, 3);
                    self.modifies(dst);
                    self.modifies(src);
                }
            }
            Opcode::FswapR => self.put(0x01_c0_c6_81c5 | second(dst) | dst << 27 | dst << 24, 5),
            Opcode::FaddR => self.with_group_a(0x58, float_dst, float_src),
            Opcode::FsubR => self.with_group_a(0x5c, float_dst, float_src),
            Opcode::FmulR => self.with_group_a(0x59, float_dst + 4, float_src),
            Opcode::FaddM => {
                self.convert(instruction, src);
                self.with_temporary(0x58, float_dst);
            }
            Opcode::FsubM => {
                self.convert(instruction, src);
                self.with_temporary(0x5c, float_dst);
            }
            Opcode::FscalR => self.put(0xc7_57_00_c1c4 | second(float_dst) << 8 | float_dst << 35, 5),
            Opcode::FdivM => {
                self.convert(instruction, src);
                // vandps xmm12, xmm12, xmm13; vorps xmm12, xmm12, xmm14
                self.put(0xe554_1841_c4, 5);
                self.put(0xe656_1841_c4, 5);
                self.with_temporary(0x5e, float_dst + 4);
            }
            Opcode::FsqrtR => {
                let register = float_dst + 4;
                self.put(0xc051_f9c5 | register << 27 | register << 24, 4);
            }
            Opcode::Cbranch => self.branch(instruction, dst),
            Opcode::Cfround => self.set_rounding(src, instruction.imm32),
            Opcode::Istore => {
                let mask = if instruction.stores_to_l3() { self.masks[2] } else { self.level(instruction) };
                self.address_in_rax(dst, imm, mask);
                self.put(0x06_04_894c | src << 19, 4);
            }
            Opcode::Nop => {}
        }
    }

    /// The next CBRANCH on this register jumps here.
    #[inline(always)]
    fn modifies(&mut self, register: u64) {
        self.modified[register as usize & 7] = self.assembler.position();
    }

    fn level(&self, instruction: Instruction) -> u32 {
        self.masks[usize::from(!instruction.reads_l1())]
    }

    /// `op dst, src`; `bytes` has both as zero.
    fn with_register(&mut self, bytes: u64, dst: u64, src: u64) {
        self.put(bytes | src << 19 | dst << 16, 3);
        self.modifies(dst);
    }

    /// `op dst, imm32`, `kind` being the last byte for `r8`.
    fn with_value(&mut self, kind: u64, dst: u64, imm: u64) {
        self.put(0x8149 | (kind | dst) << 16 | imm << 24, 7);
        self.modifies(dst);
    }

    /// `op dst, qword [scratchpad]`.
    fn with_memory(&mut self, operation: Operation, instruction: Instruction, dst: u64, src: u64) {
        let (imm, operation) = (u64::from(instruction.imm32), operation as u64);
        if src == dst {
            let mask = u64::from(self.masks[2]);
            self.put(0x86_004c | operation << 8 | dst << 19 | (imm & mask) << 24, 7);
        } else {
            self.address_in_rax(src, imm, self.level(instruction));
            self.put(0x06_04_004c | operation << 8 | dst << 19, 4);
        }
        self.modifies(dst);
    }

    /// `lea eax, [register + imm32]; and eax, mask`.
    fn address_in_rax(&mut self, register: u64, imm: u64, mask: u32) {
        self.address(0x80, register, imm);
        self.put(0x25 | u64::from(mask) << 8, 5);
    }

    /// `lea`, `mode` being the byte of the register that is written.
    fn address(&mut self, mode: u64, register: u64, imm: u64) {
        if register == INDEXED_REGISTER {
            self.put(0x24_00_8d41 | (mode | 4) << 16 | imm << 32, 8);
        } else {
            self.put(0x8d41 | (mode | register) << 16 | imm << 24, 7);
        }
    }

    /// `mov rax, dst; (i)mul src; mov dst, rdx`.
    fn high_product_of_register(&mut self, kind: u64, dst: u64, src: u64) {
        self.put(0xc0_894c | dst << 19 | 0xf749 << 24 | (kind | src) << 40, 6);
        self.put(0xd0_8949 | dst << 16, 3);
        self.modifies(dst);
    }

    /// The same with an operand in memory, whose address is in `rcx`.
    fn high_product_of_memory(&mut self, kind: u64, instruction: Instruction, dst: u64, src: u64) {
        let imm = u64::from(instruction.imm32);
        if src == dst {
            let mask = u64::from(self.masks[2]);
            self.put(0xc0_894c | dst << 19, 3);
            self.put(0x86_f748 | kind << 19 | (imm & mask) << 24, 7);
        } else {
            self.address(0x88, src, imm);
            self.put(0xe181 | u64::from(self.level(instruction)) << 16, 6);
            self.put(0xc0_894c | dst << 19, 3);
            self.put(0x0e_04_f748 | kind << 19, 4);
        }
        self.put(0xd0_8949 | dst << 16, 3);
        self.modifies(dst);
    }

    /// `ror` or `rol`, by the low six bits of the source.
    fn rotate(&mut self, kind: u64, dst: u64, src: u64, imm: u64) {
        if src == dst {
            self.put(0xc149 | (kind | dst) << 16 | (imm & 63) << 24, 4);
        } else {
            self.put(0xc1_8944 | src << 19 | 0xd349 << 24 | (kind | dst) << 40, 6);
        }
        self.modifies(dst);
    }

    /// `vaddpd` and its kin: `register = register op xmm(8 + source)`.
    fn with_group_a(&mut self, operation: u64, register: u64, source: u64) {
        let bytes = 0xc0_00_01_c1c4 | second(register) << 8 | operation << 24;
        self.put(bytes | register << 35 | source << 32, 5);
    }

    /// The same with `xmm12`.
    fn with_temporary(&mut self, operation: u64, register: u64) {
        self.with_group_a(operation, register, 4);
    }

    /// `vcvtdq2pd xmm12, qword [scratchpad]`.
    fn convert(&mut self, instruction: Instruction, src: u64) {
        self.address_in_rax(src, u64::from(instruction.imm32), self.level(instruction));
        self.put(0x06_24e6_7ac5, 5);
    }

    /// CBRANCH (specs 5.4.2).
    fn branch(&mut self, instruction: Instruction, dst: u64) {
        let (plus, mask) = instruction.branch(self.config);
        self.put(0xc0_8149 | dst << 16 | u64::from(plus) << 24, 7);
        self.put(0xc0_f741 | dst << 16 | u64::from(mask) << 24, 7);
        let target = self.modified[dst as usize & 7];
        self.assembler.jump_back(Some(Condition::Zero), target);
        self.modified = [self.assembler.position(); 8];
    }

    /// CFROUND (specs 5.4.1): the two low bits, times four, choose a word of the context's table.
    fn set_rounding(&mut self, src: u64, imm32: u32) {
        let rotation = u64::from(imm32.wrapping_sub(2) & 63);
        self.put(0xc0_894c | src << 19 | 0xc8_c148 << 24 | rotation << 48, 7);
        let table = u64::from(context::ROUNDINGS.cast_unsigned());
        let load = if self.control.is_some() { LOAD_AND_KEEP_BYTES } else { LOAD_BYTES };
        if self.config.version == Version::V2 {
            // test al, 0xf0; jnz over it: version 2 takes one value in sixteen.
            self.put(0x75_f0a8 | load << 24, 4);
        }
        self.put(0x0c_e083, 3);
        match self.control {
            None => self.put(0x03_94ae_0f | table << 32, 8),
            Some(control) => {
                // mov ecx, [rbx + rax + table]; mov [rbx + control], ecx; ldmxcsr [rbx + control]
                let control = u64::from(control.cast_unsigned());
                self.put(0x03_8c8b | table << 24, 7);
                self.put(0x8b89 | control << 16, 6);
                self.put(0x93_ae0f | control << 24, 7);
            }
        }
    }
}

/// Bytes of `and eax, 12; ldmxcsr [rbx + rax + table]`.
const LOAD_BYTES: u64 = 3 + 8;

/// The same where the lane keeps its mode in memory too.
const LOAD_AND_KEEP_BYTES: u64 = 3 + 7 + 6 + 7;

/// The second operand of a VEX instruction in the byte that follows the first one.
const fn second(register: u64) -> u64 {
    (!register & 15) << 11
}
