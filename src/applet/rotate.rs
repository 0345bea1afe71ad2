//! `rotate`: compares what is in the slots with what the clock wants, and makes the difference good.

use std::time::Duration;

use argh::{ArgsInfo, FromArgs};
use zeroize::Zeroize;

use super::{Applet, Call, reload};
use crate::core::key::{self, LONGEST, Weakness};
use crate::core::name::{CURRENT, NEXT, Name};
use crate::core::plan::{self, Move, Plan};
use crate::core::settings::Settings;
use crate::failure::{Exit, Failure, Outcome};
use crate::server::began_after;
use crate::sys::apply::{KeySet, Making};
use crate::sys::directory::{Directory, KeySets};
use crate::sys::log::{self, Level};
use crate::sys::random::Pool;
use crate::sys::secret::Secret;
use crate::sys::{accounts, lock, startup, streams};
use crate::sys::clock::Moment;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "rotate",
    operands: "[NAME]...",
    operand_ends_options: false,
    shared: &[
        "--dir",
        "--period",
        "--slots",
        "--size",
        "--group",
        "--allow-disk",
        "--syslog",
        "--verbose",
    ],
    info: Options::get_args_info,
    run,
};

/// rotate the keys that are due and mend what is missing; the first run makes the complete set
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// rotate once even if nothing is due
    #[argh(switch)]
    force: bool,
    /// print the moves on standard output and make none
    #[argh(switch)]
    dry_run: bool,
    /// let a next key encrypt only once this server, if it runs, has read it
    #[argh(option, arg_name = "SERVER")]
    known_to: Option<String>,
    /// where the process id of that server stands (default /run/nginx.pid)
    #[argh(option, arg_name = "FILE")]
    pid_file: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { force, dry_run, known_to, pid_file } = call.options()?;
    let server = known_to.as_deref().map(|server| reload::server(call, server)).transpose()?;
    if server.is_none() && pid_file.is_some() {
        return Err(call.usage("--pid-file needs --known-to"));
    }
    let settings = call.settings()?;
    if dry_run {
        log::close();
    }
    let names = call.names()?;
    let group = settings.group.as_deref().map(|group| accounts::id(accounts::GROUPS, group)).transpose()?;
    startup::exact_modes();
    let directory = call.directory(&settings)?;
    if !dry_run {
        lock::take(&directory, lock::PATIENCE)?;
    }
    let files = directory.files()?;
    if !dry_run {
        directory.sweep(&files)?;
    }
    let sets = KeySets::of(&files);
    drop(files);
    let names = call.chosen_names(names, &settings, &sets);
    if names.is_empty() {
        return Err(Failure::refused(format!("no NAME was given, and there are no keys in {}", directory.path().display()))
            .hint("name a key set: stek rotate example.com, or set STEK_NAMES in /etc/default/stek"));
    }

    let mut exit = Exit::Done;
    let now = Moment::now();
    let server = match server.map(|server| reload::find(server, pid_file.as_deref())) {
        None => Server::None,
        Some(Ok(running)) => running.serving_since().map_or(Server::Unknown, Server::Since),
        Some(Err(failure)) if failure.exit == Exit::NoServer => Server::None,
        Some(Err(failure)) => {
            // Missing keys are made all the same: without them the server could not even start.
            call.report(&failure);
            exit = failure.exit;
            Server::Unknown
        }
    };
    let mut run = Run {
        call,
        server,
        making: Making { size: settings.size, period: settings.period, group },
        now,
        epoch: settings.period.epoch(now.seconds()),
        settings: &settings,
        directory: &directory,
        force,
        dry_run,
        pool: Pool::new()?,
        page: Secret::new()?,
    };
    // What is wrong with one NAME keeps no other from its rotation, until the system itself seems to be broken.
    let mut system_failures = 0;
    for name in &names {
        let slots = settings.slots.max(sets.highest(name).unwrap_or(0));
        let Err(failure) = run.one(name, slots) else { continue };
        system_failures += u32::from(failure.exit == Exit::System);
        if system_failures == PATIENCE {
            return Err(failure);
        }
        call.report(&failure);
        exit = if system_failures > 0 { Exit::System } else { failure.exit };
    }
    Ok(exit)
}

/// How far a file's change may lie ahead of the clock before it is more than a small correction of that clock.
const STEP: Duration = Duration::from_secs(2);
/// After so many NAMEs with failing system calls a run gives up.
const PATIENCE: u32 = 5;

