//! Dataset items with AVX-512 (F and DQ), by code that is compiled for the programs of one cache.
//!
//! A register holds the same register of eight items. The code works on groups of sixteen items, whose sixteen
//! registers stay in the processor during a program; between programs they lie in a frame. Each program runs on all
//! groups of a batch before the next one begins, so that its long code is read once for many items, and the lines
//! of the cache that a group needs have been fetched long before it comes to its turn again.
#![allow(unsafe_code)]
// Offsets into a frame and numbers of registers are small.
#![allow(clippy::cast_possible_truncation)]

use super::{Item, ItemKernel};
use crate::cache::{ITEM_BYTES, ITEM_FACTOR, ITEM_MASKS, ITEM_WORDS};
use crate::superscalar::{Instruction, Kind, Program};
use crate::x86::assembler::register::{R8, R9, R10, R11, RAX, RCX, RDI, RDX, RSI};
use crate::x86::assembler::{
    Address, Assembler, Condition, Evex, Extras, Legacy, Length, Map, Operand, Prefix,
};
use crate::{CodeMemory, CodeMode, Error, Pages};

/// Items of one vector.
const LANES: usize = 8;
/// Vectors of items that a group has.
const SETS: usize = 2;
/// Items of a group.
const GROUP_ITEMS: usize = LANES * SETS;
/// Groups of a batch.
const GROUPS: usize = 8;
/// Items of a batch.
const BATCH_ITEMS: usize = GROUP_ITEMS * GROUPS;

/// What the code works on. It is told the address of one; offsets are those below.
#[repr(C, align(64))]
struct Frame {
    /// Registers of all groups: of each the first set's, then the second's.
    registers: [[[[u64; LANES]; ITEM_WORDS]; SETS]; GROUPS],
    /// The rest of all groups.
    groups: [Group; GROUPS],
    /// A batch that goes nowhere else.
    items: [Item; BATCH_ITEMS],
    cache: *const u8,
    out: *mut Item,
    constants: *const u64,
    batches: u64,
    /// Groups that a batch has.
    group_count: u64,
}

/// What a group has besides registers.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Group {
    /// Offsets in the cache of the lines that are XORed next.
    lines: [[u64; LANES]; SETS],
    /// Numbers of the items of the next batch.
    numbers: [[u64; LANES]; SETS],
}

/// The bytes of a vector.
const VECTOR_BYTES: i32 = 64;
const GROUP_BYTES: i32 = (SETS * ITEM_WORDS) as i32 * VECTOR_BYTES;

/// Constants that do not come from a program.
mod constant {
    pub(super) const ONE: usize = 0;
    pub(super) const BATCH_ITEMS: usize = 1;
    pub(super) const FACTOR: usize = 2;
    pub(super) const LOW_HALF: usize = 3;
    pub(super) const LINE_MASK: usize = 4;
    pub(super) const MASKS: usize = 5;
}

/// Holds the low halves of words.
const LOW_HALF: u8 = 31;
/// Holds which bits of an address number a line.
const LINE_MASK: u8 = 30;
/// The first of fourteen registers that are free between instructions of a program.
const FREE: u8 = 16;

/// Code that makes the items of one cache. Any number of threads can use it at once.
#[derive(Debug)]
pub(super) struct Avx512 {
    code: CodeMemory,
    constants: Box<[u64]>,
    cache_bytes: usize,
}

impl Avx512 {
    /// Whether the processor and the system have what the code needs.
    pub(super) fn is_available() -> bool {
        is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq")
    }

    /// Compiles the programs of a cache of `cache_bytes` bytes, a power of two.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the processor lacks the instructions, [`Error::Memory`] when there is none for
    /// code.
    pub(super) fn new(programs: &[Program], cache_bytes: usize, mode: CodeMode) -> Result<Self, Error> {
        let error = |reason| Error::Unsupported { what: "the AVX-512 dataset", reason };
        if !Self::is_available() {
            return Err(error("the processor has no AVX-512F and AVX-512DQ"));
        }
        Self::compile(programs, cache_bytes, mode)
    }

