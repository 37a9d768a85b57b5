//! Values, and the operations that fold them.

use std::collections::HashMap;

use super::word::Word;

/// A value during an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value<W = u32> {
    /// Part of the algorithm: stands in the text.
    Literal(W),
    /// Fixed while a job lasts. The number tells job values apart; it is the same in every evaluation.
    Job {
        /// Index among the evaluation's job values.
        id: usize,
        /// What it is in the job at hand.
        value: W,
    },
    /// Depends on the nonce: the result of this node.
    Dynamic(usize),
}

/// What a node computes. Operands are dynamic or known, at least one is dynamic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Operation<W> {
    /// What the code around the program gives it under this number.
    Input(usize),
    /// Sum of two terms or more, modulo the width.
    Sum(Vec<Value<W>>),
    /// Exclusive or of two terms or more.
    Xor(Vec<Value<W>>),
    /// Both.
    And(Value<W>, Value<W>),
    /// `(a & b) ^ (!a & c)`.
    Choose(Value<W>, Value<W>, Value<W>),
    /// `(a & b) ^ (a & c) ^ (b & c)`.
    Majority(Value<W>, Value<W>, Value<W>),
    /// `a ^ (!b & c)`.
    Chi(Value<W>, Value<W>, Value<W>),
    /// Rotation to the right by less than the width, and not by nothing.
    RotateRight(Value<W>, u32),
    /// Shift to the right by less than the width, and not by nothing.
    ShiftRight(Value<W>, u32),
    /// `(a << bits) | (b >> (width - bits))`: what two words that are one rotate into one of them.
    Funnel(Value<W>, Value<W>, u32),
    /// The bytes in reversed order.
    SwapBytes(Value<W>),
}

impl<W: Word> Operation<W> {
    pub(super) fn operands(&self) -> Vec<Value<W>> {
        match self {
            Self::Input(_) => Vec::new(),
            Self::Sum(terms) | Self::Xor(terms) => terms.clone(),
            Self::And(a, b) | Self::Funnel(a, b, _) => vec![*a, *b],
            Self::Choose(a, b, c) | Self::Majority(a, b, c) | Self::Chi(a, b, c) => vec![*a, *b, *c],
            Self::RotateRight(a, _) | Self::ShiftRight(a, _) | Self::SwapBytes(a) => vec![*a],
        }
    }
}

/// Runs an algorithm over values of the three kinds.
///
/// Which operations become nodes and which job values arise depends on the *kinds* of operands alone, never on what
/// job values happen to be: this is what lets one text serve all jobs.
#[derive(Debug)]
pub struct Evaluator<W = u32> {
    /// None in an evaluation that only wants the values of a job.
    nodes: Option<Nodes<W>>,
    job: Vec<W>,
}

#[derive(Debug, Default)]
struct Nodes<W> {
    operations: Vec<Operation<W>>,
    known: HashMap<Operation<W>, usize>,
}

impl<W: Word> Evaluator<W> {
    /// Collects the code that is left.
    pub fn for_program() -> Self {
        Self { nodes: Some(Nodes::default()), job: Vec::new() }
    }

    /// Collects only the job's values, which is much quicker.
    pub fn for_job() -> Self {
        Self { nodes: None, job: Vec::new() }
    }

    pub(super) fn into_operations(self) -> Vec<Operation<W>> {
        self.nodes.map(|nodes| nodes.operations).unwrap_or_default()
    }

    pub(super) fn job_values(&self) -> &[W] {
        &self.job
    }

    /// A value that a job fixes.
    pub fn job(&mut self, value: W) -> Value<W> {
        self.job.push(value);
        Value::Job { id: self.job.len() - 1, value }
    }

    /// What the code around the program gives it under this number: in kernels of one program 0 is the nonce, as the
    /// number that is counted.
    pub fn input(&mut self, number: usize) -> Value<W> {
        self.node(Operation::Input(number))
    }

