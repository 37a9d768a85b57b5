//! What the kins of RandomX differ in (specs 1.2, and `doc/configuration.md`), as data.

use crate::instruction::Opcode;
use crate::low_word;

/// How the virtual machine is defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Version {
    /// As specified from the start.
    V1,
    /// With AES in the loop, a dataset read prefetched two iterations ahead, and rarer changes of the rounding
    /// mode (`doc/design_v2.md`).
    V2,
}

/// One kin of RandomX. Compared by address or by [`Config::name`]; all that exist are constants of this module.
#[derive(Debug, PartialEq, Eq)]
pub struct Config {
    /// The name that pools use.
    pub name: &'static str,
    /// Definition of the virtual machine.
    pub version: Version,
    /// Argon2d: memory in KiB, one block each (specs 7.1).
    pub argon2_memory_kib: u32,
    /// Argon2d: passes over the memory.
    pub argon2_passes: u32,
    /// Argon2d: lanes.
    pub argon2_lanes: u32,
    /// Argon2d: salt.
    pub argon2_salt: &'static [u8],
    /// Reads of the cache, and superscalar programs, for one dataset item (specs 7.3).
    pub cache_accesses: usize,
    /// Latency that a superscalar program is generated for, in cycles of the model processor (specs 6.3).
    pub superscalar_latency: u32,
    /// Bytes of the dataset that every program can reach; a power of two (specs 7).
    pub dataset_base_bytes: u64,
    /// Bytes behind them, which the offset of a program reaches.
    pub dataset_extra_bytes: u64,
    /// Instructions of a program (specs 4.4).
    pub program_instructions: usize,
    /// Iterations of a program's loop (specs 4.6).
    pub program_iterations: u32,
    /// Programs that follow each other in one hash (specs 2).
    pub program_count: u32,
    /// Bytes of the whole scratchpad; a power of two.
    pub scratchpad_l3_bytes: usize,
    /// Bytes of its second level.
    pub scratchpad_l2_bytes: usize,
    /// Bytes of its first level.
    pub scratchpad_l1_bytes: usize,
    /// Bits of the register that CBRANCH looks at (specs 5.4.2).
    pub jump_bits: u32,
    /// Where the lowest of those bits can be.
    pub jump_offset: u32,
    /// How many of 256 opcodes mean each instruction, in the order of [`Opcode::ALL`].
    pub frequencies: [u8; Opcode::ALL.len()],
    /// Keys of the AES generator of scratchpads and programs are those of specs 3.2 and 3.3, or a coin's own.
    pub generator: Generator,
}

/// Which keys the AES generators of scratchpads and programs use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Generator {
    /// Those of specs 3.3: four keys for two columns, four for the others.
    Specified,
    /// Four keys, used for all columns (RandomWOW).
    FourKeys,
}

impl Config {
    /// Bytes of a cache.
    pub const fn cache_bytes(&self) -> usize {
        self.argon2_memory_kib as usize * 1024
    }

    /// Items of a dataset, 64 bytes each.
    pub const fn dataset_items(&self) -> u64 {
        (self.dataset_base_bytes + self.dataset_extra_bytes) / 64
    }

    /// Bytes of all items.
    pub const fn dataset_bytes(&self) -> u64 {
        self.dataset_items() * 64
    }

    /// Bits of an address in the dataset that choose an item within the base size (specs 4.6.2, steps 6 and 7).
    pub const fn dataset_mask(&self) -> u32 {
        low_word(self.dataset_base_bytes - 1) & !63
    }

    /// Bits of an address of eight bytes in each level of the scratchpad: L1, L2, L3 (specs 4.2).
    pub const fn scratchpad_masks(&self) -> [u32; 3] {
        [
            low_word(self.scratchpad_l1_bytes as u64 - 1) & !7,
            low_word(self.scratchpad_l2_bytes as u64 - 1) & !7,
            low_word(self.scratchpad_l3_bytes as u64 - 1) & !7,
        ]
    }

    /// Bits of an address of 64 bytes in the whole scratchpad (specs 4.2).
    pub const fn scratchpad_line_mask(&self) -> u32 {
        low_word(self.scratchpad_l3_bytes as u64 - 1) & !63
    }

    /// Bytes of the generator that make one program and its settings (specs 4.5).
    pub const fn program_bytes(&self) -> usize {
        crate::program::ENTROPY_BYTES + 8 * self.program_instructions
    }

    /// Whether one cache and dataset serves both. So it is with versions 1 and 2.
    pub fn shares_dataset_with(&self, other: &Self) -> bool {
        let memory = |config: &Self| {
            (
                (config.argon2_memory_kib, config.argon2_passes, config.argon2_lanes, config.argon2_salt),
                (config.cache_accesses, config.superscalar_latency),
                (config.dataset_base_bytes, config.dataset_extra_bytes),
            )
        };
        memory(self) == memory(other)
    }

    /// What each of the 256 opcodes means. Opcodes follow each other in the order of [`Opcode::ALL`].
    pub const fn opcodes(&self) -> [Opcode; 256] {
        let mut table = [Opcode::Nop; 256];
        let (mut at, mut kind) = (0, 0);
        while kind < Opcode::ALL.len() {
            let mut count = 0;
            while count < self.frequencies[kind] && at < 256 {
                table[at] = Opcode::ALL[kind];
                at += 1;
                count += 1;
            }
            kind += 1;
        }
        table
    }
}

