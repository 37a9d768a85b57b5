//! The order of vector operations, and the registers that their values are in.

use super::vector::{Form, GIVEN, Operation, Source, Stream, Unit, Value};
use crate::x86::assembler::{Address, Assembler};

/// Registers to choose from.
const REGISTERS: usize = 16;

/// Most instructions at work at once.
const MOST_OPEN: usize = 8;

/// Cycles from the begin of each operation to the end of all.
fn heights(stream: &Stream) -> Vec<u16> {
    let mut by_value = vec![0u16; usize::from(stream.values)];
    let mut heights = vec![0; stream.operations.len()];
    for (at, operation) in stream.operations.iter().enumerate().rev() {
        let height = by_value[usize::from(operation.result)] + operation.latency();
        heights[at] = height;
        for source in operation.sources() {
            let source = &mut by_value[usize::from(source)];
            *source = (*source).max(height);
        }
    }
    heights
}

/// Operations that read each value, with one more for what must be there in the end.
fn uses(stream: &Stream) -> Vec<u16> {
    let mut uses = vec![0u16; usize::from(stream.values)];
    for value in stream.operations.iter().flat_map(Operation::sources) {
        uses[usize::from(value)] += 1;
    }
    for value in stream.registers {
        uses[usize::from(value)] += 1;
    }
    uses
}

/// An instruction at work: its operations follow each other, those of others come between them.
#[derive(Debug, Clone, Copy)]
struct Open {
    next: usize,
    end: usize,
    /// Cycle from which the operands of the next operation are there, if that is known.
    from: u32,
}

/// Registers that an instruction may still need, before each of its operations: its own values that are live at the
/// most, less those that are live then.
fn needs(stream: &Stream) -> Vec<u8> {
    let mut needs = vec![0u8; stream.operations.len()];
    let ends = stream.starts.iter().skip(1).copied().chain([stream.operations.len()]);
    let mut last_use = vec![usize::MAX; usize::from(stream.values)];
    for (at, operation) in stream.operations.iter().enumerate() {
        for value in operation.sources() {
            last_use[usize::from(value)] = at;
        }
    }
    for (&start, end) in stream.starts.iter().zip(ends) {
        let first = stream.operations.get(start).map_or(0, |operation| operation.result);
        let (mut count, mut at_most) = (0u8, 0);
        for (at, operation) in stream.operations.iter().enumerate().take(end).skip(start) {
            needs[at] = count;
            let mut seen = Value::MAX;
            for value in operation.sources() {
                let dies = value != seen && value >= first && last_use[usize::from(value)] == at;
                count -= u8::from(dies);
                seen = value;
            }
            count += 1;
        }
        let mut next = count;
        for at in (start..end).rev() {
            let before = needs[at];
            at_most = next.max(at_most);
            next = before;
            needs[at] = at_most.saturating_sub(before);
        }
    }
    needs
}

