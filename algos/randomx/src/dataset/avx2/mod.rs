//! Items by AVX2: four in vectors and some in the integer registers, in one stream of code.
//!
//! Vector and integer units work side by side, so a vector program for four items is mixed with the same program
//! for one item after another in integer registers. Such a group of items takes one program, then makes way for the
//! next group: while the other groups are at work the lines of the cache that it reads next are on their way, and
//! all groups use the same code, which therefore is in the processor's inner caches. Groups that do not work lie in
//! a buffer.
#![allow(unsafe_code)]

mod constants;
mod scalar;
mod schedule;
mod vector;

use std::arch::x86_64::{
    __m256i, _MM_HINT_T0, _mm_prefetch, _mm_sfence, _mm256_load_si256, _mm256_permute2x128_si256,
    _mm256_stream_si256, _mm256_unpackhi_epi64, _mm256_unpacklo_epi64,
};

use super::{Item, ItemKernel};
use crate::cache::{ITEM_BYTES, ITEM_FACTOR, ITEM_MASKS, ITEM_WORDS};
use crate::superscalar::Program;
use crate::x86::assembler::register::{R12, R13, R14, R15, RBP, RBX, RCX, RDI, RDX, RSI, RSP};
use crate::x86::assembler::{Address, Assembler, Condition, Legacy, Length, Map, Prefix, Vex};
use crate::{Cache, CodeMemory, CodeMode, Error, Pages, low_word};
use constants::{Constants, Vector};
use schedule::{Registers, order};
use vector::Stream;

/// Items in vectors.
const LANES: usize = 4;

/// Most items of a group in integer registers.
const MOST_SCALARS: usize = 4;

/// Most groups at once.
const MOST_GROUPS: usize = 32;

/// What can be chosen. All give the same items.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Items of a group in integer registers, 0 to 4.
    pub scalars: usize,
    /// Groups at once, 1 to 32.
    pub groups: usize,
    /// Vector instructions that are meant to begin in one cycle.
    pub per_cycle: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { scalars: 2, groups: 12, per_cycle: 4 }
    }
}

/// Where things are in the memory of a group, in bytes.
#[derive(Debug, Clone, Copy)]
struct Layout {
    scalars: usize,
    /// Number of the last line of the cache.
    line_mask: u32,
}

impl Layout {
    const VECTORS: usize = 32 * ITEM_WORDS;

    /// Registers of a scalar item, behind those in vectors.
    const fn scalar_offset(&self, item: usize) -> usize {
        Self::VECTORS + ITEM_BYTES * item
    }

    /// Offset in the cache of the line that each item reads next, the items in vectors first.
    const fn lines_offset(&self) -> usize {
        self.scalar_offset(self.scalars)
    }

    const fn bytes(&self) -> usize {
        (self.lines_offset() + 8 * (LANES + MOST_SCALARS)).next_multiple_of(64)
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    const fn scalar(&self, item: usize) -> i32 {
        self.scalar_offset(item) as i32
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
    const fn line(&self, item: usize) -> i32 {
        (self.lines_offset() + 8 * item) as i32
    }
}

/// Instructions one behind the other, with the offset behind each.
struct Pieces<'a> {
    assembler: Assembler<'a>,
    ends: Vec<usize>,
}

impl<'a> Pieces<'a> {
    fn new(buffer: &'a mut [u8]) -> Self {
        Self { assembler: Assembler::new(buffer, 0), ends: Vec::with_capacity(4096) }
    }

