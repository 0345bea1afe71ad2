//! The settings that applets share: an option beats the environment, the environment beats the settings file, the file
//! beats the default.

use argh::{ArgsInfo, FromArgs};

use super::duration::Period;
use super::key::Size;
use super::name::{LAST_SLOT, Name};

/// options that applets share
#[allow(clippy::doc_markdown)] // the comments are also the help text
#[derive(ArgsInfo, FromArgs, Debug, Default)]
pub struct Shared {
    /// the keys directory ($STEK_DIR, default /run/stek)
    #[argh(option, short = 'd', arg_name = "DIR")]
    pub dir: Option<String>,
    /// how long a key encrypts: 12h, 30m, 1d or seconds ($STEK_PERIOD, default 12h)
    #[argh(option, short = 'p', arg_name = "PERIOD")]
    pub period: Option<String>,
    /// encrypting and previous slots together ($STEK_SLOTS, default 3); next is one more
    #[argh(option, short = 'n', arg_name = "NUMBER")]
    pub slots: Option<String>,
    /// size of new keys: 80 (AES-256) or 48 (AES-128) bytes ($STEK_SIZE, default 80)
    #[argh(option, short = 's', arg_name = "48|80")]
    pub size: Option<String>,
    /// the group that may read the keys, by name or number ($STEK_GROUP, default none)
    #[argh(option, short = 'g', arg_name = "GROUP")]
    pub group: Option<String>,
    /// let keys lie on a file system that is not tmpfs or ramfs
    #[argh(switch)]
    pub allow_disk: bool,
    /// tell syslog what was done and what failed ($STEK_SYSLOG: 1)
    #[argh(switch)]
    pub syslog: bool,
    /// say on standard error what is done
    #[argh(switch, short = 'v')]
    pub verbose: bool,
}

/// The default keys directory.
pub const DIRECTORY: &str = "/run/stek";
/// The settings file, and the variable that names another one.
pub const FILE: (&str, &str) = ("/etc/default/stek", "STEK_DEFAULT_FILE");

/// What holds for this run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The keys directory.
    pub directory: String,
    /// How long a key encrypts.
    pub period: Period,
    /// Encrypting and previous slots; the next slot is one more.
    pub slots: usize,
    /// The size of new keys.
    pub size: Size,
    /// Who may read the keys besides the owner: a group's name or number.
    pub group: Option<String>,
    /// Whether keys may lie on a disk (K1).
    pub allow_disk: bool,
    /// Whether syslog is told what was done and what failed.
    pub syslog: bool,
    /// Whether to say what is done.
    pub verbose: bool,
    /// The NAMEs of `$STEK_NAMES`, sorted, each once.
    pub names: Vec<Name>,
}

impl Settings {
    /// The shortest useful number of slots: one that encrypts and one for tickets given out before.
    pub const FEWEST_SLOTS: usize = 2;

    /// How long a ticket is sure to be accepted, in seconds: the time from a key's last ticket to its destruction.
    #[must_use]
    pub fn window(&self) -> i64 {
        let previous = i64::try_from(self.slots).unwrap_or(i64::MAX).saturating_sub(1);
        self.period.start(1).saturating_mul(previous)
    }

    /// Combines options, environment and the text of the settings file.
    ///
    /// The file counts only where the keys directory is the host's: a directory of one's own, by option or environment,
    /// is not what the file speaks about. `takes` says of a variable whether the applet asks for it, so that a mistake in
    /// one setting stops nobody who has no use for it. `file` gives the settings file's path and text.
    ///
    /// # Errors
    /// A value that is none, in words for a person.
    pub fn resolve(
        options: Shared,
        takes: &dyn Fn(&str) -> bool,
        environment: &dyn Fn(&str) -> Result<Option<String>, String>,
        file: &dyn Fn() -> (String, String),
    ) -> Result<Self, String> {
        let Shared { dir, period, slots, size, group, allow_disk, syslog, verbose } = options;
        let environment = |variable: &str| {
            let value = environment(variable)?.map(|value| without_comment(&value).to_owned());
            Ok::<_, String>(value.filter(|value| !value.is_empty()))
        };
        let own_directory = dir.is_some() || environment("STEK_DIR")?.is_some();
        let (path, text) = if own_directory { Default::default() } else { file() };
        let value = |option: Option<String>, variable: &'static str| -> Result<Option<(String, String)>, String> {
            if let Some(value) = option {
                return Ok(Some((value, String::new())));
            }
            if !takes(variable) {
                return Ok(None);
            }
            if let Some(value) = environment(variable)? {
                return Ok(Some((value, format!("${variable}: "))));
            }
            let found = from_file(&text, variable).map_err(|wrong| format!("{path}: {wrong}"))?;
            Ok(found.map(|value| (value, format!("{path}: {variable}: "))))
        };
        let read = |option, variable, default: &str| -> Result<(String, String), String> {
            Ok(value(option, variable)?.unwrap_or_else(|| (default.to_owned(), String::new())))
        };

