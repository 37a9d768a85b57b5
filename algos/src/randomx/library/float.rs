//! The floating-point environment: programs of RandomX change it, Rust assumes the default one.
#![allow(unsafe_code)]

use std::arch::asm;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64", target_arch = "riscv64")))]
compile_error!("the floating-point control register of this architecture is not known here");

#[cfg(target_arch = "x86_64")]
type Register = u32;
#[cfg(not(target_arch = "x86_64"))]
type Register = u64;

/// Remembers the control register and puts it back when dropped.
pub(super) struct FloatGuard(Register);

impl FloatGuard {
    pub(super) fn new() -> Self {
        Self(read())
    }
}

impl Drop for FloatGuard {
    fn drop(&mut self) {
        write(self.0);
    }
}

#[cfg(target_arch = "x86_64")]
fn read() -> Register {
    let mut value = 0;
    // SAFETY: stores MXCSR into a local of the right size.
    unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "x86_64")]
fn write(value: Register) {
    // SAFETY: loads MXCSR with a value that was read from it, so no reserved bit is set.
    unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, preserves_flags, readonly)) };
}

#[cfg(target_arch = "aarch64")]
fn read() -> Register {
    let value;
    // SAFETY: reads FPCR, which every thread may.
    unsafe { asm!("mrs {}, fpcr", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "aarch64")]
fn write(value: Register) {
    // SAFETY: writes a value that was read from FPCR.
    unsafe { asm!("msr fpcr, {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

#[cfg(target_arch = "riscv64")]
fn read() -> Register {
    let value;
    // SAFETY: reads the rounding mode, which every thread may.
    unsafe { asm!("frrm {}", out(reg) value, options(nomem, nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "riscv64")]
fn write(value: Register) {
    // SAFETY: writes a rounding mode that was read before.
    unsafe { asm!("fsrm {}", in(reg) value, options(nomem, nostack, preserves_flags)) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guard_restores_what_was_there() {
        let before = read();
        {
            let _guard = FloatGuard::new();
            #[cfg(target_arch = "x86_64")]
            {
                write(before | 0x6000); // round towards zero
                assert_ne!(read(), before);
            }
        }
        assert_eq!(read(), before);
    }
}