    fn one(&mut self, write: impl FnOnce(&mut Assembler<'a>)) {
        write(&mut self.assembler);
        self.ends.push(self.assembler.position());
    }
}

/// `extern "sysv64"`: the groups from the first argument to the second take all programs; the third is the cache,
/// the fourth the constants.
type Code = unsafe extern "sysv64" fn(*mut u8, *mut u8, *const u8, *const Vector);

/// Bytes of code for each program; more than any has.
const PROGRAM_BYTES: usize = 64 << 10;

/// Compiled for the programs of one cache.
#[derive(Debug)]
pub struct Avx2 {
    code: CodeMemory,
    constants: Box<[Vector]>,
    layout: Layout,
    groups: usize,
}

impl Avx2 {
    /// Compiles the programs of a cache.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the processor has no AVX2 or code cannot be written, [`Error::Memory`] when there
    /// is no memory for it.
    pub fn new(cache: &Cache, options: Options) -> Result<Self, Error> {
        if !is_x86_feature_detected!("avx2") {
            return Err(Error::Unsupported { what: "the kernel of AVX2", reason: "the processor lacks it" });
        }
        let lines = cache.memory().len() / ITEM_BYTES;
        let line_mask = low_word(lines as u64 - 1);
        let layout = Layout { scalars: options.scalars.min(MOST_SCALARS), line_mask };
        let programs = cache.programs();
        let bytes = PROGRAM_BYTES * (programs.len() + 1);
        let mut code = CodeMemory::allocate(bytes, Pages::Normal, CodeMode::detect()?)?;
        let mut constants = Constants::default();
        let mut assembler = Assembler::new(code.write_view(), 0);
        write(programs, &layout, options.per_cycle, &mut constants, &mut assembler)?;
        assembler.finish()?;
        let groups = options.groups.clamp(1, MOST_GROUPS);
        Ok(Self { code, constants: constants.into_vectors(), layout, groups })
    }

    /// Items that are made together.
    pub fn batch(&self) -> usize {
        self.groups * self.group_items()
    }