        let (directory, origin) = read(dir, "STEK_DIR", DIRECTORY)?;
        if directory.is_empty() {
            return Err("the keys directory must not be empty".to_owned());
        }
        // By an option somebody means the directory that he is in; init, cron and he are each in another one.
        if !origin.is_empty() && !directory.starts_with('/') {
            return Err(format!("{origin}'{}' does not begin with a slash", directory.escape_debug()));
        }
        let period = match value(period, "STEK_PERIOD")? {
            Some((text, origin)) => Period::parse(&text).map_err(|wrong| format!("{origin}{wrong}"))?,
            None => Period::DEFAULT,
        };
        let (slots, origin) = read(slots, "STEK_SLOTS", "3")?;
        let slots = slots
            .parse()
            .ok()
            .filter(|_| slots.bytes().all(|b| b.is_ascii_digit()))
            .filter(|number| (Self::FEWEST_SLOTS..=LAST_SLOT).contains(number))
            .ok_or_else(|| format!("{origin}'{slots}' slots: it takes {} to {LAST_SLOT}", Self::FEWEST_SLOTS))?;
        let (size, origin) = read(size, "STEK_SIZE", "80")?;
        let size = size
            .parse()
            .ok()
            .and_then(Size::of)
            .ok_or_else(|| format!("{origin}'{size}' is no key size: 80 and 48 bytes are"))?;
        let syslog = match value(None, "STEK_SYSLOG")? {
            Some((text, origin)) => match text.as_str() {
                "1" => true,
                "0" => syslog,
                _ => return Err(format!("{origin}'{text}' is neither 1 nor 0")),
            },
            None => syslog,
        };
        let names = value(None, "STEK_NAMES")?.unwrap_or_default();
        let names = names
            .0
            .split_whitespace()
            .map(|name| Name::parse(name).map_err(|wrong| format!("{}'{}': {wrong}", names.1, name.escape_debug())));
        let mut names = names.collect::<Result<Vec<_>, _>>()?;
        names.sort();
        names.dedup();
        Ok(Self {
            directory,
            period,
            slots,
            size,
            group: value(group, "STEK_GROUP")?.map(|(group, _)| group).filter(|group| !group.is_empty()),
            allow_disk,
            syslog,
            verbose,
            names,
        })
    }
}

/// A value without a comment behind it, which systemd's `EnvironmentFile` takes for a part of it. No setting holds one.
fn without_comment(value: &str) -> &str {
    value
        .match_indices('#')
        .map(|(at, _)| &value[..at])
        .find(|before| before.ends_with([' ', '\t']))
        .map_or(value, str::trim_end)
}

