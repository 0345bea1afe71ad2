//! What keeps memory to this process.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::errno::Errno;

use crate::failure::{Failure, Outcome};

/// Keeps core dumps from this process and the programs that it runs (K5).
pub fn forbid_core_dumps() -> Outcome {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid, and only read.
    let set = unsafe { libc::setrlimit(libc::RLIMIT_CORE, &raw const none) };
    Errno::result(set).map(drop).map_err(|errno| Failure::system("cannot forbid core dumps", errno))
}

/// Nothing: without core dumps there is nothing to leave pages out of, and what leaves them out of child processes differs
/// from system to system. Children execute a program at once.
///
/// # Errors
/// None.
///
/// # Safety
/// The pages are mapped, and belong to the caller.
#[allow(clippy::unnecessary_wraps)]
pub unsafe fn keep_private(_: NonNull<libc::c_void>, _: NonZeroUsize) -> nix::Result<()> {
    Ok(())
}
