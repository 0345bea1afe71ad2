//! Other processes: what ps(1) says of them, and kill(2).

use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::said;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::process::Status;
use crate::sys::program::{Program, Ran};

/// How exactly [`start_time`] is known. ps tells ages in whole seconds; the earliest start that they allow is up to two
/// seconds, and the time that ps takes, before the true one.
pub const TICK: Duration = Duration::from_secs(3);

/// A process that is known again by what it calls itself: nothing here holds its number fast.
pub struct Process {
    /// Its process id.
    pub id: u32,
    title: String,
}

impl Process {
    /// Takes a look at a process by its id; `None` if there is none.
    pub fn open(id: u32) -> Outcome<Option<Self>> {
        if libc::pid_t::try_from(id).is_err() {
            return Err(Failure::refused(format!("{id} is no process id")));
        }
        Ok(one(id).map(|row| Self { id, title: row.title }))
    }

    /// Sends it SIGHUP, if it still is who it was. Should it end, and another one get its number, between that look and
    /// kill(2), that one is signalled; no call of POSIX excludes it.
    pub fn hang_up(&self) -> Outcome {
        let ended = || Failure::new(Exit::NoServer, format!("process {} ended just now", self.id));
        if one(self.id).is_none_or(|row| row.title != self.title || !row.is_trusted()) {
            return Err(ended());
        }
        // SAFETY: kill(2) takes two numbers; the id is one, since `open` took it.
        let sent = unsafe { libc::kill(self.id.cast_signed(), libc::SIGHUP) };
        Errno::result(sent).map(drop).map_err(|errno| match errno {
            Errno::ESRCH => ended(),
            errno => Failure::system(format!("cannot signal process {}", self.id), errno),
        })
    }
}

/// A line of ps.
struct Row {
    id: u32,
    parent: u32,
    /// Effective and real; none for a number that is no user's.
    users: [Option<u32>; 2],
    age: Duration,
    title: String,
}

impl Row {
    /// "PID PPID UID RUID ETIME ARGS…".
    fn read(line: &str) -> Option<Self> {
        let mut rest = line;
        let mut field = || {
            let (field, after) = rest.trim_start().split_once(' ')?;
            rest = after;
            Some(field)
        };
        let (id, parent) = (field()?.parse().ok()?, field()?.parse().ok()?);
        let users = [field()?.parse().ok(), field()?.parse().ok()];
        Some(Self { id, parent, users, age: age(field()?)?, title: without_name(rest.trim()).to_owned() })
    }

    fn is_trusted(&self) -> bool {
        let are = |wanted: u32| self.users.iter().all(|user| *user == Some(wanted));
        are(0) || are(nix::unistd::geteuid().as_raw())
    }

    fn status(&self) -> Status {
        Status { id: self.id, parent: self.parent, start: 0 }
    }
}

/// A time as in POSIX' ps, `[[dd-]hh:]mm:ss`.
fn age(text: &str) -> Option<Duration> {
    let (days, clock) = text.split_once('-').unwrap_or(("0", text));
    let mut seconds = days.parse::<u64>().ok()?.checked_mul(24)?;
    let parts: Vec<&str> = clock.split(':').collect();
    if !(2..=3).contains(&parts.len()) {
        return None;
    }
    seconds = if let [hours, _, _] = parts[..] { seconds.checked_add(hours.parse().ok()?)? } else { seconds };
    for part in &parts[parts.len() - 2..] {
        seconds = seconds.checked_mul(60)?.checked_add(part.parse().ok()?)?;
    }
    Some(Duration::from_secs(seconds))
}

/// A title without the program's name in parentheses, which BSD adds where a process wrote its title itself.
fn without_name(title: &str) -> &str {
    let program = title.split(':').next().unwrap_or_default();
    title.strip_suffix(&format!(" ({program})")).unwrap_or(title)
}

/// What ps says of the processes that `selection` selects. POSIX but for uid and ruid, which all have, and -ww, without
/// which some cut lines off.
fn rows(selection: &[&str]) -> Vec<Row> {
    const WIDE: &[&str] = if cfg!(any(target_os = "illumos", target_os = "solaris")) { &[] } else { &["-ww"] };
    let columns = ["-o", "pid=", "-o", "ppid=", "-o", "uid=", "-o", "ruid=", "-o", "etime=", "-o", "args="];
    let table = said("ps", &[WIDE, selection, &columns].concat()).unwrap_or_default();
    table.lines().filter_map(Row::read).collect()
}

