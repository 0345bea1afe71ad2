//! `setup`: boot files, cron and first keys for a host without the package; and all of it away again.
//!
//! Everything is looked at before anything is changed. Whatever was changed is taken back when a later step fails. A run
//! that was killed is completed by the next one, or taken back by `--undo`: all state is in the files themselves.

use std::path::{Path, PathBuf};

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::key::Size;
use crate::core::name::Name;
use crate::core::nginx_config;
use crate::core::settings::{self, Settings, Shared};
use crate::core::setup::{self as plan, Check, Deed, File, Init, Verdict, Writer};
use crate::failure::{Exit, Failure, Outcome};
use crate::server;
use crate::sys::directory::is_in;
use crate::sys::setup as host;
use crate::sys::{host as kernel, mount, streams};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "setup",
    operands: "[NAME]...",
    operand_ends_options: false,
    shared: &["--verbose"],
    info: Options::get_args_info,
    run,
};

/// on a host without the package: check it, install the files for boot and cron, and make the first keys of each NAME
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// only check, one line each, and change nothing
    #[argh(switch)]
    check: bool,
    /// take all of it away again, the keys too
    #[argh(switch)]
    undo: bool,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { check, undo } = call.options()?;
    let names = call.names()?;
    if undo {
        if check || !names.is_empty() {
            return Err(call.usage(if check { "--undo and --check exclude each other" } else { "--undo takes no NAME" }));
        }
        // A mistake in the settings must keep nobody from taking them away.
        let file = |_: Failure| Settings::resolve(Shared::default(), &|_| false, &|_| Ok(None), &Default::default);
        return undo_all(call, &call.settings().or_else(file).map_err(|wrong| call.usage(wrong))?);
    }
    let settings = call.settings()?;
    let names = if names.is_empty() { settings.names.clone() } else { names };
    if names.is_empty() {
        return Err(call.usage("a NAME is needed").hint("name the key set to keep, usually as the server: stek setup example.com"));
    }
    if check {
        return show(&Survey::new(&names)?.checks);
    }
    if !host::is_root() {
        return Err(not_root());
    }
    let _lock = host::begin()?;
    for path in plan::PATHS {
        host::sweep(path)?;
    }
    let survey = Survey::new(&names)?;
    let Some(init) = survey.init.filter(|_| survey.checks.iter().all(|check| check.verdict != Verdict::Refused)) else {
        return Err(refusal(&survey.checks));
    };
    survey.checks.iter().for_each(|check| call.tell(&settings, line(check)));
    let mut work = Work { call, settings: &settings, init, done: Vec::new() };
    if let Err(failure) = work.all(&survey, &names) {
        let complete = work.take_back();
        let hint = if complete {
            "nothing is left of it: what was done was taken back"
        } else {
            "not everything could be taken back: run stek setup --undo"
        };
        let hint = failure.hint.as_ref().map_or_else(|| hint.to_owned(), |own| format!("{own}; {hint}"));
        return Err(failure.hint(hint));
    }
    if work.done.is_empty() {
        call.tell(&settings, "there is nothing to do");
        return Ok(Exit::Done);
    }
    for Check { text, hint, .. } in survey.checks.iter().filter(|check| check.verdict == Verdict::Warning) {
        call.warn(format_args!("{text}: {}", hint.as_deref().unwrap_or_default()));
    }
    next_steps(&names)
}

/// What is left to do for a person.
fn next_steps(names: &[Name]) -> Outcome<Exit> {
    let line = |name: &Name| {
        let dashes = if name.as_str().starts_with('-') { "-- " } else { "" };
        format!("    stek snippet nginx {dashes}{}", name.as_str())
    };
    let lines = names.iter().map(line).collect::<Vec<_>>().join("\n");
    let (how, to) = match names {
        [_] => ("Have nginx read them:", " >/etc/nginx/conf.d/stek.conf"),
        _ => ("Have nginx read them: each key set in the\ndefault server of its own listen socket.", "\n"),
    };
    let text = format!(
        "The keys are there, now and after each boot. {how}\n\n{lines}{to}\n    \
         nginx -T 2>/dev/null | stek lint\n    stek reload\n"
    );
    streams::write_out(text.as_bytes()).map(|()| Exit::Done)
}

