//! The applets. One file is one applet; adding one is its file and one word in the table below.

use std::ffi::OsString;
use std::path::Path;

use argh::{ArgsInfo, CommandInfoWithArgs, EarlyExit, FlagInfo, FlagInfoKind, FromArgs};

use crate::core::arguments::{self, Known, Split};
use crate::core::name::Name;
use crate::core::settings::{self, Settings, Shared};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::directory::{Directory, KeySets};
use crate::sys::log::{self, Level};
use crate::sys::{process, streams};

macro_rules! applets {
    ($($name:ident)*) => {
        $(pub mod $name;)*
        /// All applets, sorted by name.
        pub const ALL: &[Applet] = &[$($name::APPLET),*];
    };
}

applets! { check genkey help identify install lint list lock mount probe reload rotate setup shift snippet umount }

/// One applet, as data.
pub struct Applet {
    /// What it is called by.
    pub name: &'static str,
    /// Its operands in the synopsis.
    pub operands: &'static str,
    /// The first operand ends the options, for an applet that runs another program.
    pub operand_ends_options: bool,
    /// Which of the options of [`Shared`] it takes, by long name.
    pub shared: &'static [&'static str],
    /// Its own options, and in the description what it does.
    pub info: fn() -> CommandInfoWithArgs,
    /// Does it.
    pub run: fn(&Call) -> Outcome<Exit>,
}

/// The shared options of every applet that makes or moves keys.
pub const KEY_OPTIONS: &[&str] = &["--dir", "--period", "--slots", "--size", "--group", "--allow-disk", "--verbose"];

impl Applet {
    /// Finds an applet by its exact name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|applet| applet.name == name)
    }

    /// All options it takes: its own, then the shared ones.
    #[must_use]
    pub fn flags(&self) -> Vec<&'static FlagInfo<'static>> {
        let shared = Shared::get_args_info().flags.iter().filter(|flag| self.shared.contains(&flag.long));
        (self.info)().flags.iter().chain(shared).filter(|flag| flag.long != "--help").collect()
    }

    /// The synopsis, without the program's name: `shift [OPTION]... [NAME]...`.
    #[must_use]
    pub fn synopsis(&self) -> String {
        let options = if self.flags().is_empty() { "" } else { " [OPTION]..." };
        format!("{}{options} {}", self.name, self.operands).trim_end().to_owned()
    }

    /// What a failed run exits with. `check` alone has the codes of monitoring plugins: whatever keeps it from looking is
    /// "unknown".
    #[must_use]
    pub fn exit_of(&self, failure: &Failure) -> Exit {
        if self.name == check::APPLET.name { Exit::Unknown } else { failure.exit }
    }

    /// The help text: synopsis, what it does, its options.
    #[must_use]
    pub fn help(&self) -> String {
        let mut text = format!("usage: stek {}\n\n{}\n", self.synopsis(), wrapped((self.info)().description, 0));
        let flags = self.flags();
        if !flags.is_empty() {
            text.push_str("\noptions:\n");
        }
        for flag in flags {
            let letter = flag.short.map_or_else(|| "    ".to_owned(), |letter| format!("-{letter}, "));
            let value = match flag.kind {
                FlagInfoKind::Option { arg_name } => format!(" {arg_name}"),
                FlagInfoKind::Switch => String::new(),
            };
            let left = format!("  {letter}{}{value}", flag.long);
            let gap = if left.len() < HELP_COLUMN - 1 {
                " ".repeat(HELP_COLUMN - left.len())
            } else {
                format!("\n{}", " ".repeat(HELP_COLUMN))
            };
            text.push_str(&format!("{left}{gap}{}\n", wrapped(flag.description, HELP_COLUMN)));
        }
        text
    }
}

/// The long names of the options of one struct.
fn own_flags(info: &CommandInfoWithArgs) -> Vec<&'static str> {
    info.flags.iter().map(|flag| flag.long).collect()
}

const HELP_COLUMN: usize = 24;

/// Breaks text into lines of 80 columns, each but the first indented.
fn wrapped(text: &str, indent: usize) -> String {
    let mut lines = String::new();
    let mut column = indent;
    for word in text.split_whitespace() {
        if column > indent && column + 1 + word.len() > 79 {
            lines.push('\n');
            lines.push_str(&" ".repeat(indent));
            column = indent;
        } else if column > indent {
            lines.push(' ');
            column += 1;
        }
        lines.push_str(word);
        column += word.len();
    }
    lines
}

/// One call of an applet.
pub struct Call {
    /// Which.
    pub applet: &'static Applet,
    /// Its command line.
    pub split: Split,
}

impl Call {
    /// Splits a command line for an applet.
    pub fn new(applet: &'static Applet, arguments: &[OsString]) -> Outcome<Self> {
        let known: Vec<Known> = applet.flags().into_iter().map(Known::from).collect();
        let split = arguments::split(arguments, &known, applet.operand_ends_options)
            .map_err(|wrong| usage(applet.name, wrong))?;
        Ok(Self { applet, split })
    }

    /// The applet's own options.
    pub fn options<T: FromArgs>(&self) -> Outcome<T> {
        self.options_among(&own_flags(&(self.applet.info)()))
    }

    fn options_among<T: FromArgs>(&self, accepted: &[&str]) -> Outcome<T> {
        T::from_args(&[self.applet.name], &self.split.words(accepted)).map_err(|exit| self.wrong_options(&exit))
    }

