//! Where key bytes are and where they never are: pages that are locked before the key is made (K5), randomness from
//! getrandom(2) alone (K9), new files that nobody could have made before (K7), no other process, no disk (K1), and an
//! expired key that is gone through every name of its file (K8).

// In a test a panic is the report.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

use common::{Ended, Lab, files, run, share_piece, stek, strace};

/// One line of a trace: the call, its arguments and its result.
#[derive(Debug)]
struct Traced {
    name: String,
    arguments: Vec<String>,
    result: String,
}

/// Runs a command line under strace, with addresses instead of bytes where those could be a key's.
fn traced(lab: &Lab, more: &[&str], words: &[&str], input: &[u8]) -> (Vec<Traced>, Ended) {
    let file = lab.path.join("trace");
    let options = ["-f", "-qq", "-s", "4096", "-e", "raw=read,write,getrandom,mlock", "-o", file.to_str().unwrap()];
    let options: Vec<&str> = options.iter().chain(more).copied().collect();
    let ended = run(strace(&options).args(words), input);
    let text = std::fs::read_to_string(file).unwrap();
    let line = |line: &str| {
        let line = line.trim_start_matches(|c: char| c.is_ascii_digit()).trim_start();
        let (name, rest) = line.split_once('(')?;
        let (arguments, result) = rest.rsplit_once(" = ")?;
        let mut arguments: Vec<_> = arguments.trim_end().trim_end_matches(')').split(", ").map(str::to_owned).collect();
        // musl's way to say the same.
        let name = if name == "open" { "openat" } else { name };
        if rest.starts_with('"') && name == "openat" {
            arguments.insert(0, "AT_FDCWD".to_owned());
        }
        Some(Traced { name: name.to_owned(), arguments, result: result.to_owned() })
    };
    (text.lines().filter_map(line).collect(), ended)
}

/// The page of an address, or a length, as strace writes it in raw form.
fn number(text: &str) -> u64 {
    let digits = text.trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap_or_else(|_| panic!("{text} is no number"))
}

/// What the libc asks for its own heap before there is any key: the bytes of a word, without blocking.
fn is_of_the_runtime(call: &Traced) -> bool {
    [4, 8].contains(&number(&call.arguments[1])) && number(&call.arguments[2]) == 1
}

/// K5 and K9 of one run. Files that a key is read from or written to are known by how they were opened.
fn check_trace(what: &str, calls: &[Traced], keys: &Path) {
    let (mut undumpable, mut locked, mut at_a_key) = (false, BTreeSet::new(), BTreeSet::new());
    let (mut asked, mut moved) = (0, 0);
    let begin =
        calls.iter().position(|call| call.name == "openat" && call.arguments[1].contains(keys.to_str().unwrap()));
    for (at, call) in calls.iter().enumerate() {
        let failed = call.result.starts_with('-');
        match call.name.as_str() {
            "execve" => assert_eq!(at, 0, "{what}: it runs another program: {call:?}"),
            "clone" | "clone3" | "fork" | "vfork" => panic!("{what}: it has a child: {call:?}"),
            "prctl" if call.arguments[0] == "PR_SET_DUMPABLE" => {
                undumpable |= call.arguments[1] == "SUID_DUMP_DISABLE" || call.arguments[1] == "0";
            }
            "mlock" if !failed => {
                locked.insert(number(&call.arguments[0]) / 4096);
            }
            "munlock" => {
                locked.remove(&(number(&call.arguments[0]) / 4096));
            }
            "openat" => {
                assert!(!call.arguments[1].contains("random"), "K9: {what} opens {call:?}");
                let descriptor = call.result.split_whitespace().next().unwrap().to_owned();
                if call.arguments[2].contains("O_CREAT") {
                    let flags = ["O_EXCL", "O_NOFOLLOW", "O_CLOEXEC"];
                    assert!(flags.iter().all(|flag| call.arguments[2].contains(flag)), "K7: {what}: {call:?}");
                }
                let is_key = call.arguments[1].contains(".key") || call.arguments[2].contains("O_CREAT");
                if is_key && !failed && begin.is_some_and(|begin| at > begin) {
                    at_a_key.insert(descriptor);
                } else {
                    at_a_key.remove(&descriptor);
                }
            }
            "getrandom" if !is_of_the_runtime(call) => {
                assert_eq!(number(&call.arguments[2]), 0, "K9: {what} asks with flags: {call:?}");
                assert!(undumpable, "K5: {what} asks for bytes before it is undumpable");
                // A page is for keys; 80 bytes are what expired ones are overwritten with.
                let length = number(&call.arguments[1]);
                let page = number(&call.arguments[0]) / 4096;
                assert!(length == 80 || locked.contains(&page), "K5: {what} makes a key in memory that is not locked");
                asked += 1;
            }
            "read" | "write" => {
                let descriptor = number(&call.arguments[0]).to_string();
                let from_input = descriptor == "0" && call.name == "read";
                // What check prints is no key; that is tested where it is printed.
                let to_output = descriptor == "1" && call.name == "write" && what != "check";
                if at_a_key.contains(&descriptor) || from_input || to_output {
                    let page = number(&call.arguments[1]) / 4096;
                    assert!(
                        undumpable && locked.contains(&page),
                        "K5: {what}: a key in memory that is not locked: {call:?}"
                    );
                    moved += 1;
                }
            }
            _ => {}
        }
    }
    assert!(asked > 0 || what.starts_with("install"), "{what}: getrandom(2) was not called");
    assert!(moved > 0, "{what}: the trace shows no key being read or written");
}

