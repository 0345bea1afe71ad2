//! What `check` finds: facts in, findings out.
//!
//! A healthy host gives none at all. What mends itself within minutes is therefore given a grace before it counts: the
//! rotation that waits for the next run of cron, and the traces of a run that was cut short.

use std::collections::BTreeMap;

use super::duration::{Period, for_people};
use super::host::Swap;
use super::key::{NAME_LENGTH, Size, Weakness};
use super::name::{CURRENT, NEXT, Name};

/// How bad a finding is, in the order in which the worst one names the state of the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing, and no fault.
    Note,
    /// It could not be looked at.
    Unknown,
    /// Somebody should look at it soon.
    Warning,
    /// Now.
    Critical,
}

impl Severity {
    /// In one word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Unknown => "unknown",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }

    /// The number that monitoring plugins give it.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Note => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }
}

/// A kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    /// What it is called, for ever.
    pub id: &'static str,
    /// How bad it can be.
    pub severities: &'static [Severity],
    /// What to do about it.
    pub advice: &'static str,
}

macro_rules! kinds {
    ($($constant:ident $id:literal [$($severity:ident)*] $advice:literal)*) => {
        $(
            #[doc = concat!("`", $id, "`")]
            pub const $constant: Kind =
                Kind { id: $id, severities: &[$(Severity::$severity),*], advice: $advice };
        )*
        /// All kinds, in the order of the manual page.
        pub const KINDS: &[&Kind] = &[$(&$constant),*];
    };
}

kinds! {
    CURRENT_KEY_STALE "current-key-stale" [Warning Critical]
        "rotation stands still: run 'stek rotate -v', then see why cron does not"
    RUN_INTERRUPTED "run-interrupted" [Warning]
        "run 'stek rotate', which finishes it; a chain of your own: pipe 'stek genkey' into 'stek install NAME'"
    NO_KEYS "no-keys" [Critical]
        "make them with 'stek rotate NAME', or take the NAME out of STEK_NAMES"
    CURRENT_KEY_MISSING "current-key-missing" [Critical]
        "run 'stek rotate': the next key takes its place; the server cannot start or reload before"
    NEXT_KEY_MISSING "next-key-missing" [Critical]
        "run 'stek rotate', which makes one; the server cannot start or reload before"
    SLOT_MISSING "slot-missing" [Warning Critical]
        "run 'stek rotate', which fills it; a server that names the slot cannot start or reload before"
    KEY_SIZE "key-size" [Critical]
        "run 'stek rotate', which replaces what is no key; the server cannot start or reload before"
    NOT_A_FILE "not-a-file" [Critical]
        "move it away, then run 'stek rotate'; stek follows no links and replaces nothing but files"
    KEY_UNREADABLE "key-unreadable" [Unknown]
        "run check as root, or as a member of the keys' group"
    KEY_WEAK "key-weak" [Critical]
        "pipe 'stek genkey' into 'stek install NAME --slot NUMBER', then 'stek reload': such keys are known to anybody"
    KEY_EQUAL "key-equal" [Critical]
        "pipe 'stek genkey' into 'stek install NAME --slot NUMBER', then 'stek reload'"
    KEY_SHARED "key-shared" [Critical]
        "one key opens the tickets of both: pipe 'stek genkey' into 'stek install NAME --slot NUMBER', then 'stek reload'"
    KEY_NAME_EQUAL "key-name-equal" [Critical]
        "servers find keys by this name and take the wrong one: pipe 'stek genkey' into 'stek install NAME --slot NUMBER'"
    KEY_MODE "key-mode" [Warning Critical]
        "set STEK_GROUP to the group that should read it, or chmod it to 0600; run 'stek rotate', twice if others may have read it"
    KEY_OWNER "key-owner" [Critical]
        "chown it to root; who owns a key can change it, and rotate refuses it"
    DIRECTORY_MODE "directory-mode" [Warning Critical]
        "chmod it to 0700, or with a group to 0750: 'stek mount' does"
    DIRECTORY_OWNER "directory-owner" [Critical]
        "chown it to root; who owns the directory can replace every key"
    FOREIGN_FILE "foreign-file" [Warning]
        "move it away; the keys directory is for keys alone"
    DIRECTORY_MISSING "directory-missing" [Critical]
        "make it and the keys with 'stek mount' and 'stek rotate', as the boot script does, before the server starts"
    DIRECTORY_ON_DISK "directory-on-disk" [Critical]
        "keys have reached a disk: move to a tmpfs with 'stek mount' and rotate until the old keys are gone"
    SWAP "swap" [Critical]
        "mount the directory with 'stek mount' (noswap or ramfs), or turn swap off, or encrypt it"
    SWAP_ENCRYPTED "swap-encrypted" [Warning]
        "mount the directory with 'stek mount' (noswap or ramfs): encrypted pages stay on the disk as long as its key"
    SWAP_ZRAM "swap-zram" [Note]
        "nothing: zram compresses in memory and writes to no disk"
    CORE_DUMPS "core-dumps" [Warning]
        "set worker_rlimit_core (nginx) or the service's LimitCORE to 0, then restart the server"
    HIBERNATION "hibernation" [Warning]
        "forbid it: AllowHibernation=no in /etc/systemd/sleep.conf, or boot with nohibernate; or encrypt the swap"
    CLOCK_BEHIND "clock-behind" [Critical]
        "set the clock; 'stek rotate' then dates the keys anew"
    CLOCK_UNSYNCHRONISED "clock-unsynchronised" [Warning]
        "run a time service (chrony, systemd-timesyncd, ntpsec): machines that share keys rotate by the clock"
    SERVER_STALE "server-stale" [Warning Critical]
        "run 'stek reload', with --pid-file if it is not the one of /run/nginx.pid, and read what it says: it works with older keys than those in the directory"
    SERVER_NOT_RUNNING "server-not-running" [Critical]
        "start it, or leave out --pid-file if it need not run"
    SERVER_UNKNOWN "server-unknown" [Unknown]
        "name the server's pid file with --pid-file, and run check as root"
    PROBE_FAILED "probe-failed" [Unknown]
        "run 'stek probe' with the same address and see what it says"
    PROBE_KEY "probe-key" [Critical]
        "run 'stek reload'; if that does not help, pipe 'nginx -T' into 'stek lint --which', which says whose keys count there"
    PROBE_REFUSED "probe-refused" [Critical]
        "see whether several servers with different keys or certificates share the address"
    PROBE_LIFETIME "probe-lifetime" [Warning]
        "set ssl_session_timeout to the window, which 'stek snippet' prints, or have more slots"
}

