//! K3 proven by force: `rotate`, `shift` and `install` are killed at every single system call, and every system call of
//! theirs that can fail is made to fail; then what is there is looked at with code that is not the program's, and the
//! same command runs again.
//!
//! The injection is strace's; there is no hook in the program. A kill comes on entering a call, so a kill at each call is a
//! kill after each prefix of the calls. `STEK_SCENARIO=words` picks scenarios, `STEK_CRASH=all` makes each of them thorough.

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;
#[path = "crash/scenario.rs"]
mod scenario;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Instant;

use common::{Ended, File, Lab, files, is_whole, run, share_piece, shows, stek, strace};
use scenario::{Repair, Scenario, Want, slot_of};

/// The failures, and the words that must be said of them (POSIX leaves them to the library; two are in use for EIO).
const ERRORS: [(&str, &[&str]); 4] = [
    ("ENOSPC", &["No space left on device"]),
    ("EIO", &["Input/output error", "I/O error"]),
    ("EACCES", &["Permission denied"]),
    ("EINTR", &["Interrupted system call"]),
];

/// Calls that cannot fail, or whose failure says nothing.
const CANNOT_FAIL: &[&str] = &["brk", "umask", "geteuid", "exit_group", "sigaltstack", "clock_gettime"];

/// Calls that change what is in the directory.
const CHANGES: &[&str] =
    &["openat", "write", "linkat", "renameat", "unlinkat", "utimensat", "fchown", "fchmod", "fsync", "close"];

/// The n-th call of a name, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
struct SystemCall {
    name: String,
    number: usize,
}

/// One place to disturb a run at.
#[derive(Clone, Debug)]
enum Point {
    /// Killed on entering the call.
    Kill(SystemCall),
    /// The call fails with this one of [`ERRORS`], and so do, perhaps, all after it of the same name.
    Fail { call: SystemCall, error: usize, for_good: bool },
    /// Killed there; then the repair is killed at each of its changes.
    KillTwice(SystemCall),
    /// The call fails; then the run is killed at each later change, while it clears up.
    FailThenKill(SystemCall),
}

/// What came of some points.
#[derive(Default)]
struct Tally {
    kills: usize,
    failures: usize,
    second: usize,
    /// Calls that this run happened not to reach: the runtime's own start depends on random addresses.
    missed: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.kills += other.kills;
        self.failures += other.failures;
        self.second += other.second;
        self.missed += other.missed;
        self.wrong.extend(other.wrong);
    }

    fn points(&self) -> usize {
        self.kills + self.failures + self.second
    }
}

