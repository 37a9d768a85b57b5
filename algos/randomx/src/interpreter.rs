//! The machine in its readable form: what a program does, instruction by instruction (specs 4.6 and 5).
//!
//! It runs everywhere, is no faster than needed, and is what compilers are held against.

use crate::aes::Aes;
use crate::config::{Config, Version};
use crate::float::{self, Pair, Rounding};
use crate::instruction::{DISPLACED_REGISTER, Instruction, Opcode, SCALE_MASK};
use crate::low_word;
use crate::program::{E_MANTISSA_MASK, Program, Settings};
use crate::reciprocal::reciprocal;
use crate::registers::Registers;

/// Where in the scratchpad an operand lies.
#[derive(Debug, Clone, Copy)]
struct Address {
    /// Register that the address is counted from; none for zero.
    base: Option<usize>,
    /// Added to it.
    offset: u64,
    /// Level of the scratchpad, aligned to eight bytes.
    mask: u32,
}

/// Second operand of an integer instruction.
#[derive(Debug, Clone, Copy)]
enum Source {
    Register(usize),
    Value(u64),
    Memory(Address),
}

/// Second operand of a sum of group F.
#[derive(Debug, Clone, Copy)]
enum FloatSource {
    /// Register of group A.
    Register(usize),
    /// Two 32-bit integers in memory.
    Memory(Address),
}

/// Integer operations of two operands.
#[derive(Debug, Clone, Copy)]
enum Integer {
    Subtract,
    Multiply,
    MultiplyHigh,
    SignedMultiplyHigh,
    Xor,
    RotateRight,
    RotateLeft,
    Add,
}

/// An instruction with its operands resolved.
#[derive(Debug, Clone, Copy)]
enum Step {
    AddShifted { dst: usize, src: usize, shift: u32, plus: u64 },
    Integer { operation: Integer, dst: usize, source: Source },
    Negate { dst: usize },
    Swap { dst: usize, src: usize },
    SwapHalvesF { dst: usize },
    SwapHalvesE { dst: usize },
    Add { dst: usize, source: FloatSource },
    Subtract { dst: usize, source: FloatSource },
    Scale { dst: usize },
    Multiply { dst: usize, src: usize },
    Divide { dst: usize, address: Address },
    SquareRoot { dst: usize },
    Branch { dst: usize, plus: u64, mask: u64, target: usize },
    SetRounding { src: usize, rotation: u32 },
    Store { address: Address, src: usize },
    Nothing,
}

/// Runs programs of one configuration. It holds the last one in decoded form.
#[derive(Debug, Clone)]
pub struct Interpreter {
    config: &'static Config,
    opcodes: [Opcode; 256],
    steps: Vec<Step>,
}

/// What a program works on. The rounding mode outlives a program within one hash (specs 2, step 6).
#[derive(Debug)]
pub struct State<'a> {
    /// [`Config::scratchpad_l3_bytes`] bytes.
    pub scratchpad: &'a mut [u8],
    /// Overwritten: a program starts from its settings, and leaves what it computed.
    pub registers: &'a mut Registers,
    /// Register `fprc`.
    pub rounding: &'a mut Rounding,
}

impl Interpreter {
    /// For programs of this configuration.
    pub fn new(config: &'static Config) -> Self {
        Self { config, opcodes: config.opcodes(), steps: Vec::with_capacity(config.program_instructions) }
    }

