//! What is left of an evaluation: the nodes that the results need, and the slots of the job.

use super::evaluator::{Evaluator, Operation, Value};

/// Straight-line code from one nonce to a few results.
#[derive(Debug)]
pub struct Program {
    /// Every node of the evaluation; `uses` tells which are wanted.
    operations: Vec<Operation>,
    /// How often each node is used by wanted ones; 0 for dead work.
    uses: Vec<u32>,
    outputs: Vec<Value>,
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

impl Program {
    /// Keeps what `outputs` need.
    pub fn new(evaluator: Evaluator, outputs: &[Value]) -> Self {
        let operations = evaluator.into_operations();
        let mut uses = vec![0; operations.len()];
        let mut count = |value: &Value| {
            if let Value::Dynamic(node) = value {
                uses[*node] += 1;
                uses[*node] == 1
            } else {
                false
            }
        };
        // A node only refers to earlier ones, so the stack ends.
        let mut stack: Vec<Value> = outputs.iter().copied().filter(&mut count).collect();
        while let Some(Value::Dynamic(node)) = stack.pop() {
            stack.extend(operations[node].operands().into_iter().filter(&mut count));
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
    pub fn job_words(&self, evaluator: &Evaluator) -> Vec<u32> {
        self.slots.iter().map(|id| evaluator.job_values()[*id]).collect()
    }

    /// Words that a job fills.
    pub fn slot_count(&self) -> usize {
        self.slots.len()
    }

    /// What this costs for one nonce.
    pub fn operation_counts(&self) -> OperationCounts {
        let mut counts = OperationCounts::default();
        for (_, operation) in self.wanted() {
            let pairs = u32::try_from(operation.operands().len()).unwrap_or(u32::MAX).saturating_sub(1);
            match operation {
                Operation::Nonce => {}
                Operation::Sum(_) => {
                    counts.additions += pairs;
                    counts.additions_of_three += pairs.div_ceil(2);
                }
                Operation::Xor(_) => counts.logic += pairs.div_ceil(2),
                Operation::And(..) | Operation::Choose(..) | Operation::Majority(..) => counts.logic += 1,
                Operation::RotateRight(..) | Operation::ShiftRight(..) => counts.shifts += 1,
                Operation::SwapBytes(_) => counts.byte_swaps += 1,
            }
        }
        counts
    }

    pub(super) fn wanted(&self) -> impl Iterator<Item = (usize, &Operation)> {
        self.operations.iter().enumerate().filter(|(node, _)| self.uses[*node] > 0)
    }

    pub(super) fn operation(&self, node: usize) -> &Operation {
        &self.operations[node]
    }

    pub(super) fn uses(&self, node: usize) -> u32 {
        self.uses[node]
    }

    pub(super) fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    pub(super) fn slot(&self, id: usize) -> usize {
        self.slots.iter().position(|slot| *slot == id).unwrap_or_default()
    }

    /// The results for one nonce, computed here: lets tests see that the program is right before a driver does.
    #[cfg(test)]
    pub(crate) fn run(&self, nonce: u32, job: &[u32]) -> Vec<u32> {
        let mut results = vec![0u32; self.operations.len()];
        let value = |results: &[u32], value: &Value| match *value {
            Value::Literal(value) => value,
            Value::Job { id, .. } => job[self.slot(id)],
            Value::Dynamic(node) => results[node],
        };
        for (node, operation) in self.wanted() {
            let v: Vec<u32> = operation.operands().iter().map(|operand| value(&results, operand)).collect();
            results[node] = match operation {
                Operation::Nonce => nonce,
                Operation::Sum(_) => v.iter().fold(0, |a, b| a.wrapping_add(*b)),
                Operation::Xor(_) => v.iter().fold(0, |a, b| a ^ b),
                Operation::And(..) => v[0] & v[1],
                Operation::Choose(..) => (v[0] & v[1]) | (!v[0] & v[2]),
                Operation::Majority(..) => (v[0] & v[1]) | (v[0] & v[2]) | (v[1] & v[2]),
                Operation::RotateRight(_, bits) => v[0].rotate_right(*bits),
                Operation::ShiftRight(_, bits) => v[0] >> bits,
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
        let nonce = evaluator.nonce();
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
        assert_eq!(program.run(7, &words), [57 ^ 40]);
    }
}
