//! What `setup` writes and runs on a host, for each init system, and how it judges what it finds there. All of it is data.

use sha2::{Digest, Sha256};

use super::key::Size;
use super::name::Name;
use super::settings::{self, Settings, Shared};

/// Where the boot files in contrib expect the binary.
const USUAL_PROGRAM: &str = "/usr/sbin/stek";

/// Directories that are there at boot, that root's shell looks into, and that systemd's sandbox does not hide.
pub const PROGRAM_DIRECTORIES: &[&str] =
    &["/usr/local/sbin", "/usr/sbin", "/usr/local/bin", "/usr/bin", "/sbin", "/bin"];

/// Directories in which the units of systemd cannot write: its sandbox hides them, or makes them read-only. Source: the
/// units in contrib, `systemd.exec(5)`.
pub const CLOSED_TO_UNITS: &[&str] =
    &["/home", "/root", "/run/user", "/tmp", "/var/tmp", "/usr", "/boot", "/efi", "/etc"];

/// The tool that enters a script or unit into the boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Init {
    /// systemd, with units of its own and a timer.
    Systemd,
    /// OpenRC with its own kind of script: Alpine, Gentoo.
    Openrc,
    /// Debian's update-rc.d, for SysV init and for the OpenRC of Debian.
    UpdateRc,
    /// insserv without update-rc.d.
    Insserv,
    /// A script and nobody to call it: BusyBox and what is made by hand.
    Unknown,
}

impl Init {
    /// What it is called.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Systemd => "systemd",
            Self::Openrc => "OpenRC",
            Self::UpdateRc => "init scripts, entered by update-rc.d",
            Self::Insserv => "init scripts, entered by insserv",
            Self::Unknown => "no init system that is known here",
        }
    }

    /// The commands for it.
    #[must_use]
    pub const fn commands(self) -> &'static Commands {
        match self {
            Self::Systemd => &SYSTEMD,
            Self::Openrc => &OPENRC,
            Self::UpdateRc => &UPDATE_RC,
            Self::Insserv => &INSSERV,
            Self::Unknown => &UNKNOWN,
        }
    }
}

/// Commands, each a line of words. One that begins with `-` may fail.
pub struct Commands {
    /// They all succeed when the boot calls stek; where there is none the links of the runlevels tell.
    pub is_enabled: &'static [&'static str],
    /// Enter it.
    pub enable: &'static [&'static str],
    /// Take it out again; succeeds as well if it is not entered.
    pub disable: &'static [&'static str],
    /// They all succeed when it was started.
    pub is_started: &'static [&'static str],
    /// Make the directory and the keys; what is there stays.
    pub start: &'static [&'static str],
    /// Destroy the keys.
    pub stop: &'static [&'static str],
    /// After the files were removed, or others took their place.
    pub refresh: &'static [&'static str],
}

const SYSTEMD: Commands = Commands {
    is_enabled: &["systemctl --quiet is-enabled stek.service", "systemctl --quiet is-enabled stek-rotate.timer"],
    enable: &["systemctl daemon-reload", "systemctl --quiet enable stek.service stek-rotate.timer"],
    disable: &["systemctl --quiet disable stek.service stek-rotate.timer"],
    is_started: &["systemctl --quiet is-active stek.service", "systemctl --quiet is-active stek-rotate.timer"],
    // A restart keeps the keys, and is a start where the unit is not active.
    start: &["systemctl restart stek.service", "systemctl start stek-rotate.timer"],
    stop: &[
        "systemctl stop stek-rotate.timer",
        "systemctl stop stek-rotate.service stek-reload.service stek.service",
        "-systemctl reset-failed stek.service stek-rotate.service stek-reload.service",
    ],
    refresh: &["systemctl daemon-reload"],
};
const OPENRC: Commands = Commands {
    is_enabled: &[],
    enable: &["rc-update --quiet add stek default"],
    // It fails if there is a runlevel without it.
    disable: &["-rc-update --quiet --all delete stek"],
    is_started: &["rc-service --quiet stek status"],
    start: &["rc-service stek restart"],
    stop: &["rc-service stek stop"],
    refresh: &[],
};
const UPDATE_RC: Commands = Commands {
    is_enabled: &[],
    enable: &["update-rc.d stek defaults"],
    // -f: the script is still there.
    disable: &["update-rc.d -f stek remove"],
    is_started: &["/etc/init.d/stek status"],
    start: &["service stek start"],
    stop: &["service stek stop"],
    refresh: &[],
};
const INSSERV: Commands = Commands {
    is_enabled: &[],
    enable: &["insserv stek"],
    disable: &["insserv -r stek"],
    is_started: &["/etc/init.d/stek status"],
    start: &["/etc/init.d/stek start"],
    stop: &["/etc/init.d/stek stop"],
    refresh: &[],
};
const UNKNOWN: Commands = Commands {
    is_enabled: &["true"],
    enable: &[],
    disable: &[],
    is_started: &["/etc/init.d/stek status"],
    start: &["/etc/init.d/stek start"],
    stop: &["/etc/init.d/stek stop"],
    refresh: &[],
};

