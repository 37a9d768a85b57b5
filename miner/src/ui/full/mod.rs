//! The full screen: what the miner does, drawn from the answers of its interface. It has threads of its own; a terminal
//! that is held holds nothing else.

mod chart;
mod data;
mod draw;
mod errors;
mod gather;
mod terminal;
mod view;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use ratatui::crossterm::event::{self, Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use serde_json::Value;

use super::keys::{Action, Topic, action, order};
use super::look::Look;
use super::source::Source;
use crate::clock::{unix_seconds, utc_offset_s};
use data::Data;
use gather::{Ask, Gatherer};
use terminal::Entered;
use view::{Around, View};

/// Time between two pictures without a key.
const PICTURE_EVERY: Duration = Duration::from_millis(250);
/// Time between two looks whether the terminal is this program's again.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// Keys that are taken between two pictures.
const MAX_KEYS: usize = 32;
/// How often what is open to read is asked for again.
const TOLD_EVERY: Duration = Duration::from_secs(2);
/// How long the screen may take to be gone.
const FAREWELL: Duration = Duration::from_millis(700);
/// Lines by which space and the keys for pages move.
const PAGE: usize = 10;
/// How long a question without an answer is shown, in seconds: longer than any answer may take.
const ASKED_S: f64 = 20.0;

/// A full screen on a thread of its own, which ends when this is dropped.
pub(crate) struct Full {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Full {
    /// Takes the terminal. `before` is what was told before; `quit` is called when somebody wants the end.
    ///
    /// # Errors
    /// When there is no terminal or no thread.
    pub(crate) fn start(
        source: Arc<dyn Source>,
        look: Look,
        before: Vec<String>,
        quit: impl Fn() + Send + 'static,
    ) -> io::Result<Self> {
        let gatherer = Gatherer::start(Arc::clone(&source), None)?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let (opened, is_open) = std::sync::mpsc::sync_channel(1);
        let thread = std::thread::Builder::new().name("screen".into()).spawn(move || {
            let entered = Entered::new();
            let (mut entered, result) = match entered {
                Ok(entered) => (Some(entered), Ok(())),
                Err(error) => (None, Err(error)),
            };
            let _waits = opened.send(result);
            let Some(entered) = entered.as_mut() else { return };
            let mut watch =
                Watch { gatherer, address: source.address(), look, before, shown: Shown::default() };
            // A terminal that is gone shows nothing any more; mining goes on until it is told to end.
            let _gone = watch.run(entered, &stopped, &quit);
        })?;
        let full = Self { stop, thread: Some(thread) };
        match is_open.recv() {
            Ok(Ok(())) => Ok(full),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::other("the thread of the screen ended")),
        }
    }
}

impl Drop for Full {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        let Some(thread) = self.thread.take() else { return };
        let end = Instant::now() + FAREWELL;
        while !thread.is_finished() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

/// Shows a miner until somebody wants the end, or the system does.
///
/// # Errors
/// When there is no terminal, or it goes away.
pub(crate) fn show(source: Arc<dyn Source>, look: Look) -> io::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    let gatherer = Gatherer::start(Arc::clone(&source), Some(Arc::clone(&stop)))?;
    let mut entered = Entered::new()?;
    let quit = || stop.store(true, Ordering::Release);
    let before = Vec::new();
    let mut watch = Watch { gatherer, address: source.address(), look, before, shown: Shown::default() };
    watch.run(&mut entered, &stop, &quit)
}

/// What somebody at the keys has done.
#[derive(Debug, Default)]
struct Shown {
    /// What is open to read, and how far down.
    open: Option<(Topic, usize)>,
    /// What was ordered and has no answer yet, and when.
    asked: Option<(String, f64)>,
}

/// What a key leads to.
#[derive(Debug)]
enum Effect {
    Nothing,
    Quit,
    Suspend,
    Ask(Ask),
}

struct Watch {
    gatherer: Gatherer,
    address: Option<String>,
    look: Look,
    before: Vec<String>,
    shown: Shown,
}

impl Watch {
    fn run(&mut self, entered: &mut Entered, stop: &AtomicBool, quit: &dyn Fn()) -> io::Result<()> {
        let mut told_at = Instant::now();
        while !stop.load(Ordering::Acquire) {
            if !entered.is_here()? {
                std::thread::sleep(LOOK_EVERY);
                continue;
            }
            let errors = entered.errors();
            let view = self.view(&errors);
            let look = self.look;
            entered.terminal.draw(|frame| draw::draw(frame, &view, look))?;
            if let Some((topic, _)) = self.shown.open
                && told_at.elapsed() >= TOLD_EVERY
            {
                told_at = Instant::now();
                self.gatherer.ask(Ask::Topic(topic));
            }
            for turn in 0..MAX_KEYS {
                let patience = if turn == 0 { PICTURE_EVERY } else { Duration::ZERO };
                if !event::poll(patience)? {
                    break;
                }
                // What is pasted is no wish to end the miner.
                let Event::Key(key) = event::read()? else { continue };
                let status = self.gatherer.data().status.clone();
                match self.shown.press(key, &status, unix_seconds()) {
                    Effect::Nothing => {}
                    Effect::Quit => quit(),
                    Effect::Suspend => {
                        entered.suspend();
                        break;
                    }
                    Effect::Ask(ask) => {
                        told_at = Instant::now();
                        self.gatherer.ask(ask);
                    }
                }
            }
        }
        Ok(())
    }