    /// Items of one group.
    pub fn group_items(&self) -> usize {
        LANES + self.layout.scalars
    }
}

const SAVED: [u8; 6] = [RBX, RBP, R12, R13, R14, R15];
const MOVE: Legacy = Legacy { prefix: Prefix::None, map: Map::Primary, opcode: 0x8b, wide: true };

const fn vex(map: Map, opcode: u8, length: Length) -> Vex {
    Vex { prefix: Prefix::P66, map, opcode, wide: false, length }
}

const LOAD: Vex = vex(Map::M0F, 0x6f, Length::L256);
const STORE: Vex = vex(Map::M0F, 0x7f, Length::L256);
const LOAD_HALF: Vex = Vex { prefix: Prefix::PF3, ..vex(Map::M0F, 0x6f, Length::L128) };
const INSERT_HALF: Vex = vex(Map::M0F3A, 0x38, Length::L256);
const UNPACK_LOW: Vex = vex(Map::M0F, 0x6c, Length::L256);
const UNPACK_HIGH: Vex = vex(Map::M0F, 0x6d, Length::L256);
const XOR: Vex = vex(Map::M0F, 0xef, Length::L256);
const AND: Vex = vex(Map::M0F, 0xdb, Length::L256);
const SHIFT: Vex = vex(Map::M0F, 0x73, Length::L256);

/// All of the code.
fn write(
    programs: &[Program],
    layout: &Layout,
    per_cycle: u32,
    constants: &mut Constants,
    code: &mut Assembler<'_>,
) -> Result<(), Error> {
    for register in SAVED {
        code.push(register);
    }
    code.push(RDI);
    code.legacy(MOVE, RBP, RSI);
    code.legacy(MOVE, RSI, RDX);
    code.legacy(MOVE, RBX, RCX);
    let line_mask = constants.vector([u64::from(layout.line_mask); 4]);
    let mut vector_buffer = vec![0; PROGRAM_BYTES];
    let mut scalar_buffer = vec![0; PROGRAM_BYTES];
    for (number, program) in programs.iter().enumerate() {
        let last = number + 1 == programs.len();
        let mut vectors = Pieces::new(&mut vector_buffer);
        write_vectors(program, layout, per_cycle, line_mask, last, constants, &mut vectors)?;
        let mut scalars = Pieces::new(&mut scalar_buffer);
        for item in 0..layout.scalars {
            scalar::write(program, layout, item, last, constants, &mut scalars);
        }
        vectors.assembler.finish()?;
        scalars.assembler.finish()?;
        let (vector_ends, scalar_ends) = (vectors.ends, scalars.ends);

        code.legacy(MOVE, RDI, Address::base(RSP, 0));
        code.align(32);
        let start = code.position();
        merge((&vector_buffer, &vector_ends), (&scalar_buffer, &scalar_ends), code);
        if !last {
            // All at once: an address that has to be translated holds up everything behind it, so the translations
            // shall go on beside each other.
            for item in 0..LANES + layout.scalars {
                code.legacy(MOVE, RCX, Address::base(RDI, layout.line(item)));
                code.legacy(scalar::PREFETCH, 1, Address::indexed(RSI, RCX, 0, 0));
            }
        }
        // `add rdi, bytes`, `cmp rdi, rbp`
        code.legacy(Legacy { opcode: 0x81, ..MOVE }, 0, RDI);
        code.put_u32(u32::try_from(layout.bytes()).unwrap_or(u32::MAX));
        code.legacy(Legacy { opcode: 0x3b, ..MOVE }, RDI, RBP);
        code.jump_back(Some(Condition::Below), start);
    }
    code.pop(RDI);
    for register in SAVED.into_iter().rev() {
        code.pop(register);
    }
    // `vzeroupper`, `ret`
    code.put(0x77_f8c5, 3);
    code.put(0xc3, 1);
    Ok(())
}

/// Both streams as one, evenly mixed.
fn merge(
    (left, left_ends): (&[u8], &[usize]),
    (right, right_ends): (&[u8], &[usize]),
    code: &mut Assembler<'_>,
) {
    let (mut left_start, mut right_start, mut taken) = (0, 0, 0);
    for (at, &end) in left_ends.iter().enumerate() {
        copy(&left[left_start..end], code);
        left_start = end;
        let target = (at + 1) * right_ends.len() / left_ends.len();
        if target > taken {
            let end = right_ends[target - 1];
            copy(&right[right_start..end], code);
            (right_start, taken) = (end, target);
        }
    }
}

fn copy(bytes: &[u8], code: &mut Assembler<'_>) {
    for bytes in bytes.chunks(8) {
        let mut word = [0; 8];
        word[..bytes.len()].copy_from_slice(bytes);
        code.put(u64::from_le_bytes(word), bytes.len());
    }
}

/// The vector part: one program for the items in vectors, with the lines of the cache that come after it.
fn write_vectors(
    program: &Program,
    layout: &Layout,
    per_cycle: u32,
    line_mask: i32,
    last: bool,
    constants: &mut Constants,
    pieces: &mut Pieces<'_>,
) -> Result<(), Error> {
    let place = |register: u8| Address::base(RDI, 32 * i32::from(register));
    for register in 0..8 {
        pieces.one(|code| code.vex(LOAD, register, 0, place(register)));
    }
    let error =
        Error::Unsupported { what: "the kernel of AVX2", reason: "a program needs too many registers" };
    let mut stream = Stream::new(program, true, constants);
    let order = order(&stream, per_cycle).unwrap_or_else(|| {
        stream = Stream::new(program, false, constants);
        (0u16..).take(stream.operations.len()).collect()
    });
    let mut registers = Registers::new(&stream);
    for &number in &order {
        let operation = &stream.operations[usize::from(number)];
        let mut written = None;
        pieces.one(|code| written = registers.write(operation, RBX, code));
        written.ok_or_else(|| error.clone())?;
    }
    let homes = stream.registers.map(|value| registers.of(value));
    let mut others = (0..16u8).filter(|register| !homes.contains(register));
    let temporary: [u8; 6] = std::array::from_fn(|_| others.next().unwrap_or(0));

    for half in 0..2u8 {
        // Lanes 0 and 2 lie in one pair of registers, 1 and 3 in the other.
        for lane in [0u8, 2, 1, 3] {
            let line = Address::base(RDI, layout.line(usize::from(lane)));
            pieces.one(|code| code.legacy(MOVE, RCX, line));
            for pair in 0..2u8 {
                let words = Address::indexed(RSI, RCX, 0, 32 * i32::from(half) + 16 * i32::from(pair));
                let register = temporary[usize::from(2 * (lane & 1) + pair)];
                pieces.one(|code| {
                    if lane < 2 {
                        code.vex(LOAD_HALF, register, 0, words);
                    } else {
                        code.vex(INSERT_HALF, register, register, words);
                        code.put(1, 1);
                    }
                });
            }
        }
        for pair in 0..2usize {
            let (even, odd) = (temporary[pair], temporary[2 + pair]);
            let home = |word: usize| homes[4 * usize::from(half) + 2 * pair + word];
            pieces.one(|code| code.vex(UNPACK_LOW, temporary[4], even, odd));
            pieces.one(|code| code.vex(UNPACK_HIGH, temporary[5], even, odd));
            pieces.one(|code| code.vex(XOR, home(0), home(0), temporary[4]));
            pieces.one(|code| code.vex(XOR, home(1), home(1), temporary[5]));
        }
    }
    if !last {
        let (address, offsets) = (homes[program.address_register & 7], temporary[0]);
        pieces.one(|code| code.vex(AND, offsets, address, Address::base(RBX, line_mask)));
        pieces.one(|code| {
            code.vex(SHIFT, 6, offsets, offsets);
            code.put(6, 1);
        });
        pieces.one(|code| code.vex(STORE, offsets, 0, Address::base(RDI, layout.line(0))));
    }
    for (register, home) in (0u8..).zip(homes) {
        pieces.one(|code| code.vex(STORE, home, 0, place(register)));
    }
    Ok(())
}

/// Groups that do not work.
#[repr(C, align(64))]
struct Buffer([u8; MOST_GROUPS * MOST_GROUP_BYTES]);

const MOST_GROUP_BYTES: usize = Layout { scalars: MOST_SCALARS, line_mask: 0 }.bytes();

impl ItemKernel for Avx2 {
    fn fill(&self, cache: &[u8], first_item: u64, out: &mut [Item]) {
        assert_eq!(cache.len(), (self.layout.line_mask as usize + 1) * ITEM_BYTES, "another cache");
        let mut buffer = Buffer([0; MOST_GROUPS * MOST_GROUP_BYTES]);
        let mut rest = [Line([0; ITEM_WORDS]); MOST_GROUPS * (LANES + MOST_SCALARS)];
        let mut first = first_item;
        for out in out.chunks_mut(self.batch()) {
            let groups = out.len().div_ceil(self.group_items());
            let whole = groups * self.group_items();
            // SAFETY: `new` found AVX2. The buffer has room for all groups, and the target for all their items.
            unsafe {
                self.run(cache, |at| first.wrapping_add(at as u64), groups, &mut buffer);
                if whole == out.len() && out.as_ptr().addr().is_multiple_of(ITEM_BYTES) {
                    self.store(&buffer, groups, out.as_mut_ptr());
                } else {
                    self.store(&buffer, groups, rest.as_mut_ptr().cast());
                    for (out, line) in out.iter_mut().zip(&rest) {
                        *out = line.0;
                    }
                }
            }
            first = first.wrapping_add(whole as u64);
        }
        // Streaming stores are weakly ordered; whoever is told that the items are there must see them.
        // SAFETY: every processor of this architecture has it.
        unsafe { _mm_sfence() };
    }

