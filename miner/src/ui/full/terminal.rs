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
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode,
};

use super::super::typed::{is_in_background, stop_here, unstopped};
use super::errors::Errors;

/// The terminal; it is as it was when this is dropped.
pub(super) struct Entered {
    pub(super) terminal: Terminal<CrosstermBackend<Stdout>>,
    back: Arc<Back>,
    /// Whether others may have used the terminal since the last picture.
    is_away: bool,
}

/// The way back.
struct Back {
    is_open: AtomicBool,
    errors: Option<Errors>,
}

impl Entered {
    /// Takes the terminal, or later where it is another program's now.
    ///
    /// # Errors
    /// When it is none, or is gone.
    pub(super) fn new() -> io::Result<Self> {
        let back = Arc::new(Back { is_open: AtomicBool::new(false), errors: Errors::take()? });
        let is_away = is_in_background();
        let entered = if is_away {
            back.give_errors_back();
            Ok(())
        } else {
            back.enter()
        };
        let terminal = match entered.and_then(|()| new_picture()) {
            Ok(terminal) => terminal,
            Err(error) => {
                back.leave();
                return Err(error);
            }
        };
        leave_at_panic(&back);
        Ok(Self { terminal, back, is_away })
    }

    /// What others wrote to the error output meanwhile.
    pub(super) fn errors(&self) -> Vec<String> {
        self.back.errors.as_ref().map(Errors::lines).unwrap_or_default()
    }

    /// Stops the program until somebody continues it, with the terminal as it was. Ask [`Entered::is_here`] then: who
    /// is continued in the background has no terminal yet.
    pub(super) fn suspend(&mut self) {
        self.back.leave();
        self.is_away = true;
        stop_here();
    }

    /// Whether the terminal is this program's. It is taken again when it has come back; until then it is left alone,
    /// as the system stops those in the background who set or read it.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub(super) fn is_here(&mut self) -> io::Result<bool> {
        if is_in_background() {
            self.is_away = true;
            return Ok(false);
        }
        if std::mem::take(&mut self.is_away) {
            // Who was stopped by others has not left.
            self.back.leave();
            self.back.enter()?;
            self.terminal = new_picture()?;
        }
        Ok(true)
    }
}

/// Nothing of a picture before is on the terminal.
fn new_picture() -> io::Result<Terminal<CrosstermBackend<Stdout>>> {
    Terminal::new(CrosstermBackend::new(io::stdout()))
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
        unstopped(|| {
            // Who left in the background has put no modes back.
            disable_raw_mode()?;
            enable_raw_mode()?;
            execute!(io::stdout(), EnterAlternateScreen, EnableBracketedPaste, Hide, Clear(ClearType::All))
        })?;
        self.errors.as_ref().map_or(Ok(()), Errors::take_again)
    }

    /// Once; nobody is left to tell when the terminal is gone.
    fn leave(&self) {
        if !self.is_open.swap(false, Ordering::AcqRel) {
            return;
        }
        unstopped(|| {
            let mut out = io::stdout();
            let _gone = execute!(out, DisableBracketedPaste, LeaveAlternateScreen, Show);
            // In the background the modes are another program's.
            if !is_in_background() {
                let _gone = disable_raw_mode();
            }
            let _gone = out.flush();
        });
        self.give_errors_back();
    }

    fn give_errors_back(&self) {
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
