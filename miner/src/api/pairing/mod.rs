//! Tokens of other devices: a phone or a browser shows a short code that its owner reads off the rig's terminal, and gets
//! a token of its own for it. Only hashes of tokens are kept, in a file of this user's state folder.

mod code;
mod store;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom, SystemRandom};
use rminer_algos::encode_hex;
use rminer_stratum::text::clean;
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;
use tokio::sync::watch;
use utoipa::ToSchema;

pub(super) use code::CODE_LIFE;
use code::{Code, Tried};

/// Devices that may be paired at a time.
pub const MAX_PAIRED: usize = 32;
/// Characters of a device's name that are kept.
const MAX_NAME_CHARS: usize = 60;
/// Random bytes of a token.
const TOKEN_BYTES: usize = 32;
/// The file in the state folder.
const FILE_NAME: &str = "paired.json";

/// What a token may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// Look.
    Read,
    /// Look and give orders.
    Control,
    /// All of that, and let other devices in.
    Owner,
}

impl Scope {
    /// Its name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Control => "control",
            Self::Owner => "owner",
        }
    }
}

/// A device that was let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Paired {
    /// Counts up; a number is not given twice while the list is kept.
    pub number: u32,
    /// As it called itself.
    pub name: String,
    /// What it may do.
    pub scope: Scope,
    /// When it was let in, in seconds since 1970.
    pub since_s: f64,
    /// SHA-256 of its token, in hexadecimal digits.
    hash: String,
}

/// Why a device was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The code is none, or not any more.
    WrongCode,
    /// There are [`MAX_PAIRED`] already.
    Full,
    /// The list cannot be kept, or there are no random numbers.
    System,
}

/// Who is let in, and who may be next.
#[derive(Debug, Default)]
pub struct Pairing {
    file: Option<PathBuf>,
    state: Mutex<State>,
    /// How often devices were let in no longer; whoever reads for one notices.
    departures: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct State {
    code: Option<Code>,
    paired: Vec<Paired>,
}

impl Pairing {
    /// Those of earlier runs, from the state folder; without one they last as long as the process.
    pub fn open(state_folder: Option<&Path>) -> Self {
        let file = state_folder.map(|folder| folder.join(FILE_NAME));
        let mut paired = file.as_deref().map(store::read).unwrap_or_default();
        paired.truncate(MAX_PAIRED);
        Self { file, state: Mutex::new(State { code: None, paired }), departures: watch::Sender::default() }
    }

    /// A new code, with which one device can be let in. An earlier one is no longer good.
    ///
    /// # Errors
    /// When the system gives no random numbers.
    pub fn offer(&self, scope: Scope, now: Instant) -> Result<String, Refusal> {
        // Nobody is made an owner.
        let code = Code::new(scope.min(Scope::Control), now).ok_or(Refusal::System)?;
        let text = code.text().to_owned();
        self.lock().code = Some(code);
        Ok(text)
    }

    /// Lets a device in that has the code: its token, and what is known of it.
    ///
    /// # Errors
    /// Why not.
    pub fn pair(
        &self,
        given: &str,
        name: &str,
        now: Instant,
        now_s: f64,
    ) -> Result<(String, Paired), Refusal> {
        let mut state = self.lock();
        let Some(code) = &mut state.code else { return Err(Refusal::WrongCode) };
        let scope = match code.try_with(given, now) {
            Tried::Right(scope) => scope,
            Tried::Wrong => return Err(Refusal::WrongCode),
            Tried::Over => {
                state.code = None;
                return Err(Refusal::WrongCode);
            }
        };
        if state.paired.len() >= MAX_PAIRED {
            return Err(Refusal::Full);
        }
        let mut bytes = [0; TOKEN_BYTES];
        SystemRandom::new().fill(&mut bytes).map_err(|_| Refusal::System)?;
        let token = encode_hex(&bytes);
        let number =
            state.paired.iter().map(|paired| paired.number).max().unwrap_or_default().saturating_add(1);
        let name = clean(&name.chars().take(MAX_NAME_CHARS).collect::<String>());
        let name = if name.is_empty() { "a device".to_owned() } else { name };
        let paired = Paired { number, name, scope, since_s: now_s, hash: hash_of(token.as_bytes()) };
        let mut list = state.paired.clone();
        list.push(paired.clone());
        self.keep(&list)?;
        state.paired = list;
        state.code = None;
        Ok((token, paired))
    }

    /// What the device with this token may do. As long for a nearly right one as for any other.
    pub fn scope_of(&self, given: &[u8]) -> Option<Scope> {
        let hash = hash_of(given);
        let state = self.lock();
        state.paired.iter().fold(None, |found, paired| {
            if bool::from(paired.hash.as_bytes().ct_eq(hash.as_bytes())) { Some(paired.scope) } else { found }
        })
    }

    /// Everybody who is let in.
    pub fn list(&self) -> Vec<Paired> {
        self.lock().paired.clone()
    }

    /// Lets one in no longer, or all; how many these are. A code that is open is closed with them.
    ///
    /// # Errors
    /// When the list cannot be kept: then nothing has changed.
    pub fn forget(&self, number: Option<u32>) -> Result<usize, Refusal> {
        let mut state = self.lock();
        let goes = |paired: &Paired| number.is_none_or(|number| paired.number == number);
        let rest: Vec<Paired> = state.paired.iter().filter(|paired| !goes(paired)).cloned().collect();
        let gone = state.paired.len() - rest.len();
        if gone > 0 {
            self.keep(&rest)?;
        }
        state.paired = rest;
        if number.is_none() {
            state.code = None;
        }
        drop(state);
        if gone > 0 {
            self.departures.send_modify(|count| *count = count.wrapping_add(1));
        }
        Ok(gone)
    }

    /// Changes whenever devices are let in no longer.
    pub fn departures(&self) -> watch::Receiver<u64> {
        self.departures.subscribe()
    }

    fn keep(&self, list: &[Paired]) -> Result<(), Refusal> {
        match &self.file {
            None => Ok(()),
            Some(file) => store::write(file, list).map_err(|_| Refusal::System),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash_of(token: &[u8]) -> String {
    encode_hex(digest(&SHA256, token).as_ref())
}

#[cfg(test)]
mod tests;