/// Finds the last `VARIABLE=value` line of a settings file, which is a piece of shell: quotes and `export` are
/// understood, lines that are no assignment passed over.
fn from_file(text: &str, variable: &str) -> Result<Option<String>, String> {
    let mut found = None;
    for line in text.lines() {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        let Some(value) = line.strip_prefix(variable).and_then(|rest| rest.strip_prefix('=')) else { continue };
        let value = match value.chars().next() {
            Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).map(|(inside, _)| inside),
            _ => value.split_whitespace().next().or(Some("")),
        };
        let value = value.filter(|value| !value.contains(['$', '`', '\\']));
        found = Some(value.ok_or_else(|| format!("{variable} is not a plain value"))?.to_owned());
    }
    Ok(found.filter(|value| !value.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(options: Shared, environment: &[(&str, &str)], file: &str) -> Result<Settings, String> {
        let variable = |wanted: &str| {
            Ok(environment.iter().find(|(name, _)| *name == wanted).map(|(_, value)| (*value).to_owned()))
        };
        Settings::resolve(options, &|_| true, &variable, &|| (FILE.0.to_owned(), file.to_owned()))
    }

    #[test]
    fn nothing_given_means_the_defaults() {
        let settings = with(Shared::default(), &[], "# STEK_SLOTS=9\n").unwrap();
        assert_eq!((settings.directory.as_str(), settings.slots, settings.size.bytes()), ("/run/stek", 3, 80));
        assert_eq!(settings.period, Period::DEFAULT);
    }

    #[test]
    fn an_option_beats_the_environment_beats_the_file() {
        let file = "STEK_SLOTS=5\nSTEK_PERIOD='6h'\nexport STEK_NAMES=\"a b\"\nsleep 1\nSTEK_SIZE=48 # small";
        let option = Shared { slots: Some("7".to_owned()), ..Shared::default() };
        let settings = with(option, &[("STEK_PERIOD", "1h"), ("STEK_SIZE", "")], file).unwrap();
        assert_eq!((settings.slots, settings.size.bytes()), (7, 48));
        assert_eq!(settings.period.start(1), 3600);
        assert_eq!(settings.names.iter().map(Name::as_str).collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_comment_behind_a_value_is_none_of_it() {
        let environment = [("STEK_NAMES", "a b # main"), ("STEK_SLOTS", "4\t# more"), ("STEK_DIR", "/run/#x #y")];
        let settings = with(Shared::default(), &environment, "").unwrap();
        assert_eq!((settings.slots, settings.names.len(), settings.directory.as_str()), (4, 2, "/run/#x"));
    }

    #[test]
    fn syslog_is_told_when_asked() {
        for (option, value, told) in [(false, "", false), (false, "1", true), (false, "0", false), (true, "0", true)] {
            let options = Shared { syslog: option, ..Shared::default() };
            assert_eq!(with(options, &[("STEK_SYSLOG", value)], "").unwrap().syslog, told, "{option} {value}");
        }
        assert!(with(Shared::default(), &[], "STEK_SYSLOG=1").unwrap().syslog);
    }

    #[test]
    fn the_file_does_not_speak_about_a_directory_of_ones_own() {
        let settings = with(Shared::default(), &[("STEK_DIR", "/tmp/x")], "STEK_SLOTS=5").unwrap();
        assert_eq!(settings.slots, 3);
    }

    #[test]
    fn wrong_values_are_named_with_their_origin() {
        for (name, value) in [
            ("STEK_SLOTS", "1"),
            ("STEK_SLOTS", "101"),
            ("STEK_SIZE", "64"),
            ("STEK_PERIOD", "0"),
            ("STEK_NAMES", "a/b"),
            ("STEK_SYSLOG", "yes"),
        ] {
            let wrong = with(Shared::default(), &[(name, value)], "").unwrap_err();
            assert!(wrong.starts_with(&format!("${name}: ")), "{wrong}");
        }
        let relative = with(Shared::default(), &[("STEK_DIR", "keys")], "").unwrap_err();
        assert_eq!(relative, "$STEK_DIR: 'keys' does not begin with a slash");
        let relative = with(Shared::default(), &[], "STEK_DIR=./keys").unwrap_err();
        assert_eq!(relative, "/etc/default/stek: STEK_DIR: './keys' does not begin with a slash");
        let option = Shared { dir: Some("keys".to_owned()), ..Shared::default() };
        assert_eq!(with(option, &[("STEK_DIR", "./x")], "").unwrap().directory, "keys");
        assert!(with(Shared::default(), &[], "STEK_DIR=$HOME/x").unwrap_err().contains("/etc/default/stek"));
        assert!(with(Shared::default(), &[], "STEK_NAMES=\"a").is_err());
    }

    #[test]
    fn a_mistake_in_a_setting_stops_nobody_who_has_no_use_for_it() {
        let wrong = |_: &str| Ok(Some("/x/y".to_owned()));
        let file = || (String::new(), String::new());
        let directory_only = |variable: &str| variable == "STEK_DIR";
        assert!(Settings::resolve(Shared::default(), &directory_only, &wrong, &file).is_ok());
        assert!(Settings::resolve(Shared::default(), &|_| true, &wrong, &file).is_err());
    }
}