/// Finds a kind by its exact identifier.
#[must_use]
pub fn kind(id: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.id == id).copied()
}

/// Something that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Its kind.
    pub kind: &'static Kind,
    /// How bad it is.
    pub severity: Severity,
    /// The NAME it is about; `None`: the whole host.
    pub name: Option<Name>,
    /// What was seen.
    pub text: String,
}

/// What there is to judge.
#[derive(Clone, Debug)]
pub struct Facts {
    /// This moment, in seconds since 1970.
    pub now: i64,
    /// How long a key should encrypt.
    pub period: Period,
    /// How late things may be, in seconds.
    pub grace: i64,
    /// Who looks.
    pub user: u32,
    /// The group that should be able to read the keys.
    pub group: Option<u32>,
    /// Where the directory should be.
    pub path: String,
    /// The directory; `None` if there is none.
    pub directory: Option<Directory>,
    /// The swap areas in use.
    pub swaps: Vec<(String, Swap)>,
    /// How the host was set up to hibernate, if it was.
    pub hibernation: Option<String>,
    /// Whether something keeps the clock right.
    pub clock_is_synchronised: bool,
    /// The key sets.
    pub sets: Vec<Set>,
    /// Keys that are there more than once.
    pub twins: Vec<Twin>,
    /// The servers, and those that should run and do not.
    pub servers: Vec<Server>,
    /// What live servers showed, as far as that was asked for.
    pub probes: Vec<Probe>,
}

/// The keys directory.
#[derive(Clone, Debug)]
pub struct Directory {
    /// It lies on tmpfs or ramfs, or need not.
    pub in_memory: bool,
    /// The kernel may swap its files out.
    pub may_swap: bool,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: u32,
    /// Group.
    pub group: u32,
    /// Files that are no slots.
    pub foreign: Vec<String>,
    /// When the temporary files were made that a run left behind.
    pub left_over: Vec<i64>,
}

/// The slots of one NAME.
#[derive(Clone, Debug)]
pub struct Set {
    /// The NAME.
    pub name: Name,
    /// From slot 0 to the last that is there or should be.
    pub slots: Vec<Slot>,
}

/// What is in a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing.
    Missing,
    /// Something that is no regular file.
    NotAFile,
    /// A file that could not be read, and why.
    Unreadable(String),
    /// A file.
    File(File),
}

/// A file in a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct File {
    /// The inode.
    pub inode: u64,
    /// Its mtime in seconds since 1970, which tells its epoch.
    pub mtime: i64,
    /// Last change of content, links or times, in seconds since 1970.
    pub changed: i64,
    /// Size in bytes.
    pub size: usize,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub owner: u32,
    /// Group.
    pub group: u32,
    /// Why its key must not be used.
    pub weakness: Option<Weakness>,
}

impl Set {
    fn file(&self, slot: usize) -> Option<&File> {
        match self.slots.get(slot) {
            Some(Slot::File(file)) => Some(file),
            _ => None,
        }
    }

    /// The files, with their slots.
    pub fn files(&self) -> impl Iterator<Item = (usize, &File)> {
        (0..self.slots.len()).filter_map(|slot| Some((slot, self.file(slot)?)))
    }

    /// The current key's file, if it is a key.
    #[must_use]
    pub fn current(&self) -> Option<&File> {
        self.file(CURRENT).filter(|file| Size::of(file.size).is_some())
    }
}

/// Two slots with the same key, or with a part of it the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Twin {
    /// The NAME and slot that it is reported for.
    pub here: (Name, usize),
    /// The other one.
    pub there: (Name, usize),
    /// What is the same.
    pub alike: Alike,
}

/// What two keys have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Alike {
    /// All bytes.
    Whole,
    /// The secrets, under different key names.
    Secrets,
    /// The key name alone.
    Name,
}

/// A server that holds keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Server {
    /// What it is called.
    pub name: &'static str,
    /// The process id of its master, if the name alone does not say which one is meant.
    pub process: Option<u32>,
    /// Why it could not be looked at.
    pub unknown: Option<String>,
    /// Whether it runs.
    pub runs: bool,
    /// When the oldest of its processes that take connections began, in seconds since 1970.
    pub serving_since: Option<i64>,
    /// Whether keys changed after that.
    pub is_stale: bool,
    /// The limit of its processes for core dumps, if they may leave any, and where those go.
    pub core_dumps: Option<(String, String)>,
}

/// What a live server showed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Probe {
    /// Its address.
    pub address: String,
    /// Why it showed nothing, or nothing with some version of TLS.
    pub failures: Vec<String>,
    /// What it showed with each version of TLS.
    pub looks: Vec<Look>,
    /// For how many seconds a ticket is sure to be accepted.
    pub window: i64,
}

/// What one version of TLS showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The version.
    pub version: &'static str,
    /// The key name of the ticket, in hex.
    pub key_name: String,
    /// The slot whose key opens the ticket.
    pub slot: Option<(Name, usize)>,
    /// The server resumed the session of the ticket.
    pub resumed: bool,
    /// For how many seconds the server said the ticket may be used; 0 says nothing.
    pub lifetime_hint: i64,
}

