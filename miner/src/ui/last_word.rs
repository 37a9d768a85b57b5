//! What is left on the terminal when the full screen is gone: the last warnings and errors, and the summary.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Write};
use std::rc::Rc;
use std::sync::Arc;

use rminer_algos::registry::Family;

use super::Screen;
use super::lines::{Detail, Lines};
use crate::engine::{Happening, Snapshot};
use crate::records::Records;

/// Lines of warnings that are kept.
const MAX_LINES: usize = 60;
/// The longest line in bytes; what is beyond begins another one.
const MAX_LINE_BYTES: usize = 4096;

/// Shows nothing until the end.
pub(super) struct LastWord {
    lines: Lines,
    kept: Kept,
    out: Option<Box<dyn Write>>,
}

impl LastWord {
    pub(super) fn new(
        out: Box<dyn Write>,
        family: Family,
        pools: Vec<String>,
        records: Arc<Records>,
    ) -> Self {
        let kept = Kept::default();
        let lines = Lines::new(Box::new(kept.clone()), family, pools, records, Detail::Problems);
        Self { lines, kept, out: Some(out) }
    }
}

impl Screen for LastWord {
    fn happening(&mut self, happening: &Happening) -> io::Result<()> {
        self.lines.happening(happening)
    }

    fn rates(&mut self, _snapshot: &Snapshot) -> io::Result<()> {
        Ok(())
    }

    fn summary(&mut self, snapshot: &Snapshot) -> io::Result<()> {
        let Some(mut out) = self.out.take() else { return Ok(()) };
        for line in self.kept.0.borrow_mut().lines.drain(..) {
            writeln!(out, "{line}")?;
        }
        self.lines.write_to(out);
        self.lines.summary(snapshot)
    }
}

/// The last lines that were written.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<Ring>>);

#[derive(Default)]
struct Ring {
    lines: VecDeque<String>,
    unfinished: Vec<u8>,
}

impl Write for Kept {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut ring = self.0.borrow_mut();
        for byte in bytes {
            if *byte != b'\n' {
                ring.unfinished.push(*byte);
            }
            if *byte == b'\n' || ring.unfinished.len() == MAX_LINE_BYTES {
                let line = std::mem::take(&mut ring.unfinished);
                if ring.lines.len() == MAX_LINES {
                    ring.lines.pop_front();
                }
                ring.lines.push_back(String::from_utf8_lossy(&line).into_owned());
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::Problem;
    use crate::ui::memory::Memory;

    #[test]
    fn the_last_warnings_stand_before_the_summary() {
        let memory = Memory::default();
        let mut screen = LastWord::new(Box::new(memory.clone()), Family::Monero, Vec::new(), Arc::default());
        for number in 0..500 {
            let problem = Problem::warning("test", format!("number {number}"));
            screen.happening(&Happening::Warning(problem)).unwrap();
        }
        screen.happening(&Happening::NoJob).unwrap();
        screen.rates(&Snapshot::default()).unwrap();
        assert!(memory.text().is_empty(), "nothing tears the full screen");
        screen.summary(&Snapshot::default()).unwrap();
        let text = memory.text();
        let (warnings, _) = text.split_once("\nStopped after").unwrap();
        assert_eq!(warnings.lines().count(), MAX_LINES, "{text}");
        assert!(warnings.trim_end().ends_with("warning[test]: number 499"), "{text}");
        let mut kept = Kept::default();
        kept.write_all(&[b'x'; 3 * MAX_LINE_BYTES]).unwrap();
        assert_eq!(kept.0.borrow().lines.len(), 3);
    }
}
