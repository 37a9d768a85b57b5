//! Keccak's lanes of 64 bits, as one value each or as pairs of words.

use crate::generator::{Evaluator, Value, Word, split};

/// A width of values that lanes can be made of.
pub(super) trait LaneWord: Word {
    /// Values of a lane, the lowest bits first.
    type Lane: Copy + AsRef<[Value<Self>]>;
    /// How many these are.
    const VALUES: usize;

    /// A lane of values, each made of its number.
    fn lane(value: impl FnMut(usize) -> Value<Self>) -> Self::Lane;

    /// One of the parts of 64 bits, as many as a lane has values.
    fn part(bits: u64, part: usize) -> Self;

    /// Rotation to the left by less than 64.
    fn rotate_left(evaluator: &mut Evaluator<Self>, lane: Self::Lane, bits: u32) -> Self::Lane;
}

impl LaneWord for u64 {
    type Lane = [Value<Self>; 1];
    const VALUES: usize = 1;

    fn lane(value: impl FnMut(usize) -> Value<Self>) -> Self::Lane {
        std::array::from_fn(value)
    }

    fn part(bits: u64, _part: usize) -> Self {
        bits
    }

    fn rotate_left(evaluator: &mut Evaluator<Self>, [lane]: Self::Lane, bits: u32) -> Self::Lane {
        [if bits == 0 { lane } else { evaluator.rotate_right(lane, Self::BITS - bits) }]
    }
}

impl LaneWord for u32 {
    type Lane = [Value<Self>; 2];
    const VALUES: usize = 2;

    fn lane(value: impl FnMut(usize) -> Value<Self>) -> Self::Lane {
        std::array::from_fn(value)
    }

    fn part(bits: u64, part: usize) -> Self {
        split(bits)[part]
    }

    fn rotate_left(evaluator: &mut Evaluator<Self>, [low, high]: Self::Lane, bits: u32) -> Self::Lane {
        let (low, high) = if bits >= Self::BITS { (high, low) } else { (low, high) };
        match bits % Self::BITS {
            0 => [low, high],
            bits => [evaluator.funnel_left(low, high, bits), evaluator.funnel_left(high, low, bits)],
        }
    }
}

/// A lane that belongs to the algorithm.
pub(super) fn literal<W: LaneWord>(bits: u64) -> W::Lane {
    W::lane(|part| Value::Literal(W::part(bits, part)))
}

/// A lane that a job fixes.
pub(super) fn job<W: LaneWord>(evaluator: &mut Evaluator<W>, bits: u64) -> W::Lane {
    W::lane(|part| evaluator.job(W::part(bits, part)))
}

/// The lane of this number among the inputs.
pub(super) fn input<W: LaneWord>(evaluator: &mut Evaluator<W>, number: usize) -> W::Lane {
    W::lane(|part| evaluator.input(number * W::VALUES + part))
}

pub(super) fn xor<W: LaneWord>(evaluator: &mut Evaluator<W>, lanes: &[W::Lane]) -> W::Lane {
    W::lane(|part| {
        let values: Vec<Value<W>> = lanes.iter().map(|lane| lane.as_ref()[part]).collect();
        evaluator.xor(&values)
    })
}

pub(super) fn chi<W: LaneWord>(evaluator: &mut Evaluator<W>, lanes: [W::Lane; 3]) -> W::Lane {
    let [a, b, c] = lanes;
    W::lane(|part| evaluator.chi(a.as_ref()[part], b.as_ref()[part], c.as_ref()[part]))
}
