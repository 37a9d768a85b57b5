//! Draws from the run's one stream of random numbers.

use rminer_stratum::rng::Rng;

/// More ways to draw.
pub(crate) trait Dice {
    /// True in so many of a thousand cases.
    fn chance(&mut self, permille: u64) -> bool;
    /// From `low` to `high`, both included.
    fn between(&mut self, low: u64, high: u64) -> u64;
    /// From `low` to `high`, small ones as often as large ones.
    fn scale(&mut self, low: u64, high: u64) -> u64;
    /// A waiting time with this mean, at most four times as long.
    fn wait(&mut self, mean: u64) -> u64;
    /// One of these.
    fn pick<T: Copy>(&mut self, all: &[T]) -> T;
    /// Random bytes.
    fn bytes<const N: usize>(&mut self) -> [u8; N];
}

impl Dice for Rng {
    fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    fn scale(&mut self, low: u64, high: u64) -> u64 {
        let bits = |number: u64| u64::from(u64::BITS - number.leading_zeros());
        let top = 1 << self.between(bits(low.max(1)), bits(high)).min(62);
        self.between(top / 2, top).clamp(low, high)
    }

    fn wait(&mut self, mean: u64) -> u64 {
        // Four uniform parts, one of them dropped half of the time: near enough to a random process.
        let spread = if self.one_in(4) { 4 } else { 1 };
        self.below(spread * mean.max(1)) + 1
    }

    fn pick<T: Copy>(&mut self, all: &[T]) -> T {
        all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }

    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.next_u64() as u8)
    }
}

/// Things that may happen, with the frequency of each: most runs see few kinds, some of them often.
#[derive(Debug, Clone)]
pub(crate) struct Mix<T> {
    permille: u64,
    kinds: Vec<T>,
}

impl<T: Copy + PartialEq> Mix<T> {
    /// Nothing ever.
    pub(crate) const NEVER: Self = Self { permille: 0, kinds: Vec::new() };

    /// Always this.
    pub(crate) fn always(kind: T) -> Self {
        Self { permille: 1000, kinds: vec![kind] }
    }

    /// A frequency up to `most` in a thousand, and some of the kinds.
    pub(crate) fn drawn(rng: &mut Rng, most: u64, all: &[T]) -> Self {
        let permille = if rng.one_in(3) { 0 } else { rng.scale(1, most) };
        let kinds = match rng.below(4) {
            // One kind alone.
            0 => vec![rng.pick(all)],
            1 => all.to_vec(),
            _ => all.iter().copied().filter(|_| rng.one_in(2)).collect(),
        };
        Self { permille, kinds }
    }

    /// What happens now.
    pub(crate) fn draw(&self, rng: &mut Rng) -> Option<T> {
        (!self.kinds.is_empty() && rng.chance(self.permille)).then(|| rng.pick(&self.kinds))
    }

    /// Takes kinds out.
    pub(crate) fn never(&mut self, kinds: &[T]) {
        self.kinds.retain(|kind| !kinds.contains(kind));
    }
}
