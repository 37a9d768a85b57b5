//! What the comparisons with other programs share.

pub mod cpuminer;

use std::fs;
use std::process::Child;

use anyhow::{Context, Result};

/// Another program that ends when this goes, whatever happened.
#[derive(Debug)]
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Seconds that its threads were on a processor.
    ///
    /// # Errors
    /// When it is gone, or the system does not tell.
    pub fn cpu_seconds(&self) -> Result<f64> {
        let mut seconds = 0.0;
        for task in fs::read_dir(format!("/proc/{}/task", self.0.id()))? {
            let text =
                fs::read_to_string(task?.path().join("schedstat")).context("a thread tells no time")?;
            seconds += seconds_of(&text)?;
        }
        Ok(seconds)
    }
}

/// Seconds that this thread was on a processor.
///
/// # Errors
/// When the system does not tell.
pub fn thread_cpu_seconds() -> Result<f64> {
    let text =
        fs::read_to_string("/proc/thread-self/schedstat").context("this system tells no thread's time")?;
    seconds_of(&text)
}

/// The first number of a thread's `schedstat`, in nanoseconds there.
fn seconds_of(text: &str) -> Result<f64> {
    let nanoseconds = text.split_whitespace().next().and_then(|word| word.parse::<f64>().ok());
    Ok(nanoseconds.context("a thread's time is no number")? / 1e9)
}

/// Processor times of the whole machine, in ticks.
#[derive(Debug)]
pub struct Times {
    all: u64,
    steal: u64,
}

impl Times {
    /// As the system counts them at this moment.
    pub fn now() -> Self {
        let text = fs::read_to_string("/proc/stat").unwrap_or_default();
        let line = text.lines().next().unwrap_or_default();
        let ticks: Vec<u64> = line.split_whitespace().skip(1).filter_map(|word| word.parse().ok()).collect();
        // The first eight; guest times are part of the first two.
        Self { all: ticks.iter().take(8).sum(), steal: ticks.get(7).copied().unwrap_or(0) }
    }

    /// Share of all time since then that the host took away, in percent.
    pub fn steal_percent_since(&self) -> f64 {
        let now = Self::now();
        let all = (now.all - self.all).max(1);
        (now.steal - self.steal) as f64 / all as f64 * 100.0
    }
}

/// The middle value, or the mean of the two in the middle; not a number when there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.get(middle) {
        None => f64::NAN,
        Some(upper) if values.len() % 2 == 1 => *upper,
        Some(upper) => (values.get(middle - 1).copied().unwrap_or(*upper) + upper) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(vec![4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(vec![]).is_nan());
    }
}
