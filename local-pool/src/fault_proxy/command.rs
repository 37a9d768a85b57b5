//! What the proxy can be told.

use std::str::FromStr;
use std::time::Duration;

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// In good order (FIN).
    Close,
    /// Reset (RST).
    Reset,
}

/// How bytes are treated from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `ok`: passed on.
    Pass,
    /// `delay MS` or `delay MS JITTER_MS`: each piece is held, both ways.
    Delay {
        /// At least this long.
        base: Duration,
        /// And up to this much more.
        jitter: Duration,
    },
    /// `rate BYTES`: at most so many bytes a second, each way.
    Rate(u32),
    /// `stall`: connections are kept and nothing passes, a black hole.
    Stall,
    /// `refuse`: new connections are closed at once; old ones go on.
    Refuse,
    /// `mute`: new connections are taken, and the server never hears of them.
    Mute,
    /// `drop-up`: what the miner sends is thrown away.
    DropUp,
    /// `drop-down`: what the server sends is thrown away.
    DropDown,
    /// `chop BYTES`: pieces of this size, both ways.
    Chop(usize),
    /// `glue MS`: collected for so long, then sent in one piece, both ways.
    Glue(Duration),
    /// `corrupt N`: the Nth byte from the server on, counted from 0, has its bits flipped.
    Corrupt(u64),
    /// `bytes N` (reset) and `close-bytes N`: each connection ends behind N more bytes from the server.
    EndAfterBytes(u64, Ending),
    /// `lines N` (reset) and `close-lines N`: each connection ends behind N more lines from the server.
    EndAfterLines(u64, Ending),
}

/// What is done once, to every open connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Deed {
    /// `reset` or `close`.
    End(Ending),
    /// `half`: the direction from the server to the miner is closed, the other goes on.
    Half,
    /// `junk TEXT`: TEXT and a newline to the miner; `\xNN` stands for a byte.
    Junk(Vec<u8>),
}

/// One order to the proxy; its text form is a line as in [`Mode`] and [`Deed`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// From now on.
    Mode(Mode),
    /// Now.
    Deed(Deed),
    /// `down`: the port is closed, so that connecting is refused; open connections go on.
    Down,
    /// `up`: the port is open again.
    Up,
}

impl From<Mode> for Command {
    fn from(mode: Mode) -> Self {
        Self::Mode(mode)
    }
}

impl From<Deed> for Command {
    fn from(deed: Deed) -> Self {
        Self::Deed(deed)
    }
}

/// A text that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no proxy command")]
pub struct CommandError(String);

impl FromStr for Command {
    type Err = CommandError;

    fn from_str(text: &str) -> Result<Self, CommandError> {
        let error = || CommandError(text.to_owned());
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        if word == "junk" {
            return unescape(rest).map(|bytes| Deed::Junk(bytes).into()).ok_or_else(error);
        }
        let numbers: Vec<u64> =
            rest.split_whitespace().map(str::parse).collect::<Result<_, _>>().map_err(|_| error())?;
        let narrow = |number: u64| u32::try_from(number).map_err(|_| error());
        let wide = |number: u64| usize::try_from(number).map_err(|_| error());
        let millis = Duration::from_millis;
        Ok(match (word, numbers.as_slice()) {
            ("ok", []) => Mode::Pass.into(),
            ("delay", [base]) => Mode::Delay { base: millis(*base), jitter: Duration::ZERO }.into(),
            ("delay", [base, jitter]) => Mode::Delay { base: millis(*base), jitter: millis(*jitter) }.into(),
            ("rate", [bytes]) => Mode::Rate(narrow(*bytes)?).into(),
            ("stall", []) => Mode::Stall.into(),
            ("refuse", []) => Mode::Refuse.into(),
            ("mute", []) => Mode::Mute.into(),
            ("drop-up", []) => Mode::DropUp.into(),
            ("drop-down", []) => Mode::DropDown.into(),
            ("chop", [bytes]) => Mode::Chop(wide(*bytes)?).into(),
            ("glue", [time]) => Mode::Glue(millis(*time)).into(),
            ("corrupt", [place]) => Mode::Corrupt(*place).into(),
            ("bytes", [count]) => Mode::EndAfterBytes(*count, Ending::Reset).into(),
            ("close-bytes", [count]) => Mode::EndAfterBytes(*count, Ending::Close).into(),
            ("lines", [count]) => Mode::EndAfterLines(*count, Ending::Reset).into(),
            ("close-lines", [count]) => Mode::EndAfterLines(*count, Ending::Close).into(),
            ("reset", []) => Deed::End(Ending::Reset).into(),
            ("close", []) => Deed::End(Ending::Close).into(),
            ("half", []) => Deed::Half.into(),
            ("down", []) => Self::Down,
            ("up", []) => Self::Up,
            _ => return Err(error()),
        })
    }
}

fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = after.get(2..)?;
    }
    bytes.extend_from_slice(rest.as_bytes());
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts() {
        let second = Duration::from_secs(1);
        for (text, want) in [
            ("ok", Mode::Pass.into()),
            ("delay 1000", Mode::Delay { base: second, jitter: Duration::ZERO }.into()),
            (" delay 1000 1000 ", Mode::Delay { base: second, jitter: second }.into()),
            ("rate 1000", Mode::Rate(1000).into()),
            ("stall", Mode::Stall.into()),
            ("refuse", Mode::Refuse.into()),
            ("mute", Mode::Mute.into()),
            ("drop-up", Mode::DropUp.into()),
            ("drop-down", Mode::DropDown.into()),
            ("chop 7", Mode::Chop(7).into()),
            ("glue 1000", Mode::Glue(second).into()),
            ("corrupt 0", Mode::Corrupt(0).into()),
            ("bytes 5", Mode::EndAfterBytes(5, Ending::Reset).into()),
            ("close-bytes 5", Mode::EndAfterBytes(5, Ending::Close).into()),
            ("lines 1", Mode::EndAfterLines(1, Ending::Reset).into()),
            ("close-lines 1", Mode::EndAfterLines(1, Ending::Close).into()),
            ("reset", Deed::End(Ending::Reset).into()),
            ("close", Deed::End(Ending::Close).into()),
            ("half", Deed::Half.into()),
            ("junk a b\\x00\\xffc", Deed::Junk(b"a b\0\xFFc".to_vec()).into()),
            ("down", Command::Down),
            ("up", Command::Up),
        ] {
            assert_eq!(text.parse(), Ok(want), "{text}");
        }
        for bad in ["", "nosuch", "delay", "delay x", "ok 1", "rate 99999999999", "junk \\x1", "junk \\xzz"] {
            assert_eq!(bad.parse::<Command>(), Err(CommandError(bad.to_owned())));
        }
    }
}
