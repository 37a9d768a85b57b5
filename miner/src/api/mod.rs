//! The HTTP interface of a running miner: its state for people and programs, and a few orders. A thread of its own with
//! a runtime of its own; it sees snapshots and records and nothing of the engine.

mod server;
mod v1;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use tokio::sync::mpsc;

use crate::engine::{Board, Order};
use crate::records::Records;

pub use server::{Server, bind};

/// Where it listens and who may ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiSettings {
    /// Address; `None` turns the interface off.
    pub bind: Option<SocketAddr>,
    /// Whether the user named the address: then it must be had.
    pub is_wanted: bool,
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
}

/// All routes.
pub fn router(state: ApiState) -> Router {
    Router::new().merge(v1::routes()).with_state(state)
}