fn not_root() -> Failure {
    Failure::refused("only root can set up a host").hint("run it as root, or with --check to see what it would say")
}

/// A check as `--check` shows it.
fn line(Check { verdict, text, hint }: &Check) -> String {
    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}: {text}{hint}", verdict.word())
}

fn show(checks: &[Check]) -> Outcome<Exit> {
    streams::write_out(checks.iter().fold(String::new(), |text, check| text + &line(check) + "\n").as_bytes())?;
    let is_refused = checks.iter().any(|check| check.verdict == Verdict::Refused);
    Ok(if is_refused { Exit::No } else { Exit::Done })
}

/// Everything that speaks against it, at once; a hint that several have comes once.
fn refusal(checks: &[Check]) -> Failure {
    let refused: Vec<&Check> = checks.iter().filter(|check| check.verdict == Verdict::Refused).collect();
    let mut lines = Vec::new();
    for (number, check) in refused.iter().enumerate() {
        lines.push(check.text.clone());
        let is_last = refused.get(number + 1).is_none_or(|next| next.hint != check.hint);
        lines.extend(check.hint.as_ref().filter(|_| is_last).map(|hint| format!("hint: {hint}")));
    }
    Failure::refused(lines.join("\n"))
}

/// What was seen of the host before anything was changed.
struct Survey {
    checks: Vec<Check>,
    init: Option<Init>,
    deeds: Vec<(File, Deed)>,
    directory: String,
}

impl Survey {
    fn new(names: &[Name]) -> Outcome<Self> {
        let mut checks = vec![if host::is_root() {
            Check::ok("this is root")
        } else {
            Check::refused("only root can set up a host", "run it as root")
        }];
        let program = host::own_program();
        checks.push(match &program {
            Ok(program) => Check::ok(format!("{program} is a program that can be called at boot")),
            Err(failure) => refused_by(failure),
        });
        checks.push(package());
        let init = host::init();
        checks.push(match init {
            Some(init) => Check::ok(format!("this host boots with {}", init.words())),
            None => Check::refused("this host boots with systemd, which does not run now", "boot it, then set it up"),
        });
        let nginx = host::ask("nginx -V");
        let (check, size) = plan::nginx(nginx.as_deref());
        checks.push(check);
        checks.push(plan::library(nginx.as_deref(), host::ask("openssl version").as_deref()));
        checks.push(plan::file_systems(&kernel::file_systems(), !kernel::swaps().is_empty()));
        checks.push(if kernel::clock_is_synchronised() {
            Check::ok("the clock is kept right")
        } else {
            Check::warning("nothing keeps the clock right", "run chrony, systemd-timesyncd or ntpd, above all where machines share keys")
        });
        let program = program.unwrap_or_else(|_| "/usr/local/sbin/stek".to_owned());
        checks.extend(cron(init, &program));
        checks.extend(boot(init));

        let mut deeds = Vec::new();
        let mut directory = settings::DIRECTORY.to_owned();
        for file in plan::files(init.unwrap_or(Init::Unknown), Path::new(CRON_JOBS).is_dir(), &program, names, size) {
            if file.content.len() >= host::LARGEST {
                checks.push(Check::refused(format!("{} would be too large", file.path), "name fewer key sets"));
            }
            let present = host::look(file.path)?;
            let present = present.as_ref().map(|content| content.as_deref());
            let deed = plan::decide(&file, present);
            match (&deed, present) {
                (Deed::Refuse(reason), _) => checks.push(Check::refused(reason, conflict_hint(&file))),
                (Deed::Keep, Some(Some(content))) if file.path == settings::FILE.0 => {
                    let set = plan::read_settings(&String::from_utf8_lossy(content)).map_err(Failure::refused)?;
                    if size == Size::Aes128 && set.size != size {
                        let text = "this nginx takes keys of 48 bytes, and settings say 80";
                        checks.push(Check::warning(text, format!("set STEK_SIZE=48 in {}", file.path)));
                    }
                    directory = set.directory;
                }
                _ => {}
            }
            deeds.push((file, deed));
        }
        let closed = || (init == Some(Init::Systemd)).then(|| host::closed_to_units(&directory)).flatten();
        checks.push(match host::obstacle(&directory).or_else(closed) {
            None => Check::ok(format!("{directory} can be the keys directory")),
            Some(failure) => refused_by(&failure),
        });
        if !deeds.iter().any(|(_, deed)| matches!(deed, Deed::Refuse(_))) {
            let open = deeds.iter().filter(|(_, deed)| *deed != Deed::Keep).map(|(file, _)| file.path);
            let open: Vec<&str> = open.collect();
            let nothing = "all files for boot are there".to_owned();
            checks.push(Check::ok(if open.is_empty() { nothing } else { format!("to be written: {}", open.join(" ")) }));
        }
        Ok(Self { checks, init, deeds, directory })
    }
}