    fn wrong_options(&self, exit: &EarlyExit) -> Failure {
        self.usage(exit.output.trim().replace('\n', " "))
    }

    /// The settings from the shared options, the environment and the settings file.
    pub fn settings(&self) -> Outcome<Settings> {
        let path = process::variable(settings::FILE.1).map_err(|wrong| self.usage(wrong))?;
        let path = path.unwrap_or_else(|| settings::FILE.0.to_owned());
        let file = || {
            let bytes = std::fs::read(&path).unwrap_or_default();
            (path.clone(), String::from_utf8_lossy(&bytes).into_owned())
        };
        let takes = |variable: &str| self.takes(variable);
        let settings = Settings::resolve(self.options_among(self.applet.shared)?, &takes, &process::variable, &file)
            .map_err(|wrong| self.usage(wrong))?;
        if settings.syslog && self.applet.shared.contains(&"--syslog") {
            log::open();
        }
        Ok(settings)
    }

    /// Whether the applet asks for the setting that a variable holds: the option of that name, or NAMEs.
    fn takes(&self, variable: &str) -> bool {
        let option = variable.strip_prefix("STEK_").unwrap_or(variable).to_ascii_lowercase();
        match option.as_str() {
            "names" => self.applet.operands.contains("[NAME]"),
            _ => self.applet.shared.iter().any(|long| long.strip_prefix("--") == Some(&option)),
        }
    }

    /// A failure for wrong usage, with the hint where to read on.
    pub fn usage(&self, message: impl Into<String>) -> Failure {
        usage(self.applet.name, message)
    }

    /// The operands as text.
    pub fn operands(&self) -> Outcome<Vec<&str>> {
        let operands = self.split.operands.iter().map(|operand| arguments::utf8(operand));
        operands.collect::<Result<_, _>>().map_err(|wrong| self.usage(wrong))
    }

    /// Refuses operands, for an applet that takes none.
    pub fn no_operands(&self) -> Outcome {
        match self.operands()?.first() {
            Some(operand) => Err(self.usage(format!("unexpected operand '{}'", operand.escape_debug()))),
            None => Ok(()),
        }
    }

    /// The NAMEs that the operands are.
    pub fn names(&self) -> Outcome<Vec<Name>> {
        let name = |operand: &str| {
            Name::parse(operand).map_err(|wrong| self.usage(format!("'{}': {wrong}", operand.escape_debug())))
        };
        let mut names = self.operands()?.into_iter().map(name).collect::<Outcome<Vec<_>>>()?;
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The NAMEs to work on: the operands, else those of `$STEK_NAMES`, else those found in the directory.
    #[must_use]
    pub fn chosen_names(&self, operands: Vec<Name>, settings: &Settings, sets: &KeySets) -> Vec<Name> {
        if !operands.is_empty() {
            operands
        } else if settings.names.is_empty() {
            sets.names()
        } else {
            settings.names.clone()
        }
    }

    /// Opens the keys directory.
    pub fn directory(&self, settings: &Settings) -> Outcome<Directory> {
        Directory::open(Path::new(&settings.directory), settings.allow_disk)
    }

    /// Says what goes on, with -v.
    pub fn tell(&self, settings: &Settings, message: impl std::fmt::Display) {
        if settings.verbose {
            streams::write_error(&format!("stek {}: {message}", self.applet.name));
        }
    }

    /// Says what was done: to syslog if it was asked for, and with -v.
    pub fn done(&self, settings: &Settings, message: impl std::fmt::Display) {
        log::write(Level::Notice, &format!("{}: {message}", self.applet.name));
        self.tell(settings, message);
    }

    /// Warns.
    pub fn warn(&self, message: impl std::fmt::Display) {
        log::write(Level::Warning, &format!("{}: {message}", self.applet.name));
        streams::write_error(&format!("stek {}: warning: {message}", self.applet.name));
    }

    /// Reports a failure, with its hint.
    pub fn report(&self, failure: &Failure) {
        report(&format!("stek {}", self.applet.name), failure);
    }
}

/// Writes a failure to standard error, and to syslog if it was asked for.
pub fn report(prefix: &str, failure: &Failure) {
    log::write(Level::Error, &format!("{}: {}", prefix.trim_start_matches("stek "), failure.message));
    let hint = failure.hint.as_ref().map(|hint| format!("hint: {hint}"));
    for line in failure.message.lines().chain(hint.as_deref()) {
        streams::write_error(&format!("{prefix}: {line}"));
    }
}

fn usage(applet: &str, message: impl Into<String>) -> Failure {
    Failure::usage(message).hint(format!("see 'stek help {applet}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_each_applet_describes_itself() {
        assert!(ALL.is_sorted_by(|a, b| a.name < b.name));
        for applet in ALL {
            assert!(!(applet.info)().description.is_empty());
            assert!(applet.shared.iter().all(|long| Shared::get_args_info().flags.iter().any(|f| f.long == *long)));
            let flags = applet.flags();
            for (at, flag) in flags.iter().enumerate() {
                let same = |other: &&FlagInfo<'_>| {
                    other.long == flag.long || (flag.short.is_some() && other.short == flag.short)
                };
                assert!(!flags[..at].iter().any(same), "{} {}", applet.name, flag.long);
                assert_ne!(flag.short, Some('h'));
            }
        }
    }

    #[test]
    fn help_fits_a_terminal() {
        for applet in ALL {
            for line in applet.help().lines() {
                assert!(line.len() <= 80, "{line}");
            }
        }
    }
}
