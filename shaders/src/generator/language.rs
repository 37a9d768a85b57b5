//! Where WGSL and CUDA C differ. Expressions they mostly share.

use super::word::Word;

/// The language that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// What all devices are programmed in.
    Wgsl,
    /// The yardstick for WGSL on NVIDIA's cards, made of the same operations.
    Cuda,
}

const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl Language {
    pub(super) fn literal<W: Word>(self, value: W) -> String {
        match (self, W::BITS) {
            (_, 32) => format!("{value:#x}u"),
            (Self::Wgsl, _) => format!("{value:#x}lu"),
            (Self::Cuda, _) => format!("{value:#x}ull"),
        }
    }

    /// What the declaration of a value begins with that stays.
    pub(crate) fn constant(self, bits: u32) -> &'static str {
        match (self, bits) {
            (Self::Wgsl, _) => "let",
            (Self::Cuda, 32) => "const unsigned",
            (Self::Cuda, _) => "const unsigned long long",
        }
    }

    /// What the declaration of a value begins with that changes.
    pub(crate) fn variable(self, bits: u32) -> &'static str {
        match (self, bits) {
            (Self::Wgsl, _) => "var",
            (Self::Cuda, 32) => "unsigned",
            (Self::Cuda, _) => "unsigned long long",
        }
    }

    /// The head of a loop of a fixed number of turns, up to the opening brace; `name` counts them from zero.
    pub(crate) fn turns(self, name: &str, turns: u32, indent: &str) -> String {
        match self {
            Self::Wgsl => format!("{indent}for (var {name} = 0u; {name} < {turns}u; {name}++) {{\n"),
            Self::Cuda => format!(
                "#pragma unroll 1\n{indent}for (unsigned {name} = 0; {name} < {turns}u; {name}++) {{\n"
            ),
        }
    }

    /// A word of the job's buffer.
    pub(crate) fn job_word(self, word: usize) -> String {
        match self {
            Self::Wgsl => format!("job[{}].{}", word / 4, COMPONENTS[word % 4]),
            Self::Cuda => format!("job[{word}]"),
        }
    }

    /// Four words of the job's buffer under a name whose parts are `.x` to `.w`; `place` counts in fours.
    pub(crate) fn job_vec4(self, name: &str, place: &str) -> String {
        match self {
            Self::Wgsl => format!("let {name} = job[{place}];"),
            Self::Cuda => format!("const uint4 {name} = reinterpret_cast<const uint4 *>(job)[{place}];"),
        }
    }

    /// The high word of the nonce, where the kernel counts one of 64 bits.
    pub(crate) fn nonce_high(self) -> &'static str {
        match self {
            Self::Wgsl => "parameters.first_nonce_high + select(0u, 1u, nonce < parameters.first_nonce)",
            Self::Cuda => "first_nonce_high + (nonce < first_nonce ? 1u : 0u)",
        }
    }

    /// The statement that reports a candidate.
    pub(crate) fn report(self, offset: &str) -> String {
        match self {
            Self::Wgsl => format!("report(index, {offset});"),
            Self::Cuda => format!("report(results, {offset});"),
        }
    }

    /// Sum of the products of four unsigned bytes each, for all pairs.
    pub(crate) fn byte_products(self, pairs: impl Iterator<Item = (String, String)>) -> String {
        match self {
            Self::Wgsl => {
                let products: Vec<String> = pairs.map(|(a, b)| format!("dot4U8Packed({a}, {b})")).collect();
                products.join(" + ")
            }
            Self::Cuda => pairs.fold("0u".to_owned(), |sum, (a, b)| format!("__dp4a({a}, {b}, {sum})")),
        }
    }

    /// 64 bits of two words.
    pub(crate) fn wide(self, low: &str, high: &str) -> String {
        match self {
            Self::Wgsl => format!("(u64({low}) | (u64({high}) << 32u))"),
            Self::Cuda => format!("((unsigned long long){low} | ((unsigned long long){high} << 32))"),
        }
    }

    /// Low and high word of a value of 64 bits.
    pub(crate) fn halves(self, value: &str) -> [String; 2] {
        match self {
            Self::Wgsl => [format!("u32({value})"), format!("u32({value} >> 32u)")],
            Self::Cuda => [format!("(unsigned){value}"), format!("(unsigned)({value} >> 32)")],
        }
    }
}