fn refused_by(failure: &Failure) -> Check {
    Check { verdict: Verdict::Refused, text: failure.message.clone(), hint: failure.hint.clone() }
}

fn conflict_hint(file: &File) -> String {
    if file.path == settings::FILE.0 {
        "edit that file, then run: stek setup".to_owned()
    } else {
        "nothing is overwritten: if it came with make install, run make uninstall; else move it away".to_owned()
    }
}

/// Whether the Debian package is there, which does all that `setup` does.
fn package() -> Check {
    // It knows of packages that are installed, and of those that left settings.
    if host::ask("dpkg-query -W stek").is_some() {
        let hint = "set STEK_NAMES in /etc/default/stek and run: service stek start; or purge the package first";
        return Check::refused("the Debian package of stek is there, or settings that it left", hint);
    }
    Check::ok("the Debian package of stek is not there")
}

/// Where jobs of cron are, one file each.
const CRON_JOBS: &str = "/etc/cron.d";

/// Whether something will call stek every five minutes.
fn cron(init: Option<Init>, program: &str) -> Option<Check> {
    if init == Some(Init::Systemd) {
        return None;
    }
    if !Path::new(CRON_JOBS).is_dir() {
        let crontabs = ["/var/spool/cron/crontabs/root", "/etc/crontabs/root", "/var/spool/cron/root"];
        let is_in = |path: &str| std::fs::read_to_string(path).is_ok_and(|text| plan::crontab_rotates(&text, program));
        if crontabs.into_iter().any(is_in) {
            return Some(Check::ok("the crontab of root calls stek"));
        }
        let text = format!("there is no {CRON_JOBS}, and the crontab of root is not for others to edit");
        return Some(Check::warning(text, format!("add this line to it (crontab -e): {}", plan::crontab_line(program))));
    }
    if ["cron", "crond", "fcron", "bcron-sched"].into_iter().all(|daemon| host::find(daemon).is_none()) {
        return Some(Check::warning("there is no cron daemon", "nothing will rotate the keys; install one"));
    }
    Some(Check::ok("there is a cron daemon"))
}

/// Whether something will call the script at boot, where no init system is known that would.
fn boot(init: Option<Init>) -> Option<Check> {
    if init != Some(Init::Unknown) {
        return None;
    }
    let calls = |path: &str| std::fs::read_to_string(path).is_ok_and(|text| plan::boot_starts(&text));
    if ["/etc/inittab", "/etc/rc", "/etc/rc.local", "/etc/init.d/rcS"].into_iter().any(calls) {
        return Some(Check::ok(format!("{} is called at boot", plan::SCRIPT)));
    }
    let hint = format!("call '{0} start' at boot, before the servers, and '{0} stop' after them", plan::SCRIPT);
    Some(Check::warning("no tool enters scripts into the boot of this host", hint))
}

