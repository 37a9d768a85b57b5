//! Keys while lines are printed. The terminal gives letters as they come and does not show them; Ctrl-C and Ctrl-Z stay
//! what they are. Nothing is read where the input is no terminal, or belongs to another program.
#![allow(unsafe_code)]

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::keys::{Action, action, order, outcome};
use super::say;
use super::source::{Source, one_line};
use super::{look, topics};
use crate::clock::utc_offset_s;

/// Letters that are read at once.
const MAX_LETTERS: usize = 64;
/// So many letters at once were not typed but pasted.
const PASTED: usize = 4;
/// Time between two looks whether the program was stopped, or should end.
const LOOK_EVERY_MS: libc::c_int = 100;
/// How long a signal that has come may take to be noticed.
const NOTICE: Duration = Duration::from_millis(1);

/// Reads keys on a thread of its own; the terminal is as it was when this is dropped.
pub(crate) struct Typed {
    modes: Arc<Modes>,
    stop: Arc<AtomicBool>,
    _thread: JoinHandle<()>,
}

impl Typed {
    /// Begins, where input and output are terminals. `tells_orders`: nobody else tells what becomes of orders. `quit` is
    /// called when somebody wants the end.
    pub(crate) fn start(
        source: Arc<dyn Source>,
        tells_orders: bool,
        quit: impl Fn() + Send + 'static,
    ) -> Option<Self> {
        if !look::is_interactive() {
            return None;
        }
        let modes = Arc::new(Modes::read()?);
        let stop = Arc::new(AtomicBool::new(false));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let (of_thread, stopped) = (Arc::clone(&modes), Arc::clone(&stop));
        let thread = std::thread::Builder::new().name("keys".into()).spawn(move || {
            // Without a handler Ctrl-Z stops the program as ever, and leaves the terminal as it is now.
            let suspended = {
                let _entered = runtime.enter();
                signal(SignalKind::from_raw(libc::SIGTSTP)).ok()
            };
            let hands = Hands { source, tells_orders, runtime };
            hands.read(&of_thread, &stopped, suspended, &quit);
        });
        Some(Self { modes, stop, _thread: thread.ok()? })
    }
}

impl Drop for Typed {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        self.modes.end();
    }
}

struct Hands {
    source: Arc<dyn Source>,
    tells_orders: bool,
    runtime: Runtime,
}

impl Hands {
    fn read(&self, modes: &Modes, stop: &AtomicBool, mut suspended: Option<Signal>, quit: &dyn Fn()) {
        while !stop.load(Ordering::Acquire) {
            if let Some(signal) = &mut suspended {
                let came = self
                    .runtime
                    .block_on(async { tokio::time::timeout(NOTICE, signal.recv()).await.is_ok() });
                if came {
                    modes.leave();
                    stop_here();
                }
            }
            if !is_in_foreground() {
                std::thread::sleep(Duration::from_millis(100));
                continue;
            }
            modes.enter();
            match letters() {
                Letters::None => {}
                Letters::Gone => return,
                Letters::Some(bytes) => match typed(&bytes) {
                    Press::Nothing => {}
                    Press::Newline => say!(),
                    Press::Pasted => say!("keys     what is pasted is not taken for keys; ? lists them"),
                    Press::Unknown(letter) => say!("keys     {letter} is no key; ? lists them"),
                    Press::Do(actions) => actions.into_iter().for_each(|action| self.act(action, quit)),
                },
            }
        }
    }

    fn act(&self, action: Action, quit: &dyn Fn()) {
        match action {
            Action::Quit => {
                say!("keys     q: ending");
                quit();
            }
            Action::Show(topic) => {
                let lines = self.runtime.block_on(topics::read(topic, &*self.source, utc_offset_s()));
                say!("\n{}\n{}\n", topic.title(), lines.join("\n"));
            }
            Action::Pause | Action::Resume | Action::Toggle(_) => {
                let said = self.runtime.block_on(self.order(action));
                if let Some(said) = said {
                    say!("keys     {said}");
                }
            }
        }
    }

