//! `shift`: every slot one older. Mechanical, without a clock; what `install` then fills is slot 0.

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call, KEY_OPTIONS};
use crate::core::plan;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::apply::{KeySet, Making};
use crate::sys::directory::KeySets;
use crate::sys::random::Pool;
use crate::sys::{accounts, lock, startup};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "shift",
    operands: "[NAME]...",
    operand_ends_options: false,
    shared: KEY_OPTIONS,
    info: Options::get_args_info,
    run,
};

/// make every slot one older: 2 to 3, 1 to 2, 0 to 1; nothing if the key of the shift before was never installed
#[derive(ArgsInfo, FromArgs)]
struct Options {}

fn run(call: &Call) -> Outcome<Exit> {
    let Options {} = call.options()?;
    let settings = call.settings()?;
    let names = call.names()?;
    let group = settings.group.as_deref().map(|group| accounts::id(accounts::GROUPS, group)).transpose()?;
    let making = Making { size: settings.size, period: settings.period, group };
    startup::exact_modes();
    let directory = call.directory(&settings)?;
    lock::take(&directory, lock::PATIENCE)?;
    let files = directory.files()?;
    directory.sweep(&files)?;
    let sets = KeySets::of(&files);
    let names = call.chosen_names(names, &settings, &sets);
    if names.is_empty() {
        return Err(Failure::refused(format!("there are no keys in {}", directory.path().display()))
            .hint("make them with 'stek rotate NAME'"));
    }

    let mut pool = Pool::new()?;
    for name in &names {
        let Some(highest) = sets.highest(name) else {
            return Err(Failure::refused(format!("there are no keys of {name} in {}", directory.path().display()))
                .hint(format!("make them with 'stek rotate {name}'")));
        };
        let set = KeySet::look(&directory, name, settings.slots.max(highest))?;
        set.refuse_foreign()?;
        let moves = plan::shift(&set.seen(settings.period, None));
        if moves.is_empty() {
            call.tell(&settings, format!("{name}: nothing to shift until a key is installed"));
        }
        for step in moves {
            set.apply(step, making, &mut pool)?;
            call.tell(&settings, format!("{name}: {step}"));
        }
    }
    Ok(Exit::Done)
}
