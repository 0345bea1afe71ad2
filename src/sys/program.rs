//! Other programs: started, talked to through pipes alone, and run to their end.

use std::ffi::{CStr, CString, OsString};
use std::fmt;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::failure::{Failure, Outcome};
use crate::sys::retry;
pub use crate::sys::system::INPUT;
use crate::sys::system::{begin_in, descriptor_path};

/// A program to be started.
pub struct Program<'a> {
    /// What it is called in messages.
    pub shown: &'a str,
    /// Its path, or a name that is looked for on `$PATH`.
    pub path: PathBuf,
    /// What it is told: first what it is called by.
    pub words: Vec<OsString>,
    /// `VARIABLE=value`; `None` for those of this process.
    pub environment: Option<Vec<OsString>>,
    /// Where it begins; `None` for where this process is.
    pub directory: Option<&'a Path>,
}

impl<'a> Program<'a> {
    /// A program and its arguments.
    pub fn new(path: &'a str, arguments: impl IntoIterator<Item = OsString>) -> Self {
        let words = std::iter::once(path.into()).chain(arguments).collect();
        Self { shown: path, path: path.into(), words, environment: None, directory: None }
    }

    /// Runs it to its end, with nothing to read.
    pub fn run(&self) -> Outcome<Ran> {
        let mut companion = Companion::of(self)?;
        companion.close_input();
        let mut ran = Ran { ended: Ended::Exit(0), output: Vec::new(), words: String::new() };
        let (mut words, mut buffer) = (Vec::new(), [0; 4096]);
        while let Event::Wrote(output, length) = companion.next(&mut buffer, None)? {
            let kept = if output == Output::Error { &mut words } else { &mut ran.output };
            kept.extend_from_slice(&buffer[..length]);
        }
        String::from_utf8_lossy(&words).trim_end().clone_into(&mut ran.words);
        ran.ended = companion.ended().map_err(|errno| self.failed(errno))?;
        Ok(ran)
    }

    fn failed(&self, errno: Errno) -> Failure {
        let failure = Failure::system(format!("cannot run {}", self.shown), errno);
        if errno == Errno::ENOENT && self.path.components().count() == 1 {
            failure.hint(format!("install {}, or put its directory into $PATH", self.shown))
        } else {
            failure
        }
    }

    /// Starts it with these descriptors as 0, 1 and 2. Every other one is closed, unless it is made to be inherited.
    fn start(&self, descriptors: [&OwnedFd; 3]) -> nix::Result<Pid> {
        let path = c_string(self.path.clone().into())?;
        let words = c_strings(self.words.clone())?;
        let environment = match &self.environment {
            Some(environment) => c_strings(environment.clone())?,
            None => c_strings(std::env::vars_os().map(assignment).collect())?,
        };
        spawn(&path, &words, &environment, self.directory, descriptors.map(AsRawFd::as_raw_fd))
    }
}

fn assignment((name, value): (OsString, OsString)) -> OsString {
    [name, value].join("=".as_ref())
}

fn c_string(text: OsString) -> nix::Result<CString> {
    CString::new(text.into_vec()).map_err(|_| Errno::EINVAL)
}

fn c_strings(texts: Vec<OsString>) -> nix::Result<Vec<CString>> {
    texts.into_iter().map(c_string).collect()
}