/// An order of all operations in which none waits long for its operands, as far as there are registers for the
/// values: in each cycle of a model of the processor those are taken on which most depends.
pub(super) fn order(stream: &Stream, per_cycle: u32) -> Option<Vec<u16>> {
    let operations = &stream.operations;
    let (heights, needs) = (heights(stream), needs(stream));
    let mut uses = uses(stream);
    // Cycle from which a value is there.
    let mut ready = vec![u32::MAX; usize::from(stream.values)];
    ready[..usize::from(GIVEN)].fill(0);
    let mut order = Vec::with_capacity(operations.len());
    let mut open: Vec<Open> = Vec::with_capacity(MOST_OPEN);
    let mut instruction = 0;
    let (mut live, mut reserved, mut cycle, mut idle) = (usize::from(GIVEN), 0, 0u32, 0);
    while order.len() < operations.len() {
        let (mut free, mut products, mut shifts) = (per_cycle, 2, 2);
        let before = order.len();
        while free > 0 {
            while let Some(&start) = stream.starts.get(instruction).filter(|_| open.len() < MOST_OPEN) {
                let needed = usize::from(needs[start]);
                if live + reserved + needed > REGISTERS {
                    break;
                }
                reserved += needed;
                instruction += 1;
                let end = stream.starts.get(instruction).copied().unwrap_or(operations.len());
                open.push(Open { next: start, end, from: u32::MAX });
            }
            let mut best: Option<(usize, u16)> = None;
            for (at, open) in open.iter_mut().enumerate() {
                let operation = &operations[open.next];
                if open.from == u32::MAX {
                    let ready = operation.sources().map(|value| ready[usize::from(value)]);
                    open.from = ready.max().unwrap_or(0);
                }
                let unit_free = match operation.unit {
                    Unit::Product => products > 0,
                    Unit::Shift => shifts > 0,
                    Unit::Any => true,
                };
                let height = heights[open.next];
                if unit_free && open.from <= cycle && best.is_none_or(|(_, other)| height >= other) {
                    best = Some((at, height));
                }
            }
            let Some((at, _)) = best else { break };
            let number = open[at].next;
            reserved -= usize::from(needs[number]);
            if number + 1 == open[at].end {
                open.remove(at);
            } else {
                reserved += usize::from(needs[number + 1]);
                open[at] = Open { next: number + 1, from: u32::MAX, ..open[at] };
            }
            let operation = &operations[number];
            live += 1;
            for value in operation.sources() {
                let uses = &mut uses[usize::from(value)];
                *uses -= 1;
                live -= usize::from(*uses == 0);
            }
            ready[usize::from(operation.result)] = cycle + u32::from(operation.latency());
            match operation.unit {
                Unit::Product => products -= 1,
                Unit::Shift => shifts -= 1,
                Unit::Any => {}
            }
            free -= 1;
            order.push(u16::try_from(number).ok()?);
        }
        // No result takes longer.
        idle = if order.len() == before { idle + 1 } else { 0 };
        if idle > 8 {
            return None;
        }
        cycle += 1;
    }
    Some(order)
}

/// Registers of values.
#[derive(Debug)]
pub(super) struct Registers {
    of_value: Vec<u8>,
    free: u32,
    uses: Vec<u16>,
}

impl Registers {
    /// The values that are given are in the registers of their number.
    pub(super) fn new(stream: &Stream) -> Self {
        let mut of_value = vec![u8::MAX; usize::from(stream.values)];
        for (number, register) in of_value.iter_mut().zip(0u8..).take(usize::from(GIVEN)) {
            *number = register;
        }
        Self { of_value, free: 0xffff << GIVEN & 0xffff, uses: uses(stream) }
    }

    /// The register that a value is in.
    pub(super) fn of(&self, value: Value) -> u8 {
        self.of_value[usize::from(value)]
    }

    /// Writes an operation. `None` when there is no register for its result.
    pub(super) fn write(
        &mut self,
        operation: &Operation,
        constants: u8,
        assembler: &mut Assembler<'_>,
    ) -> Option<()> {
        let first = self.of_value[usize::from(operation.first)];
        let second = match operation.second {
            Source::Value(value) => Ok(self.of(value)),
            Source::Constant(offset) => Err(Address::base(constants, offset)),
            Source::Nothing => Ok(0),
        };
        let third = if let Form::Select(value) = operation.form { Some(self.of(value)) } else { None };
        for value in operation.sources() {
            let uses = &mut self.uses[usize::from(value)];
            *uses -= 1;
            if *uses == 0 {
                self.free |= 1 << self.of_value[usize::from(value)];
            }
        }
        if self.free == 0 {
            return None;
        }
        let result = u8::try_from(self.free.trailing_zeros()).ok()?;
        self.free &= self.free - 1;
        self.of_value[usize::from(operation.result)] = result;
        let (reg, vvvv) = match operation.form {
            Form::Three | Form::Select(_) => (result, first),
            Form::Two => (result, 0),
            Form::Shift(extension) => (extension, result),
            Form::Zero => (result, result),
        };
        let second = if operation.form == Form::Zero { Ok(result) } else { second };
        match second {
            Ok(register) => assembler.vex(operation.code, reg, vvvv, register),
            Err(address) => assembler.vex(operation.code, reg, vvvv, address),
        }
        if let Some(immediate) = operation.immediate.or(third.map(|register| register << 4)) {
            assembler.put(u64::from(immediate), 1);
        }
        Some(())
    }
}
