//! The cache: memory that Argon2 fills from the key, and the programs that make dataset items from it (specs 7).

use crate::argon2::{self, Kernel};
use crate::blake::Blake2Generator;
use crate::superscalar::{self, Program};
use crate::{Config, Error, Memory, Pages};

/// Words of an item.
pub const ITEM_WORDS: usize = 8;

/// Bytes of an item.
pub const ITEM_BYTES: usize = 64;

/// Factor of an item's number that gives its first register (specs 7.3).
pub(crate) const ITEM_FACTOR: u64 = 6_364_136_223_846_793_005;

/// What the first register is XORed with to give each register (specs 7.3).
pub(crate) const ITEM_MASKS: [u64; ITEM_WORDS] = [
    0,
    9_298_411_001_130_361_340,
    12_065_312_585_734_608_966,
    9_306_329_213_124_626_780,
    5_281_919_268_842_080_866,
    10_536_153_434_571_861_004,
    3_398_623_926_847_679_864,
    9_549_104_520_008_361_294,
];

/// Items that are made together.
const LANES: usize = 16;

/// A cache that holds one key, or none yet.
#[derive(Debug)]
pub struct Cache {
    config: &'static Config,
    memory: Memory,
    programs: Box<[Program]>,
    key: Option<Box<[u8]>>,
}

impl Cache {
    /// Takes the memory; it holds no key yet.
    ///
    /// # Errors
    /// [`Error::Memory`] when these pages cannot be had.
    pub fn allocate(config: &'static Config, pages: Pages) -> Result<Self, Error> {
        let memory = Memory::allocate(config.cache_bytes(), pages, "cache")?;
        Ok(Self { config, memory, programs: Box::default(), key: None })
    }

    /// Fills the cache from `key`, in place. Takes some tenths of a second of one core, nothing when the key is
    /// the same. Of the key's bytes all go into the memory and the first 60 into the programs.
    pub fn init(&mut self, key: &[u8]) {
        if self.key.as_deref() == Some(key) {
            return;
        }
        self.key = None;
        argon2::fill(self.config, key, &mut self.memory, Kernel::best());
        let mut generator = Blake2Generator::new(key);
        let programs = 0..self.config.cache_accesses;
        self.programs = programs.map(|_| superscalar::generate(self.config, &mut generator)).collect();
        self.key = Some(key.into());
    }

    /// The key that the cache holds.
    pub fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    /// What it was allocated for.
    pub fn config(&self) -> &'static Config {
        self.config
    }

    /// The pages that the memory is made of.
    pub fn pages(&self) -> Pages {
        self.memory.pages()
    }

    /// All of its memory, zeros while there is no key.
    pub fn memory(&self) -> &[u8] {
        &self.memory
    }

    /// Its programs in the order of their use; none while there is no key.
    pub fn programs(&self) -> &[Program] {
        &self.programs
    }

    /// Makes one dataset item (specs 7.3). Without a key it is worth nothing.
    pub fn item(&self, index: u64) -> [u64; ITEM_WORDS] {
        let mut item = [[0; ITEM_WORDS]];
        items(&self.programs, &self.memory, [index], &mut item);
        item[0]
    }

    /// As [`Cache::item`] for many: the item of `indices[i]` in `out[i]`, as far as both reach.
    pub fn items(&self, indices: &[u64], out: &mut [[u64; ITEM_WORDS]]) {
        let (groups, rest) = indices.as_chunks::<LANES>();
        let (out_groups, out_rest) = out.split_at_mut(out.len().min(groups.len() * LANES));
        for (indices, out) in groups.iter().zip(out_groups.chunks_mut(LANES)) {
            items(&self.programs, &self.memory, *indices, out);
        }
        for (&index, out) in rest.iter().zip(out_rest) {
            *out = self.item(index);
        }
    }
}

/// Makes `N` items from programs and a cache's memory, as many as `out` takes.
pub(crate) fn items<const N: usize>(
    programs: &[Program],
    memory: &[u8],
    indices: [u64; N],
    out: &mut [[u64; ITEM_WORDS]],
) {
    let (lines, _) = memory.as_chunks::<ITEM_BYTES>();
    // Caches have a power of two of lines.
    let mask = (lines.len() as u64).wrapping_sub(1);
    let mut registers =
        ITEM_MASKS.map(|mask| indices.map(|index| index.wrapping_add(1).wrapping_mul(ITEM_FACTOR) ^ mask));
    let mut addresses = indices;
    for program in programs {
        superscalar::execute_lanes(program, &mut registers);
        for (lane, address) in addresses.iter().enumerate() {
            // The mask makes it smaller than the number of lines.
            #[allow(clippy::cast_possible_truncation)]
            let line = &lines[(address & mask) as usize];
            for (register, bytes) in registers.iter_mut().zip(line.as_chunks::<8>().0) {
                register[lane] ^= u64::from_le_bytes(*bytes);
            }
        }
        addresses = registers[program.address_register];
    }
    for (lane, out) in out.iter_mut().enumerate().take(N) {
        *out = registers.map(|register| register[lane]);
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::config::{self, RX_0};

    /// A filled cache of this key.
    pub(crate) fn cache(key: &[u8]) -> Cache {
        let mut cache = Cache::allocate(&RX_0, Pages::Normal).unwrap();
        cache.init(key);
        cache
    }

    #[test]
    fn every_cache_has_a_power_of_two_of_lines() {
        for config in config::ALL {
            assert!(config.cache_bytes().is_power_of_two(), "{}", config.name);
        }
    }

    /// What the reference implementation's own tests expect.
    #[test]
    fn published_items() {
        let cache = cache(b"test key 000");
        let items = [
            (0, 0x6805_88a8_5ae2_22db),
            (10_000_000, 0x7943_a1f6_186f_fb72),
            (20_000_000, 0x9035_244d_7180_95e1),
            (30_000_000, 0x145a_5091_f785_3099),
        ];
        for (index, expected) in items {
            assert_eq!(cache.item(index)[0], expected, "item {index}");
        }
        // More than are made together, and some left over.
        let indices: Vec<u64> = (0..LANES as u64 + 3).map(|at| at * 1_000_003).collect();
        let mut out = vec![[0; ITEM_WORDS]; indices.len()];
        cache.items(&indices, &mut out);
        for (&index, item) in indices.iter().zip(&out) {
            assert_eq!(cache.item(index), *item, "item {index}");
        }
    }
}
