//! `check`: a monitoring plugin. Looks at keys, directory, host and server, and says what is wrong and what to do about it.

use std::path::Path;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};

use super::identify::Verdict;
use super::{Applet, Call, probe};
use crate::core::endpoint::Endpoint;
use crate::core::json;
use crate::core::session::Protocol;
use crate::core::duration::{self, for_people};
use crate::core::findings::{self, Facts, Finding, KINDS, Server, Severity, several};
use crate::core::settings::Settings;
use crate::failure::{Exit, Failure, Outcome};
use crate::server::{self, Running, TICK};
use crate::sys::clock::Moment;
use crate::sys::directory::Directory;
use crate::sys::{accounts, host, lock, streams, survey};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "check",
    operands: "[NAME]...",
    operand_ends_options: false,
    shared: &["--dir", "--period", "--slots", "--group", "--allow-disk"],
    info: Options::get_args_info,
    run,
};

/// say what is wrong with keys, directory, host and server; exits with 0, 1, 2 or 3 as monitoring plugins do
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// print the summary line only
    #[argh(switch, short = 'q')]
    quiet: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
    /// leave out findings with this identifier; several with commas, or the option again
    #[argh(option, arg_name = "ID")]
    ignore: Vec<String>,
    /// how late rotations may be before they count (default a twelfth of the period, 10 minutes to 1 hour)
    #[argh(option, arg_name = "DURATION")]
    grace: Option<String>,
    /// where the server's process id stands; the server must run then (default: any that runs with these keys)
    #[argh(option, arg_name = "FILE")]
    pid_file: Option<String>,
    /// take a ticket from this server, HOST or HOST:PORT, and resume it; may be repeated
    #[argh(option, arg_name = "ADDRESS")]
    probe: Vec<String>,
}

/// How long a reload that follows a rotation may take before the server counts as stale. Plugins have ten seconds in all.
const RELOAD: Duration = Duration::from_secs(5);
/// A change is so young that a reload may still follow it.
const YOUNG: Duration = Duration::from_mins(1);
/// How far a change may lie ahead of the clock before that was set back.
const STEP: Duration = Duration::from_secs(2);
/// How long to wait for a rotation to end. After that it is looked at as it is.
const ROTATION: Duration = Duration::from_secs(3);
/// How long live servers may take together.
const PROBES: Duration = Duration::from_secs(6);
/// Of each kind so many findings are printed in full: thousands of NAMEs may have the same one.
const LINES: usize = 10;

fn run(call: &Call) -> Outcome<Exit> {
    let Options { quiet, json, ignore, grace, pid_file, probe } = call.options()?;
    let settings = call.settings()?;
    if quiet && json {
        return Err(call.usage("-q and --json exclude each other"));
    }
    let ignored = ignored(call, &ignore)?;
    let grace = grace.as_deref().map(|text| {
        duration::seconds(text).ok_or_else(|| call.usage(format!("'{}' is no duration", text.escape_debug())))
    });
    let grace = grace.transpose()?.unwrap_or_else(|| findings::grace(settings.period));
    let patience = if ignored.contains(&findings::SERVER_STALE.id) { Duration::ZERO } else { RELOAD };
    let endpoints = probe.iter().map(|address| Endpoint::parse(address).map_err(|wrong| call.usage(wrong)));
    let endpoints = endpoints.collect::<Outcome<Vec<_>>>()?;
    let facts = match look(call, &settings, grace, pid_file.as_deref(), patience) {
        // Last, so that a server that is just being reloaded has been waited for.
        Ok(facts) => Facts { probes: probes(call, &settings, endpoints), ..facts },
        Err(failure) if failure.exit == Exit::Usage => return Err(failure),
        Err(failure) => {
            // Monitors read standard output alone.
            streams::write_out(unknown(&failure, json).as_bytes())?;
            return Ok(Exit::Unknown);
        }
    };
    let mut findings = findings::judge(&facts);
    findings.retain(|finding| !ignored.contains(&finding.kind.id));
    let text = match (json, quiet) {
        (true, _) => as_json(&facts, &findings),
        (false, true) => summary(&facts, &findings),
        (false, false) => summary(&facts, &findings) + &details(&findings),
    };
    streams::write_out(text.as_bytes())?;
    Ok(exit(findings::worst(&findings)))
}