    /// Sum of all `terms`, modulo the width.
    pub fn sum(&mut self, terms: &[Value<W>]) -> Value<W> {
        let mut left = self.fold_known(terms, W::wrapping_add);
        if left.len() == 1 { left.remove(0) } else { self.node(Operation::Sum(left)) }
    }

    /// Exclusive or of all `terms`.
    pub fn xor(&mut self, terms: &[Value<W>]) -> Value<W> {
        let mut left = self.fold_known(terms, |a, b| a ^ b);
        if left.len() == 1 { left.remove(0) } else { self.node(Operation::Xor(left)) }
    }

    /// Bits that are set in both.
    pub fn and(&mut self, a: Value<W>, b: Value<W>) -> Value<W> {
        self.fold(&[a, b], |v| v[0] & v[1]).unwrap_or_else(|| self.node(Operation::And(a, b)))
    }

    /// Bits of `b` where `a` has ones and of `c` where it has zeros.
    pub fn choose(&mut self, a: Value<W>, b: Value<W>, c: Value<W>) -> Value<W> {
        self.fold(&[a, b, c], |v| (v[0] & v[1]) ^ (!v[0] & v[2]))
            .unwrap_or_else(|| self.node(Operation::Choose(a, b, c)))
    }

    /// Bits that at least two of the three have set.
    pub fn majority(&mut self, a: Value<W>, b: Value<W>, c: Value<W>) -> Value<W> {
        self.fold(&[a, b, c], |v| (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
            .unwrap_or_else(|| self.node(Operation::Majority(a, b, c)))
    }

    /// Bits of `a`, turned over where `b` has zeros and `c` has ones.
    pub fn chi(&mut self, a: Value<W>, b: Value<W>, c: Value<W>) -> Value<W> {
        match self.fold(&[b, c], |v| !v[0] & v[1]) {
            Some(known) => self.xor(&[a, known]),
            None => self.node(Operation::Chi(a, b, c)),
        }
    }

    /// The high word of `a` and `b` behind it, after a shift to the left by less than the width and not by nothing.
    pub fn funnel_left(&mut self, a: Value<W>, b: Value<W>, bits: u32) -> Value<W> {
        self.fold(&[a, b], |v| (v[0] << bits) | (v[1] >> (W::BITS - bits)))
            .unwrap_or_else(|| self.node(Operation::Funnel(a, b, bits)))
    }

    /// Rotation to the right by less than the width, and not by nothing.
    pub fn rotate_right(&mut self, a: Value<W>, bits: u32) -> Value<W> {
        self.fold(&[a], |v| v[0].rotate_right(bits))
            .unwrap_or_else(|| self.node(Operation::RotateRight(a, bits)))
    }

    /// Shift to the right by less than the width, and not by nothing.
    pub fn shift_right(&mut self, a: Value<W>, bits: u32) -> Value<W> {
        self.fold(&[a], |v| v[0] >> bits).unwrap_or_else(|| self.node(Operation::ShiftRight(a, bits)))
    }

    /// The bytes in reversed order.
    pub fn swap_bytes(&mut self, a: Value<W>) -> Value<W> {
        self.fold(&[a], |v| v[0].swap_bytes()).unwrap_or_else(|| self.node(Operation::SwapBytes(a)))
    }

    /// The result when all operands are known.
    fn fold(&mut self, operands: &[Value<W>], operation: impl Fn(&[W]) -> W) -> Option<Value<W>> {
        let known = operands.iter().map(|value| value.known()).collect::<Option<Vec<_>>>()?;
        let result = operation(&known);
        Some(if operands.iter().all(|value| matches!(value, Value::Literal(_))) {
            Value::Literal(result)
        } else {
            self.job(result)
        })
    }

    /// The dynamic terms of a commutative operation whose neutral element is zero, with all known terms folded into
    /// one behind them, which is left out when it is a literal zero.
    fn fold_known(&mut self, terms: &[Value<W>], operation: fn(W, W) -> W) -> Vec<Value<W>> {
        let zero = W::default();
        let (mut left, mut literal) = (Vec::with_capacity(terms.len()), zero);
        let mut job: Option<(Value<W>, W, usize)> = None;
        for term in terms {
            match *term {
                Value::Dynamic(_) => left.push(*term),
                Value::Literal(value) => literal = operation(literal, value),
                Value::Job { value, .. } => {
                    let (first, so_far, count) = job.unwrap_or((*term, zero, 0));
                    job = Some((first, operation(so_far, value), count + 1));
                }
            }
        }
        match job {
            // A job value by itself needs no new slot.
            Some((first, _, 1)) if literal == zero => left.push(first),
            Some((_, value, _)) => {
                let folded = self.job(operation(value, literal));
                left.push(folded);
            }
            None if literal != zero || left.is_empty() => left.push(Value::Literal(literal)),
            None => {}
        }
        left
    }

    /// The node of an operation; equal operations share one.
    fn node(&mut self, operation: Operation<W>) -> Value<W> {
        let Some(nodes) = &mut self.nodes else { return Value::Dynamic(0) };
        let next = nodes.operations.len();
        let index = *nodes.known.entry(operation.clone()).or_insert(next);
        if index == next {
            nodes.operations.push(operation);
        }
        Value::Dynamic(index)
    }
}

impl<W: Word> Value<W> {
    /// What is known on the host.
    pub fn known(self) -> Option<W> {
        match self {
            Self::Literal(value) | Self::Job { value, .. } => Some(value),
            Self::Dynamic(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_fold() {
        let mut evaluator = Evaluator::for_program();
        let (nonce, job) = (evaluator.input(0), evaluator.job(7));
        let literal = evaluator.sum(&[Value::Literal(u32::MAX), Value::Literal(3)]);
        assert_eq!(literal, Value::Literal(2));
        assert_eq!(evaluator.sum(&[literal, job]), Value::Job { id: 1, value: 9 });
        assert_eq!(evaluator.sum(&[Value::Literal(0), job]), job, "no slot for what is there already");
        assert_eq!(evaluator.sum(&[nonce, Value::Literal(1), Value::Literal(u32::MAX)]), nonce);
        assert_eq!(evaluator.xor(&[job, job]), Value::Job { id: 2, value: 0 }, "by kind, not by value");
        let (first, second) = (evaluator.xor(&[nonce, job]), evaluator.xor(&[job, nonce]));
        assert_eq!(first, second, "known terms go last, so equal operations meet");
        assert_eq!(
            evaluator.choose(Value::Literal(0xF0), Value::Literal(0x3C), Value::Literal(0x55)).known(),
            Some(0x35)
        );
        assert_eq!(
            evaluator.majority(Value::Literal(0xF0), Value::Literal(0x3C), Value::Literal(0x55)).known(),
            Some(0x74)
        );
        let chi = evaluator.chi(nonce, literal, job);
        assert_eq!(
            evaluator.job_values().last(),
            Some(&5),
            "of a job value only the part behind zeros is left"
        );
        let operations = evaluator.into_operations();
        assert!(matches!(chi, Value::Dynamic(node) if matches!(operations[node], Operation::Xor(_))));
        assert_eq!(operations.len(), 3);
    }

    #[test]
    fn halves_rotate_as_the_whole() {
        let whole = 0x0123_4567_89AB_CDEF_u64;
        let mut pairs = Evaluator::for_job();
        let (low, high) = (Value::Literal(0x89AB_CDEF_u32), Value::Literal(0x0123_4567));
        for bits in 1..32 {
            let rotated = whole.rotate_left(bits);
            let halves = [pairs.funnel_left(high, low, bits), pairs.funnel_left(low, high, bits)];
            assert_eq!(
                halves.map(|half| u64::from(half.known().unwrap())),
                [rotated >> 32, rotated & 0xFFFF_FFFF]
            );
        }
        let mut wide = Evaluator::for_job();
        let rotated = wide.rotate_right(Value::Literal(whole), 60);
        assert_eq!(rotated, Value::Literal(whole.rotate_left(4)));
    }
}
