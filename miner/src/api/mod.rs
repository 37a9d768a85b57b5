//! The HTTP interface of a running miner: its state for people and programs, and a few orders. A thread of its own with
//! a runtime of its own; it sees snapshots and records and nothing of the engine.

mod answer;
mod compat;
mod error;
mod guard;
mod metrics;
mod page;
mod pairing;
mod patient;
mod server;
mod time;
mod token;
mod v1;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use crate::config::EffectiveSetting;
use crate::engine::{Board, Order};
use crate::records::Records;

pub use error::ApiError;
pub use guard::{Access, Peer};
pub use pairing::{MAX_PAIRED, Pairing, Scope};
pub(crate) use time::rfc3339;
pub use v1::explain_json;
/// Where the interface listens when nobody says otherwise.
pub const USUAL_BIND: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 4077);

pub use server::{MAX_CONNECTIONS, Patience, Server, bind};
pub(crate) use time::parse_rfc3339;
pub use token::{Token, check_token, open as open_token};

/// Where it listens and who may ask.
#[derive(Debug, Clone, Default)]
pub struct ApiSettings {
    /// Address; `None` turns the interface off.
    pub bind: Option<SocketAddr>,
    /// Whether the user named the address: then it must be had.
    pub is_wanted: bool,
    /// File with the token; `None` for the one in the state folder.
    pub token_file: Option<PathBuf>,
    /// The token itself, from the environment.
    pub token: Option<SecretString>,
    /// The token as a service manager hands it over, if it has one: a file that only this process can read.
    pub credential: Option<PathBuf>,
    /// Origins whose pages may ask.
    pub allow_origin: Vec<String>,
    /// Names that this machine may be asked by, beside those of loopback.
    pub allow_host: Vec<String>,
}

impl PartialEq for ApiSettings {
    fn eq(&self, other: &Self) -> bool {
        let token = |settings: &Self| settings.token.as_ref().map(|token| token.expose_secret().to_owned());
        (self.bind, self.is_wanted, &self.token_file) == (other.bind, other.is_wanted, &other.token_file)
            && (&self.allow_origin, &self.allow_host) == (&other.allow_origin, &other.allow_host)
            && token(self) == token(other)
    }
}

/// What does not change while the miner runs.
#[derive(Debug, Clone, Default)]
pub struct About {
    /// Name of the rig at its pools, else of the machine.
    pub rig: String,
    /// Algorithm by its name in the registry.
    pub algorithm: &'static str,
    /// Addresses of the pools, logins redacted.
    pub pools: Vec<String>,
    /// Seconds since 1970 at the start.
    pub started_s: f64,
    /// As whom each pool is mined for, shortened.
    pub users: Vec<String>,
    /// The settings of this run, secrets replaced.
    pub config: Vec<EffectiveSetting>,
    /// Whether there is a token, without which no order is taken.
    pub takes_orders: bool,
    /// What a look at the machine needs to know of this run.
    pub examined: crate::doctor::Inputs,
    /// Where the interface listens.
    pub bind: Option<SocketAddr>,
    /// The preset of processor registers that was in force at the start.
    pub msr: Option<&'static str>,
    /// PCI addresses of graphics cards, by device.
    pub buses: BTreeMap<String, String>,
}

/// What answers are made from.
#[derive(Clone)]
pub struct ApiState {
    /// What does not change.
    pub about: Arc<About>,
    /// The state.
    pub board: Arc<Board>,
    /// What has happened.
    pub records: Arc<Records>,
    /// Where orders go.
    pub orders: mpsc::Sender<Order>,
    /// Tokens of other devices.
    pub pairing: Arc<Pairing>,
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    Router::new()
        .merge(page::routes())
        .merge(v1::routes())
        .merge(metrics::routes())
        .merge(compat::routes())
        .with_state(state)
}