    fn compile(programs: &[Program], cache_bytes: usize, mode: CodeMode) -> Result<Self, Error> {
        let error = |reason| Error::Unsupported { what: "the AVX-512 dataset", reason };
        if programs.is_empty() || !cache_bytes.is_power_of_two() || cache_bytes < ITEM_BYTES {
            return Err(error("this is no cache with a key"));
        }
        let mut code = CodeMemory::allocate(code_bytes(programs), Pages::Normal, mode)?;
        let mut constants =
            vec![1, BATCH_ITEMS as u64, ITEM_FACTOR, 0xffff_ffff, (cache_bytes / ITEM_BYTES - 1) as u64];
        constants.extend(ITEM_MASKS);
        let mut compiler = Compiler { assembler: Assembler::new(code.write_view(), 0), constants };
        compiler.function(programs);
        let Compiler { assembler, constants } = compiler;
        assembler.finish()?;
        Ok(Self { code, constants: constants.into(), cache_bytes })
    }

    fn frame(&self, cache: &[u8]) -> Frame {
        assert_eq!(cache.len(), self.cache_bytes, "a cache of another size");
        Frame {
            registers: [[[[0; LANES]; ITEM_WORDS]; SETS]; GROUPS],
            groups: [Group { lines: [[0; LANES]; SETS], numbers: [[0; LANES]; SETS] }; GROUPS],
            items: [[0; ITEM_WORDS]; BATCH_ITEMS],
            cache: cache.as_ptr(),
            out: std::ptr::null_mut(),
            constants: self.constants.as_ptr(),
            batches: 0,
            group_count: GROUPS as u64,
        }
    }

    /// Makes one batch, as many of its items as `out` takes, with no more groups than they need.
    fn run_inside(&self, frame: &mut Frame, out: &mut [Item]) {
        let count = out.len().min(BATCH_ITEMS);
        frame.out = frame.items.as_mut_ptr();
        frame.batches = 1;
        frame.group_count = count.div_ceil(GROUP_ITEMS).max(1) as u64;
        // SAFETY: the frame's own batch is as long as one, and aligned.
        unsafe { self.run(frame) };
        out[..count].copy_from_slice(&frame.items[..count]);
    }

    /// Makes `frame.batches` batches, one at least, and advances the numbers of items by whole batches.
    ///
    /// # Safety
    /// `frame.out` must be aligned to 64 bytes, and good for `frame.batches` batches of `frame.group_count` groups, 1
    /// to [`GROUPS`]; the cache and the constants must be those of this code.
    unsafe fn run(&self, frame: &mut Frame) {
        #[cfg(test)]
        if !Self::is_available() {
            let argument = (&raw mut *frame).expose_provenance() as u64;
            // SAFETY: the code is readable, and complete; the frame is as the caller promises.
            return unsafe {
                let code = std::slice::from_raw_parts(self.code.entry(), self.code.capacity());
                simulator::call(code, argument);
            };
        }
        // SAFETY: at the entry stands a complete function of this signature, compiled by `compile`. It keeps the
        // registers that its convention says, and reads and writes what the frame points to.
        let function: extern "sysv64" fn(*mut Frame) = unsafe { std::mem::transmute(self.code.entry()) };
        function(frame);
    }
}

impl ItemKernel for Avx512 {
    /// Where `out` is aligned to 64 bytes, items are written past the processor's caches.
    ///
    /// # Panics
    /// When `cache` has not the length that the code was compiled for.
    fn fill(&self, cache: &[u8], first_item: u64, out: &mut [Item]) {
        let mut frame = self.frame(cache);
        let direct = if out.as_ptr().addr().is_multiple_of(ITEM_BYTES) { out.len() / BATCH_ITEMS } else { 0 };
        let (direct, rest) = out.split_at_mut(direct * BATCH_ITEMS);
        frame.set_numbers(|item| first_item.wrapping_add(item as u64));
        frame.out = direct.as_mut_ptr();
        frame.batches = (direct.len() / BATCH_ITEMS) as u64;
        if frame.batches > 0 {
            // SAFETY: `out` takes that many batches and is aligned.
            unsafe { self.run(&mut frame) };
        }
        for rest in rest.chunks_mut(BATCH_ITEMS) {
            self.run_inside(&mut frame, rest);
        }
    }

