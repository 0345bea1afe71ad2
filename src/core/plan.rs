//! The planner: compares what sits in the slots of one NAME with what should, and lists the smallest safe moves.
//!
//! Wanted, in epoch e: slot i holds the key of epoch e − i + 1. So slot 0 (next) holds the key of e + 1, slot 1
//! (current) that of e, slot 2 that of e − 1 and so on. A key file's mtime says its epoch.
//!
//! Moves run from the oldest slot to the newest, each by link and rename, so that whoever reads the directory
//! between two of them finds every slot present and whole (K2). The plan depends on nothing but what is seen,
//! so a run that was killed after any prefix of its moves is finished by the next run (K3). Three rules follow
//! from K3 and K4 where the plain comparison would not do, and a fourth from K6:
//!
//! - Only a next key that was there before ever becomes current (K4). Is there none when one is due, a next key is
//!   made first and the current key stays for one more epoch.
//! - The current key encrypted until now, however late the run is. It therefore counts as the key of epoch e − 1
//!   when the next one takes over, and stays for a whole window. Older keys count by their own epoch; outside of
//!   the window they are destroyed (K8), and a filler that nobody ever encrypts with keeps their slot present.
//! - A key cannot be newer than its slot says. After a clock that ran ahead, keys keep their slots and are dated
//!   anew. One epoch ahead is no fault (a step of the clock at a boundary): the clock will get there.
//! - A next key that cannot be used goes first of all. That it is weak is only found when it is due, so whoever finishes
//!   the run would not find it again.

use super::name::{CURRENT, NEXT};

/// What is in one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// The inode: two slots that share one hold the same key, and a move stopped between them.
    pub inode: u64,
    /// The epoch that the file's mtime falls into.
    pub epoch: i64,
    /// Whether it is a whole key: a legal size, and not found weak.
    pub usable: bool,
}

/// Where the key that a slot gets comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The key that lies in this slot: a newer one, or for a next key that cannot be used the current one.
    Slot(usize),
    /// A new key, dated to the start of this epoch.
    New(i64),
}

/// One step of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// The key in `slot` counts as one of `epoch` from now on: its mtime is set to the start of it.
    Date {
        /// The slot whose file is dated.
        slot: usize,
        /// Its new epoch.
        epoch: i64,
    },
    /// `slot` gets the key of `source`, atomically.
    Put {
        /// The slot that is replaced.
        slot: usize,
        /// What it gets.
        source: Source,
        /// Whether no other slot holds the key that was here: it is then overwritten (K8).
        destroy: bool,
    },
}

impl std::fmt::Display for Move {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Date { slot, epoch } => write!(f, "date {slot} to epoch {epoch}"),
            Self::Put { slot, source: Source::Slot(from), .. } => write!(f, "{from} -> {slot}"),
            Self::Put { slot, source: Source::New(_), .. } => write!(f, "new -> {slot}"),
        }
    }
}

/// The moves of one NAME, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// What is to be done; empty when nothing is due.
    pub moves: Vec<Move>,
    /// Whether a rotation was due or asked for, but there was no next key to promote (K4).
    pub next_was_missing: bool,
}

impl Plan {
    /// Whether the key in slot 0 becomes the current one.
    #[must_use]
    pub fn promotes_next(&self) -> bool {
        self.moves.iter().any(|m| matches!(m, Move::Put { slot: CURRENT, source: Source::Slot(NEXT), .. }))
    }
}

