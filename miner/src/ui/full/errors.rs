//! What is written to the error output while the full screen has the terminal: drivers, and panics of other threads.
//! It would tear the picture; it is shown in the log and again when the screen is gone.
#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::io::{self, BufRead as _, BufReader, IsTerminal as _, PipeWriter, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError};

/// Lines that are kept, and the longest line in bytes.
const MAX_LINES: usize = 200;
const MAX_LINE_BYTES: u64 = 2000;

/// The error output of this process leads to memory.
pub(super) struct Errors {
    lines: Arc<Mutex<VecDeque<String>>>,
    pipe: PipeWriter,
    real: OwnedFd,
}

impl Errors {
    /// Takes it, where it is the terminal.
    ///
    /// # Errors
    /// The system's reason.
    pub(super) fn take() -> io::Result<Option<Self>> {
        let stderr = io::stderr();
        if !stderr.is_terminal() {
            return Ok(None);
        }
        let real = std::os::fd::AsFd::as_fd(&stderr).try_clone_to_owned()?;
        let (reader, pipe) = io::pipe()?;
        let lines = Arc::new(Mutex::new(VecDeque::new()));
        let kept = Arc::clone(&lines);
        std::thread::Builder::new().name("screen-errors".into()).spawn(move || keep(reader, &kept))?;
        let errors = Self { lines, pipe, real };
        errors.take_again()?;
        Ok(Some(errors))
    }

    /// Takes it once more after [`Errors::give_back`].
    ///
    /// # Errors
    /// The system's reason.
    pub(super) fn take_again(&self) -> io::Result<()> {
        lead(libc::STDERR_FILENO, self.pipe.as_raw_fd())
    }

    /// The terminal is the error output again.
    pub(super) fn give_back(&self) {
        // Both have been open since the start; there is nobody to tell otherwise.
        let _kept = lead(libc::STDERR_FILENO, self.real.as_raw_fd());
    }

    /// What was written, oldest first.
    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }

    /// Writes it to the real error output, where it was not seen yet.
    pub(super) fn tell(&self) {
        let lines = std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner));
        for line in lines {
            let _gone = writeln!(io::stderr(), "{}", rminer_stratum::text::clean(&line));
        }
    }
}

/// Makes `file` lead to where `to` leads.
fn lead(file: i32, to: i32) -> io::Result<()> {
    // SAFETY: both are open descriptors of this process; dup2 takes nothing else.
    if unsafe { libc::dup2(to, file) } < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Keeps the last lines until nobody can write any more.
fn keep(reader: impl io::Read, lines: &Mutex<VecDeque<String>>) {
    let mut reader = BufReader::new(reader);
    loop {
        let mut line = Vec::new();
        match reader.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
        if lines.len() == MAX_LINES {
            lines.pop_front();
        }
        lines.push_back(String::from_utf8_lossy(&line).trim_end().to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_and_long_ones_cut() {
        let lines = Mutex::default();
        let mut text = "x".repeat(5000) + "\n";
        (0..MAX_LINES - 1).for_each(|number| text.push_str(&format!("line {number}\n")));
        keep(text.as_bytes(), &lines);
        let lines = lines.into_inner().unwrap();
        assert_eq!(lines.len(), MAX_LINES);
        // Three pieces of the long one, of which two had to go.
        assert_eq!((lines[0].len(), lines[1].as_str()), (1000, "line 0"));
        assert!(lines.iter().all(|line| line.len() <= 2000));
    }
}