impl Facts {
    /// How many key sets there are: one that was only asked for is none.
    #[must_use]
    pub fn present(&self) -> usize {
        self.sets.iter().filter(|set| set.slots.iter().any(|slot| *slot != Slot::Missing)).count()
    }

    /// The age of the oldest of the current keys.
    #[must_use]
    pub fn oldest_current(&self) -> Option<i64> {
        self.sets.iter().filter_map(Set::current).map(|file| self.age(file)).max()
    }

    /// How old a key is, in seconds; negative if its time is yet to come.
    #[must_use]
    pub fn age(&self, file: &File) -> i64 {
        self.now.saturating_sub(file.mtime)
    }

    /// The ages from which a current key is stale, in seconds: a warning, critical.
    #[must_use]
    pub fn limits(&self) -> (i64, i64) {
        let period = self.period.start(1);
        (period.saturating_add(self.grace), (2 * period).saturating_add(self.grace))
    }
}

/// How late things may be unless said otherwise: a twelfth of the period, so that a run of cron every five minutes or every
/// hour is never late; at least ten minutes and at most an hour, but never more than the period itself.
#[must_use]
pub fn grace(period: Period) -> i64 {
    let period = period.start(1);
    (period / 12).clamp(600, 3600).min(period)
}

/// Judges the facts; the worst findings come first, otherwise in the order of [`KINDS`] and of the NAMEs.
#[must_use]
pub fn judge(facts: &Facts) -> Vec<Finding> {
    let mut found = Found { facts, findings: Vec::new() };
    found.directory();
    for set in &facts.sets {
        found.set(set);
    }
    found.twins();
    found.host();
    for server in &facts.servers {
        found.server(server);
    }
    for probe in &facts.probes {
        found.probe(probe);
    }
    let mut findings = found.findings;
    let place = |finding: &Finding| KINDS.iter().position(|kind| kind.id == finding.kind.id);
    findings.sort_by_cached_key(|finding| (std::cmp::Reverse(finding.severity), place(finding)));
    findings
}

/// The worst of the findings; `None` if there is none.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<Severity> {
    findings.iter().map(|finding| finding.severity).max()
}

/// Permission bits that let others at a key: of the group all but reading.
const OPEN_FILE: u32 = 0o037;

struct Found<'a> {
    facts: &'a Facts,
    findings: Vec<Finding>,
}

