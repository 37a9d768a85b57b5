//! Sensors: recorded trees of the kernel's files, and a stub of NVIDIA's library.
#![cfg(target_os = "linux")]
#![allow(unreachable_pub, clippy::unwrap_used, clippy::expect_used)]

mod nvml;
mod tree;
mod trees;