/// What is known of the server that was named with --known-to.
#[derive(Clone, Copy)]
enum Server {
    /// None was named, or it does not run: there is nobody who must know a key.
    None,
    /// It cannot be told who runs, or what it knows.
    Unknown,
    /// It serves since then.
    Since(Moment),
}

/// What is the same for all NAMEs of one run.
struct Run<'a> {
    call: &'a Call,
    /// The server that next keys must be known to.
    server: Server,
    settings: &'a Settings,
    directory: &'a Directory,
    making: Making,
    now: Moment,
    epoch: i64,
    force: bool,
    dry_run: bool,
    pool: Pool,
    page: Secret,
}

impl Run<'_> {
    /// Rotates one NAME that has slots 0 to `slots`.
    fn one(&mut self, name: &Name, slots: usize) -> Outcome {
        let set = KeySet::look(self.directory, name, slots)?;
        set.refuse_foreign()?;
        let period = self.settings.period;
        let mut plan = plan::rotation(&set.seen(period, None), self.epoch, self.force);
        if plan.promotes_next() && self.is_unknown(&set) {
            // K4: the rotation waits for the reload. Going on would push keys that the server uses out of their slots.
            self.call.tell(self.settings, format_args!("{name}: the server has not read the next key yet"));
            let current = set.found[CURRENT].map_or(self.epoch, |current| period.epoch(current.mtime));
            plan = plan::rotation(&set.seen(period, None), current.min(self.epoch), false);
        }
        if plan.promotes_next()
            && let Some(weakness) = self.weakness_of_next(name)?
        {
            self.call.warn(format!("{name}: the next key is {} and was replaced", weakness.words()));
            plan = plan::rotation(&set.seen(period, Some(NEXT)), self.epoch, self.force);
        }
        let Plan { moves, next_was_missing } = plan;
        if next_was_missing {
            self.call.warn(format!("{name}: there was no next key to rotate to; the current one stays until servers know one"));
        }
        let mut done = Vec::new();
        let worked = self.work(&set, moves, &mut done);
        // One line for all of it: many NAMEs rotate at the same moment, and a flood is what syslog daemons drop.
        if !done.is_empty() && !self.dry_run {
            log::write(Level::Notice, &format!("rotate: {name}: {}", done.join(", ")));
        }
        worked
    }

    /// Makes the moves, and says each.
    fn work(&mut self, set: &KeySet<'_>, moves: Vec<Move>, done: &mut Vec<String>) -> Outcome {
        for (slot, found) in set.found.iter().enumerate() {
            let Some(found) = found.filter(|found| found.changed > self.now.after(STEP)) else { continue };
            // A change in the future, from a clock that went back, would look newer than any reload until then.
            if !self.dry_run {
                self.directory.date(&set.name.slot_file(slot), found.mtime)?;
            }
            done.push(format!("touch {slot}"));
            self.say(set.name, format_args!("touch {slot}"))?;
        }
        for (slot, access) in set.unprotected(self.making.group) {
            if !self.dry_run {
                self.directory.protect(&set.name.slot_file(slot), access)?;
            }
            done.push(format!("protect {slot}"));
            self.say(set.name, format_args!("protect {slot}"))?;
        }
        for step in moves {
            if !self.dry_run {
                set.apply(step, self.making, &mut self.pool)?;
            }
            done.push(step.to_string());
            self.say(set.name, step)?;
        }
        Ok(())
    }

    /// Whether the server that was named runs and began to serve before the next key was there.
    fn is_unknown(&self, set: &KeySet<'_>) -> bool {
        match (self.server, set.found[CURRENT], set.found[NEXT]) {
            (Server::Unknown, Some(_), _) => true,
            (Server::Since(since), Some(_), Some(next)) => !began_after(since, next.changed),
            _ => false,
        }
    }

    /// Says what was done, or in a dry run what would be.
    fn say(&self, name: &Name, step: impl std::fmt::Display) -> Outcome {
        if self.dry_run {
            return streams::write_out(format!("{name}: {step}\n").as_bytes());
        }
        self.call.tell(self.settings, format_args!("{name}: {step}"));
        Ok(())
    }

    /// Reads the next key, which is about to encrypt, and finds what is wrong with it (K6).
    fn weakness_of_next(&mut self, name: &Name) -> Outcome<Option<Weakness>> {
        let length = self.directory.read(&name.slot_file(NEXT), &mut self.page[..LONGEST])?;
        let weakness = key::weakness(&self.page[..length]);
        self.page[..LONGEST].zeroize();
        Ok(weakness)
    }
}