/// A file that `setup` writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its full path.
    pub path: &'static str,
    /// Its permission bits.
    pub mode: u32,
    /// What is in it, the mark included.
    pub content: String,
}

/// The script of init, whatever the init system.
pub const SCRIPT: &str = "/etc/init.d/stek";
/// The unit that makes the keys.
pub const UNIT: &str = "/etc/systemd/system/stek.service";
/// The job of cron.
pub const JOB: &str = "/etc/cron.d/stek";
/// Every path that `setup` may write, on any system, in the order in which they are written.
pub const PATHS: &[&str] = &[
    settings::FILE.0,
    UNIT,
    "/etc/systemd/system/stek-rotate.service",
    "/etc/systemd/system/stek-reload.service",
    "/etc/systemd/system/stek-rotate.timer",
    SCRIPT,
    JOB,
];

/// The files that this system needs. `has_cron` says whether there is a directory for jobs of cron.
#[must_use]
pub fn files(init: Init, has_cron: bool, program: &str, names: &[Name], size: Size) -> Vec<File> {
    let file =
        |path, mode, template: &str| File { path, mode, content: marked(&template.replace(USUAL_PROGRAM, program)) };
    let mut files = vec![file(PATHS[0], 0o644, &default_file(names, size))];
    match init {
        Init::Systemd => files.extend([
            file(PATHS[1], 0o644, include_str!("../../contrib/systemd/stek.service")),
            file(PATHS[2], 0o644, include_str!("../../contrib/systemd/stek-rotate.service")),
            file(PATHS[3], 0o644, include_str!("../../contrib/systemd/stek-reload.service")),
            file(PATHS[4], 0o644, include_str!("../../contrib/systemd/stek-rotate.timer")),
        ]),
        Init::Openrc => files.push(file(SCRIPT, 0o755, include_str!("../../contrib/openrc/stek"))),
        Init::UpdateRc | Init::Insserv | Init::Unknown => {
            files.push(file(SCRIPT, 0o755, include_str!("../../contrib/init.d/stek")));
        }
    }
    if has_cron && init != Init::Systemd {
        files.push(file(JOB, 0o644, CRON));
    }
    files
}

const CRON: &str = include_str!("../../contrib/cron/stek");

/// The settings file, with what was asked for put in force.
fn default_file(names: &[Name], size: Size) -> String {
    let names: Vec<&str> = names.iter().map(Name::as_str).collect();
    let text = include_str!("../../contrib/default/stek")
        .replace("#STEK_NAMES=\"example.com\"", &format!("STEK_NAMES=\"{}\"", names.join(" ")));
    match size {
        Size::Aes256 => text,
        Size::Aes128 => text.replace("#STEK_SIZE=80", "STEK_SIZE=48"),
    }
}

/// The line for root's own crontab, which has no field for the user; for where there is no directory for jobs.
#[must_use]
pub fn crontab_line(program: &str) -> String {
    let line = CRON.lines().find(|line| line.starts_with('*')).unwrap_or_default();
    line.replacen(" root ", " ", 1).replace(USUAL_PROGRAM, program)
}

/// Whether a crontab, one without a field for the user, has a job that rotates.
#[must_use]
pub fn crontab_rotates(text: &str, program: &str) -> bool {
    let is_program = |at, word: &str| word == program || word.ends_with("/stek") || at == 0 && word == "stek";
    text.lines().any(|line| {
        let line = without_comment(line);
        let fields = if line.trim_start().starts_with('@') { 1 } else { 5 };
        let command =
            (0..fields).fold(line, |rest, _| rest.trim_start().split_once(char::is_whitespace).unwrap_or_default().1);
        has_command(command, is_program, &["rotate"])
    })
}

