//! The program: what was typed becomes settings, settings become pools and devices, and the engine joins them.

pub mod alerts;
pub mod api;
pub mod bench;
pub mod cli;
pub mod clock;
mod commands;
pub mod config;
pub mod demo;
pub mod devices;
pub mod doctor;
pub mod engine;
pub mod exit;
pub mod explain;
pub mod mine;
pub mod problem;
pub mod records;
pub mod reload;
pub mod safety;
pub mod service;
pub mod setup;
mod signals;
mod state_file;
mod suggest;
pub mod telemetry;
mod traffic;
pub mod ui;
pub mod wallet;
