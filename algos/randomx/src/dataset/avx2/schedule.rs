//! The order of vector operations, and the registers that their values are in.

use super::vector::{Form, GIVEN, Operation, Source, Stream, Unit, Value};
use crate::x86::assembler::{Address, Assembler};

/// Registers to choose from.
const REGISTERS: usize = 16;

/// Most instructions at work at once.
const MOST_OPEN: usize = 12;

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
        let (mut live, mut at_most) = (Vec::with_capacity(end - start), 0);
        let mut count = 0u8;
        for (at, operation) in stream.operations.iter().enumerate().take(end).skip(start) {
            live.push(count);
            let mut sources: Vec<Value> = operation.sources().collect();
            sources.sort_unstable();
            sources.dedup();
            let own = |value: &Value| *value >= first && last_use[usize::from(*value)] == at;
            let dying = u8::try_from(sources.iter().filter(|value| own(value)).count()).unwrap_or(0);
            count = count + 1 - dying;
        }
        for at in (start..end).rev() {
            let before = live[at - start];
            let after = live.get(at + 1 - start).copied().unwrap_or(count);
            at_most = after.max(at_most);
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
    let (mut live, mut cycle, mut idle) = (usize::from(GIVEN), 0u32, 0);
    while order.len() < operations.len() {
        let (mut free, mut products, mut shifts) = (per_cycle, 2, 2);
        let before = order.len();
        while free > 0 {
            while let Some(&start) = stream.starts.get(instruction).filter(|_| open.len() < MOST_OPEN) {
                let reserved: usize = open.iter().map(|open| usize::from(needs[open.next])).sum();
                if live + reserved + usize::from(needs[start]) > REGISTERS {
                    break;
                }
                instruction += 1;
                let end = stream.starts.get(instruction).copied().unwrap_or(operations.len());
                open.push(Open { next: start, end });
            }
            let possible = |open: &Open| {
                let operation = &operations[open.next];
                let unit_free = match operation.unit {
                    Unit::Product => products > 0,
                    Unit::Shift => shifts > 0,
                    Unit::Any => true,
                };
                unit_free && operation.sources().all(|value| ready[usize::from(value)] <= cycle)
            };
            let best = open.iter().enumerate().filter(|(_, open)| possible(open));
            let Some((at, _)) = best.max_by_key(|(_, open)| heights[open.next]) else { break };
            let number = open[at].next;
            open[at].next += 1;
            if open[at].next == open[at].end {
                open.remove(at);
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