/// Whether a file of boot calls the script, or passes on what it was called with.
#[must_use]
pub fn boot_starts(text: &str) -> bool {
    // In an inittab other fields come first.
    let is_script = |_, word: &str| word.ends_with(SCRIPT);
    text.lines().any(|line| has_command(without_comment(line), is_script, &["start", "restart", "$1", "\"$1\""]))
}

/// Whether one of a line's commands is a program and one of these words after it. `is_program` is given each word's place
/// in its command.
fn has_command(line: &str, is_program: impl Fn(usize, &str) -> bool, words_after: &[&str]) -> bool {
    line.split([';', '&', '|']).any(|command| {
        let words: Vec<&str> = command.split_whitespace().skip_while(|word| word.contains('=')).collect();
        let mut pairs = words.windows(2).enumerate();
        pairs.any(|(at, pair)| is_program(at, pair[0]) && words_after.contains(&pair[1]))
    })
}

fn without_comment(line: &str) -> &str {
    let begins = |at: &usize| line[..*at].chars().next_back().is_none_or(|c| c.is_whitespace() || ";&|".contains(c));
    line.match_indices('#').map(|(at, _)| at).find(begins).map_or(line, |at| &line[..at])
}

/// The NAMEs and the key size that a settings file sets, and the keys directory.
///
/// # Errors
/// A value that is none, in words for a person.
pub fn read_settings(text: &str) -> Result<Settings, String> {
    let file = || (settings::FILE.0.to_owned(), text.to_owned());
    Settings::resolve(Shared::default(), &|_| true, &|_| Ok(None), &file)
}

/// The keys directory by a settings file, whatever else is wrong in it; `None` if that cannot be seen.
#[must_use]
pub fn keys_directory(text: &str) -> Option<String> {
    let file = || (settings::FILE.0.to_owned(), text.to_owned());
    let settings = Settings::resolve(Shared::default(), &|variable| variable == "STEK_DIR", &|_| Ok(None), &file);
    settings.ok().map(|settings| settings.directory)
}

/// What the last line of a written file says before a hash of all lines above. By it a file that nobody changed is known
/// again, also by a later version, and a file that somebody else wrote is known not to be ours.
const MARK: &str = "# Written by stek setup; stek setup --undo removes it while it is unchanged: ";

fn marked(text: &str) -> String {
    format!("{text}{MARK}{}\n", hash(text.as_bytes()))
}

fn hash(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, b| text + &format!("{b:02x}"))
}

/// Who wrote what a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// `setup`, and nobody since.
    Setup,
    /// `setup`, and somebody after it.
    SetupAndOthers,
    /// Not `setup`.
    Others,
}

/// Tells by the mark who wrote a file.
#[must_use]
pub fn writer(content: &[u8]) -> Writer {
    let mut above = 0;
    for line in content.split_inclusive(|b| *b == b'\n') {
        if let Some(said) = line.strip_prefix(MARK.as_bytes()) {
            let is_last = above + line.len() == content.len();
            let fits = said == format!("{}\n", hash(&content[..above])).as_bytes();
            return if is_last && fits { Writer::Setup } else { Writer::SetupAndOthers };
        }
        above += line.len();
    }
    Writer::Others
}

/// What is to be done about one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing: it is as it should be.
    Keep,
    /// Write it, there is none.
    Write,
    /// Replace what an older version wrote and nobody changed.
    Replace,
    /// Refuse, for this reason.
    Refuse(String),
}

/// Decides about a file. `present` is what is there: `None` for nothing, no content for what is no regular file.
///
/// Settings are the administrator's: they stay as they are if they name the same key sets, and are never replaced.
#[must_use]
pub fn decide(wanted: &File, present: Option<Option<&[u8]>>) -> Deed {
    let path = wanted.path;
    let Some(content) = present else { return Deed::Write };
    let Some(content) = content else { return Deed::Refuse(format!("{path} is there, and no regular file")) };
    if content == wanted.content.as_bytes() {
        return Deed::Keep;
    }
    if path == settings::FILE.0 {
        let names = |text: &[u8]| read_settings(&String::from_utf8_lossy(text)).map(|settings| settings.names);
        return match (names(content), names(wanted.content.as_bytes())) {
            (Ok(are), Ok(wanted)) if are == wanted => Deed::Keep,
            (Err(wrong), _) => Deed::Refuse(wrong),
            (Ok(are), _) if are.is_empty() => Deed::Refuse(format!("{path} is there, and does not set STEK_NAMES")),
            (Ok(are), _) => {
                let are: Vec<&str> = are.iter().map(Name::as_str).collect();
                Deed::Refuse(format!("{path} is there, and has STEK_NAMES=\"{}\"", are.join(" ")))
            }
        };
    }
    match writer(content) {
        Writer::Setup => Deed::Replace,
        Writer::SetupAndOthers => Deed::Refuse(format!("{path} was changed since setup wrote it")),
        Writer::Others => Deed::Refuse(format!("{path} is there, and setup did not write it")),
    }
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// It works, but.
    Warning,
    /// Nothing is done.
    Refused,
}

