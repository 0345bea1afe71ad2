//! `list`: one line per slot. Reads key names only, never the rest of a key.

use std::time::Duration;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call, check};
use crate::core::duration::for_people;
use crate::core::json;
use crate::core::findings;
use crate::core::key::{self, NAME_LENGTH, Size};
use crate::core::metrics;
use crate::core::name::{Name, role};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::directory::{Directory, KeySets};
use crate::sys::{clock, streams};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "list",
    operands: "[NAME]...",
    operand_ends_options: false,
    shared: &["--dir", "--period", "--slots", "--group", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// print NAME, slot, role, key name, age and size of every slot; tab separated unless on a terminal
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// print JSON, ages in seconds
    #[argh(switch)]
    json: bool,
    /// print metrics, with the findings of check, for the textfile collector of Prometheus's node exporter
    #[argh(switch)]
    prometheus: bool,
    /// with --prometheus: where the server's process id stands, as for check
    #[argh(option, arg_name = "FILE")]
    pid_file: Option<String>,
}

/// One slot as it is shown.
struct Line {
    name: String,
    slot: usize,
    key_name: String,
    age: i64,
    size: usize,
    path: String,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { json, prometheus, pid_file } = call.options()?;
    let settings = call.settings()?;
    if json && prometheus {
        return Err(call.usage("--json and --prometheus exclude each other"));
    }
    if prometheus {
        let facts = check::look(call, &settings, findings::grace(settings.period), pid_file.as_deref(), Duration::ZERO)?;
        return streams::write_out(metrics::write(&facts, &findings::judge(&facts)).as_bytes()).map(|()| Exit::Done);
    }
    if pid_file.is_some() {
        return Err(call.usage("--pid-file needs --prometheus"));
    }
    let names = call.names()?;
    let directory = call.directory(&settings)?;
    let sets = KeySets::of(&directory.files()?);
    let now = clock::now();
    let mut exit = Exit::Done;
    let mut lines = Vec::new();
    for name in call.chosen_names(names, &settings, &sets) {
        let Some(highest) = sets.highest(&name) else {
            call.report(&Failure::refused(format!("there are no keys of {name} in {}", directory.path().display())));
            exit = Exit::No;
            continue;
        };
        for slot in 0..=settings.slots.max(highest) {
            match line(&directory, &name, slot, now) {
                Ok(line) => lines.push(line),
                Err(failure) => {
                    call.report(&failure);
                    exit = if exit == Exit::System { exit } else { failure.exit };
                }
            }
        }
    }
    let text = match (json, streams::out_is_terminal()) {
        (true, _) => as_json(&lines),
        (false, true) => aligned(&lines),
        (false, false) => tab_separated(&lines),
    };
    streams::write_out(text.as_bytes())?;
    Ok(exit)
}

fn line(directory: &Directory, name: &Name, slot: usize, now: i64) -> Outcome<Line> {
    let file = name.slot_file(slot);
    let path = directory.shown(&file);
    let found = directory.look(&file)?.ok_or_else(|| Failure::refused(format!("{path} is missing")))?;
    if !found.is_regular {
        return Err(Failure::refused(format!("{path} is not a regular file")));
    }
    if Size::of(found.size).is_none() {
        return Err(Failure::refused(format!("{path} has {} bytes, which is no key", found.size)));
    }
    let mut key_name = [0; NAME_LENGTH];
    directory.read(&file, &mut key_name)?;
    let key_name = key::name_in_hex(&key_name);
    Ok(Line { name: name.to_string(), slot, key_name, age: now.saturating_sub(found.mtime), size: found.size, path })
}

fn tab_separated(lines: &[Line]) -> String {
    let line = |l: &Line| format!("{}\t{}\t{}\t{}\t{}\t{}\n", l.name, l.slot, role(l.slot), l.key_name, l.age, l.size);
    lines.iter().map(line).collect()
}

fn aligned(lines: &[Line]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    let width = lines.iter().map(|line| line.name.len()).max().unwrap_or(0).max("NAME".len());
    let mut text = format!("{:width$}  SLOT  ROLE      {:32}  {:>7}  SIZE\n", "NAME", "KEYNAME", "AGE");
    for line in lines {
        let Line { name, slot, key_name, age, size, .. } = line;
        let (role, age) = (role(*slot), for_people(*age));
        text.push_str(&format!("{name:width$}  {slot:>4}  {role:8}  {key_name}  {age:>7}  {size:>4}\n"));
    }
    text
}

/// Every string in it but the path is of letters, digits, dots and dashes.
fn as_json(lines: &[Line]) -> String {
    let object = |l: &Line| {
        format!(
            "{{\"name\":\"{}\",\"slot\":{},\"role\":\"{}\",\"key_name\":\"{}\",\"age\":{},\"size\":{},\"path\":{}}}",
            l.name,
            l.slot,
            role(l.slot),
            l.key_name,
            l.age,
            l.size,
            json::string(&l.path)
        )
    };
    let objects: Vec<String> = lines.iter().map(object).collect();
    json::lines(&objects)
}
