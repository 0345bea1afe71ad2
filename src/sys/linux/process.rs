//! Other processes: what /proc says of them, and signals through a pidfd.

use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::time::{ClockId, clock_gettime};

use crate::failure::{Exit, Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::process::Status;
use crate::sys::program::{Program, Ran};

/// How exactly [`start_time`] is known: to the clock tick in which /proc counts, which is 10 ms everywhere but on machines
/// where it is shorter.
pub const TICK: Duration = Duration::from_millis(10);

/// A process that is held fast: its number cannot come to mean another one.
pub struct Process {
    /// Its process id.
    pub id: u32,
    handle: Option<OwnedFd>,
}

impl Process {
    /// Takes hold of a process by its id; `None` if there is none.
    ///
    /// By `pidfd_open(2)` (Linux 5.3); before that only the id is kept.
    pub fn open(id: u32) -> Outcome<Option<Self>> {
        let number = libc::pid_t::try_from(id).map_err(|_| Failure::refused(format!("{id} is no process id")))?;
        // SAFETY: pidfd_open(2) takes two numbers and touches no memory.
        let handle = unsafe { libc::syscall(libc::SYS_pidfd_open, number, 0) };
        match Errno::result(handle) {
            Ok(handle) => {
                #[allow(clippy::cast_possible_truncation)]
                // SAFETY: the kernel just made this descriptor, with close-on-exec set; nothing else owns it.
                let handle = unsafe { OwnedFd::from_raw_fd(handle as i32) };
                Ok(Some(Self { id, handle: Some(handle) }))
            }
            Err(Errno::ESRCH) => Ok(None),
            Err(Errno::ENOSYS | Errno::EPERM) => Ok(status(id).map(|_| Self { id, handle: None })),
            Err(errno) => Err(Failure::system(format!("cannot open process {id}"), errno)),
        }
    }

    /// Sends it SIGHUP.
    pub fn hang_up(&self) -> Outcome {
        let sent = match &self.handle {
            Some(handle) => {
                let none = std::ptr::null::<libc::siginfo_t>();
                // SAFETY: a null siginfo is allowed; the other arguments are numbers.
                unsafe { libc::syscall(libc::SYS_pidfd_send_signal, handle.as_raw_fd(), libc::SIGHUP, none, 0) }
            }
            // SAFETY: kill(2) takes two numbers; the id is one, since `open` took it.
            None => unsafe { libc::kill(self.id.cast_signed(), libc::SIGHUP) }.into(),
        };
        Errno::result(sent).map(drop).map_err(|errno| match errno {
            Errno::ESRCH => Failure::new(Exit::NoServer, format!("process {} ended just now", self.id)),
            errno => Failure::system(format!("cannot signal process {}", self.id), errno),
        })
    }
}

/// Reads /proc/PID/stat; `None` if the process is gone.
#[must_use]
pub fn status(id: u32) -> Option<Status> {
    let text = std::fs::read(format!("/proc/{id}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    // The command name stands in parentheses and may hold anything; the last one ends it. proc(5): field 4 is
    // the parent, field 22 the start time.
    let mut fields = text[text.rfind(')')? + 1..].split_ascii_whitespace();
    let (state, parent) = (fields.next()?, fields.next()?.parse().ok()?);
    let start = fields.nth(17)?.parse().ok()?;
    (state != "Z").then_some(Status { id, parent, start })
}

/// Whether a process is root's or our own in every respect: real, effective, saved and file system user.
///
/// Of anybody else's process neither the title nor the program can be believed. The owner of /proc/PID would not do: it is
/// root for every process that made itself undumpable, and a set-user-id program keeps the arguments that its caller chose.
#[must_use]
pub fn is_trusted(id: u32) -> bool {
    let own = nix::unistd::geteuid().as_raw();
    let text = std::fs::read(format!("/proc/{id}/status")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let Some(users) = text.lines().find_map(|line| line.strip_prefix("Uid:")) else { return false };
    let are = |wanted: u32| users.split_ascii_whitespace().all(|user| user.parse() == Ok(wanted));
    are(0) || are(own)
}

/// All processes that have this parent.
#[must_use]
pub fn children(parent: u32) -> Vec<Status> {
    // proc(5): only there if the kernel has CONFIG_PROC_CHILDREN; otherwise every process is asked.
    if let Ok(ids) = std::fs::read_to_string(format!("/proc/{parent}/task/{parent}/children")) {
        return ids.split_ascii_whitespace().filter_map(|id| status(id.parse().ok()?)).collect();
    }
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter_map(status).filter(|status| status.parent == parent).collect()
}

/// What a process calls itself: its arguments, or the title that it wrote over them, NUL bytes as spaces.
#[must_use]
pub fn title(id: u32) -> String {
    let bytes = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
    let bytes: Vec<u8> = bytes.into_iter().map(|b| if b == 0 { b' ' } else { b }).collect();
    String::from_utf8_lossy(&bytes).trim_end().to_owned()
}

/// When a process began, to the tick of the clock in which /proc counts; the beginning of that tick.
#[must_use]
pub fn start_time(status: Status) -> Moment {
    // SAFETY: sysconf(3) takes a number and touches no memory.
    let ticks = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap_or(100).max(1);
    let whole = Duration::from_secs(status.start / ticks);
    let began = whole + Duration::from_secs(status.start % ticks) / u32::try_from(ticks).unwrap_or(u32::MAX);
    let now = Moment::now();
    // It cannot fail: this clock exists since Linux 2.6.39.
    let up = clock_gettime(ClockId::CLOCK_BOOTTIME).map_or(Duration::ZERO, Duration::from);
    now.before(up.saturating_sub(began))
}

/// The processes of the pid namespace that /proc shows, without those of namespaces within it (containers), and their titles.
#[must_use]
pub fn all() -> Vec<(u32, String)> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let ids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    ids.filter(|id| !is_in_container(*id)).map(|id| (id, title(id))).collect()
}

/// Whether a process has more than the one id that /proc shows: one for each namespace further in. Source: proc(5), `NSpid`.
fn is_in_container(id: u32) -> bool {
    let text = std::fs::read(format!("/proc/{id}/status")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let ids = text.lines().find_map(|line| line.strip_prefix("NSpid:"));
    ids.is_some_and(|ids| ids.split_ascii_whitespace().count() > 1)
}

/// The file name of the program that a process runs; `None` if we may not know it.
#[must_use]
pub fn program(id: u32) -> Option<String> {
    let path = std::fs::read_link(format!("/proc/{id}/exe")).ok()?;
    Some(path.file_name()?.to_string_lossy().into_owned())
}

/// Whether a process, which may have another root directory or other mounts, finds the same directory at this path; `None`
/// if we may not know.
#[must_use]
pub fn shares_directory(id: u32, path: &Path) -> Option<bool> {
    let path = std::path::absolute(path).ok()?;
    let here = std::fs::metadata(&path).ok()?;
    match std::fs::metadata(format!("/proc/{id}/root{}", path.display())) {
        Ok(there) => Some((here.dev(), here.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => None,
        Err(_) => Some(false),
    }
}

/// Runs a process's own program, from its own working directory, with other arguments. What it was called when it was
/// started does not matter here.
pub fn run_program_of(id: u32, _called: &str, arguments: &[String]) -> Outcome<Ran> {
    let (shown, path) = (format!("the program of process {id}"), format!("/proc/{id}/exe"));
    let directory = format!("/proc/{id}/cwd");
    let called = std::fs::read_link(&path).unwrap_or_else(|_| path.clone().into());
    let words = std::iter::once(called.into()).chain(arguments.iter().map(Into::into)).collect();
    // The link leads to the very file that runs, even if a newer one has taken its place.
    let mut program = Program { shown: &shown, path: path.into(), words, environment: None, directory: None };
    if std::fs::metadata(&directory).is_ok_and(|directory| directory.is_dir()) {
        program.directory = Some(Path::new(&directory));
    }
    program.run()
}