/// Plans the rotation of one NAME. `seen[i]` is what lies in slot i; its length says how many slots there are
/// (next, current and at least one previous). `now` is the epoch of this moment. `force` makes one rotation due.
#[must_use]
pub fn rotation(seen: &[Option<Seen>], now: i64, force: bool) -> Plan {
    let key = |slot: usize| seen[slot].filter(|found| found.usable);
    let current = key(CURRENT);
    let interrupted = matches!((seen[NEXT], seen[CURRENT]), (Some(a), Some(b)) if a.inode == b.inode);
    let next = key(NEXT).filter(|_| !interrupted);

    // `epoch` is the one the slots are arranged for; `dates` the epochs that the seen keys shall count for.
    let mut dates: Vec<Option<i64>> = vec![None; seen.len()];
    let (epoch, promote, next_was_missing) = match (current, next) {
        (Some(current), next) => {
            let force = force && next.is_some();
            // Ahead by one epoch is waited for, more is a clock that was wrong.
            let dated = if current.epoch > now + 1 { now } else { current.epoch };
            let epoch = if force { now } else { now.max(dated) };
            let due = force || dated < epoch;
            let promote = due && next.is_some();
            dates[CURRENT] = Some(if promote { epoch - 1 } else { epoch });
            (epoch, promote, due && !promote && !interrupted)
        }
        // Without a current key there is nothing to wait for: what servers know as next encrypts now.
        (None, Some(_)) => (now, true, false),
        (None, None) => (now, false, false),
    };
    dates[NEXT] = next.map(|_| if promote { epoch } else { epoch + 1 });
    date_previous(seen, epoch, &mut dates);

    let mut plan = Plan { moves: Vec::new(), next_was_missing };
    let mut holders: Vec<Option<u64>> = seen.iter().map(|found| found.map(|f| f.inode)).collect();
    let broken_next = seen[NEXT].is_some_and(|found| !found.usable);
    if broken_next && current.is_none() {
        put(&mut plan.moves, &mut holders, NEXT, Source::New(epoch + 1));
    } else if broken_next && next_was_missing {
        // Not a new key yet: before the current one is dated whoever finishes this would promote it (K4). A slot that
        // shares the current key's file is known as unfinished.
        put(&mut plan.moves, &mut holders, NEXT, Source::Slot(CURRENT));
    }
    // The current key is dated first: that is what makes a late or forced rotation due for whoever finishes it.
    // Next comes second, so that it is not found due again once it is current.
    for slot in [CURRENT, NEXT].into_iter().chain(CURRENT + 1..seen.len()) {
        if let (Some(found), Some(date)) = (seen[slot], dates[slot])
            && found.epoch != date
            && !is_current_too(seen, slot)
            // What expires in the last slot goes first of all, dated or not.
            && (slot < seen.len() - 1 || kept(date, epoch, seen.len()))
        {
            plan.moves.push(Move::Date { slot, epoch: date });
        }
    }

    for slot in (0..seen.len()).rev() {
        let wanted = epoch + 1 - slot_number(slot);
        let from = match slot {
            NEXT if broken_next && current.is_none() => continue,
            NEXT => (!promote).then_some(NEXT).filter(|_| next.is_some()),
            CURRENT if promote => Some(NEXT),
            CURRENT => current.map(|_| CURRENT),
            _ => (CURRENT..=slot).find(|from| dates[*from] == Some(wanted)),
        };
        let source = match from {
            Some(from) if holders[from] == holders[slot] => continue,
            Some(from) => Source::Slot(from),
            None => Source::New(wanted),
        };
        put(&mut plan.moves, &mut holders, slot, source);
    }
    plan
}

/// Plans a shift of one NAME: every slot one older, without a clock. Slots that share an inode show that an earlier
/// shift got as far as there; what it did is not done again, so a shift whose `install` never came is no move at all.
#[must_use]
pub fn shift(seen: &[Option<Seen>]) -> Vec<Move> {
    let mut holders: Vec<Option<u64>> = seen.iter().map(|found| found.map(|f| f.inode)).collect();
    let shared = (0..seen.len() - 1).find(|slot| holders[*slot].is_some() && holders[*slot] == holders[slot + 1]);
    let mut moves = Vec::new();
    for slot in (1..=shared.unwrap_or(seen.len() - 1)).rev() {
        if holders[slot - 1].is_some() {
            put(&mut moves, &mut holders, slot, Source::Slot(slot - 1));
        }
    }
    moves
}

/// Adds the move that fills `slot`, keeping account of which inode lies where.
fn put(moves: &mut Vec<Move>, holders: &mut [Option<u64>], slot: usize, source: Source) {
    let old = holders[slot].take();
    let destroy = old.is_some() && !holders.contains(&old);
    holders[slot] = match source {
        Source::Slot(from) => holders[from],
        Source::New(_) => None,
    };
    moves.push(Move::Put { slot, source, destroy });
}

