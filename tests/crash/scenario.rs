//! The scenarios: what is there before a run, which command runs, and what an undisturbed run makes of it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::common::random_bytes;

/// A file that is there before the run.
pub(crate) enum Had {
    /// A file of these bytes, dated to the middle of an epoch.
    File {
        /// How far the epoch is from the present one.
        epoch: i64,
        /// What is in it.
        content: Vec<u8>,
    },
    /// Another name of the file of this name.
    LinkOf(String),
}

/// What a file is after an undisturbed run.
pub(crate) enum Want {
    /// The key that was there before under this name.
    Old(String),
    /// A fresh one.
    New,
    /// The one from standard input.
    Given,
    /// Random bytes over a key that was destroyed.
    Noise,
}

/// A command, what it finds and what it makes.
pub(crate) struct Scenario {
    /// The applet.
    pub(crate) applet: &'static str,
    /// What is special.
    pub(crate) title: &'static str,
    /// Options and operands; `DIR` stands for the keys directory.
    pub(crate) arguments: Vec<String>,
    /// Files before the run, by name.
    pub(crate) before: BTreeMap<String, Had>,
    /// Files after an undisturbed run, by name.
    pub(crate) after: BTreeMap<String, Want>,
    /// The key on standard input, or nothing.
    pub(crate) input: Vec<u8>,
    /// In a directory on a disk.
    pub(crate) on_disk: bool,
    /// How the run is repaired.
    pub(crate) repair: Repair,
    /// The group that the run may give files to.
    pub(crate) group: Option<u32>,
    /// Every failure in every place, and every second blow; otherwise one failure per place.
    pub(crate) thorough: bool,
    /// Length of the period in seconds, and the present epoch.
    pub(crate) clock: (i64, i64),
}

/// How a disturbed run is repaired.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repair {
    /// By the same command again.
    Same,
    /// By the same with --force, unless the rotation is complete: a second --force is a second rotation.
    Forced,
    /// By cron, without --force, as soon as anything has been moved.
    Cron,
}

impl Scenario {
    pub(crate) fn new(applet: &'static str, title: &'static str, arguments: &str, clock: (i64, i64)) -> Self {
        Self {
            applet,
            title,
            arguments: arguments.split_whitespace().map(str::to_owned).collect(),
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            input: Vec::new(),
            on_disk: false,
            repair: Repair::Same,
            group: None,
            thorough: false,
            clock,
        }
    }

    /// The key set NAME with a key of `size` bytes in each slot of these epochs; `None` for a missing one.
    pub(crate) fn keys(mut self, name: &str, size: usize, epochs: &[Option<i64>]) -> Self {
        for (slot, epoch) in epochs.iter().enumerate() {
            if let Some(epoch) = epoch {
                let file = Had::File { epoch: *epoch, content: random_bytes(size) };
                self.before.insert(slot_file(name, slot), file);
            }
        }
        self
    }

    /// A complete set whose current key is of this epoch.
    pub(crate) fn complete(self, name: &str, current: i64) -> Self {
        let epochs: Vec<_> = (0..4).map(|slot| Some(current + 1 - slot)).collect();
        self.keys(name, 80, &epochs)
    }

    pub(crate) fn file(mut self, file: &str, epoch: i64, content: Vec<u8>) -> Self {
        self.before.insert(file.to_owned(), Had::File { epoch, content });
        self
    }

    pub(crate) fn link(mut self, file: &str, of: &str) -> Self {
        self.before.insert(file.to_owned(), Had::LinkOf(of.to_owned()));
        self
    }

    /// What is wanted in each slot of NAME: a digit is the key that was in that slot, `n` a new one, `g` the given one, `-`
    /// nothing.
    pub(crate) fn ends(mut self, name: &str, slots: &str) -> Self {
        for (slot, wanted) in slots.chars().enumerate() {
            let want = match wanted {
                'n' => Want::New,
                'g' => Want::Given,
                '-' => continue,
                digit => Want::Old(slot_file(name, digit.to_digit(10).unwrap() as usize)),
            };
            self.after.insert(slot_file(name, slot), want);
        }
        self
    }

    pub(crate) fn wants(mut self, file: &str, want: Want) -> Self {
        self.after.insert(file.to_owned(), want);
        self
    }

    pub(crate) fn given(mut self, key: Vec<u8>) -> Self {
        self.input = key;
        self
    }

    pub(crate) fn given_what_is_in(mut self, file: &str) -> Self {
        self.input = self.content_before(file).to_vec();
        self
    }

    pub(crate) fn on_disk(mut self) -> Self {
        self.on_disk = true;
        self
    }

    pub(crate) fn repaired(mut self, repair: Repair) -> Self {
        self.repair = repair;
        self
    }

    pub(crate) fn group(mut self, group: u32) -> Self {
        self.group = Some(group);
        self.arguments.extend(["-g".to_owned(), group.to_string()]);
        self
    }

    pub(crate) fn thorough(mut self) -> Self {
        self.thorough = true;
        self
    }

    /// Applet and title.
    pub(crate) fn shown(&self) -> String {
        format!("{}, {}", self.applet, self.title)
    }

