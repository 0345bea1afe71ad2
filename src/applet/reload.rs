//! `reload`: makes a server read its keys again, and sees that it did.

use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::duration;
use crate::core::name::Name;
use crate::failure::{Exit, Outcome};
use crate::server::{self, Running, Server, TICK};
use crate::sys::clock::Moment;
use crate::sys::directory::Directory;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "reload",
    operands: "[nginx]",
    operand_ends_options: false,
    shared: &["--dir", "--allow-disk", "--syslog", "--verbose"],
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
    let begin = Instant::now();
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
        [name] => server(call, name)?,
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };
    let running = match find(server, pid_file.as_deref()) {
        Err(failure) if if_running && failure.exit == Exit::NoServer => {
            call.tell(&settings, &failure.message);
            return Ok(Exit::Done);
        }
        found => found?,
    };
    if if_stale {
        match newest_change(&call.directory(&settings)?)? {
            Some(changed) if !running.knows(changed) => {}
            _ => {
                call.tell(&settings, format_args!("{} knows the newest keys", server.name));
                return Ok(Exit::Done);
            }
        }
    }
    if !no_test {
        // K10: what does not test clean is not signalled.
        running.test(config.as_deref())?;
    }
    // A chain changed its keys before it came here. After two ticks its new workers are seen to be younger than the keys.
    std::thread::sleep((2 * TICK).saturating_sub(begin.elapsed()));
    let what = running.reload(patience)?;
    call.done(&settings, format_args!("{}: {what}", server.name));
    Ok(Exit::Done)
}

/// The server of this name.
pub(super) fn server(call: &Call, name: &str) -> Outcome<&'static Server> {
    Server::named(name).ok_or_else(|| {
        let known: Vec<_> = server::ALL.iter().map(|server| server.name).collect();
        call.usage(format!("unknown server '{}' (known: {})", name.escape_debug(), known.join(", ")))
    })
}

/// The server, which must run.
pub(super) fn find(server: &Server, pid_file: Option<&str>) -> Outcome<Box<dyn Running>> {
    (server.find)(pid_file.unwrap_or(server.pid_file))
}

/// When a key file last changed; `None` without any.
fn newest_change(directory: &Directory) -> Outcome<Option<Moment>> {
    let mut newest = None;
    for file in directory.files()?.iter().filter(|file| Name::of_slot_file(file).is_some()) {
        newest = newest.max(directory.look(file)?.map(|found| found.changed));
    }
    Ok(newest)
}
