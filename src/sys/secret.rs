//! Memory for key bytes (K5): locked into memory, left out of core dumps, not inherited by children, overwritten at the end.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mlock, mmap_anonymous, munlock, munmap};
use zeroize::Zeroize;

use crate::failure::{Failure, Outcome};

/// One page of memory for key bytes. It can be neither copied nor printed.
pub struct Secret {
    page: NonNull<libc::c_void>,
}

impl Secret {
    /// How many bytes it holds: one page of the smallest size that kernels use.
    const LENGTH: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

    /// Maps and locks a page. The first one also makes the process undumpable.
    pub fn new() -> Outcome<Self> {
        const ATTEMPT: &str = "cannot lock memory for keys";
        forbid_core_dumps()?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new private mapping, at an address of the kernel's choice, overlaps nothing.
        let page = unsafe { mmap_anonymous(None, Self::LENGTH, protection, MapFlags::MAP_PRIVATE) };
        let page = page.map_err(|errno| Failure::system(ATTEMPT, errno))?;
        let secret = Self { page };
        // SAFETY: the page was mapped just above with this length.
        unsafe { mlock(page, Self::LENGTH.get()) }.map_err(|errno| {
            Failure::system(ATTEMPT, errno).hint("raise the limit of locked memory (ulimit -l) to 64 KiB or more")
        })?;
        #[cfg(target_os = "linux")]
        for advice in [nix::sys::mman::MmapAdvise::MADV_DONTDUMP, nix::sys::mman::MmapAdvise::MADV_DONTFORK] {
            // SAFETY: as above; neither advice changes what the page holds for this process.
            unsafe { nix::sys::mman::madvise(page, Self::LENGTH.get(), advice) }
                .map_err(|errno| Failure::system(ATTEMPT, errno))?;
        }
        Ok(secret)
    }
}

#[cfg(target_os = "linux")]
fn forbid_core_dumps() -> Outcome {
    nix::sys::prctl::set_dumpable(false).map_err(|errno| Failure::system("cannot forbid core dumps", errno))
}

#[cfg(not(target_os = "linux"))]
fn forbid_core_dumps() -> Outcome {
    Ok(())
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the page is mapped readable with this length for as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.page.cast().as_ptr(), Self::LENGTH.get()) }
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, writable, and `&mut self` makes it the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.page.cast().as_ptr(), Self::LENGTH.get()) }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
        // SAFETY: nothing refers to the page any more. If either call fails the page stays, and it is wiped.
        unsafe {
            let _ = munlock(self.page, Self::LENGTH.get());
            let _ = munmap(self.page, Self::LENGTH.get());
        }
    }
}
