//! Keccak-f\[1600\] for the evaluator, as one program or as three: the first rounds, a loop's turn, the last rounds.
//!
//! What the best known kernels do follows from the kinds of values alone: before the first round one lane of 25
//! depends on the nonce, so most of that round is done on the host; of the last round only what is asked for is left.

use rminer_algos::kheavyhash::{ROTATION, ROUND};

use super::lanes::{LaneWord, chi, input, job, literal, xor};
use crate::generator::{Evaluator, OperationCounts, Program, Value};

/// Lanes of the state; lane (x, y) is at `x + 5 * y`.
pub(super) const LANES: usize = 25;
/// Lane of the nonce.
const NONCE_LANE: usize = 9;
/// Lanes that a job fills: hash of the header, and time.
const JOB_LANES: usize = 5;
/// Rounds after which nothing is known any more on the host.
const JOB_ROUNDS: usize = 2;
const ROUNDS: usize = ROUND.len();

type State<W> = [<W as LaneWord>::Lane; LANES];

/// How many rounds stand in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rounds {
    /// All of them, one after the other.
    Unrolled,
    /// A loop that does so many at each turn, and before and behind it those that fold.
    Looped(u32),
}

/// How theta adds the parities of two columns to each lane.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Theta {
    /// Both in one operation of three inputs.
    #[default]
    Three,
    /// First to each other, once for a column: less work where operations have two inputs.
    Two,
}

/// One of the two permutations of a hash.
pub(super) struct Permutation<W> {
    /// The first rounds, or all of them.
    pub(super) head: Program<W>,
    pub(super) looped: Option<Looped<W>>,
}

/// What follows the first rounds when not all are unrolled.
pub(super) struct Looped<W> {
    /// The rounds of one turn: a state and their constants go in, a state comes out.
    pub(super) turn: Program<W>,
    pub(super) turns: u32,
    pub(super) rounds_a_turn: u32,
    /// The last rounds.
    pub(super) tail: Program<W>,
}

/// What is wanted of the state at the end.
#[derive(Clone, Copy)]
pub(super) enum Wanted {
    /// The first 256 bits.
    Digest,
    /// The highest part of these.
    Top,
}

/// The permutation of a block: input 0 is the lane of the nonce, what it gives is the digest.
pub(super) fn first<W: LaneWord>(start: &[u64; LANES], rounds: Rounds, theta: Theta) -> Permutation<W> {
    let mut evaluator = Evaluator::for_program();
    let state = block(&mut evaluator, start);
    permutation(evaluator, state, rounds, theta, Wanted::Digest)
}

/// The values of the program of [`first`] for the block of a job: `start` is its state with a nonce of zero.
pub(super) fn first_job<W: LaneWord>(start: &[u64; LANES], theta: Theta) -> Evaluator<W> {
    let mut evaluator = Evaluator::for_job();
    let state = block(&mut evaluator, start);
    several_rounds(&mut evaluator, state, 0..JOB_ROUNDS, theta);
    evaluator
}

/// The permutation behind the matrix: inputs are the four lanes of the product, what it gives is the hash's top.
/// `start` is its state without them.
pub(super) fn second<W: LaneWord>(start: &[u64; LANES], rounds: Rounds, theta: Theta) -> Permutation<W> {
    let mut evaluator = Evaluator::for_program();
    let mut state = start.map(literal::<W>);
    for (number, lane) in state.iter_mut().enumerate().take(4) {
        let product = input(&mut evaluator, number);
        *lane = xor(&mut evaluator, &[*lane, product]);
    }
    permutation(evaluator, state, rounds, theta, Wanted::Top)
}

impl<W: LaneWord> Permutation<W> {
    pub(super) fn operation_counts(&self) -> OperationCounts {
        let head = self.head.operation_counts();
        self.looped.as_ref().map_or(head, |looped| {
            head + looped.turn.operation_counts() * looped.turns + looped.tail.operation_counts()
        })
    }
}