    /// What was in a file before the run.
    pub(crate) fn content_before(&self, file: &str) -> &[u8] {
        match &self.before[file] {
            Had::File { content, .. } => content,
            Had::LinkOf(other) => self.content_before(other),
        }
    }

    /// The keys that must be in some slot at every instant: all old ones that an undisturbed run keeps (K3).
    pub(crate) fn kept(&self) -> Vec<&[u8]> {
        let old = |want: &Want| match want {
            Want::Old(file) => Some(file.clone()),
            Want::New | Want::Given | Want::Noise => None,
        };
        self.after.values().filter_map(old).map(|file| self.content_before(&file)).collect()
    }

    /// The contents that an undisturbed run destroys (K8).
    pub(crate) fn destroyed(&self) -> Vec<&[u8]> {
        let kept = self.kept();
        let contents = self.before.keys().map(|file| self.content_before(file));
        contents.filter(|content| !kept.contains(content) && *content != self.input).collect()
    }

    /// The command line, for a keys directory.
    pub(crate) fn command_line(&self, keys: &Path, force: bool) -> Vec<String> {
        let keys = keys.to_str().unwrap();
        let mut line =
            vec![self.applet.to_owned(), "-d".to_owned(), keys.to_owned(), "-p".to_owned(), self.clock.0.to_string()];
        let arguments = self.arguments.iter().filter(|argument| force || *argument != "--force");
        line.extend(arguments.map(|argument| argument.replace("DIR", keys)));
        line
    }

    /// Makes the files, and in `links` another name of each.
    pub(crate) fn build(&self, keys: &Path, links: &Path) {
        let (period, now) = self.clock;
        for (name, had) in &self.before {
            let Had::File { epoch, content } = had else { continue };
            let path = keys.join(name);
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&path).unwrap();
            std::io::Write::write_all(&mut file, content).unwrap();
            file.set_modified(moment((now + epoch) * period + period / 2)).unwrap();
            fs::hard_link(&path, links.join(name)).unwrap();
        }
        for (name, had) in &self.before {
            if let Had::LinkOf(other) = had {
                fs::hard_link(keys.join(other), keys.join(name)).unwrap();
            }
        }
    }
}

/// `a`, 1 → `a.1.key`.
pub(crate) fn slot_file(name: &str, slot: usize) -> String {
    format!("{name}.{slot}.key")
}

/// The slot of a slot file.
pub(crate) fn slot_of(file: &str) -> Option<i64> {
    file.strip_suffix(".key")?.rsplit_once('.')?.1.parse().ok()
}

fn moment(seconds: i64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap())
}

/// All of them. `group` is one that this user may give files to.
pub(crate) fn all(clock: (i64, i64), group: u32) -> Vec<Scenario> {
    [rotate(clock, group), shift(clock), install(clock, group)].into_iter().flatten().collect()
}

fn rotate(clock: (i64, i64), group: u32) -> Vec<Scenario> {
    let new = |title, arguments| Scenario::new("rotate", title, arguments, clock);
    let zeros = vec![0; 80];
    vec![
        new("first run", "a").ends("a", "nnnn"),
        new("nothing due", "a").complete("a", 0).ends("a", "0123"),
        new("one period late", "a").complete("a", -1).ends("a", "n012").thorough(),
        new("two periods late", "").complete("a", -2).ends("a", "n01n"),
        new("three periods late", "a").complete("a", -3).ends("a", "n01n"),
        new("years late", "a").complete("a", -200).ends("a", "n01n"),
        new("--force", "--force a").complete("a", 0).ends("a", "n012").repaired(Repair::Forced),
        new("--force, mended by cron", "--force a").complete("a", 0).ends("a", "n012").repaired(Repair::Cron),
        new("missing next", "a").keys("a", 80, &[None, Some(0), Some(-1), Some(-2)]).ends("a", "n123"),
        new("missing next when due", "a").keys("a", 80, &[None, Some(-1), Some(-2), Some(-3)]).ends("a", "n1n2"),
        new("missing current", "a").keys("a", 80, &[Some(1), None, Some(-1), Some(-2)]).ends("a", "n023"),
        new("missing slot", "a").keys("a", 80, &[Some(1), Some(0), None, Some(-2)]).ends("a", "01n3"),
        new("missing slot when due", "a").keys("a", 80, &[Some(0), Some(-1), None, Some(-3)]).ends("a", "n01n"),
        new("short slot", "a").complete("a", 0).file("a.2.key", -1, random_bytes(40)).ends("a", "01n3"),
        new("short slot when due", "a").complete("a", -1).file("a.2.key", -2, random_bytes(40)).ends("a", "n01n"),
        new("short next when due", "a").complete("a", -1).file("a.0.key", 0, random_bytes(40)).ends("a", "n1n2"),
        new("empty current", "a").complete("a", 0).file("a.1.key", 0, Vec::new()).ends("a", "n023"),
        new("zero next when due", "a").complete("a", -1).file("a.0.key", 0, zeros).ends("a", "n1n2"),
        new("zero next, missing current", "a")
            .keys("a", 80, &[None, None, Some(-1), Some(-2)])
            .file("a.0.key", 1, vec![0; 80])
            .ends("a", "nn23"),
        new("clock years ahead", "a").complete("a", 200).ends("a", "0123"),
        new("clock one epoch behind", "a").complete("a", 1).ends("a", "0123"),
        new("temporary files left over", "a")
            .complete("a", -1)
            .file(".stek-new", 0, random_bytes(80))
            .file(".stek-older", 0, random_bytes(30))
            .link(".stek-old", "a.3.key")
            .ends("a", "n012"),
        new("expired key has another name here", "a")
            .complete("a", -1)
            .link("copy", "a.3.key")
            .ends("a", "n012")
            .wants("copy", Want::Noise),
        new("two NAMEs", "").complete("a", -1).complete("b.example", -1).ends("a", "n012").ends("b.example", "n012"),
        new("two NAMEs, one of them due", "a b").complete("a", 0).complete("b", -1).ends("a", "0123").ends("b", "n012"),
        new("more slots", "-n 5 a").complete("a", 0).ends("a", "0123nn"),
        new("fewer slots than files", "-n 2 a").complete("a", -1).ends("a", "n012"),
        new("from 48 to 80 bytes", "-s 80 a").keys("a", 48, &[Some(0), Some(-1), Some(-2), Some(-3)]).ends("a", "n012"),
        new("with a group", "a").group(group).complete("a", -1).ends("a", "n012"),
        new("with a group, nothing due", "a").group(group).complete("a", 0).ends("a", "0123"),
        new("on a disk", "--allow-disk a").on_disk().complete("a", -1).ends("a", "n012"),
        new("on a disk, first run", "--allow-disk -n 2 a").on_disk().ends("a", "nnn"),
    ]
}