/// `posix_spawnp(3)`, with SIGPIPE as usual and no signal blocked. nix has it for some systems only; what std has does much
/// more, and is a tenth of the whole program.
fn spawn(
    path: &CStr,
    words: &[CString],
    environment: &[CString],
    directory: Option<&Path>,
    descriptors: [RawFd; 3],
) -> nix::Result<Pid> {
    use std::mem::MaybeUninit;
    let pointers = |texts: &[CString]| -> Vec<*mut libc::c_char> {
        texts.iter().map(|text| text.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect()
    };
    let done = |error: libc::c_int| if error == 0 { Ok(()) } else { Err(Errno::from_raw(error)) };
    let (words, environment) = (pointers(words), pointers(environment));
    let mut actions = MaybeUninit::<libc::posix_spawn_file_actions_t>::uninit();
    let mut attributes = MaybeUninit::<libc::posix_spawnattr_t>::uninit();
    let mut signals = MaybeUninit::<libc::sigset_t>::uninit();
    let mut id = 0;
    let flags = libc::POSIX_SPAWN_SETSIGDEF | libc::POSIX_SPAWN_SETSIGMASK;
    // SAFETY: actions and attributes are initialised first and destroyed last, whatever fails in between, and the set of
    // signals before it is used; path, words and environment end in NUL, the lists in a null pointer, and all of them stay
    // until the program runs, as does the open directory. The descriptors are open, and above 2: the runtime keeps 0 to 2 open.
    // No handler of ours exists for the signal.
    unsafe {
        done(libc::posix_spawn_file_actions_init(actions.as_mut_ptr()))?;
        done(libc::posix_spawnattr_init(attributes.as_mut_ptr()))?;
        let (mut started, _open) = match directory.map(|directory| begin_in(actions.as_mut_ptr(), directory)) {
            Some(Err(errno)) => (Err(errno), None),
            Some(Ok(open)) => (Ok(()), open),
            None => (Ok(()), None),
        };
        for (descriptor, number) in descriptors.into_iter().zip(0..) {
            let action = libc::posix_spawn_file_actions_adddup2(actions.as_mut_ptr(), descriptor, number);
            started = started.and(done(action));
        }
        // Where whoever called us ignores it there is no end to wait for.
        libc::signal(libc::SIGCHLD, libc::SIG_DFL);
        libc::sigemptyset(signals.as_mut_ptr());
        let blocked = libc::posix_spawnattr_setsigmask(attributes.as_mut_ptr(), signals.as_ptr());
        libc::sigaddset(signals.as_mut_ptr(), libc::SIGPIPE);
        let usual = libc::posix_spawnattr_setsigdefault(attributes.as_mut_ptr(), signals.as_ptr());
        #[allow(clippy::cast_possible_truncation)]
        let flagged = libc::posix_spawnattr_setflags(attributes.as_mut_ptr(), flags as libc::c_short);
        started = started.and(done(blocked)).and(done(usual)).and(done(flagged));
        if started.is_ok() {
            let (actions, attributes) = (actions.as_ptr(), attributes.as_ptr());
            let (words, environment) = (words.as_ptr(), environment.as_ptr());
            started = done(libc::posix_spawnp(&raw mut id, path.as_ptr(), actions, attributes, words, environment));
        }
        libc::posix_spawnattr_destroy(attributes.as_mut_ptr());
        libc::posix_spawn_file_actions_destroy(actions.as_mut_ptr());
        started.map(|()| Pid::from_raw(id))
    }
}

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit status.
    Exit(i32),
    /// By this signal.
    Killed(Signal),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(status) => write!(f, "exit status {status}"),
            Self::Killed(signal) => f.write_str(signal.as_str()),
        }
    }
}

/// What a program did that ran to its end.
pub struct Ran {
    /// How that was.
    pub ended: Ended,
    /// What it wrote to standard output.
    pub output: Vec<u8>,
    /// What it wrote to standard error.
    pub words: String,
}

impl Ran {
    /// It exited with 0.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ended == Ended::Exit(0)
    }
}

/// A program that runs beside this one, talked to through pipes alone: nothing of it reaches a disk, or a terminal. It
/// ends at the latest when this is dropped.
pub struct Companion {
    shown: String,
    /// Until its end was waited for: its number is no other process's.
    child: Option<Pid>,
    input: Option<OwnedFd>,
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
    /// Starts a program, which is found on `$PATH`. `arguments` gets what the program is to call the pipe beside.
    pub fn start(program: &str, arguments: impl FnOnce(&str) -> Vec<OsString>) -> Outcome<Self> {
        let failed = |error| Failure::io(format!("cannot run {program}"), &error);
        let (beside, theirs) = std::io::pipe().map_err(failed)?;
        // This process has one thread: no other program is started while this descriptor can be inherited.
        fcntl(&theirs, FcntlArg::F_SETFD(FdFlag::empty())).map_err(|errno| failed(errno.into()))?;
        let mut companion = Self::of(&Program::new(program, arguments(&descriptor_path(theirs.as_raw_fd()))))?;
        companion.outputs.push((Output::Beside, beside.into()));
        Ok(companion)
    }

    fn of(program: &Program<'_>) -> Outcome<Self> {
        let pipe = || std::io::pipe().map_err(|error| Failure::io(format!("cannot run {}", program.shown), &error));
        let ((their_input, input), (output, their_output), (error, their_error)) = (pipe()?, pipe()?, pipe()?);
        let theirs = [&their_input.into(), &their_output.into(), &their_error.into()];
        let child = program.start(theirs).map_err(|errno| program.failed(errno))?;
        let outputs = vec![(Output::Standard, output.into()), (Output::Error, error.into())];
        Ok(Self { shown: program.shown.to_owned(), child: Some(child), input: Some(input.into()), outputs })
    }

