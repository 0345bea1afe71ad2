//! Looks at a keys directory as `check` judges it: every slot, what is foreign, and which keys are there twice.
//!
//! Key bytes are read into locked memory alone (K5). What outlives a file there is its public key name and a short hash after
//! a random seed that never leaves the process; only keys whose prints agree are compared byte by byte.

use std::hash::{DefaultHasher, Hasher};

use nix::errno::Errno;
use zeroize::Zeroize;

use crate::core::findings::{self, Alike, File, Print, Set, Slot, Twin};
use crate::core::key::{self, LONGEST, NAME_LENGTH, Size};
use crate::core::name::{Name, TEMPORARY_PREFIX};
use crate::failure::{Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::directory::{Directory, Found, KeySets};
use crate::sys::mount;
use crate::sys::random;
use crate::sys::secret::Secret;

/// What was seen.
pub struct Survey {
    /// The directory itself.
    pub directory: findings::Directory,
    /// The sets that were asked for.
    pub sets: Vec<Set>,
    /// Keys that are there more than once, at least one of them in a set that was asked for.
    pub twins: Vec<Twin>,
    /// When a key file of those sets last changed.
    pub newest: Option<Moment>,
}

/// Looks at `directory`, which is `found`. `chosen` says which NAMEs are asked for, out of the sets that are there; each has
/// `slots` slots after the next one at least.
///
/// The caller holds the lock, or takes what a rotation in the middle looks like.
pub fn look(
    directory: &Directory,
    found: Found,
    allow_disk: bool,
    slots: usize,
    chosen: impl FnOnce(&KeySets) -> Outcome<Vec<Name>>,
) -> Outcome<Survey> {
    let mut foreign = Vec::new();
    let mut left_over = Vec::new();
    let mut files = Vec::new();
    for entry in directory.entries()? {
        match entry.into_string() {
            Ok(file) if Name::of_slot_file(&file).is_some() => files.push(file),
            Ok(file) if file.starts_with(TEMPORARY_PREFIX) => {
                left_over.extend(directory.look(&file)?.map(|found| found.changed.seconds()));
            }
            Ok(file) => foreign.push(file),
            Err(file) => foreign.push(file.to_string_lossy().into_owned()),
        }
    }
    foreign.sort();
    let in_memory = directory.is_in_memory();
    let present = KeySets::of(&files);
    let mut chosen = chosen(&present)?;
    chosen.sort();
    let is_chosen = |name: &Name| chosen.binary_search(name).is_ok();
    // A key that is shared with a set that nobody asked for is shared all the same.
    let mut names = present.names();
    names.extend(chosen.iter().filter(|name| present.highest(name).is_none()).cloned());
    names.sort();
    let mut eye = Eye { directory, page: Secret::new()?, other: Secret::new()?, seed: Secret::new()? };
    random::fill(&mut eye.seed[..SEED]).map_err(|errno| Failure::system("cannot get random bytes", errno))?;
    let mut sets = Vec::new();
    let mut prints = Vec::new();
    let mut newest = None;
    for (number, name) in names.iter().enumerate() {
        let highest = present.highest(name).unwrap_or(0).max(slots);
        let mut set = Set { name: name.clone(), slots: Vec::with_capacity(highest + 1) };
        for slot in 0..=highest {
            let Look { seen, print, changed } = eye.slot(name, number, slot)?;
            prints.extend(print);
            if is_chosen(name) {
                newest = newest.max(changed);
            }
            set.slots.push(seen);
        }
        if is_chosen(name) {
            sets.push(set);
        }
    }
    Ok(Survey {
        directory: findings::Directory {
            in_memory: in_memory || allow_disk,
            may_swap: in_memory && mount::may_swap(directory)?,
            mode: found.mode,
            owner: found.owner,
            group: found.group,
            foreign,
            left_over,
        },
        sets,
        twins: eye.twins(&names, &is_chosen, &prints)?,
        newest,
    })
}

/// How many random bytes go before a key into its hash.
const SEED: usize = 16;

/// One look at one slot.
struct Look {
    seen: Slot,
    /// None for a weak key: those are many alike.
    print: Option<Print>,
    changed: Option<Moment>,
}

impl Look {
    fn at(seen: Slot) -> Self {
        Self { seen, print: None, changed: None }
    }
}

/// Reads keys, and keeps none.
struct Eye<'a> {
    directory: &'a Directory,
    page: Secret,
    other: Secret,
    seed: Secret,
}

impl Eye<'_> {
    /// Looks at a slot of a NAME, which is the `number`th.
    fn slot(&mut self, name: &Name, number: usize, slot: usize) -> Outcome<Look> {
        let file = name.slot_file(slot);
        let (found, length) = match self.directory.look_and_read(&file, &mut self.page[..LONGEST]) {
            Ok(read) => read,
            Err(Errno::ENOENT) => return Ok(Look::at(Slot::Missing)),
            Err(errno @ (Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM)) => {
                return Err(Failure::system(format!("cannot open {}", self.directory.shown(&file)), errno));
            }
            Err(errno) => {
                let is_file = self.directory.look(&file)?.is_none_or(|found| found.is_regular);
                return Ok(Look::at(if is_file { Slot::Unreadable(errno.desc().to_owned()) } else { Slot::NotAFile }));
            }
        };
        if !found.is_regular {
            return Ok(Look::at(Slot::NotAFile));
        }
        let Found { inode, mtime, changed, size, mode, owner, group, .. } = found;
        let mut file = File { inode, mtime, changed: changed.seconds(), size, mode, owner, group, weakness: None };
        let mut print = None;
        if Size::of(size).is_some() && length == size {
            let bytes = &self.page[..length];
            let mut hasher = DefaultHasher::new();
            hasher.write(&self.seed[..SEED]);
            file.weakness = key::weakness(bytes);
            if file.weakness.is_none()
                && let Some((key_name, secrets)) = bytes.split_first_chunk()
            {
                hasher.write(secrets);
                print = Some(Print { set: number, slot, inode, hash: hasher.finish(), key_name: *key_name });
            }
        }
        self.page[..LONGEST].zeroize();
        Ok(Look { seen: Slot::File(file), print, changed: Some(changed) })
    }

    fn twins(&mut self, names: &[Name], is_chosen: &dyn Fn(&Name) -> bool, prints: &[Print]) -> Outcome<Vec<Twin>> {
        let pairs = findings::twins(prints, |a, b| self.same(names, a, b))?;
        let place = |at: usize| (names[prints[at].set].clone(), prints[at].slot);
        let twin = |(first, later, alike): (usize, usize, Alike)| {
            let (there, here) = (place(first), place(later));
            let (here, there) = if is_chosen(&here.0) { (here, there) } else { (there, here) };
            is_chosen(&here.0).then_some(Twin { here, there, alike })
        };
        Ok(pairs.into_iter().filter_map(twin).collect())
    }

    /// Whether two files hold the same secrets, perhaps under different key names.
    fn same(&mut self, names: &[Name], a: &Print, b: &Print) -> Outcome<bool> {
        let read = |print: &Print, page: &mut Secret| {
            let file = names[print.set].slot_file(print.slot);
            self.directory.read(&file, &mut page[..LONGEST])
        };
        let lengths = (read(a, &mut self.page)?, read(b, &mut self.other)?);
        let same = lengths.0 == lengths.1
            && lengths.0 > NAME_LENGTH
            && self.page[NAME_LENGTH..lengths.0] == self.other[NAME_LENGTH..lengths.1];
        self.page[..LONGEST].zeroize();
        self.other[..LONGEST].zeroize();
        Ok(same)
    }
}
