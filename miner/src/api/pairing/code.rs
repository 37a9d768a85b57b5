//! The code that is read off one screen and typed on another. Pure: the time comes in.

use std::time::{Duration, Instant};

use ring::rand::{SecureRandom, SystemRandom};
use subtle::ConstantTimeEq;

use super::Scope;

/// How long a code is good.
pub(in crate::api) const CODE_LIFE: Duration = Duration::from_secs(300);
/// Wrong codes after which the right one is none any more: of 32^8, nobody guesses it.
pub(super) const MAX_TRIES: u32 = 5;
/// Characters of a code.
const LENGTH: usize = 8;
/// Digits and letters that cannot be mistaken for another, as Crockford chose them.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
/// Longest text that is looked at, in characters: a code with signs between its letters.
const MAX_GIVEN_CHARS: usize = 32;

/// A code that is open.
#[derive(Debug)]
pub(super) struct Code {
    text: String,
    scope: Scope,
    until: Instant,
    tries: u32,
}

/// What became of a try.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Tried {
    Right(Scope),
    Wrong,
    /// There will be no right one.
    Over,
}

impl Code {
    /// One that nobody knows; `None` when the system has no random numbers.
    pub(super) fn new(scope: Scope, now: Instant) -> Option<Self> {
        let mut bytes = [0; LENGTH];
        SystemRandom::new().fill(&mut bytes).ok()?;
        // 256 is a multiple of 32: each letter is as likely as any other.
        let text = bytes.iter().map(|byte| char::from(ALPHABET[usize::from(byte % 32)])).collect();
        Some(Self { text, scope, until: now + CODE_LIFE, tries: 0 })
    }

    /// As it is shown.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Compares, and counts.
    pub(super) fn try_with(&mut self, given: &str, now: Instant) -> Tried {
        if now >= self.until {
            return Tried::Over;
        }
        if bool::from(normal(given).as_bytes().ct_eq(self.text.as_bytes())) {
            return Tried::Right(self.scope);
        }
        self.tries += 1;
        if self.tries >= MAX_TRIES { Tried::Over } else { Tried::Wrong }
    }
}

/// As people write it: in small letters, with hyphens, with an O for a zero.
fn normal(given: &str) -> String {
    let letters =
        given.chars().take(MAX_GIVEN_CHARS).filter(|letter| !letter.is_whitespace() && *letter != '-');
    let letters = letters.map(|letter| match letter.to_ascii_uppercase() {
        'O' => '0',
        'I' | 'L' => '1',
        letter => letter,
    });
    letters.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_people_write_them() {
        let now = Instant::now();
        let mut code = Code { text: "01AB9XYZ".into(), scope: Scope::Read, until: now + CODE_LIFE, tries: 0 };
        for given in ["01AB9XYZ", "o1ab-9xyz", " OLAB 9xyz\n", "0i-a-b-9-x-y-z"] {
            assert_eq!(code.try_with(given, now), Tried::Right(Scope::Read), "{given}");
        }
        for given in ["", "01AB9XY", "01AB9XYZ0", "\u{1d7d8}1AB9XYZ"] {
            assert_eq!(code.try_with(given, now), Tried::Wrong, "{given}");
        }
        assert_eq!(code.try_with(&"0".repeat(100_000), now), Tried::Over, "the fifth wrong one");
        let new = Code::new(Scope::Control, now).unwrap();
        assert_eq!(new.text().len(), LENGTH);
        assert!(new.text().bytes().all(|letter| ALPHABET.contains(&letter)));
    }

    #[test]
    fn a_code_has_an_end() {
        let now = Instant::now();
        let mut code = Code::new(Scope::Read, now).unwrap();
        let text = code.text().to_owned();
        let last = now + CODE_LIFE;
        assert_eq!(
            code.try_with(&text, last.checked_sub(Duration::from_millis(1)).unwrap()),
            Tried::Right(Scope::Read)
        );
        assert_eq!(code.try_with(&text, last), Tried::Over);
    }
}