    /// Writes to its standard input, which stays open, before the deadline. What it writes meanwhile is not read: it
    /// must not need that before it takes its input.
    pub fn feed(&mut self, mut bytes: &[u8], deadline: Instant) -> Outcome {
        let failed = |errno| Failure::system(format!("cannot write to {}", self.shown), errno);
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

    /// Waits until it writes something, ends, or the deadline comes, if there is one.
    pub fn next(&mut self, buffer: &mut [u8], deadline: Option<Instant>) -> Outcome<Event> {
        let failed = |errno| Failure::system(format!("cannot read from {}", self.shown), errno);
        while !self.outputs.is_empty() {
            let mut asked: Vec<_> =
                self.outputs.iter().map(|(_, output)| PollFd::new(output.as_fd(), PollFlags::POLLIN)).collect();
            let patience = || deadline.map_or(PollTimeout::NONE, time_left);
            if retry(|| poll(&mut asked, patience())).map_err(failed)? == 0 && deadline.is_some_and(is_over) {
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

    /// Waits for its end.
    fn ended(&mut self) -> nix::Result<Ended> {
        let child = self.child.take();
        loop {
            match retry(|| waitpid(child, None))? {
                WaitStatus::Exited(_, status) => return Ok(Ended::Exit(status)),
                WaitStatus::Signaled(_, signal, _) => return Ok(Ended::Killed(signal)),
                _ => {}
            }
        }
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
        if let Some(child) = self.child {
            let _ = kill(child, Signal::SIGKILL);
            let _ = self.ended();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Program<'_> {
        Program::new("sh", ["-c".into(), script.into()])
    }

    #[test]
    fn what_it_wrote_and_how_it_ended_is_told_apart() {
        let ran = shell("echo out; echo err >&2; exit 3").run().unwrap();
        assert_eq!((ran.output.as_slice(), ran.words.as_str()), (b"out\n".as_slice(), "err"));
        assert_eq!((ran.succeeded(), ran.ended.to_string()), (false, "exit status 3".to_owned()));
        let ran = shell("kill -KILL $$").run().unwrap();
        assert_eq!((ran.succeeded(), ran.ended.to_string()), (false, "SIGKILL".to_owned()));
        assert!(shell(":").run().unwrap().succeeded());
    }

    #[test]
    fn it_may_write_much_and_finds_nothing_to_read() {
        let script = "cat; head -c 300000 /dev/zero >&2; head -c 300000 /dev/zero";
        let ran = shell(script).run().unwrap();
        assert_eq!((ran.output.len(), ran.words.len()), (300_000, 300_000));
    }

    #[test]
    fn signals_are_as_usual() {
        // The runtime of this program ignores it.
        assert_eq!(shell("kill -PIPE $$").run().unwrap().ended, Ended::Killed(Signal::SIGPIPE));
    }

    #[test]
    fn it_begins_where_and_with_what_it_is_told_and_nothing_changes_here() {
        let here = std::env::current_dir().unwrap();
        let mut program = shell("pwd; echo $A$HOME; echo $0");
        program.words.push("called".into());
        program.environment = Some(vec!["A=b".into()]);
        program.directory = Some(Path::new("/"));
        assert_eq!(program.run().unwrap().output, b"/\nb\ncalled\n");
        assert_eq!(std::env::current_dir().unwrap(), here);
        program.directory = Some(Path::new("/no/such"));
        assert!(program.run().is_err());
        assert_eq!(std::env::current_dir().unwrap(), here);
    }

    #[test]
    fn what_is_open_here_is_closed_there() {
        let open = std::fs::File::open("/").unwrap();
        let ran = shell(&format!("test -e /dev/fd/{}", open.as_raw_fd())).run().unwrap();
        assert_eq!(ran.ended, Ended::Exit(1));
    }

    #[test]
    fn what_cannot_be_started_is_named() {
        let failure = Program::new("no-such-program", []).run().err().unwrap();
        assert!(failure.message.starts_with("cannot run no-such-program: "), "{}", failure.message);
        assert!(failure.hint.as_ref().is_some_and(|hint| hint.contains("$PATH")));
        assert!(Program::new("/no/such", []).run().err().unwrap().hint.is_none());
        assert!(shell("a\0b").run().is_err());
    }
}
