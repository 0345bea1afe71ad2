//! `lock`: holds the directory's lock over a whole chain, by executing its program.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::duration;
use crate::failure::{Exit, Outcome};
use crate::sys::lock::{self, Held};
use crate::sys::process;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "lock",
    operands: "PROGRAM [ARGUMENT]...",
    operand_ends_options: true,
    shared: &["--dir", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// take the lock of the keys directory and run PROGRAM under it; applets inside share the lock
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// do not wait: exit with 1 if the lock is taken
    #[argh(switch, short = 'n')]
    nonblock: bool,
    /// wait so long for the lock (default 60 seconds)
    #[argh(option, short = 'w', arg_name = "SECONDS")]
    wait: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { nonblock, wait } = call.options()?;
    let settings = call.settings()?;
    let patience = match (nonblock, wait) {
        (true, Some(_)) => return Err(call.usage("-n and -w exclude each other")),
        (true, None) => Duration::ZERO,
        (false, None) => lock::PATIENCE,
        (false, Some(text)) => duration::seconds(&text)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs)
            .ok_or_else(|| call.usage(format!("'{}' is no time to wait", text.escape_debug())))?,
    };
    let words: Result<Vec<CString>, _> = call.split.operands.iter().map(|word| CString::new(word.as_bytes())).collect();
    let words = words.map_err(|_| call.usage("an argument holds a NUL byte"))?;
    if words.is_empty() {
        return Err(call.usage("a PROGRAM to run is needed"));
    }
    let directory = call.directory(&settings)?;
    let held = lock::take(&directory, patience)?;
    call.tell(&settings, format_args!("holding {}", directory.path().display()));
    let descriptor = match held {
        Held::Taken => Some(lock::pass_on(directory)?),
        Held::Inherited => None,
    };
    Err(process::execute(&words, descriptor.as_deref().map(|descriptor| (lock::VARIABLE, descriptor))))
}