/// A complete set of a week ago, one rotation of which is due.
fn late_set(keys: &Path) -> Vec<String> {
    let (period, _) = common::long_period();
    let words = ["rotate", "-d", keys.to_str().unwrap(), "-p", &period.to_string(), "a"].map(str::to_owned);
    assert_eq!(run(stek().args(&words), b"").code, Some(0));
    for path in std::fs::read_dir(keys).unwrap().map(|entry| entry.unwrap().path()) {
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let before = file.metadata().unwrap().modified().unwrap();
        file.set_modified(before - std::time::Duration::from_secs(period.cast_unsigned())).unwrap();
    }
    words.to_vec()
}

#[test]
fn keys_live_in_locked_memory_and_come_from_getrandom() {
    if let Some(reason) = common::no_strace() {
        return common::skip(&reason);
    }
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let keys = lab.directory("keys");
    let words = late_set(&keys);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (calls, ended) = traced(&lab, &[], &words, b"");
    assert_eq!(ended.code, Some(0));
    check_trace("rotate", &calls, &keys);

    // Two NAMEs with one key, so that it is compared byte by byte, too.
    std::fs::copy(keys.join("a.1.key"), keys.join("b.1.key")).unwrap();
    // Of a server that runs here by chance it would ask the configuration.
    let check = ["check", "-d", keys.to_str().unwrap(), "--pid-file", "/nonexistent"];
    let (calls, ended) = traced(&lab, &[], &check, b"");
    assert_eq!(ended.code, Some(2));
    check_trace("check", &calls, &keys);
    std::fs::remove_file(keys.join("b.1.key")).unwrap();

    for form in [&["genkey"][..], &["genkey", "--base64"], &["genkey", "--hex"]] {
        let (calls, ended) = traced(&lab, &[], form, b"");
        assert!(ended.code == Some(0) && ended.output.len() >= 80);
        check_trace("genkey", &calls, &keys);
        let directory = keys.to_str().unwrap();
        let (calls, installed) = traced(&lab, &[], &["install", "-d", directory, "a"], &ended.output);
        assert_eq!(installed.code, Some(0));
        check_trace("install", &calls, &keys);
    }
}