    /// The configuration.
    pub fn config(&self) -> &'static Config {
        self.config
    }

    /// A whole hash (specs 2), the plain way. `scratchpad` is only room to work in; for `items` see
    /// [`Interpreter::run`].
    ///
    /// # Panics
    /// When the scratchpad is shorter than the configuration's.
    pub fn hash(
        &mut self,
        input: &[u8],
        scratchpad: &mut [u8],
        aes: Aes,
        items: impl Fn(u64) -> [u64; 8],
    ) -> [u8; 32] {
        let config = self.config;
        let scratchpad = &mut scratchpad[..config.scratchpad_l3_bytes];
        let mut seed = hash_512(input);
        aes.fill_scratchpad(&mut seed, scratchpad);
        let (mut registers, mut rounding) = (Registers::default(), Rounding::Nearest);
        let mut program = Program::new(config);
        let mut bytes = vec![0; config.program_bytes()];
        for number in 0..config.program_count {
            if number > 0 {
                seed = hash_512(&registers.to_bytes());
            }
            aes.fill_program(config.generator, &mut seed, &mut bytes);
            program.load(&bytes);
            let settings = Settings::from_entropy(config, &program.entropy);
            let (registers, rounding) = (&mut registers, &mut rounding);
            self.run(&program, &settings, State { scratchpad, registers, rounding }, aes, &items);
        }
        finish(&registers, &aes.hash(scratchpad))
    }

    /// Runs all iterations of a program (specs 4.6). `items` gives the dataset item of a number below
    /// [`Config::dataset_items`].
    ///
    /// # Panics
    /// When the scratchpad is shorter than the configuration's.
    pub fn run(
        &mut self,
        program: &Program,
        settings: &Settings,
        state: State<'_>,
        aes: Aes,
        items: impl Fn(u64) -> [u64; 8],
    ) {
        self.decode(program);
        let config = self.config;
        let scratchpad = &mut state.scratchpad[..config.scratchpad_l3_bytes];
        let registers = state.registers;
        *registers = Registers { a: settings.a, ..Registers::default() };
        let [read0, read1, read2, read3] = settings.read_registers;
        let (mut ma, mut mx) = (settings.ma, settings.mx);
        let (mut address0, mut address1) = (mx, ma);
        for _ in 0..config.program_iterations {
            let mix = registers.r[read0] ^ registers.r[read1];
            address0 = (address0 ^ low_word(mix)) & config.scratchpad_line_mask();
            address1 = (address1 ^ low_word(mix >> 32)) & config.scratchpad_line_mask();
            let (line0, line1) = (address0 as usize, address1 as usize);
            for (at, register) in registers.r.iter_mut().enumerate() {
                *register ^= load(scratchpad, line0 + 8 * at);
            }
            for at in 0..4 {
                registers.f[at] = convert(load(scratchpad, line1 + 8 * at));
                registers.e[at] = restrict(convert(load(scratchpad, line1 + 32 + 8 * at)), settings);
            }

            self.iterate(settings, scratchpad, registers, state.rounding);

            let read = ma;
            let change = low_word(registers.r[read2] ^ registers.r[read3]);
            match config.version {
                Version::V1 => mx ^= change,
                Version::V2 => ma ^= change,
            }
            let address = settings.dataset_offset + u64::from(read & config.dataset_mask());
            for (register, word) in registers.r.iter_mut().zip(items(address / 64)) {
                *register ^= word;
            }
            (mx, ma) = (ma, mx);
            for (at, register) in registers.r.iter().enumerate() {
                store(scratchpad, line1 + 8 * at, *register);
            }
            match config.version {
                Version::V1 => xor(&mut registers.f, &registers.e),
                Version::V2 => aes.mix(&mut registers.f, &registers.e),
            }
            for (at, number) in registers.f.iter().flatten().enumerate() {
                store(scratchpad, line0 + 8 * at, number.to_bits());
            }
            (address0, address1) = (0, 0);
        }
    }

    /// The instructions once, with the jumps among them.
    fn iterate(
        &self,
        settings: &Settings,
        scratchpad: &mut [u8],
        registers: &mut Registers,
        rounding: &mut Rounding,
    ) {
        let Registers { r, f, e, a } = registers;
        let mut next = 0;
        while let Some(&step) = self.steps.get(next) {
            next += 1;
            match step {
                Step::AddShifted { dst, src, shift, plus } => {
                    r[dst] = r[dst].wrapping_add(r[src] << shift).wrapping_add(plus);
                }
                Step::Integer { operation, dst, source } => {
                    let source = match source {
                        Source::Register(src) => r[src],
                        Source::Value(value) => value,
                        Source::Memory(address) => load(scratchpad, address.resolve(r)),
                    };
                    r[dst] = operation.apply(r[dst], source);
                }
                Step::Negate { dst } => r[dst] = r[dst].wrapping_neg(),
                Step::Swap { dst, src } => r.swap(dst, src),
                Step::SwapHalvesF { dst } => f[dst].swap(0, 1),
                Step::SwapHalvesE { dst } => e[dst].swap(0, 1),
                Step::Add { dst, source } => {
                    f[dst] = float::add(*rounding, f[dst], source.pair(a, r, scratchpad));
                }
                Step::Subtract { dst, source } => {
                    f[dst] = float::subtract(*rounding, f[dst], source.pair(a, r, scratchpad));
                }
                Step::Scale { dst } => {
                    f[dst] = f[dst].map(|number| f64::from_bits(number.to_bits() ^ SCALE_MASK));
                }
                Step::Multiply { dst, src } => e[dst] = float::multiply(*rounding, e[dst], a[src]),
                Step::Divide { dst, address } => {
                    let divisor = restrict(convert(load(scratchpad, address.resolve(r))), settings);
                    e[dst] = float::divide(*rounding, e[dst], divisor);
                }
                Step::SquareRoot { dst } => e[dst] = float::square_root(*rounding, e[dst]),
                Step::Branch { dst, plus, mask, target } => {
                    r[dst] = r[dst].wrapping_add(plus);
                    if r[dst] & mask == 0 {
                        next = target;
                    }
                }
                Step::SetRounding { src, rotation } => {
                    let value = r[src].rotate_right(rotation);
                    // Version 2 takes one value in sixteen: that with zeroes in bits 2 to 5 (specs 5.4.1).
                    if self.config.version == Version::V1 || value & 0b11_1100 == 0 {
                        *rounding = Rounding::from_bits(value);
                    }
                }
                Step::Store { address, src } => store(scratchpad, address.resolve(r), r[src]),
                Step::Nothing => {}
            }
        }
    }

    /// Resolves the operands of all instructions. `modified` holds, for each integer register, where a CBRANCH on
    /// it jumps: behind the instruction that changed it last (specs 5.4.2).
    fn decode(&mut self, program: &Program) {
        self.steps.clear();
        let mut modified = [0; 8];
        for (at, &instruction) in program.instructions.iter().enumerate() {
            let step = self.resolve(instruction, &modified);
            match step {
                Step::AddShifted { dst, .. } | Step::Integer { dst, .. } | Step::Negate { dst } => {
                    modified[dst] = at + 1;
                }
                Step::Swap { dst, src } => (modified[dst], modified[src]) = (at + 1, at + 1),
                Step::Branch { .. } => modified = [at + 1; 8],
                _ => {}
            }
            self.steps.push(step);
        }
    }

    /// One instruction with its operands (specs 5.2 to 5.5).
    fn resolve(&self, instruction: Instruction, modified: &[usize; 8]) -> Step {
        let [l1_mask, l2_mask, l3_mask] = self.config.scratchpad_masks();
        let (dst, src) = (usize::from(instruction.dst % 8), usize::from(instruction.src % 8));
        let (float_dst, float_src) = (dst % 4, src % 4);
        let offset = instruction.imm64();
        let level = if instruction.reads_l1() { l1_mask } else { l2_mask };
        let memory = Address { base: Some(src), offset, mask: level };
        let integer = |operation, source| Step::Integer { operation, dst, source };
        let register_or = |value| if src == dst { Source::Value(value) } else { Source::Register(src) };
        let or_immediate = register_or(offset);
        let or_l3 = Source::Memory(match src == dst {
            true => Address { base: None, offset, mask: l3_mask },
            false => memory,
        });
        match self.opcodes[usize::from(instruction.opcode)] {
            Opcode::IaddRs => {
                let plus = if dst == usize::from(DISPLACED_REGISTER) { offset } else { 0 };
                Step::AddShifted { dst, src, shift: instruction.shift(), plus }
            }
            Opcode::IaddM => integer(Integer::Add, or_l3),
            Opcode::IsubR => integer(Integer::Subtract, or_immediate),
            Opcode::IsubM => integer(Integer::Subtract, or_l3),
            Opcode::ImulR => integer(Integer::Multiply, or_immediate),
            Opcode::ImulM => integer(Integer::Multiply, or_l3),
            Opcode::ImulhR => integer(Integer::MultiplyHigh, Source::Register(src)),
            Opcode::ImulhM => integer(Integer::MultiplyHigh, or_l3),
            Opcode::IsmulhR => integer(Integer::SignedMultiplyHigh, Source::Register(src)),
            Opcode::IsmulhM => integer(Integer::SignedMultiplyHigh, or_l3),
            Opcode::ImulRcp => match reciprocal(instruction.imm32) {
                0 => Step::Nothing,
                factor => integer(Integer::Multiply, Source::Value(factor)),
            },
            Opcode::InegR => Step::Negate { dst },
            Opcode::IxorR => integer(Integer::Xor, or_immediate),
            Opcode::IxorM => integer(Integer::Xor, or_l3),
            Opcode::IrorR => integer(Integer::RotateRight, or_immediate),
            Opcode::IrolR => integer(Integer::RotateLeft, or_immediate),
            Opcode::IswapR if src == dst => Step::Nothing,
            Opcode::IswapR => Step::Swap { dst, src },
            Opcode::FswapR if dst < 4 => Step::SwapHalvesF { dst },
            Opcode::FswapR => Step::SwapHalvesE { dst: float_dst },
            Opcode::FaddR => Step::Add { dst: float_dst, source: FloatSource::Register(float_src) },
            Opcode::FaddM => Step::Add { dst: float_dst, source: FloatSource::Memory(memory) },
            Opcode::FsubR => Step::Subtract { dst: float_dst, source: FloatSource::Register(float_src) },
            Opcode::FsubM => Step::Subtract { dst: float_dst, source: FloatSource::Memory(memory) },
            Opcode::FscalR => Step::Scale { dst: float_dst },
            Opcode::FmulR => Step::Multiply { dst: float_dst, src: float_src },
            Opcode::FdivM => Step::Divide { dst: float_dst, address: memory },
            Opcode::FsqrtR => Step::SquareRoot { dst: float_dst },
            Opcode::Cbranch => {
                let (plus, mask) = instruction.branch(self.config);
                let plus = i64::from(plus.cast_signed()).cast_unsigned();
                Step::Branch { dst, plus, mask: mask.into(), target: modified[dst] }
            }
            Opcode::Cfround => Step::SetRounding { src, rotation: instruction.imm32 & 63 },
            Opcode::Istore => {
                let mask = if instruction.stores_to_l3() { l3_mask } else { level };
                Step::Store { address: Address { base: Some(dst), offset, mask }, src }
            }
            Opcode::Nop => Step::Nothing,
        }
    }
}

