//! Linux.

use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;

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

/// Has a program begin in a directory; what it gives back must stay until the program was started.
///
/// By `posix_spawn_file_actions_addfchdir_np(3)`, since glibc 2.29 and musl 1.1.24. Not by that with a path: std asks for it
/// with a weak symbol, and in a static binary that is optimised as one program nobody else would ask for it then.
///
/// # Safety
/// The actions are initialised.
pub unsafe fn begin_in(
    actions: *mut libc::posix_spawn_file_actions_t,
    directory: &Path,
) -> nix::Result<Option<OwnedFd>> {
    let directory = open(directory, OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC, Mode::empty())?;
    // SAFETY: as above; the descriptor is open.
    match unsafe { libc::posix_spawn_file_actions_addfchdir_np(actions, directory.as_raw_fd()) } {
        0 => Ok(Some(directory)),
        error => Err(Errno::from_raw(error)),
    }
}

/// Sends a line to the syslog daemon, if there is one.
///
/// What syslog(3) does, without the time, which every daemon adds where it is missing (RFC 3164, section 4.3.2; tried with
/// those of systemd, rsyslog, syslog-ng and BusyBox). With musl the function brings printf(3) and the time zones along, a
/// twentieth of the whole program.
///
/// # Errors
/// Nobody listens, or reads for a second.
pub fn log(priority: libc::c_int, line: &str) -> std::io::Result<()> {
    let message = format!("<{priority}>stek[{}]: {line}", std::process::id());
    let socket = UnixDatagram::unbound()?;
    socket.set_write_timeout(Some(Duration::from_secs(1)))?;
    socket.send_to(message.as_bytes(), "/dev/log").map(drop)
}
