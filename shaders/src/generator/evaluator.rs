//! Values, and the operations that fold them.

use std::collections::HashMap;

/// A 32-bit value during an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Value {
    /// Part of the algorithm: stands in the text.
    Literal(u32),
    /// Fixed while a job lasts. The number tells job values apart; it is the same in every evaluation.
    Job {
        /// Index among the evaluation's job values.
        id: usize,
        /// What it is in the job at hand.
        value: u32,
    },
    /// Depends on the nonce: the result of this node.
    Dynamic(usize),
}

/// What a node computes. Operands are dynamic or known, at least one is dynamic.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    /// The nonce as the host counts it.
    Nonce,
    /// Sum of two terms or more, modulo 2^32.
    Sum(Vec<Value>),
    /// Exclusive or of two terms or more.
    Xor(Vec<Value>),
    /// Both.
    And(Value, Value),
    /// `(a & b) ^ (!a & c)`.
    Choose(Value, Value, Value),
    /// `(a & b) ^ (a & c) ^ (b & c)`.
    Majority(Value, Value, Value),
    /// Rotation to the right by 1 to 31.
    RotateRight(Value, u32),
    /// Shift to the right by 1 to 31.
    ShiftRight(Value, u32),
    /// The four bytes in reversed order.
    SwapBytes(Value),
}

impl Operation {
    pub(super) fn operands(&self) -> Vec<Value> {
        match self {
            Self::Nonce => Vec::new(),
            Self::Sum(terms) | Self::Xor(terms) => terms.clone(),
            Self::And(a, b) => vec![*a, *b],
            Self::Choose(a, b, c) | Self::Majority(a, b, c) => vec![*a, *b, *c],
            Self::RotateRight(a, _) | Self::ShiftRight(a, _) | Self::SwapBytes(a) => vec![*a],
        }
    }
}

/// Runs an algorithm over values of the three kinds.
///
/// Which operations become nodes and which job values arise depends on the *kinds* of operands alone, never on what
/// job values happen to be: this is what lets one text serve all jobs.
#[derive(Debug)]
pub struct Evaluator {
    /// None in an evaluation that only wants the values of a job.
    nodes: Option<Nodes>,
    job: Vec<u32>,
}

#[derive(Debug, Default)]
struct Nodes {
    operations: Vec<Operation>,
    known: HashMap<Operation, usize>,
}

impl Evaluator {
    /// Collects the code that is left.
    pub fn for_program() -> Self {
        Self { nodes: Some(Nodes::default()), job: Vec::new() }
    }

    /// Collects only the job's values, which is much quicker.
    pub fn for_job() -> Self {
        Self { nodes: None, job: Vec::new() }
    }

    pub(super) fn into_operations(self) -> Vec<Operation> {
        self.nodes.map(|nodes| nodes.operations).unwrap_or_default()
    }

    pub(super) fn job_values(&self) -> &[u32] {
        &self.job
    }

    /// A value that a job fixes.
    pub fn job(&mut self, value: u32) -> Value {
        self.job.push(value);
        Value::Job { id: self.job.len() - 1, value }
    }

    /// The nonce, as the number that is counted.
    pub fn nonce(&mut self) -> Value {
        self.node(Operation::Nonce)
    }

    /// Sum of all `terms`, modulo 2^32.
    pub fn sum(&mut self, terms: &[Value]) -> Value {
        let mut left = self.fold_known(terms, u32::wrapping_add);
        if left.len() == 1 { left.remove(0) } else { self.node(Operation::Sum(left)) }
    }

    /// Exclusive or of all `terms`.
    pub fn xor(&mut self, terms: &[Value]) -> Value {
        let mut left = self.fold_known(terms, |a, b| a ^ b);
        if left.len() == 1 { left.remove(0) } else { self.node(Operation::Xor(left)) }
    }

    /// Bits that are set in both.
    pub fn and(&mut self, a: Value, b: Value) -> Value {
        self.fold(&[a, b], |v| v[0] & v[1]).unwrap_or_else(|| self.node(Operation::And(a, b)))
    }

    /// Bits of `b` where `a` has ones and of `c` where it has zeros.
    pub fn choose(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.fold(&[a, b, c], |v| (v[0] & v[1]) ^ (!v[0] & v[2]))
            .unwrap_or_else(|| self.node(Operation::Choose(a, b, c)))
    }

    /// Bits that at least two of the three have set.
    pub fn majority(&mut self, a: Value, b: Value, c: Value) -> Value {
        self.fold(&[a, b, c], |v| (v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]))
            .unwrap_or_else(|| self.node(Operation::Majority(a, b, c)))
    }

    /// Rotation to the right by 1 to 31 bits.
    pub fn rotate_right(&mut self, a: Value, bits: u32) -> Value {
        self.fold(&[a], |v| v[0].rotate_right(bits))
            .unwrap_or_else(|| self.node(Operation::RotateRight(a, bits)))
    }

    /// Shift to the right by 1 to 31 bits.
    pub fn shift_right(&mut self, a: Value, bits: u32) -> Value {
        self.fold(&[a], |v| v[0] >> bits).unwrap_or_else(|| self.node(Operation::ShiftRight(a, bits)))
    }

    /// The four bytes in reversed order.
    pub fn swap_bytes(&mut self, a: Value) -> Value {
        self.fold(&[a], |v| v[0].swap_bytes()).unwrap_or_else(|| self.node(Operation::SwapBytes(a)))
    }

    /// The result when all operands are known.
    fn fold(&mut self, operands: &[Value], operation: impl Fn(&[u32]) -> u32) -> Option<Value> {
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
    fn fold_known(&mut self, terms: &[Value], operation: fn(u32, u32) -> u32) -> Vec<Value> {
        let (mut left, mut literal) = (Vec::with_capacity(terms.len()), 0);
        let mut job: Option<(Value, u32, usize)> = None;
        for term in terms {
            match *term {
                Value::Dynamic(_) => left.push(*term),
                Value::Literal(value) => literal = operation(literal, value),
                Value::Job { value, .. } => {
                    let (first, so_far, count) = job.unwrap_or((*term, 0, 0));
                    job = Some((first, operation(so_far, value), count + 1));
                }
            }
        }
        match job {
            // A job value by itself needs no new slot.
            Some((first, _, 1)) if literal == 0 => left.push(first),
            Some((_, value, _)) => {
                let folded = self.job(operation(value, literal));
                left.push(folded);
            }
            None if literal != 0 || left.is_empty() => left.push(Value::Literal(literal)),
            None => {}
        }
        left
    }

    /// The node of an operation; equal operations share one.
    fn node(&mut self, operation: Operation) -> Value {
        let Some(nodes) = &mut self.nodes else { return Value::Dynamic(0) };
        let next = nodes.operations.len();
        let index = *nodes.known.entry(operation.clone()).or_insert(next);
        if index == next {
            nodes.operations.push(operation);
        }
        Value::Dynamic(index)
    }
}

impl Value {
    /// What is known on the host.
    pub fn known(self) -> Option<u32> {
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
        let (nonce, job) = (evaluator.nonce(), evaluator.job(7));
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
        assert_eq!(evaluator.into_operations().len(), 2);
    }
}