/// Something that was done, and can be taken back.
enum Done {
    Made(PathBuf),
    Wrote(&'static str),
    /// With what was there before.
    Replaced(&'static str, u32, Vec<u8>),
    Enabled,
    /// Where the keys went.
    Started(String),
}

/// The changes.
struct Work<'a> {
    call: &'a Call,
    settings: &'a Settings,
    init: Init,
    done: Vec<Done>,
}

impl Work<'_> {
    fn all(&mut self, survey: &Survey, names: &[Name]) -> Outcome {
        let commands = self.init.commands();
        for (file, deed) in &survey.deeds {
            match deed {
                Deed::Keep | Deed::Refuse(_) => continue,
                Deed::Write => {
                    self.done.extend(host::make_directory_of(file.path)?.map(Done::Made));
                    // Noted before it is done: what failed half way is taken back too.
                    self.done.push(Done::Wrote(file.path));
                    host::write(file)?;
                }
                Deed::Replace => {
                    let Some(Some(former)) = host::look(file.path)? else { continue };
                    self.done.push(Done::Replaced(file.path, file.mode, former));
                    host::replace(file.path, file.mode, file.content.as_bytes())?;
                }
            }
            self.call.tell(self.settings, format_args!("wrote {}", file.path));
        }
        if !host::is_enabled(self.init) {
            self.done.push(Done::Enabled);
            self.run(commands.enable)?;
            if !host::is_enabled(self.init) {
                return Err(Failure::refused(format!("{} did not enter stek into the boot", self.init.words())));
            }
        } else if !self.done.is_empty() {
            self.run(commands.refresh)?;
        }
        let (complete, any) = host::keys(&survey.directory, names);
        if !complete || !host::all_succeed(commands.is_started) {
            if !any {
                // Keys that were there before are somebody's, and stay whatever happens.
                self.done.push(Done::Started(survey.directory.clone()));
            }
            self.run(commands.start).map_err(|failure| match self.init {
                Init::Systemd => failure.hint("journalctl -u stek tells why"),
                _ => failure,
            })?;
            if !host::keys(&survey.directory, names).0 {
                return Err(Failure::refused(format!("no keys came into {}", survey.directory)));
            }
        }
        Ok(())
    }

    fn run(&self, lines: &[&str]) -> Outcome {
        for line in lines {
            let (line, may_fail) = line.strip_prefix('-').map_or((*line, false), |line| (line, true));
            match host::run(line) {
                Err(failure) if !may_fail => return Err(failure),
                Err(_) => {}
                Ok(said) => {
                    self.call.tell(self.settings, format_args!("ran {line}"));
                    said.lines().for_each(|line| self.call.tell(self.settings, line));
                }
            }
        }
        Ok(())
    }

    /// Takes back what was done, the last first; whether all of it could be.
    fn take_back(&mut self) -> bool {
        let commands = self.init.commands();
        let mut complete = true;
        let mut files = false;
        while let Some(done) = self.done.pop() {
            let taken_back = match done {
                Done::Started(directory) => self
                    .run(commands.stop)
                    .and(mount::unmount_keys(Path::new(&directory), false).map(drop)),
                Done::Enabled if self.init != Init::Systemd && !host::is_enabled(self.init) => Ok(()),
                Done::Enabled => self.run(commands.disable),
                Done::Wrote(path) => match host::writer_of(path) {
                    Ok(Some(Writer::Setup)) => host::remove(path),
                    other => other.map(drop),
                },
                Done::Replaced(path, mode, former) => host::replace(path, mode, &former),
                Done::Made(path) => {
                    std::fs::remove_dir(&path).map_err(|error| Failure::io(format!("cannot remove {}", path.display()), &error))
                }
            };
            files = true;
            complete &= taken_back.inspect_err(|failure| self.call.report(failure)).is_ok();
        }
        if files {
            complete &= self.run(commands.refresh).inspect_err(|failure| self.call.report(failure)).is_ok();
        }
        complete
    }
}

/// Refuses where a server would not start again without the keys of a directory (K10): one that runs, with the configuration
/// that it was started with, or nginx with its usual one. What cannot be found out counts as a yes.
fn refuse_if_used(directory: &Path) -> Outcome {
    if !directory.exists() {
        return Ok(());
    }
    let shown = directory.display();
    let reads = |keys: Vec<String>| keys.iter().any(|key| is_in(Path::new(key), directory));
    let mut running = server::ALL.iter().flat_map(|server| (server.find_all)());
    let usual = || match host::find("nginx") {
        Some(_) => host::ask("nginx -T -q").and_then(|said| nginx_config::ticket_keys(said.as_bytes())).map(reads),
        None => Some(false),
    };
    match running.find_map(|running| Some(running.uses(directory)).filter(|uses| *uses != Some(false))).unwrap_or_else(usual) {
        Some(false) => Ok(()),
        Some(true) => Err(Failure::refused(format!("nginx is configured to read keys in {shown}, and would not start without them"))
            .hint("take those lines out of its configuration and reload it, then run this again")),
        None => Err(Failure::refused(format!("it cannot be seen whether nginx is configured to read keys in {shown}"))
            .hint("mend its configuration, which 'nginx -t' refuses, then run this again")),
    }
}