fn shift(clock: (i64, i64)) -> Vec<Scenario> {
    let new = |title, arguments| Scenario::new("shift", title, arguments, clock);
    vec![
        new("complete", "a").complete("a", 0).ends("a", "0012").thorough(),
        new("two NAMEs", "").complete("a", 0).complete("b", 0).ends("a", "0012").ends("b", "0012"),
        new("stopped after its first move", "a")
            .keys("a", 80, &[Some(1), Some(0), Some(-1)])
            .link("a.3.key", "a.2.key")
            .ends("a", "0012"),
        new("stopped after its second move", "a")
            .keys("a", 80, &[Some(1), Some(0), None, Some(-1)])
            .link("a.2.key", "a.1.key")
            .ends("a", "0013"),
        new("done before", "a")
            .keys("a", 80, &[Some(1), None, Some(0), Some(-1)])
            .link("a.1.key", "a.0.key")
            .ends("a", "0023"),
        new("missing slot", "a").keys("a", 80, &[Some(1), Some(0), None, Some(-2)]).ends("a", "0013"),
        new("on a disk", "--allow-disk a").on_disk().complete("a", 0).ends("a", "0012"),
    ]
}

fn install(clock: (i64, i64), group: u32) -> Vec<Scenario> {
    let new = |title, arguments| Scenario::new("install", title, arguments, clock).given(random_bytes(80));
    let old = |file: &str| Want::Old(file.to_owned());
    vec![
        new("into a fresh slot", "a").ends("a", "g"),
        new("into slot 0 after a shift", "a")
            .keys("a", 80, &[Some(1), None, Some(0), Some(-1)])
            .link("a.1.key", "a.0.key")
            .ends("a", "g023"),
        new("over a key of its own", "a").complete("a", 0).ends("a", "g123").thorough(),
        new("beside another NAME", "a").complete("a", 0).complete("b", 0).ends("a", "g123").ends("b", "0123"),
        new("into slot 2", "a --slot 2 -s 48").complete("a", 0).given(random_bytes(48)).ends("a", "01g3"),
        new("what is there already", "a").complete("a", 0).given_what_is_in("a.0.key").ends("a", "0123"),
        new("with a group", "a").group(group).complete("a", 0).ends("a", "g123"),
        new("over temporary files", "a")
            .complete("a", 0)
            .file(".stek-new", 0, random_bytes(80))
            .link(".stek-old", "a.0.key")
            .ends("a", "g123"),
        new("into a new file", "-f DIR/tls.key").wants("tls.key", Want::Given),
        new("over a file", "-f DIR/tls.key")
            .file("tls.key", 0, random_bytes(80))
            .file("other.key", 0, random_bytes(48))
            .wants("tls.key", Want::Given)
            .wants("other.key", old("other.key")),
        new("over a file that a slot shares", "-f DIR/a.current.pem")
            .complete("a", 0)
            .link("a.current.pem", "a.1.key")
            .ends("a", "0123")
            .wants("a.current.pem", Want::Given),
        new("over slot 0 as a file, after a shift", "-f DIR/a.0.key")
            .keys("a", 80, &[Some(1), None, Some(0), Some(-1)])
            .link("a.1.key", "a.0.key")
            .ends("a", "g023"),
        new("on a disk", "--allow-disk a").on_disk().complete("a", 0).ends("a", "g123"),
    ]
}