impl Verdict {
    /// What stands at the beginning of a line of `--check`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Refused => "refused",
        }
    }
}

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Check {
    /// How it came out.
    pub verdict: Verdict,
    /// What was seen.
    pub text: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl Check {
    /// As it should be.
    pub fn ok(text: impl Into<String>) -> Self {
        Self { verdict: Verdict::Ok, text: text.into(), hint: None }
    }

    /// It works, but.
    pub fn warning(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Warning, text: text.into(), hint: Some(hint.into()) }
    }

    /// Nothing is done.
    pub fn refused(text: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Refused, text: text.into(), hint: Some(hint.into()) }
    }
}

/// nginx reads keys from files since 1.5.7, and keys of 80 bytes since 1.11.8.
/// Source: nginx.org, `ngx_http_ssl_module`, `ssl_session_ticket_key`.
const FILES_SINCE: [u32; 3] = [1, 5, 7];
const AES_256_SINCE: [u32; 3] = [1, 11, 8];
/// OpenSSL has tickets since 0.9.8f; the letter is the fourth number. Source: OpenSSL, CHANGES.
const TICKETS_SINCE: [u32; 4] = [0, 9, 8, 6];

/// Judges what `nginx -V` said; `None` if there is no nginx. Also the size of keys that it takes.
#[must_use]
pub fn nginx(said: Option<&str>) -> (Check, Size) {
    let usual = Size::Aes256;
    let Some(said) = said else {
        let text = "there is no nginx here";
        return (Check::warning(text, "any server that reads the same files will do; see stek snippet"), usual);
    };
    // Derivatives put their own version first and the one of nginx after it: "nginx version: openresty/1.21.4.1".
    let version = said.lines().filter_map(|line| line.split_once("nginx version: ")?.1.split('/').nth(1)).next_back();
    let Some((version, numbers)) = version.and_then(|version| Some((word(version), numbers::<3>(version)?))) else {
        return (Check::warning("nginx does not tell its version", "see that it is at least 1.5.7"), usual);
    };
    if numbers < FILES_SINCE {
        return (Check::refused(format!("nginx {version} cannot read keys from files"), "nginx 1.5.7 can"), usual);
    }
    if !said.contains("_ssl_module") {
        return (Check::warning(format!("nginx {version} was built without TLS"), "it has no use for the keys"), usual);
    }
    if numbers < AES_256_SINCE {
        return (Check::ok(format!("nginx {version} takes keys of 48 bytes")), Size::Aes128);
    }
    (Check::ok(format!("nginx {version} takes keys of 80 and of 48 bytes")), usual)
}

/// Judges the TLS library by what `nginx -V` said of it, or else `openssl version`.
#[must_use]
pub fn library(nginx: Option<&str>, openssl: Option<&str>) -> Check {
    let of_nginx = nginx.and_then(|said| {
        // "built with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.19 27 Jan 2026)"
        let line = said.lines().find_map(|line| line.strip_prefix("built with "))?;
        let running = line.split_once("(running with ").map_or(line, |(_, running)| running);
        running.contains("SSL").then_some(running)
    });
    let Some(said) = of_nginx.or(openssl).filter(|said| !said.trim().is_empty()) else {
        return Check::warning(
            "there is no OpenSSL to ask for its version",
            "see that the server's has session tickets",
        );
    };
    let mut words = said.split_whitespace();
    let (name, version) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let of = if of_nginx.is_some() { ", which nginx uses," } else { "" };
    match openssl_version(version) {
        Some(numbers) if name == "OpenSSL" && numbers < TICKETS_SINCE => Check::refused(
            format!("the library {name} {version}{of} has no session tickets"),
            "OpenSSL 0.9.8f has them",
        ),
        _ => Check::ok(format!("the library {name} {version}{of} has session tickets")),
    }
}

