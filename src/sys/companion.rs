//! A program that runs beside this one and is talked to through pipes.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::failure::{Failure, Outcome};
use crate::sys::retry;
pub use crate::sys::system::INPUT;
use crate::sys::system::descriptor_path;

/// A program that runs beside this one, talked to through pipes alone: nothing of it reaches a disk, or a terminal. It
/// ends at the latest when this is dropped.
pub struct Companion {
    program: &'static str,
    child: Child,
    input: Option<ChildStdin>,
    /// What can be read of it, each until its end.
    outputs: Vec<(Output, OwnedFd)>,
}

/// Where a companion writes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Output {
    /// Standard output.
    Standard,
    /// Standard error.
    Error,
    /// The pipe beside, which its arguments named.
    Beside,
}

/// What a companion did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// It wrote so many bytes.
    Wrote(Output, usize),
    /// It closed all its outputs, or ended.
    Ended,
    /// Nothing, until the deadline.
    TimedOut,
}

impl Companion {
    /// Starts a program found on `$PATH`. `arguments` gets what the program is to call the pipe beside.
    pub fn start(program: &'static str, arguments: impl FnOnce(&str) -> Vec<String>) -> Outcome<Self> {
        let attempt = || format!("cannot run {program}");
        let failed = |errno| Failure::system(attempt(), errno);
        let (beside, theirs) = std::io::pipe().map_err(|error| Failure::io(attempt(), &error))?;
        // This process has one thread: no other program is started while this descriptor can be inherited.
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).map_err(failed)?;
        let mut command = Command::new(program);
        command.args(arguments(&descriptor_path(theirs.as_raw_fd())));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            let failure = Failure::io(attempt(), &error);
            if error.kind() == std::io::ErrorKind::NotFound {
                failure.hint(format!("install {program}, or put its directory into $PATH"))
            } else {
                failure
            }
        })?;
        let mut outputs = vec![(Output::Beside, beside.into())];
        outputs.extend(child.stdout.take().map(|pipe| (Output::Standard, pipe.into())));
        outputs.extend(child.stderr.take().map(|pipe| (Output::Error, pipe.into())));
        Ok(Self { program, input: child.stdin.take(), child, outputs })
    }

    /// Writes to its standard input, which stays open, before the deadline. What it writes meanwhile is not read: it
    /// must not need that before it takes its input.
    pub fn feed(&mut self, mut bytes: &[u8], deadline: Instant) -> Outcome {
        let failed = |errno| Failure::system(format!("cannot write to {}", self.program), errno);
        let input = self.input.as_ref().ok_or_else(|| failed(Errno::EBADF))?.as_fd();
        // Of the pipe only this end: more than it holds must not keep us beyond the deadline.
        fcntl(input, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).map_err(failed)?;
        while !bytes.is_empty() {
            match retry(|| nix::unistd::write(input, bytes)) {
                Ok(written) => bytes = &bytes[written..],
                Err(Errno::EAGAIN) => {
                    let mut asked = [PollFd::new(input, PollFlags::POLLOUT)];
                    if retry(|| poll(&mut asked, time_left(deadline))).map_err(failed)? == 0 && is_over(deadline) {
                        return Err(failed(Errno::ETIMEDOUT));
                    }
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        Ok(())
    }

    /// Ends its standard input.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until it writes something, ends, or the deadline comes.
    pub fn next(&mut self, buffer: &mut [u8], deadline: Instant) -> Outcome<Event> {
        let failed = |errno| Failure::system(format!("cannot read from {}", self.program), errno);
        while !self.outputs.is_empty() {
            let mut asked: Vec<_> =
                self.outputs.iter().map(|(_, output)| PollFd::new(output.as_fd(), PollFlags::POLLIN)).collect();
            if retry(|| poll(&mut asked, time_left(deadline))).map_err(failed)? == 0 && is_over(deadline) {
                return Ok(Event::TimedOut);
            }
            let ready = |asked: &PollFd<'_>| asked.revents().is_some_and(|events| !events.is_empty());
            let Some(at) = asked.iter().position(ready) else { continue };
            let (output, descriptor) = &self.outputs[at];
            match retry(|| nix::unistd::read(descriptor, buffer)).map_err(failed)? {
                0 => drop(self.outputs.remove(at)),
                length => return Ok(Event::Wrote(*output, length)),
            }
        }
        Ok(Event::Ended)
    }
}

fn is_over(deadline: Instant) -> bool {
    Instant::now() >= deadline
}

/// Rounded up, or the last millisecond would be spent asking again and again.
fn time_left(deadline: Instant) -> PollTimeout {
    let left = deadline.saturating_duration_since(Instant::now());
    let left = if left.is_zero() { left } else { left + Duration::from_millis(1) };
    PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
}

impl Drop for Companion {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
