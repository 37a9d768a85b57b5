//! Dispatches in flight: each has buffers of its own, so that the next one is queued before the last one is read.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use bytemuck::Zeroable;

use crate::abi::{self, Parameters, Results};
use crate::card::{Card, Program};
use crate::fault::{Fault, contained};

/// Workgroups in a row that every device takes.
const MAX_ROW: u32 = 65_535;
const RESULT_BYTES: u64 = size_of::<Results>() as u64;
/// Two timestamps, behind the results in the buffer that is read back.
const STAMP_BYTES: u64 = 16;

/// What one dispatch is to do.
#[derive(Debug, Clone)]
pub(crate) struct Dispatch {
    pub(crate) first_nonce: u64,
    pub(crate) nonces: u32,
    pub(crate) job: Arc<JobWords>,
}

/// The words of a job, as they go into a slot. Two with the same number have the same words.
#[derive(Debug)]
pub(crate) struct JobWords {
    pub(crate) number: u64,
    pub(crate) words: Vec<u32>,
}

/// Queued dispatches of one slice.
pub(crate) struct Flight {
    slots: Vec<usize>,
    submission: wgpu::SubmissionIndex,
}

/// What a slice gave.
#[derive(Debug)]
pub(crate) struct Landed {
    /// One for each dispatch, in order.
    pub(crate) results: Vec<Results>,
    /// When it began and ended by the device's own clock.
    pub(crate) span: Option<Span>,
}

/// A stretch of the device's clock, in nanoseconds from an unknown start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Span {
    pub(crate) start_ns: f64,
    pub(crate) end_ns: f64,
}

impl Span {
    /// Time of this span that `earlier` did not cover: the device may begin a dispatch while it ends another.
    pub(crate) fn beyond(&self, earlier: Option<Span>) -> Duration {
        let start = earlier.map_or(self.start_ns, |earlier| earlier.end_ns.max(self.start_ns));
        Duration::from_secs_f64((self.end_ns - start).max(0.0) / 1e9)
    }
}

/// A kernel with the slots for its dispatches.
pub(crate) struct Ring {
    program: Program,
    slots: Vec<Slot>,
    free: Vec<usize>,
}

struct Slot {
    results: wgpu::Buffer,
    parameters: wgpu::Buffer,
    job: wgpu::Buffer,
    read_back: wgpu::Buffer,
    bindings: wgpu::BindGroup,
    stamps: Option<(wgpu::QuerySet, wgpu::Buffer)>,
    /// Number of the words in `job`.
    holds: Option<u64>,
    mapped: Arc<AtomicU8>,
}

/// Not answered yet, readable, failed.
const PENDING: u8 = 0;
const READABLE: u8 = 1;
const FAILED: u8 = 2;

impl Ring {
    /// Makes `slots` slots.
    pub(crate) fn new(card: &Card, program: Program, slots: usize) -> Result<Self, Fault> {
        let slots =
            contained("buffers", || (0..slots).map(|_| Slot::new(card, &program)).collect::<Vec<_>>())?;
        card.watch().check()?;
        let free = (0..slots.len()).rev().collect();
        Ok(Self { program, slots, free })
    }

    /// Time that the kernel took to compile.
    pub(crate) fn compile(&self) -> Duration {
        self.program.compile
    }

    /// Nonces of one workgroup; whole multiples of it leave no invocation idle.
    pub(crate) fn group(&self) -> u32 {
        self.program.group
    }

    /// Queues the dispatches of a slice in one submission.
    pub(crate) fn submit(&mut self, card: &Card, dispatches: &[Dispatch]) -> Result<Flight, Fault> {
        card.watch().check()?;
        let keep = self.free.len().checked_sub(dispatches.len());
        let keep = keep.ok_or_else(|| Fault::Lost("more dispatches than slots".into()))?;
        let taken = self.free.split_off(keep);
        let submission = contained("submitting", || self.record(card, &taken, dispatches))?;
        card.watch().check()?;
        Ok(Flight { slots: taken, submission })
    }

    /// Waits for a slice and reads what it found.
    pub(crate) fn land(&mut self, card: &Card, flight: Flight) -> Result<Landed, Fault> {
        card.wait(&flight.submission)?;
        let mut results = Vec::with_capacity(flight.slots.len());
        let (mut start, mut end) = (None, None);
        for &index in &flight.slots {
            let slot = &self.slots[index];
            let (found, stamps) = contained("reading", || slot.read(card))??;
            results.push(found);
            start = start.or(stamps.map(|stamps| stamps[0]));
            end = stamps.map(|stamps| stamps[1]).or(end);
        }
        self.free.extend(flight.slots);
        let span = start.zip(end).filter(|(start, end)| start <= end);
        Ok(Landed { results, span: span.map(|(start_ns, end_ns)| Span { start_ns, end_ns }) })
    }

