//! `umount`: destroys the keys and takes their directory away.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::failure::{Exit, Outcome};
use crate::sys::mount;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "umount",
    operands: "",
    operand_ends_options: false,
    shared: &["--dir", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// overwrite every key, then unmount the keys directory; nothing if it is not there
#[derive(ArgsInfo, FromArgs)]
struct Options {}

fn run(call: &Call) -> Outcome<Exit> {
    let Options {} = call.options()?;
    let settings = call.settings()?;
    call.no_operands()?;
    let done = mount::unmount_keys(Path::new(&settings.directory), settings.allow_disk)?;
    let what = if done { "the keys are destroyed, and the directory is gone" } else { "there was nothing to do" };
    call.tell(&settings, format_args!("{}: {what}", settings.directory));
    Ok(Exit::Done)
}