/// Dates the previous keys: each is older than the one in the slot before it, and no newer than its slot says.
fn date_previous(seen: &[Option<Seen>], epoch: i64, dates: &mut [Option<i64>]) {
    let inode = |slot: usize| seen[slot].map(|found| found.inode);
    let mut newest = dates[CURRENT].unwrap_or(epoch);
    for slot in CURRENT + 1..seen.len() {
        let Some(found) = seen[slot].filter(|found| found.usable) else { continue };
        if inode(CURRENT) == Some(found.inode) {
            // The current key has been put here already; it counts as what it counts for there.
            dates[slot] = dates[CURRENT];
        } else if kept(found.epoch, epoch, seen.len())
            && !(slot + 1..seen.len()).any(|above| inode(above) == Some(found.inode))
        {
            newest = found.epoch.min(newest - 1).min(epoch + 1 - slot_number(slot));
            dates[slot] = Some(newest);
        }
        // Else it is out of the window, or has been put into an older slot already and is dated there.
    }
}

fn is_current_too(seen: &[Option<Seen>], slot: usize) -> bool {
    slot > CURRENT && seen[CURRENT].map(|current| current.inode) == seen[slot].map(|found| found.inode)
}

/// Whether a key of the epoch `date` belongs in one of `slots` slots.
fn kept(date: i64, epoch: i64, slots: usize) -> bool {
    date > epoch + 1 - slot_number(slots)
}

