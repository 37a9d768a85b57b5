//! A superscalar program for one item in the integer registers.

use super::constants::Constants;
use super::{LANES, Layout, Pieces};
use crate::superscalar::{Kind, Program};
use crate::x86::assembler::register::{RAX, RBX, RDI, RSI};
use crate::x86::assembler::{Address, Legacy, Map, Prefix};
use crate::x86::superscalar::{register as machine_register, steps};

const fn plain(opcode: u8) -> Legacy {
    Legacy { prefix: Prefix::None, map: Map::Primary, opcode, wide: true }
}

const LOAD: Legacy = plain(0x8b);
const STORE: Legacy = plain(0x89);
const XOR: Legacy = plain(0x33);
const WITH_CONSTANT: Legacy = plain(0x81);
const ROTATE: Legacy = plain(0xc1);
pub(super) const PREFETCH: Legacy = Legacy { map: Map::M0F, wide: false, ..plain(0x18) };

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
        pieces.one(|code| code.legacy(LOAD, machine_register(register), place(register)));
    }
    for instruction in &program.instructions {
        let factor = match instruction.kind {
            Kind::ImulRcp => Address::base(RBX, constants.vector([instruction.constant; 4])),
            _ => Address::base(RBX, 0),
        };
        for step in steps(*instruction, factor) {
            pieces.one(|code| step.write(code));
        }
    }
    pieces.one(|code| code.legacy(LOAD, RAX, line));
    for register in 0..8 {
        let word = Address::indexed(RSI, RAX, 0, 8 * i32::from(register));
        pieces.one(|code| code.legacy(XOR, machine_register(register), word));
    }
    if !last {
        let address = machine_register(u8::try_from(program.address_register).unwrap_or(0));
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
        pieces.one(|code| code.legacy(STORE, machine_register(register), place(register)));
    }
}