    fn record(&mut self, card: &Card, taken: &[usize], dispatches: &[Dispatch]) -> wgpu::SubmissionIndex {
        let mut encoder = card.device().create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for (&index, dispatch) in taken.iter().zip(dispatches) {
            let slot = &mut self.slots[index];
            slot.prepare(card, dispatch);
            encoder.clear_buffer(&slot.results, 0, Some(4));
            let stamps = slot.stamps.as_ref().map(|(queries, _)| wgpu::ComputePassTimestampWrites {
                query_set: queries,
                beginning_of_pass_write_index: Some(0),
                end_of_pass_write_index: Some(1),
            });
            let mut pass = encoder
                .begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes: stamps });
            pass.set_pipeline(&self.program.pipeline);
            pass.set_bind_group(0, &slot.bindings, &[]);
            let (columns, rows) = grid(dispatch.nonces, self.program.group);
            pass.dispatch_workgroups(columns, rows, 1);
        }
        for slot in taken.iter().map(|&index| &self.slots[index]) {
            encoder.copy_buffer_to_buffer(&slot.results, 0, &slot.read_back, 0, RESULT_BYTES);
            if let Some((queries, resolved)) = &slot.stamps {
                encoder.resolve_query_set(queries, 0..2, resolved, 0);
                encoder.copy_buffer_to_buffer(resolved, 0, &slot.read_back, RESULT_BYTES, STAMP_BYTES);
            }
            let mapped = Arc::clone(&slot.mapped);
            encoder.map_buffer_on_submit(&slot.read_back, wgpu::MapMode::Read, .., move |outcome| {
                mapped.store(if outcome.is_ok() { READABLE } else { FAILED }, Ordering::Release);
            });
        }
        card.queue().submit([encoder.finish()])
    }
}

impl Slot {
    fn new(card: &Card, program: &Program) -> Self {
        use wgpu::BufferUsages as Use;
        let buffer = |size, usage| {
            card.device().create_buffer(&wgpu::BufferDescriptor {
                label: None,
                size,
                usage,
                mapped_at_creation: false,
            })
        };
        let results = buffer(RESULT_BYTES, Use::STORAGE | Use::COPY_SRC | Use::COPY_DST);
        let parameters = buffer(size_of::<Parameters>() as u64, Use::UNIFORM | Use::COPY_DST);
        let job = buffer(program.job_bytes, Use::UNIFORM | Use::COPY_DST);
        let read_back = buffer(RESULT_BYTES + STAMP_BYTES, Use::MAP_READ | Use::COPY_DST);
        let bindings = card.device().create_bind_group(&wgpu::BindGroupDescriptor {
            label: None,
            layout: card.bindings(),
            entries: &[
                wgpu::BindGroupEntry { binding: abi::RESULTS_BINDING, resource: results.as_entire_binding() },
                wgpu::BindGroupEntry {
                    binding: abi::PARAMETERS_BINDING,
                    resource: parameters.as_entire_binding(),
                },
                wgpu::BindGroupEntry { binding: abi::JOB_BINDING, resource: job.as_entire_binding() },
            ],
        });
        let stamps = card.tick_ns().map(|_| {
            let queries = card.device().create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2,
            });
            (queries, buffer(STAMP_BYTES, Use::QUERY_RESOLVE | Use::COPY_SRC))
        });
        let mapped = Arc::new(AtomicU8::new(PENDING));
        Self { results, parameters, job, read_back, bindings, stamps, holds: None, mapped }
    }

    fn prepare(&mut self, card: &Card, dispatch: &Dispatch) {
        self.mapped.store(PENDING, Ordering::Release);
        let parameters = Parameters::new(dispatch.first_nonce, dispatch.nonces);
        card.queue().write_buffer(&self.parameters, 0, bytemuck::bytes_of(&parameters));
        if self.holds != Some(dispatch.job.number) {
            card.queue().write_buffer(&self.job, 0, bytemuck::cast_slice(&dispatch.job.words));
            self.holds = Some(dispatch.job.number);
        }
    }

    fn read(&self, card: &Card) -> Result<(Results, Option<[f64; 2]>), Fault> {
        if self.mapped.load(Ordering::Acquire) != READABLE {
            return Err(Fault::Lost("results cannot be read".into()));
        }
        let failed = |error: &dyn std::fmt::Display| Fault::Lost(format!("results cannot be read: {error}"));
        let mut results = Results::zeroed();
        let mut ticks = [0u64; 2];
        {
            let view = self.read_back.get_mapped_range(..).map_err(|error| failed(&error))?;
            let (found, stamps) = view.split_at(size_of::<Results>());
            bytemuck::bytes_of_mut(&mut results).copy_from_slice(found);
            bytemuck::cast_slice_mut(&mut ticks).copy_from_slice(stamps);
        }
        self.read_back.unmap();
        #[allow(
            clippy::cast_precision_loss,
            reason = "2^53 ns are a hundred days, and only differences count"
        )]
        let stamps = card.tick_ns().map(|tick| ticks.map(|ticks| ticks as f64 * tick));
        Ok((results, stamps))
    }
}

/// Columns and rows of workgroups for so many nonces: as few rows as there can be, then as few columns.
fn grid(nonces: u32, group: u32) -> (u32, u32) {
    let groups = nonces.div_ceil(group).max(1);
    let rows = groups.div_ceil(MAX_ROW);
    (groups.div_ceil(rows), rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grids_hold_all_nonces_and_little_more() {
        for group in [64u32, 256, 4096] {
            for nonces in [1u32, 63, 64, 65, 1 << 16, MAX_ROW * 64, MAX_ROW * 64 + 1, 1 << 29] {
                let (columns, rows) = grid(nonces, group);
                let room = u64::from(columns) * u64::from(rows) * u64::from(group);
                assert!(
                    columns <= MAX_ROW && room >= u64::from(nonces),
                    "{nonces} in {columns}x{rows}x{group}"
                );
                assert!(room - u64::from(nonces) < u64::from(group) * u64::from(rows), "{nonces} {group}");
            }
        }
    }

    #[test]
    fn overlapping_spans_count_once() {
        let first = Span { start_ns: 0.0, end_ns: 20e6 };
        let second = Span { start_ns: 15e6, end_ns: 40e6 };
        assert_eq!(second.beyond(None), Duration::from_millis(25));
        assert_eq!(second.beyond(Some(first)), Duration::from_millis(20));
        assert_eq!(first.beyond(Some(second)), Duration::ZERO);
    }
}
