//! The network half against servers on loopback: names, TCP, TLS, SOCKS5, HTTP.

#![allow(clippy::unwrap_used, clippy::expect_used)] // a test that cannot go on should say where

mod certificates;
mod client;
mod dial;
mod http;
mod monerod;
mod probe;
mod servers;
mod socks;
mod tls;