/// Refuses where keys are mounted that no settings name any more. At the usual place they are found all the same, if there is
/// something else that `setup` made.
fn refuse_if_lost(finds_usual: bool) -> Outcome {
    let mut lost = mount::all_mounted_by_us()?;
    lost.retain(|place| !finds_usual || place != settings::DIRECTORY);
    if lost.is_empty() {
        return Ok(());
    }
    let text = format!("{} does not tell where the keys are; some are in {}", settings::FILE.0, lost.join(" "));
    Err(Failure::refused(text).hint("if no server reads them: stek umount -d DIRECTORY; then run this again"))
}

/// Stops, disables and removes what `setup` made, on this boot or on one with another init system.
fn undo_all(call: &Call, settings: &Settings) -> Outcome<Exit> {
    if !host::is_root() {
        return Err(not_root());
    }
    let check = package();
    if check.verdict == Verdict::Refused {
        return Err(Failure::refused(check.text).hint("remove the package instead: apt-get purge stek"));
    }
    let _lock = host::begin()?;
    let mut ours = Vec::new();
    let mut changed = Vec::new();
    for path in plan::PATHS {
        host::sweep(path)?;
        match host::writer_of(path)? {
            Some(Writer::Setup) => ours.push(*path),
            Some(Writer::SetupAndOthers) => changed.push(*path),
            Some(Writer::Others) | None => {}
        }
    }
    let text = host::look(settings::FILE.0)?.flatten();
    let named = text.and_then(|text| plan::keys_directory(&String::from_utf8_lossy(&text)));
    let found = [ours.as_slice(), changed.as_slice()].concat();
    if named.is_none() {
        refuse_if_lost(!found.is_empty())?;
    }
    if found.is_empty() {
        call.tell(settings, "there is nothing to take away");
        return Ok(Exit::Done);
    }
    let mut directories = vec![named.unwrap_or_else(|| settings::DIRECTORY.to_owned())];
    // The settings may have been changed since the keys were made.
    let usual = settings::DIRECTORY;
    let is_ours = || Ok::<_, Failure>(mount::all_mounted_by_us()?.iter().any(|place| place == usual));
    if directories[0] != usual && (host::obstacle(usual).is_none() || is_ours()?) {
        directories.push(usual.to_owned());
    }
    for directory in &directories {
        refuse_if_used(Path::new(directory))?;
    }
    for path in &ours {
        host::check_removable(path)?;
    }
    // Whatever the script says, the keys go. The files go after them: a second run needs those as long as keys are left.
    let mut is_complete = true;
    let mut go_on = |done: Outcome| is_complete &= done.inspect_err(|failure| call.report(failure)).is_ok();
    let known = host::init_of(&found, plan::UNIT);
    for init in known.iter().filter(|init| **init != Init::Systemd || host::systemd_runs()) {
        go_on(Work { call, settings, init: *init, done: Vec::new() }.run(init.commands().stop));
    }
    for directory in &directories {
        mount::unmount_keys(Path::new(directory), false)?;
    }
    for init in &known {
        if *init == Init::Systemd || host::is_enabled(*init) {
            Work { call, settings, init: *init, done: Vec::new() }.run(init.commands().disable)?;
        }
        if *init != Init::Unknown && host::is_enabled(*init) {
            return Err(Failure::refused(format!("{} still calls stek at boot", init.words())));
        }
    }
    for path in ours {
        if host::writer_of(path)? != Some(Writer::Setup) {
            changed.push(path);
            continue;
        }
        host::remove(path)?;
        call.tell(settings, format_args!("removed {path}"));
    }
    for init in known.into_iter().filter(|init| *init != Init::Systemd || host::systemd_runs()) {
        Work { call, settings, init, done: Vec::new() }.run(init.commands().refresh)?;
    }
    if changed.is_empty() {
        return Ok(if is_complete { Exit::Done } else { Exit::No });
    }
    let changed = changed.iter().map(|path| format!("{path} was changed since setup wrote it, and is left"));
    Err(Failure::refused(changed.collect::<Vec<_>>().join("\n")).hint("remove it by hand if nobody needs it"))
}
