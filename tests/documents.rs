//! The documents that repeat the table of applets: the manual pages. What stands in them for the table is
//! written by `make documents`, and compared here; everything else in them is written by hand and left as it is.

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use argh::{ArgsInfo, FlagInfo, FlagInfoKind};
use stek::applet::{ALL, Applet};
use stek::core::settings::Shared;

/// Set by `make documents`: write instead of compare.
const WRITE: &str = "STEK_WRITE_DOCUMENTS";

fn path(document: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(document)
}

/// Compares a document with what it should be; or writes it.
fn hold(document: &str, wanted: impl FnOnce(&str) -> String) {
    let path = path(document);
    let found = fs::read_to_string(&path).unwrap_or_default();
    let wanted = wanted(&found);
    if found == wanted {
        return;
    }
    if std::env::var_os(WRITE).is_some() {
        fs::write(&path, wanted).unwrap();
        return;
    }
    let line = found.lines().zip(wanted.lines()).take_while(|(found, wanted)| found == wanted).count();
    panic!(
        "{document} and the table of applets differ from line {} on; found:\n{}\nwanted:\n{}\nrun: make documents",
        line + 1,
        found.lines().nth(line).unwrap_or_default(),
        wanted.lines().nth(line).unwrap_or_default()
    );
}

/// What an option is given, by the word that stands for it in the help: `FILE`.
fn value(flag: &FlagInfo<'static>) -> Option<&'static str> {
    match flag.kind {
        FlagInfoKind::Option { arg_name } => Some(arg_name),
        FlagInfoKind::Switch => None,
    }
}

// Manual pages.

/// A word of a synopsis as the argument of an mdoc macro: `[NAME]...` is `Oo Ar NAME Oc Ns ...`.
fn mdoc_operand(word: &str) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut rest = word;
    // Whether a blank would come before the next part that is not wanted.
    let mut close = false;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '.' => rest.len() - rest.trim_start_matches('.').len(),
            'A'..='Z' => rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_uppercase()).len(),
            'a'..='z' => rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_lowercase()).len(),
            '-' => rest.len() - rest.trim_start_matches(|c: char| c == '-' || c.is_ascii_lowercase()).len(),
            _ => 1,
        };
        let (part, after) = rest.split_at(length);
        if close && part != "]" {
            parts.push("Ns".to_owned());
        }
        parts.push(match first {
            '[' => "Oo".to_owned(),
            ']' => "Oc".to_owned(),
            'A'..='Z' => format!("Ar {part}"),
            'a'..='z' => format!("Cm {part}"),
            '-' => format!("Fl {}", &part[1..]),
            _ => part.to_owned(),
        });
        close = part != "[";
        rest = after;
    }
    parts.join(" ")
}

fn mdoc_synopsis(applet: &Applet) -> String {
    let synopsis = applet.synopsis();
    let mut words = synopsis.split(' ');
    let mut text = format!(".Nm stek {}\n", words.next().unwrap());
    let words: Vec<_> = words.map(mdoc_operand).collect();
    if words.contains(&"|".to_owned()) {
        let (option, operands) = words.split_first().unwrap();
        writeln!(text, ".{option}\n.{}", operands.join(" ")).unwrap();
    } else {
        words.iter().for_each(|word| writeln!(text, ".{word}").unwrap());
    }
    text
}

/// Text in lines of 80 columns.
fn mdoc_text(text: &str) -> String {
    let mut lines = String::new();
    let mut column = 0;
    for word in text.split_whitespace() {
        let word = word.replace('\\', "\\e");
        let dashes = word.len() - word.trim_start_matches('-').len();
        let word = format!("{}{}", "\\-".repeat(dashes), &word[dashes..]);
        if column + 1 + word.len() > 80 {
            lines.push('\n');
            column = 0;
        } else if column > 0 {
            lines.push(' ');
            column += 1;
        }
        if column == 0 && word.starts_with(['.', '\'']) {
            lines.push_str("\\&");
        }
        lines.push_str(&word);
        column += word.len();
    }
    lines + "\n"
}

/// The help text of an option as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).chain(['.']).collect())
}

