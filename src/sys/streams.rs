//! Standard input, output and error. Nothing else reads or writes descriptors 0, 1 and 2, and each error writing
//! standard output is an error: a key that went nowhere is never a success.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};

use crate::failure::{Failure, Outcome};
use crate::sys::directory::Found;
use crate::sys::secret::Secret;
use crate::sys::system::file_system::is_in_memory;
use crate::sys::{read_all, retry, startup, write_all};

/// Writes all of `bytes` to standard output.
pub fn write_out(bytes: &[u8]) -> Outcome {
    if startup::was_closed(1) {
        return Err(Failure::system("cannot write standard output", Errno::EBADF));
    }
    write_all(std::io::stdout().as_fd(), bytes).map_err(|errno| Failure::system("cannot write standard output", errno))
}

/// Writes one message, as given, and a line end to standard error. Where that fails there is nobody left to tell.
pub fn write_error(line: &str) {
    if !startup::was_closed(2) {
        let _ = write_all(std::io::stderr().as_fd(), format!("{line}\n").as_bytes());
    }
}

/// Whether standard output is a terminal.
#[must_use]
pub fn out_is_terminal() -> bool {
    !startup::was_closed(1) && std::io::stdout().is_terminal()
}

/// Whether standard output is a file on a file system that is not in memory. The shell opened it, so K1 can only warn.
#[must_use]
pub fn out_is_on_disk() -> bool {
    let out = std::io::stdout();
    let is_file = fstat(&out).is_ok_and(|stat| Found::from(stat).is_regular);
    is_file && !is_in_memory(&out).unwrap_or(true)
}

/// Whether standard input is a terminal.
#[must_use]
pub fn in_is_terminal() -> bool {
    !startup::was_closed(0) && std::io::stdin().is_terminal()
}

/// Reads standard input into `buffer` up to its end or until the buffer is full; how many bytes came.
///
/// It bypasses the standard library's buffer, which would keep a copy of the key.
pub fn read_in(buffer: &mut [u8]) -> Outcome<usize> {
    const ATTEMPT: &str = "cannot read standard input";
    if startup::was_closed(0) {
        return Err(Failure::system(ATTEMPT, Errno::EBADF));
    }
    read_all(std::io::stdin().as_fd(), buffer).map_err(|errno| Failure::system(ATTEMPT, errno))
}

/// Reads a file, or standard input (`None` or `-`), to its end into memory for secrets; how many bytes came, and at most one
/// more than `limit`.
pub fn read_secret(file: Option<&str>, limit: usize) -> Outcome<(Secret, usize)> {
    let opened = match file.filter(|file| *file != "-") {
        None => None,
        Some(file) => {
            let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NOCTTY;
            let opened = retry(|| nix::fcntl::open(file, flags, Mode::empty()));
            let shown = file.escape_debug();
            Some((opened.map_err(|errno| Failure::system(format!("cannot open {shown}"), errno))?, shown))
        }
    };
    // Sessions fit at once; what does not is moved on into ever larger memory.
    let mut secret = Secret::with_room(READ_AT_ONCE.min(limit + 1))?;
    let mut length = 0;
    loop {
        let end = secret.len().min(limit + 1);
        length += match &opened {
            None => read_in(&mut secret[length..end])?,
            Some((descriptor, shown)) => read_all(descriptor.as_fd(), &mut secret[length..end])
                .map_err(|errno| Failure::system(format!("cannot read {shown}"), errno))?,
        };
        if length < end || length > limit {
            return Ok((secret, length));
        }
        let mut larger = Secret::with_room((2 * length).min(limit + 1))?;
        larger[..length].copy_from_slice(&secret[..length]);
        secret = larger;
    }
}

/// How many bytes [`read_secret`] makes room for at first.
const READ_AT_ONCE: usize = 16 * 1024;