type Checked<T = ()> = Result<T, String>;

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Checked {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// The directories of one worker.
struct Bench {
    keys: PathBuf,
    links: PathBuf,
    trace: PathBuf,
}

impl Bench {
    fn new(lab: &Lab, worker: usize) -> Self {
        let top = lab.directory(&format!("worker{worker}"));
        Self { keys: top.join("keys"), links: top.join("links"), trace: top.join("trace") }
    }

    /// Puts a scenario's files in place of whatever was there.
    fn build(&self, scenario: &Scenario) {
        use std::os::unix::fs::DirBuilderExt;
        for path in [&self.keys, &self.links] {
            let _ = std::fs::remove_dir_all(path);
            std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
        }
        scenario.build(&self.keys, &self.links);
    }

    /// Runs the scenario's command, undisturbed.
    fn undisturbed(&self, scenario: &Scenario, force: bool) -> Ended {
        run(stek().args(scenario.command_line(&self.keys, force)), &scenario.input)
    }

    /// Runs it with injections; whether one of them took place.
    fn disturbed(&self, scenario: &Scenario, injections: &[String], force: bool) -> (Ended, bool) {
        let names: BTreeSet<_> = injections.iter().map(|injection| injection.split(':').next().unwrap()).collect();
        let traced = format!("trace={}", names.into_iter().collect::<Vec<_>>().join(","));
        let injections: Vec<_> = injections.iter().map(|injection| format!("inject={injection}")).collect();
        let mut options = vec!["-f", "-qq", "-s", "0", "-o", self.trace.to_str().unwrap(), "-e", &traced];
        options.extend(injections.iter().flat_map(|injection| ["-e", injection]));
        let ended = run(strace(&options).args(scenario.command_line(&self.keys, force)), &scenario.input);
        let hit = ended.signal == Some(9)
            || std::fs::read(&self.trace).is_ok_and(|trace| trace.windows(10).any(|w| w == b"(INJECTED)"));
        (ended, hit)
    }

    /// The calls of a run, with where those of the applet begin: at its opening of the directory, after the runtime's.
    fn calls(&self, scenario: &Scenario, injections: &[String], force: bool) -> (Vec<SystemCall>, usize) {
        let injections: Vec<_> = injections.iter().map(|injection| format!("inject={injection}")).collect();
        let mut options = vec!["-f", "-qq", "-s", "4096", "-o", self.trace.to_str().unwrap()];
        options.extend(injections.iter().flat_map(|injection| ["-e", injection]));
        run(strace(&options).args(scenario.command_line(&self.keys, force)), &scenario.input);
        let trace = std::fs::read(&self.trace).unwrap();
        // glibc's way to open a path, and musl's.
        let opened =
            [format!("openat(AT_FDCWD, \"{}\"", self.keys.display()), format!("open(\"{}\"", self.keys.display())];
        let (mut calls, mut begin) = (Vec::new(), None);
        let mut numbers = BTreeMap::<String, usize>::new();
        for line in String::from_utf8_lossy(&trace).lines() {
            let line = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
            let Some((name, _)) = line.split_once('(') else { continue };
            // The first call is strace's own, before there is a program.
            if name == "execve" || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
                continue;
            }
            if opened.iter().any(|opened| line.starts_with(opened)) {
                begin = begin.or(Some(calls.len()));
            }
            let number = numbers.entry(name.to_owned()).or_default();
            *number += 1;
            calls.push(SystemCall { name: name.to_owned(), number: *number });
        }
        let begin = begin.unwrap_or_else(|| panic!("{}: no opening of the directory in its trace", scenario.shown()));
        (calls, begin)
    }
}

fn killed_at(call: &SystemCall) -> String {
    format!("{}:signal=KILL:when={}", call.name, call.number)
}

fn failing_at(call: &SystemCall, error: usize, for_good: bool) -> String {
    format!("{}:error={}:when={}{}", call.name, ERRORS[error].0, call.number, if for_good { "+" } else { "" })
}

/// What must hold at every instant, disturbed or not.
fn check_instant(scenario: &Scenario, bench: &Bench, before: &BTreeMap<String, File>) -> Checked {
    let now = files(&bench.keys);
    // What is to be overwritten is none any more, nor are temporary files.
    let is_slot = |name: &str| !name.starts_with('.') && !matches!(scenario.after.get(name), Some(Want::Noise));
    let slots: BTreeMap<_, _> = now.iter().filter(|(name, _)| is_slot(name)).collect();
    for (name, file) in &now {
        // K7
        ensure(file.mode & 0o137 == 0, || format!("K7: {name} has mode {:04o}", file.mode))?;
        let foreign = file.mode & 0o040 != 0 && Some(file.group) != scenario.group;
        ensure(!foreign, || format!("K7: {name} is readable by group {}", file.group))?;
    }
    for (name, former) in before.iter().filter(|(name, _)| is_slot(name)) {
        // K2
        let file = slots.get(name).ok_or_else(|| format!("K2: {name} is missing"))?;
        let was_whole = is_whole(&former.content);
        ensure(!was_whole || is_whole(&file.content), || format!("K2: {name} was whole and is not"))?;
    }
    for (name, file) in &slots {
        let as_before = before.get(*name).is_some_and(|former| former.content == file.content);
        ensure(as_before || is_whole(&file.content), || format!("K2: {name} is not whole"))?;
        // A file is never changed in place while it has a slot's name, nor torn.
        if let Some((other, former)) = before.iter().find(|(_, former)| former.inode == file.inode) {
            // A disk gives the number of a removed file to the next one.
            let reused = scenario.on_disk && before.get(*name).is_none_or(|former| former.inode != file.inode);
            ensure(reused || former.content == file.content, || {
                format!("K3: {name} ({other}'s file) was overwritten")
            })?;
        }
        for (other, former) in before.iter().filter(|(_, former)| former.content != file.content) {
            let torn = is_whole(&former.content) && share_piece(&file.content, &former.content);
            ensure(!torn, || format!("K2: {name} holds a piece of what was in {other}"))?;
        }
    }
    // K3
    for key in scenario.kept() {
        let there = slots.values().any(|file| file.content == key);
        ensure(there, || format!("K3: the key of {} is in no slot", name_of(scenario, key)))?;
    }
    // K4
    for (name, file) in slots.iter().filter(|(name, _)| slot_of(name) == Some(1)) {
        let set = name.strip_suffix(".1.key").unwrap();
        let known = [1, 0].map(|slot| before.get(&scenario::slot_file(set, slot)));
        let known: Vec<_> = known.into_iter().flatten().map(|file| &file.content).filter(|key| is_whole(key)).collect();
        let same = before.get(*name).is_some_and(|former| former.content == file.content);
        ensure(same || known.is_empty() || known.contains(&&file.content), || {
            format!("K4: {name} was never known as next")
        })?;
    }
    // A key that stays is not overwritten through another name of its file.
    for (name, link) in &files(&bench.links) {
        let kept = scenario.kept().contains(&scenario.content_before(name));
        ensure(!kept || link.content == scenario.content_before(name), || format!("K3: {name} was overwritten"))?;
    }
    Ok(())
}