fn one(id: u32) -> Option<Row> {
    rows(&["-p", &id.to_string()]).into_iter().find(|row| row.id == id)
}

/// A look at a process; `None` if it is gone.
#[must_use]
pub fn status(id: u32) -> Option<Status> {
    one(id).map(|row| row.status())
}

/// Whether a process is root's or our own: real and effective user.
///
/// Of anybody else's process neither the title nor the program can be believed; a set-user-id program keeps the arguments
/// that its caller chose.
#[must_use]
pub fn is_trusted(id: u32) -> bool {
    one(id).is_some_and(|row| row.is_trusted())
}

/// All processes that have this parent.
#[must_use]
pub fn children(parent: u32) -> Vec<Status> {
    rows(&["-A"]).iter().filter(|row| row.parent == parent).map(Row::status).collect()
}

/// What a process calls itself: its arguments, or the title that it wrote over them.
#[must_use]
pub fn title(id: u32) -> String {
    one(id).map(|row| row.title).unwrap_or_default()
}

/// All processes and their titles.
#[must_use]
pub fn all() -> Vec<(u32, String)> {
    rows(&["-A"]).into_iter().map(|row| (row.id, row.title)).collect()
}

/// The file name of the program that a process runs, which is not known here.
#[must_use]
pub fn program(_id: u32) -> Option<String> {
    None
}

/// Whether a process finds the same directory at this path, which is not known here.
#[must_use]
pub fn shares_directory(_id: u32, _path: &Path) -> Option<bool> {
    None
}

/// The earliest moment at which a process can have begun. One that is gone began now.
#[must_use]
pub fn start_time(status: Status) -> Moment {
    let now = Moment::now();
    // Both ends of the age were cut to whole seconds.
    one(status.id).map_or(now, |row| now.before(row.age + Duration::from_secs(1)))
}

/// Runs a process's program with other arguments. Only by what it was `called` when it was started is the program known here,
/// a path or a name on `$PATH`, and its working directory is not.
pub fn run_program_of(id: u32, called: &str, arguments: &[String]) -> Outcome<Ran> {
    if called.is_empty() || called.contains('/') && !called.starts_with('/') {
        let shown = called.escape_debug();
        return Err(Failure::refused(format!(
            "process {id} was started as '{shown}', and where that lies is not known"
        ))
        .hint("start the server by its whole path; or test its configuration yourself and use --no-test"));
    }
    Program::new(called, arguments.iter().map(Into::into)).run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_read() {
        let row =
            Row::read("  812     1     0     0 1-02:03:04 nginx: master process /usr/sbin/nginx -g daemon on; (nginx)");
        let row = row.unwrap();
        assert_eq!((row.id, row.parent, row.users), (812, 1, [Some(0); 2]));
        assert_eq!(row.age.as_secs(), 93_784);
        assert_eq!(row.title, "nginx: master process /usr/sbin/nginx -g daemon on;");
        let nobody = Row::read("9 8 -2 0 00:07 sh -c x (y)").unwrap();
        assert_eq!((nobody.users, nobody.title.as_str()), ([None, Some(0)], "sh -c x (y)"));
        assert!(!nobody.is_trusted());
    }

    #[test]
    fn ages_are_read() {
        let seconds = |text: &str| age(text).map(|age| age.as_secs());
        assert_eq!(seconds("00:00"), Some(0));
        assert_eq!(seconds("59:01"), Some(3541));
        assert_eq!(seconds("01:00:00"), Some(3600));
        assert_eq!(seconds("10-00:00:01"), Some(864_001));
        for wrong in ["", "-", "1", "1:2:3:4", "a:b", "99999999999999999999-00:00"] {
            assert_eq!(seconds(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_lies_nobody_knows_where_is_not_run() {
        for called in ["", "sbin/true", "./true"] {
            assert!(run_program_of(1, called, &[]).is_err(), "{called}");
        }
        assert!(run_program_of(1, "true", &[]).unwrap().succeeded());
        assert!(!run_program_of(1, "/bin/sh", &["-c".to_owned(), "exit 3".to_owned()]).unwrap().succeeded());
    }

    #[test]
    fn this_process_is_found_and_is_young() {
        let own = std::process::id();
        let found = status(own).unwrap();
        assert!(is_trusted(own));
        assert!(children(found.parent).contains(&found));
        assert!(!title(own).is_empty());
        let began = start_time(found);
        assert!(began.until(Moment::now()) < Duration::from_hours(1));
    }
}
