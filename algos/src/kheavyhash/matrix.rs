//! The matrix of a block: 64 rows of 64 numbers below 16, drawn from its hash until the rank is full.

/// Rows, and columns, of a matrix.
pub const SIDE: usize = 64;
/// A pivot below this is nothing: the rank that blocks are judged by is one of floating-point numbers.
const NOTHING: f64 = 1e-9;
/// Matrices that are drawn at most. One is singular less than once in 2^100 times, except for a generator that
/// draws nothing but zeros.
const MAX_DRAWS: u32 = 100;

/// A matrix of full rank.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matrix(Box<[[u8; SIDE]; SIDE]>);

impl Matrix {
    /// The matrix of a block with this hash (of its header without time and nonce); `None` where the hash is all
    /// zeros, from which no matrix of full rank comes.
    pub fn new(pre_pow_hash: &[u8; 32]) -> Option<Self> {
        let mut random = Xoshiro256PlusPlus::new(pre_pow_hash);
        let mut matrix = Self(Box::new([[0; SIDE]; SIDE]));
        (0..MAX_DRAWS).find_map(|_| {
            matrix.draw(&mut random);
            (rank(&matrix.0) == SIDE).then_some(())
        })?;
        Some(matrix)
    }

    /// The numbers, row by row, each below 16.
    pub fn rows(&self) -> &[[u8; SIDE]; SIDE] {
        &self.0
    }

    /// The hash with the product of the matrix and its own half bytes, high ones first, laid over it.
    pub fn apply(&self, hash: &[u8; 32]) -> [u8; 32] {
        let mut vector = [0u8; SIDE];
        for (pair, byte) in vector.chunks_exact_mut(2).zip(hash) {
            pair.copy_from_slice(&[byte >> 4, byte & 0x0f]);
        }
        // At most 64 * 15 * 15, of which four bits are left.
        let product = |row: &[u8; SIDE]| {
            let sum: u16 = row.iter().zip(&vector).map(|(a, b)| u16::from(*a) * u16::from(*b)).sum();
            (sum >> 10).to_le_bytes()[0]
        };
        let mut out = *hash;
        for (byte, rows) in out.iter_mut().zip(self.0.chunks_exact(2)) {
            *byte ^= product(&rows[0]) << 4 | product(&rows[1]);
        }
        out
    }

    /// Each draw gives sixteen numbers, from the lowest half byte on.
    fn draw(&mut self, random: &mut Xoshiro256PlusPlus) {
        for numbers in self.0.iter_mut().flat_map(|row| row.chunks_exact_mut(16)) {
            let draw = random.next();
            for (index, number) in numbers.iter_mut().enumerate() {
                *number = (draw >> (4 * index)).to_le_bytes()[0] & 0x0f;
            }
        }
    }
}

/// Column of a byte of a group of four, where the half bytes of a hash lie as [`crate::kheavyhash`]'s vector kernels have
/// them: the high halves of lane 0, its low halves, and so on; two groups in each.
#[cfg(target_arch = "x86_64")]
pub(super) fn grouped_column(group: usize, byte: usize) -> usize {
    let (lane, low, half) = (group / 4, group / 2 % 2, group % 2);
    2 * (8 * lane + 4 * half + byte) + low
}

/// Rank by elimination: for each column the first row that is not used yet and has something there.
fn rank(matrix: &[[u8; SIDE]; SIDE]) -> usize {
    let mut rows = matrix.map(|row| row.map(f64::from));
    let mut used = [false; SIDE];
    let mut rank = 0;
    for column in 0..SIDE {
        let Some(pivot) = (0..SIDE).find(|row| !used[*row] && rows[*row][column].abs() > NOTHING) else {
            continue;
        };
        used[pivot] = true;
        rank += 1;
        let mut pivot_row = rows[pivot];
        let divisor = pivot_row[column];
        for number in &mut pivot_row[column + 1..] {
            *number /= divisor;
        }
        rows[pivot] = pivot_row;
        // Rows that were used already would be changed as well, but nothing looks at them any more.
        for (row, _) in rows.iter_mut().zip(used).filter(|(_, used)| !used) {
            let factor = row[column];
            if factor.abs() > NOTHING {
                for (number, above) in row[column + 1..].iter_mut().zip(&pivot_row[column + 1..]) {
                    *number -= above * factor;
                }
            }
        }
    }
    rank
}

/// The generator of Blackman and Vigna, 2019.
struct Xoshiro256PlusPlus([u64; 4]);

impl Xoshiro256PlusPlus {
    fn new(seed: &[u8; 32]) -> Self {
        let mut state = [0; 4];
        for (word, bytes) in state.iter_mut().zip(seed.chunks_exact(8)) {
            *word = bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte));
        }
        Self(state)
    }

    fn next(&mut self) -> u64 {
        let [a, b, c, d] = &mut self.0;
        let drawn = a.wrapping_add(*d).rotate_left(23).wrapping_add(*a);
        let shifted = *b << 17;
        *c ^= *a;
        *d ^= *b;
        *b ^= *c;
        *a ^= *d;
        *c ^= shifted;
        *d = d.rotate_left(45);
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rank_counts_independent_rows() {
        let mut matrix = [[0; SIDE]; SIDE];
        assert_eq!(rank(&matrix), 0);
        for (index, row) in matrix.iter_mut().enumerate() {
            row[index] = 3;
            row[SIDE - 1] = 1;
        }
        assert_eq!(rank(&matrix), SIDE);
        matrix[7] = matrix[9];
        assert_eq!(rank(&matrix), SIDE - 1);
        matrix[1] = [0; SIDE];
        assert_eq!(rank(&matrix), SIDE - 2);
    }

    /// The file of vectors has a matrix, what goes through it, and what comes out of the sponge behind it.
    #[test]
    fn the_published_product_comes_out() {
        #[derive(serde::Deserialize)]
        struct File {
            products: Vec<Product>,
        }
        #[derive(serde::Deserialize)]
        struct Product {
            rows: Vec<String>,
            input: String,
            hash: String,
        }
        let file: File = serde_json::from_str(crate::registry::KHEAVYHASH.vectors).unwrap();
        assert!(!file.products.is_empty());
        for product in file.products {
            let mut matrix = Matrix(Box::new([[0; SIDE]; SIDE]));
            assert_eq!(product.rows.len(), SIDE);
            for (row, digits) in matrix.0.iter_mut().zip(product.rows) {
                let numbers = digits.chars().map(|digit| digit.to_digit(16).unwrap().to_le_bytes()[0]);
                row.copy_from_slice(&numbers.collect::<Vec<_>>());
            }
            let input = crate::decode_hex_array(&product.input).unwrap();
            let hash = crate::kheavyhash::Sponge::heavy().hash(&matrix.apply(&input));
            assert_eq!(crate::encode_hex(&hash), product.hash);
        }
    }

    #[test]
    fn a_hash_of_zeros_has_no_matrix() {
        assert_eq!(Matrix::new(&[0; 32]), None);
        assert!(Matrix::new(&[1; 32]).is_some());
    }
}
