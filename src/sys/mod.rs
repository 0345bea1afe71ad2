//! The only effects, and the only unsafe code.

pub mod accounts;
pub mod apply;
pub mod clock;
pub mod directory;
pub mod lock;
pub mod mount;
pub mod process;
pub mod random;
pub mod secret;
pub mod startup;
pub mod streams;

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