fn exit(worst: Option<Severity>) -> Exit {
    match worst {
        None | Some(Severity::Note) => Exit::Done,
        Some(Severity::Unknown) => Exit::Unknown,
        Some(Severity::Warning) => Exit::No,
        Some(Severity::Critical) => Exit::Critical,
    }
}

/// The identifiers to leave out; one that does not exist is a slip of the pen that would hide nothing.
fn ignored(call: &Call, lists: &[String]) -> Outcome<Vec<&'static str>> {
    let ids = lists.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|id| !id.is_empty());
    let known = |id: &str| {
        findings::kind(id).map(|kind| kind.id).ok_or_else(|| {
            let ids: Vec<_> = KINDS.iter().map(|kind| kind.id).collect();
            call.usage(format!("unknown identifier '{}'", id.escape_debug())).hint(format!("known are {}", ids.join(", ")))
        })
    };
    ids.map(known).collect()
}

/// Gathers the facts. Where the server has not read its keys again so soon after a change, `patience` is had with it.
pub(super) fn look(
    call: &Call,
    settings: &Settings,
    grace: i64,
    pid_file: Option<&str>,
    patience: Duration,
) -> Outcome<Facts> {
    let group = settings.group.as_deref().map(|group| accounts::id(accounts::GROUPS, group)).transpose()?;
    let path = Path::new(&settings.directory);
    let asked = call.names()?;
    let is_missing =
        std::fs::symlink_metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound);
    let (mut directory, mut sets, mut twins, mut newest) = (None, Vec::new(), Vec::new(), None);
    if !is_missing {
        let (open, found) = Directory::open_to_look(path).map_err(|failure| {
            if failure.message.ends_with(nix::errno::Errno::EACCES.desc()) {
                return failure.hint("run check as root, or as a member of the keys' group");
            }
            failure
        })?;
        // Between two moves of a rotation nothing is wrong. Held for a moment only, and given up with the descriptor.
        let _ = lock::take(&open, ROTATION);
        let seen = survey::look(&open, found, settings.allow_disk, settings.slots, |present| {
            // A set that STEK_NAMES forgot is one that nobody rotates.
            let mut names = if asked.is_empty() { present.names() } else { asked };
            if call.split.operands.is_empty() {
                names.extend(settings.names.iter().cloned());
            }
            names.sort();
            names.dedup();
            Ok(names)
        })?;
        (directory, sets, twins, newest) = (Some(seen.directory), seen.sets, seen.twins, seen.newest);
    }
    let now = Moment::now();
    Ok(Facts {
        now: now.seconds(),
        period: settings.period,
        grace,
        user: nix::unistd::geteuid().as_raw(),
        group,
        path: settings.directory.clone(),
        directory,
        swaps: host::swaps(),
        hibernation: host::hibernation(),
        clock_is_synchronised: host::clock_is_synchronised(),
        sets,
        twins,
        servers: match pid_file {
            Some(pid_file) => server_of(pid_file, now, newest, patience),
            None => servers(path, now, newest, patience),
        },
        probes: Vec::new(),
    })
}

/// Looks at live servers, all of them within the time that plugins have.
fn probes(call: &Call, settings: &Settings, endpoints: Vec<Endpoint>) -> Vec<findings::Probe> {
    let deadline = Instant::now() + PROBES;
    let look = |look: probe::Look| {
        // Only a key that opens the ticket is proven to have made it.
        let slot = look.finding.slot.filter(|_| matches!(look.finding.verdict, Verdict::Verified(_)));
        findings::Look {
            version: look.protocol.words(),
            key_name: look.finding.key_name,
            slot,
            resumed: look.resumed,
            lifetime_hint: i64::try_from(look.lifetime_hint).unwrap_or(i64::MAX),
        }
    };
    let probe = |endpoint: Endpoint| {
        let address = endpoint.to_string();
        let server = probe::Server { endpoint, server_name: None, deadline };
        let seen = probe::looks(call, settings, &server, &[Protocol::Tls13, Protocol::Tls12]);
        findings::Probe {
            address,
            failures: seen.failures.into_iter().map(|failure| failure.message.clone()).collect(),
            looks: seen.looks.into_iter().map(look).collect(),
            window: settings.window(),
        }
    };
    endpoints.into_iter().map(probe).collect()
}