#[test]
fn without_getrandom_there_is_no_key() {
    if let Some(reason) = common::no_strace() {
        return common::skip(&reason);
    }
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let keys = lab.directory("keys");
    // Also the call that glibc makes for its heap. K9: there is nothing else to fall back to.
    for error in ["ENOSYS", "EPERM", "EFAULT", "EAGAIN"] {
        let inject = format!("inject=getrandom:error={error}");
        for words in [&["rotate", "-d", keys.to_str().unwrap(), "a"][..], &["genkey"]] {
            let (calls, ended) = traced(&lab, &["-e", &inject], words, b"");
            assert_eq!(ended.code, Some(111), "{words:?} {error}: {}", String::from_utf8_lossy(&ended.errors));
            assert!(ended.output.is_empty());
            assert!(files(&keys).is_empty());
            let opens_random = |call: &Traced| call.name == "openat" && call.arguments[1].contains("random");
            assert!(!calls.iter().any(opens_random));
        }
    }
}

#[test]
fn a_process_that_may_hold_a_key_is_locked_and_closed() {
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let keys = lab.directory("keys");
    let mut child = stek()
        .args(["install", "-d", keys.to_str().unwrap(), "a"])
        .stdin(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // It waits for the rest of its key; what came so far is in memory.
    let key = common::random_bytes(80);
    let mut input = child.stdin.take().unwrap();
    input.write_all(&key[..40]).unwrap();
    let of_process = |file: &str| std::fs::read(format!("/proc/{}/{file}", child.id()));
    let is_locked = || {
        let status = of_process("status").unwrap_or_default();
        let status = String::from_utf8_lossy(&status);
        status.lines().any(|line| line.starts_with("VmLck:") && !line.contains(" 0 kB"))
    };
    let patience = std::time::Instant::now() + std::time::Duration::from_secs(20);
    while !is_locked() {
        assert!(std::time::Instant::now() < patience, "K5: no memory is locked");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    // An undumpable process is root's business; without that right its environment cannot even be opened.
    for file in ["cmdline", "environ"] {
        if let Ok(bytes) = of_process(file) {
            assert!(!common::shows(&bytes, &key), "K5: a key in {file}");
        }
    }
    if !nix::unistd::geteuid().is_root() {
        assert!(of_process("environ").is_err(), "K5: others of this user look into it");
    }
    input.write_all(&key[40..]).unwrap();
    drop(input);
    assert!(child.wait().unwrap().success());
    assert_eq!(files(&keys)["a.0.key"].content, key);
}

#[test]
fn a_disk_gets_no_key() {
    // K1
    let disk = Lab::on_disk();
    if common::is_tmpfs(&disk.path) {
        return common::skip("the build directory is not on a disk");
    }
    let keys = disk.directory("keys");
    let directory = keys.to_str().unwrap();
    let file = format!("{directory}/a.0.key");
    let key = run(stek().arg("genkey"), b"").output;
    let lines = [
        vec!["rotate", "-d", directory, "a"],
        vec!["install", "-d", directory, "a"],
        vec!["install", "-f", &file],
        vec!["genkey", "-o", &file],
    ];
    for words in lines {
        let ended = run(stek().args(&words), &key);
        assert_eq!(ended.code, Some(1), "{words:?}");
        assert!(files(&keys).is_empty(), "{words:?}");
    }
}

#[test]
fn an_expired_key_is_gone_through_every_name_of_its_file() {
    // K8
    let Some(lab) = Lab::in_memory() else { return common::skip("there is no tmpfs to write to") };
    let (keys, links) = (lab.directory("keys"), lab.directory("links"));
    let words = late_set(&keys);
    let before = files(&keys);
    for file in before.keys() {
        std::fs::hard_link(keys.join(file), links.join(file)).unwrap();
    }
    assert_eq!(run(stek().args(&words), b"").code, Some(0));
    let now = files(&links);
    let expired = &now["a.3.key"].content;
    assert!(!share_piece(expired, &before["a.3.key"].content), "the expired key is still there");
    // Not with zeros: whoever has the file open would take them for a key (K2, K6).
    assert!(common::is_whole(expired));
    for kept in ["a.0.key", "a.1.key", "a.2.key"] {
        assert_eq!(now[kept].content, before[kept].content);
    }
    let slots = files(&keys);
    assert!(slots.values().all(|slot| !share_piece(&slot.content, &before["a.3.key"].content)));
}
