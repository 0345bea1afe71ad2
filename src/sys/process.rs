//! Other processes: what the system says of them and signals; executing a program; and the environment.

use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::path::PathBuf;

use nix::errno::Errno;

use crate::failure::{Exit, Failure};
use crate::sys::startup;
pub use crate::sys::system::process::{
    Process, TICK, all, children, is_trusted, program, run_program_of, shares_directory, start_time, status, title,
};

/// One look at a process that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// Process id.
    pub id: u32,
    /// The parent's process id.
    pub parent: u32,
    /// What, with the process id, tells it from every other process, if the system says such a thing: on Linux when it began,
    /// in clock ticks since boot; elsewhere 0.
    pub start: u64,
}

/// An environment variable, if it is set.
///
/// # Errors
/// It is not UTF-8; in words for a person.
pub fn variable(name: &str) -> Result<Option<String>, String> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value)),
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(std::env::VarError::NotUnicode(_)) => Err(format!("${name} is not valid UTF-8")),
    }
}

/// Executes a program in place of this one, perhaps with one more variable, and everything given back as the shell gave
/// it. Comes back only with the reason why it could not.
#[must_use]
pub fn execute(words: &[CString], variable: Option<(&str, &str)>) -> Failure {
    let Some(program) = words.first() else { return Failure::usage("a program to run is needed") };
    if let Some((name, value)) = variable {
        // SAFETY: this process has one thread.
        unsafe { std::env::set_var(name, value) };
    }
    startup::give_back();
    let Err(errno) = nix::unistd::execvp(program, words);
    let exit = if errno == Errno::ENOENT { Exit::NotFound } else { Exit::CannotExecute };
    let shown = PathBuf::from(OsString::from_vec(program.as_bytes().to_vec()));
    Failure::system(format!("cannot execute {}", shown.display()), errno).with_exit(exit)
}