impl Address {
    /// Byte of the scratchpad.
    fn resolve(self, r: &[u64; 8]) -> usize {
        let base = self.base.map_or(0, |register| r[register]);
        (low_word(base.wrapping_add(self.offset)) & self.mask) as usize
    }
}

impl FloatSource {
    fn pair(self, a: &[Pair; 4], r: &[u64; 8], scratchpad: &[u8]) -> Pair {
        match self {
            Self::Register(src) => a[src],
            Self::Memory(address) => convert(load(scratchpad, address.resolve(r))),
        }
    }
}

impl Integer {
    /// The new value of the destination (specs 5.2).
    #[allow(clippy::cast_possible_truncation)]
    fn apply(self, dst: u64, src: u64) -> u64 {
        match self {
            Self::Add => dst.wrapping_add(src),
            Self::Subtract => dst.wrapping_sub(src),
            Self::Multiply => dst.wrapping_mul(src),
            Self::MultiplyHigh => ((u128::from(dst) * u128::from(src)) >> 64) as u64,
            Self::SignedMultiplyHigh => {
                let product = i128::from(dst.cast_signed()) * i128::from(src.cast_signed());
                (product >> 64) as u64
            }
            Self::Xor => dst ^ src,
            Self::RotateRight => dst.rotate_right(low_word(src & 63)),
            Self::RotateLeft => dst.rotate_left(low_word(src & 63)),
        }
    }
}

