//! What the operating system is asked about threads and time.
#![allow(unsafe_code)]

use std::time::Duration;

/// Processing units (operating-system indices) that this thread may run on. `None` when the system does not
/// say; then nothing is known to be forbidden.
#[cfg(target_os = "linux")]
pub(crate) fn allowed_pus() -> Option<Vec<u32>> {
    // SAFETY: a `cpu_set_t` is plain bits, all zeros is the empty set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: writes at most the size that is passed; 0 means this thread.
    let result = unsafe { libc::sched_getaffinity(0, size_of_val(&set), &raw mut set) };
    if result != 0 {
        return None;
    }
    let highest = 8 * size_of_val(&set);
    // SAFETY: the index is below the number of bits in the set.
    let pus = (0..highest).filter(|&pu| unsafe { libc::CPU_ISSET(pu, &set) });
    Some(pus.filter_map(|pu| u32::try_from(pu).ok()).collect())
}

/// Puts the calling thread behind everything interactive: nice 10 and the batch class, which wakes up late
/// and then runs long. Both are wishes; a system that refuses them mines all the same.
#[cfg(target_os = "linux")]
pub(crate) fn lower_priority() {
    const NICE: libc::c_int = 10;
    let parameters = libc::sched_param { sched_priority: 0 };
    // SAFETY: 0 is the calling thread; the parameters are read during the call. On Linux all three act on
    // the thread, not on the process.
    unsafe {
        // Who started the miner with less than that keeps it.
        if libc::getpriority(libc::PRIO_PROCESS, 0) < NICE {
            libc::setpriority(libc::PRIO_PROCESS, 0, NICE);
        }
        libc::sched_setscheduler(0, libc::SCHED_BATCH, &raw const parameters);
    }
}

/// Name of this machine; empty when the system does not say.
#[cfg(unix)]
pub fn host_name() -> String {
    let mut name = [0u8; 256];
    // SAFETY: writes at most the length that is passed.
    let result = unsafe { libc::gethostname(name.as_mut_ptr().cast(), name.len()) };
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    if result == 0 { String::from_utf8_lossy(&name[..end]).into_owned() } else { String::new() }
}

/// Processor time that this process has used, in seconds.
#[cfg(unix)]
pub(crate) fn process_cpu_seconds() -> f64 {
    // SAFETY: plain integers, zeros are valid.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    // SAFETY: writes the struct that is passed.
    if unsafe { libc::getrusage(libc::RUSAGE_SELF, &raw mut usage) } != 0 {
        return 0.0;
    }
    let seconds = |time: libc::timeval| time.tv_sec as f64 + time.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

/// How long ago this process was started. `None` when the system does not say.
#[cfg(target_os = "linux")]
pub(crate) fn process_age() -> Option<Duration> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    // Field 22, counted from 1; the second is the name in brackets, which may hold anything.
    let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(22 - 3)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let ticks_a_second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).ok()?;
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: writes the struct that is passed.
    if unsafe { libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut now) } != 0 {
        return None;
    }
    let now = Duration::new(u64::try_from(now.tv_sec).ok()?, u32::try_from(now.tv_nsec).ok()?);
    let start_ms = (ticks * 1000).checked_div(ticks_a_second)?;
    Some(now.saturating_sub(Duration::from_millis(start_ms)))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn allowed_pus() -> Option<Vec<u32>> {
    None
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn lower_priority() {}

#[cfg(not(target_os = "linux"))]
pub(crate) fn process_age() -> Option<Duration> {
    None
}

#[cfg(not(unix))]
pub(crate) fn process_cpu_seconds() -> f64 {
    0.0
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;

    /// The kernel's own list is the oracle.
    #[test]
    fn allowed_pus_are_the_kernels() {
        let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap();
        let pus = crate::devices::affinity::parse_list(list.trim()).unwrap();
        assert_eq!(allowed_pus(), Some(pus));
    }

    #[test]
    fn age_and_processor_time_grow() {
        let (age, cpu) = (process_age().unwrap(), process_cpu_seconds());
        let until = std::time::Instant::now() + Duration::from_millis(50);
        while std::time::Instant::now() < until {}
        assert!(process_age().unwrap() >= age + Duration::from_millis(50));
        assert!(process_cpu_seconds() > cpu);
        assert!(age < Duration::from_secs(24 * 3600), "tests do not run for a day");
    }

    #[test]
    fn priority_falls_for_this_thread_only() {
        let before = nice_and_policy();
        let lowered = std::thread::spawn(|| {
            lower_priority();
            nice_and_policy()
        });
        // 3 is the batch class.
        assert_eq!(lowered.join().unwrap(), (before.0.max(10), 3));
        assert_eq!(nice_and_policy(), before);
    }

    /// As the kernel tells it: fields 19 and 41, counted from 1, of which the second is the name in brackets.
    fn nice_and_policy() -> (i32, i32) {
        let stat = std::fs::read_to_string("/proc/thread-self/stat").unwrap();
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[19 - 3].parse().unwrap(), fields[41 - 3].parse().unwrap())
    }
}
