//! A superscalar program for four items at once, in the four words of each of eight vectors.

use super::constants::Constants;
use crate::superscalar::{Instruction, Kind, Program};
use crate::x86::assembler::{Length, Map, Prefix, Vex};

/// Number of a value, in the order in which values come into being.
pub(super) type Value = u16;

/// Second source of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Value(Value),
    /// Offset of a vector among the constants.
    Constant(i32),
    Nothing,
}

/// How the operands of an instruction are encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Destination, first source, second source.
    Three,
    /// Destination and source.
    Two,
    /// A shift: the extension of the opcode stands in the place of the destination.
    Shift(u8),
    /// As `Three`, and a third source that is a value.
    Select(Value),
    /// The destination thrice, which the processor knows to be zero.
    Zero,
}

/// Which units of the processor can do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Product,
    Shift,
    Any,
}

/// One vector instruction. It makes one value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Operation {
    pub(super) code: Vex,
    pub(super) form: Form,
    pub(super) immediate: Option<u8>,
    pub(super) first: Value,
    pub(super) second: Source,
    pub(super) result: Value,
    pub(super) unit: Unit,
}

impl Operation {
    /// Values that it reads.
    #[inline(always)]
    pub(super) fn sources(&self) -> impl Iterator<Item = Value> {
        let first = matches!(self.form, Form::Three | Form::Select(_)).then_some(self.first);
        let second = if let Source::Value(value) = self.second { Some(value) } else { None };
        let third = if let Form::Select(value) = self.form { Some(value) } else { None };
        [first, second, third].into_iter().flatten()
    }

    /// Cycles until its result is there.
    pub(super) fn latency(&self) -> u16 {
        if self.unit == Unit::Product { 3 } else { 1 }
    }
}

const fn vex(map: Map, opcode: u8) -> Vex {
    Vex { prefix: Prefix::P66, map, opcode, wide: false, length: Length::L256 }
}

const ADD: Vex = vex(Map::M0F, 0xd4);
const SUB: Vex = vex(Map::M0F, 0xfb);
const XOR: Vex = vex(Map::M0F, 0xef);
const AND: Vex = vex(Map::M0F, 0xdb);
const OR: Vex = vex(Map::M0F, 0xeb);
const PRODUCT: Vex = vex(Map::M0F, 0xf4);
const PRODUCT_32: Vex = vex(Map::M0F38, 0x40);
const SHUFFLE: Vex = vex(Map::M0F, 0x70);
const SHIFT: Vex = vex(Map::M0F, 0x73);
const SHUFFLE_BYTES: Vex = vex(Map::M0F38, 0x00);
const SELECT: Vex = vex(Map::M0F3A, 0x4b);

const RIGHT: u8 = 2;
const LEFT: u8 = 6;

/// Exchanges the halves of each word.
const SWAP: u8 = 0b1011_0001;

/// Operations of a program, and the values of the registers behind it. Values 0 to 7 are those before it.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) operations: Vec<Operation>,
    pub(super) registers: [Value; 8],
    pub(super) values: Value,
    /// Number of the first operation of each instruction.
    pub(super) starts: Vec<usize>,
    /// Values made of others that may be needed again, the oldest first.
    kept: Vec<Kept>,
    most_kept: usize,
    high_mask: Source,
    low_mask: Source,
}

/// What can be made of a value for the products that it takes part in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Made {
    Swapped,
    High,
}

#[derive(Debug)]
struct Kept {
    what: Made,
    of: Value,
    value: Value,
}

/// Values that are there before the first operation.
pub(super) const GIVEN: Value = 8;

/// Most values that are kept because they may be needed again.
const MOST_KEPT: usize = 2;

impl Stream {
    /// With `keeps`, values that are needed again are made once, which takes registers.
    pub(super) fn new(program: &Program, keeps: bool, constants: &mut Constants) -> Self {
        let high_mask = Source::Constant(constants.vector([0xffff_ffff_0000_0000; 4]));
        let low_mask = Source::Constant(constants.vector([0xffff_ffff; 4]));
        let mut stream = Self {
            operations: Vec::with_capacity(8 * program.instructions.len()),
            registers: [0, 1, 2, 3, 4, 5, 6, 7],
            values: GIVEN,
            starts: Vec::with_capacity(program.instructions.len()),
            kept: Vec::with_capacity(MOST_KEPT + 1),
            most_kept: if keeps { MOST_KEPT } else { 0 },
            high_mask,
            low_mask,
        };
        for instruction in &program.instructions {
            stream.starts.push(stream.operations.len());
            stream.instruction(*instruction, constants);
        }
        stream
    }

    fn push(
        &mut self,
        (code, unit): (Vex, Unit),
        form: Form,
        first: Value,
        second: Source,
        immediate: Option<u8>,
    ) -> Value {
        let result = self.values;
        self.values += 1;
        self.operations.push(Operation { code, form, immediate, first, second, result, unit });
        result
    }

    fn three(&mut self, code: Vex, first: Value, second: Source) -> Value {
        let unit = match code {
            PRODUCT | PRODUCT_32 => Unit::Product,
            SHUFFLE_BYTES => Unit::Shift,
            _ => Unit::Any,
        };
        self.push((code, unit), Form::Three, first, second, None)
    }

