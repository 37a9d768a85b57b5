//! The loop around the instructions of programs (specs 4.6.2), for one lane or several that take turns.
//!
//! With several lanes one iteration of each follows the other. While a lane's dataset item and the lines of its
//! scratchpad are on their way from memory, the other lanes compute. Of the registers only the integer ones outlive an
//! iteration and are kept meanwhile, in the context: the two lines of the scratchpad may be one, so what an iteration
//! writes there is not always to be found again.
//!
//! Between instructions: `rbx` is the context, `rsi` the scratchpad, `rdi` the dataset, `rbp` the two addresses of the
//! dataset (`mx` low, `ma` high); `xmm13` masks the fraction of group E, `xmm14` is what it gets, `xmm15` what FSCAL_R
//! flips.

use super::assembler::register::{R8, RAX, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use super::assembler::{Address, Assembler, Condition, Legacy, Length, Map, Operand, Prefix, Vex};
use super::body::Body;
use super::context::{self, LaneFields};
use crate::config::{Config, Version};
use crate::instruction::{Instruction, Opcode};
use crate::program::{Program, Settings};

/// Bytes of the loop around the instructions of one lane, at most.
pub(super) const FRAME_BYTES: usize = 1536;

/// Alignment of the start of the loop in bytes: a line of the instruction cache.
const LOOP_ALIGNMENT: usize = 64;

/// Registers that a callee gives back (System V ABI).
const KEPT: [u8; 6] = [RBX, RBP, 12, 13, 14, 15];

/// Where dataset items come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Items {
    /// They are read.
    Memory,
    /// A function is asked.
    Callback,
}

const fn primary(opcode: u8, wide: bool) -> Legacy {
    Legacy { prefix: Prefix::None, map: Map::Primary, opcode, wide }
}

const LOAD: Legacy = primary(0x8b, true);
const LOAD_32: Legacy = primary(0x8b, false);
const STORE: Legacy = primary(0x89, true);
const ADD: Legacy = primary(0x03, true);
const XOR: Legacy = primary(0x33, true);
const XOR_32: Legacy = primary(0x33, false);
const GROUP_1: Legacy = primary(0x81, false);
const SHIFT: Legacy = primary(0xc1, true);
const PREFETCH: Legacy = Legacy { prefix: Prefix::None, map: Map::M0F, opcode: 0x18, wide: false };
const CONTROL_WORD: Legacy = Legacy { prefix: Prefix::None, map: Map::M0F, opcode: 0xae, wide: false };

/// Extensions of opcodes: which operation of a group is meant.
const TO_AND: u8 = 4;
const TO_SHIFT_RIGHT: u8 = 5;
const TO_ROTATE_RIGHT: u8 = 1;
const TO_LOAD: u8 = 2;
const TO_STORE: u8 = 3;
const ONCE: u8 = 0;
const TO_ALL_LEVELS: u8 = 1;

const fn vector(prefix: Prefix, map: Map, opcode: u8) -> Vex {
    Vex { prefix, map, opcode, wide: false, length: Length::L128 }
}

const VECTOR_LOAD: Vex = vector(Prefix::None, Map::M0F, 0x28);
const VECTOR_STORE: Vex = vector(Prefix::None, Map::M0F, 0x29);
const VECTOR_AND: Vex = vector(Prefix::None, Map::M0F, 0x54);
const VECTOR_OR: Vex = vector(Prefix::None, Map::M0F, 0x56);
const VECTOR_XOR: Vex = vector(Prefix::None, Map::M0F, 0x57);
const CONVERT: Vex = vector(Prefix::PF3, Map::M0F, 0xe6);
const AES_ENCRYPT: Vex = vector(Prefix::P66, Map::M0F38, 0xdc);
const AES_DECRYPT: Vex = vector(Prefix::P66, Map::M0F38, 0xde);

/// Writes a function that runs the programs of all lanes, and takes a context.
pub(super) struct Frame<'a, 'code> {
    assembler: &'a mut Assembler<'code>,
    config: &'static Config,
    opcodes: &'a [Opcode; 256],
    items: Items,
}

