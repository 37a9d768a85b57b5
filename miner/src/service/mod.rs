//! Life under a service manager: what it is told, the unit that starts us, and how that is put in place. Everything
//! here is that of systemd; where there is none, nothing of it happens.

mod channel;
mod environment;
pub mod install;
mod notify;
pub mod state;
pub mod unit;

pub use environment::{Environment, directory};
pub use notify::Manager;