/// The server that a pid file is about, which must run.
fn server_of(pid_file: &str, now: Moment, newest: Option<Moment>, patience: Duration) -> Vec<Server> {
    let mut seen = Vec::new();
    // What it says when it does not run is said with every name; that one does is enough.
    for server in server::ALL {
        let mut about = Server { name: server.name, ..Server::default() };
        match (server.find)(pid_file) {
            Ok(running) => return vec![seen_of(about, running.as_ref(), now, newest, patience)],
            Err(failure) if failure.exit == Exit::NoServer && !is_empty_file(pid_file) => {}
            // Whoever has just started it, or has no room left on the disk, does not say that it does not run.
            Err(failure) => about.unknown = Some(failure.message.clone()),
        }
        seen.push(about);
    }
    seen.truncate(1);
    seen
}

fn is_empty_file(path: &str) -> bool {
    std::fs::read(path).is_ok_and(|text| text.trim_ascii().is_empty())
}

/// The servers that run. One whose pid file is in its usual place is the one that cron reloads. Any other one is asked
/// whether it was told to use these keys before it is found fault with.
fn servers(directory: &Path, now: Moment, newest: Option<Moment>, patience: Duration) -> Vec<Server> {
    let mut seen = Vec::new();
    for server in server::ALL {
        let usual = (server.find)(server.pid_file).ok().map(|running| running.id());
        let all = (server.find_all)();
        for running in &all {
            let id = running.id();
            let process = (all.len() > 1 || usual != Some(id)).then_some(id);
            let about = Server { name: server.name, process, ..Server::default() };
            // Nobody waits for the reload of a server that has nothing to do with the keys.
            let first_look = seen_of(about.clone(), running.as_ref(), now, newest, Duration::ZERO);
            let has_fault = first_look.is_stale || first_look.core_dumps.is_some();
            let uses = if has_fault && usual != Some(id) { running.uses(directory) } else { Some(true) };
            match uses {
                _ if !has_fault => seen.push(first_look),
                Some(false) => {}
                // The only one there is uses them, whatever keeps it from saying so: its configuration may be broken.
                None if all.len() > 1 => {
                    // It may have ended meanwhile.
                    if (server.find_all)().iter().any(|running| running.id() == id) {
                        let unknown = Some(format!("cannot find out whether it uses the keys in {}", directory.display()));
                        seen.push(Server { unknown, ..about });
                    }
                }
                None | Some(true) => seen.push(seen_of(about, running.as_ref(), now, newest, patience)),
            }
        }
    }
    seen
}

/// What is to be seen of a server that runs.
fn seen_of(about: Server, running: &dyn Running, now: Moment, newest: Option<Moment>, patience: Duration) -> Server {
    // A change ahead of the clock, which was just set back, cannot be compared with anything; rotate mends that.
    let newest = newest.filter(|newest| *newest <= now.after(STEP));
    let limit = running.processes().into_iter().find_map(host::core_limit);
    Server {
        runs: true,
        is_stale: newest.is_some_and(|newest| !knows(running, newest, now, patience)),
        serving_since: running.serving_since().map(Moment::seconds),
        core_dumps: limit.and_then(|limit| Some((limit, host::core_pattern()?))),
        ..about
    }
}

