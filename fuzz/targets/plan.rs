//! The planner, with key files of any date, which anybody may set; the clock's is one that a clock can have.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::plan::{Move, Seen, Source, rotation, shift};

fuzz_target!(|data: (Vec<Option<(u8, i64, bool)>>, i32, bool)| {
    let (slots, now, force) = data;
    let now = i64::from(now);
    if !(3..=101).contains(&slots.len()) {
        return;
    }
    let seen = |(inode, epoch, usable): (u8, i64, bool)| Seen { inode: inode.into(), epoch, usable };
    let seen: Vec<Option<Seen>> = slots.into_iter().map(|slot| slot.map(seen)).collect();
    let mut filled: Vec<bool> = seen.iter().map(|slot| slot.is_some()).collect();
    for step in rotation(&seen, now, force).moves.into_iter().chain(shift(&seen)) {
        if let Move::Put { slot, source, .. } = step {
            if let Source::Slot(from) = source {
                // Only a next key that cannot be used gives way to an older one, the current.
                assert!((from < slot || (slot, from) == (0, 1)) && filled[from]);
            }
            filled[slot] = true;
        }
    }
});
