//! The matrix: how it lies in the job's buffer, and the text of its product with a vector of half bytes.
//!
//! A row's sum is scaled by 4 on the host, so that the half byte that is wanted stands in its bits 12 to 15; it stays
//! below 2^16.

use std::fmt::Write;

use rminer_algos::kheavyhash::{Matrix, SIDE};

use crate::generator::Language;

/// How the product is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// Four numbers at once by the packed dot product, where there is an instruction for it. Columns are ordered so
    /// that the vector is what two masks leave of the hash's words: four high half bytes, and four low ones.
    Dots,
    /// Two rows at once, in the halves of a word, by ordinary multiplication.
    RowPairs,
}

/// How much of the product stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Rows {
    /// Two rows, in a loop in a loop.
    Two,
    /// Eight rows, which make one word, in a loop.
    Eight,
    /// All rows.
    All,
}

const SCALE: u8 = 4;
/// Words of the digest.
const WORDS: usize = 8;

impl Product {
    /// The matrix as words, a multiple of four.
    pub(super) fn words(self, matrix: &Matrix) -> Vec<u32> {
        match self {
            Self::Dots => {
                let rows = matrix.rows().iter();
                let columns = (0..SIDE).step_by(8).flat_map(|first| [first, first + 1]);
                rows.flat_map(|row| {
                    let word =
                        |first| u32::from_le_bytes([0, 2, 4, 6].map(|column| SCALE * row[first + column]));
                    columns.clone().map(word)
                })
                .collect()
            }
            Self::RowPairs => {
                let pairs = matrix.rows().chunks_exact(2);
                let word = |(high, low): (&u8, &u8)| u32::from(SCALE * high) << 16 | u32::from(SCALE * low);
                pairs.flat_map(|pair| pair[0].iter().zip(&pair[1]).map(word)).collect()
            }
        }
    }

    /// Groups of four words for two rows.
    fn vec4s_of_two_rows(self) -> usize {
        match self {
            Self::Dots => 8,
            Self::RowPairs => 16,
        }
    }

    /// Groups of four words in all.
    pub(super) fn vec4s(self) -> usize {
        self.vec4s_of_two_rows() * SIDE / 2
    }

    /// Text that takes the digest's words, called `h0` to `h7`, and leaves the words `x0` to `x7`: the digest with the
    /// product laid over it. The matrix lies in the job's buffer from the group of four words `place` on.
    pub(super) fn text(self, language: Language, rows: Rows, place: usize, indent: &str) -> String {
        let mut text = self.vector(language, indent);
        let two_rows = self.vec4s_of_two_rows();
        let (fixed, changing) = (language.constant(u32::BITS), language.variable(u32::BITS));
        let byte = |text: &mut String, prefix: &str, start: &str, indent: &str| {
            *text += &self.two_rows(language, prefix, start, indent);
        };
        if rows == Rows::All {
            for word in 0..WORDS {
                let mut sum = format!("h{word}");
                for part in 0..4 {
                    let number = 4 * word + part;
                    let prefix = format!("r{number}");
                    byte(&mut text, &prefix, &format!("{}u", place + number * two_rows), indent);
                    let _infallible = write!(sum, " ^ ({prefix} << {}u)", 8 * part);
                }
                text += &format!("{indent}{fixed} x{word} = {sum};\n");
            }
            return text;
        }
        for word in 0..WORDS {
            text += &format!("{indent}{changing} x{word} = h{word};\n");
        }
        text += &language.turns("word", 8, indent);
        let inner = format!("{indent}    ");
        let bytes = if rows == Rows::Two {
            let start = format!("{place}u + word * {}u + part * {two_rows}u", 4 * two_rows);
            text += &format!("{inner}{changing} bytes = 0u;\n");
            text += &language.turns("part", 4, &inner);
            byte(&mut text, "r", &start, &format!("{inner}    "));
            text += &format!("{inner}    bytes = (bytes >> 8u) | (r << 24u);\n{inner}}}\n");
            "bytes".to_owned()
        } else {
            for part in 0..4 {
                let start = format!("{}u + word * {}u", place + part * two_rows, 4 * two_rows);
                byte(&mut text, &format!("r{part}_"), &start, &inner);
            }
            "r0_ | (r1_ << 8u) | (r2_ << 16u) | (r3_ << 24u)".to_owned()
        };
        // The words go round, so that none is found by a number that is computed: that would cost memory.
        text += &format!("{inner}{fixed} next = x0 ^ ({bytes});\n");
        for word in 1..WORDS {
            text += &format!("{inner}x{} = x{word};\n", word - 1);
        }
        text += &format!("{inner}x{} = next;\n{indent}}}\n", WORDS - 1);
        text
    }

    /// The vector as `v0`, `v1`, ...
    fn vector(self, language: Language, indent: &str) -> String {
        let fixed = language.constant(u32::BITS);
        let mut text = String::new();
        match self {
            Self::Dots => {
                for word in 0..WORDS {
                    let (high, low) = (2 * word, 2 * word + 1);
                    text += &format!("{indent}{fixed} v{high} = (h{word} >> 4u) & 0x0f0f0f0fu;\n");
                    text += &format!("{indent}{fixed} v{low} = h{word} & 0x0f0f0f0fu;\n");
                }
            }
            Self::RowPairs => {
                for number in 0..SIDE {
                    // The high half of a byte comes first.
                    let (word, shift) = (number / 8, 8 * (number / 2 % 4) + 4 * (1 - number % 2));
                    text += &format!("{indent}{fixed} v{number} = (h{word} >> {shift}u) & 15u;\n");
                }
            }
        }
        text
    }

    /// The byte that two rows make, under the name `prefix`; `start` is where they lie.
    fn two_rows(self, language: Language, prefix: &str, start: &str, indent: &str) -> String {
        let fixed = language.constant(u32::BITS);
        let mut text = String::new();
        for vec4 in 0..self.vec4s_of_two_rows() {
            let load = language.job_vec4(&format!("{prefix}m{vec4}"), &format!("{start} + {vec4}u"));
            text += &format!("{indent}{load}\n");
        }
        let pairs = |first: usize, count: usize| {
            (0..count).map(move |i| {
                let word = format!("{prefix}m{}.{}", (first + i) / 4, ["x", "y", "z", "w"][i % 4]);
                (word, format!("v{i}"))
            })
        };
        match self {
            Self::Dots => {
                let [high, low] = [0, 16].map(|first| language.byte_products(pairs(first, 16)));
                text += &format!("{indent}{fixed} {prefix}high = {high};\n");
                text += &format!("{indent}{fixed} {prefix}low = {low};\n");
                text += &format!(
                    "{indent}{fixed} {prefix} = (({prefix}high >> 8u) & 0xf0u) | ({prefix}low >> 12u);\n"
                );
            }
            Self::RowPairs => {
                let products: Vec<String> = pairs(0, SIDE).map(|(a, b)| format!("{a} * {b}")).collect();
                text += &format!("{indent}{fixed} {prefix}both = {};\n", products.join(" + "));
                text += &format!(
                    "{indent}{fixed} {prefix} = (({prefix}both >> 24u) & 0xf0u) | (({prefix}both >> 12u) & 15u);\n"
                );
            }
        }
        text
    }
}
