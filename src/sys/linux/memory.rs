//! What keeps memory to this process.

use std::num::NonZeroUsize;
use std::ptr::NonNull;

use nix::sys::mman::{MmapAdvise, madvise};

use crate::failure::{Failure, Outcome};

/// Keeps core dumps, and debuggers of the same user, from this process (K5).
pub fn forbid_core_dumps() -> Outcome {
    nix::sys::prctl::set_dumpable(false).map_err(|errno| Failure::system("cannot forbid core dumps", errno))
}

/// Leaves pages out of core dumps and of child processes (K5).
///
/// # Errors
/// What madvise(2) fails with.
///
/// # Safety
/// The pages are mapped, and belong to the caller.
pub unsafe fn keep_private(pages: NonNull<libc::c_void>, length: NonZeroUsize) -> nix::Result<()> {
    for advice in [MmapAdvise::MADV_DONTDUMP, MmapAdvise::MADV_DONTFORK] {
        // SAFETY: as the caller promises; neither advice changes what the pages hold for this process.
        unsafe { madvise(pages, length.get(), advice) }?;
    }
    Ok(())
}
