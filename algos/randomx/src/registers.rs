//! The register file of the virtual machine (specs 4.3), laid out as it is hashed at the end (specs 2).

/// Register file: 256 bytes, little-endian, in the order of the specification.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[repr(C, align(64))]
pub struct Registers {
    /// Integer registers.
    pub r: [u64; 8],
    /// Additive floating-point registers, two numbers each.
    pub f: [[f64; 2]; 4],
    /// Multiplicative floating-point registers.
    pub e: [[f64; 2]; 4],
    /// Read-only floating-point registers.
    pub a: [[f64; 2]; 4],
}

impl Registers {
    /// The bytes that are hashed.
    pub fn to_bytes(&self) -> [u8; 256] {
        let floats = [&self.f, &self.e, &self.a];
        let floats = floats.into_iter().flatten().flatten().map(|number| number.to_bits());
        let mut bytes = [0; 256];
        let words = self.r.iter().copied().chain(floats);
        for (bytes, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(words) {
            *bytes = word.to_le_bytes();
        }
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_is_the_specified_one() {
        assert_eq!(size_of::<Registers>(), 256);
        let registers =
            Registers { a: [[0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0.0, 1.0]], ..Registers::default() };
        assert_eq!(registers.to_bytes()[248..], 1.0f64.to_le_bytes());
    }
}
