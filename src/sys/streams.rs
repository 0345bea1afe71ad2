//! Standard input, output and error. Nothing else reads or writes descriptors 0, 1 and 2, and each error writing
//! standard output is an error: a key that went nowhere is never a success.

use std::io::IsTerminal;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sys::stat::fstat;

use crate::failure::{Failure, Outcome};
use crate::sys::directory::{Found, is_in_memory};
use crate::sys::{read_all, startup, write_all};

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
