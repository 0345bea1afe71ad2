//! argv → applet → exit code; nothing else.

use std::ffi::OsString;
use std::process::ExitCode;

use stek::applet::{self, Applet, Call};
use stek::failure::{Exit, Failure, Outcome};
use stek::sys::streams;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let own_name = arguments.next().unwrap_or_default();
    let mut arguments: Vec<OsString> = arguments.collect();
    let exit = match linked_applet(&own_name) {
        Some(applet) => run(applet, &arguments),
        None if arguments.is_empty() => {
            streams::write_error(&applet::help::overview());
            Exit::Usage
        }
        None => {
            let first = arguments.remove(0);
            match first.to_str().and_then(Applet::named) {
                Some(applet) => run(applet, &arguments),
                None => ended("stek", |failure| failure.exit, applet::help::without_applet(&first, &arguments)),
            }
        }
    };
    ExitCode::from(exit as u8)
}

/// The applet that a link's name stands for: `stek-shift`, or in a private directory the bare `shift`.
fn linked_applet(own_name: &std::ffi::OsStr) -> Option<&'static Applet> {
    let base = std::path::Path::new(own_name).file_name()?.to_str()?;
    Applet::named(base.strip_prefix("stek-").unwrap_or(base))
}

fn run(applet: &'static Applet, arguments: &[OsString]) -> Exit {
    let outcome = Call::new(applet, arguments).and_then(|call| {
        if call.split.help {
            streams::write_out(applet.help().as_bytes()).map(|()| Exit::Done)
        } else {
            (applet.run)(&call)
        }
    });
    ended(&format!("stek {}", applet.name), |failure| applet.exit_of(failure), outcome)
}

fn ended(prefix: &str, exit_of: impl Fn(&Failure) -> Exit, outcome: Outcome<Exit>) -> Exit {
    outcome.unwrap_or_else(|failure| {
        applet::report(prefix, &failure);
        exit_of(&failure)
    })
}
