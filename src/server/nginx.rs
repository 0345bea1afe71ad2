//! nginx, and what calls its processes the same: Tengine, freenginx, Angie.
//!
//! HUP: the master reads configuration and keys, starts new workers, waits 100 ms and tells the old ones to finish. If
//! anything is wrong it keeps the old workers and whoever sent the signal sees nothing, so new workers are the only proof.
//! Source: nginx, `src/os/unix/ngx_process_cycle.c`, `ngx_master_process_cycle()`.

use std::path::Path;
use std::time::{Duration, Instant};

use super::{Running, Server, Snippet};
use crate::core::duration::in_one_unit;
use crate::core::nginx_config::{self, quote};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::directory::is_in;
use crate::sys::process::{self, Process, Status};
use crate::sys::program::Ran;

/// nginx. Debian's pid file.
pub const SERVER: Server = Server { name: "nginx", pid_file: "/run/nginx.pid", find, find_all, snippet };

/// What follows the program's own name in the titles of its processes.
const MASTER_TITLE: &str = ": master process ";
const WORKER_TITLE: &str = ": worker process";
/// Programs whose processes have these titles.
const PROGRAMS: &[&str] = &["nginx", "angie", "freenginx"];

struct Master {
    process: Process,
    /// The command line that it was started with.
    command_line: String,
}

fn find(pid_file: &str) -> Outcome<Box<dyn Running>> {
    let absent = |why: String| Failure::new(Exit::NoServer, format!("nginx does not run: {why}"));
    let text = std::fs::read_to_string(pid_file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            absent(format!("there is no {pid_file}")).hint("name another pid file with --pid-file, or start nginx")
        }
        _ => Failure::io(format!("cannot read {pid_file}"), &error),
    })?;
    if text.trim().is_empty() {
        return Err(absent(format!("{pid_file} is empty")));
    }
    let id = text.trim().parse().ok().filter(|id| *id > 0).ok_or_else(|| {
        Failure::refused(format!("{pid_file} holds no process id")).hint("name nginx's pid file with --pid-file")
    })?;
    // First hold the process fast, then look who it is: the number cannot come to mean another one in between.
    let process = Process::open(id)?.ok_or_else(|| absent(format!("{pid_file} names process {id}, which has ended")))?;
    if !process::is_trusted(id) {
        return Err(absent(format!("process {id} in {pid_file} is neither root's nor ours"))
            .hint("the file is left over; or run stek as the user that nginx's master runs as"));
    }
    let title = process::title(id);
    let command_line = command_line(&title).ok_or_else(|| {
        absent(format!("process {id} in {pid_file} is not its master")).hint("the file is left over, or names another program")
    })?;
    Ok(Box::new(Master { process, command_line: command_line.to_owned() }))
}

/// Who calls himself a master is believed if he is root's or ours (nobody else can have read the keys), and if the program
/// that he runs, as far as we may know it, is called that way too: a title is what its process says of itself.
fn find_all() -> Vec<Box<dyn Running>> {
    let masters = process::all().into_iter().filter(|(_, title)| command_line(title).is_some());
    let master = |(id, _)| -> Option<Box<dyn Running>> {
        let process = Process::open(id).ok()??;
        let has_name = |program: String| PROGRAMS.iter().any(|known| program.starts_with(known));
        let is_believed = process::is_trusted(id) && process::program(id).is_none_or(has_name);
        let command_line = command_line(&process::title(id)).filter(|_| is_believed)?.to_owned();
        Some(Box::new(Master { process, command_line }))
    };
    masters.filter_map(master).collect()
}

/// The command line that a process was started with, if its title is a master's.
fn command_line(title: &str) -> Option<&str> {
    let (program, command_line) = title.split_once(MASTER_TITLE)?;
    PROGRAMS.contains(&program).then_some(command_line)
}

impl Master {
    /// Runs the program with other arguments.
    fn run(&self, arguments: &[String]) -> Outcome<Ran> {
        let called = self.command_line.split(' ').next().unwrap_or_default();
        process::run_program_of(self.process.id, called, arguments)
    }

    /// The workers that take new connections.
    fn workers(&self) -> Vec<Status> {
        let serving = |worker: &Status| {
            process::title(worker.id).split_once(WORKER_TITLE).is_some_and(|(_, state)| !state.contains("shutting down"))
        };
        process::children(self.process.id).into_iter().filter(serving).collect()
    }
}

impl Running for Master {
    fn id(&self) -> u32 {
        self.process.id
    }

    fn uses(&self, directory: &Path) -> Option<bool> {
        if process::shares_directory(self.process.id, directory) == Some(false) {
            return Some(false);
        }
        let arguments = [started_with(&self.command_line), vec!["-T".to_owned(), "-q".to_owned()]].concat();
        let ran = self.run(&arguments).ok().filter(Ran::succeeded)?;
        let keys = nginx_config::ticket_keys(&ran.output)?;
        Some(keys.iter().any(|key| is_in(Path::new(key), directory)))
    }