/// Monero and others: RandomX as specified.
pub static RX_0: Config = Config {
    name: "rx/0",
    version: Version::V1,
    argon2_memory_kib: 262_144,
    argon2_passes: 3,
    argon2_lanes: 1,
    argon2_salt: b"RandomX\x03",
    cache_accesses: 8,
    superscalar_latency: 170,
    dataset_base_bytes: 2_147_483_648,
    dataset_extra_bytes: 33_554_368,
    program_instructions: 256,
    program_iterations: 2048,
    program_count: 8,
    scratchpad_l3_bytes: 2_097_152,
    scratchpad_l2_bytes: 262_144,
    scratchpad_l1_bytes: 16_384,
    jump_bits: 8,
    jump_offset: 8,
    frequencies: [
        16, 7, 16, 7, 16, 4, 4, 1, 4, 1, 8, 2, 15, 5, 8, 2, 4, 4, 16, 5, 16, 5, 6, 32, 4, 6, 25, 1, 16, 0,
    ],
    generator: Generator::Specified,
};

/// RandomX version 2, over the same dataset.
pub static RX_2: Config =
    Config { name: "rx/2", version: Version::V2, program_instructions: 384, ..clone_of(&RX_0) };

/// Wownero: a smaller scratchpad, twice as many programs of half the iterations, other weights.
pub static RX_WOW: Config = Config {
    name: "rx/wow",
    argon2_salt: b"RandomWOW\x01",
    program_iterations: 1024,
    program_count: 16,
    scratchpad_l3_bytes: 1_048_576,
    scratchpad_l2_bytes: 131_072,
    frequencies: [
        25, 7, 16, 7, 16, 4, 4, 1, 4, 1, 8, 2, 15, 5, 10, 0, 4, 8, 20, 5, 20, 5, 6, 20, 4, 6, 16, 1, 16, 0,
    ],
    generator: Generator::FourKeys,
    ..clone_of(&RX_0)
};

/// ArQmA: a scratchpad of 256 KiB, four programs of half the iterations, one pass of Argon2.
pub static RX_ARQ: Config = Config {
    name: "rx/arq",
    argon2_passes: 1,
    argon2_salt: b"RandomARQ\x01",
    program_iterations: 1024,
    program_count: 4,
    scratchpad_l3_bytes: 262_144,
    scratchpad_l2_bytes: 131_072,
    ..clone_of(&RX_0)
};

/// Graft: two lanes of Argon2, longer programs.
pub static RX_GRAFT: Config = Config {
    name: "rx/graft",
    argon2_lanes: 2,
    argon2_salt: b"RandomX-Graft\x01",
    program_instructions: 280,
    frequencies: [
        16, 7, 16, 7, 16, 4, 4, 1, 4, 1, 8, 2, 15, 5, 7, 3, 4, 4, 16, 5, 16, 5, 6, 32, 4, 6, 25, 1, 16, 0,
    ],
    ..clone_of(&RX_0)
};

/// Safex: a salt of its own.
pub static RX_SFX: Config = Config { name: "rx/sfx", argon2_salt: b"RandomSFX\x01", ..clone_of(&RX_0) };

/// YadaCoin: shorter superscalar programs, four passes of Argon2.
pub static RX_YADA: Config = Config {
    name: "rx/yada",
    argon2_passes: 4,
    argon2_salt: b"RandomXYadaCoin\x03",
    superscalar_latency: 150,
    ..clone_of(&RX_0)
};

/// A copy to change some fields of.
pub(crate) const fn clone_of(config: &Config) -> Config {
    Config { ..*config }
}

/// All that are known, the specified one first.
pub static ALL: [&Config; 7] = [&RX_0, &RX_2, &RX_WOW, &RX_ARQ, &RX_GRAFT, &RX_SFX, &RX_YADA];

/// The one of this name.
pub fn by_name(name: &str) -> Option<&'static Config> {
    ALL.iter().find(|config| config.name == name).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_as_specified() {
        assert_eq!(RX_0.cache_bytes(), 268_435_456);
        assert_eq!(RX_0.dataset_items(), 34_078_719);
        assert!(RX_0.shares_dataset_with(&RX_2));
        for config in ALL {
            let sum: u32 = config.frequencies.iter().map(|&frequency| u32::from(frequency)).sum();
            assert_eq!(sum, 256, "{}", config.name);
            assert_eq!(by_name(config.name), Some(config));
            let same = ["rx/0", "rx/2"].contains(&config.name);
            assert_eq!(config.shares_dataset_with(&RX_0), same, "{}", config.name);
        }
    }

    #[test]
    fn opcodes_follow_each_other() {
        let table = RX_0.opcodes();
        assert_eq!(table[0], Opcode::IaddRs);
        assert_eq!(table[15], Opcode::IaddRs);
        assert_eq!(table[16], Opcode::IaddM);
        assert_eq!(table[239], Opcode::Cfround);
        assert_eq!(table[255], Opcode::Istore);
    }
}
