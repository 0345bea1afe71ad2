//! The pure part: names, keys, durations, command lines, settings and the planner.
//!
//! Nothing here knows a path's content, a clock, an environment or a descriptor; "now", "seen" and "random"
//! are arguments. `tests/house.rs` holds this folder to it.

pub mod arguments;
pub mod duration;
pub mod key;
pub mod name;
pub mod plan;
pub mod settings;