/// Judges /proc/filesystems: keys need one that is volatile. `swaps` says whether swap is on.
#[must_use]
pub fn file_systems(text: &str, swaps: bool) -> Check {
    let has = |wanted: &str| text.lines().any(|line| line.strip_prefix("nodev\t") == Some(wanted));
    match (has("tmpfs"), has("ramfs")) {
        (true, true) => Check::ok("tmpfs and ramfs are there"),
        (false, true) => Check::ok("ramfs is there"),
        (true, false) if swaps => Check::warning(
            "there is no ramfs, and swap is on",
            "before Linux 6.4 keys may get into swap; encrypt it or switch it off",
        ),
        (true, false) => Check::ok("tmpfs is there"),
        (false, false) => Check::refused("this kernel has neither tmpfs nor ramfs", "keys must not reach a disk"),
    }
}

/// A version such as `1.11.8` or `1.25.3-beta`, as far as it is numbers; `None` if it does not begin with as many.
fn numbers<const COUNT: usize>(version: &str) -> Option<[u32; COUNT]> {
    let mut parts = version.split(|c: char| !c.is_ascii_digit());
    let mut numbers = [0; COUNT];
    for number in &mut numbers {
        *number = parts.next()?.parse().ok()?;
    }
    Some(numbers)
}

/// OpenSSL's, whose letter counts: 0.9.8 is older than 0.9.8a.
fn openssl_version(version: &str) -> Option<[u32; 4]> {
    let [major, minor, fix] = numbers(version)?;
    let letter =
        version.bytes().find(u8::is_ascii_alphabetic).map_or(0, |b| u32::from(b.to_ascii_lowercase() - b'a') + 1);
    Some([major, minor, fix, letter])
}

