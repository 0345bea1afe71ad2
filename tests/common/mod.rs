//! What the tests by force share: private directories, looking at key files with code that is not the program's, and
//! running the program, also under strace.

// Every test binary uses its own part of this.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

/// The program under test: the one in `$STEK`, as in tests/sh, or the one that cargo built for this.
pub(crate) const STEK: &str = match option_env!("STEK") {
    Some(path) => path,
    None => env!("CARGO_BIN_EXE_stek"),
};

/// A private directory, removed at the end.
pub(crate) struct Lab {
    /// Where it is.
    pub(crate) path: PathBuf,
}

impl Lab {
    /// On tmpfs; `None` if this host has none that may be written to.
    pub(crate) fn in_memory() -> Option<Self> {
        let run = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
        let places = [Some("/dev/shm".into()), run, Some("/run".into())];
        places.into_iter().flatten().filter(|place| is_tmpfs(place)).find_map(|place| Self::below(&place))
    }

    /// In the build directory, which is on a disk on most hosts.
    pub(crate) fn on_disk() -> Self {
        Self::below(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("the build directory can be written to")
    }

    fn below(place: &Path) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = place.join(format!("stek-test-{}-{count}", std::process::id()));
        std::fs::DirBuilder::new().mode(0o700).create(&path).ok()?;
        Some(Self { path })
    }

    /// A new directory in it, mode 0700; one that was there is emptied.
    pub(crate) fn directory(&self, name: &str) -> PathBuf {
        let path = self.path.join(name);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        path
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Whether a path lies on tmpfs.
pub(crate) fn is_tmpfs(path: &Path) -> bool {
    nix::sys::statfs::statfs(path).is_ok_and(|found| found.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC)
}

/// Says why a test cannot run here. Where CI is set, that is a failure.
pub(crate) fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "CI needs this test, but {reason}");
    say(&format!("skipped: {reason}"));
}

/// Says something even of a test that passes: cargo keeps only what the macros print to itself.
pub(crate) fn say(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Why strace cannot be used here, if it cannot.
pub(crate) fn no_strace() -> Option<String> {
    match Command::new("strace").args(["-f", "-o", "/dev/null", STEK, "--version"]).output() {
        Err(error) => Some(format!("strace cannot be run: {error}")),
        Ok(output) if !output.status.success() => {
            Some(format!("strace may not trace here: {}", String::from_utf8_lossy(&output.stderr).trim()))
        }
        Ok(_) => None,
    }
}

/// A file as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct File {
    /// Its inode.
    pub(crate) inode: u64,
    /// Permission bits.
    pub(crate) mode: u32,
    /// Group.
    pub(crate) group: u32,
    /// Last change of content, in seconds since 1970.
    pub(crate) mtime: i64,
    /// What is in it.
    pub(crate) content: Vec<u8>,
}

/// Every file of a directory.
pub(crate) fn files(directory: &Path) -> BTreeMap<String, File> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        let found = entry.metadata().unwrap();
        let file = File {
            inode: found.ino(),
            mode: found.mode() & 0o7777,
            group: found.gid(),
            mtime: found.mtime(),
            content: std::fs::read(entry.path()).unwrap(),
        };
        files.insert(entry.file_name().into_string().unwrap(), file);
    }
    files
}

/// Fresh random bytes; `size` of a key makes a key.
pub(crate) fn random_bytes(size: usize) -> Vec<u8> {
    let mut bytes = vec![0; size];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// Whether a file's content can be a key: of legal size, and not zero.
pub(crate) fn is_whole(content: &[u8]) -> bool {
    matches!(content.len(), 48 | 80) && content.chunks(16).all(|part| part.iter().any(|byte| *byte != 0))
}

/// Whether two keys have a piece in common, in the same place. By chance that happens once in 10^18.
pub(crate) fn share_piece(one: &[u8], other: &[u8]) -> bool {
    one.chunks_exact(8).zip(other.chunks_exact(8)).any(|(one, other)| one == other)
}

/// Whether a text shows any secret part of a key: raw, in hexadecimal or in base64. The key name, its first 16 bytes, is
/// public.
pub(crate) fn shows(text: &[u8], key: &[u8]) -> bool {
    use base64ct::Encoding;
    if text.is_empty() {
        return false;
    }
    let secret = &key[16.min(key.len())..];
    let holds = |text: &[u8], form: &str| {
        form.as_bytes().chunks_exact(12).any(|part| text.windows(12).any(|window| window == part))
    };
    let mut room = [0; 256];
    let hex = base16ct::lower::encode_str(secret, &mut room).unwrap();
    let raw = secret.chunks_exact(8).any(|part| text.windows(8).any(|window| window == part));
    if raw || holds(&text.to_ascii_lowercase(), hex) {
        return true;
    }
    // The first 24 letters of the whole key's base64 hold its name and two bytes more.
    let whole = base64ct::Base64::encode(key, &mut room).unwrap().get(24..).is_some_and(|form| holds(text, form));
    whole || holds(text, base64ct::Base64::encode(secret, &mut room).unwrap())
}

/// How a run ended.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// The exit code, if it exited.
    pub(crate) code: Option<i32>,
    /// The signal that ended it.
    pub(crate) signal: Option<i32>,
    /// What it said on standard output.
    pub(crate) output: Vec<u8>,
    /// What it said on standard error.
    pub(crate) errors: Vec<u8>,
}

/// The program with an environment that says nothing.
pub(crate) fn stek() -> Command {
    quiet(Command::new(STEK))
}

/// The same under strace, with strace's options.
pub(crate) fn strace(options: &[&str]) -> Command {
    let mut command = Command::new("strace");
    command.args(options).arg(STEK);
    quiet(command)
}

fn quiet(mut command: Command) -> Command {
    let path = std::env::var_os("PATH").unwrap_or_default();
    command.env_clear().env("PATH", path).env("STEK_DEFAULT_FILE", "/dev/null").env("LC_ALL", "C");
    command
}

/// Runs a command to its end, with `input` on standard input.
pub(crate) fn run(command: &mut Command, input: &[u8]) -> Ended {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it can be started");
    // It may end without having read anything.
    let _ = child.stdin.take().unwrap().write_all(input);
    let output = child.wait_with_output().unwrap();
    Ended { code: output.status.code(), signal: output.status.signal(), output: output.stdout, errors: output.stderr }
}

/// A period of about a week whose present epoch neither began nor ends within half an hour, in seconds; and that epoch.
pub(crate) fn long_period() -> (i64, i64) {
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs().cast_signed();
    let period = (518_400..604_800).rev().step_by(3600).find(|period| (1800..period - 1800).contains(&(now % period)));
    let period = period.expect("some period fits");
    (period, now / period)
}