/// Whether a server knows the newest keys, or does so before the patience with its reload ends.
fn knows(running: &dyn Running, newest: Moment, now: Moment, patience: Duration) -> bool {
    // Counted from when the keys were looked at, so that many servers are not waited for one after the other.
    let waited = now.until(Moment::now());
    let patience = if newest.until(now) <= YOUNG { patience.saturating_sub(waited) } else { Duration::ZERO };
    let deadline = Instant::now() + patience;
    loop {
        if running.knows(newest) {
            return true;
        }
        if Instant::now() >= deadline {
            // Between two workers there is nothing that could be too old. What began within the same tick may know them.
            return running.serving_since().is_none_or(|since| since.after(TICK) > newest);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// The first line, with performance data after the bar.
fn summary(facts: &Facts, findings: &[Finding]) -> String {
    let state = match findings::worst(findings) {
        None | Some(Severity::Note) => "OK",
        Some(Severity::Unknown) => "UNKNOWN",
        Some(Severity::Warning) => "WARNING",
        Some(Severity::Critical) => "CRITICAL",
    };
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let (criticals, warnings, unknown) = (count(Severity::Critical), count(Severity::Warning), count(Severity::Unknown));
    let mut ids: Vec<&str> = findings.iter().filter(|f| f.severity != Severity::Note).map(|f| f.kind.id).collect();
    ids.dedup();
    let found = if ids.is_empty() { String::new() } else { ids.join(", ") + "; " };
    let present = facts.present();
    let sets = several(present, "key set");
    let (mut keys, mut age) = (String::new(), String::new());
    if let Some(oldest) = facts.oldest_current() {
        let oldest = oldest.max(0);
        let (warning, critical) = facts.limits();
        let plural = if present == 1 { "" } else { "s" };
        keys = format!(", current key{plural} {} old", for_people(oldest));
        age = format!("age={oldest}s;{warning};{critical};0 ");
    }
    let counts = format!("sets={present} critical={criticals} warning={warnings} unknown={unknown}");
    format!("STEK {state} - {found}{sets}{keys} | {age}{counts}\n")
}

/// One line per finding and one that says what to do; of many alike the first ones.
fn details(findings: &[Finding]) -> String {
    let mut text = String::new();
    for group in findings.chunk_by(|a, b| a.kind.id == b.kind.id && a.severity == b.severity) {
        for Finding { kind, severity, name, text: what } in group.iter().take(LINES) {
            let name = name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
            text.push_str(&line(&format!("{}: {name}{what} [{}]", severity.word(), kind.id)));
            text.push_str(&line(&format!("  {}", kind.advice)));
        }
        if let Some(more) = group.len().checked_sub(LINES).filter(|more| *more > 0) {
            let (severity, id) = (group[0].severity.word(), group[0].kind.id);
            text.push_str(&line(&format!("{severity}: and {more} more [{id}]")));
        }
    }
    text
}

/// A line of a plugin's output: what follows a bar would be read as performance data.
fn line(text: &str) -> String {
    let clean = |c: char| match c {
        '|' => '\u{a6}',
        c if c.is_control() => '?',
        c => c,
    };
    text.chars().map(clean).chain(['\n']).collect()
}

fn unknown(failure: &Failure, json: bool) -> String {
    if json {
        let hint = failure.hint.as_deref().map_or_else(|| "null".to_owned(), json::string);
        return format!(
            "{{\"state\":\"unknown\",\"exit\":3,\"error\":{},\"hint\":{hint},\"findings\":[]}}\n",
            json::string(&failure.message)
        );
    }
    let hint = failure.hint.iter().map(|hint| line(&format!("  {hint}")));
    line(&format!("STEK UNKNOWN - {}", failure.message)) + &hint.collect::<String>()
}

fn as_json(facts: &Facts, findings: &[Finding]) -> String {
    let state = findings::worst(findings).filter(|worst| *worst != Severity::Note).map_or("ok", Severity::word);
    let object = |Finding { kind, severity, name, text }: &Finding| {
        format!(
            "{{\"id\":\"{}\",\"severity\":\"{}\",\"name\":{},\"text\":{},\"advice\":{}}}",
            kind.id,
            severity.word(),
            name.as_ref().map_or_else(|| "null".to_owned(), |name| json::string(name.as_str())),
            json::string(text),
            json::string(kind.advice)
        )
    };
    let objects: Vec<String> = findings.iter().map(object).collect();
    let list = if objects.is_empty() { "[]".to_owned() } else { format!("[\n    {}\n  ]", objects.join(",\n    ")) };
    let age = facts.oldest_current().map_or_else(|| "null".to_owned(), |age| age.to_string());
    format!(
        "{{\n  \"state\":\"{state}\",\n  \"exit\":{},\n  \"sets\":{},\n  \"age\":{age},\n  \"findings\":{list}\n}}\n",
        exit(findings::worst(findings)) as u8,
        facts.present()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::name::Name;

    fn finding(name: Option<&str>, text: &str) -> Finding {
        let name = name.map(|name| Name::parse(name).unwrap());
        Finding { kind: &findings::KEY_WEAK, severity: Severity::Critical, name, text: text.to_owned() }
    }

    #[test]
    fn lines_hold_nothing_that_a_monitor_would_take_for_data() {
        assert_eq!(line("a|b\nc"), "a\u{a6}b?c\n");
        let text = details(&[finding(Some("a"), "slot 1 is all zero"), finding(None, "x")]);
        assert!(text.starts_with("critical: a: slot 1 is all zero [key-weak]\n  pipe"), "{text}");
        assert!(!text.contains('|'));
    }

    #[test]
    fn many_findings_alike_are_counted() {
        let text = details(&vec![finding(Some("a"), "slot 1 is all zero"); 10_000]);
        assert_eq!(text.lines().count(), 2 * LINES + 1);
        assert!(text.ends_with("critical: and 9990 more [key-weak]\n"));
    }
}
