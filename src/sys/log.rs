//! Syslog, for what was done and what failed when nobody watches. NAMEs, slots and reasons; never a key (K5).
//!
//! The facility is "daemon": what is said is no secret and authenticates nobody, so it belongs where the messages of the
//! servers are that the keys are for, and not in the restricted file of "authpriv".

use std::sync::atomic::{AtomicBool, Ordering};

use crate::sys::system;

static OPEN: AtomicBool = AtomicBool::new(false);

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something is not as it should be.
    Warning,
    /// Something was done.
    Notice,
}

/// Begins to tell syslog; before that nothing is sent.
pub fn open() {
    OPEN.store(true, Ordering::Relaxed);
}

/// Tells nothing more.
pub fn close() {
    OPEN.store(false, Ordering::Relaxed);
}

/// Sends one message, if [`open`] was called. A daemon that is not there is nobody to complain to.
pub fn write(level: Level, message: &str) {
    if !OPEN.load(Ordering::Relaxed) {
        return;
    }
    let priority = match level {
        Level::Error => libc::LOG_ERR,
        Level::Warning => libc::LOG_WARNING,
        Level::Notice => libc::LOG_NOTICE,
    };
    // One message is one line: a server's words may have several.
    let line: String = message.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // A daemon that hangs must not keep anybody, who may hold the lock, for a second each time.
    if system::log(libc::LOG_DAEMON | priority, &line).is_err() {
        close();
    }
}