    fn items(&self, cache: &[u8], indices: &[u64], out: &mut [Item]) {
        assert_eq!(cache.len(), (self.layout.line_mask as usize + 1) * ITEM_BYTES, "another cache");
        let mut buffer = Buffer([0; MOST_GROUPS * MOST_GROUP_BYTES]);
        let mut lines = [Line([0; ITEM_WORDS]); MOST_GROUPS * (LANES + MOST_SCALARS)];
        for (indices, out) in indices.chunks(self.batch()).zip(out.chunks_mut(self.batch())) {
            let groups = indices.len().div_ceil(self.group_items());
            // Items that fill up the last group are nobody's.
            let index = |at: usize| indices.get(at).copied().unwrap_or(0);
            // SAFETY: `new` found AVX2. The buffer has room for all groups, and the lines for all their items.
            unsafe {
                self.run(cache, index, groups, &mut buffer);
                self.store(&buffer, groups, lines.as_mut_ptr().cast());
            }
            for (out, line) in out.iter_mut().zip(&lines) {
                *out = line.0;
            }
        }
    }
}

/// An item where streaming stores want it.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line(Item);

impl Avx2 {
    /// Lets the first `groups` groups take all programs; `number` says which item is the first, the second and so on.
    ///
    /// # Safety
    /// The processor has AVX2, and the cache is of the length that the code was compiled for.
    #[target_feature(enable = "avx2")]
    unsafe fn run(&self, cache: &[u8], number: impl Fn(usize) -> u64, groups: usize, buffer: &mut Buffer) {
        let bytes = self.layout.bytes();
        let mut item = 0;
        for group in buffer.0.chunks_exact_mut(bytes).take(groups) {
            let (vectors, others) = group.split_at_mut(Layout::VECTORS);
            let (scalars, lines) = others.split_at_mut(ITEM_BYTES * self.layout.scalars);
            let firsts: [u64; LANES] = std::array::from_fn(|lane| first_register(number(item + lane)));
            for (vector, mask) in vectors.as_chunks_mut::<32>().0.iter_mut().zip(ITEM_MASKS) {
                for (word, first) in vector.as_chunks_mut::<8>().0.iter_mut().zip(firsts) {
                    *word = (first ^ mask).to_le_bytes();
                }
            }
            for (index, registers) in (LANES..).zip(scalars.as_chunks_mut::<ITEM_BYTES>().0) {
                let first = first_register(number(item + index));
                for (word, mask) in registers.as_chunks_mut::<8>().0.iter_mut().zip(ITEM_MASKS) {
                    *word = (first ^ mask).to_le_bytes();
                }
            }
            for (index, offset) in (0..).zip(lines.as_chunks_mut::<8>().0).take(self.group_items()) {
                let line = number(item + index) & u64::from(self.layout.line_mask);
                *offset = (line * ITEM_BYTES as u64).to_le_bytes();
                #[allow(clippy::cast_possible_truncation)]
                let address = cache.as_ptr().wrapping_add(line as usize * ITEM_BYTES);
                _mm_prefetch::<_MM_HINT_T0>(address.cast());
            }
            item += self.group_items();
        }
        let start = buffer.0.as_mut_ptr();
        // SAFETY: `entry` is the begin of a complete function of this signature, which keeps the registers that
        // must be kept. It reads and writes the groups up to the second pointer, which lie in the buffer, reads
        // lines of the cache whose numbers are masked to be inside, and constants that live as long as the code.
        unsafe {
            let code = std::mem::transmute::<*const u8, Code>(self.code.entry());
            code(start, start.add(groups * bytes), cache.as_ptr(), self.constants.as_ptr());
        }
    }