fn name_of<'a>(scenario: &'a Scenario, content: &[u8]) -> &'a str {
    scenario.before.keys().find(|file| scenario.content_before(file) == content).map_or("?", String::as_str)
}

/// Whether the directory is what an undisturbed run makes of it; `reference` is what one made.
fn check_end(scenario: &Scenario, bench: &Bench, reference: &BTreeMap<String, File>) -> Checked {
    let now = files(&bench.keys);
    let names = |files: &BTreeMap<String, File>| files.keys().cloned().collect::<Vec<_>>();
    ensure(names(&now) == names(reference), || format!("the end has {:?}, not {:?}", names(&now), names(reference)))?;
    let links = files(&bench.links);
    for (name, want) in &scenario.after {
        let (file, expected) = (&now[name], &reference[name]);
        match want {
            Want::Old(old) => {
                let holds = file.content == scenario.content_before(old);
                ensure(holds, || format!("{name} does not end with the key of {old}"))?;
            }
            Want::Given => {
                ensure(file.content == scenario.input, || format!("{name} does not end with the given key"))?;
            }
            Want::New | Want::Noise => {
                let known = scenario.before.keys().map(|file| scenario.content_before(file));
                let others = now.iter().filter(|(other, _)| *other != name).map(|(_, other)| &other.content[..]);
                let mut others = known.chain(others).filter(|other| is_whole(other));
                let fresh = is_whole(&file.content) && !others.any(|other| share_piece(&file.content, other));
                ensure(fresh, || format!("{name} does not end with a fresh key"))?;
            }
        }
        // What goes into a file of another name is not dated.
        let dated = !scenario.arguments.iter().any(|word| word == "-f") && slot_of(name).is_some();
        let dated = !dated || file.mtime == expected.mtime;
        ensure(dated, || format!("{name} ends with mtime {}, not {}", file.mtime, expected.mtime))?;
        let protection = |file: &File| (file.mode, file.group, file.content.len());
        let same = protection(file) == protection(expected);
        ensure(same, || format!("{name} ends as {:?}, not {:?}", protection(file), protection(expected)))?;
    }
    // Two slots are one file exactly where they are in an undisturbed run.
    for (one, other) in now.keys().flat_map(|one| now.keys().map(move |other| (one, other))) {
        let shared = |files: &BTreeMap<String, File>| files[one].inode == files[other].inode;
        ensure(shared(&now) == shared(reference), || format!("{one} and {other}: one file or two"))?;
    }
    // K8: here and through the names that were made beforehand.
    for gone in scenario.destroyed() {
        let left = |(_, file): &(&String, &File)| is_whole(gone) && share_piece(&file.content, gone);
        let left = now.iter().chain(&links).find(left).map(|(name, _)| name);
        ensure(left.is_none(), || format!("K8: the destroyed key of {} is in {left:?}", name_of(scenario, gone)))?;
    }
    Ok(())
}

