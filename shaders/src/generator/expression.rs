//! Expressions as text. WGSL and C agree on the operators that kernels need, so one printer serves both.

use super::evaluator::{Operation, Value};
use super::language::Language;
use super::program::Program;
use super::word::Word;

/// How operations are spelled, where a compiler may make better code of one spelling than of another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Style {
    /// How rotations are spelled.
    pub rotate: Rotate,
    /// How sums are spelled.
    pub sums: Sums,
}

/// Spellings of a rotation. WGSL has no function for it, so the driver must recognise one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Rotate {
    /// `(x >> n) | (x << m)`, the spelling that compilers know best.
    #[default]
    Or,
    /// `(x >> n) + (x << m)`.
    Add,
    /// `(x >> n) ^ (x << m)`.
    Xor,
    /// `insertBits(x >> n, x, m, n)`. In CUDA C the function for funnel shifts.
    Insert,
    /// The word twice in 64 bits, shifted. In WGSL the device must have 64-bit integers.
    Wide,
}

/// Spellings of a sum.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Sums {
    /// `a + b + c`.
    #[default]
    Add,
    /// `(a * one + b) * one + c` with a one that the compiler cannot see: GPUs that multiply and add on another pipe
    /// than they do logic on have that pipe idle otherwise.
    MultiplyAdd,
}

/// Prints the nodes of one program.
pub(crate) struct Printer<'a, W> {
    pub(crate) program: &'a Program<W>,
    pub(crate) style: Style,
    pub(crate) language: Language,
    /// What names of results begin with; a number follows. Different for programs in one scope.
    pub(crate) prefix: &'a str,
    /// What the inputs are called, or how they are spelled.
    pub(crate) inputs: &'a [String],
}

impl<W: Word> Printer<'_, W> {
    /// All statements, each behind `indent`; `one` is 1 if sums multiply. The job's values for the program are the
    /// first words of the buffer.
    pub(crate) fn statements(&self, indent: &str) -> String {
        let declare = self.language.constant(W::BITS);
        let mut text = String::new();
        if W::BITS == u64::BITS {
            for slot in 0..self.program.slot_count() {
                let [low, high] = [0, 1].map(|half| self.language.job_word(2 * slot + half));
                let value = self.language.wide(&low, &high);
                text += &format!("{indent}{declare} {}slot{slot} = {value};\n", self.prefix);
            }
        }
        for (node, operation) in self.program.wanted() {
            if !matches!(operation, Operation::Input(_)) && !self.stands_inline(node) {
                text +=
                    &format!("{indent}{declare} {}{node} = {};\n", self.prefix, self.operation(operation));
            }
        }
        text
    }

    /// What the results of the program are called.
    pub(crate) fn outputs(&self) -> Vec<String> {
        self.program.outputs().iter().map(|output| self.value(*output)).collect()
    }

    fn value(&self, value: Value<W>) -> String {
        match value {
            Value::Literal(value) => self.language.literal(value),
            Value::Job { id, .. } if W::BITS == u64::BITS => {
                format!("{}slot{}", self.prefix, self.program.slot(id))
            }
            Value::Job { id, .. } => self.language.job_word(self.program.slot(id)),
            Value::Dynamic(node) => match self.program.operation(node) {
                Operation::Input(number) => self.inputs.get(*number).cloned().unwrap_or_default(),
                operation if self.stands_inline(node) => format!("({})", self.operation(operation)),
                _ => format!("{}{node}", self.prefix),
            },
        }
    }

    /// Shifts of a word by fixed amounts stand inside the one expression that uses them. Fewer, longer statements
    /// are quicker to compile and change nothing else. A shift spelled by a call or a cast of its operand is as well.
    fn stands_inline(&self, node: usize) -> bool {
        let shift = matches!(
            self.program.operation(node),
            Operation::RotateRight(..) | Operation::ShiftRight(..) | Operation::SwapBytes(_)
        );
        shift && self.program.uses(node) == 1
    }

    fn operation(&self, operation: &Operation<W>) -> String {
        let names: Vec<String> = operation.operands().into_iter().map(|value| self.value(value)).collect();
        match (operation, &names[..]) {
            (Operation::Sum(_), terms) => self.sum(terms),
            (Operation::Xor(_), terms) => terms.join(" ^ "),
            (Operation::And(..), [a, b]) => format!("{a} & {b}"),
            (Operation::Choose(..), [a, b, c]) => format!("{c} ^ ({a} & ({b} ^ {c}))"),
            (Operation::Majority(..), [a, b, c]) => format!("({a} & {b}) | ({c} & ({a} | {b}))"),
            (Operation::Chi(..), [a, b, c]) => format!("{a} ^ (~{b} & {c})"),
            (Operation::Funnel(_, _, bits), [a, b]) => {
                format!("({a} << {bits}u) | ({b} >> {}u)", W::BITS - bits)
            }
            (Operation::RotateRight(_, bits), [a]) => self.rotate_right(a, *bits),
            (Operation::ShiftRight(_, bits), [a]) => format!("{a} >> {bits}u"),
            (Operation::SwapBytes(_), [a]) => self.swap_bytes(a),
            // Operands come from the operation itself, so their number fits; only inputs are left, which have names.
            _ => String::new(),
        }
    }

    fn sum(&self, terms: &[String]) -> String {
        match (self.style.sums, terms) {
            (Sums::MultiplyAdd, [first, rest @ ..]) => {
                rest.iter().enumerate().fold(first.clone(), |sum, (i, term)| {
                    if i == 0 { format!("{sum} * one + {term}") } else { format!("({sum}) * one + {term}") }
                })
            }
            _ => terms.join(" + "),
        }
    }

    fn rotate_right(&self, a: &str, bits: u32) -> String {
        let rest = W::BITS - bits;
        // The other spellings are of words.
        let rotate = if W::BITS == u32::BITS { self.style.rotate } else { Rotate::Or };
        match (rotate, self.language) {
            (Rotate::Or, _) => format!("({a} >> {bits}u) | ({a} << {rest}u)"),
            (Rotate::Add, _) => format!("({a} >> {bits}u) + ({a} << {rest}u)"),
            (Rotate::Xor, _) => format!("({a} >> {bits}u) ^ ({a} << {rest}u)"),
            (Rotate::Insert, Language::Wgsl) => format!("insertBits({a} >> {bits}u, {a}, {rest}u, {bits}u)"),
            (Rotate::Insert, Language::Cuda) => format!("__funnelshift_r({a}, {a}, {bits}u)"),
            (Rotate::Wide, Language::Wgsl) => format!("u32(((u64({a}) << 32u) | u64({a})) >> {bits}u)"),
            (Rotate::Wide, Language::Cuda) => {
                format!("(unsigned)((((unsigned long long){a} << 32) | {a}) >> {bits})")
            }
        }
    }

    /// Two rotations and one three-input operation where no instruction does it.
    fn swap_bytes(&self, a: &str) -> String {
        match self.language {
            Language::Wgsl => {
                let (left, right) = (self.rotate_right(a, 24), self.rotate_right(a, 8));
                format!("(({left}) & 0xff00ffu) | (({right}) & 0xff00ff00u)")
            }
            Language::Cuda => format!("__byte_perm({a}, 0u, 0x0123u)"),
        }
    }
}
