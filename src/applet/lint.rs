//! `lint`: reads an nginx configuration and says what is wrong with the ticket keys in it.

use std::collections::HashSet;
use std::io::Read;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::json;
use crate::core::nginx_config::{self, File};
use crate::core::nginx_lint::{self, Finding, Line, Rule, Severity, Wanted};
use crate::core::nginx_sockets::Configuration;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::streams;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "lint",
    operands: "[FILE]",
    operand_ends_options: false,
    shared: &["--dir", "--period", "--slots", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// read what 'nginx -T' prints, or a configuration FILE, and say what is wrong with the ticket keys in it
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// leave out findings with these identifiers, separated by commas
    #[argh(option, arg_name = "ID,...")]
    ignore: Option<String>,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// print which key makes the tickets, for every listen socket and server name, and no findings
    #[argh(switch)]
    which: bool,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { ignore, json, which } = call.options()?;
    let settings = call.settings()?;
    let ignored = ignore.as_deref().map(|list| rules(call, list)).transpose()?.unwrap_or_default();
    let (sources, has_all) = match call.operands()?.as_slice() {
        [] | ["-"] => (from_input()?, false),
        [file] => (from_file(file)?, true),
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };
    let input = &sources[0];
    let dumped = nginx_config::dumped_files(&input.text);
    let has_all = has_all || dumped.is_some() || nginx_config::includes(&input.text).is_empty();
    let files =
        dumped.unwrap_or_else(|| sources.iter().map(|source| File { path: &source.path, text: &source.text }).collect());

    let configuration = Configuration::read(&files);
    let paths: Vec<&str> = files.iter().map(|file| file.path).collect();
    let wanted = Wanted { directory: &settings.directory, period: settings.period, slots: settings.slots };
    let mut findings = nginx_lint::findings(&configuration, &paths, wanted);
    // A server in a file that was not read may use the keys.
    let is_known = |rule: Rule| has_all || rule != Rule::UnusedKeys;
    findings.retain(|finding| is_known(finding.rule) && !ignored.contains(&finding.rule));
    let broken = findings.iter().any(|finding| matches!(finding.rule, Rule::Syntax | Rule::TooMuch));
    if !configuration.has_module && !broken {
        // Nothing to complain about is not the same as nothing to look at.
        return Err(Failure::refused(format!("there is no http, stream or mail block in {}", input.path))
            .hint("give it all of the configuration: nginx -T 2>/dev/null | stek lint"));
    }
    call.tell(
        &settings,
        format_args!(
            "{}: {}, {}, {}",
            input.path,
            counted(files.len(), "file"),
            counted(configuration.servers.len(), "server"),
            counted(configuration.sockets.iter().filter(|socket| socket.tls).count(), "TLS socket"),
        ),
    );
    if which {
        if let Some(finding) = findings.iter().find(|finding| matches!(finding.rule, Rule::Syntax | Rule::TooMuch)) {
            return Err(Failure::refused(line(finding, &paths)));
        }
        let lines = nginx_lint::which(&configuration)
            .ok_or_else(|| Failure::refused("there are more than a million pairs of socket and server name"))?;
        let text = match (json, streams::out_is_terminal()) {
            (true, _) => json::lines(&lines.iter().map(line_as_json).collect::<Vec<_>>()),
            (false, true) => aligned(&lines),
            (false, false) => lines.iter().map(|line| cells(line).join("\t") + "\n").collect(),
        };
        streams::write_out(text.as_bytes())?;
        return Ok(Exit::Done);
    }
    let text = if json {
        json::lines(&findings.iter().map(|finding| as_json(finding, &paths)).collect::<Vec<_>>())
    } else {
        findings.iter().map(|finding| line(finding, &paths) + "\n").collect()
    };
    streams::write_out(text.as_bytes())?;
    let bad = findings.iter().any(|finding| finding.rule.severity() != Severity::Note);
    Ok(if bad { Exit::No } else { Exit::Done })
}

fn rules(call: &Call, list: &str) -> Outcome<Vec<Rule>> {
    let rule = |id: &str| {
        Rule::ALL.iter().copied().find(|rule| rule.id() == id).ok_or_else(|| {
            let known: Vec<&str> = Rule::ALL.iter().map(|rule| rule.id()).collect();
            call.usage(format!("no finding is called '{}'", id.escape_debug())).hint(format!("these exist: {}", known.join(" ")))
        })
    };
    list.split(',').map(str::trim).filter(|id| !id.is_empty()).map(rule).collect()
}

fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

fn line(finding: &Finding, paths: &[&str]) -> String {
    let Finding { rule, place, text } = finding;
    let path = paths.get(place.file).copied().unwrap_or_default();
    format!("{}:{}: {}: {} [{}]", printable(path), place.line, rule.severity().word(), printable(text), rule.id())
}

/// A configuration may hold anything; a terminal need not get it.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { c.escape_default().to_string() } else { c.to_string() }).collect()
}

fn as_json(finding: &Finding, paths: &[&str]) -> String {
    let Finding { rule, place, text } = finding;
    format!(
        "{{\"file\":{},\"line\":{},\"severity\":\"{}\",\"id\":\"{}\",\"text\":{}}}",
        json::string(paths.get(place.file).copied().unwrap_or_default()),
        place.line,
        rule.severity().word(),
        rule.id(),
        json::string(text)
    )
}