    /// Brings the items of the first groups to `out`, past the caches.
    ///
    /// # Safety
    /// The processor has AVX2; `out` is aligned to 64 bytes, with room for all items of these groups.
    #[target_feature(enable = "avx2")]
    unsafe fn store(&self, buffer: &Buffer, groups: usize, out: *mut Item) {
        let mut out = out.cast::<__m256i>();
        for group in buffer.0.chunks_exact(self.layout.bytes()).take(groups) {
            let start = group.as_ptr().cast::<__m256i>();
            // SAFETY: groups are a multiple of 64 bytes in an aligned buffer and begin with eight vectors, and two
            // more for each scalar item. `out` has room for two for each item, by the caller.
            unsafe {
                for half in 0..2 {
                    let [a, b, c, d] =
                        std::array::from_fn(|word| _mm256_load_si256(start.add(4 * half + word)));
                    let (low, high) = (_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
                    let (low_2, high_2) = (_mm256_unpacklo_epi64(c, d), _mm256_unpackhi_epi64(c, d));
                    let place = out.add(half);
                    _mm256_stream_si256(place, _mm256_permute2x128_si256::<0x20>(low, low_2));
                    _mm256_stream_si256(place.add(2), _mm256_permute2x128_si256::<0x20>(high, high_2));
                    _mm256_stream_si256(place.add(4), _mm256_permute2x128_si256::<0x31>(low, low_2));
                    _mm256_stream_si256(place.add(6), _mm256_permute2x128_si256::<0x31>(high, high_2));
                }
                for vector in 0..2 * self.layout.scalars {
                    let words = _mm256_load_si256(start.add(ITEM_WORDS + vector));
                    _mm256_stream_si256(out.add(2 * LANES + vector), words);
                }
                out = out.add(2 * self.group_items());
            }
        }
    }
}

/// First register of an item before the first program (specs 7.3).
fn first_register(item: u64) -> u64 {
    item.wrapping_add(1).wrapping_mul(ITEM_FACTOR)
}
