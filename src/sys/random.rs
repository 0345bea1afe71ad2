//! Randomness: getrandom(2), blocking until the kernel's pool is ready, and nothing else (K9).

use nix::errno::Errno;

use crate::core::key::{self, Size};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::secret::Secret;

/// Fills `bytes` from getrandom(2).
///
/// # Errors
/// What getrandom(2) fails with.
pub fn fill(bytes: &mut [u8]) -> nix::Result<()> {
    getrandom::fill(bytes).map_err(|error| error.raw_os_error().map_or(Errno::EIO, Errno::from_raw))
}

/// Random bytes for many keys, asked of the kernel a page at a time and kept in locked memory.
pub struct Pool {
    page: Secret,
    used: usize,
}

impl Pool {
    /// An empty pool.
    pub fn new() -> Outcome<Self> {
        let page = Secret::new()?;
        let used = page.len();
        Ok(Self { page, used })
    }

    /// A new key; it stays in the pool's memory until the caller is done with it.
    ///
    /// It is tested for the impossible: should the kernel ever give zeros or a pattern, no key leaves (K6, K9).
    pub fn key(&mut self, size: Size) -> Outcome<&mut [u8]> {
        if self.used + size.bytes() > self.page.len() {
            fill(&mut self.page).map_err(|errno| Failure::system("cannot get random bytes", errno))?;
            self.used = 0;
        }
        let at = self.used;
        self.used += size.bytes();
        let key = &mut self.page[at..at + size.bytes()];
        match key::weakness(key) {
            Some(weakness) => {
                Err(Failure::new(Exit::System, format!("getrandom gave a key that is {}", weakness.words()))
                    .hint("do not use this machine for keys before you know why"))
            }
            None => Ok(key),
        }
    }
}
