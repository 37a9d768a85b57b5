//! What the operating system is asked by calls of its own.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Whether this process is root's.
pub fn is_root() -> bool {
    own_uid() == 0
}

/// Whose this process is.
pub fn own_uid() -> u32 {
    // SAFETY: takes nothing and cannot fail.
    unsafe { libc::geteuid() }
}

/// Whether the kernel takes its clock for right; `None` where it does not say.
#[cfg(target_os = "linux")]
pub(super) fn is_synchronised() -> Option<bool> {
    // SAFETY: plain numbers, zeros are valid: no mode is set, so that the call only reads.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: writes the struct that is passed.
    let result = unsafe { libc::adjtimex(&raw mut state) };
    (result >= 0).then_some(result != libc::TIME_ERROR && state.status & libc::STA_UNSYNC == 0)
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
pub(super) fn is_synchronised() -> Option<bool> {
    None
}

/// Bytes that this user can still write below a folder.
pub(super) fn free_bytes(folder: &Path) -> Option<u64> {
    let path = CString::new(folder.as_os_str().as_bytes()).ok()?;
    // SAFETY: plain numbers, zeros are valid.
    let mut facts: libc::statvfs = unsafe { std::mem::zeroed() };
    // SAFETY: reads the text up to its end and writes the struct.
    let result = unsafe { libc::statvfs(path.as_ptr(), &raw mut facts) };
    #[allow(clippy::unnecessary_cast, reason = "not of 64 bits everywhere")]
    (result == 0).then(|| (facts.f_bavail as u64).saturating_mul(facts.f_frsize as u64))
}

/// Whether this process may read and write a file; opening a device file could wake the device.
pub(super) fn may_use(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: reads the text up to its end.
    unsafe { libc::access(path.as_ptr(), libc::R_OK | libc::W_OK) == 0 }
}

/// Whether this process may write into a folder.
pub(super) fn may_write(path: &Path) -> bool {
    let Ok(path) = CString::new(path.as_os_str().as_bytes()) else { return false };
    // SAFETY: reads the text up to its end.
    unsafe { libc::access(path.as_ptr(), libc::W_OK | libc::X_OK) == 0 }
}
