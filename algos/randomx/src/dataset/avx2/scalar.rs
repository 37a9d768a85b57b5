//! A superscalar program for one item in the integer registers.

use super::constants::Constants;
use super::{LANES, Layout, Pieces};
use crate::superscalar::{Instruction, Kind, Program};
use crate::x86::assembler::register::{RAX, RBX, RDI, RDX, RSI};
use crate::x86::assembler::{Address, Legacy, Map, Prefix};

const fn plain(opcode: u8) -> Legacy {
    Legacy { prefix: Prefix::None, map: Map::Primary, opcode, wide: true }
}

const LOAD: Legacy = plain(0x8b);
const STORE: Legacy = plain(0x89);
const ADD: Legacy = plain(0x03);
const SUB: Legacy = plain(0x2b);
const XOR: Legacy = plain(0x33);
const LEA: Legacy = plain(0x8d);
const PRODUCT: Legacy = Legacy { map: Map::M0F, ..plain(0xaf) };
const WITH_CONSTANT: Legacy = plain(0x81);
const ROTATE: Legacy = plain(0xc1);
const WIDE_PRODUCT: Legacy = plain(0xf7);
pub(super) const PREFETCH: Legacy = Legacy { map: Map::M0F, wide: false, ..plain(0x18) };

/// Register of the machine for a register of the program: r8 to r15.
const fn number(register: u8) -> u8 {
    8 + (register & 7)
}

/// Code for the scalar item `item` of a group: one program with the line of the cache that comes after it. The
/// group is at `rdi`, the cache at `rsi` and constants are at `rbx`; `rax` and `rdx` are used.
pub(super) fn write(
    program: &Program,
    layout: &Layout,
    item: usize,
    last: bool,
    constants: &mut Constants,
    pieces: &mut Pieces<'_>,
) {
    let place = |register: u8| Address::base(RDI, layout.scalar(item) + 8 * i32::from(register));
    let line = Address::base(RDI, layout.line(LANES + item));
    for register in 0..8 {
        pieces.one(|code| code.legacy(LOAD, number(register), place(register)));
    }
    for instruction in &program.instructions {
        write_instruction(*instruction, constants, pieces);
    }
    pieces.one(|code| code.legacy(LOAD, RAX, line));
    for register in 0..8 {
        let word = Address::indexed(RSI, RAX, 0, 8 * i32::from(register));
        pieces.one(|code| code.legacy(XOR, number(register), word));
    }
    if !last {
        let address = number(u8::try_from(program.address_register).unwrap_or(0));
        pieces.one(|code| code.legacy(LOAD, RAX, address));
        // `and eax, mask` clears the upper half too.
        pieces.one(|code| {
            code.legacy(Legacy { wide: false, ..WITH_CONSTANT }, 4, RAX);
            code.put_u32(layout.line_mask);
        });
        pieces.one(|code| {
            code.legacy(ROTATE, 4, RAX);
            code.put(6, 1);
        });
        pieces.one(|code| code.legacy(STORE, RAX, line));
    }
    for register in 0..8 {
        pieces.one(|code| code.legacy(STORE, number(register), place(register)));
    }
}

fn write_instruction(instruction: Instruction, constants: &mut Constants, pieces: &mut Pieces<'_>) {
    let (dst, src) = (number(instruction.dst), number(instruction.src));
    let high_product = |extension: u8, pieces: &mut Pieces<'_>| {
        pieces.one(|code| code.legacy(LOAD, RAX, dst));
        pieces.one(|code| code.legacy(WIDE_PRODUCT, extension, src));
        pieces.one(|code| code.legacy(LOAD, dst, RDX));
    };
    match instruction.kind {
        Kind::IsubR => pieces.one(|code| code.legacy(SUB, dst, src)),
        Kind::IxorR => pieces.one(|code| code.legacy(XOR, dst, src)),
        Kind::IaddRs if instruction.shift() == 0 => pieces.one(|code| code.legacy(ADD, dst, src)),
        Kind::IaddRs => {
            let scale = u8::try_from(instruction.shift()).unwrap_or(0);
            pieces.one(|code| code.legacy(LEA, dst, Address::indexed(dst, src, scale, 0)));
        }
        Kind::ImulR => pieces.one(|code| code.legacy(PRODUCT, dst, src)),
        Kind::IrorC => pieces.one(|code| {
            code.legacy(ROTATE, 1, dst);
            code.put(u64::from(instruction.imm32 & 63), 1);
        }),
        Kind::IaddC7 | Kind::IaddC8 | Kind::IaddC9 => pieces.one(|code| {
            code.legacy(WITH_CONSTANT, 0, dst);
            code.put_u32(instruction.imm32);
        }),
        Kind::IxorC7 | Kind::IxorC8 | Kind::IxorC9 => pieces.one(|code| {
            code.legacy(WITH_CONSTANT, 6, dst);
            code.put_u32(instruction.imm32);
        }),
        Kind::ImulhR => high_product(4, pieces),
        Kind::IsmulhR => high_product(5, pieces),
        Kind::ImulRcp => {
            let factor = Address::base(RBX, constants.vector([instruction.constant; 4]));
            pieces.one(|code| code.legacy(PRODUCT, dst, factor));
        }
    }
}
