//! The algorithms by name.

use thiserror::Error;

use crate::{Backend, Hash, Variant, Work, WorkError};

/// A reference engine could not be made or cannot hash this work.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{0}")]
pub struct Unavailable(pub String);

/// The slow, obvious way to hash: what every fast backend and every share is checked against.
pub trait Reference: Send {
    /// Hash of `work` with `nonce` (whole, fixed bits included) in place, by the version that the work asks for. What
    /// meets a target is the work's [proof](Work::proof) of it.
    ///
    /// # Errors
    /// When memory for the engine is missing or the work lacks what the algorithm needs.
    fn hash(&mut self, work: &Work, nonce: u64) -> Result<Hash, Unavailable>;
}

/// Which kin of coins an algorithm belongs to: how their pools and nodes speak, and how their addresses look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// Bitcoin and what descends from it.
    Bitcoin,
    /// Kaspa and what descends from it.
    Kaspa,
    /// Monero and what descends from it.
    Monero,
}

impl Family {
    /// A share's difficulty as its pools count it, from the hashes that it takes on average.
    pub fn pool_difficulty(self, hashes: f64) -> f64 {
        match self {
            Self::Bitcoin | Self::Kaspa => hashes / HASHES_OF_DIFFICULTY_1,
            Self::Monero => hashes,
        }
    }

    /// Seconds between two blocks, on average, where a new one makes the shares of the one before worthless. `None`
    /// where blocks stand beside each other, as Kaspa's do.
    pub fn block_time_s(self) -> Option<u32> {
        match self {
            Self::Bitcoin => Some(600),
            Self::Kaspa => None,
            Self::Monero => Some(120),
        }
    }
}

/// 2^256 over one more than Bitcoin's target of difficulty 1, `0xffff << 208`.
const HASHES_OF_DIFFICULTY_1: f64 = 4_295_032_833.0;

/// A proof of work that rminer knows.
#[derive(Debug)]
pub struct Algorithm {
    /// Our name for it, as in `--algo`.
    pub name: &'static str,
    /// Other spellings that are taken, lower case.
    pub aliases: &'static [&'static str],
    /// Name in pool messages, first the one that we send.
    pub wire_names: &'static [&'static str],
    /// How pools and nodes of its coins speak.
    pub family: Family,
    /// Coins that use it, for lists and help.
    pub coins: &'static [&'static str],
    /// Test vectors as JSON; the file explains itself in `_comment`.
    pub vectors: &'static str,
    /// Makes a reference engine. It allocates at the first hash, not before.
    pub reference: fn() -> Result<Box<dyn Reference>, Unavailable>,
    /// Work of nobody's, another piece for each number: what benchmarks and self-tests hash.
    pub sample: fn(number: u64) -> Result<Work, WorkError>,
    /// What somebody should know who pays for the electricity; told once at start.
    pub caution: Option<&'static str>,
    /// CPU kernels, best first; empty where the engine needs memory of its own (RandomX).
    pub kernels: &'static [Backend],
    /// What hashes it. A device that was opened for an algorithm takes work of every other one with this name.
    pub engine: &'static str,
    /// Which of the engine's versions it is; its work says the same.
    pub variant: Variant,
}

impl Algorithm {
    /// The other registered algorithms of its engine: work of them may come in between.
    pub fn siblings(&self) -> Vec<&'static Self> {
        ALGORITHMS.iter().copied().filter(|other| other.engine == self.engine && *other != self).collect()
    }

    /// Whether pools mean it by `name`.
    pub fn is_called(&self, name: &str) -> bool {
        self.wire_names.iter().any(|known| known.eq_ignore_ascii_case(name.trim()))
    }

    /// The name that pools are told.
    pub fn wire_name(&self) -> &'static str {
        self.wire_names.first().copied().unwrap_or(self.name)
    }
}

impl PartialEq for Algorithm {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Algorithm {}

/// RandomX of this version.
pub fn randomx(variant: Variant) -> &'static Algorithm {
    match variant {
        Variant::V1 => &RANDOMX,
        Variant::V2 => &RANDOMX_V2,
    }
}

/// RandomX as Monero uses it (`rx/0`).
pub const RANDOMX: Algorithm = Algorithm {
    name: "randomx",
    aliases: &["rx", "rx/0", "randomx/0", "rx0", "random-x", "monero", "xmr"],
    wire_names: &["rx/0", "randomx/0", "randomx", "rx"],
    family: Family::Monero,
    coins: &["Monero (XMR)", "Zephyr (ZEPH)", "Townforge (TF)"],
    vectors: include_str!("../vectors/randomx.json"),
    reference: randomx_reference,
    sample: crate::sample::randomx,
    caution: None,
    kernels: &[],
    engine: "randomx",
    variant: Variant::V1,
};

/// RandomX version 2 (`rx/2`), which Monero's next hard fork is to bring.
pub const RANDOMX_V2: Algorithm = Algorithm {
    name: "randomx-v2",
    aliases: &["rx/2", "rx/v2", "randomx/v2", "randomx/2", "randomx2", "rx2"],
    wire_names: &["rx/2", "rx/v2", "randomx/v2"],
    coins: &["Monero (XMR) after its next hard fork"],
    vectors: include_str!("../vectors/randomx-v2.json"),
    sample: crate::sample::randomx_v2,
    variant: Variant::V2,
    ..RANDOMX
};

