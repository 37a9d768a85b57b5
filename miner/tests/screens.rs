//! The program on a terminal: a pseudo-terminal of the test, with keys pressed and what is shown read.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)] // the making of a pseudo-terminal
#![allow(clippy::unwrap_used, clippy::expect_used)] // a failure here is a failed test

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

mod support;

use support::Miner;

/// How long anything may take: other tests run beside these.
const PATIENCE: Duration = Duration::from_secs(60);
const ALTERNATE: &str = "\x1b[?1049h";
const NORMAL: &str = "\x1b[?1049l";
const DEMO: [&str; 9] =
    ["demo", "--algo", "sha256d", "--devices", "cpu", "--threads", "1", "--api-bind", "off"];

/// A program on a pseudo-terminal.
struct OnTerminal {
    child: Child,
    keyboard: File,
    /// The program's end, which keeps the terminal there and tells its modes.
    inner: OwnedFd,
    shown: Arc<Mutex<Vec<u8>>>,
    modes_before: Vec<u8>,
}

impl OnTerminal {
    fn start(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        let (mut outer, mut inner) = (0, 0);
        let size = libc::winsize { ws_row: 30, ws_col: 100, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: two numbers are written, the size is read; no name and no modes are asked for.
        let result = unsafe {
            libc::openpty(
                &raw mut outer,
                &raw mut inner,
                std::ptr::null_mut(),
                std::ptr::null(),
                &raw const size,
            )
        };
        assert_eq!(result, 0, "{}", std::io::Error::last_os_error());
        // SAFETY: both were just opened and belong to nobody else.
        let (outer, inner) = unsafe { (File::from_raw_fd(outer), OwnedFd::from_raw_fd(inner)) };
        let end = || Stdio::from(inner.try_clone().unwrap());
        let mut command = Command::new(env!("CARGO_BIN_EXE_rminer"));
        command.args(arguments).stdin(end()).stdout(end()).stderr(end());
        command.env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")).env("TERM", "xterm-256color");
        command.env("LC_ALL", "C.UTF-8").env_remove("RMINER_API_TOKEN").env_remove("NO_COLOR");
        command.envs(environment.iter().copied());
        // SAFETY: both calls are allowed between fork and exec. The terminal becomes that of the child alone.
        unsafe {
            command.pre_exec(|| {
                if libc::setsid() < 0 || libc::ioctl(0, libc::TIOCSCTTY, 0) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
                Ok(())
            });
        }
        let modes_before = modes(&inner);
        let child = command.spawn().expect("the binary starts");
        let shown = Arc::new(Mutex::new(Vec::new()));
        let (mut reader, kept) = (outer.try_clone().unwrap(), Arc::clone(&shown));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut bytes) {
                kept.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { child, keyboard: outer, inner, shown, modes_before }
    }

    fn demo(more: &[&str]) -> Self {
        Self::start(&[&DEMO[..], more].concat(), &[])
    }

    fn shown(&self) -> String {
        String::from_utf8_lossy(&self.shown.lock().unwrap()).into_owned()
    }

    /// Waits for a text in what comes from `from` on; where it ends.
    fn wait(&mut self, from: usize, text: &str) -> usize {
        let end = Instant::now() + PATIENCE;
        loop {
            let shown = self.shown();
            if let Some(at) = shown.get(from..).and_then(|rest| rest.find(text)) {
                return from + at + text.len();
            }
            let exited = self.child.try_wait().unwrap();
            assert!(exited.is_none() && Instant::now() < end, "no {text:?} (exit {exited:?}) in\n{shown:?}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until the full screen shows a text.
    fn see(&mut self, text: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let screen = screen(&self.shown());
            if screen.contains(text) {
                return;
            }
            let exited = self.child.try_wait().unwrap();
            assert!(exited.is_none() && Instant::now() < end, "no {text:?} (exit {exited:?}) in\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    fn press(&mut self, keys: &str) -> usize {
        let from = self.shown().len();
        self.keyboard.write_all(keys.as_bytes()).unwrap();
        from
    }

    fn resize(&self, wide: u16, high: u16) {
        let size = libc::winsize { ws_row: high, ws_col: wide, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: reads the struct that is passed.
        let result = unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0);
    }

    fn signal(&self, name: &str) {
        let kill = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(kill.is_ok_and(|status| status.success()));
    }

    /// Waits for the end; the exit code, and all that was shown. The terminal must be as it was.
    fn ended(&mut self) -> (Option<i32>, String) {
        let end = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < end, "does not end:\n{:?}", self.shown());
            std::thread::sleep(Duration::from_millis(20));
        };
        // What is still on its way through the terminal.
        std::thread::sleep(Duration::from_millis(200));
        assert_eq!(modes(&self.inner), self.modes_before, "the terminal is not as it was");
        (status.code(), self.shown())
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        // Only ever this child.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// The full screen as a person sees it: what was written where, since it was opened. Only what it uses is understood.
fn screen(shown: &str) -> String {
    const WIDE: usize = 200;
    const HIGH: usize = 60;
    let mut cells = vec![vec![' '; WIDE]; HIGH];
    let (mut row, mut column) = (0, 0);
    let mut letters = shown.rsplit_once(ALTERNATE).map_or("", |(_, rest)| rest).chars();
    while let Some(letter) = letters.next() {
        if letter != '\x1b' {
            if let Some(cell) = cells.get_mut(row).and_then(|line: &mut Vec<char>| line.get_mut(column)) {
                *cell = letter;
            }
            column += 1;
            continue;
        }
        if letters.next() != Some('[') {
            continue;
        }
        let mut numbers = String::new();
        let Some(end) = letters.find(|letter| {
            let ends = letter.is_ascii_alphabetic();
            if !ends {
                numbers.push(*letter);
            }
            ends
        }) else {
            break;
        };
        let mut numbers = numbers.split(';').map(|number| number.parse::<usize>().unwrap_or(1));
        match end {
            'H' => (row, column) = (numbers.next().unwrap_or(1) - 1, numbers.next().unwrap_or(1) - 1),
            'J' => cells.iter_mut().for_each(|line| line.fill(' ')),
            _ => {}
        }
    }
    let lines = cells.iter().map(|line| line.iter().collect::<String>().trim_end().to_owned());
    lines.collect::<Vec<_>>().join("\n")
}

/// What `stty -a` shows.
fn modes(terminal: &OwnedFd) -> Vec<u8> {
    let stty =
        Command::new("stty").arg("-a").stdin(Stdio::from(terminal.try_clone().unwrap())).output().unwrap();
    assert!(stty.status.success());
    let text = String::from_utf8_lossy(&stty.stdout).into_owned();
    // The size may have been changed on purpose.
    text.lines().skip(1).collect::<Vec<_>>().join("\n").into_bytes()
}

/// The last words are on the terminal as it was, behind the full screen.
fn assert_back(shown: &str) {
    let (_, after) =
        shown.rsplit_once(NORMAL).unwrap_or_else(|| panic!("still on the full screen: {shown:?}"));
    assert!(after.contains("Stopped after") && after.contains("The pool's own count"), "{after:?}");
    assert!(after.contains("\x1b[?25h") || shown.contains("\x1b[?25h"), "the cursor is there again");
}

#[test]
fn the_full_screen_opens_obeys_and_gives_the_terminal_back() {
    let mut miner = OnTerminal::demo(&["--ui", "full"]);
    let opened = miner.wait(0, ALTERNATE);
    assert!(miner.shown()[..opened].contains("no fee, pid"), "the start is on the terminal as it was");
    miner.see("Mining, all well");
    miner.see("hashed in the last hour");
    miner.press("?");
    miner.see("Esc closes");
    miner.press("?");
    miner.press("p");
    miner.see("order    pause: paused until someone resumes");
    miner.see("Paused by order");
    miner.press("r");
    miner.see("Mining, all well");
    miner.resize(40, 10);
    miner.see("this window has 40 x 10");
    miner.resize(120, 40);
    miner.see("hashed in the last hour");
    miner.press("q");
    let (code, shown) = miner.ended();
    assert_eq!(code, Some(0), "{shown:?}");
    assert_back(&shown);
}

#[test]
fn signals_give_the_terminal_back_as_well() {
    for signal in ["TERM", "INT"] {
        let mut miner = OnTerminal::demo(&["--ui", "full"]);
        miner.see("hashed in the last hour");
        miner.signal(signal);
        let (code, shown) = miner.ended();
        assert_eq!(code, Some(0), "{shown:?}");
        assert_back(&shown);
    }
}

#[test]
fn lines_take_keys_and_nothing_moves_the_cursor() {
    let mut miner = OnTerminal::demo(&["--ui", "lines", "--color", "never"]);
    miner.wait(0, "  keys     h hashrate");
    miner.wait(0, "share    ok");
    let from = miner.press("h");
    miner.wait(from, "DEVICE  WHAT");
    let from = miner.press("t");
    miner.wait(from, "cpu0   thread   0");
    let from = miner.press("1");
    miner.wait(from, "cpu0 paused until someone resumes it");
    // The state that the next digit goes by is of a second ago at most.
    std::thread::sleep(Duration::from_millis(2100));
    let from = miner.press("1");
    miner.wait(from, "no pause of cpu0 is asked for any more");
    let from = miner.press("quit the queue");
    miner.wait(from, "what is pasted is not taken for keys");
    let from = miner.press("z");
    miner.wait(from, "z is no key");
    let from = miner.press("q");
    miner.wait(from, "q: ending");
    let (code, shown) = miner.ended();
    assert_eq!(code, Some(0), "{shown}");
    assert!(shown.contains("Stopped after"), "{shown}");
    assert!(!shown.contains(['\x1b', '\x08']), "no cursor is moved and nothing is coloured: {shown:?}");
}

#[test]
fn another_miner_is_watched_steered_and_missed() {
    let mut miner = Miner::start_at(
        "sha256d",
        &["--devices", "cpu", "--threads", "1"],
        &["--pool", "stratum+tcp://127.0.0.1:1", "--user", "demo", "--api-bind", "127.0.0.1:0"],
    );
    let address = miner.api().to_string();
    let mut top =
        OnTerminal::start(&["top", "--host", &address], &[("RMINER_API_TOKEN", &miner.api_token())]);
    top.see("No pool for");
    top.press("p");
    top.see("paused until someone resumes");
    let from = top.press("q");
    top.wait(from, NORMAL);
    let (code, shown) = top.ended();
    assert_eq!(code, Some(0), "{shown:?}");
    miner.assert_alive();
    // Without the token an order is refused, and the screen says what to do. A miner that goes away may come back.
    let wrong = "wrong-but-long-enough-for-a-token";
    let mut top = OnTerminal::start(&["top", "--host", &address], &[("RMINER_API_TOKEN", wrong)]);
    top.see("No pool for");
    top.press("r");
    top.see("does not let us");
    assert_eq!(miner.stop().0, Some(0));
    top.see("NO CONNECTION");
    top.signal("TERM");
    assert_eq!(top.ended().0, Some(0));
}

#[test]
fn without_a_terminal_there_is_no_full_screen() {
    let run = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_rminer"));
        command.args(arguments).env("XDG_STATE_HOME", env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code(), text(&output.stdout), text(&output.stderr))
    };
    let (code, _, errors) = run(&["top", "--host", "127.0.0.1:1"]);
    assert!(code == Some(2) && errors.contains("error[no-terminal]"), "{code:?} {errors}");
    let (code, shown, _) = run(&[&DEMO[..], &["--ui", "full", "--time-limit", "2s"]].concat());
    assert!(code == Some(0) && shown.contains("warning[no-terminal]"), "{code:?} {shown}");
    assert!(shown.contains("Stopped after") && !shown.contains('\x1b'), "{shown}");
}
