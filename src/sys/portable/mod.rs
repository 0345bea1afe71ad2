//! Every system that is not Linux: POSIX, and for the rest what the system's own programs say.
//!
//! This is type-checked for those systems (`make check-portable`) and runs in tests on Linux, where `--cfg stek_portable`
//! builds it; it was never run on the systems themselves.

use std::os::fd::OwnedFd;
use std::path::Path;

use super::program::Program;

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
    let mut program = Program::new(program, arguments.iter().map(Into::into));
    program.environment = Some(vec!["LC_ALL=C".into()]);
    Some(String::from_utf8_lossy(&program.run().ok()?.output).into_owned())
}

/// Has a program begin in a directory, which `posix_spawn(3)` can do on some systems only: this process goes there, too. Only
/// `setup` asks for it, which knows no relative paths.
///
/// # Safety
/// There is nothing to keep: it is unsafe only where the system does it.
pub unsafe fn begin_in(_: *mut libc::posix_spawn_file_actions_t, directory: &Path) -> nix::Result<Option<OwnedFd>> {
    nix::unistd::chdir(directory).map(|()| None)
}

/// Sends a line to the syslog daemon, if there is one, by syslog(3).
#[allow(clippy::unnecessary_wraps)]
pub fn log(priority: libc::c_int, line: &str) -> std::io::Result<()> {
    if let Ok(line) = std::ffi::CString::new(line) {
        // SAFETY: the identifier stays for as long as the program runs; all strings end in NUL, and the format takes
        // exactly one of them.
        unsafe {
            libc::openlog(c"stek".as_ptr(), libc::LOG_PID, libc::LOG_DAEMON);
            libc::syslog(priority, c"%s".as_ptr(), line.as_ptr());
        }
    }
    Ok(())
}
