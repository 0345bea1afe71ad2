//! What the shell gave this process, learnt before the Rust runtime hides it.
//!
//! The runtime opens /dev/null over closed descriptors 0 to 2 and ignores SIGPIPE, both before `main`. A function in
//! `.init_array` runs earlier, in a static binary too.

use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

static CLOSED: AtomicU8 = AtomicU8::new(0);
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[used]
static LOOK: extern "C" fn() = {
    extern "C" fn look() {
        for descriptor in 0..3_u8 {
            // SAFETY: F_GETFD on any number is harmless; it fails when the descriptor is closed.
            if unsafe { libc::fcntl(RawFd::from(descriptor), libc::F_GETFD) } == -1 {
                CLOSED.fetch_or(1 << descriptor, Ordering::Relaxed);
            }
        }
        let mut action = std::mem::MaybeUninit::<libc::sigaction>::zeroed();
        // SAFETY: a null new action only asks; the structure is zeroed and large enough.
        let asked = unsafe { libc::sigaction(libc::SIGPIPE, std::ptr::null(), action.as_mut_ptr()) };
        // SAFETY: zeroed is a valid sigaction, whatever the call did.
        let ignored = unsafe { action.assume_init() }.sa_sigaction == libc::SIG_IGN;
        SIGPIPE_IGNORED.store(asked == 0 && ignored, Ordering::Relaxed);
    }
    look
};

/// Whether descriptor 0, 1 or 2 was closed when the process began.
#[must_use]
pub fn was_closed(descriptor: RawFd) -> bool {
    (0..3).contains(&descriptor) && CLOSED.load(Ordering::Relaxed) & (1 << descriptor) != 0
}

/// Gives SIGPIPE and the closed descriptors back as they were, for the program that is executed next.
pub fn give_back() {
    let action = if SIGPIPE_IGNORED.load(Ordering::Relaxed) { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: both dispositions are valid, and no handler of ours exists.
    unsafe { libc::signal(libc::SIGPIPE, action) };
    for descriptor in (0..3).filter(|descriptor| was_closed(*descriptor)) {
        // SAFETY: it is the runtime's /dev/null; nothing here holds it.
        unsafe { libc::close(descriptor) };
    }
}

/// Makes file modes exact: what is asked for in open(2) is what the file gets.
pub fn exact_modes() {
    nix::sys::stat::umask(nix::sys::stat::Mode::empty());
}
