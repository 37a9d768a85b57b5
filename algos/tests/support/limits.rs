//! The address space of this process, so that allocations can be made to fail.
#![allow(unsafe_code, dead_code)]

/// Runs `body` while the address space may grow by no more than `spare_bytes`.
///
/// The limit holds for the whole process, so nothing else may run meanwhile.
pub(crate) fn with_spare<T>(spare_bytes: u64, body: impl FnOnce() -> T) -> T {
    let before = soft_limit();
    set_soft_limit(address_space_bytes() + spare_bytes);
    let result = body();
    set_soft_limit(before);
    result
}

/// As [`with_spare`] without any spare, and with what the allocator still had in hand used up.
pub(crate) fn without_memory<T>(body: impl FnOnce() -> T) -> T {
    with_spare(0, || {
        const PIECE_BYTES: usize = 256 << 10;
        let mut ballast = Vec::new();
        while ballast.len() < 4096 {
            let mut piece: Vec<u8> = Vec::new();
            match piece.try_reserve_exact(PIECE_BYTES) {
                Ok(()) => ballast.push(piece),
                Err(_) => break,
            }
        }
        body()
    })
}

fn address_space_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    // SAFETY: asks for a constant of the system.
    let page_bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    pages.split(' ').next().unwrap().parse::<u64>().unwrap() * u64::try_from(page_bytes).unwrap()
}

fn limit() -> libc::rlimit {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: writes the struct that is passed.
    assert_eq!(unsafe { libc::getrlimit(libc::RLIMIT_AS, &raw mut limit) }, 0);
    limit
}

fn soft_limit() -> u64 {
    limit().rlim_cur
}

fn set_soft_limit(bytes: u64) {
    let wanted = libc::rlimit { rlim_cur: bytes, ..limit() };
    // SAFETY: reads the struct that is passed; the hard limit stays, so this can be undone.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &raw const wanted) }, 0);
}
