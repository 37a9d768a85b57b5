//! The terminal while the full screen has it, and how it gets back: at the end, when somebody stops the program for a
//! while, and when a thread that draws panics.

use std::io::{self, Stdout, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::cursor::{Hide, Show};
use ratatui::crossterm::event::{DisableBracketedPaste, EnableBracketedPaste};
use ratatui::crossterm::execute;
use ratatui::crossterm::terminal::{
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::errors::Errors;

/// The terminal; it is as it was when this is dropped.
pub(super) struct Entered {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    back: Arc<Back>,
}

/// The way back.
struct Back {
    is_open: AtomicBool,
    errors: Option<Errors>,
}

impl Entered {
    /// Takes the terminal.
    ///
    /// # Errors
    /// When it is none, or is gone.
    pub(super) fn new() -> io::Result<Self> {
        let back = Arc::new(Back { is_open: AtomicBool::new(false), errors: Errors::take()? });
        let opened = back.enter().and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        let terminal = match opened {
            Ok(terminal) => terminal,
            Err(error) => {
                back.leave();
                return Err(error);
            }
        };
        leave_at_panic(&back);
        Ok(Self { terminal, back })
    }

    /// What others wrote to the error output meanwhile.
    pub(super) fn errors(&self) -> Vec<String> {
        self.back.errors.as_ref().map(Errors::lines).unwrap_or_default()
    }

    /// Stops the program until somebody continues it, with the terminal as it was.
    ///
    /// # Errors
    /// When the terminal is gone then.
    pub(super) fn suspend(&mut self) -> io::Result<()> {
        self.back.leave();
        super::super::typed::stop_here();
        self.back.enter()?;
        if let Some(errors) = &self.back.errors {
            errors.take_again()?;
        }
        self.terminal.clear()
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.back.leave();
        if let Some(errors) = &self.back.errors {
            errors.tell();
        }
    }
}

impl Back {
    fn enter(&self) -> io::Result<()> {
        self.is_open.store(true, Ordering::Release);
        enable_raw_mode()?;
        execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide)
    }

    /// Once; nobody is left to tell when the terminal is gone.
    fn leave(&self) {
        if !self.is_open.swap(false, Ordering::AcqRel) {
            return;
        }
        let mut out = io::stdout();
        let _gone = execute!(out, DisableBracketedPaste, LeaveAlternateScreen, Show);
        let _gone = disable_raw_mode();
        let _gone = out.flush();
        if let Some(errors) = &self.errors {
            errors.give_back();
        }
    }
}

/// The words of a panic of this thread, or of the main one, come after the terminal is as it was. Those of other threads
/// are an error like others: the screen goes on.
fn leave_at_panic(back: &Arc<Back>) {
    let (back, drawing) = (Arc::downgrade(back), std::thread::current().id());
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let thread = std::thread::current();
        if (thread.id() == drawing || thread.name() == Some("main"))
            && let Some(back) = back.upgrade()
        {
            back.leave();
        }
        before(panic);
    }));
}
