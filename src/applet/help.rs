//! `help`, and the options of `stek` itself.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::symlink;
use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use super::{ALL, Applet, Call};
use crate::core::arguments;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::streams;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "help",
    operands: "[APPLET]",
    operand_ends_options: false,
    shared: &[],
    info: Options::get_args_info,
    run,
};

/// list the applets, or explain one
#[derive(ArgsInfo, FromArgs)]
struct Options {}

fn run(call: &Call) -> Outcome<Exit> {
    let Options {} = call.options()?;
    let text = match call.operands()?.as_slice() {
        [] => overview() + "\n",
        [name] => Applet::named(name).ok_or_else(|| unknown(name))?.help(),
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };
    streams::write_out(text.as_bytes()).map(|()| Exit::Done)
}

/// Usage of the program and its applets, without a line end at the end.
#[must_use]
pub fn overview() -> String {
    let mut text = String::from(
        "usage: stek APPLET [OPTION]... [OPERAND]...\n   \
         or: stek --list | --version | --install-links DIR\n\n\
         keeps TLS session ticket keys fresh, secret and shared\n\napplets:",
    );
    for applet in ALL {
        text.push_str(&format!("\n  {:<8} {}", applet.name, (applet.info)().description));
    }
    text.push_str("\n\n'stek help APPLET' explains one; the manual is stek(8)");
    text
}

/// Runs `stek` with a first argument that names no applet.
pub fn without_applet(first: &OsStr, rest: &[OsString]) -> Outcome<Exit> {
    let word = arguments::utf8(first).map_err(Failure::usage)?;
    let (option, attached) = match word.split_once('=') {
        Some((option, value)) if option.starts_with("--") => (option, Some(OsString::from(value))),
        _ => (word, None),
    };
    let mut operands: Vec<OsString> = attached.into_iter().collect();
    operands.extend_from_slice(rest);
    let text = match (option, operands.as_slice()) {
        ("-h" | "--help", []) => overview() + "\n",
        ("--version", []) => format!("stek {}\n", env!("CARGO_PKG_VERSION")),
        ("--list", []) => ALL.iter().fold(String::new(), |text, applet| text + applet.name + "\n"),
        ("--install-links", [directory]) if !directory.is_empty() => {
            install_links(Path::new(directory))?;
            return Ok(Exit::Done);
        }
        ("--install-links", _) => return Err(Failure::usage("--install-links takes one directory")),
        ("-h" | "--help" | "--version" | "--list", _) => {
            return Err(Failure::usage(format!("{option} takes no operand")));
        }
        _ if word.starts_with('-') => {
            return Err(Failure::usage(format!("unknown option '{}'", word.escape_debug())).hint("see 'stek help'"));
        }
        _ => return Err(unknown(word)),
    };
    streams::write_out(text.as_bytes()).map(|()| Exit::Done)
}

fn unknown(applet: &str) -> Failure {
    Failure::usage(format!("unknown applet '{}'", applet.escape_debug())).hint("see 'stek help'")
}

/// Makes a link `stek-APPLET` to this program for each applet. One that is there already and right is left alone;
/// anything else in its place is refused.
fn install_links(directory: &Path) -> Outcome {
    let program = std::env::current_exe().map_err(|error| Failure::io("cannot find this program's own path", &error))?;
    for applet in ALL {
        let link = directory.join(format!("stek-{}", applet.name));
        if std::fs::read_link(&link).is_ok_and(|target| target == program) {
            continue;
        }
        symlink(&program, &link).map_err(|error| {
            let failure = Failure::io(format!("cannot make the link {}", link.display()), &error);
            if error.kind() == std::io::ErrorKind::AlreadyExists {
                failure.hint("something else is there; remove it first")
            } else {
                failure
            }
        })?;
    }
    Ok(())
}
