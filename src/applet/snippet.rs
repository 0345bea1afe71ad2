//! `snippet`: the lines of a server's configuration that make it use a NAME's keys.

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::name::Name;
use crate::failure::{Exit, Failure, Outcome};
use crate::server::{self, Server, Snippet};
use crate::sys::streams;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "snippet",
    operands: "SERVER [NAME]",
    operand_ends_options: false,
    shared: &["--dir", "--period", "--slots"],
    info: Options::get_args_info,
    run,
};

/// print the lines that make SERVER (nginx) use the keys of NAME, to be pasted into its configuration
#[derive(ArgsInfo, FromArgs)]
struct Options {}

fn run(call: &Call) -> Outcome<Exit> {
    let Options {} = call.options()?;
    let settings = call.settings()?;
    let operands = call.operands()?;
    let Some((server, names)) = operands.split_first() else { return Err(call.usage("a SERVER and a NAME are needed")) };
    let server = Server::named(server).ok_or_else(|| {
        let known: Vec<&str> = server::ALL.iter().map(|server| server.name).collect();
        call.usage(format!("unknown server '{}'", server.escape_debug())).hint(format!("these are known: {}", known.join(" ")))
    })?;
    let mut chosen: Vec<Name> = Vec::new();
    for name in names {
        let name = Name::parse(name).map_err(|wrong| call.usage(format!("'{}': {wrong}", name.escape_debug())))?;
        if !chosen.contains(&name) {
            chosen.push(name);
        }
    }
    if chosen.is_empty() {
        chosen.clone_from(&settings.names);
    }
    let name = match chosen.as_slice() {
        [] => return Err(call.usage("a NAME is needed")),
        [name] => name,
        // nginx does not start with two lists in one block, and no other block is known here than the one they go into.
        [first, ..] => {
            let message = format!("{} NAMEs at once: a block of {} takes one list of keys", chosen.len(), server.name);
            return Err(Failure::refused(message).hint(format!(
                "call it for each, as 'stek snippet {} {first}'; the lines of each belong in the default server of a listen socket of its own",
                server.name
            )));
        }
    };
    // A server looks for a relative path elsewhere than a shell does.
    let directory = std::path::absolute(&settings.directory)
        .map_err(|error| Failure::io(format!("cannot find out where {} is", settings.directory), &error))?;
    let directory = directory.to_str().ok_or_else(|| {
        Failure::refused(format!("{} is not valid UTF-8", directory.display())).hint("name the directory from / on with -d")
    })?;
    let check = check_command(call, directory);
    let wanted = Snippet { name, directory, slots: settings.slots, period: settings.period, check: &check };
    streams::write_out((server.snippet)(&wanted).as_bytes())?;
    Ok(Exit::Done)
}

/// `stek lint` with the options of this call; what came from the environment or the settings file it finds by itself.
fn check_command(call: &Call, directory: &str) -> String {
    call.split.options.iter().fold("stek lint".to_owned(), |command, (long, value)| {
        let value = if *long == "--dir" { directory } else { value.as_deref().unwrap_or_default() };
        let plain = value.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)) && !value.is_empty();
        let value = if plain { value.to_owned() } else { format!("'{}'", value.replace('\'', "'\\''")) };
        format!("{command} {long} {}", value.replace(char::is_control, "?"))
    })
}