    /// Gives the order; what to say of it, if nobody else does.
    async fn order(&self, action: Action) -> Option<String> {
        let status = match self.source.get("/api/v1/status").await {
            Ok(status) => status,
            Err(problem) => return Some(one_line(&problem)),
        };
        match order(action, &status)? {
            Err(why) => Some(why),
            Ok((path, body)) => match self.source.post(path, &body).await {
                Ok(answer) => self.tells_orders.then(|| outcome(&answer)),
                Err(problem) => Some(one_line(&problem)),
            },
        }
    }
}

/// What came from the keyboard.
#[derive(Debug, PartialEq)]
enum Press {
    Nothing,
    Newline,
    Pasted,
    Unknown(char),
    Do(Vec<Action>),
}

/// What the letters that came at once ask for. Arrows and other keys that send several letters ask for nothing.
fn typed(bytes: &[u8]) -> Press {
    if bytes.first() == Some(&0x1b) {
        return Press::Nothing;
    }
    let text = String::from_utf8_lossy(bytes);
    let letters: Vec<char> = text.chars().filter(|letter| !letter.is_control()).collect();
    if letters.is_empty() {
        return if text.contains(['\n', '\r']) { Press::Newline } else { Press::Nothing };
    }
    if letters.len() >= PASTED {
        return Press::Pasted;
    }
    let actions: Vec<Action> = letters.iter().copied().filter_map(action).collect();
    match (actions.is_empty(), letters.first()) {
        (true, Some(letter)) => Press::Unknown(*letter),
        _ => Press::Do(actions),
    }
}

enum Letters {
    None,
    Gone,
    Some(Vec<u8>),
}

/// Waits a moment for letters.
fn letters() -> Letters {
    let mut input = libc::pollfd { fd: libc::STDIN_FILENO, events: libc::POLLIN, revents: 0 };
    // SAFETY: one valid entry.
    let ready = unsafe { libc::poll(&raw mut input, 1, LOOK_EVERY_MS) };
    if ready <= 0 {
        return Letters::None;
    }
    let mut bytes = [0_u8; MAX_LETTERS];
    // SAFETY: writes at most the length that is passed.
    let count = unsafe { libc::read(libc::STDIN_FILENO, bytes.as_mut_ptr().cast(), bytes.len()) };
    match usize::try_from(count) {
        Ok(0) => Letters::Gone,
        Ok(count) => Letters::Some(bytes[..count.min(MAX_LETTERS)].to_vec()),
        Err(_) if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => Letters::None,
        Err(_) => Letters::Gone,
    }
}

/// Whether the terminal's input is for this program.
fn is_in_foreground() -> bool {
    // SAFETY: both take plain numbers and change nothing.
    unsafe { libc::tcgetpgrp(libc::STDIN_FILENO) == libc::getpgrp() }
}

/// Whether the terminal is for another program of the same session now. The system stops those who set it nevertheless.
pub(super) fn is_in_background() -> bool {
    // SAFETY: both take plain numbers and change nothing.
    let (foreground, own) = unsafe { (libc::tcgetpgrp(libc::STDIN_FILENO), libc::getpgrp()) };
    foreground >= 0 && foreground != own
}

/// Does `what` without being stopped when the terminal becomes another program's just then.
pub(super) fn unstopped<T>(what: impl FnOnce() -> T) -> T {
    // SAFETY: a set of signals is plain integers, for which zeros are valid.
    let (mut stops, mut before): (libc::sigset_t, libc::sigset_t) = unsafe { std::mem::zeroed() };
    // SAFETY: all write the sets that are passed; the mask is that of this thread alone.
    let is_blocked = unsafe {
        libc::sigemptyset(&raw mut stops) == 0
            && libc::sigaddset(&raw mut stops, libc::SIGTTOU) == 0
            && libc::pthread_sigmask(libc::SIG_BLOCK, &raw const stops, &raw mut before) == 0
    };
    let done = what();
    if is_blocked {
        // SAFETY: reads the set that was written above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const before, std::ptr::null_mut()) };
    }
    done
}