/// What must hold of how a run ended that was made to fail: it says so, unless nothing is wrong.
fn check_report(scenario: &Scenario, ended: &Ended, words: &[&str], at_end: &Checked) -> Checked {
    let text = String::from_utf8_lossy(&ended.errors);
    let prefix = format!("stek {}: ", scenario.applet);
    for line in text.lines() {
        ensure(line.starts_with(&prefix), || format!("it says '{line}'"))?;
    }
    match ended.code {
        Some(0) => at_end.clone().map_err(|wrong| format!("exit 0, but {wrong}")),
        Some(111) => {
            ensure(words.iter().any(|words| text.contains(words)), || format!("exit 111 without {words:?}: {text}"))
        }
        _ => Err(format!("it ended with {:?}, signal {:?}: {text}", ended.code, ended.signal)),
    }
}

/// K5: what a run says shows no key, neither an old one nor one that it made.
fn check_silence(scenario: &Scenario, bench: &Bench, ended: &Ended) -> Checked {
    let made = files(&bench.keys);
    let keys = scenario.before.keys().map(|file| scenario.content_before(file)).chain([&scenario.input[..]]);
    for key in keys.chain(made.values().map(|file| &file.content[..])).filter(|key| is_whole(key)) {
        ensure(!shows(&ended.errors, key) && !shows(&ended.output, key), || "K5: a key is shown".to_owned())?;
    }
    ensure(ended.output.is_empty(), || "something is on standard output".to_owned())
}

/// One scenario with what an undisturbed run of it does.
struct Prepared {
    scenario: Scenario,
    before_names: BTreeSet<String>,
    reference: BTreeMap<String, File>,
    calls: Vec<SystemCall>,
    begin: usize,
}

impl Prepared {
    fn new(scenario: Scenario, bench: &Bench) -> Self {
        let shown = scenario.shown();
        bench.build(&scenario);
        let before = files(&bench.keys);
        let ended = bench.undisturbed(&scenario, true);
        let said = String::from_utf8_lossy(&ended.errors).into_owned();
        assert_eq!(ended.code, Some(0), "{shown}: {said}");
        assert!(said.lines().all(|line| line.contains(": warning: ")), "{shown}: {said}");
        let reference = files(&bench.keys);
        check_instant(&scenario, bench, &before).and_then(|()| check_end(&scenario, bench, &reference)).expect(&shown);
        let wanted: BTreeSet<_> = scenario.after.keys().collect();
        assert_eq!(wanted, reference.keys().collect(), "{shown}");
        if scenario.applet == "rotate" {
            let (period, now) = scenario.clock;
            // A clock one epoch behind the keys is waited for.
            let now = now + i64::from(scenario.title.contains("behind"));
            for (name, file, slot) in reference.iter().filter_map(|(name, file)| Some((name, file, slot_of(name)?))) {
                assert_eq!(file.mtime.div_euclid(period), now + 1 - slot, "{shown}: epoch of {name}");
            }
        }
        bench.build(&scenario);
        let (calls, begin) = bench.calls(&scenario, &[], true);
        Self { before_names: before.into_keys().collect(), scenario, reference, calls, begin }
    }

    /// Every point of it.
    fn points(&self, salt: usize) -> Vec<Point> {
        let thorough = self.scenario.thorough;
        let mut points: Vec<Point> = self.calls.iter().cloned().map(Point::Kill).collect();
        for (at, call) in self.calls.iter().enumerate().skip(self.begin) {
            if CANNOT_FAIL.contains(&call.name.as_str()) {
                continue;
            }
            for (error, (errno, _)) in ERRORS.iter().enumerate() {
                if thorough || error == (at + salt) % ERRORS.len() {
                    points.push(Point::Fail { call: call.clone(), error, for_good: false });
                }
                // An interruption that never ends is none.
                if *errno != "EINTR" && (thorough || error == (at + salt) % 3) {
                    points.push(Point::Fail { call: call.clone(), error, for_good: true });
                }
            }
            if thorough && CHANGES.contains(&call.name.as_str()) {
                points.push(Point::KillTwice(call.clone()));
                points.push(Point::FailThenKill(call.clone()));
            }
        }
        points
    }

    /// Whether the command is to be run with its --force after a disturbance.
    fn forced_again(&self, bench: &Bench, before: &BTreeMap<String, File>) -> bool {
        let complete = || check_end(&self.scenario, bench, &self.reference).is_ok();
        match self.scenario.repair {
            Repair::Same => true,
            Repair::Forced => !complete(),
            Repair::Cron => files(&bench.keys) == *before && !complete(),
        }
    }

