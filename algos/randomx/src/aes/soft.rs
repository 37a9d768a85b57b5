//! Rounds of AES by tables, for processors without instructions for it, and the measure of the others.

use super::rounds::Column;

/// A column of 16 bytes as four little-endian words, which are the columns of the AES state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Soft([u32; 4]);

impl Column for Soft {
    #[inline(always)]
    fn load(bytes: &[u8; 16]) -> Self {
        let (words, _) = bytes.as_chunks::<4>();
        Self([0, 1, 2, 3].map(|at| u32::from_le_bytes(words[at])))
    }

    #[inline(always)]
    fn store(self, bytes: &mut [u8; 16]) {
        for (bytes, word) in bytes.as_chunks_mut::<4>().0.iter_mut().zip(self.0) {
            *bytes = word.to_le_bytes();
        }
    }

    #[inline(always)]
    fn encrypt(self, key: Self) -> Self {
        // Row r of a column comes from the column r places further on (ShiftRows).
        Self(
            [0, 1, 2, 3]
                .map(|at| mixed(&ENCRYPT, [0, 1, 2, 3].map(|row| self.0[(at + row) % 4])) ^ key.0[at]),
        )
    }

    #[inline(always)]
    fn decrypt(self, key: Self) -> Self {
        Self(
            [0, 1, 2, 3]
                .map(|at| mixed(&DECRYPT, [0, 3, 2, 1].map(|row| self.0[(at + row) % 4])) ^ key.0[at]),
        )
    }
}

/// Byte `r` of word `r` looked up in table `r`, for the four rows.
#[inline(always)]
fn mixed(tables: &[[u32; 256]; 4], words: [u32; 4]) -> u32 {
    let part = |row: usize| tables[row][words[row].to_le_bytes()[row] as usize];
    part(0) ^ part(1) ^ part(2) ^ part(3)
}

/// SubBytes and MixColumns: for each row, what its byte adds to a column.
static ENCRYPT: [[u32; 256]; 4] = tables(&SUBSTITUTION, [2, 1, 1, 3]);

/// Their inverses.
static DECRYPT: [[u32; 256]; 4] = tables(&inverse(&SUBSTITUTION), [14, 9, 13, 11]);

/// The S-box (FIPS 197, 5.1.1): inverse in the field, then an affine transformation.
const SUBSTITUTION: [u8; 256] = substitution();

const fn substitution() -> [u8; 256] {
    let mut table = [0; 256];
    // Powers of the generator 3 and, beside them, those of its inverse 0xf6 meet every pair of inverses.
    let (mut power, mut inverse) = (1u8, 1u8);
    loop {
        let rotated =
            inverse.rotate_left(1) ^ inverse.rotate_left(2) ^ inverse.rotate_left(3) ^ inverse.rotate_left(4);
        table[power as usize] = inverse ^ rotated ^ 0x63;
        power = product(power, 3);
        inverse = product(inverse, 0xf6);
        if power == 1 {
            break;
        }
    }
    table[0] = 0x63;
    table
}

/// Product in the field of AES (FIPS 197, 4.2), modulo x^8 + x^4 + x^3 + x + 1.
const fn product(mut left: u8, mut right: u8) -> u8 {
    let mut sum = 0;
    while right != 0 {
        if right & 1 != 0 {
            sum ^= left;
        }
        left = (left << 1) ^ if left & 0x80 != 0 { 0x1b } else { 0 };
        right >>= 1;
    }
    sum
}

#[allow(clippy::cast_possible_truncation)] // counts to 255
const fn inverse(table: &[u8; 256]) -> [u8; 256] {
    let mut inverse = [0; 256];
    let mut at = 0;
    while at < 256 {
        inverse[table[at] as usize] = at as u8;
        at += 1;
    }
    inverse
}

/// Row 0 by these factors for rows 0 to 3 of the result; the other rows are turned copies.
const fn tables(substitution: &[u8; 256], factors: [u8; 4]) -> [[u32; 256]; 4] {
    let mut tables = [[0; 256]; 4];
    let mut at = 0;
    while at < 256 {
        let value = substitution[at];
        let word = u32::from_le_bytes([
            product(value, factors[0]),
            product(value, factors[1]),
            product(value, factors[2]),
            product(value, factors[3]),
        ]);
        let (mut row, mut rotation) = (0, 0);
        while row < 4 {
            tables[row][at] = word.rotate_left(rotation);
            row += 1;
            rotation += 8;
        }
        at += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn substitutions_of_the_standard() {
        // FIPS 197, figure 7: the example {53} -> {ed}, and the corners of the table.
        let pairs = [(0x53, 0xed), (0x00, 0x63), (0x0f, 0x76), (0xf0, 0x8c), (0xff, 0x16)];
        for (value, expected) in pairs {
            assert_eq!(SUBSTITUTION[value], expected, "{value:02x}");
        }
        assert_eq!(product(0x57, 0x83), 0xc1, "FIPS 197, 4.2");
    }
}
