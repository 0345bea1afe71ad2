//! The pure part: names, keys, durations, command lines, settings, the planner and nginx's configuration.
//!
//! Nothing here knows a path's content, a clock, an environment or a descriptor; "now", "seen" and "random"
//! are arguments. `tests/house.rs` holds this folder to it.

pub mod arguments;
pub mod duration;
pub mod endpoint;
pub mod findings;
pub mod host;
pub mod json;
pub mod key;
pub mod metrics;
pub mod name;
pub mod nginx_config;
pub mod nginx_lint;
pub mod nginx_sockets;
pub mod plan;
pub mod session;
pub mod settings;
pub mod setup;
pub mod ticket;
