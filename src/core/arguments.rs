//! POSIX utility syntax on top of argh, which has no `--option=value`, `-n3`, `-qv`, `-h` or bytes that are not UTF-8.
//!
//! A command line is split into options, by a list of those that exist, and operands. The options go on to argh in the one
//! form that it knows; the operands stay as they were given.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use argh::{FlagInfo, FlagInfoKind, Optionality};

/// An option that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// With its two dashes: `--slots`.
    pub long: &'static str,
    /// Its letter, if it has one.
    pub short: Option<char>,
    /// Whether a value follows.
    pub takes_value: bool,
    /// Whether it may be given more than once; of any other one the last counts.
    pub repeats: bool,
}

impl From<&FlagInfo<'static>> for Known {
    fn from(flag: &FlagInfo<'static>) -> Self {
        Self {
            long: flag.long,
            short: flag.short,
            takes_value: matches!(flag.kind, FlagInfoKind::Option { .. }),
            repeats: flag.optionality == Optionality::Repeating,
        }
    }
}

/// A command line, split.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Split {
    /// The options in their long form with their values, in order; of a repeated one only the last, unless it repeats.
    pub options: Vec<(&'static str, Option<String>)>,
    /// Everything that is no option.
    pub operands: Vec<OsString>,
    /// `-h` or `--help` was there.
    pub help: bool,
}

impl Split {
    fn add(&mut self, known: Known, value: Option<String>) {
        self.options.retain(|(long, _)| known.repeats || *long != known.long);
        self.options.push((known.long, value));
    }

    /// The options among `accepted`, as argh takes them: `--slots`, `4`, `--verbose`.
    #[must_use]
    pub fn words(&self, accepted: &[&str]) -> Vec<&str> {
        let mine = self.options.iter().filter(|(long, _)| accepted.contains(long));
        mine.flat_map(|(long, value)| std::iter::once(*long).chain(value.as_deref())).collect()
    }
}

/// Splits a command line. With `operand_ends_options` the first operand makes everything after it an operand, as in a
/// utility that runs another one.
///
/// # Errors
/// An unknown option, a value that is missing or not wanted, or an option that is not UTF-8; in words for a person.
pub fn split(arguments: &[OsString], known: &[Known], operand_ends_options: bool) -> Result<Split, String> {
    let mut split = Split::default();
    let mut rest = arguments.iter();
    while let Some(argument) = rest.next() {
        let bytes = argument.as_bytes();
        if bytes == b"--" {
            split.operands.extend(rest.cloned());
            break;
        } else if bytes.starts_with(b"--") {
            long(&mut split, utf8(argument)?, &mut rest, known)?;
        } else if bytes.len() > 1 && bytes[0] == b'-' {
            letters(&mut split, utf8(argument)?, &mut rest, known)?;
        } else {
            split.operands.push(argument.clone());
            if operand_ends_options {
                split.operands.extend(rest.cloned());
                break;
            }
        }
    }
    Ok(split)
}

fn long<'a>(
    split: &mut Split,
    argument: &str,
    rest: &mut impl Iterator<Item = &'a OsString>,
    known: &[Known],
) -> Result<(), String> {
    let (name, value) = match argument.split_once('=') {
        Some((name, value)) => (name, Some(value.to_owned())),
        None => (argument, None),
    };
    if name == "--help" {
        split.help = true;
        return Ok(());
    }
    let option = known.iter().find(|option| option.long == name).ok_or_else(|| format!("unknown option '{name}'"))?;
    match (option.takes_value, value) {
        (false, Some(_)) => return Err(format!("option '{name}' takes no value")),
        (true, None) => {
            let value = rest.next().ok_or_else(|| format!("option '{name}' needs a value"))?;
            split.add(*option, Some(utf8(value)?.to_owned()));
        }
        (_, value) => split.add(*option, value),
    }
    Ok(())
}