fn line_as_json(line: &Line<'_>) -> String {
    let Line { block, address, server_name, slot, key } = line;
    let (name, slot) = match slot {
        Some((name, slot)) => (json::string(name), slot.to_string()),
        None => ("null".to_owned(), "null".to_owned()),
    };
    format!(
        "{{\"block\":\"{block}\",\"address\":{},\"server_name\":{},\"name\":{name},\"slot\":{slot},\"key\":{}}}",
        json::string(address),
        if *server_name == "-" { "null".to_owned() } else { json::string(server_name) },
        json::string(key)
    )
}

fn cells(line: &Line<'_>) -> [String; 6] {
    let Line { block, address, server_name, slot, key } = line;
    let (name, slot) = match slot {
        Some((name, slot)) => (name.clone(), slot.to_string()),
        None => ("-".to_owned(), "-".to_owned()),
    };
    [(*block).to_owned(), printable(address), printable(server_name), name, slot, printable(key)]
}

fn aligned(lines: &[Line<'_>]) -> String {
    let mut rows = vec![["BLOCK", "SOCKET", "SERVERNAME", "NAME", "SLOT", "KEY"].map(str::to_owned)];
    rows.extend(lines.iter().map(cells));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let shown = |row: &[String; 6]| {
        let padded: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        padded.join("  ").trim_end().to_owned() + "\n"
    };
    rows.iter().map(shown).collect()
}

/// A file that was read.
struct Source {
    path: String,
    text: Vec<u8>,
}

/// So much is read in all: the configuration of ten thousand virtual hosts is about a third.
const MOST_BYTES: usize = 64 << 20;
/// So many files are read.
const MOST_FILES: usize = 20_000;

fn too_much(path: &str) -> Failure {
    Failure::refused(format!("{path}: there is more than {} MiB to read", MOST_BYTES >> 20))
}

fn from_input() -> Outcome<Vec<Source>> {
    if streams::in_is_terminal() {
        return Err(Failure::refused("a configuration is not read from a terminal")
            .hint("nginx -T 2>/dev/null | stek lint, or name a file"));
    }
    let mut text = vec![0; MOST_BYTES + 1];
    let length = streams::read_in(&mut text)?;
    let path = "(standard input)".to_owned();
    match length {
        0 => Err(Failure::refused("standard input is empty").hint("did nginx -T fail? by itself it says why")),
        _ if length > MOST_BYTES => Err(too_much(&path)),
        _ => {
            text.truncate(length);
            Ok(vec![Source { path, text }])
        }
    }
}

/// Reads a file, and those that it includes, unless it is what `nginx -T` printed.
fn from_file(file: &str) -> Outcome<Vec<Source>> {
    let mut sources = vec![read(file, MOST_BYTES)?];
    if nginx_config::dumped_files(&sources[0].text).is_some() {
        return Ok(sources);
    }
    let mut left = MOST_BYTES - sources[0].text.len();
    let mut known = HashSet::from([file.to_owned()]);
    let mut at = 0;
    while at < sources.len() {
        for included in nginx_config::includes(&sources[at].text) {
            for path in expanded(&nginx_config::full_path(file, &included)) {
                if !known.insert(path.clone()) || !std::path::Path::new(&path).is_file() {
                    continue;
                }
                let source = read(&path, left)?;
                left -= source.text.len();
                sources.push(source);
                if sources.len() > MOST_FILES {
                    return Err(Failure::refused(format!("{file} includes more than {MOST_FILES} files")));
                }
            }
        }
        at += 1;
    }
    Ok(sources)
}

fn read(path: &str, most: usize) -> Outcome<Source> {
    let failed = |error: std::io::Error| Failure::io(format!("cannot read {path}"), &error);
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut text = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut text).map_err(failed)?;
    if text.len() > most {
        return Err(too_much(path));
    }
    Ok(Source { path: path.to_owned(), text })
}

/// The files that a pattern stands for, as glob(3) finds them, in no order.
fn expanded(path: &str) -> Vec<String> {
    if !nginx_config::is_pattern(path) {
        return vec![path.to_owned()];
    }
    let mut found = vec![String::new()];
    for (depth, part) in path.split('/').enumerate() {
        let slash = if depth == 0 { "" } else { "/" };
        let mut next = Vec::new();
        for parent in found {
            if !nginx_config::is_pattern(part) {
                next.push(format!("{parent}{slash}{part}"));
                continue;
            }
            let directory = match (depth, parent.as_str()) {
                (0, _) => ".",
                (_, "") => "/",
                (_, parent) => parent,
            };
            let entries = std::fs::read_dir(directory).into_iter().flatten().take(MOST_FILES);
            let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
            next.extend(names.filter(|name| nginx_config::matches(part, name)).map(|name| format!("{parent}{slash}{name}")));
        }
        found = next;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::printable;

    #[test]
    fn nothing_from_a_configuration_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jé\n"), "a\\u{1b}[2Jé\\n");
    }
}