    fn values(&mut self, code: Vex, first: Value, second: Value) -> Value {
        self.three(code, first, Source::Value(second))
    }

    fn shift(&mut self, direction: u8, value: Value, count: u8) -> Value {
        let second = Source::Value(value);
        self.push((SHIFT, Unit::Shift), Form::Shift(direction), 0, second, Some(count))
    }

    fn swap(&mut self, value: Value) -> Value {
        self.push((SHUFFLE, Unit::Shift), Form::Two, 0, Source::Value(value), Some(SWAP))
    }

    fn zero(&mut self) -> Value {
        self.push((XOR, Unit::Any), Form::Zero, 0, Source::Nothing, None)
    }

    /// `value` where the sign of `of` is set, else zero.
    fn where_negative(&mut self, value: Value, of: Value, zero: Value) -> Value {
        self.push((SELECT, Unit::Any), Form::Select(of), zero, Source::Value(value), None)
    }

    fn instruction(&mut self, instruction: Instruction, constants: &mut Constants) {
        let (dst, src) = (usize::from(instruction.dst), usize::from(instruction.src));
        let (left, right) = (self.registers[dst], self.registers[src]);
        let constant = instruction.constant;
        let result = match instruction.kind {
            Kind::IsubR => self.values(SUB, left, right),
            Kind::IxorR => self.values(XOR, left, right),
            Kind::IaddRs => {
                let shift = u8::try_from(instruction.shift()).unwrap_or(0);
                let summand = if shift == 0 { right } else { self.shift(LEFT, right, shift) };
                self.values(ADD, left, summand)
            }
            Kind::ImulR => {
                let swapped = self.make(Made::Swapped, right);
                self.product(left, Source::Value(right), Source::Value(swapped))
            }
            Kind::ImulRcp => {
                let swapped = Source::Constant(constants.vector([constant.rotate_left(32); 4]));
                self.product(left, Source::Constant(constants.vector([constant; 4])), swapped)
            }
            Kind::IrorC => self.rotation(left, instruction.imm32, constants),
            Kind::IaddC7 | Kind::IaddC8 | Kind::IaddC9 => {
                self.three(ADD, left, Source::Constant(constants.vector([constant; 4])))
            }
            Kind::IxorC7 | Kind::IxorC8 | Kind::IxorC9 => {
                self.three(XOR, left, Source::Constant(constants.vector([constant; 4])))
            }
            Kind::ImulhR => self.high_product(left, right),
            Kind::IsmulhR => {
                let unsigned = self.high_product(left, right);
                let zero = self.zero();
                let right_part = self.where_negative(right, left, zero);
                let left_part = self.where_negative(left, right, zero);
                let sum = self.values(ADD, right_part, left_part);
                self.values(SUB, unsigned, sum)
            }
        };
        self.kept.retain(|kept| kept.of != left);
        self.registers[dst] = result;
    }

    fn make(&mut self, what: Made, of: Value) -> Value {
        if let Some(kept) = self.kept.iter().find(|kept| kept.what == what && kept.of == of) {
            return kept.value;
        }
        let value = match what {
            Made::Swapped => self.swap(of),
            Made::High => self.shift(RIGHT, of, 32),
        };
        self.kept.push(Kept { what, of, value });
        if self.kept.len() > self.most_kept {
            self.kept.remove(0);
        }
        value
    }

    /// The low half of a product: products of halves that differ count in its high half only.
    fn product(&mut self, left: Value, right: Source, swapped: Source) -> Value {
        let crosswise = self.three(PRODUCT_32, left, swapped);
        let low = self.three(PRODUCT, left, right);
        let first = self.shift(LEFT, crosswise, 32);
        let second = self.three(AND, crosswise, self.high_mask);
        let high = self.values(ADD, first, second);
        self.values(ADD, low, high)
    }

    /// The high half of an unsigned product.
    fn high_product(&mut self, left: Value, right: Value) -> Value {
        let (right_high, left_high) = (self.make(Made::High, right), self.make(Made::High, left));
        let high = self.values(PRODUCT, left_high, right_high);
        let low_left = self.values(PRODUCT, left_high, right);
        let left_low = self.values(PRODUCT, left, right_high);
        let low = self.values(PRODUCT, left, right);
        let carried = self.shift(RIGHT, low, 32);
        let middle = self.values(ADD, left_low, carried);
        let middle_low = self.three(AND, middle, self.low_mask);
        let middle_high = self.shift(RIGHT, middle, 32);
        let other = self.values(ADD, low_left, middle_low);
        let sum = self.values(ADD, high, middle_high);
        let other_high = self.shift(RIGHT, other, 32);
        self.values(ADD, sum, other_high)
    }

    fn rotation(&mut self, value: Value, count: u32, constants: &mut Constants) -> Value {
        let count = u8::try_from(count & 63).unwrap_or(0);
        if count == 32 {
            return self.swap(value);
        }
        if count.is_multiple_of(8) {
            return self.three(SHUFFLE_BYTES, value, Source::Constant(constants.rotation(count / 8)));
        }
        let right = self.shift(RIGHT, value, count);
        let left = self.shift(LEFT, value, 64 - count);
        self.values(OR, right, left)
    }
}