impl<'a, 'code> Frame<'a, 'code> {
    pub(super) fn new(
        assembler: &'a mut Assembler<'code>,
        config: &'static Config,
        opcodes: &'a [Opcode; 256],
        items: Items,
    ) -> Self {
        Self { assembler, config, opcodes, items }
    }

    /// The whole function, for one lane or more.
    pub(super) fn write<'p>(&mut self, lanes: impl ExactSizeIterator<Item = (&'p Program, &'p Settings)>) {
        let alone = lanes.len() == 1;
        self.enter(alone);
        self.assembler.align(LOOP_ALIGNMENT);
        let start = self.assembler.position();
        for (number, (program, settings)) in lanes.enumerate() {
            let fields = LaneFields::of(number);
            if !alone {
                self.take_over(fields);
            }
            self.begin_iteration(fields);
            self.instructions(&program.instructions, (!alone).then_some(fields.control));
            self.end_iteration(fields, settings, alone);
        }
        // sub dword [rbx + iterations], 1
        self.assembler.legacy(primary(0x83, false), 5, Address::base(RBX, context::ITERATIONS));
        self.assembler.put(1, 1);
        self.assembler.jump_back(Some(Condition::NotZero), start);
        self.leave(alone);
    }

    fn instructions(&mut self, instructions: &[Instruction], control: Option<i32>) {
        Body::new(self.assembler, self.config, self.opcodes, control).write(instructions);
    }

    fn enter(&mut self, alone: bool) {
        for register in KEPT {
            self.assembler.push(register);
        }
        // The calls of light mode want the stack at a multiple of 16: six registers and the return address are 56.
        self.immediate_8(primary(0x83, true), 5, RSP, 8);
        self.legacy(LOAD, RBX, RDI);
        self.control_word(TO_STORE, context::CALLERS_CONTROL);
        self.vector(VECTOR_LOAD, 13, context::MANTISSA);
        self.vector(VECTOR_LOAD, 15, context::SCALE);
        if alone {
            let fields = LaneFields::of(0);
            self.take_over(fields);
        }
    }

    /// Loads what is one lane's own.
    fn take_over(&mut self, fields: LaneFields) {
        self.load(RAX, fields.mix);
        self.load(RSI, fields.scratchpad);
        self.load(RDI, fields.dataset);
        self.load(RBP, fields.read_addresses);
        for number in 0..8 {
            self.load(R8 + number, fields.r + 8 * i32::from(number));
        }
        self.control_word(TO_LOAD, fields.control);
        for number in 0..4 {
            self.vector(VECTOR_LOAD, 8 + number, fields.a + 16 * i32::from(number));
        }
        self.vector(VECTOR_LOAD, 14, fields.e_masks);
    }

    /// Steps 1 to 3 of an iteration (specs 4.6.2). `rax` is the mix of the addresses.
    fn begin_iteration(&mut self, fields: LaneFields) {
        let mask = self.config.scratchpad_line_mask();
        self.legacy(LOAD, RDX, RAX);
        self.immediate_8(SHIFT, TO_SHIFT_RIGHT, RDX, 32);
        for register in [RAX, RDX] {
            self.and(register, mask);
            self.legacy(ADD, register, RSI);
        }
        self.store(RAX, fields.line0);
        self.store(RDX, fields.line1);
        for number in 0..8 {
            self.legacy(XOR, R8 + number, Address::base(RAX, 8 * i32::from(number)));
        }
        for number in 0..8 {
            self.assembler.vex(CONVERT, number, 0, Address::base(RDX, 8 * i32::from(number)));
        }
        for number in 4..8 {
            self.assembler.vex(VECTOR_AND, number, number, 13);
            self.assembler.vex(VECTOR_OR, number, number, 14);
        }
    }

    /// Steps 5 to 12: the dataset, and what goes back to the scratchpad.
    fn end_iteration(&mut self, fields: LaneFields, settings: &Settings, alone: bool) {
        let [read0, read1, read2, read3] = settings.read_registers.map(integer_register);
        self.legacy(LOAD_32, RAX, read2);
        self.legacy(XOR_32, RAX, read3);
        match self.config.version {
            Version::V1 => {
                // mx is changed and fetched; then the halves change places, and what was ma is read.
                self.legacy(XOR, RBP, RAX);
                self.prefetch_item();
                self.immediate_8(SHIFT, TO_ROTATE_RIGHT, RBP, 32);
                self.item_address(RDX);
            }
            Version::V2 => {
                // What was ma is read; then it is changed and fetched, for the iteration after the next.
                self.immediate_8(SHIFT, TO_ROTATE_RIGHT, RBP, 32);
                self.item_address(RDX);
                self.legacy(XOR, RBP, RAX);
                self.prefetch_item();
            }
        }
        self.xor_item(fields);
        self.legacy(LOAD, RAX, read0);
        self.legacy(XOR, RAX, read1);
        if !alone {
            self.store(RAX, fields.mix);
            self.store(RBP, fields.read_addresses);
        }
        self.prefetch_lines();
        self.load(RCX, fields.line1);
        for number in 0..8 {
            self.legacy(STORE, R8 + number, Address::base(RCX, 8 * i32::from(number)));
        }
        self.mix();
        self.load(RCX, fields.line0);
        for number in 0..4 {
            self.assembler.vex(VECTOR_STORE, number, 0, Address::base(RCX, 16 * i32::from(number)));
        }
        if !alone {
            self.keep(fields);
        }
    }

    /// Stores the integer registers and group E. Group F lies in the scratchpad, written last.
    fn keep(&mut self, fields: LaneFields) {
        for number in 0..8 {
            self.store(R8 + number, fields.r + 8 * i32::from(number));
        }
        self.store_group(4, fields.e);
    }

    /// Step 10: group F with group E.
    fn mix(&mut self) {
        match self.config.version {
            Version::V1 => {
                for number in 0..4 {
                    self.assembler.vex(VECTOR_XOR, number, number, number + 4);
                }
            }
            Version::V2 => {
                for key in 4..8 {
                    for number in 0..4 {
                        let round = if number % 2 == 0 { AES_ENCRYPT } else { AES_DECRYPT };
                        self.assembler.vex(round, number, number, key);
                    }
                }
            }
        }
    }

    /// Fetches the lines of the scratchpad that the mix in `rax` leads to.
    fn prefetch_lines(&mut self) {
        let mask = self.config.scratchpad_line_mask();
        self.legacy(LOAD, RDX, RAX);
        self.legacy(LOAD_32, RCX, RAX);
        self.immediate_8(SHIFT, TO_SHIFT_RIGHT, RDX, 32);
        for register in [RCX, RDX] {
            self.and(register, mask);
            self.assembler.legacy(PREFETCH, TO_ALL_LEVELS, Address::indexed(RSI, register, 0, 0));
        }
    }

    /// Fetches the item that the low half of `rbp` is the address of.
    fn prefetch_item(&mut self) {
        if self.items == Items::Memory {
            self.item_address(RCX);
            self.assembler.legacy(PREFETCH, ONCE, Address::indexed(RDI, RCX, 0, 0));
        }
    }

    /// The low half of `rbp` without the bits that are no address.
    fn item_address(&mut self, register: u8) {
        self.legacy(LOAD_32, register, RBP);
        self.and(register, self.config.dataset_mask());
    }

    /// Steps 6 and 7: the item at `rdx` into the integer registers.
    fn xor_item(&mut self, fields: LaneFields) {
        self.legacy(ADD, RDX, RDI);
        let (base, displacement) = match self.items {
            Items::Memory => (RDX, 0),
            Items::Callback => {
                self.call_for_item(fields);
                (RBX, fields.item)
            }
        };
        for number in 0..8 {
            let address = Address::base(base, displacement + 8 * i32::from(number));
            self.legacy(XOR, R8 + number, address);
        }
    }

    /// Asks for the item at byte `rdx` of the dataset. Registers that the callee may change are kept in the context,
    /// and it runs with its caller's rounding mode.
    fn call_for_item(&mut self, fields: LaneFields) {
        self.immediate_8(SHIFT, TO_SHIFT_RIGHT, RDX, 6);
        self.keep(fields);
        self.store_group(0, fields.f);
        self.control_word(TO_STORE, fields.control);
        self.control_word(TO_LOAD, context::CALLERS_CONTROL);
        self.assembler.push(RSI);
        self.assembler.push(RDI);
        self.legacy(LOAD, RSI, RDX);
        self.load(RDI, context::SOURCE);
        self.assembler.legacy(primary(0x8d, true), RDX, Address::base(RBX, fields.item));
        self.assembler.legacy(primary(0xff, false), 2, Address::base(RBX, context::ITEM));
        self.assembler.pop(RDI);
        self.assembler.pop(RSI);
        self.control_word(TO_LOAD, fields.control);
        for number in 0..8 {
            self.load(R8 + number, fields.r + 8 * i32::from(number));
        }
        for number in 0..4 {
            let at = 16 * i32::from(number);
            self.vector(VECTOR_LOAD, number, fields.f + at);
            self.vector(VECTOR_LOAD, 4 + number, fields.e + at);
            self.vector(VECTOR_LOAD, 8 + number, fields.a + at);
        }
        self.vector(VECTOR_LOAD, 13, context::MANTISSA);
        self.vector(VECTOR_LOAD, 14, fields.e_masks);
        self.vector(VECTOR_LOAD, 15, context::SCALE);
    }

    fn leave(&mut self, alone: bool) {
        if alone {
            let fields = LaneFields::of(0);
            // For who goes on with another iteration; the mix is still in its register.
            self.store(RAX, fields.mix);
            self.store(RBP, fields.read_addresses);
            self.keep(fields);
            self.control_word(TO_STORE, fields.control);
        }
        self.control_word(TO_LOAD, context::CALLERS_CONTROL);
        self.immediate_8(primary(0x83, true), 0, RSP, 8);
        for register in KEPT.into_iter().rev() {
            self.assembler.pop(register);
        }
        self.assembler.put(0xc3, 1);
    }

    fn legacy(&mut self, instruction: Legacy, register: u8, operand: impl Into<Operand>) {
        self.assembler.legacy(instruction, register, operand);
    }

    fn load(&mut self, register: u8, field: i32) {
        self.legacy(LOAD, register, Address::base(RBX, field));
    }

    fn store(&mut self, register: u8, field: i32) {
        self.legacy(STORE, register, Address::base(RBX, field));
    }

    fn vector(&mut self, instruction: Vex, register: u8, field: i32) {
        self.assembler.vex(instruction, register, 0, Address::base(RBX, field));
    }

    /// Four vector registers from `first` on.
    fn store_group(&mut self, first: u8, field: i32) {
        for number in 0..4 {
            self.vector(VECTOR_STORE, first + number, field + 16 * i32::from(number));
        }
    }

    fn control_word(&mut self, direction: u8, field: i32) {
        self.legacy(CONTROL_WORD, direction, Address::base(RBX, field));
    }

    /// `and register, mask`, 32 bits.
    fn and(&mut self, register: u8, mask: u32) {
        self.legacy(GROUP_1, TO_AND, register);
        self.assembler.put_u32(mask);
    }

    /// An instruction of a group with an operand of one byte.
    fn immediate_8(&mut self, instruction: Legacy, extension: u8, register: u8, value: u8) {
        self.legacy(instruction, extension, register);
        self.assembler.put(u64::from(value), 1);
    }
}

/// The processor's register for an integer register of the machine.
#[allow(clippy::cast_possible_truncation)]
fn integer_register(number: usize) -> u8 {
    R8 + (number & 7) as u8
}