/// The options as items of a list. What the list has of an item by hand, which is what follows its first paragraph, stays.
fn mdoc_options(flags: &[&'static FlagInfo<'static>], found: &str) -> String {
    let mut list = String::from(".Bl -tag -width Ds\n");
    for flag in flags {
        let long = flag.long.trim_start_matches('-');
        list.push_str(".It ");
        if let Some(letter) = flag.short {
            write!(list, "Fl {letter} , ").unwrap();
        }
        write!(list, "Fl -{long}").unwrap();
        if let Some(value) = value(flag) {
            write!(list, " Ar {value}").unwrap();
        }
        list.push('\n');
        list.push_str(&mdoc_text(&sentence(flag.description)));
        list.push_str(by_hand(found, long));
    }
    list + ".El\n"
}

/// What a list of options says about one after its first paragraph.
fn by_hand<'a>(list: &'a str, long: &str) -> &'a str {
    let head = format!("Fl -{long}");
    let is_head = |line: &str| {
        line.starts_with(".It ")
            && line.find(&head).is_some_and(|at| matches!(line.as_bytes().get(at + head.len()), None | Some(b' ')))
    };
    let mut at = 0;
    let mut begin = None;
    let mut inside = false;
    let mut depth = 0;
    for line in list.split_inclusive('\n') {
        match line.get(..3) {
            Some(".Bl") => depth += 1,
            Some(".El") => depth -= 1,
            _ => (),
        }
        if inside && (depth == 0 || (depth == 1 && line.starts_with(".It "))) {
            return begin.map_or("", |begin| &list[begin..at]);
        }
        inside |= is_head(line.trim_end());
        if inside && begin.is_none() && line == ".Pp\n" {
            begin = Some(at);
        }
        at += line.len();
    }
    ""
}

/// Where the text of a section is, by its heading line.
fn section(page: &str, heading: &str) -> std::ops::Range<usize> {
    let level = &heading[..4];
    let begin =
        page.find(&format!("{heading}\n")).unwrap_or_else(|| panic!("no section '{heading}'")) + heading.len() + 1;
    let rest = &page[begin..];
    let end = [".Sh ", level].into_iter().filter_map(|next| {
        if rest.starts_with(next) { Some(0) } else { rest.find(&format!("\n{next}")).map(|at| at + 1) }
    });
    begin..begin + end.min().unwrap_or(rest.len())
}

fn put(page: &mut String, heading: &str, text: &str) {
    page.replace_range(section(page, heading), text);
}

/// The page of an applet, with what the table says in it.
fn page(applet: &Applet, found: &str) -> String {
    let mut page = found.to_owned();
    put(&mut page, ".Sh NAME", &format!(".Nm stek-{}\n.Nd {}\n", applet.name, (applet.info)().description));
    put(&mut page, ".Sh SYNOPSIS", &mdoc_synopsis(applet));
    let flags = applet.flags();
    if !flags.is_empty() {
        let old = page[section(&page, ".Sh OPTIONS")].to_owned();
        let mut options = mdoc_options(&flags, &old);
        if !applet.shared.is_empty() {
            options.push_str(
                ".Pp\n.Xr stek 8\nsays more about the options that applets share, and which variables set them.\n",
            );
        }
        put(&mut page, ".Sh OPTIONS", &options);
    }
    page
}

#[test]
fn every_applet_has_a_page_that_says_what_its_help_says() {
    for applet in ALL {
        hold(&format!("man/stek-{}.8", applet.name), |found| page(applet, found));
    }
}

#[test]
fn the_overview_page_has_the_applets_and_the_shared_options() {
    hold("man/stek.8", |found| {
        let mut page = found.to_owned();
        let mut applets = String::from(".Bl -tag -width Ds\n");
        for applet in ALL {
            write!(applets, ".It Xr stek-{} 8\n{}", applet.name, mdoc_text(&sentence((applet.info)().description)))
                .unwrap();
        }
        put(&mut page, ".Sh APPLETS", &(applets + ".El\n"));
        let old = page[section(&page, ".Ss Shared options")].to_owned();
        let after = old.split_once("\n.El\n").map_or("", |(_, after)| after);
        let flags: Vec<_> = Shared::get_args_info().flags.iter().filter(|flag| flag.long != "--help").collect();
        put(&mut page, ".Ss Shared options", &(mdoc_options(&flags, &old) + after));
        page
    });
}
