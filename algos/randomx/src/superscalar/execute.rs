//! Programs on any processor.

use super::{Instruction, Kind, Program};

/// Runs a program on the registers of one item.
pub fn execute(program: &Program, registers: &mut [u64; 8]) {
    let mut lanes = registers.map(|register| [register]);
    execute_lanes(program, &mut lanes);
    *registers = lanes.map(|[register]| register);
}

/// Runs a program on `N` items at once: `registers[r][item]`. The choice of what to do is made once for all of them.
pub fn execute_lanes<const N: usize>(program: &Program, registers: &mut [[u64; N]; 8]) {
    for instruction in &program.instructions {
        step(*instruction, registers);
    }
}

#[inline(always)]
fn step<const N: usize>(instruction: Instruction, registers: &mut [[u64; N]; 8]) {
    let Instruction { kind, dst, src, imm32, constant, .. } = instruction;
    let source = registers[usize::from(src) & 7];
    let destination = &mut registers[usize::from(dst) & 7];
    let shift = instruction.shift();
    match kind {
        Kind::IsubR => map(destination, &source, |dst, src| dst.wrapping_sub(src)),
        Kind::IxorR => map(destination, &source, |dst, src| dst ^ src),
        Kind::IaddRs => map(destination, &source, |dst, src| dst.wrapping_add(src << shift)),
        Kind::ImulR => map(destination, &source, u64::wrapping_mul),
        Kind::ImulhR => map(destination, &source, high_product),
        Kind::IsmulhR => map(destination, &source, signed_high_product),
        Kind::IrorC => map(destination, &source, |dst, _| dst.rotate_right(imm32)),
        Kind::IaddC7 | Kind::IaddC8 | Kind::IaddC9 => {
            map(destination, &source, |dst, _| dst.wrapping_add(constant));
        }
        Kind::IxorC7 | Kind::IxorC8 | Kind::IxorC9 => map(destination, &source, |dst, _| dst ^ constant),
        Kind::ImulRcp => map(destination, &source, |dst, _| dst.wrapping_mul(constant)),
    }
}

#[inline(always)]
fn map<const N: usize>(dst: &mut [u64; N], src: &[u64; N], operation: impl Fn(u64, u64) -> u64) {
    for (dst, &src) in dst.iter_mut().zip(src) {
        *dst = operation(*dst, src);
    }
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
fn high_product(left: u64, right: u64) -> u64 {
    ((u128::from(left) * u128::from(right)) >> 64) as u64
}

#[inline(always)]
#[allow(clippy::cast_possible_truncation)]
fn signed_high_product(left: u64, right: u64) -> u64 {
    ((i128::from(left.cast_signed()) * i128::from(right.cast_signed())) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::blake::Blake2Generator;
    use crate::config::RX_0;
    use crate::superscalar::generate;

    #[test]
    fn high_products() {
        assert_eq!(high_product(u64::MAX, u64::MAX), u64::MAX - 1);
        assert_eq!(signed_high_product(u64::MAX, u64::MAX), 0);
        assert_eq!(signed_high_product(1 << 63, 1 << 63), 1 << 62);
        assert_eq!(signed_high_product(u64::MAX, 5), u64::MAX);
    }

    #[test]
    fn lanes_do_not_meet() {
        let program = generate(&RX_0, &mut Blake2Generator::new(b"lanes"));
        let mut lanes: [[u64; 5]; 8] = std::array::from_fn(|register| {
            std::array::from_fn(|lane| (register as u64 * 5 + lane as u64 + 1).wrapping_mul(u64::MAX / 97))
        });
        let single: Vec<[u64; 8]> = (0..5)
            .map(|lane| {
                let mut registers = lanes.map(|register| register[lane]);
                execute(&program, &mut registers);
                registers
            })
            .collect();
        execute_lanes(&program, &mut lanes);
        for (lane, registers) in single.iter().enumerate() {
            assert_eq!(lanes.map(|register| register[lane]), *registers);
        }
    }
}
