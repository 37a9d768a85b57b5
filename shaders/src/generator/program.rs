//! What is left of an evaluation: the nodes that the results need, and the slots of the job.

use super::evaluator::{Evaluator, Operation, Value};
use super::word::Word;

/// Straight-line code from its inputs, of which the nonce may be one, to a few results.
#[derive(Debug)]
pub struct Program<W = u32> {
    /// Every node of the evaluation; `uses` tells which are wanted.
    operations: Vec<Operation<W>>,
    /// How often each node is used by wanted ones; 0 for dead work.
    uses: Vec<u32>,
    outputs: Vec<Value<W>>,
    /// The job value in each slot.
    slots: Vec<usize>,
}

/// Operations for one nonce.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct OperationCounts {
    /// Shifts, and rotations as one shift each (funnel shifts).
    pub shifts: u32,
    /// Logic, where an instruction takes three inputs.
    pub logic: u32,
    /// Additions of two terms.
    pub additions: u32,
    /// Additions, where an instruction adds three terms.
    pub additions_of_three: u32,
    /// Reversals of bytes.
    pub byte_swaps: u32,
}

impl std::ops::Add for OperationCounts {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            shifts: self.shifts + other.shifts,
            logic: self.logic + other.logic,
            additions: self.additions + other.additions,
            additions_of_three: self.additions_of_three + other.additions_of_three,
            byte_swaps: self.byte_swaps + other.byte_swaps,
        }
    }
}

impl std::ops::Mul<u32> for OperationCounts {
    type Output = Self;

    fn mul(self, times: u32) -> Self {
        Self {
            shifts: self.shifts * times,
            logic: self.logic * times,
            additions: self.additions * times,
            additions_of_three: self.additions_of_three * times,
            byte_swaps: self.byte_swaps * times,
        }
    }
}

impl<W: Word> Program<W> {
    /// Keeps what `outputs` need.
    pub fn new(evaluator: Evaluator<W>, outputs: &[Value<W>]) -> Self {
        let operations = evaluator.into_operations();
        let mut uses = vec![0; operations.len()];
        let mut count = |value: &Value<W>| {
            if let Value::Dynamic(node) = value {
                uses[*node] += 1;
                uses[*node] == 1
            } else {
                false
            }
        };
        // A node only refers to earlier ones, so the stack ends.
        let mut stack: Vec<Value<W>> = outputs.iter().copied().filter(&mut count).collect();
        while let Some(Value::Dynamic(node)) = stack.pop() {
            stack.extend(operations[node].operands().into_iter().filter(&mut count));
        }
        // An output is never spelled out where it is used: what it is made of may have changed until then.
        for output in outputs {
            if let Value::Dynamic(node) = output {
                uses[*node] += 1;
            }
        }
        let mut slots = Vec::new();
        let wanted = operations.iter().zip(&uses).filter(|(_, uses)| **uses > 0);
        let operands = wanted.flat_map(|(operation, _)| operation.operands());
        for value in operands.chain(outputs.iter().copied()) {
            if let Value::Job { id, .. } = value
                && !slots.contains(&id)
            {
                slots.push(id);
            }
        }
        Self { operations, uses, outputs: outputs.to_vec(), slots }
    }

    /// Words of the uniform buffer, from an evaluation of the same algorithm for another job.
    ///
    /// # Panics
    /// When `evaluator` has run another algorithm.
    pub fn job_words(&self, evaluator: &Evaluator<W>) -> Vec<u32> {
        self.slots.iter().flat_map(|id| evaluator.job_values()[*id].words()).collect()
    }

    /// Words that a job fills.
    pub fn job_word_count(&self) -> usize {
        self.slots.len() * (W::BITS / u32::BITS) as usize
    }

