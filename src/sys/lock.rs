//! The lock of a keys directory: flock(2) on the directory itself, so there is no lock file to be left behind.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, IntoRawFd, OwnedFd, RawFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::stat::fstat;

use crate::failure::{Failure, Outcome};
use crate::sys::directory::Directory;

/// The variable by which `stek lock` tells applets inside which descriptor holds the lock.
pub const VARIABLE: &str = "STEK_LOCK";
/// How long applets wait for the lock. Far longer than any rotation takes, far shorter than a person waits.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// How this process came to hold the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    /// It took it, and holds it as long as the directory is open.
    Taken,
    /// A `stek lock` around it did, and the descriptor that [`VARIABLE`] names is inherited.
    Inherited,
}

/// Takes the directory's lock, or shares the one that a `stek lock` around this process holds.
pub fn take(directory: &Directory, patience: Duration) -> Outcome<Held> {
    if is_inherited(directory) {
        return Ok(Held::Inherited);
    }
    let begin = Instant::now();
    loop {
        match flock(directory.as_fd()) {
            Ok(()) => return Ok(Held::Taken),
            Err(Errno::EINTR) => {}
            Err(Errno::EWOULDBLOCK) if begin.elapsed() < patience => std::thread::sleep(Duration::from_millis(5)),
            Err(Errno::EWOULDBLOCK) => {
                let message = format!("another stek holds the lock of {}", directory.path().display());
                return Err(Failure::refused(message).hint("see who it is with: fuser -v DIRECTORY"));
            }
            Err(errno) => {
                return Err(Failure::system(format!("cannot lock {}", directory.path().display()), errno));
            }
        }
    }
}

/// Prepares the held lock for the program that is executed next; what [`VARIABLE`] must say.
pub fn pass_on(directory: Directory) -> Outcome<String> {
    let failed = |errno| Failure::system("cannot pass the lock on", errno);
    let descriptor = directory.into_descriptor();
    // From 10 on, where no shell script's redirections reach.
    let passed = fcntl(&descriptor, FcntlArg::F_DUPFD(10)).map_err(failed)?;
    // SAFETY: F_DUPFD just made this descriptor, nothing else owns it.
    let passed: OwnedFd = unsafe { std::os::fd::FromRawFd::from_raw_fd(passed) };
    fcntl(&passed, FcntlArg::F_SETFD(FdFlag::empty())).map_err(failed)?;
    Ok(passed.into_raw_fd().to_string())
}

/// Whether the environment names a descriptor that is this directory and holds its lock.
fn is_inherited(directory: &Directory) -> bool {
    let Some(number) = std::env::var(VARIABLE).ok().and_then(|text| text.parse::<RawFd>().ok()) else { return false };
    if number <= 2 || number == directory.as_fd().as_raw_fd() {
        return false;
    }
    // SAFETY: F_GETFD on any number is harmless; it fails when the descriptor is closed.
    if unsafe { libc::fcntl(number, libc::F_GETFD) } == -1 {
        return false;
    }
    // SAFETY: it is open, and nothing in this process closes what it does not own.
    let inherited = unsafe { BorrowedFd::borrow_raw(number) };
    let (Ok(theirs), Ok(ours)) = (fstat(inherited), fstat(directory)) else { return false };
    // On the same open file description locking again succeeds, on any other it fails while the lock is held.
    (theirs.st_dev, theirs.st_ino) == (ours.st_dev, ours.st_ino) && flock(inherited).is_ok()
}

fn flock(descriptor: BorrowedFd<'_>) -> nix::Result<()> {
    // SAFETY: flock(2) takes any number and touches no memory.
    Errno::result(unsafe { libc::flock(descriptor.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) }).map(drop)
}