fn letters<'a>(
    split: &mut Split,
    argument: &str,
    rest: &mut impl Iterator<Item = &'a OsString>,
    known: &[Known],
) -> Result<(), String> {
    for (at, letter) in argument.char_indices().skip(1) {
        if letter == 'h' {
            split.help = true;
            continue;
        }
        let option = known.iter().find(|option| option.short == Some(letter));
        let option = option.ok_or_else(|| format!("unknown option '-{letter}'"))?;
        if !option.takes_value {
            split.add(*option, None);
            continue;
        }
        let attached = &argument[at + letter.len_utf8()..];
        let value = if attached.is_empty() {
            let value = rest.next().ok_or_else(|| format!("option '-{letter}' needs a value"))?;
            utf8(value)?.to_owned()
        } else {
            attached.to_owned()
        };
        split.add(*option, Some(value));
        break;
    }
    Ok(())
}

/// An argument as text.
///
/// # Errors
/// It is not UTF-8; in words for a person.
pub fn utf8(argument: &OsStr) -> Result<&str, String> {
    argument
        .to_str()
        .ok_or_else(|| format!("argument '{}' is not valid UTF-8", argument.to_string_lossy().escape_debug()))
}

/// Bytes as an argument.
#[must_use]
pub fn argument(bytes: &[u8]) -> OsString {
    OsString::from_vec(bytes.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KNOWN: &[Known] = &[
        Known { long: "--slots", short: Some('n'), takes_value: true, repeats: false },
        Known { long: "--quiet", short: Some('q'), takes_value: false, repeats: false },
        Known { long: "--verbose", short: Some('v'), takes_value: false, repeats: false },
        Known { long: "--ignore", short: None, takes_value: true, repeats: true },
    ];

    fn of(words: &[&str], stop: bool) -> Result<Split, String> {
        let arguments: Vec<_> = words.iter().map(|word| argument(word.as_bytes())).collect();
        split(&arguments, KNOWN, stop)
    }

    fn three() -> Vec<(&'static str, Option<String>)> {
        vec![("--slots", Some("3".to_owned()))]
    }

    #[test]
    fn all_forms_of_an_option_mean_the_same() {
        for words in [&["-n3"][..], &["-n", "3"], &["--slots", "3"], &["--slots=3"], &["-n", "2", "-n3"]] {
            assert_eq!(of(words, false).unwrap().options, three(), "{words:?}");
        }
        let grouped = of(&["-qvn3"], false).unwrap();
        assert_eq!(
            grouped.options.iter().map(|(long, _)| *long).collect::<Vec<_>>(),
            ["--quiet", "--verbose", "--slots"]
        );
    }

    #[test]
    fn operands_may_stand_anywhere_or_end_the_options() {
        assert_eq!(of(&["a", "-n3", "b"], false).unwrap().operands, ["a", "b"]);
        assert_eq!(of(&["-q", "a", "-n3"], true).unwrap().operands, ["a", "-n3"]);
        assert_eq!(of(&["-q", "--", "-n3", "--"], false).unwrap().operands, ["-n3", "--"]);
        assert_eq!(of(&["-", "", "help"], false).unwrap().operands, ["-", "", "help"]);
    }

    #[test]
    fn an_option_that_repeats_keeps_every_value() {
        let options = of(&["--ignore", "a", "-q", "--ignore=b"], false).unwrap().options;
        let values: Vec<_> = options.iter().filter_map(|(_, value)| value.as_deref()).collect();
        assert_eq!(values, ["a", "b"]);
    }

    #[test]
    fn wrong_options_are_refused() {
        for words in
            [&["-x"][..], &["--quiet=1"], &["--slots"], &["-n"], &["--slot", "3"], &["-qx"], &["---"], &["--="]]
        {
            assert!(of(words, false).is_err(), "{words:?}");
        }
        assert!(of(&["--slots="], false).unwrap().options[0].1.as_deref() == Some(""));
        assert!(split(&[argument(b"--\xff")], KNOWN, false).is_err());
        assert_eq!(split(&[argument(b"\xff")], KNOWN, false).unwrap().operands.len(), 1);
    }

    #[test]
    fn help_is_an_option_and_not_an_operand() {
        assert!(of(&["-h"], false).unwrap().help);
        assert!(of(&["--help"], false).unwrap().help);
        assert!(of(&["-qh"], false).unwrap().help);
        assert!(!of(&["help"], false).unwrap().help);
    }

    proptest! {
        #[test]
        fn nothing_panics(words in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..6), 0..6), stop: bool) {
            let arguments: Vec<_> = words.iter().map(|word| argument(word)).collect();
            let _ = split(&arguments, KNOWN, stop);
        }
    }
}