    /// Values of its own width that a job fills.
    pub(super) fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// What this costs for one nonce.
    pub fn operation_counts(&self) -> OperationCounts {
        let words = W::BITS / u32::BITS;
        let mut counts = OperationCounts::default();
        for (_, operation) in self.wanted() {
            let pairs = u32::try_from(operation.operands().len()).unwrap_or(u32::MAX).saturating_sub(1);
            match operation {
                Operation::Input(_) => {}
                Operation::Sum(_) => {
                    counts.additions += pairs * words;
                    counts.additions_of_three += pairs.div_ceil(2) * words;
                }
                Operation::Xor(_) => counts.logic += pairs.div_ceil(2) * words,
                Operation::And(..) | Operation::Choose(..) | Operation::Majority(..) | Operation::Chi(..) => {
                    counts.logic += words;
                }
                // By half the width there is nothing to shift: the halves change their places.
                Operation::RotateRight(_, bits) if bits % u32::BITS == 0 => {}
                Operation::RotateRight(..) | Operation::ShiftRight(..) | Operation::Funnel(..) => {
                    counts.shifts += words;
                }
                Operation::SwapBytes(_) => counts.byte_swaps += words,
            }
        }
        counts
    }

    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, &Operation<W>)> {
        self.operations.iter().enumerate().filter(|(node, _)| self.uses[*node] > 0)
    }

    pub(super) fn operation(&self, node: usize) -> &Operation<W> {
        &self.operations[node]
    }

    pub(super) fn uses(&self, node: usize) -> u32 {
        self.uses[node]
    }

    pub(super) fn outputs(&self) -> &[Value<W>] {
        &self.outputs
    }

    pub(super) fn slot(&self, id: usize) -> usize {
        self.slots.iter().position(|slot| *slot == id).unwrap_or_default()
    }

    /// The results, computed here: lets tests see that the program is right before a driver does.
    #[cfg(test)]
    pub(crate) fn run(&self, inputs: &[W], job: &[W]) -> Vec<W> {
        let zero = W::default();
        let mut results = vec![zero; self.operations.len()];
        let value = |results: &[W], value: &Value<W>| match *value {
            Value::Literal(value) => value,
            Value::Job { id, .. } => job[self.slot(id)],
            Value::Dynamic(node) => results[node],
        };
        for (node, operation) in self.wanted() {
            let v: Vec<W> = operation.operands().iter().map(|operand| value(&results, operand)).collect();
            results[node] = match operation {
                Operation::Input(number) => inputs[*number],
                Operation::Sum(_) => v.iter().fold(zero, |a, b| a.wrapping_add(*b)),
                Operation::Xor(_) => v.iter().fold(zero, |a, b| a ^ *b),
                Operation::And(..) => v[0] & v[1],
                Operation::Choose(..) => (v[0] & v[1]) | (!v[0] & v[2]),
                Operation::Majority(..) => (v[0] & v[1]) | (v[0] & v[2]) | (v[1] & v[2]),
                Operation::Chi(..) => v[0] ^ (!v[1] & v[2]),
                Operation::Funnel(_, _, bits) => (v[0] << *bits) | (v[1] >> (W::BITS - bits)),
                Operation::RotateRight(_, bits) => v[0].rotate_right(*bits),
                Operation::ShiftRight(_, bits) => v[0] >> *bits,
                Operation::SwapBytes(_) => v[0].swap_bytes(),
            };
        }
        self.outputs.iter().map(|output| value(&results, output)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Four slots are asked for, two are needed; what only dead work needs gets no slot.
    fn evaluate(mut evaluator: Evaluator, job: [u32; 4]) -> (Evaluator, Vec<Value>) {
        let job = job.map(|value| evaluator.job(value));
        let nonce = evaluator.input(0);
        let dead = evaluator.xor(&[nonce, job[0]]);
        evaluator.rotate_right(dead, 3);
        let folded = evaluator.sum(&[job[1], job[2]]);
        let sum = evaluator.sum(&[nonce, folded]);
        let result = evaluator.xor(&[sum, job[3]]);
        (evaluator, vec![result])
    }

    #[test]
    fn dead_work_goes_and_slots_follow_the_job() {
        let (evaluator, outputs) = evaluate(Evaluator::for_program(), [1, 2, 3, 4]);
        let program = Program::new(evaluator, &outputs);
        let counts = program.operation_counts();
        assert_eq!(
            counts,
            OperationCounts { logic: 1, additions: 1, additions_of_three: 1, ..Default::default() }
        );
        let (evaluator, _) = evaluate(Evaluator::for_job(), [10, 20, 30, 40]);
        let words = program.job_words(&evaluator);
        assert_eq!(words, [50, 40]);
        assert_eq!(program.run(&[7], &words), [57 ^ 40]);
    }
}
