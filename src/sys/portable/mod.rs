//! Every system that is not Linux: POSIX, and for the rest what the system's own programs say.
//!
//! This is type-checked for those systems (`make check-portable`) and runs in tests on Linux, where `--cfg stek_portable`
//! builds it; it was never run on the systems themselves.

use std::process::{Command, Stdio};

pub mod file_system;
pub mod host;
pub mod memory;
pub mod process;

/// What a program calls its standard input where it wants a file's name.
pub const INPUT: &str = "/dev/fd/0";

/// What a program calls a descriptor that it inherited, where it wants a file's name. On FreeBSD this needs fdescfs(5).
#[must_use]
pub fn descriptor_path(number: std::os::fd::RawFd) -> String {
    format!("/dev/fd/{number}")
}

/// What a program of the system writes to standard output, in the C locale; `None` if it cannot be run.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").stdin(Stdio::null()).stderr(Stdio::null());
    Some(String::from_utf8_lossy(&command.output().ok()?.stdout).into_owned())
}