    /// # Panics
    /// As [`Avx512::fill`].
    fn items(&self, cache: &[u8], indices: &[u64], out: &mut [Item]) {
        let mut frame = self.frame(cache);
        let count = indices.len().min(out.len());
        let (indices, out) = (&indices[..count], &mut out[..count]);
        for (indices, out) in indices.chunks(BATCH_ITEMS).zip(out.chunks_mut(BATCH_ITEMS)) {
            frame.set_numbers(|item| indices.get(item).copied().unwrap_or(0));
            self.run_inside(&mut frame, out);
        }
    }
}

impl Frame {
    /// Which items come next, from their places in a batch.
    fn set_numbers(&mut self, number: impl Fn(usize) -> u64) {
        let numbers = self.groups.iter_mut().flat_map(|group| group.numbers.as_flattened_mut());
        for (item, place) in numbers.enumerate() {
            *place = number(item);
        }
    }
}

/// Not less than the bytes of the code: instructions of the vectors have 11 bytes at most.
fn code_bytes(programs: &[Program]) -> usize {
    const INSTRUCTION_BYTES: usize = 11;
    const FRAME_INSTRUCTIONS: usize = 300;
    let instructions = programs.iter().flat_map(|program| &program.instructions);
    let longest = instructions.map(|instruction| match instruction.kind {
        Kind::ImulhR => 14,
        Kind::IsmulhR => 18,
        Kind::IaddRs => 2,
        _ => 1,
    });
    let vectors = longest.sum::<usize>() * SETS + (programs.len() + 1) * FRAME_INSTRUCTIONS;
    vectors * INSTRUCTION_BYTES
}

/// Writes the function.
struct Compiler<'a> {
    assembler: Assembler<'a>,
    /// What the code reads as broadcast memory operands.
    constants: Vec<u64>,
}

const fn evex(prefix: Prefix, map: Map, opcode: u8) -> Evex {
    Evex { prefix, map, opcode, wide: true, length: Length::L512, memory_shift: 6 }
}

const VPADDQ: Evex = evex(Prefix::P66, Map::M0F, 0xd4);
const VPSUBQ: Evex = evex(Prefix::P66, Map::M0F, 0xfb);
const VPXORQ: Evex = evex(Prefix::P66, Map::M0F, 0xef);
const VPANDQ: Evex = evex(Prefix::P66, Map::M0F, 0xdb);
const VPMULLQ: Evex = evex(Prefix::P66, Map::M0F38, 0x40);
const VPMULUDQ: Evex = evex(Prefix::P66, Map::M0F, 0xf4);
const VPUNPCKLQDQ: Evex = evex(Prefix::P66, Map::M0F, 0x6c);
const VPUNPCKHQDQ: Evex = evex(Prefix::P66, Map::M0F, 0x6d);
const VSHUFI64X2: Evex = evex(Prefix::P66, Map::M0F3A, 0x43);
const VMOVDQA64_LOAD: Evex = evex(Prefix::P66, Map::M0F, 0x6f);
const VMOVDQA64_STORE: Evex = evex(Prefix::P66, Map::M0F, 0x7f);
const VMOVNTDQ: Evex = Evex { wide: false, ..evex(Prefix::P66, Map::M0F, 0xe7) };
const VPBROADCASTQ: Evex = Evex { memory_shift: 3, ..evex(Prefix::P66, Map::M0F38, 0x59) };
/// Rotation or shift by an immediate value: which one is in the field of a register.
const BY_IMMEDIATE_ROTATE: Evex = evex(Prefix::P66, Map::M0F, 0x72);
const BY_IMMEDIATE_SHIFT: Evex = evex(Prefix::P66, Map::M0F, 0x73);
const ROTATE_RIGHT: u8 = 0;
const SHIFT_RIGHT: u8 = 2;
const SHIFT_LEFT: u8 = 6;
const VPMOVQ2M: Evex = Evex { memory_shift: 0, ..evex(Prefix::PF3, Map::M0F38, 0x39) };

const MOV_LOAD: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0x8b, wide: true };
const LEA: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0x8d, wide: true };
const ADD_IMM32: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0x81, wide: true };
const DEC: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0xff, wide: true };
const PREFETCH: Legacy = Legacy { prefix: Prefix::None, map: Map::M0F, opcode: 0x18, wide: false };
/// `ModRM.reg` of [`DEC`].
const DEC_EXTENSION: u8 = 1;
/// `ModRM.reg` of [`PREFETCH`] for all levels of the caches.
const PREFETCH_NTA: u8 = 0;