    /// Runs the command again, undisturbed, and looks whether all is well.
    fn mend(&self, bench: &Bench, before: &BTreeMap<String, File>) -> Checked {
        let force = self.forced_again(bench, before);
        let ended = bench.undisturbed(&self.scenario, force);
        let text = String::from_utf8_lossy(&ended.errors);
        let silent = text.lines().all(|line| line.contains(": warning: "));
        ensure(ended.code == Some(0) && silent, || format!("run again it ends with {:?}: {text}", ended.code))?;
        check_silence(&self.scenario, bench, &ended)?;
        check_end(&self.scenario, bench, &self.reference).map_err(|wrong| format!("run again: {wrong}"))
    }

    fn disturb(&self, point: &Point, bench: &Bench) -> Tally {
        let mut tally = Tally::default();
        let wrong = |tally: &mut Tally, how: &str, checked: Checked| {
            if let Err(wrong) = checked {
                tally.wrong.push(format!("{}: {how}: {wrong}", self.scenario.shown()));
            }
        };
        match point {
            Point::Kill(call) => {
                let injection = killed_at(call);
                let checked = self.kill(&injection, bench, &mut tally);
                tally.kills += 1;
                wrong(&mut tally, &injection, checked);
            }
            Point::Fail { call, error, for_good } => {
                let injection = failing_at(call, *error, *for_good);
                let words = match call.name.as_str() {
                    // Nobody can say anything when every write fails.
                    "write" if *for_good => vec![""],
                    // musl's fdopendir(3) takes every failure of it for this one.
                    "fcntl" => [ERRORS[*error].1, &["Bad file descriptor"]].concat(),
                    _ => ERRORS[*error].1.to_vec(),
                };
                let checked = self.fail(&injection, &words, *for_good, bench, &mut tally);
                tally.failures += 1;
                wrong(&mut tally, &injection, checked);
            }
            Point::KillTwice(call) => {
                let first = killed_at(call);
                let prepare = || {
                    bench.build(&self.scenario);
                    let before = files(&bench.keys);
                    bench.disturbed(&self.scenario, std::slice::from_ref(&first), true);
                    before
                };
                let before = prepare();
                let force = self.forced_again(bench, &before);
                let (calls, begin) = bench.calls(&self.scenario, &[], force);
                for second in changes(&calls[begin..]) {
                    let before = prepare();
                    let second = killed_at(second);
                    bench.disturbed(&self.scenario, std::slice::from_ref(&second), force);
                    let checked =
                        check_instant(&self.scenario, bench, &before).and_then(|()| self.mend(bench, &before));
                    tally.second += 1;
                    wrong(&mut tally, &format!("{first}, then {second}"), checked);
                }
            }
            Point::FailThenKill(call) => {
                let first = failing_at(call, 1, false);
                bench.build(&self.scenario);
                let (calls, _) = bench.calls(&self.scenario, std::slice::from_ref(&first), true);
                let failed = calls.iter().position(|other| other == call).map_or(calls.len(), |at| at + 1);
                for second in changes(&calls[failed..]) {
                    bench.build(&self.scenario);
                    let before = files(&bench.keys);
                    let second = killed_at(second);
                    bench.disturbed(&self.scenario, &[first.clone(), second.clone()], true);
                    let checked =
                        check_instant(&self.scenario, bench, &before).and_then(|()| self.mend(bench, &before));
                    tally.second += 1;
                    wrong(&mut tally, &format!("{first}, then {second}"), checked);
                }
            }
        }
        tally
    }

    fn kill(&self, injection: &str, bench: &Bench, tally: &mut Tally) -> Checked {
        bench.build(&self.scenario);
        let before = files(&bench.keys);
        let (ended, hit) = bench.disturbed(&self.scenario, &[injection.to_owned()], true);
        tally.missed += usize::from(!hit);
        ensure(!hit || ended.signal == Some(9), || format!("not killed: {:?}", ended.code))?;
        check_instant(&self.scenario, bench, &before)?;
        check_silence(&self.scenario, bench, &ended)?;
        self.mend(bench, &before)
    }

