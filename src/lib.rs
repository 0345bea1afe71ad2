//! stek keeps TLS session ticket keys fresh, secret and shared, without a daemon.
//!
//! The program is `main.rs`; this library exists so that tests and fuzzers reach its parts. It is no interface to build upon.
//!
//! - [`applet`]: one file is one applet
//! - [`core`]: pure: names, keys, the planner
//! - [`server`]: one file is one TLS server
//! - [`sys`]: the only effects, and the only unsafe code

pub mod applet;
pub mod core;
pub mod failure;
pub mod server;
pub mod sys;
