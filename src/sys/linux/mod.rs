//! Linux.

pub mod file_system;
pub mod host;
pub mod memory;
pub mod process;

/// What a program calls its standard input where it wants a file's name.
pub const INPUT: &str = "/proc/self/fd/0";

/// What a program calls a descriptor that it inherited, where it wants a file's name.
#[must_use]
pub fn descriptor_path(number: std::os::fd::RawFd) -> String {
    format!("/proc/self/fd/{number}")
}
