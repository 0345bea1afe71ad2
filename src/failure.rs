//! How a run ends: the closed table of exit codes and the wording of every message.

use std::ops::Deref;

/// Exit codes; the man page's table is compared with this one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, also when nothing was due.
    Done = 0,
    /// Refused, or the answer is "no"; of `check`: a warning.
    No = 1,
    /// Of `check` alone, which speaks the codes of monitoring plugins: something critical.
    Critical = 2,
    /// Of `check` alone: it could not look.
    Unknown = 3,
    /// Wrong usage.
    Usage = 100,
    /// There is no server to signal.
    NoServer = 102,
    /// A system call failed.
    System = 111,
    /// The program to run was found but could not be executed.
    CannotExecute = 126,
    /// The program to run was not found.
    NotFound = 127,
}

/// Why a run does not go on: an exit code, one line for a person, and where one helps a hint what to do next.
///
/// Lower case, no full stop; `main` puts `stek APPLET: ` before it. One word wide, whatever it says: nearly every function
/// can fail, and each `?` between it and `main` moves this.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(Box<Words>);

/// What a [`Failure`] says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Words {
    /// What the process exits with.
    pub exit: Exit,
    /// One line.
    pub message: String,
    /// What to do next.
    pub hint: Option<String>,
}

/// What can fail fails with a [`Failure`].
pub type Outcome<T = ()> = Result<T, Failure>;

impl Deref for Failure {
    type Target = Words;

    fn deref(&self) -> &Words {
        &self.0
    }
}

impl Failure {
    /// A failure with any exit code.
    pub fn new(exit: Exit, message: impl Into<String>) -> Self {
        Self(Box::new(Words { exit, message: message.into(), hint: None }))
    }

    /// Refused: exit code 1.
    pub fn refused(message: impl Into<String>) -> Self {
        Self::new(Exit::No, message)
    }

    /// Wrong usage: exit code 100.
    pub fn usage(message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message)
    }

    /// A system call failed: `cannot write /run/stek/a.1.key: No space left on device`.
    pub fn system(attempt: impl std::fmt::Display, errno: nix::errno::Errno) -> Self {
        let error = std::io::Error::from(errno).to_string();
        let words = error.split(" (os error").next().unwrap_or_default();
        Self::new(Exit::System, format!("{attempt}: {words}"))
    }

    /// The same from an error of the standard library.
    pub fn io(attempt: impl std::fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Self::system(attempt, nix::errno::Errno::from_raw(number)),
            None => Self::new(Exit::System, format!("{attempt}: {error}")),
        }
    }

    /// The same with another exit code.
    #[must_use]
    pub fn with_exit(mut self, exit: Exit) -> Self {
        self.0.exit = exit;
        self
    }

    /// Adds what to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(hint.into());
        self
    }
}
