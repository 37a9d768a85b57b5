//! One dataset item from the cache, for light mode: the superscalar programs of a cache as one function (specs 7.3).
//!
//! It has the form that compiled programs call for their items, and computes in integer registers alone.
#![allow(unsafe_code)]

use super::assembler::register::{R8, RAX, RCX, RDI, RDX, RSI};
use super::assembler::{Address, Assembler, Legacy, Map, Prefix};
use super::context::ItemCallback;
use super::superscalar::{register, steps};
use crate::cache::{Cache, ITEM_BYTES, ITEM_FACTOR, ITEM_MASKS};
use crate::superscalar::{Kind, Program};
use crate::{CodeMemory, CodeMode, Error, Pages, low_word};

/// Bytes of one instruction at most: a multiplication by a constant.
const INSTRUCTION_BYTES: usize = 16;

/// Bytes around the instructions of a program, and around all programs, at most.
const FRAME_BYTES: usize = 256;

/// Registers that a callee gives back (System V ABI), of those that are used.
const KEPT: [u8; 4] = [12, 13, 14, 15];

const fn wide(opcode: u8) -> Legacy {
    Legacy { prefix: Prefix::None, map: Map::Primary, opcode, wide: true }
}

const LOAD: Legacy = wide(0x8b);
const STORE: Legacy = wide(0x89);
const ADD: Legacy = wide(0x03);
const XOR: Legacy = wide(0x33);
const LOAD_ADDRESS: Legacy = wide(0x8d);
const MULTIPLY: Legacy = Legacy { map: Map::M0F, ..wide(0xaf) };
const WITH_CONSTANT: Legacy = wide(0x81);
const SHIFT: Legacy = wide(0xc1);
const PREFETCH: Legacy = Legacy { map: Map::M0F, wide: false, ..wide(0x18) };

/// A function that makes items of one cache and key.
#[derive(Debug)]
pub(super) struct LightItem {
    code: CodeMemory,
}

impl LightItem {
    /// Compiles the programs of a cache.
    ///
    /// # Errors
    /// [`Error::NoKey`] when the cache holds none, and [`Error::Memory`].
    pub(super) fn new(cache: &Cache, mode: CodeMode) -> Result<Self, Error> {
        cache.key().ok_or(Error::NoKey)?;
        let programs = cache.programs();
        let instructions: usize = programs.iter().map(|program| program.instructions.len()).sum();
        let bytes = instructions * INSTRUCTION_BYTES + (programs.len() + 1) * FRAME_BYTES;
        let mut code = CodeMemory::allocate(bytes, Pages::Normal, mode)?;
        let lines = cache.memory().len() / ITEM_BYTES;
        let mut writer = Writer {
            assembler: Assembler::new(code.write_view(), 0),
            line_mask: low_word(lines as u64).wrapping_sub(1),
        };
        writer.write(programs);
        writer.assembler.finish()?;
        Ok(Self { code })
    }

    /// The function: memory of the cache, number of the item, where it goes.
    pub(super) fn function(&self) -> ItemCallback {
        // SAFETY: `new` has written a function of this form, and whoever calls it keeps this value alive.
        unsafe { std::mem::transmute::<*const u8, ItemCallback>(self.code.entry()) }
    }
}

struct Writer<'a> {
    assembler: Assembler<'a>,
    /// Of the number of a line of the cache.
    line_mask: u32,
}

impl Writer<'_> {
    /// `rdi` is the cache, `rsi` the number of the item and then the line that comes next, `rcx` where the item goes;
    /// products use `rax` and `rdx`.
    fn write(&mut self, programs: &[Program]) {
        for register in KEPT {
            self.assembler.push(register);
        }
        self.assembler.legacy(LOAD, RCX, RDX);
        self.assembler.legacy(LOAD_ADDRESS, RAX, Address::base(RSI, 1));
        self.assembler.move_constant(R8, ITEM_FACTOR);
        self.assembler.legacy(MULTIPLY, R8, RAX);
        for (register, mask) in (R8..).zip(ITEM_MASKS).skip(1) {
            self.assembler.move_constant(register, mask);
            self.assembler.legacy(XOR, register, R8);
        }
        self.next_line();
        for (number, program) in programs.iter().enumerate() {
            for &instruction in &program.instructions {
                if instruction.kind == Kind::ImulRcp {
                    self.assembler.move_constant(RAX, instruction.constant);
                }
                for step in steps(instruction, RAX) {
                    step.write(&mut self.assembler);
                }
            }
            for (register, at) in (R8..).zip((0..).step_by(8)).take(8) {
                self.assembler.legacy(XOR, register, Address::base(RSI, at));
            }
            if number + 1 < programs.len() {
                let number = u8::try_from(program.address_register).unwrap_or(0);
                self.assembler.legacy(LOAD, RSI, register(number));
                self.next_line();
            }
        }
        for (register, at) in (R8..).zip((0..).step_by(8)).take(8) {
            self.assembler.legacy(STORE, register, Address::base(RCX, at));
        }
        for register in KEPT.into_iter().rev() {
            self.assembler.pop(register);
        }
        self.assembler.put(0xc3, 1);
    }

    /// Makes a line's address of its number in `rsi`, and fetches it.
    fn next_line(&mut self) {
        // `and esi, mask` clears the upper half too.
        self.assembler.legacy(Legacy { wide: false, ..WITH_CONSTANT }, 4, RSI);
        self.assembler.put_u32(self.line_mask);
        self.assembler.legacy(SHIFT, 4, RSI);
        self.assembler.put(u64::from(ITEM_BYTES.trailing_zeros()), 1);
        self.assembler.legacy(ADD, RSI, RDI);
        self.assembler.legacy(PREFETCH, 1, Address::base(RSI, 0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::tests::cache;

    #[test]
    fn items_are_those_of_the_cache() {
        for key in [&b"light item"[..], b"", b"another key"] {
            let cache = cache(key);
            for mode in [CodeMode::Open, CodeMode::DualMapping] {
                let Ok(item) = LightItem::new(&cache, mode) else { continue };
                let function = item.function();
                for number in (0..1000).map(|at| at * 34_078).chain([34_078_718]) {
                    let mut out = [0; 8];
                    function(cache.memory().as_ptr().cast(), number, &raw mut out);
                    assert_eq!(out, cache.item(number), "item {number}");
                }
            }
        }
    }

    #[test]
    fn a_cache_without_a_key_has_no_programs() {
        let cache = Cache::allocate(&crate::config::RX_0, Pages::Normal).unwrap();
        assert_eq!(LightItem::new(&cache, CodeMode::Open).unwrap_err(), Error::NoKey);
    }
}