fn word(text: &str) -> &str {
    text.split_whitespace().next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEBIAN: &str = "nginx version: nginx/1.22.1\n\
        built with OpenSSL 3.0.8 7 Feb 2023 (running with OpenSSL 3.0.19 27 Jan 2026)\n\
        TLS SNI support enabled\nconfigure arguments: --with-http_ssl_module";

    fn names(names: &[&str]) -> Vec<Name> {
        names.iter().map(|name| Name::parse(name).unwrap()).collect()
    }

    fn settings_file(list: &[&str]) -> File {
        files(Init::Systemd, true, "/usr/sbin/stek", &names(list), Size::Aes256).remove(0)
    }

    #[test]
    fn what_is_written_is_known_again() {
        for init in [Init::Systemd, Init::Openrc, Init::UpdateRc, Init::Insserv, Init::Unknown] {
            for file in files(init, true, "/usr/local/sbin/stek", &names(&["a", "b"]), Size::Aes128) {
                assert!(PATHS.contains(&file.path), "{}", file.path);
                assert!(!file.content.contains(USUAL_PROGRAM), "{}", file.path);
                let content = file.content.as_bytes();
                assert_eq!(writer(content), Writer::Setup);
                assert_eq!(decide(&file, None), Deed::Write);
                assert_eq!(decide(&file, Some(Some(content))), Deed::Keep);
                assert_eq!(writer(&[content, b"more\n"].concat()), Writer::SetupAndOthers);
                assert_eq!(writer(&[b"more\n", content].concat()), Writer::SetupAndOthers);
                assert_eq!(writer(&content[..content.len() - 1]), Writer::SetupAndOthers);
                assert!(matches!(decide(&file, Some(None)), Deed::Refuse(_)));
            }
        }
        assert_eq!(writer(b""), Writer::Others);
        assert_eq!(writer(b"#!/bin/sh\n"), Writer::Others);
    }

    #[test]
    fn only_unchanged_files_of_an_older_version_are_replaced() {
        let [_, unit, ..] = &files(Init::Systemd, true, USUAL_PROGRAM, &names(&["a"]), Size::Aes256)[..] else {
            return;
        };
        assert_eq!(decide(unit, Some(Some(marked("older\n").as_bytes()))), Deed::Replace);
        for other in ["older\n".to_owned(), marked("older\n") + "\n", marked("older\n").replace("older", "elder")] {
            assert!(matches!(decide(unit, Some(Some(other.as_bytes()))), Deed::Refuse(_)), "{other}");
        }
    }

    #[test]
    fn settings_stay_if_they_name_the_same_key_sets() {
        let file = settings_file(&["a", "b"]);
        assert!(file.content.contains("\nSTEK_NAMES=\"a b\"\n"));
        assert_eq!(decide(&file, Some(Some(b"STEK_NAMES='b a'\nSTEK_PERIOD=1h\n"))), Deed::Keep);
        let others = settings_file(&["a"]).content;
        for other in ["", "STEK_NAMES=a", "STEK_NAMES=/", &others] {
            assert!(matches!(decide(&file, Some(Some(other.as_bytes()))), Deed::Refuse(_)), "{other}");
        }
        assert_eq!(read_settings(&file.content).unwrap().size, Size::Aes256);
        let small = files(Init::Systemd, true, USUAL_PROGRAM, &names(&["a"]), Size::Aes128).remove(0);
        assert_eq!(read_settings(&small.content).unwrap().size, Size::Aes128);
    }

    #[test]
    fn a_crontab_has_no_user() {
        let line = crontab_line("/usr/local/sbin/stek");
        assert!(line.starts_with("*/5 * * * * [ -x /usr/local/sbin/stek ] || exit 0; "), "{line}");
        assert!(!line.contains(USUAL_PROGRAM));
    }

    #[test]
    fn nginx_is_judged_by_its_version() {
        let judged = |said: &str| {
            let (check, size) = nginx(Some(said));
            (check.verdict, size.bytes())
        };
        let version =
            |version: &str| judged(&format!("nginx version: {version}\nconfigure arguments: --with-http_ssl_module"));
        assert_eq!(judged(DEBIAN), (Verdict::Ok, 80));
        assert_eq!(version("nginx/1.5.6"), (Verdict::Refused, 80));
        assert_eq!(version("nginx/1.5.7"), (Verdict::Ok, 48));
        assert_eq!(version("nginx/1.11.7"), (Verdict::Ok, 48));
        assert_eq!(version("nginx/1.11.8 (Ubuntu)"), (Verdict::Ok, 80));
        assert_eq!(version("openresty/1.21.4.1"), (Verdict::Ok, 80));
        assert_eq!(
            judged("Tengine version: Tengine/2.3.3\nnginx version: nginx/1.18.0\n_ssl_module"),
            (Verdict::Ok, 80)
        );
        assert_eq!(judged("nginx version: nginx/1.22.1\nconfigure arguments:"), (Verdict::Warning, 80));
        assert_eq!(judged("nonsense"), (Verdict::Warning, 80));
        assert_eq!(nginx(None).0.verdict, Verdict::Warning);
    }

    #[test]
    fn the_library_is_the_one_that_nginx_runs_with() {
        let said = |openssl| library(None, Some(openssl)).verdict;
        assert!(library(Some(DEBIAN), None).text.starts_with("the library OpenSSL 3.0.19, which nginx uses,"));
        assert_eq!(
            library(Some("built by gcc 4"), Some("OpenSSL 3.0.1 x")).text,
            "the library OpenSSL 3.0.1 has session tickets"
        );
        assert_eq!(said("OpenSSL 0.9.8e 23 Feb 2007"), Verdict::Refused);
        assert_eq!(said("OpenSSL 0.9.8f 11 Oct 2007"), Verdict::Ok);
        assert_eq!(said("OpenSSL 0.9.8 05 Jul 2005"), Verdict::Refused);
        assert_eq!(said("OpenSSL 1.0.2u  20 Dec 2019"), Verdict::Ok);
        assert_eq!(said("LibreSSL 0.1.0"), Verdict::Ok);
        assert_eq!(said(""), Verdict::Warning);
        assert_eq!(library(None, None).verdict, Verdict::Warning);
    }

    #[test]
    fn one_volatile_file_system_is_enough() {
        assert_eq!(file_systems("nodev\tsysfs\nnodev\ttmpfs\nnodev\tramfs\n\text4\n", true).verdict, Verdict::Ok);
        assert_eq!(file_systems("nodev\ttmpfs\n", true).verdict, Verdict::Warning);
        assert_eq!(file_systems("nodev\ttmpfs\n", false).verdict, Verdict::Ok);
        assert_eq!(file_systems("nodev\tdevtmpfs\n\text4\n", false).verdict, Verdict::Refused);
    }
}