impl Found<'_> {
    fn add(&mut self, kind: &'static Kind, severity: Severity, name: Option<&Name>, text: impl Into<String>) {
        debug_assert!(kind.severities.contains(&severity), "{}", kind.id);
        self.findings.push(Finding { kind, severity, name: name.cloned(), text: text.into() });
    }

    fn directory(&mut self) {
        let Facts { path, directory, sets, now, grace, .. } = self.facts;
        let Some(directory) = directory else {
            return self.add(&DIRECTORY_MISSING, Severity::Critical, None, format!("there is no {path}"));
        };
        if sets.is_empty() {
            self.add(&NO_KEYS, Severity::Critical, None, format!("there are no keys in {path}"));
        }
        if !directory.in_memory {
            self.add(&DIRECTORY_ON_DISK, Severity::Critical, None, format!("{path} is not on tmpfs or ramfs"));
        } else if directory.may_swap {
            self.swap();
        }
        if directory.owner != 0 && directory.owner != self.facts.user {
            self.add(&DIRECTORY_OWNER, Severity::Critical, None, format!("{path} belongs to uid {}", directory.owner));
        }
        let mode = directory.mode;
        if mode & 0o022 != 0 {
            self.add(
                &DIRECTORY_MODE,
                Severity::Critical,
                None,
                format!("{path} is writable by others (mode {mode:04o})"),
            );
        } else if mode & 0o007 != 0 {
            self.add(&DIRECTORY_MODE, Severity::Warning, None, format!("{path} is open to others (mode {mode:04o})"));
        } else if let Some(wanted) = self.facts.group
            && (directory.group != wanted || mode & 0o010 == 0)
        {
            let text = format!("{path} is not for group {wanted} (group {}, mode {mode:04o})", directory.group);
            self.add(&DIRECTORY_MODE, Severity::Warning, None, text);
        }
        for file in &directory.foreign {
            self.add(&FOREIGN_FILE, Severity::Warning, None, format!("{path} holds '{}'", file.escape_debug()));
        }
        let left_over: Vec<_> = directory.left_over.iter().filter(|made| now.saturating_sub(**made) > *grace).collect();
        if let Some(made) = left_over.iter().min() {
            let age = for_people(now.saturating_sub(**made));
            let text =
                format!("{path} holds {} that a run left behind {age} ago", several(left_over.len(), "temporary file"));
            self.add(&RUN_INTERRUPTED, Severity::Warning, None, text);
        }
    }

    fn swap(&mut self) {
        for (kind, severity, place, how) in [
            (&SWAP, Severity::Critical, Swap::Disk, "to"),
            (&SWAP_ENCRYPTED, Severity::Warning, Swap::Encrypted, "to encrypted"),
            (&SWAP_ZRAM, Severity::Note, Swap::Memory, "to compressed memory,"),
        ] {
            let areas = self.facts.swaps.iter().filter(|(_, at)| *at == place).map(|(area, _)| area.as_str());
            let areas: Vec<_> = areas.collect();
            if !areas.is_empty() {
                let text = format!("{} may be swapped {how} {}", self.facts.path, areas.join(", "));
                self.add(kind, severity, None, text);
            }
        }
    }

    fn set(&mut self, set: &Set) {
        let name = Some(&set.name);
        let Some(highest) = set.slots.iter().rposition(|slot| *slot != Slot::Missing) else {
            return self.add(&NO_KEYS, Severity::Critical, name, format!("there are no keys in {}", self.facts.path));
        };
        for (at, slot) in set.slots.iter().enumerate() {
            match slot {
                Slot::Missing => match at {
                    NEXT => self.add(&NEXT_KEY_MISSING, Severity::Critical, name, "slot 0, the next key, is missing"),
                    CURRENT => {
                        self.add(&CURRENT_KEY_MISSING, Severity::Critical, name, "slot 1, the current key, is missing");
                    }
                    _ if at < highest => {
                        self.add(&SLOT_MISSING, Severity::Critical, name, format!("slot {at} is missing"));
                    }
                    // More slots were asked for a moment ago, and no server can know of them.
                    _ => self.add(&SLOT_MISSING, Severity::Warning, name, format!("slot {at} is not there yet")),
                },
                Slot::NotAFile => {
                    self.add(&NOT_A_FILE, Severity::Critical, name, format!("slot {at} is not a regular file"));
                }
                Slot::Unreadable(why) => {
                    self.add(&KEY_UNREADABLE, Severity::Unknown, name, format!("slot {at} cannot be read: {why}"));
                }
                Slot::File(file) => self.file(set, at, file),
            }
        }
        self.rotation(set);
    }

    fn file(&mut self, set: &Set, at: usize, file: &File) {
        let Facts { user, group, directory, .. } = self.facts;
        let name = Some(&set.name);
        if Size::of(file.size).is_none() {
            self.add(
                &KEY_SIZE,
                Severity::Critical,
                name,
                format!("slot {at} has {} bytes, which is no key", file.size),
            );
        }
        if let Some(weakness) = file.weakness {
            self.add(&KEY_WEAK, Severity::Critical, name, format!("slot {at} is {}", weakness.words()));
        }
        let mode = file.mode;
        if mode & OPEN_FILE != 0 {
            let what = if mode & 0o022 == 0 { "readable" } else { "writable" };
            self.add(&KEY_MODE, Severity::Critical, name, format!("slot {at} is {what} by others (mode {mode:04o})"));
        } else if mode & 0o040 != 0 && *group != Some(file.group) && self.is_open_to(file.group) {
            // Without a group asked for it may be one that somebody wants, and that the next boot forgets.
            let severity = if group.is_some() { Severity::Critical } else { Severity::Warning };
            let text =
                format!("slot {at} is readable by group {} (mode {mode:04o}), which was not asked for", file.group);
            self.add(&KEY_MODE, severity, name, text);
        } else if let Some(group) = group
            && (file.group != *group || mode & 0o040 == 0)
        {
            let text = format!("slot {at} is not for group {group} (group {}, mode {mode:04o})", file.group);
            self.add(&KEY_MODE, Severity::Warning, name, text);
        }
        let directory_owner = directory.as_ref().map_or(0, |directory| directory.owner);
        if ![0, *user, directory_owner].contains(&file.owner) {
            self.add(&KEY_OWNER, Severity::Critical, name, format!("slot {at} belongs to uid {}", file.owner));
        }
    }

    /// Whether a group can enter the directory.
    fn is_open_to(&self, group: u32) -> bool {
        let directory = self.facts.directory.as_ref();
        directory.is_some_and(|it| it.mode & 0o001 != 0 || (it.group == group && it.mode & 0o010 != 0))
    }

    fn rotation(&mut self, set: &Set) {
        let name = Some(&set.name);
        if let Some(current) = set.current() {
            let age = self.facts.age(current);
            let (warning, critical) = self.facts.limits();
            if age >= warning {
                let severity = if age >= critical { Severity::Critical } else { Severity::Warning };
                let text = format!(
                    "the current key is {} old, the period is {}",
                    for_people(age),
                    for_people(self.facts.period.start(1))
                );
                self.add(&CURRENT_KEY_STALE, severity, name, text);
            }
        }
        // Two slots of a NAME share a file between two moves of a rotation, or between a shift and its install.
        let mut holders = BTreeMap::new();
        for (at, file) in set.files() {
            let Some(first) = holders.insert(file.inode, at) else { continue };
            let since = self.facts.now.saturating_sub(file.changed);
            if since > self.facts.grace {
                let text =
                    format!("slots {first} and {at} are one file since {}: a run was cut short", for_people(since));
                self.add(&RUN_INTERRUPTED, Severity::Warning, name, text);
            }
        }
    }

    fn twins(&mut self) {
        for Twin { here, there, alike } in &self.facts.twins {
            let name = Some(&here.0);
            let (kind, other) = if here.0 == there.0 {
                (&KEY_EQUAL, format!("slot {}", there.1))
            } else {
                (&KEY_SHARED, format!("slot {} of {}", there.1, there.0))
            };
            let slot = here.1;
            let (kind, text) = match alike {
                Alike::Whole => (kind, format!("slot {slot} holds the same key as {other}")),
                Alike::Secrets => (kind, format!("slot {slot} holds the same key as {other}, under another key name")),
                Alike::Name => (&KEY_NAME_EQUAL, format!("slot {slot} has the key name of {other}, with another key")),
            };
            self.add(kind, Severity::Critical, name, text);
        }
    }

    fn host(&mut self) {
        let Facts { now, period, sets, swaps, hibernation, clock_is_synchronised, directory, .. } = self.facts;
        // One epoch ahead is a step of the clock at a boundary, or a chain of one's own: the clock will get there.
        let epoch = period.epoch(*now);
        let ahead = |set: &Set| {
            let slots = [(CURRENT, 1), (NEXT, 2)].into_iter();
            slots
                .filter_map(|(slot, most)| set.file(slot).filter(|f| period.epoch(f.mtime) > epoch + most))
                .map(|f| f.mtime)
                .max()
        };
        if let Some((mtime, set)) =
            sets.iter().filter_map(|set| Some((ahead(set)?, set))).max_by_key(|(mtime, _)| *mtime)
        {
            let text = format!(
                "the keys of {} are dated {} ahead of the clock",
                set.name,
                for_people(mtime.saturating_sub(*now))
            );
            self.add(&CLOCK_BEHIND, Severity::Critical, None, text);
        }
        if !clock_is_synchronised {
            self.add(&CLOCK_UNSYNCHRONISED, Severity::Warning, None, "nothing keeps the clock right");
        }
        let disks: Vec<_> = swaps.iter().filter(|(_, at)| *at == Swap::Disk).map(|(area, _)| area.as_str()).collect();
        if let Some(how) = hibernation
            && !disks.is_empty()
            && directory.is_some()
        {
            let text =
                format!("hibernation would write all memory, keys too, to {}: it is set up ({how})", disks.join(", "));
            self.add(&HIBERNATION, Severity::Warning, None, text);
        }
    }

    fn server(&mut self, server: &Server) {
        let Server { name, process, unknown, runs, serving_since, is_stale, core_dumps } = server;
        let name = process.map_or_else(|| (*name).to_owned(), |id| format!("{name}, process {id},"));
        if let Some(why) = unknown {
            let name = name.trim_end_matches(',');
            return self.add(&SERVER_UNKNOWN, Severity::Unknown, None, format!("{name}: {why}"));
        }
        if !runs {
            return self.add(&SERVER_NOT_RUNNING, Severity::Critical, None, format!("{name} does not run"));
        }
        if let Some((limit, pattern)) = core_dumps {
            let text = format!("{name} may leave core dumps with keys in them (limit {limit}, core_pattern {pattern})");
            self.add(&CORE_DUMPS, Severity::Warning, None, text);
        }
        if let Some(since) = serving_since.filter(|_| *is_stale) {
            // A worker knows the current key if it began when that was next, at most one period before its time.
            let period = self.facts.period.start(1);
            let unknown = self
                .facts
                .sets
                .iter()
                .find(|set| set.current().is_some_and(|current| since < current.mtime.saturating_sub(period)));
            let age = for_people(self.facts.now.saturating_sub(since));
            if let Some(set) = unknown {
                let text = format!("{name} serves since {age} and does not know the current key of {}", set.name);
                self.add(&SERVER_STALE, Severity::Critical, None, text);
            } else {
                let text = format!("{name} serves since {age}, and keys changed after that");
                self.add(&SERVER_STALE, Severity::Warning, None, text);
            }
        }
    }
}