    fn fail(&self, injection: &str, words: &[&str], for_good: bool, bench: &Bench, tally: &mut Tally) -> Checked {
        bench.build(&self.scenario);
        let before = files(&bench.keys);
        let (ended, hit) = bench.disturbed(&self.scenario, &[injection.to_owned()], true);
        tally.missed += usize::from(!hit);
        check_instant(&self.scenario, bench, &before)?;
        check_silence(&self.scenario, bench, &ended)?;
        // Where the heap gets no memory, Rust ends the program by SIGABRT or SIGILL: no other than killed.
        if injection.starts_with("mmap:") && matches!(ended.signal, Some(4 | 6)) {
            return self.mend(bench, &before);
        }
        check_report(&self.scenario, &ended, words, &check_end(&self.scenario, bench, &self.reference))?;
        if !for_good {
            // Whoever lives on clears up behind himself.
            let left =
                files(&bench.keys).into_keys().find(|name| name.starts_with('.') && !self.before_names.contains(name));
            ensure(left.is_none(), || format!("{left:?} is left over"))?;
        }
        self.mend(bench, &before)
    }
}

fn changes(calls: &[SystemCall]) -> impl Iterator<Item = &SystemCall> {
    calls.iter().filter(|call| CHANGES.contains(&call.name.as_str()))
}

/// A group that this user may give files to: as root any.
fn some_group() -> u32 {
    if nix::unistd::geteuid().is_root() { 54321 } else { nix::unistd::getegid().as_raw() }
}

#[test]
#[allow(clippy::print_stderr)]
fn no_system_call_is_a_bad_moment() {
    if let Some(reason) = common::no_strace() {
        return common::skip(&reason);
    }
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let disk = Lab::on_disk();
    let begin = Instant::now();
    let picked = std::env::var("STEK_SCENARIO").unwrap_or_default();
    let all_thorough = std::env::var("STEK_CRASH").is_ok_and(|which| which == "all");

    let bench = [Bench::new(&lab, 0), Bench::new(&disk, 0)];
    let scenarios = scenario::all(common::long_period(), some_group());
    let prepared: Vec<Prepared> = scenarios
        .into_iter()
        .filter(|scenario| scenario.shown().contains(&picked))
        .map(|scenario| Scenario { thorough: scenario.thorough || all_thorough, ..scenario })
        .map(|scenario| {
            let bench = &bench[usize::from(scenario.on_disk)];
            Prepared::new(scenario, bench)
        })
        .collect();
    let points = prepared.iter().enumerate().flat_map(|(at, prepared)| {
        let points = prepared.points(at);
        points.into_iter().map(move |point| (at, point))
    });
    // Those that wait for a disk, and those of many runs, first.
    let mut points: Vec<_> = points.collect();
    points.sort_by_key(|(at, point)| {
        (!prepared[*at].scenario.on_disk, matches!(point, Point::Kill(_) | Point::Fail { .. }))
    });

    let queue = Mutex::new(points.into_iter());
    let tallies = Mutex::new(prepared.iter().map(|_| Tally::default()).collect::<Vec<_>>());
    let workers = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        for worker in 1..=workers {
            let (queue, tallies, prepared) = (&queue, &tallies, &prepared);
            let bench = [Bench::new(&lab, worker), Bench::new(&disk, worker)];
            scope.spawn(move || {
                while let Some((at, point)) = { queue.lock().unwrap().next() } {
                    let prepared = &prepared[at];
                    let tally = prepared.disturb(&point, &bench[usize::from(prepared.scenario.on_disk)]);
                    tallies.lock().unwrap()[at].add(tally);
                }
            });
        }
    });

    let mut total = Tally::default();
    for (prepared, tally) in prepared.iter().zip(tallies.into_inner().unwrap()) {
        eprintln!(
            "{:4} kills {:4} failures {:4} second blows: {}",
            tally.kills,
            tally.failures,
            tally.second,
            prepared.scenario.shown()
        );
        total.add(tally);
    }
    for wrong in total.wrong.iter().take(60) {
        eprintln!("WRONG {wrong}");
    }
    common::say(&format!(
        "{} points in {} scenarios, {} of them not reached, {} wrong, {:.1} s",
        total.points(),
        prepared.len(),
        total.missed,
        total.wrong.len(),
        begin.elapsed().as_secs_f32()
    ));
    assert!(total.wrong.is_empty(), "{} of {} points are wrong", total.wrong.len(), total.points());
    assert!(total.missed * 50 <= total.points(), "too many points were not reached: {}", total.missed);
}
