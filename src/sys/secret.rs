//! Memory for key bytes (K5): locked into memory, left out of core dumps, not inherited by children, overwritten at the end.
//!
//! What works with keys leaves traces of them on the stack; [`on_wiped_stack`] is for that.

use std::num::NonZeroUsize;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use nix::sys::mman::{MapFlags, ProtFlags, mlock, mmap_anonymous, munlock, munmap};
use zeroize::Zeroize;

use crate::failure::{Failure, Outcome};
use crate::sys::system::memory;

/// The smallest size of a page that kernels use.
const PAGE: NonZeroUsize = NonZeroUsize::new(4096).unwrap();

/// One page of memory for key bytes, or more. It can be neither copied nor printed.
pub struct Secret {
    page: NonNull<libc::c_void>,
    length: NonZeroUsize,
}

impl Secret {
    /// Maps and locks a page. The first one also makes the process undumpable.
    pub fn new() -> Outcome<Self> {
        Self::with_room(PAGE.get())
    }

    /// Maps and locks as many pages as hold so many bytes.
    pub fn with_room(bytes: usize) -> Outcome<Self> {
        const ATTEMPT: &str = "cannot lock memory for keys";
        let length = NonZeroUsize::new(bytes.next_multiple_of(PAGE.get())).unwrap_or(PAGE);
        memory::forbid_core_dumps()?;
        let protection = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: a new private mapping, at an address of the kernel's choice, overlaps nothing.
        let page = unsafe { mmap_anonymous(None, length, protection, MapFlags::MAP_PRIVATE) };
        let page = page.map_err(|errno| Failure::system(ATTEMPT, errno))?;
        let secret = Self { page, length };
        // SAFETY: the page was mapped just above with this length.
        unsafe { mlock(page, length.get()) }.map_err(|errno| {
            let most = if length.get() <= 32 * 1024 { 64 } else { 512 };
            Failure::system(ATTEMPT, errno)
                .hint(format!("raise the limit of locked memory (ulimit -l) to {most} KiB or more"))
        })?;
        // SAFETY: as above.
        unsafe { memory::keep_private(page, length) }.map_err(|errno| Failure::system(ATTEMPT, errno))?;
        Ok(secret)
    }
}

/// How much of the stack [`on_wiped_stack`] looks after. AES and SHA-256 were seen to need 7 KiB of it.
const STACK: usize = 16 * 1024;

/// Runs `work`, which computes with keys, on a stretch of stack that is locked meanwhile and overwritten afterwards: a
/// cipher spreads its key out there, beyond what it wipes itself.
pub fn on_wiped_stack<T>(work: impl FnOnce() -> T) -> Outcome<T> {
    const ATTEMPT: &str = "cannot lock the stack for keys";
    memory::forbid_core_dumps()?;
    // Writing to it makes the stack so long, which mlock(2) alone does not.
    let below = wipe_stack().cast();
    // SAFETY: `wipe_stack` has just written to all of these bytes; locking changes none of them.
    unsafe { mlock(below, STACK) }.map_err(|errno| Failure::system(ATTEMPT, errno))?;
    let result = out_of_line(work);
    wipe_stack();
    // SAFETY: as above. It fails only where nothing was locked, and then nothing needs to be done.
    let _ = unsafe { munlock(below, STACK) };
    Ok(result)
}

/// Puts a gap between its caller and `work`: the first bytes below the caller are those that [`wipe_stack`] needs itself.
#[inline(never)]
fn out_of_line<T>(work: impl FnOnce() -> T) -> T {
    let gap = std::hint::black_box([0_u8; 1024]);
    let result = below(work);
    std::hint::black_box(&gap);
    result
}

/// A frame of its own for `work`.
#[inline(never)]
fn below<T>(work: impl FnOnce() -> T) -> T {
    work()
}

/// Overwrites the stack below its caller; where the overwritten part began.
#[inline(never)]
fn wipe_stack() -> NonNull<u8> {
    let mut below = [0_u8; STACK];
    below.zeroize();
    NonNull::from(&mut below).cast()
}

impl Deref for Secret {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the page is mapped readable with this length for as long as `self` lives.
        unsafe { std::slice::from_raw_parts(self.page.cast().as_ptr(), self.length.get()) }
    }
}

impl DerefMut for Secret {
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, writable, and `&mut self` makes it the only reference.
        unsafe { std::slice::from_raw_parts_mut(self.page.cast().as_ptr(), self.length.get()) }
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.zeroize();
        // SAFETY: nothing refers to the page any more. If either call fails the page stays, and it is wiped.
        unsafe {
            let _ = munlock(self.page, self.length.get());
            let _ = munmap(self.page, self.length.get());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_what_was_asked() {
        for (bytes, length) in [(0, 4096), (1, 4096), (4096, 4096), (4097, 8192)] {
            let mut secret = Secret::with_room(bytes).unwrap();
            assert_eq!(secret.len(), length);
            secret.fill(0xa5);
        }
    }

    /// Looks for a mark in the stack below its caller.
    #[inline(never)]
    fn marks() -> usize {
        let below = std::mem::MaybeUninit::<[u8; STACK]>::uninit();
        let begin = std::ptr::from_ref(&below).cast::<u8>();
        // SAFETY: the stretch is this function's own stack; each byte is read as the machine has it, and means nothing.
        let bytes = (0..STACK).map(|at| unsafe { begin.add(at).read_volatile() });
        bytes.filter(|byte| *byte == 0x5a).count()
    }

    #[inline(never)]
    fn leave_marks() -> u8 {
        std::hint::black_box([0x5a_u8; 1000])[17]
    }

    #[test]
    fn the_stack_is_wiped() {
        leave_marks();
        let left = marks();
        assert!(left >= 500, "the test sees what is left behind: {left}");
        wipe_stack();
        assert_eq!(on_wiped_stack(leave_marks).unwrap(), 0x5a);
        let left = marks();
        assert!(left < 64, "{left}");
    }
}
