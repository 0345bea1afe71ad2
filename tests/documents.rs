//! The documents that repeat the table of applets: the manual pages and the completions. What stands in them for the table is
//! written by `make documents`, and compared here; everything else in them is written by hand and left as it is.

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use argh::{ArgsInfo, FlagInfo, FlagInfoKind};
use stek::applet::{ALL, Applet};
use stek::core::settings::Shared;
use stek::server;

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

// Completions.

/// Replaces what stands between the two lines that mark the table in a completion.
fn put_table(found: &str, table: &str) -> String {
    const BEGIN: &str = "\n# The table of applets, written by 'make documents':\n";
    const END: &str = "# End of the table.\n";
    let begin = found.find(BEGIN).expect("a line where the table begins") + BEGIN.len();
    let end = found.find(END).expect("a line where the table ends");
    format!("{}{table}{}", &found[..begin], &found[end..])
}

/// What to complete where an option wants a value. A NAME there is a server's on the network, not that of a key set.
fn kind(value: &'static str) -> &'static str {
    match value {
        "NAME" | "ADDRESS" => "HOST",
        "ID,..." => "ID",
        other => other,
    }
}

/// What to complete for operands, one after the other; the last may have dots, and then stands for all that follow.
fn operands(applet: &Applet) -> Vec<String> {
    let words = applet.operands.split(" | ").next().unwrap().split_whitespace();
    // HOST[:PORT]: the port is not completed.
    let words = words.map(|word| {
        let host = word.split_once("[:").map_or(word, |(host, _)| host);
        host.replace(['[', ']'], "")
    });
    words.collect()
}

/// In single quotes, for bash and zsh.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

fn names() -> String {
    ALL.iter().map(|applet| applet.name).collect::<Vec<_>>().join(" ")
}

fn servers() -> String {
    server::ALL.iter().map(|server| server.name).collect::<Vec<_>>().join(" ")
}

#[test]
fn bash_completes_what_is_in_the_table() {
    let mut table = format!("_stek_applets='{}'\n_stek_servers='{}'\n", names(), servers());
    table.push_str("# Options as -l,--long=VALUE; operands as in the synopsis\n_stek_table() {\n    case $1 in\n");
    for applet in ALL {
        let options = applet.flags().into_iter().map(|flag| {
            let letter = flag.short.map_or_else(String::new, |letter| format!("-{letter},"));
            let value = value(flag).map_or_else(String::new, |value| format!("={}", kind(value)));
            format!("'{letter}{}{value}'", flag.long)
        });
        let options = options.collect::<Vec<_>>().join(" ");
        writeln!(
            table,
            "    {})\n        options=({options})\n        operands=({})\n        ;;",
            applet.name,
            operands(applet).join(" ")
        )
        .unwrap();
    }
    table.push_str("    esac\n}\n");
    hold("contrib/completions/stek.bash", |found| put_table(found, &table));
}

#[test]
fn zsh_completes_what_is_in_the_table() {
    let described = |applet: &Applet| quoted(&format!("{}:{}", applet.name, (applet.info)().description));
    let described = ALL.iter().map(described).collect::<Vec<_>>().join("\n    ");
    let mut table = format!(
        "typeset -ga _stek_described=(\n    {described}\n) _stek_servers=({})\n_stek_table() {{\n    case $1 in\n",
        servers()
    );
    for applet in ALL {
        write!(table, "    ({})\n        _arguments -s -S :", applet.name).unwrap();
        for flag in applet.flags() {
            let text = flag.description.replace('\\', "\\\\").replace('[', "\\[").replace(']', "\\]");
            let mut rest = format!("[{text}]");
            if let Some(value) = value(flag) {
                write!(rest, ":{}:_stek_word {}", value.replace('|', " or "), kind(value).replace('|', ",")).unwrap();
            }
            let (plus, equals) = if value(flag).is_some() { ("+", "=") } else { ("", "") };
            let repeats = flag.optionality == argh::Optionality::Repeating;
            let star = if repeats { "*" } else { "" };
            let option = match flag.short {
                Some(letter) if repeats => format!("'*'{{-{letter}{plus},{}{equals}}}", flag.long),
                Some(letter) => format!("'(-{letter} {})'{{-{letter}{plus},{}{equals}}}", flag.long, flag.long),
                None => String::new(),
            };
            let rest = if option.is_empty() { format!("{star}{}{equals}{rest}", flag.long) } else { rest };
            write!(table, " \\\n            {option}{}", quoted(&rest)).unwrap();
        }
        table.push_str(" \\\n            '(- *)'{-h,--help}'[show the help]'");
        for (at, operand) in operands(applet).iter().enumerate() {
            let spec = match operand.strip_suffix("...") {
                _ if operand == "PROGRAM" => "(-)1:PROGRAM:_command_names -e".to_owned(),
                Some("ARGUMENT") => "*::ARGUMENT:_normal".to_owned(),
                Some(word) => format!("*:{word}:_stek_word {word}"),
                None => format!("{}:{operand}:_stek_word {operand}", at + 1),
            };
            write!(table, " \\\n            {}", quoted(&spec)).unwrap();
        }
        table.push_str("\n        ;;\n");
    }
    table.push_str("    esac\n}\n");
    hold("contrib/completions/_stek", |found| put_table(found, &table));
}

#[test]
fn fish_completes_what_is_in_the_table() {
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    let mut table = String::new();
    for applet in ALL {
        let name = applet.name;
        writeln!(table, "complete -c stek -n __stek_needs_applet -a {name} -d {}", quoted((applet.info)().description))
            .unwrap();
    }
    for applet in ALL {
        let name = applet.name;
        let complete = format!("complete -c stek -c stek-{name}");
        writeln!(table, "complete -c stek-{name} -f").unwrap();
        let mut valued = String::new();
        for flag in applet.flags() {
            let letter = flag.short.map_or_else(String::new, |letter| format!(" -s {letter}"));
            let long = flag.long.trim_start_matches('-');
            let value = value(flag).map(kind);
            if value.is_some() {
                let letter = flag.short.map_or_else(String::new, |letter| format!(" -{letter}"));
                write!(valued, "{letter} --{long}").unwrap();
            }
            let value = value.map_or_else(String::new, |value| format!(" -r{}", fish_word(value)));
            writeln!(
                table,
                "{complete} -n '__stek_is {name}'{letter} -l {long}{value} -d {}",
                quoted(flag.description)
            )
            .unwrap();
        }
        writeln!(table, "{complete} -n '__stek_is {name}' -s h -l help -d 'show the help'").unwrap();
        let operands = operands(applet);
        for (at, operand) in operands.iter().enumerate() {
            let word = operand.strip_suffix("...");
            let place = match word {
                _ if operand == "PROGRAM" => String::new(),
                Some("ARGUMENT") => continue,
                Some(_) if at == 0 => String::new(),
                Some(_) => format!("; and not __stek_at {}{valued}", at - 1),
                None => format!("; and __stek_at {at}{valued}"),
            };
            let word = match word.unwrap_or(operand) {
                "PROGRAM" => format!(" -x -a '(__stek_program{valued})'"),
                word => fish_word(word),
            };
            writeln!(table, "{complete} -n '__stek_is {name}{place}'{word}").unwrap();
        }
    }
    hold("contrib/completions/stek.fish", |found| put_table(found, &table));
}

/// The options of fish's complete for a value or operand.
fn fish_word(word: &str) -> String {
    let list = match word {
        "FILE" => return " -F".to_owned(),
        "DIR" => "(__fish_complete_directories)".to_owned(),
        "NAME" => "(__stek_names)".to_owned(),
        "SERVER" => servers(),
        "APPLET" => names(),
        "GROUP" => "(__fish_complete_groups)".to_owned(),
        "OWNER" => "(__fish_complete_users)".to_owned(),
        "HOST" => "(__fish_print_hostnames)".to_owned(),
        word if word.starts_with(|c: char| !c.is_ascii_uppercase()) => word.replace('|', " "),
        _ => return " -x".to_owned(),
    };
    format!(" -x -a '{list}'")
}