/// Blake2b of 64 bytes.
pub(crate) fn hash_512(input: &[u8]) -> [u8; 64] {
    *blake2b_simd::blake2b(input).as_array()
}

/// The result of a hash: Blake2b of 32 bytes over the register file whose group A gave way to the fingerprint of the
/// scratchpad (specs 2, steps 12 to 14).
pub(crate) fn finish(registers: &Registers, fingerprint: &[u8; 64]) -> [u8; 32] {
    let mut bytes = registers.to_bytes();
    bytes[192..].copy_from_slice(fingerprint);
    let mut hash = [0; 32];
    hash.copy_from_slice(blake2b_simd::Params::new().hash_length(32).hash(&bytes).as_bytes());
    hash
}

/// Eight bytes of the scratchpad.
fn load(scratchpad: &[u8], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&scratchpad[at..at + 8]);
    u64::from_le_bytes(bytes)
}

/// Writes eight bytes of the scratchpad.
fn store(scratchpad: &mut [u8], at: usize, word: u64) {
    scratchpad[at..at + 8].copy_from_slice(&word.to_le_bytes());
}

/// Two signed integers of 32 bits as numbers (specs 4.3.1).
fn convert(word: u64) -> Pair {
    [low_word(word), low_word(word >> 32)].map(|half| f64::from(half.cast_signed()))
}

/// Numbers with the sign, exponent and fraction that group E is given (specs 4.3.2).
fn restrict(pair: Pair, settings: &Settings) -> Pair {
    let half = |at: usize| f64::from_bits(pair[at].to_bits() & E_MANTISSA_MASK | settings.e_masks[at]);
    [half(0), half(1)]
}

/// Mixes group F with group E as version 1 does (specs 4.6.2, step 10).
fn xor(f: &mut [Pair; 4], e: &[Pair; 4]) {
    for (f, e) in f.iter_mut().flatten().zip(e.iter().flatten()) {
        *f = f64::from_bits(f.to_bits() ^ e.to_bits());
    }
}

#[cfg(test)]
mod tests;