fn slot_number(slot: usize) -> i64 {
    i64::try_from(slot).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A model of a directory: per slot an inode, an epoch, whether the file is whole, and which key it holds.
    #[derive(Clone, Debug, PartialEq, Eq)]
    struct Model {
        slots: Vec<Option<(Seen, u32)>>,
        made: u32,
    }

    /// Keys that a model begins with are numbered below this, new ones from here.
    const MADE: u32 = 1000;

    impl Model {
        fn new(slots: &[Option<(i64, bool)>]) -> Self {
            let slots = slots.iter().enumerate().map(|(slot, found)| {
                let inode = u64::try_from(slot).unwrap();
                found.map(|(epoch, usable)| (Seen { inode, epoch, usable }, u32::try_from(slot).unwrap()))
            });
            Self { slots: slots.collect(), made: MADE }
        }

        fn seen(&self) -> Vec<Option<Seen>> {
            self.slots.iter().map(|slot| slot.map(|(seen, _)| seen)).collect()
        }

        fn apply(&mut self, step: Move) {
            match step {
                Move::Date { slot, epoch } => {
                    let inode = self.slots[slot].unwrap().0.inode;
                    for (seen, _) in self.slots.iter_mut().flatten().filter(|(seen, _)| seen.inode == inode) {
                        seen.epoch = epoch;
                    }
                }
                Move::Put { slot, source, destroy } => {
                    let old = self.slots[slot];
                    self.slots[slot] = match source {
                        Source::Slot(from) => Some(self.slots[from].expect("moves only what is there")),
                        Source::New(epoch) => {
                            self.made += 1;
                            Some((Seen { inode: self.made.into(), epoch, usable: true }, self.made))
                        }
                    };
                    let still_held =
                        old.is_some_and(|old| self.slots.iter().flatten().any(|s| s.0.inode == old.0.inode));
                    assert_eq!(destroy, old.is_some() && !still_held, "destroys exactly what is no longer held (K8)");
                }
            }
        }

        fn run(&mut self, now: i64, force: bool) -> Plan {
            let plan = rotation(&self.seen(), now, force);
            for step in &plan.moves {
                self.apply(*step);
            }
            plan
        }

        fn key(&self, slot: usize) -> Option<u32> {
            self.slots[slot].filter(|(seen, _)| seen.usable).map(|(_, key)| key)
        }

        /// The state without the identity of new keys, which no two runs share.
        fn shape(&self) -> Vec<Option<(i64, u32)>> {
            self.slots.iter().map(|s| s.map(|(seen, key)| (seen.epoch, key.min(MADE)))).collect()
        }
    }

    fn complete(now: i64, slots: usize) -> Model {
        let now_slots: Vec<_> = (0..slots).map(|slot| Some((now + 1 - slot_number(slot), true))).collect();
        Model::new(&now_slots)
    }

    #[test]
    fn the_first_run_makes_the_complete_set() {
        let mut model = Model::new(&[None; 4]);
        model.run(100, false);
        let epochs: Vec<_> = model.slots.iter().map(|s| s.unwrap().0.epoch).collect();
        assert_eq!(epochs, [101, 100, 99, 98]);
        assert_eq!(rotation(&model.seen(), 100, false), Plan::default());
    }

    #[test]
    fn one_epoch_on_every_key_is_one_slot_older() {
        let mut model = complete(100, 4);
        let plan = model.run(101, false);
        let slot = |slot, from, destroy| Move::Put { slot, source: Source::Slot(from), destroy };
        let new = Move::Put { slot: 0, source: Source::New(102), destroy: false };
        assert_eq!(plan.moves, [slot(3, 2, true), slot(2, 1, false), slot(1, 0, false), new]);
    }

    #[test]
    fn after_three_epochs_of_sleep_next_takes_over_and_only_the_current_key_stays() {
        let mut model = complete(100, 4);
        model.run(103, false);
        assert_eq!(model.key(CURRENT), Some(0), "K4: the known next key");
        assert_eq!(model.key(2), Some(1), "K3: it encrypted until now");
        assert!(model.key(3).unwrap() > MADE, "K8: out of the window");
    }

    #[test]
    fn a_clock_one_epoch_behind_is_waited_for() {
        assert_eq!(rotation(&complete(100, 4).seen(), 99, false), Plan::default());
    }

    #[test]
    fn after_a_clock_that_ran_years_ahead_keys_stay_and_are_dated_anew() {
        let mut model = complete(100_000, 4);
        model.run(100, false);
        assert_eq!((0..4).map(|s| model.key(s).unwrap()).collect::<Vec<_>>(), [0, 1, 2, 3]);
        assert_eq!(model.shape(), complete(100, 4).shape());
    }

    #[test]
    fn without_a_next_key_the_current_one_stays_for_one_more_epoch() {
        let mut model = complete(100, 4);
        model.slots[NEXT] = None;
        let plan = model.run(101, false);
        assert!(plan.next_was_missing);
        assert_eq!(model.key(CURRENT), Some(1), "K4");
        assert!(model.key(NEXT).unwrap() > MADE);
        model.run(102, false);
        assert!(model.key(CURRENT).unwrap() > MADE);
        assert_eq!(model.key(2), Some(1));
    }

    #[test]
    fn a_next_key_found_weak_does_not_outlast_a_run_that_is_killed() {
        // K3 and K6; with and without a current key.
        for current in [Some((100, true)), None] {
            let before = Model::new(&[Some((101, false)), current, Some((99, true)), Some((98, true))]);
            let plan = rotation(&before.seen(), 101, false);
            for done in 1..=plan.moves.len() {
                let mut model = before.clone();
                plan.moves[..done].iter().for_each(|step| model.apply(*step));
                // Its size is legal: who does not read it does not know that it is weak.
                for (seen, _) in model.slots.iter_mut().flatten() {
                    seen.usable = true;
                }
                model.run(101, false);
                assert!((0..4).all(|slot| model.key(slot) != Some(0)), "after {done} moves");
                let expected = if current.is_some() { 1 } else { MADE };
                assert_eq!(model.key(CURRENT).unwrap().min(MADE), expected, "K4, after {done} moves");
            }
        }
    }

    #[test]
    fn force_rotates_once_and_the_next_scheduled_rotation_comes_on_time() {
        let mut model = complete(100, 4);
        model.run(100, true);
        assert_eq!((0..4).map(|s| model.key(s).unwrap().min(MADE)).collect::<Vec<_>>(), [MADE, 0, 1, 2]);
        assert_eq!(rotation(&model.seen(), 100, false), Plan::default());
        assert!(rotation(&model.seen(), 101, false).promotes_next());
    }

    #[test]
    fn shift_is_finished_by_shift_and_then_does_nothing() {
        let whole = shift(&complete(100, 4).seen());
        for done in 0..=whole.len() {
            let mut model = complete(100, 4);
            whole[..done].iter().for_each(|step| model.apply(*step));
            shift(&model.seen()).iter().for_each(|step| model.apply(*step));
            assert_eq!((0..4).map(|s| model.key(s).unwrap()).collect::<Vec<_>>(), [0, 0, 1, 2], "after {done} moves");
            assert_eq!(shift(&model.seen()), []);
        }
    }

    #[test]
    fn shift_leaves_gaps_alone() {
        let mut model = complete(100, 5);
        model.slots[2] = None;
        shift(&model.seen()).iter().for_each(|step| model.apply(*step));
        assert_eq!((0..5).map(|s| model.key(s)).collect::<Vec<_>>(), [Some(0), Some(0), Some(1), Some(3), Some(3)]);
    }

    /// Any directory: slots missing, broken, misdated by a little or by years.
    fn any_model() -> impl Strategy<Value = Model> {
        let epoch = prop_oneof![6 => 90_i64..112, 1 => Just(0), 1 => Just(1_000_000), 1 => Just(-5)];
        let slot =
            prop_oneof![6 => epoch.prop_map(|e| Some((e, true))), 1 => Just(Some((100, false))), 1 => Just(None)];
        proptest::collection::vec(slot, 3..8).prop_map(|slots| Model::new(&slots))
    }

    /// A directory as `rotate` leaves it, some epochs ago, with some slots lost.
    fn kept_model() -> impl Strategy<Value = Model> {
        (3_usize..8, 92_i64..102, proptest::collection::vec(0_usize..8, 0..2)).prop_map(|(slots, epoch, lost)| {
            let mut model = complete(epoch, slots);
            for slot in lost {
                model.slots[slot % slots] = None;
            }
            model
        })
    }

    fn either() -> impl Strategy<Value = Model> {
        prop_oneof![any_model(), kept_model()]
    }

    proptest! {
        #![proptest_config(ProptestConfig {
            cases: ProptestConfig::default().cases.max(4000),
            failure_persistence: None,
            ..ProptestConfig::default()
        })]

        /// The oracle: after any run every slot is present, whole, different, and dated for its place.
        #[test]
        fn every_run_ends_in_order(mut model in either(), force: bool) {
            let promoted = model.run(100, force).promotes_next();
            let epochs: Vec<_> = model.slots.iter().map(|s| s.expect("present").0).collect();
            prop_assert!(epochs.iter().all(|s| s.usable), "K2");
            let base = epochs[CURRENT].epoch;
            prop_assert!(base == 100 || base == 101 && !(force && promoted));
            prop_assert_eq!(epochs[NEXT].epoch, base + 1);
            for pair in epochs[CURRENT..].windows(2) {
                prop_assert!(pair[1].epoch < pair[0].epoch);
            }
            for (slot, s) in epochs.iter().enumerate() {
                prop_assert_eq!(s.epoch, base + 1 - slot_number(slot));
                prop_assert!(!epochs[..slot].iter().any(|other| other.inode == s.inode));
            }
        }

        /// K3: killed after any prefix, and again after any prefix of the repair, a run ends like an undisturbed one,
        /// whether it is run again with --force or by cron without.
        #[test]
        fn every_crash_is_finished_by_the_next_run(model in either(), force: bool, again: bool) {
            let mut undisturbed = model.clone();
            let plan = undisturbed.run(100, force);
            for done in 0..=plan.moves.len() {
                // A forced run that did nothing yet may be forgotten by a run without --force.
                if force && !again && done == 0 {
                    continue;
                }
                let mut crashed = model.clone();
                plan.moves[..done].iter().for_each(|step| crashed.apply(*step));
                let force_again = again && force && done < plan.moves.len();
                let repair = rotation(&crashed.seen(), 100, force_again);
                for part in 0..repair.moves.len() {
                    let mut twice = crashed.clone();
                    repair.moves[..part].iter().for_each(|step| twice.apply(*step));
                    twice.run(100, force_again && part == 0);
                    prop_assert_eq!(twice.shape(), undisturbed.shape(), "after {} and {} moves", done, part);
                }
                crashed.run(100, force_again);
                prop_assert_eq!(crashed.shape(), undisturbed.shape(), "after {} moves", done);
                prop_assert_eq!(rotation(&crashed.seen(), 100, false), Plan::default());
            }
        }

        /// K3 for a run that is killed and only repaired some epochs later: what encrypted until then still decrypts, and
        /// what encrypts from then on was known.
        #[test]
        fn a_late_repair_loses_nothing(model in kept_model(), force: bool, late in 0_i64..5) {
            let plan = rotation(&model.seen(), 100, force);
            for done in 0..=plan.moves.len() {
                let mut crashed = model.clone();
                plan.moves[..done].iter().for_each(|step| crashed.apply(*step));
                let before = crashed.clone();
                crashed.run(100 + late, false);
                let encrypted = before.key(CURRENT);
                prop_assert!(encrypted.is_none() || (0..crashed.slots.len()).any(|s| crashed.key(s) == encrypted), "K3");
                let encrypts = crashed.key(CURRENT);
                let known = encrypts == before.key(CURRENT) || encrypts == before.key(NEXT);
                prop_assert!(known || before.key(CURRENT).is_none(), "K4");
            }
        }

        /// K2 and K4 at every instant between two moves: a slot that was whole stays whole, and the current slot
        /// holds the old current key or what was next.
        #[test]
        fn no_instant_is_wrong(model in either(), force: bool) {
            let plan = rotation(&model.seen(), 100, force);
            let mut at = model.clone();
            for step in &plan.moves {
                at.apply(*step);
                for slot in 0..model.slots.len() {
                    prop_assert!(model.key(slot).is_none() || at.key(slot).is_some(), "K2");
                }
                if model.key(CURRENT).is_some() {
                    let now = at.key(CURRENT);
                    prop_assert!(now == model.key(CURRENT) || now == model.key(NEXT), "K4");
                    // Whatever encrypts is also there for the readers that come next.
                    prop_assert!((0..at.slots.len()).any(|s| at.key(s) == model.key(CURRENT)), "K3: the current key is never lost");
                }
            }
        }

        /// K3 and K8 from one epoch to the next: the keys of the window stay, the one that leaves it goes.
        #[test]
        fn on_time_nothing_is_lost_and_nothing_lingers(slots in 3_usize..12) {
            let mut model = complete(99, slots);
            model.run(100, false);
            for slot in 1..slots {
                prop_assert_eq!(model.key(slot), Some(u32::try_from(slot - 1).unwrap()));
            }
        }

        /// Whatever lies there, also files that share inodes in no order: a plan moves only what is there, to an older slot;
        /// but for a next key that cannot be used, which gives way to the current one.
        #[test]
        fn sources_are_there(
            slots in proptest::collection::vec(proptest::option::of((0_u64..6, 90_i64..112, any::<bool>())), 3..9),
            force: bool,
        ) {
            let seen: Vec<_> = slots
                .into_iter()
                .map(|slot| slot.map(|(inode, epoch, usable)| Seen { inode, epoch, usable }))
                .collect();
            let mut filled: Vec<bool> = seen.iter().map(Option::is_some).collect();
            for step in rotation(&seen, 100, force).moves {
                if let Move::Put { slot, source, .. } = step {
                    if let Source::Slot(from) = source {
                        prop_assert!((from < slot || (slot, from) == (NEXT, CURRENT)) && filled[from]);
                    }
                    filled[slot] = true;
                }
            }
            prop_assert!(filled.into_iter().all(|filled| filled), "K2");
        }

        /// Runs at any moments, forward in time: a key goes 0, 1, 2 … and never comes back.
        #[test]
        fn keys_only_grow_older(steps in proptest::collection::vec((0_i64..4, any::<bool>()), 1..20)) {
            let mut model = Model::new(&[None; 5]);
            model.run(0, false);
            let mut now = 0;
            for (pass, force) in steps {
                now += pass;
                let before = model.clone();
                model.run(now, force);
                for slot in 0..5 {
                    if let Some(was) = (0..5).find(|s| before.key(*s) == model.key(slot)) {
                        prop_assert!(was <= slot);
                    }
                }
                // Late or not: what encrypted last can still be decrypted.
                prop_assert!((0..5).any(|s| model.key(s) == before.key(CURRENT)));
            }
        }
    }
}