    fn view(&mut self, errors: &[String]) -> View {
        let data = self.gatherer.data();
        // Nobody should have to come back from far below the end.
        if let (Some((_, at)), Some((_, lines))) = (&mut self.shown.open, &data.told) {
            *at = (*at).min(lines.len());
        }
        self.shown.forget_answered(&data, unix_seconds());
        let around = Around {
            now_s: unix_seconds(),
            offset_s: utc_offset_s(),
            address: self.address.as_deref(),
            before: &self.before,
            errors,
            open: self.shown.open,
            asked: self.shown.asked.as_ref().map(|(asked, _)| asked.as_str()),
        };
        View::new(&data, &around)
    }
}

impl Shown {
    /// A question that has its answer, or waits for too long, is not shown any more.
    fn forget_answered(&mut self, data: &Data, now_s: f64) {
        let answered_s = data.feedback.as_ref().map_or(0.0, |(_, at_s)| *at_s);
        self.asked = self.asked.take().filter(|(_, at_s)| *at_s > answered_s && now_s - at_s < ASKED_S);
    }

    fn press(&mut self, key: KeyEvent, status: &Value, now_s: f64) -> Effect {
        if key.kind == KeyEventKind::Release {
            return Effect::Nothing;
        }
        let is_control = key.modifiers.contains(KeyModifiers::CONTROL);
        let is_alt = key.modifiers.contains(KeyModifiers::ALT);
        match key.code {
            KeyCode::Char('c') if is_control => Effect::Quit,
            KeyCode::Char('z') if is_control => Effect::Suspend,
            KeyCode::Char(_) if is_control || is_alt => Effect::Nothing,
            KeyCode::Esc => {
                self.open = None;
                Effect::Nothing
            }
            KeyCode::Tab => self.round(1),
            KeyCode::BackTab => self.round(Topic::ALL.len() - 1),
            KeyCode::Right => self.round(1),
            KeyCode::Left => self.round(Topic::ALL.len() - 1),
            KeyCode::Up => self.scroll(|at| at.saturating_sub(1)),
            KeyCode::Down => self.scroll(|at| at + 1),
            KeyCode::PageUp => self.scroll(|at| at.saturating_sub(PAGE)),
            KeyCode::PageDown | KeyCode::Char(' ') => self.scroll(|at| at + PAGE),
            KeyCode::Home => self.scroll(|_| 0),
            KeyCode::Char(letter) => match action(letter) {
                Some(action) => self.act(action, status, now_s),
                None => {
                    self.asked = Some((format!("{letter} is no key; ? lists them"), now_s));
                    Effect::Nothing
                }
            },
            _ => Effect::Nothing,
        }
    }

    fn act(&mut self, action: Action, status: &Value, now_s: f64) -> Effect {
        match action {
            Action::Quit => {
                self.asked = Some(("ending ...".into(), now_s));
                Effect::Quit
            }
            // The same key closes it.
            Action::Show(topic) if self.open.is_some_and(|(open, _)| open == topic) => {
                self.open = None;
                Effect::Nothing
            }
            Action::Show(topic) => {
                self.open = Some((topic, 0));
                Effect::Ask(Ask::Topic(topic))
            }
            Action::Pause | Action::Resume | Action::Toggle(_) => match order(action, status) {
                None => Effect::Nothing,
                Some(Err(why)) => {
                    self.asked = Some((why, now_s));
                    Effect::Nothing
                }
                Some(Ok((path, body))) => {
                    let what = path.rsplit('/').next().unwrap_or_default();
                    let device = body["device"].as_str().map(|id| format!(" {id}")).unwrap_or_default();
                    self.asked = Some((format!("{what}{device} ..."), now_s));
                    Effect::Ask(Ask::Order(path, body))
                }
            },
        }
    }

    /// The next thing to read, `by` places on.
    fn round(&mut self, by: usize) -> Effect {
        let now = self.open.and_then(|(open, _)| Topic::ALL.iter().position(|topic| *topic == open));
        let next = now.map_or(0, |at| (at + by) % Topic::ALL.len());
        self.open = Some((Topic::ALL[next], 0));
        Effect::Ask(Ask::Topic(Topic::ALL[next]))
    }

    fn scroll(&mut self, to: impl Fn(usize) -> usize) -> Effect {
        /// No text of this screen is longer.
        const MOST: usize = 10_000;
        if let Some((_, at)) = &mut self.open {
            *at = to(*at).min(MOST);
        }
        Effect::Nothing
    }
}

#[cfg(test)]
mod tests;