const PLAIN: Extras = Extras { mask: 0, zeroing: false, broadcast: false, rounding: None };
const BROADCAST: Extras = Extras { broadcast: true, ..PLAIN };

/// Registers of the function: the frame, the cache, the constants, groups left, the group's registers, the rest of it,
/// where items go, batches left.
const FRAME: u8 = RDI;
const CACHE: u8 = RSI;
const CONSTANTS: u8 = RDX;
const COUNT: u8 = RCX;
const GROUP: u8 = R8;
const REST: u8 = R9;
const OUT: u8 = R10;
const BATCHES: u8 = R11;

impl Compiler<'_> {
    fn function(&mut self, programs: &[Program]) {
        for (register, offset) in [
            (CACHE, std::mem::offset_of!(Frame, cache)),
            (CONSTANTS, std::mem::offset_of!(Frame, constants)),
            (OUT, std::mem::offset_of!(Frame, out)),
            (BATCHES, std::mem::offset_of!(Frame, batches)),
        ] {
            self.assembler.legacy(MOV_LOAD, register, Address::base(FRAME, displacement(offset)));
        }
        for (register, constant) in [(LOW_HALF, constant::LOW_HALF), (LINE_MASK, constant::LINE_MASK)] {
            self.vector(VPBROADCASTQ, register, 0, constant_address(constant));
        }
        let batch = self.assembler.position();
        self.groups(Self::start);
        for (number, program) in programs.iter().enumerate() {
            let last = number + 1 == programs.len();
            self.groups(|compiler| compiler.program(program, last));
        }
        self.assembler.legacy(DEC, DEC_EXTENSION, BATCHES);
        self.assembler.jump_back(Some(Condition::NotZero), batch);
        // What was written past the caches is there for whoever sees what this thread writes next.
        const SFENCE: u64 = 0xf8_ae0f;
        const VZEROUPPER: u64 = 0x77_f8c5;
        const RET: u64 = 0xc3;
        self.assembler.put(SFENCE, 3);
        self.assembler.put(VZEROUPPER, 3);
        self.assembler.put(RET, 1);
    }

    /// A loop over the groups of a batch.
    fn groups(&mut self, body: impl FnOnce(&mut Self)) {
        let registers = std::mem::offset_of!(Frame, registers);
        let groups = std::mem::offset_of!(Frame, groups);
        let count = std::mem::offset_of!(Frame, group_count);
        self.assembler.legacy(LEA, GROUP, Address::base(FRAME, displacement(registers)));
        self.assembler.legacy(LEA, REST, Address::base(FRAME, displacement(groups)));
        self.assembler.legacy(MOV_LOAD, COUNT, Address::base(FRAME, displacement(count)));
        self.assembler.align(64);
        let start = self.assembler.position();
        body(self);
        self.add_constant(GROUP, GROUP_BYTES);
        self.add_constant(REST, displacement(size_of::<Group>()));
        self.assembler.legacy(DEC, DEC_EXTENSION, COUNT);
        self.assembler.jump_back(Some(Condition::NotZero), start);
    }

    fn add_constant(&mut self, register: u8, value: i32) {
        self.assembler.legacy(ADD_IMM32, 0, register);
        self.assembler.put_u32(value.cast_unsigned());
    }

    /// Registers of the next items of a group (specs 7.3, step 1), and their first lines.
    fn start(&mut self) {
        const NUMBERS: u8 = FREE;
        const FIRST: u8 = FREE + 1;
        const OTHER: u8 = FREE + 2;
        for set in 0..SETS {
            let numbers = displacement(std::mem::offset_of!(Group, numbers)) + set as i32 * VECTOR_BYTES;
            let numbers = Address::base(REST, numbers);
            self.vector(VMOVDQA64_LOAD, NUMBERS, 0, numbers);
            self.fetch(set, NUMBERS);
            self.with_constant(VPADDQ, FIRST, NUMBERS, constant::ONE);
            self.with_constant(VPMULLQ, FIRST, FIRST, constant::FACTOR);
            for word in 0..ITEM_WORDS {
                self.with_constant(VPXORQ, OTHER, FIRST, constant::MASKS + word);
                self.vector(VMOVDQA64_STORE, OTHER, 0, register_address(set, word));
            }
            self.with_constant(VPADDQ, NUMBERS, NUMBERS, constant::BATCH_ITEMS);
            self.vector(VMOVDQA64_STORE, NUMBERS, 0, numbers);
        }
    }

    /// A program over a group, the lines that go into its registers, and whatever comes next.
    fn program(&mut self, program: &Program, last: bool) {
        for set in 0..SETS {
            for word in 0..ITEM_WORDS {
                self.vector(VMOVDQA64_LOAD, register(set, word), 0, register_address(set, word));
            }
        }
        for instruction in &program.instructions {
            self.instruction(*instruction);
        }
        for set in 0..SETS {
            self.add_lines(set);
            if last {
                self.write_items(set);
            } else {
                self.fetch(set, register(set, program.address_register & 7));
                for word in 0..ITEM_WORDS {
                    self.vector(VMOVDQA64_STORE, register(set, word), 0, register_address(set, word));
                }
            }
        }
    }

    /// Notes which lines these addresses name, and fetches them.
    fn fetch(&mut self, set: usize, addresses: u8) {
        const LINE: u8 = FREE + 3;
        const LINE_SHIFT: u8 = ITEM_BYTES.trailing_zeros() as u8;
        let lines = lines_address(set, 0);
        self.vector(VPANDQ, LINE, addresses, LINE_MASK);
        self.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_LEFT, LINE, LINE, LINE_SHIFT);
        self.vector(VMOVDQA64_STORE, LINE, 0, lines);
        for lane in 0..LANES {
            self.assembler.legacy(MOV_LOAD, RAX, lines_address(set, lane));
            self.assembler.legacy(PREFETCH, PREFETCH_NTA, Address::indexed(CACHE, RAX, 0, 0));
        }
    }

    /// XORs the registers of a set with their lines (specs 7.3, step 6).
    fn add_lines(&mut self, set: usize) {
        // Rows two by two become four registers of even and four of odd words.
        for pair in 0..LANES / 2 {
            let (even, odd) = (FREE + 2 * pair as u8, FREE + 2 * pair as u8 + 1);
            self.assembler.legacy(MOV_LOAD, RAX, lines_address(set, 2 * pair));
            self.vector(VMOVDQA64_LOAD, odd, 0, Address::indexed(CACHE, RAX, 0, 0));
            self.assembler.legacy(MOV_LOAD, RAX, lines_address(set, 2 * pair + 1));
            self.vector(VPUNPCKLQDQ, even, odd, Address::indexed(CACHE, RAX, 0, 0));
            self.vector(VPUNPCKHQDQ, odd, odd, Address::indexed(CACHE, RAX, 0, 0));
        }
        let words = self.gather_columns(FREE, FREE + 8);
        for (word, column) in words.into_iter().enumerate() {
            let register = register(set, word);
            self.vector(VPXORQ, register, register, column);
        }
    }

    /// Writes the items of a set, and moves on to where the next ones go.
    fn write_items(&mut self, set: usize) {
        for pair in 0..ITEM_WORDS / 2 {
            let (first, second) = (register(set, 2 * pair), register(set, 2 * pair + 1));
            let even = FREE + 2 * pair as u8;
            self.vector(VPUNPCKLQDQ, even, first, second);
            self.vector(VPUNPCKHQDQ, even + 1, first, second);
        }
        let items = self.gather_columns(FREE, FREE + 8);
        for (item, column) in items.into_iter().enumerate() {
            let place = Address::base(OUT, item as i32 * VECTOR_BYTES);
            self.vector(VMOVNTDQ, column, 0, place);
        }
        self.add_constant(OUT, LANES as i32 * VECTOR_BYTES);
    }

    /// The rest of a transposition of eight by eight words: from `from`, eight registers of unpacked pairs of rows,
    /// to the columns, whose registers it returns. `free` and five more are free.
    fn gather_columns(&mut self, from: u8, free: u8) -> [u8; 8] {
        // Of four rows each: columns 0 4, 1 5, 2 6 and 3 7. The sources are free afterwards, one by one.
        let low = free;
        for quarter in 0..2 {
            let [a, b] = [from + 4 * quarter, from + 4 * quarter + 2];
            for odd in 0..2 {
                self.shuffle(low + 2 * quarter + odd, a + odd, b + odd, 0x88);
                self.shuffle(a + odd, a + odd, b + odd, 0xdd);
            }
        }
        // Now `low + odd` and `low + 2 + odd` are the halves of columns 0, 1 (and 4, 5); `from + odd` and
        // `from + 4 + odd` those of columns 2, 3 (and 6, 7). `from + 2`, `+ 3`, `+ 6`, `+ 7` are free.
        let mut columns = [0; 8];
        for odd in 0..2u8 {
            let place = usize::from(odd);
            let (first, second) = (low + odd, low + 2 + odd);
            self.shuffle(from + 2 + odd, first, second, 0x88);
            self.shuffle(first, first, second, 0xdd);
            columns[place] = from + 2 + odd;
            columns[place + 4] = first;
            let (first, second) = (from + odd, from + 4 + odd);
            self.shuffle(from + 6 + odd, first, second, 0x88);
            self.shuffle(first, first, second, 0xdd);
            columns[place + 2] = from + 6 + odd;
            columns[place + 6] = first;
        }
        columns
    }

    fn shuffle(&mut self, to: u8, first: u8, second: u8, lanes: u8) {
        self.vector(VSHUFI64X2, to, first, second);
        self.assembler.put(u64::from(lanes), 1);
    }

    /// One instruction of a program (specs 6.1) on both sets.
    fn instruction(&mut self, instruction: Instruction) {
        let pairs = [0, 1].map(|set| {
            let place = |number: u8| register(set, usize::from(number) & 7);
            (place(instruction.dst), place(instruction.src))
        });
        match instruction.kind {
            Kind::IsubR => self.both(VPSUBQ, pairs),
            Kind::IxorR => self.both(VPXORQ, pairs),
            Kind::ImulR => self.both(VPMULLQ, pairs),
            Kind::IaddRs => self.add_shifted(pairs, instruction.shift()),
            Kind::IrorC => {
                // Rotations are modulo 64.
                let [count, ..] = (instruction.imm32 & 63).to_le_bytes();
                for (dst, _) in pairs {
                    self.by_immediate(BY_IMMEDIATE_ROTATE, ROTATE_RIGHT, dst, dst, count);
                }
            }
            Kind::IaddC7 | Kind::IaddC8 | Kind::IaddC9 => {
                self.both_constant(VPADDQ, pairs, instruction.constant);
            }
            Kind::IxorC7 | Kind::IxorC8 | Kind::IxorC9 => {
                self.both_constant(VPXORQ, pairs, instruction.constant);
            }
            Kind::ImulRcp => self.both_constant(VPMULLQ, pairs, instruction.constant),
            Kind::ImulhR => self.high_product(pairs, false),
            Kind::IsmulhR => self.high_product(pairs, true),
        }
    }

    fn both(&mut self, instruction: Evex, pairs: [(u8, u8); SETS]) {
        for (dst, src) in pairs {
            self.vector(instruction, dst, dst, src);
        }
    }

    fn both_constant(&mut self, instruction: Evex, pairs: [(u8, u8); SETS], value: u64) {
        let constant = self.constants.len();
        self.constants.push(value);
        for (dst, _) in pairs {
            self.with_constant(instruction, dst, dst, constant);
        }
    }

    fn add_shifted(&mut self, pairs: [(u8, u8); SETS], shift: u32) {
        if shift == 0 {
            return self.both(VPADDQ, pairs);
        }
        let [count, ..] = shift.to_le_bytes();
        for (free, (_, src)) in (FREE..).zip(pairs) {
            self.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_LEFT, free, src, count);
        }
        for (free, (dst, _)) in (FREE..).zip(pairs) {
            self.vector(VPADDQ, dst, dst, free);
        }
    }

    /// The high half of a product of 64-bit words from four products of their halves. A signed one is smaller by
    /// either factor where the other is negative.
    fn high_product(&mut self, pairs: [(u8, u8); SETS], signed: bool) {
        // Per set: the halves of both factors above, then sums; seven registers each at most.
        let mut each = |step: &dyn Fn(&mut Self, u8, u8, u8)| {
            for (set, (dst, src)) in (0..).zip(pairs) {
                step(self, FREE + 7 * set, dst, src);
            }
        };
        each(&|it, free, dst, _| it.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_RIGHT, free, dst, 32));
        each(&|it, free, _, src| it.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_RIGHT, free + 1, src, 32));
        // low × low, low × high, high × low, high × high
        each(&|it, free, dst, src| it.vector(VPMULUDQ, free + 2, dst, src));
        each(&|it, free, dst, _| it.vector(VPMULUDQ, free + 3, dst, free + 1));
        each(&|it, free, _, src| it.vector(VPMULUDQ, free + 4, free, src));
        each(&|it, free, _, _| it.vector(VPMULUDQ, free + 5, free, free + 1));
        each(&|it, free, _, _| it.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_RIGHT, free + 2, free + 2, 32));
        each(&|it, free, _, _| it.vector(VPADDQ, free + 3, free + 3, free + 2));
        each(&|it, free, _, _| it.vector(VPANDQ, free + 6, free + 3, LOW_HALF));
        each(&|it, free, _, _| it.vector(VPADDQ, free + 4, free + 4, free + 6));
        each(&|it, free, _, _| it.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_RIGHT, free + 3, free + 3, 32));
        each(&|it, free, _, _| it.vector(VPADDQ, free + 5, free + 5, free + 3));
        each(&|it, free, _, _| it.by_immediate(BY_IMMEDIATE_SHIFT, SHIFT_RIGHT, free + 4, free + 4, 32));
        if !signed {
            return each(&|it, free, dst, _| it.vector(VPADDQ, dst, free + 5, free + 4));
        }
        each(&|it, free, _, _| it.vector(VPADDQ, free + 5, free + 5, free + 4));
        const NEGATIVE_DST: u8 = 1;
        const NEGATIVE_SRC: u8 = 2;
        each(&|it, free, dst, src| {
            it.vector(VPMOVQ2M, NEGATIVE_DST, 0, dst);
            it.vector(VPMOVQ2M, NEGATIVE_SRC, 0, src);
            let masked = |mask| Extras { mask, ..PLAIN };
            it.assembler.evex(VPSUBQ, free + 5, free + 5, src, masked(NEGATIVE_DST));
            it.assembler.evex(VPSUBQ, free + 5, free + 5, dst, masked(NEGATIVE_SRC));
            it.vector(VMOVDQA64_LOAD, dst, 0, free + 5);
        });
    }

    fn vector(&mut self, instruction: Evex, first: u8, second: u8, operand: impl Into<Operand>) {
        self.assembler.evex(instruction, first, second, operand, PLAIN);
    }

    fn with_constant(&mut self, instruction: Evex, first: u8, second: u8, constant: usize) {
        self.assembler.evex(instruction, first, second, constant_address(constant), BROADCAST);
    }

    /// Shift or rotation of `src` into `dst`.
    fn by_immediate(&mut self, instruction: Evex, which: u8, dst: u8, src: u8, count: u8) {
        self.assembler.evex(instruction, which, dst, src, PLAIN);
        self.assembler.put(u64::from(count), 1);
    }
}

/// Register of the processor for a register of a program.
const fn register(set: usize, word: usize) -> u8 {
    (set * ITEM_WORDS + word) as u8
}

const fn register_address(set: usize, word: usize) -> Address {
    Address::base(GROUP, (set * ITEM_WORDS + word) as i32 * VECTOR_BYTES)
}

const fn lines_address(set: usize, lane: usize) -> Address {
    Address::base(REST, displacement(std::mem::offset_of!(Group, lines)) + (set * LANES + lane) as i32 * 8)
}

const fn constant_address(constant: usize) -> Address {
    Address::base(CONSTANTS, constant as i32 * 8)
}

/// Offsets into a frame are small.
const fn displacement(offset: usize) -> i32 {
    offset as i32
}

#[cfg(test)]
#[path = "avx512_simulator.rs"]
mod simulator;

#[cfg(test)]
#[path = "avx512_tests.rs"]
mod tests;
