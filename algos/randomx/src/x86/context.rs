//! What compiled code and its caller share: one block of memory whose address stays in `rbx`.

use std::mem::offset_of;

use crate::float::Rounding;
use crate::float::x86::control_of;
use crate::instruction::SCALE_MASK;
use crate::program::E_MANTISSA_MASK;
use crate::registers::Registers;
use crate::vm::MAX_LANES;

/// The block. Compiled code addresses its fields by the constants of this module.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct Context {
    pub(super) lanes: [LaneContext; MAX_LANES],
    scale_mask: [u64; 2],
    mantissa_mask: [u64; 2],
    roundings: [u32; 4],
    pub(super) iterations: u32,
    callers_control: u32,
    /// Makes a dataset item for light mode.
    pub(super) item: ItemCallback,
    /// First argument of `item`.
    pub(super) source: *const (),
}

/// Called by compiled code in light mode: source, number of the item, where it goes.
pub(super) type ItemCallback = extern "sysv64" fn(*const (), u64, *mut [u64; 8]);

/// One lane's part of the block.
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct LaneContext {
    /// Group A is read; the others are written at the end.
    pub(super) registers: Registers,
    pub(super) e_masks: [u64; 2],
    pub(super) scratchpad: *mut u8,
    /// The dataset from the program's offset on. In light mode the offset itself.
    pub(super) dataset: *const u8,
    /// `mx` in the low half, `ma` in the high half.
    pub(super) read_addresses: u64,
    /// What the next iteration's `spAddr0` and `spAddr1` are made from.
    pub(super) mix: u64,
    /// The two lines of the scratchpad of the iteration that runs or ran last.
    pub(super) line0: *mut u8,
    pub(super) line1: *mut u8,
    /// MXCSR.
    pub(super) control: u32,
    /// A dataset item of light mode.
    item: [u64; 8],
}

impl Context {
    /// One that no lane is set in.
    pub(super) fn new() -> Self {
        let lane = || LaneContext {
            registers: Registers::default(),
            e_masks: [0; 2],
            scratchpad: std::ptr::null_mut(),
            dataset: std::ptr::null(),
            read_addresses: 0,
            mix: 0,
            line0: std::ptr::null_mut(),
            line1: std::ptr::null_mut(),
            control: control_of(Rounding::Nearest),
            item: [0; 8],
        };
        Self {
            lanes: std::array::from_fn(|_| lane()),
            scale_mask: [SCALE_MASK; 2],
            mantissa_mask: [E_MANTISSA_MASK; 2],
            roundings: Rounding::ALL.map(control_of),
            iterations: 0,
            callers_control: 0,
            item: no_item,
            source: std::ptr::null(),
        }
    }
}

/// Nothing calls it: each run in light mode sets its own.
extern "sysv64" fn no_item(_source: *const (), _number: u64, _out: *mut [u64; 8]) {}

/// Offsets of a lane's fields from the start of the block.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneFields {
    pub(super) r: i32,
    pub(super) f: i32,
    pub(super) e: i32,
    pub(super) a: i32,
    pub(super) e_masks: i32,
    pub(super) scratchpad: i32,
    pub(super) dataset: i32,
    pub(super) read_addresses: i32,
    pub(super) mix: i32,
    pub(super) line0: i32,
    pub(super) line1: i32,
    pub(super) control: i32,
    pub(super) item: i32,
}

impl LaneFields {
    /// Of the lane of this number.
    pub(super) const fn of(lane: usize) -> Self {
        let start = offset(offset_of!(Context, lanes) + lane * size_of::<LaneContext>());
        let registers = start + offset(offset_of!(LaneContext, registers));
        Self {
            r: registers + offset(offset_of!(Registers, r)),
            f: registers + offset(offset_of!(Registers, f)),
            e: registers + offset(offset_of!(Registers, e)),
            a: registers + offset(offset_of!(Registers, a)),
            e_masks: start + offset(offset_of!(LaneContext, e_masks)),
            scratchpad: start + offset(offset_of!(LaneContext, scratchpad)),
            dataset: start + offset(offset_of!(LaneContext, dataset)),
            read_addresses: start + offset(offset_of!(LaneContext, read_addresses)),
            mix: start + offset(offset_of!(LaneContext, mix)),
            line0: start + offset(offset_of!(LaneContext, line0)),
            line1: start + offset(offset_of!(LaneContext, line1)),
            control: start + offset(offset_of!(LaneContext, control)),
            item: start + offset(offset_of!(LaneContext, item)),
        }
    }
}

pub(super) const SCALE: i32 = offset(offset_of!(Context, scale_mask));
pub(super) const MANTISSA: i32 = offset(offset_of!(Context, mantissa_mask));
pub(super) const ROUNDINGS: i32 = offset(offset_of!(Context, roundings));
pub(super) const ITERATIONS: i32 = offset(offset_of!(Context, iterations));
pub(super) const CALLERS_CONTROL: i32 = offset(offset_of!(Context, callers_control));
pub(super) const ITEM: i32 = offset(offset_of!(Context, item));
pub(super) const SOURCE: i32 = offset(offset_of!(Context, source));

/// The block has two kilobytes.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
const fn offset(bytes: usize) -> i32 {
    assert!(bytes < 1 << 16);
    bytes as i32
}