impl Found<'_> {
    fn probe(&mut self, probe: &Probe) {
        let Probe { address, failures, looks, window } = probe;
        for why in failures {
            self.add(&PROBE_FAILED, Severity::Unknown, None, why.clone());
        }
        for Look { version, key_name, slot, resumed, lifetime_hint } in looks {
            let at = format!("{address} over {version}");
            match slot {
                Some((_, CURRENT)) => {}
                Some((name, slot)) => {
                    let text = format!("{at}: slot {slot} makes the tickets, not the current key");
                    self.add(&PROBE_KEY, Severity::Critical, Some(name), text);
                }
                None => {
                    let text = format!("{at}: no key in the directory made the ticket, its key name is {key_name}");
                    self.add(&PROBE_KEY, Severity::Critical, None, text);
                }
            }
            if !resumed {
                let text = format!("{at}: the server did not resume the ticket that it had just given");
                self.add(&PROBE_REFUSED, Severity::Critical, None, text);
            }
            if lifetime_hint > window {
                let text =
                    format!("{at}: tickets may be used for {lifetime_hint} s, their keys are sure to stay {window} s");
                self.add(&PROBE_LIFETIME, Severity::Warning, None, text);
            }
        }
    }
}

/// `1 key set`, `2 key sets`.
#[must_use]
pub fn several(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// What is kept of a key to find another one that is equal: its public name, and a hash under a seed of this process alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Print {
    /// The NAME, as a number of the caller's.
    pub set: usize,
    /// The slot.
    pub slot: usize,
    /// The inode.
    pub inode: u64,
    /// The hash of the secrets, which are all bytes but the key name.
    pub hash: u64,
    /// The key name.
    pub key_name: [u8; NAME_LENGTH],
}

