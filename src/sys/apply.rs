//! Looks at the slots of one NAME, and carries a plan out on them.

use crate::core::duration::Period;
use crate::core::key::Size;
use crate::core::name::{CURRENT, Name};
use crate::core::plan::{Move, Seen, Source};
use crate::failure::{Failure, Outcome};
use crate::sys::directory::{Access, Directory, Found};
use crate::sys::random::Pool;

/// The slots of one NAME as they were found. `found[i]` is slot i.
pub struct KeySet<'a> {
    directory: &'a Directory,
    /// The NAME.
    pub name: &'a Name,
    /// What lies in each slot.
    pub found: Vec<Option<Found>>,
}

/// What new keys are made by.
#[derive(Clone, Copy)]
pub struct Making {
    /// The size of new keys.
    pub size: Size,
    /// The rotation period, which turns epochs into times.
    pub period: Period,
    /// The group that may read keys; `None`: as the current key has it, if the directory lets any in.
    pub group: Option<u32>,
}

impl<'a> KeySet<'a> {
    /// Looks at the slots 0 to `slots` of a NAME.
    pub fn look(directory: &'a Directory, name: &'a Name, slots: usize) -> Outcome<Self> {
        let mut found = Vec::with_capacity(slots + 1);
        for slot in 0..=slots {
            let file = name.slot_file(slot);
            let there = directory.look(&file)?;
            if there.is_some_and(|there| !there.is_regular) {
                return Err(Failure::refused(format!("{} is not a regular file", directory.shown(&file)))
                    .hint("move it away; stek follows no links here and replaces nothing but files"));
            }
            found.push(there);
        }
        Ok(Self { directory, name, found })
    }

    /// What the planner needs to know. `weak` is a slot whose key was found weak.
    #[must_use]
    pub fn seen(&self, period: Period, weak: Option<usize>) -> Vec<Option<Seen>> {
        let seen = |(slot, found): (usize, &Option<Found>)| {
            found.map(|found| Seen {
                inode: found.inode,
                epoch: period.epoch(found.mtime),
                usable: Size::of(found.size).is_some() && weak != Some(slot),
            })
        };
        self.found.iter().enumerate().map(seen).collect()
    }

    /// Carries out one move.
    pub fn apply(&self, step: Move, making: Making, pool: &mut Pool) -> Outcome {
        match step {
            Move::Date { slot, epoch } => self.directory.date(&self.name.slot_file(slot), making.period.start(epoch)),
            Move::Put { slot, source, destroy } => {
                let file = self.name.slot_file(slot);
                let former = self.found[slot].filter(|_| destroy);
                let destroy = match former {
                    // A name in another key set keeps a key alive (K3), any other name does not (K8).
                    Some(former) if former.names > 1 && self.is_in_another_set(former)? => None,
                    former => former.map(|former| former.size),
                };
                match source {
                    Source::Slot(from) => self.directory.put_link(&file, &self.name.slot_file(from), destroy),
                    Source::New(epoch) => {
                        let key = pool.key(making.size)?;
                        let mtime = Some(making.period.start(epoch));
                        let put = self.directory.put_content(&file, key, mtime, self.access(making.group), destroy);
                        zeroize::Zeroize::zeroize(key);
                        put
                    }
                }
            }
        }
    }

    fn is_in_another_set(&self, found: Found) -> Outcome<bool> {
        let mut files = self.directory.files()?;
        files.retain(|file| Name::of_slot_file(file).is_some_and(|(name, _)| name != self.name.as_str()));
        self.directory.is_other_slot(&files, "", found)
    }

    /// Refuses keys of different owners. Who owns a file can change the key in it, so a key that belongs neither to root,
    /// nor to us, nor to whom the current key was given never gets to encrypt.
    pub fn refuse_foreign(&self) -> Outcome {
        let own = [Some(0), Some(self.directory.user()), self.found[CURRENT].map(|current| current.owner)];
        let found = self.found.iter().enumerate().filter_map(|(slot, found)| Some((slot, (*found)?.owner)));
        match found.into_iter().find(|(_, owner)| !own.contains(&Some(*owner))) {
            Some((slot, owner)) => {
                let file = self.directory.shown(&self.name.slot_file(slot));
                Err(Failure::refused(format!("{file} belongs to uid {owner}"))
                    .hint("chown it back; servers that are not root read keys through a group (-g)"))
            }
            None => Ok(()),
        }
    }

    /// The slots whose mode or group lets the wrong people read, or keeps the right group from it, and what they should
    /// have (K7). Without a group that is the one that a key has, so that a run that does not know of it locks no server
    /// out; where the directory lets none in any more, as 'stek mount' has it when no group is set, it is none.
    #[must_use]
    pub fn unprotected(&self, group: Option<u32>) -> Vec<(usize, Access)> {
        let wrong = |found: &Found| match group {
            Some(group) => found.group != group || found.mode != 0o640,
            None => found.mode & !0o640 != 0 || (found.mode & 0o040 != 0 && self.readers(found).is_none()),
        };
        let slots = self.found.iter().enumerate().filter_map(|(slot, found)| Some((slot, (*found)?)));
        let wrong = slots.filter(|(_, found)| wrong(found));
        wrong.map(|(slot, found)| (slot, Access::for_group(group.or_else(|| self.readers(&found))))).collect()
    }

    /// The group that can read a key.
    fn readers(&self, found: &Found) -> Option<u32> {
        found.read_by_group().filter(|_| self.directory.lets_others_in())
    }

    /// A new key is as readable as the group asks; without one, as the current key is. An owner that was given to the
    /// current key stays, too.
    fn access(&self, group: Option<u32>) -> Access {
        let current = self.found[CURRENT];
        let owner = current.map(|current| current.owner).filter(|owner| *owner != 0 && self.directory.user() == 0);
        Access { owner, ..Access::for_group(group.or_else(|| current.and_then(|current| self.readers(&current)))) }
    }
}
