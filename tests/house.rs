//! The rules of the house that a compiler does not know, held by reading the source.

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Every file below a folder of the repository whose name ends so.
fn below(folder: &str, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().unwrap().ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    assert!(!found.is_empty(), "no files in {folder}");
    found
}

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A source file in two: the program, and its tests, which come last.
fn halves(path: &Path) -> (String, String) {
    let text = text(path);
    match text.find("\n#[cfg(test)]\nmod tests {") {
        Some(at) => (text[..at].to_owned(), text[at..].to_owned()),
        None => (text, String::new()),
    }
}

/// A line without its comment.
fn code(line: &str) -> &str {
    line.split_once("//").map_or(line, |(code, _)| code)
}

/// Whether `word` is in a line and is no part of a longer one.
fn has_word(line: &str, word: &str) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    line.match_indices(word)
        .any(|(at, _)| !part(line[..at].chars().next_back()) && !part(line[at + word.len()..].chars().next()))
}

/// The lines of code, tests left out, that break a rule.
fn offences(folder: &str, breaks: impl Fn(&Path, &str) -> bool) -> Vec<String> {
    let mut found = Vec::new();
    for path in below(folder, ".rs") {
        let (program, _) = halves(&path);
        let lines = program.lines().enumerate().filter(|(_, line)| breaks(&path, code(line)));
        found.extend(lines.map(|(number, line)| format!("{}:{}: {}", path.display(), number + 1, line.trim())));
    }
    found
}

#[test]
fn the_core_knows_no_files_no_clock_and_no_environment() {
    let effects =
        ["std::fs", "std::env", "std::net", "std::process", "SystemTime", "Instant", "nix", "libc", "crate::sys"];
    let found = offences("src/core", |_, line| effects.iter().any(|effect| has_word(line, effect)));
    assert_eq!(found, [""; 0]);
}

#[test]
fn unsafe_code_is_in_sys_only() {
    let sys = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sys");
    let found = offences("src", |path, line| has_word(line, "unsafe") && !path.starts_with(&sys));
    assert_eq!(found, [""; 0]);
}

#[test]
fn what_systems_do_not_have_in_common_is_behind_one_door() {
    let sys = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/sys");
    let behind = ["linux", "portable", "mod.rs"].map(|part| sys.join(part));
    let words = ["target_os", "target_family", "target_env", "stek_portable", "syscall", "pidfd", "prctl", "adjtimex"];
    let found = offences("src", |path, line| {
        let names_a_system = words.iter().any(|word| line.contains(word)) || line.contains("\"/proc");
        names_a_system && !behind.iter().any(|part| path.starts_with(part))
    });
    assert_eq!(found, [""; 0]);
    let outside = offences("src", |path, line| line.contains("cfg(target_") && !path.starts_with(&sys));
    assert_eq!(outside, [""; 0]);
}

#[test]
fn both_sides_of_the_door_have_the_same_files() {
    let files = |folder: &str| -> BTreeSet<String> {
        let name = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().to_owned();
        below(folder, ".rs").iter().map(name).collect()
    };
    assert_eq!(files("src/sys/linux"), files("src/sys/portable"));
}

#[test]
fn nothing_prints_exits_or_panics_by_itself() {
    let forbidden =
        ["println!", "eprintln!", "print!", "eprint!", "dbg!", "panic!", "todo!", "unimplemented!", "unreachable!"];
    let calls = ["process::exit", "process::abort", ".unwrap()", ".expect("];
    let found = offences("src", |_, line| {
        // In a constant the compiler finds out.
        let constant = line.trim_start().trim_start_matches("pub ").starts_with("const ");
        !constant && (forbidden.iter().any(|word| has_word(line, word)) || calls.iter().any(|call| line.contains(call)))
    });
    assert_eq!(found, [""; 0]);
}

#[test]
fn every_guarantee_is_cited_where_it_is_implemented_and_where_it_is_proven() {
    let sources = below("src", ".rs");
    let program: String = sources.iter().map(|path| halves(path).0).collect();
    let own_name = Path::new(file!()).file_name().unwrap();
    let proofs = below("tests", "").into_iter().filter(|path| path.file_name() != Some(own_name));
    let proofs = proofs.filter_map(|path| std::fs::read_to_string(path).ok());
    let proofs: String = sources.iter().map(|path| halves(path).1).chain(proofs).collect();
    for number in 1..=10 {
        let guarantee = format!("K{number}");
        assert!(has_word(&program, &guarantee), "{guarantee} is cited nowhere in src");
        assert!(has_word(&proofs, &guarantee), "{guarantee} is cited by no test");
    }
}

#[test]
fn the_table_of_applets_and_the_files_are_the_same() {
    let of_files = |folder: &str| -> BTreeSet<String> {
        let stem = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        below(folder, ".rs").iter().map(stem).filter(|stem| stem != "mod").collect()
    };
    let applets: BTreeSet<_> = stek::applet::ALL.iter().map(|applet| applet.name.to_owned()).collect();
    assert_eq!(of_files("src/applet"), applets);
    let servers: BTreeSet<_> = stek::server::ALL.iter().map(|server| server.name.to_owned()).collect();
    assert_eq!(of_files("src/server"), servers);
}

#[test]
fn every_file_says_what_it_is() {
    for path in below("src", ".rs").into_iter().chain(below("tests", ".rs")) {
        assert!(text(&path).starts_with("//! "), "{} does not begin with what it is", path.display());
    }
}