/// Which keys are there more than once: pairs of places in `prints`, and what is the same. Each key is paired with the
/// first whose secrets it has, and with the first of the same key name. `same` compares the secrets of two keys; it is
/// asked only where prints agree.
///
/// Slots of one NAME that share a file are no pair: a move between them was cut short.
///
/// # Errors
/// Those of `same`.
pub fn twins<E>(
    prints: &[Print],
    mut same: impl FnMut(&Print, &Print) -> Result<bool, E>,
) -> Result<Vec<(usize, usize, Alike)>, E> {
    let mut pairs = Vec::new();
    let mut equal = vec![false; prints.len()];
    let is_one_file = |a: &Print, b: &Print| a.set == b.set && a.inode == b.inode;
    let mut order: Vec<usize> = (0..prints.len()).collect();
    order.sort_by_key(|at| (prints[*at].hash, *at));
    for run in order.chunk_by(|a, b| prints[*a].hash == prints[*b].hash) {
        for later in &run[1..] {
            let (first, later) = (run[0], *later);
            if is_one_file(&prints[first], &prints[later]) {
                equal[later] = true;
            } else if prints[first].inode == prints[later].inode || same(&prints[first], &prints[later])? {
                equal[later] = prints[first].key_name == prints[later].key_name;
                pairs.push((first, later, if equal[later] { Alike::Whole } else { Alike::Secrets }));
            }
        }
    }
    order.retain(|at| !equal[*at]);
    order.sort_by_key(|at| (prints[*at].key_name, *at));
    for run in order.chunk_by(|a, b| prints[*a].key_name == prints[*b].key_name) {
        pairs.extend(run[1..].iter().map(|later| (run[0], *later, Alike::Name)));
    }
    pairs.sort_unstable();
    Ok(pairs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_800_000_000;

    fn period(text: &str) -> Period {
        Period::parse(text).unwrap()
    }

    fn file(period: Period, slot: usize, inode: u64, now: i64) -> File {
        let epoch = period.epoch(now) + 1 - i64::try_from(slot).unwrap();
        File {
            inode,
            mtime: period.start(epoch),
            changed: now,
            size: 80,
            mode: 0o600,
            owner: 0,
            group: 0,
            weakness: None,
        }
    }

    fn set(name: &str, period: Period, first_inode: u64, now: i64) -> Set {
        let slots = (0..4).map(|slot| Slot::File(file(period, slot, first_inode + slot as u64, now)));
        Set { name: Name::parse(name).unwrap(), slots: slots.collect() }
    }

    fn healthy_with(period: Period, now: i64) -> Facts {
        Facts {
            now,
            period,
            grace: grace(period),
            user: 0,
            group: None,
            path: "/run/stek".to_owned(),
            directory: Some(Directory {
                in_memory: true,
                may_swap: false,
                mode: 0o700,
                owner: 0,
                group: 0,
                foreign: Vec::new(),
                left_over: Vec::new(),
            }),
            swaps: vec![("/dev/sda2".to_owned(), Swap::Disk)],
            hibernation: None,
            clock_is_synchronised: true,
            sets: vec![set("a", period, 0, now), set("b", period, 10, now)],
            twins: Vec::new(),
            servers: vec![Server { name: "nginx", runs: true, serving_since: Some(now), ..Server::default() }],
            probes: vec![Probe {
                address: "localhost:443".to_owned(),
                failures: Vec::new(),
                looks: vec![Look {
                    version: "TLS 1.3",
                    key_name: "00".to_owned(),
                    slot: Some((Name::parse("a").unwrap(), CURRENT)),
                    resumed: true,
                    lifetime_hint: 86400,
                }],
                window: 86400,
            }],
        }
    }

    fn healthy() -> Facts {
        healthy_with(period("12h"), NOW)
    }

    /// What is found after a change to healthy facts.
    fn after(change: impl FnOnce(&mut Facts)) -> Vec<(&'static str, Severity)> {
        let mut facts = healthy();
        change(&mut facts);
        judge(&facts).into_iter().map(|finding| (finding.kind.id, finding.severity)).collect()
    }

    fn change_slot(facts: &mut Facts, slot: usize, change: impl FnOnce(&mut File)) {
        let Slot::File(file) = &mut facts.sets[0].slots[slot] else { panic!("a file") };
        change(file);
    }

    fn directory(facts: &mut Facts) -> &mut Directory {
        facts.directory.as_mut().unwrap()
    }

    #[test]
    fn a_healthy_host_gives_nothing() {
        assert_eq!(judge(&healthy()), []);
        assert_eq!(worst(&judge(&healthy())), None);
    }

    #[test]
    fn identifiers_are_unique_and_well_formed() {
        for (at, kind) in KINDS.iter().enumerate() {
            assert!(kind.id.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{}", kind.id);
            assert!(!KINDS[..at].iter().any(|other| other.id == kind.id), "{}", kind.id);
            assert!(!kind.severities.is_empty() && kind.severities.is_sorted());
            assert!(!kind.advice.ends_with('.') && !kind.advice.contains(['|', '\n']));
            assert_eq!(super::kind(kind.id), Some(*kind));
        }
    }

    /// The table of the manual page is the table of the code.
    #[test]
    fn the_manual_page_has_the_table() {
        let page = include_str!("../../man/stek-check.8");
        let in_page: Vec<_> = page.lines().filter_map(|line| line.strip_prefix(".It Cm ")).collect();
        let in_code: Vec<_> = KINDS
            .iter()
            .map(|kind| {
                let severities: Vec<_> = kind.severities.iter().map(|severity| severity.word()).collect();
                format!("{} Pq {}", kind.id, severities.join(", "))
            })
            .collect();
        assert_eq!(in_page, in_code);
    }

    #[test]
    fn every_fault_is_named_and_nothing_else() {
        use Severity::{Critical, Note, Unknown, Warning};
        type Change = fn(&mut Facts);
        let faults: &[(&'static str, Severity, Change)] = &[
            ("directory-missing", Critical, |f| {
                f.directory = None;
                f.sets.clear();
            }),
            ("no-keys", Critical, |f| f.sets.clear()),
            ("no-keys", Critical, |f| f.sets[1].slots.fill(Slot::Missing)),
            ("current-key-missing", Critical, |f| f.sets[0].slots[1] = Slot::Missing),
            ("next-key-missing", Critical, |f| f.sets[0].slots[0] = Slot::Missing),
            ("slot-missing", Critical, |f| f.sets[0].slots[2] = Slot::Missing),
            ("slot-missing", Warning, |f| f.sets[0].slots.push(Slot::Missing)),
            ("not-a-file", Critical, |f| f.sets[0].slots[2] = Slot::NotAFile),
            ("key-unreadable", Unknown, |f| f.sets[0].slots[2] = Slot::Unreadable("EACCES".to_owned())),
            ("key-size", Critical, |f| change_slot(f, 1, |file| file.size = 79)),
            ("key-weak", Critical, |f| change_slot(f, 3, |file| file.weakness = Some(Weakness::Zero))),
            ("key-mode", Critical, |f| change_slot(f, 3, |file| file.mode = 0o604)),
            ("key-mode", Critical, |f| change_slot(f, 3, |file| file.mode = 0o620)),
            ("key-mode", Warning, |f| {
                (directory(f).group, directory(f).mode) = (33, 0o750);
                change_slot(f, 3, |file| (file.mode, file.group) = (0o640, 33));
            }),
            ("key-owner", Critical, |f| change_slot(f, 3, |file| file.owner = 33)),
            ("directory-mode", Critical, |f| directory(f).mode = 0o770),
            ("directory-mode", Warning, |f| directory(f).mode = 0o755),
            ("directory-owner", Critical, |f| directory(f).owner = 33),
            ("foreign-file", Warning, |f| directory(f).foreign.push("a|\n".to_owned())),
            ("run-interrupted", Warning, |f| directory(f).left_over.push(NOW - 3601)),
            ("directory-on-disk", Critical, |f| directory(f).in_memory = false),
            ("swap", Critical, |f| directory(f).may_swap = true),
            ("swap-encrypted", Warning, |f| {
                directory(f).may_swap = true;
                f.swaps[0].1 = Swap::Encrypted;
            }),
            ("swap-zram", Note, |f| {
                directory(f).may_swap = true;
                f.swaps[0].1 = Swap::Memory;
            }),
            ("hibernation", Warning, |f| f.hibernation = Some("resume=".to_owned())),
            ("clock-unsynchronised", Warning, |f| f.clock_is_synchronised = false),
            ("clock-behind", Critical, |f| f.now -= 2 * 43200),
            ("core-dumps", Warning, |f| f.servers[0].core_dumps = Some(("unlimited".to_owned(), "core".to_owned()))),
            ("server-stale", Warning, |f| f.servers[0].is_stale = true),
            ("server-stale", Critical, |f| {
                f.servers[0].is_stale = true;
                f.servers[0].serving_since = Some(NOW - 3 * 43200);
            }),
            ("server-not-running", Critical, |f| f.servers[0].runs = false),
            ("server-unknown", Unknown, |f| f.servers[0].unknown = Some("cannot read".to_owned())),
            ("probe-failed", Unknown, |f| f.probes[0].failures.push("cannot connect".to_owned())),
            ("probe-key", Critical, |f| f.probes[0].looks[0].slot = None),
            ("probe-key", Critical, |f| f.probes[0].looks[0].slot = Some((Name::parse("a").unwrap(), 2))),
            ("probe-refused", Critical, |f| f.probes[0].looks[0].resumed = false),
            ("probe-lifetime", Warning, |f| f.probes[0].looks[0].lifetime_hint += 1),
        ];
        for (id, severity, change) in faults {
            assert_eq!(after(change), [(*id, *severity)], "{id}");
        }
        let by_age = [("current-key-stale", Warning), ("current-key-stale", Critical)];
        let twins = ["key-equal", "key-shared", "key-name-equal"];
        for kind in KINDS {
            let tested = faults.iter().any(|(id, ..)| *id == kind.id)
                || by_age.iter().any(|(id, _)| *id == kind.id)
                || twins.contains(&kind.id);
            assert!(tested, "{} is provoked by no test", kind.id);
        }
    }

    #[test]
    fn a_current_key_is_stale_after_a_period_and_grace_and_critical_after_two() {
        let period = period("12h");
        let start = period.start(period.epoch(NOW));
        let at = |age: i64| {
            let mut facts = healthy();
            facts.now = start + age;
            judge(&facts).into_iter().map(|f| (f.kind.id, f.severity)).collect::<Vec<_>>()
        };
        let both = |severity| vec![("current-key-stale", severity); 2];
        assert_eq!(at(13 * 3600 - 1), []);
        assert_eq!(at(13 * 3600), both(Severity::Warning));
        assert_eq!(at(25 * 3600 - 1), both(Severity::Warning));
        assert_eq!(at(25 * 3600), both(Severity::Critical));
    }

    #[test]
    fn graces_follow_the_period() {
        for (text, expected) in [("12h", 3600), ("1d", 3600), ("7d", 3600), ("1h", 600), ("3h", 900), ("60s", 60)] {
            assert_eq!(grace(period(text)), expected, "{text}");
        }
    }

    #[test]
    fn an_interrupted_run_is_given_time() {
        let cut = |f: &mut Facts, ago: i64| {
            let inode = f.sets[0].file(0).unwrap().inode;
            change_slot(f, 1, |file| {
                file.inode = inode;
                file.changed = NOW - ago;
            });
        };
        assert_eq!(after(|f| cut(f, 3600)), []);
        assert_eq!(after(|f| cut(f, 3601)), [("run-interrupted", Severity::Warning)]);
        assert_eq!(after(|f| directory(f).left_over.push(NOW - 3600)), []);
    }

    #[test]
    fn a_clock_one_epoch_behind_is_waited_for() {
        assert_eq!(after(|f| f.now -= 43200), []);
    }

    #[test]
    fn groups_are_what_was_asked_for() {
        assert_eq!(after(|f| change_slot(f, 1, |file| file.mode = 0o640)), []);
        let with_group = |f: &mut Facts, group| {
            f.group = Some(33);
            for set in &mut f.sets {
                for slot in &mut set.slots {
                    let Slot::File(file) = slot else { panic!("a file") };
                    (file.mode, file.group) = (0o640, group);
                }
            }
            (directory(f).mode, directory(f).group) = (0o750, 33);
        };
        assert_eq!(after(|f| with_group(f, 33)), []);
        // Another group that cannot enter the directory, and one that can.
        assert_eq!(after(|f| with_group(f, 34)), vec![("key-mode", Severity::Warning); 8]);
        let other = after(|f| {
            with_group(f, 34);
            directory(f).group = 34;
        });
        assert_eq!(
            other,
            [vec![("key-mode", Severity::Critical); 8], vec![("directory-mode", Severity::Warning)]].concat()
        );
        // The keys are for the group, the directory is not.
        let closed = after(|f| {
            with_group(f, 33);
            directory(f).mode = 0o700;
        });
        assert_eq!(closed, [("directory-mode", Severity::Warning)]);
        // Nobody asked for a group, and the directory lets none in: what the keys' modes say then is nothing.
        let unasked = |entered: u32| {
            after(|f| {
                with_group(f, 33);
                f.group = None;
                directory(f).group = entered;
            })
        };
        assert_eq!(unasked(0), []);
        assert_eq!(unasked(33), vec![("key-mode", Severity::Warning); 8]);
    }

    #[test]
    fn twins_are_told_apart() {
        let place = |name: &str, slot| (Name::parse(name).unwrap(), slot);
        for (here, there, alike, id) in [
            (place("a", 2), place("a", 1), Alike::Whole, "key-equal"),
            (place("b", 2), place("a", 1), Alike::Whole, "key-shared"),
            (place("a", 2), place("a", 1), Alike::Secrets, "key-equal"),
            (place("b", 2), place("a", 1), Alike::Secrets, "key-shared"),
            (place("a", 2), place("a", 1), Alike::Name, "key-name-equal"),
            (place("b", 2), place("a", 1), Alike::Name, "key-name-equal"),
        ] {
            let found = after(|f| f.twins.push(Twin { here, there, alike }));
            assert_eq!(found, [(id, Severity::Critical)]);
        }
    }

    #[test]
    fn the_worst_comes_first() {
        let found = after(|f| {
            f.clock_is_synchronised = false;
            f.sets[1].slots[0] = Slot::Missing;
            f.sets[0].slots[2] = Slot::Unreadable(String::new());
            directory(f).mode = 0o777;
        });
        let ids: Vec<_> = found.iter().map(|(id, _)| *id).collect();
        assert_eq!(ids, ["next-key-missing", "directory-mode", "clock-unsynchronised", "key-unreadable"]);
    }

    fn print(set: usize, slot: usize, key: u8, key_name: u8) -> Print {
        let inode = (set * 100 + slot) as u64;
        Print { set, slot, inode, hash: u64::from(key), key_name: [key_name; NAME_LENGTH] }
    }

    #[test]
    fn equal_keys_are_found_by_comparing_only_what_may_be_equal() {
        let mut prints =
            vec![print(0, 0, 1, 1), print(0, 1, 2, 2), print(1, 0, 1, 1), print(1, 1, 9, 2), print(1, 2, 7, 7)];
        let mut compared = 0;
        let mut twins_of = |prints: &[Print], answer: bool| {
            twins(prints, |_, _| {
                compared += 1;
                Ok::<_, ()>(answer)
            })
            .unwrap()
        };
        assert_eq!(twins_of(&prints, true), [(0, 2, Alike::Whole), (1, 3, Alike::Name)]);
        // A hash that agrees by chance is no twin, but the name is.
        assert_eq!(twins_of(&prints, false), [(0, 2, Alike::Name), (1, 3, Alike::Name)]);
        // The same secrets under another name, and that name at a third one.
        let renamed = [print(0, 0, 1, 1), print(0, 1, 2, 2), print(1, 0, 1, 2)];
        assert_eq!(twins_of(&renamed, true), [(0, 2, Alike::Secrets), (1, 2, Alike::Name)]);
        // One file in two slots of a NAME is an interrupted move; in two NAMEs it is a shared key.
        prints.truncate(3);
        prints[2].set = 0;
        prints[2].inode = prints[0].inode;
        assert_eq!(twins_of(&prints, true), []);
        prints[2].set = 1;
        assert_eq!(twins_of(&prints, false), [(0, 2, Alike::Whole)]);
        assert_eq!(compared, 3);
    }

    proptest! {
        /// Never cry wolf: whenever cron looks, within its five minutes of a boundary or an hour late, a set that rotate keeps
        /// is found healthy, for every period.
        #[test]
        fn kept_sets_are_healthy_at_any_moment(
            seconds in 1_i64..=604_800, now in 0_i64..4_000_000_000, late in 0_i64..3600, clock_back in 0_i64..604_800,
        ) {
            let period = period(&seconds.to_string());
            let mut facts = healthy_with(period, now);
            prop_assert_eq!(judge(&facts), []);
            // The next rotation is not yet done.
            facts.now = period.start(period.epoch(now) + 1) + late.min(facts.grace - 1);
            facts.servers.clear();
            prop_assert_eq!(judge(&facts), []);
            // The clock was set back by up to a period just after a rotation.
            let boundary = period.start(period.epoch(now));
            facts.now = boundary - clock_back % seconds.max(1);
            prop_assert_eq!(judge(&facts), []);
        }

        /// Twins are found as by comparing each key with each.
        #[test]
        fn twins_agree_with_the_naive_way(keys in proptest::collection::vec((0_usize..4, 0_u8..6, 0_u8..8), 0..12)) {
            let prints: Vec<_> = keys.iter().enumerate().map(|(slot, (set, key, key_name))| {
                let mut print = print(*set, slot, *key % 3, *key_name);
                print.inode = slot as u64;
                print
            }).collect();
            let secrets = |print: &Print| keys[print.slot].1;
            let pairs = twins(&prints, |a, b| Ok::<_, ()>(secrets(a) == secrets(b))).unwrap();
            // Where a hash agrees by chance only the first of it is compared; real ones have 64 bits.
            let honest = keys.iter().all(|a| keys.iter().all(|b| a.1 % 3 != b.1 % 3 || a.1 == b.1));
            for later in 0..prints.len() {
                let twin = pairs.iter().any(|(_, at, alike)| *at == later && *alike != Alike::Name);
                let naive = (0..later).any(|first| secrets(&prints[first]) == secrets(&prints[later]));
                prop_assert!(!honest || twin == naive);
                prop_assert!(!twin || naive);
                let named = pairs.iter().any(|(_, at, _)| *at == later);
                let namesake = (0..later).any(|first| prints[first].key_name == prints[later].key_name);
                prop_assert!(named || !namesake);
            }
            prop_assert!(pairs.iter().all(|(first, later, _)| first < later));
        }
    }
}