/// Stops the process as Ctrl-Z does, until somebody continues it. The shell sees what it always sees.
pub(super) fn stop_here() {
    // SAFETY: zeros are the default action; the old one is written to a struct of ours and put back.
    unsafe {
        let usual: libc::sigaction = std::mem::zeroed();
        let mut before: libc::sigaction = std::mem::zeroed();
        if libc::sigaction(libc::SIGTSTP, &raw const usual, &raw mut before) == 0 {
            libc::raise(libc::SIGTSTP);
            libc::sigaction(libc::SIGTSTP, &raw const before, std::ptr::null_mut());
        }
    }
}

/// How the terminal takes input.
struct Modes {
    original: libc::termios,
    /// Whether letters come as they are typed, and whether that is over for good.
    now: Mutex<(bool, bool)>,
}

impl Modes {
    fn read() -> Option<Self> {
        // SAFETY: plain integers, zeros are valid.
        let mut original: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: writes the struct that is passed.
        let known = unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut original) } == 0;
        known.then(|| Self { original, now: Mutex::new((false, false)) })
    }

    /// Letters as they come, without showing them.
    fn enter(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        if *now == (false, false) {
            let mut modes = self.original;
            modes.c_lflag &= !(libc::ICANON | libc::ECHO);
            modes.c_cc[libc::VMIN] = 1;
            modes.c_cc[libc::VTIME] = 0;
            set(&modes);
            now.0 = true;
        }
    }

    /// As it was.
    fn leave(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        self.restore(&mut now.0);
    }

    /// As it was, for good: under one lock, or the thread that reads could enter in between.
    fn end(&self) {
        let mut now = self.now.lock().unwrap_or_else(PoisonError::into_inner);
        now.1 = true;
        self.restore(&mut now.0);
    }

    fn restore(&self, is_entered: &mut bool) {
        // Another program's terminal is not ours to set; who is not in the foreground has left before.
        if std::mem::take(is_entered) && is_in_foreground() {
            set(&self.original);
        }
    }
}

fn set(modes: &libc::termios) {
    // SAFETY: reads the struct that is passed. A terminal that is gone has no modes.
    unstopped(|| unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, modes) });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ui::keys::Topic;

    #[test]
    fn letters_are_keys_and_what_is_pasted_is_not() {
        assert_eq!(typed(b"p"), Press::Do(vec![Action::Pause]));
        assert_eq!(typed(b"hw"), Press::Do(vec![Action::Show(Topic::Rates), Action::Show(Topic::Why)]));
        assert_eq!(typed(b"quit the query"), Press::Pasted);
        assert_eq!(typed(b"\x1b[A"), Press::Nothing);
        assert_eq!(typed(b"\n"), Press::Newline);
        assert_eq!(typed(b"\x04"), Press::Nothing);
        assert_eq!(typed(b"x"), Press::Unknown('x'));
        assert_eq!(typed("ß".as_bytes()), Press::Unknown('ß'));
        assert!(matches!(typed(b"\xff"), Press::Unknown(_)));
    }

    #[test]
    fn nobody_enters_after_the_end() {
        // SAFETY: plain integers, zeros are valid. They are never set.
        let modes = Modes { original: unsafe { std::mem::zeroed() }, now: Mutex::new((false, false)) };
        modes.end();
        modes.enter();
        assert_eq!(*modes.now.lock().unwrap(), (false, true));
    }

    #[test]
    fn stops_are_held_back_for_a_while_only() {
        let is_blocked = || {
            // SAFETY: plain integers, zeros are valid.
            let mut mask: libc::sigset_t = unsafe { std::mem::zeroed() };
            // SAFETY: no new mask is passed; the present one is written to a struct of ours, which is read then.
            unsafe {
                libc::pthread_sigmask(libc::SIG_BLOCK, std::ptr::null(), &raw mut mask);
                libc::sigismember(&raw const mask, libc::SIGTTOU) == 1
            }
        };
        let before = is_blocked();
        assert!(unstopped(is_blocked));
        assert_eq!(is_blocked(), before);
    }
}
