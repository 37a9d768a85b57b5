//! What this processor and this kernel allow: JIT, AES instructions, Argon2 code.
#![allow(unsafe_code)]

use std::ffi::c_uint;
use std::fmt;

use super::ffi;

/// How an engine computes. Every combination gives the same hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Flags(pub(super) c_uint);

impl Flags {
    /// The fastest that works on this machine.
    ///
    /// The library changes the protection of its code pages without looking at the result, so a kernel that
    /// forbids it would mean a crash at the first hash. That is tried on one page of our own before.
    pub fn detect() -> Self {
        // SAFETY: takes nothing, reads the processor's feature bits.
        let mut bits = unsafe { ffi::randomx_get_flags() };
        if bits & ffi::JIT != 0 {
            match code_pages() {
                CodePages::Both => {}
                CodePages::InTurn => bits |= ffi::SECURE,
                CodePages::Never => bits &= !ffi::JIT,
            }
        }
        Self(bits)
    }

    /// The same without a JIT compiler: the interpreter, the library's second and independent way to hash.
    pub fn interpreted(self) -> Self {
        Self(self.0 & !(ffi::JIT | ffi::SECURE))
    }

    /// Whether programs are compiled to machine code.
    pub fn has_jit(self) -> bool {
        self.0 & ffi::JIT != 0
    }

    /// Whether AES rounds are instructions; without them a hash takes several times as long.
    pub fn has_hard_aes(self) -> bool {
        self.0 & ffi::HARD_AES != 0
    }

    /// The bits that allocating a cache looks at.
    pub(super) fn for_cache(self) -> c_uint {
        // Of the two Argon2 bits at most one may be set.
        let argon2 = match self.0 & (ffi::ARGON2_SSSE3 | ffi::ARGON2_AVX2) {
            0 => 0,
            ffi::ARGON2_SSSE3 => ffi::ARGON2_SSSE3,
            _ => ffi::ARGON2_AVX2,
        };
        self.0 & ffi::JIT | argon2
    }

    /// The bits that creating a machine looks at, less those of its memory.
    pub(super) fn for_vm(self) -> c_uint {
        self.0 & (ffi::JIT | ffi::HARD_AES | ffi::SECURE)
    }
}

impl fmt::Display for Flags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_jit() { "jit" } else { "interpreter" })?;
        if self.0 & ffi::SECURE != 0 {
            f.write_str("+w^x")?;
        }
        f.write_str(if self.has_hard_aes() { "+aes" } else { "+soft-aes" })
    }
}

/// How a page may be writable and executable.
enum CodePages {
    Both,
    InTurn,
    Never,
}

/// Tries the page protections that the JIT compiler needs.
#[cfg(unix)]
fn code_pages() -> CodePages {
    const BYTES: usize = 4096;
    let writable = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new private mapping that nothing else knows; it is unmapped below.
    let page = unsafe {
        libc::mmap(std::ptr::null_mut(), BYTES, writable, libc::MAP_PRIVATE | libc::MAP_ANONYMOUS, -1, 0)
    };
    if page == libc::MAP_FAILED {
        return CodePages::Never;
    }
    // SAFETY: `page` is the mapping made above, BYTES long; nobody has a reference into it.
    let allowed = |protection| unsafe { libc::mprotect(page, BYTES, protection) == 0 };
    let found = if allowed(writable | libc::PROT_EXEC) {
        CodePages::Both
    } else if allowed(libc::PROT_READ | libc::PROT_EXEC) {
        CodePages::InTurn
    } else {
        CodePages::Never
    };
    // SAFETY: unmaps exactly what was mapped; no pointer into it outlives this function.
    unsafe { libc::munmap(page, BYTES) };
    found
}

#[cfg(not(unix))]
fn code_pages() -> CodePages {
    CodePages::Both
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interpreted_has_no_jit_and_names_say_so() {
        let flags = Flags(ffi::JIT | ffi::HARD_AES | ffi::SECURE);
        assert_eq!(flags.to_string(), "jit+w^x+aes");
        assert_eq!(flags.interpreted().to_string(), "interpreter+aes");
        assert!(!flags.interpreted().has_jit());
        assert!(!Flags::detect().interpreted().has_jit());
    }

    #[test]
    fn one_argon2_at_most() {
        assert_eq!(Flags(ffi::ARGON2_SSSE3 | ffi::ARGON2_AVX2).for_cache(), ffi::ARGON2_AVX2);
        assert_eq!(Flags(ffi::ARGON2_SSSE3 | ffi::JIT).for_cache(), ffi::ARGON2_SSSE3 | ffi::JIT);
    }
}