    fn serving_since(&self) -> Option<Moment> {
        self.workers().into_iter().map(process::start_time).min()
    }

    fn processes(&self) -> Vec<u32> {
        let workers = self.workers().into_iter().map(|worker| worker.id);
        std::iter::once(self.process.id).chain(workers).collect()
    }

    fn test(&self, config: Option<&str>) -> Outcome {
        let mut arguments = started_with(&self.command_line);
        if let Some(config) = config {
            arguments.extend(["-c".to_owned(), config.to_owned()]);
        }
        arguments.extend(["-t".to_owned(), "-q".to_owned()]);
        let ran = self.run(&arguments)?;
        if ran.succeeded() {
            return Ok(());
        }
        let why = if ran.words.is_empty() { ran.ended.to_string() } else { ran.words };
        Err(Failure::refused(format!("nginx refuses its configuration and was not signalled: {why}"))
            .hint("mend it and run this again; the old workers go on with the old keys. If it is not the configuration, name it with --config"))
    }

    fn reload(&self, patience: Duration) -> Outcome<String> {
        let old = self.workers();
        let begin = Instant::now();
        self.process.hang_up()?;
        loop {
            let (still, new): (Vec<_>, Vec<_>) = self.workers().into_iter().partition(|worker| old.contains(worker));
            if still.is_empty() && !new.is_empty() {
                return Ok(format!("{} new workers after {} ms", new.len(), begin.elapsed().as_millis()));
            }
            if process::status(self.process.id).is_none() {
                return Err(Failure::new(Exit::NoServer, "nginx ended instead of reloading").hint("see its error log"));
            }
            if begin.elapsed() >= patience {
                let state = if new.is_empty() { "it has no new workers" } else { "old workers still take connections" };
                let message = format!("nginx was signalled, but after {} s {state}", patience.as_secs());
                return Err(Failure::refused(message).hint("see its error log; the next 'stek reload --if-stale' tries again"));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// The first key of the list encrypts; the order of the others has no meaning to nginx, and `lint` wants the next one last.
fn snippet(wanted: &Snippet<'_>) -> String {
    let Snippet { name, directory, check, .. } = wanted;
    let directory = directory.trim_end_matches('/');
    let mut text = format!(
        "# session ticket keys of {name}: the current one first, the next one last\n\
         # they count in the default server of a listen socket (or in http {{}}), for all its names\n\
         # check: nginx -T 2>/dev/null | {check}\n\
         ssl_session_tickets on;\nssl_session_timeout {};\n",
        in_one_unit(wanted.lifetime())
    );
    for slot in wanted.slots_in_order() {
        text += &format!("ssl_session_ticket_key {};\n", quote(&format!("{directory}/{}", name.slot_file(slot))));
    }
    text
}

/// The options that nginx was started with and that a test of its configuration needs, out of its title: the arguments with
/// single spaces between them. Only `-g` has values with spaces; they end before the next option.
fn started_with(command_line: &str) -> Vec<String> {
    let mut options: Vec<String> = Vec::new();
    let mut in_directives = false;
    for word in command_line.split(' ').skip(1) {
        let option = word.get(..2).filter(|option| ["-c", "-p", "-e", "-g"].contains(option));
        let value_is_due = matches!(options.last().map(String::as_str), Some("-c" | "-p" | "-e" | "-g"));
        match (option, word) {
            _ if value_is_due => options.push(word.to_owned()),
            (Some(option), _) => {
                in_directives = option == "-g";
                options.push(option.to_owned());
                if word.len() > 2 {
                    options.push(word[2..].to_owned());
                }
            }
            (None, "-t" | "-T" | "-q" | "-v" | "-V") => in_directives = false,
            (None, _) if in_directives => {
                if let Some(directives) = options.last_mut() {
                    directives.push(' ');
                    directives.push_str(word);
                }
            }
            (None, _) => {}
        }
    }
    options
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_read_out_of_the_title() {
        let of = |title: &str| started_with(title).join("|");
        assert_eq!(of("/usr/sbin/nginx -g daemon on; master_process on;"), "-g|daemon on; master_process on;");
        assert_eq!(of("nginx -p /tmp/x -c a.conf -g pid /tmp/x/p; daemon on; -e log"), "-p|/tmp/x|-c|a.conf|-g|pid /tmp/x/p; daemon on;|-e|log");
        assert_eq!(of("nginx -c/etc/a.conf -q"), "-c|/etc/a.conf");
        assert_eq!(of("nginx"), "");
    }
}
