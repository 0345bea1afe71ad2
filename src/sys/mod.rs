//! The only effects, and the only unsafe code.
//!
//! What systems do not have in common is behind one door, [`system`]: the folder `linux`, and for all others `portable`, with
//! the same names in both. `--cfg stek_portable` builds the latter on Linux, too, where it can be tested.

pub mod accounts;
pub mod apply;
pub mod clock;
pub mod directory;
pub mod lock;
pub mod log;
pub mod mount;
pub mod process;
pub mod program;
pub mod random;
pub mod secret;
pub mod setup;
pub mod startup;
pub mod streams;
pub mod survey;

#[cfg(all(target_os = "linux", not(stek_portable)))]
#[path = "linux/mod.rs"]
pub mod system;
#[cfg(not(all(target_os = "linux", not(stek_portable))))]
#[path = "portable/mod.rs"]
pub mod system;

pub use system::host;

use std::os::fd::BorrowedFd;

use nix::errno::Errno;

/// Calls again what a signal interrupted.
///
/// # Errors
/// Whatever the call fails with, but `EINTR`.
pub fn retry<T>(mut call: impl FnMut() -> nix::Result<T>) -> nix::Result<T> {
    loop {
        match call() {
            Err(Errno::EINTR) => {}
            result => return result,
        }
    }
}

/// Reads from `descriptor` up to its end or until `buffer` is full.
///
/// # Errors
/// Whatever read(2) fails with, but `EINTR`.
pub fn read_all(descriptor: BorrowedFd<'_>, buffer: &mut [u8]) -> nix::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match retry(|| nix::unistd::read(descriptor, &mut buffer[length..]))? {
            0 => break,
            more => length += more,
        }
    }
    Ok(length)
}

/// Writes all of `bytes` to `descriptor`.
///
/// # Errors
/// Whatever write(2) fails with, but `EINTR`; `EIO` if it takes nothing.
pub fn write_all(descriptor: BorrowedFd<'_>, mut bytes: &[u8]) -> nix::Result<()> {
    while !bytes.is_empty() {
        match retry(|| nix::unistd::write(descriptor, bytes))? {
            0 => return Err(Errno::EIO),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}