/// SHA-256d as Bitcoin uses it.
pub const SHA256D: Algorithm = Algorithm {
    name: "sha256d",
    aliases: &["sha-256d", "sha256", "sha-256", "sha256asicboost", "bitcoin", "btc", "bch", "bsv"],
    wire_names: &["sha256d", "sha256"],
    family: Family::Bitcoin,
    coins: &["Bitcoin (BTC)", "Bitcoin Cash (BCH)", "Bitcoin SV (BSV)", "DigiByte (DGB)"],
    vectors: include_str!("../vectors/sha256d.json"),
    reference: || Ok(Box::new(crate::sha256d::ScalarReference)),
    sample: crate::sample::header,
    caution: Some(
        "SHA-256d is mined by ASICs, which do thousands of times more hashes for the same electricity than any GPU \
         or CPU: this costs more than it earns",
    ),
    kernels: crate::sha256d::KERNELS,
    engine: "sha256d",
    variant: Variant::V1,
};

/// kHeavyHash as Kaspa uses it.
pub const KHEAVYHASH: Algorithm = Algorithm {
    name: "kheavyhash",
    aliases: &["kheavy", "kheavy-hash", "heavyhash", "kaspa", "kas"],
    wire_names: &["kheavyhash"],
    family: Family::Kaspa,
    coins: &["Kaspa (KAS)"],
    vectors: include_str!("../vectors/kheavyhash.json"),
    reference: || Ok(Box::new(crate::kheavyhash::CachedReference::default())),
    sample: crate::sample::kaspa_block,
    caution: Some(
        "kHeavyHash is mined by ASICs, which do thousands of times more hashes for the same electricity than any GPU \
         or CPU: this costs more than it earns",
    ),
    kernels: crate::kheavyhash::KERNELS,
    engine: "kheavyhash",
    variant: Variant::V1,
};

/// Every algorithm, in the order of lists.
pub const ALGORITHMS: &[&Algorithm] = &[&SHA256D, &KHEAVYHASH, &RANDOMX, &RANDOMX_V2];

/// The algorithm that a user means by `name`; letter case and surrounding spaces do not matter.
pub fn find(name: &str) -> Option<&'static Algorithm> {
    let name = name.trim().to_ascii_lowercase();
    ALGORITHMS
        .iter()
        .copied()
        .find(|algorithm| algorithm.name == name || algorithm.aliases.contains(&name.as_str()))
}

/// The algorithm that a pool means by `name`.
pub fn find_wire(name: &str) -> Option<&'static Algorithm> {
    ALGORITHMS.iter().copied().find(|algorithm| algorithm.is_called(name))
}

#[cfg(feature = "randomx")]
fn randomx_reference() -> Result<Box<dyn Reference>, Unavailable> {
    Ok(Box::new(crate::randomx::LightReference::default()))
}

#[cfg(not(feature = "randomx"))]
fn randomx_reference() -> Result<Box<dyn Reference>, Unavailable> {
    Err(Unavailable("built without the feature `randomx`".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_count_in_their_own_unit() {
        for difficulty in ["1", "512", "0.001"] {
            let target = crate::Target::from_bitcoin_difficulty(difficulty).unwrap();
            let shown = Family::Bitcoin.pool_difficulty(target.difficulty());
            assert!((shown / difficulty.parse::<f64>().unwrap() - 1.0).abs() < 1e-9, "{difficulty}: {shown}");
        }
        assert_eq!(Family::Monero.pool_difficulty(480_045.0), 480_045.0);
    }

    #[test]
    fn siblings_share_an_engine_and_differ_in_version() {
        assert_eq!(RANDOMX.siblings(), [&RANDOMX_V2]);
        assert_eq!(RANDOMX_V2.siblings(), [&RANDOMX]);
        assert!(SHA256D.siblings().is_empty() && KHEAVYHASH.siblings().is_empty());
        for algorithm in ALGORITHMS {
            assert_eq!((algorithm.sample)(1).unwrap().variant(), algorithm.variant, "{}", algorithm.name);
            let siblings = algorithm.siblings();
            assert!(siblings.iter().all(|other| other.variant != algorithm.variant), "{}", algorithm.name);
        }
    }

    #[test]
    fn names_are_unique_and_found() {
        for algorithm in ALGORITHMS {
            for name in algorithm.aliases.iter().chain([&algorithm.name]) {
                assert_eq!(find(&format!(" {} ", name.to_uppercase())), Some(*algorithm), "{name}");
                let owners =
                    ALGORITHMS.iter().filter(|a| a.name == *name || a.aliases.contains(name)).count();
                assert_eq!(owners, 1, "{name}");
            }
            for name in algorithm.wire_names {
                assert_eq!(find_wire(name), Some(*algorithm));
            }
            assert!(algorithm.vectors.contains("_comment"));
        }
        assert_eq!(find("nosuch"), None);
        assert_eq!(find_wire("rx/3"), None, "hashing another variant gets an address banned");
    }
}
