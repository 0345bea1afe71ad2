//! `reload`: makes a server read its keys again, and sees that it did.

use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::duration;
use crate::core::name::Name;
use crate::failure::{Exit, Failure, Outcome};
use crate::server::{self, Server};
use crate::sys::directory::Directory;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "reload",
    operands: "[nginx]",
    operand_ends_options: false,
    shared: &["--dir", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// test a server's configuration, make it read its keys again and wait until new workers serve
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// only if a key changed after the workers began
    #[argh(switch)]
    if_stale: bool,
    /// a server that does not run is no failure
    #[argh(switch)]
    if_running: bool,
    /// signal without testing the configuration first
    #[argh(switch)]
    no_test: bool,
    /// how long new workers may take (default 30 seconds)
    #[argh(option, short = 'w', arg_name = "SECONDS")]
    wait: Option<String>,
    /// where the master's process id stands (default /run/nginx.pid)
    #[argh(option, arg_name = "FILE")]
    pid_file: Option<String>,
    /// the configuration to test (default the one it was started with)
    #[argh(option, arg_name = "FILE")]
    config: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { if_stale, if_running, no_test, wait, pid_file, config } = call.options()?;
    let settings = call.settings()?;
    if no_test && config.is_some() {
        return Err(call.usage("--no-test and --config exclude each other"));
    }
    let patience = match wait {
        None => Duration::from_secs(30),
        Some(text) => duration::seconds(&text)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs)
            .ok_or_else(|| call.usage(format!("'{}' is no time to wait", text.escape_debug())))?,
    };
    let server = match call.operands()?.as_slice() {
        [] => &server::ALL[0],
        [name] => Server::named(name).ok_or_else(|| {
            let known: Vec<_> = server::ALL.iter().map(|server| server.name).collect();
            call.usage(format!("unknown server '{}' (known: {})", name.escape_debug(), known.join(", ")))
        })?,
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };

    let pid_file = pid_file.as_deref().unwrap_or(server.pid_file);
    let running = match (server.find)(pid_file) {
        Ok(Some(running)) => running,
        Err(failure) if failure.exit != Exit::NoServer => return Err(failure),
        not_found => {
            let failure = not_found.err().unwrap_or_else(|| {
                Failure::new(Exit::NoServer, format!("{} does not run: {pid_file} names no process", server.name))
            });
            if if_running {
                call.tell(&settings, &failure.message);
                return Ok(Exit::Done);
            }
            return Err(failure);
        }
    };
    if if_stale {
        let changed = newest_change(&call.directory(&settings)?)?;
        if running.serving_since() >= changed {
            call.tell(&settings, format_args!("{} knows the newest keys", server.name));
            return Ok(Exit::Done);
        }
    }
    if !no_test {
        // K10: what does not test clean is not signalled.
        running.test(config.as_deref())?;
    }
    let what = running.reload(patience)?;
    call.tell(&settings, format_args!("{}: {what}", server.name));
    Ok(Exit::Done)
}

/// When a key file last changed, by ctime, which links and renames move and nobody can set; `None` without any.
fn newest_change(directory: &Directory) -> Outcome<Option<(i64, i64)>> {
    let mut newest = None;
    for file in directory.files()?.iter().filter(|file| Name::of_slot_file(file).is_some()) {
        newest = newest.max(directory.look(file)?.map(|found| found.ctime));
    }
    Ok(newest)
}