fn block<W: LaneWord>(evaluator: &mut Evaluator<W>, start: &[u64; LANES]) -> State<W> {
    let mut state = start.map(literal::<W>);
    for (lane, bits) in state.iter_mut().zip(start).take(JOB_LANES) {
        *lane = job(evaluator, *bits);
    }
    let nonce = input(evaluator, 0);
    state[NONCE_LANE] = xor(evaluator, &[state[NONCE_LANE], nonce]);
    state
}

fn permutation<W: LaneWord>(
    mut evaluator: Evaluator<W>,
    state: State<W>,
    rounds: Rounds,
    theta: Theta,
    wanted: Wanted,
) -> Permutation<W> {
    let Rounds::Looped(rounds_a_turn) = rounds else {
        let state = several_rounds(&mut evaluator, state, 0..ROUNDS, theta);
        return Permutation { head: Program::new(evaluator, &wanted.of(&state)), looped: None };
    };
    let each = rounds_a_turn.clamp(1, 22) as usize;
    let turns = (ROUNDS - 2) / each;
    let state = several_rounds(&mut evaluator, state, 0..1, theta);
    let head = Program::new(evaluator, &flat(&state));

    let mut evaluator = Evaluator::for_program();
    let mut state = std::array::from_fn(|lane| input(&mut evaluator, lane));
    for round in 0..each {
        let constant = input(&mut evaluator, LANES + round);
        state = one_round(&mut evaluator, state, constant, theta);
    }
    let turn = Program::new(evaluator, &flat(&state));

    let mut evaluator = Evaluator::for_program();
    let state = std::array::from_fn(|lane| input(&mut evaluator, lane));
    let state = several_rounds(&mut evaluator, state, 1 + turns * each..ROUNDS, theta);
    let tail = Program::new(evaluator, &wanted.of(&state));
    let (turns, rounds_a_turn) = (small(turns), small(each));
    Permutation { head, looped: Some(Looped { turn, turns, rounds_a_turn, tail }) }
}

impl Wanted {
    fn of<W: LaneWord>(self, state: &State<W>) -> Vec<Value<W>> {
        match self {
            Self::Digest => flat(&state[..4]),
            Self::Top => state[3].as_ref().last().copied().into_iter().collect(),
        }
    }
}

fn flat<W: LaneWord>(lanes: &[W::Lane]) -> Vec<Value<W>> {
    lanes.iter().flat_map(|lane| lane.as_ref()).copied().collect()
}

fn several_rounds<W: LaneWord>(
    evaluator: &mut Evaluator<W>,
    mut state: State<W>,
    numbers: std::ops::Range<usize>,
    theta: Theta,
) -> State<W> {
    for constant in &ROUND[numbers] {
        state = one_round(evaluator, state, literal::<W>(*constant), theta);
    }
    state
}

fn one_round<W: LaneWord>(
    evaluator: &mut Evaluator<W>,
    state: State<W>,
    constant: W::Lane,
    theta: Theta,
) -> State<W> {
    let columns: [W::Lane; 5] =
        std::array::from_fn(|x| xor(evaluator, &std::array::from_fn::<_, 5, _>(|y| state[x + 5 * y])));
    let turned: [W::Lane; 5] = std::array::from_fn(|x| W::rotate_left(evaluator, columns[x], 1));
    let mut moved = state;
    for x in 0..5 {
        let (before, behind) = (columns[(x + 4) % 5], turned[(x + 1) % 5]);
        let both = (theta == Theta::Two).then(|| xor(evaluator, &[before, behind]));
        for y in 0..5 {
            let lane = x + 5 * y;
            let sum = match both {
                Some(both) => xor(evaluator, &[state[lane], both]),
                None => xor(evaluator, &[state[lane], before, behind]),
            };
            // Rho and pi: the lane (x, y) moves to (y, 2x + 3y).
            moved[y + 5 * ((2 * x + 3 * y) % 5)] = W::rotate_left(evaluator, sum, ROTATION[lane]);
        }
    }
    let mut state = std::array::from_fn(|lane| {
        let (x, row) = (lane % 5, lane - lane % 5);
        chi(evaluator, [moved[lane], moved[row + (x + 1) % 5], moved[row + (x + 2) % 5]])
    });
    state[0] = xor(evaluator, &[state[0], constant]);
    state
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
