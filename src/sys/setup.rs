//! What `setup` does to a host: finds out how it boots, runs the tools of its init system, and writes and removes files of
//! boot, each whole or not at all.

use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sys::stat::{Mode, umask};
use nix::unistd::AccessFlags;

use crate::core::name::Name;
use crate::core::settings;
use crate::core::setup::{CLOSED_TO_UNITS, File, Init, PROGRAM_DIRECTORIES, SCRIPT, Writer, writer};
use crate::failure::{Failure, Outcome};
use crate::sys::directory::{Access, Directory, KeySets};
use crate::sys::program::{Program, Ran};
use crate::sys::{lock, mount};

/// systemd is process 1 where this is. Source: `sd_booted(3)`.
const SYSTEMD_RUNS: &str = "/run/systemd/system";
/// No file that `setup` writes may have so many bytes: one that has is nobody's.
pub const LARGEST: usize = 1024 * 1024;

/// Says that no other run of `setup` is at work, until it is dropped.
pub struct Turn(Directory);

impl Drop for Turn {
    fn drop(&mut self) {
        // Under the lock. Whoever waits for it sees that it is gone; left behind it does no harm.
        let _ = std::fs::remove_dir(self.0.path());
    }
}

/// Makes files and directories readable by all, whatever the caller's umask, and keeps other runs of `setup` away.
pub fn begin() -> Outcome<Turn> {
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    // What others than root can open they can lock, so it is a directory of its own.
    let parent = if Path::new("/run").is_dir() { "/run" } else { "/etc" };
    let path = Path::new(parent).join("stek-setup");
    loop {
        mount::make_directory(&path)?;
        let taken = Directory::open(&path, true).and_then(|directory| {
            lock::take(&directory, lock::PATIENCE)?;
            let own = directory.look(".")?.map(|found| found.inode);
            Ok((directory, own))
        });
        let there = std::fs::symlink_metadata(&path).ok().map(|found| found.ino());
        match taken {
            Ok((directory, own)) if own == there => return Ok(Turn(directory)),
            Err(failure) if there.is_some() => return Err(failure),
            // The run that had it took it away.
            _ => {}
        }
    }
}

/// Whether this process may change the host.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// How this host boots; `None` if it will boot with systemd, which does not run now.
#[must_use]
pub fn init() -> Option<Init> {
    if systemd_runs() {
        return Some(Init::Systemd);
    }
    let process_1 = Path::new("/sbin/init").canonicalize().unwrap_or_default();
    if process_1.file_name().is_some_and(|name| name == "systemd") {
        return None;
    }
    Some(script_init())
}

/// Which tool enters scripts into the boot.
fn script_init() -> Init {
    // On Debian update-rc.d does it for OpenRC too.
    if find("update-rc.d").is_some() {
        Init::UpdateRc
    } else if find("openrc-run").is_some() && find("rc-update").is_some() {
        Init::Openrc
    } else if find("insserv").is_some() {
        Init::Insserv
    } else {
        Init::Unknown
    }
}

/// How a host booted that has these files of ours: every init system that may know of them.
#[must_use]
pub fn init_of(paths: &[&str], unit: &str) -> Vec<Init> {
    let mut known = Vec::new();
    if paths.contains(&unit) && find("systemctl").is_some() {
        known.push(Init::Systemd);
    }
    // Somebody may have removed the script alone.
    if paths.contains(&SCRIPT) || !paths.is_empty() && is_linked() {
        known.push(script_init());
    }
    known
}

/// Whether systemd is process 1.
#[must_use]
pub fn systemd_runs() -> bool {
    Path::new(SYSTEMD_RUNS).is_dir()
}

/// The file that this process was started from, if others than root cannot change it and it is there at boot.
pub fn own_program() -> Outcome<String> {
    let path = std::env::current_exe().map_err(|error| Failure::io("cannot find this program's own path", &error))?;
    let shown = path.display();
    let is_known = |parent: &Path| PROGRAM_DIRECTORIES.iter().any(|known| parent == Path::new(known));
    let plain = path.to_str().filter(|path| path.bytes().all(|b| b.is_ascii_alphanumeric() || b"/._-".contains(&b)));
    let Some(program) = plain.filter(|_| path.parent().is_some_and(is_known)) else {
        return Err(Failure::refused(format!("{shown} is no place for a program that is called at boot"))
            .hint(format!("install -o root -g root -m 755 {shown} /usr/local/sbin/stek, then call that")));
    };
    let found = std::fs::metadata(&path).map_err(|error| Failure::io(format!("cannot look at {shown}"), &error))?;
    if found.uid() != 0 || found.mode() & 0o022 != 0 {
        return Err(Failure::refused(format!("others than root can change {shown}, which is called as root"))
            .hint(format!("chown root {shown} && chmod 755 {shown}")));
    }
    // Debian's /usr/local belongs to a group, staff, whose members are as good as root.
    for parent in path.ancestors().skip(1) {
        let shown = parent.display();
        let found =
            std::fs::metadata(parent).map_err(|error| Failure::io(format!("cannot look at {shown}"), &error))?;
        if found.uid() != 0 || found.mode() & 0o002 != 0 {
            return Err(Failure::refused(format!("others than root can replace {program}, which is called as root"))
                .hint(format!("chown root {shown} && chmod o-w {shown}")));
        }
    }
    Ok(program.to_owned())
}

/// The search path of what is run: the caller's, then where tools of root lie.
fn search_path() -> String {
    let callers = std::env::var("PATH").unwrap_or_default();
    format!("{callers}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin").trim_start_matches(':').to_owned()
}

/// Finds a program, also one of root's and an nginx that was built by hand.
#[must_use]
pub fn find(program: &str) -> Option<PathBuf> {
    const BY_HAND: &str = ":/usr/local/nginx/sbin:/usr/local/openresty/nginx/sbin:/opt/nginx/sbin";
    let path = search_path() + BY_HAND;
    path.split(':')
        .filter(|part| part.starts_with('/'))
        .map(|part| Path::new(part).join(program))
        .find(|path| std::fs::metadata(path).is_ok_and(|found| found.is_file() && found.mode() & 0o111 != 0))
}

fn ran(line: &str) -> Outcome<Ran> {
    let mut words: Vec<&str> = line.split(' ').collect();
    // service(8) is not everywhere, and what it does is to call the script, but for OpenRC.
    if words[0] == "service" && find("service").is_none() {
        words.splice(..2, [SCRIPT]);
    }
    let path = if words[0].starts_with('/') { Some(PathBuf::from(words[0])) } else { find(words[0]) };
    let path = path.ok_or_else(|| Failure::system(format!("cannot run {line}"), Errno::ENOENT))?;
    // The caller's settings are not those that count at boot.
    let environment = vec![format!("PATH={}", search_path()).into(), "LC_ALL=C".into(), "TERM=dumb".into()];
    let words = words.into_iter().map(Into::into).collect();
    let directory = Some(Path::new("/"));
    Program { shown: line, path, words, environment: Some(environment), directory }.run()
}

/// Runs a program with its arguments, separated by blanks; what it wrote, to standard error last.
pub fn run(line: &str) -> Outcome<String> {
    let ran = ran(line)?;
    let said = String::from_utf8_lossy(&ran.output) + ran.words.as_str();
    let said = said.trim();
    if ran.succeeded() {
        return Ok(said.to_owned());
    }
    let mut message = format!("{line} failed, with {}", ran.ended);
    said.lines().for_each(|line| message.push_str(&format!("\n| {line}")));
    Err(Failure::refused(message))
}

/// Runs programs for their answer: whether all of them succeed.
#[must_use]
pub fn all_succeed(lines: &[&str]) -> bool {
    lines.iter().all(|line| ran(line).is_ok_and(|ran| ran.succeeded()))
}

/// What a program says; `None` if it is not there or fails.
#[must_use]
pub fn ask(line: &str) -> Option<String> {
    run(line).ok()
}

/// Whether the boot calls our script or units.
#[must_use]
pub fn is_enabled(init: Init) -> bool {
    match init {
        Init::Systemd => all_succeed(init.commands().is_enabled),
        Init::Unknown => true,
        Init::Openrc | Init::UpdateRc | Init::Insserv => is_linked(),
    }
}

/// Whether there is a link to our script in any runlevel, of SysV init or OpenRC.
fn is_linked() -> bool {
    let entries = |path: &Path| std::fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let levels = entries(Path::new("/etc")).chain(entries(Path::new("/etc/runlevels"))).filter(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        path.starts_with("/etc/runlevels") || name.starts_with("rc") && name.ends_with(".d")
    });
    levels.flat_map(|level| entries(&level).collect::<Vec<_>>()).any(|link| {
        let name = link.file_name().unwrap_or_default().to_string_lossy();
        let number = name.strip_prefix('S').and_then(|name| name.strip_suffix("stek"));
        name == "stek" || number.is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()))
    })
}

/// Whether every one of these NAMEs has keys in the directory, and whether there is any key at all.
#[must_use]
pub fn keys(directory: &str, names: &[Name]) -> (bool, bool) {
    let files = Directory::open_to_look(Path::new(directory)).and_then(|(directory, _)| directory.files());
    let sets = KeySets::of(&files.unwrap_or_default());
    (names.iter().all(|name| sets.highest(name).is_some()), !sets.names().is_empty())
}

/// What keeps a directory from becoming the keys directory: it is no directory of ours, or holds something else.
#[must_use]
pub fn obstacle(directory: &str) -> Option<Failure> {
    let path = Path::new(directory);
    if std::fs::symlink_metadata(path).is_err() {
        return None;
    }
    Directory::open(path, true).and_then(|directory| mount::refuse_other_files(path, &directory.files()?)).err()
}

/// What keeps the units of systemd from keys in a directory.
#[must_use]
pub fn closed_to_units(directory: &str) -> Option<Failure> {
    let path = mount::absolute(Path::new(directory)).unwrap_or_else(|_| directory.into());
    let closed = CLOSED_TO_UNITS.iter().find(|closed| path.starts_with(closed))?;
    let text = format!("{directory} is no place for keys with systemd, whose units cannot write below {closed}");
    Some(Failure::refused(text).hint(format!("set STEK_DIR in {} to a directory below /run", settings::FILE.0)))
}

/// The directory of a file, through links: `/etc/init.d` is one on some systems.
fn directory_of(path: &str) -> Outcome<(Directory, &str)> {
    let (parent, name) = path.rsplit_once('/').unwrap_or_default();
    let parent =
        Path::new(parent).canonicalize().map_err(|error| Failure::io(format!("cannot find {parent}"), &error))?;
    Ok((Directory::open(&parent, true)?, name))
}

/// What is there under a path: `None` for nothing, no content for what is no regular file or far too large.
pub fn look(path: &str) -> Outcome<Option<Option<Vec<u8>>>> {
    let (parent, name) = path.rsplit_once('/').unwrap_or_default();
    let Ok(parent) = Path::new(parent).canonicalize() else { return Ok(None) };
    let (directory, _) = Directory::open_to_look(&parent)?;
    let mut content = vec![0; LARGEST];
    match directory.look_and_read(name, &mut content) {
        Ok((found, length)) if found.is_regular && length < LARGEST => {
            content.truncate(length);
            Ok(Some(Some(content)))
        }
        Ok(_) | Err(Errno::ELOOP | Errno::ENXIO) => Ok(Some(None)),
        Err(Errno::ENOENT) => Ok(None),
        Err(errno) => Err(Failure::system(format!("cannot read {path}"), errno)),
    }
}

/// Who wrote what is there under a path; `None` for nothing.
pub fn writer_of(path: &str) -> Outcome<Option<Writer>> {
    let content = look(path)?;
    Ok(content.map(|content| content.map_or(Writer::Others, |content| writer(&content))))
}

/// Removes temporary files that a killed run left beside a path.
pub fn sweep(path: &str) -> Outcome {
    let Ok((directory, _)) = directory_of(path) else { return Ok(()) };
    directory.sweep_own()
}

/// Makes the directory of a file, if it is not there; the path of what was made.
pub fn make_directory_of(path: &str) -> Outcome<Option<PathBuf>> {
    let Some(parent) = Path::new(path).parent().filter(|parent| !parent.exists()) else { return Ok(None) };
    let made = std::fs::DirBuilder::new().mode(0o755).create(parent);
    made.map_err(|error| Failure::io(format!("cannot make {}", parent.display()), &error))?;
    Ok(Some(parent.to_owned()))
}

const fn access(mode: u32) -> Access {
    Access { mode, owner: None, group: None }
}

/// Writes a file where there is none.
pub fn write(file: &File) -> Outcome {
    let (directory, name) = directory_of(file.path)?;
    directory.put_new(name, file.content.as_bytes(), access(file.mode))
}

/// Writes a file in place of another one.
pub fn replace(path: &str, mode: u32, content: &[u8]) -> Outcome {
    let (directory, name) = directory_of(path)?;
    directory.put_content(name, content, None, access(mode), None)
}

/// Refuses where a file is not to be removed: on what is read-only, or where it is immutable.
pub fn check_removable(path: &str) -> Outcome {
    let path = Path::new(path);
    for place in path.parent().into_iter().chain([path]) {
        nix::unistd::access(place, AccessFlags::W_OK).map_err(|errno| {
            Failure::system(format!("cannot remove {}", path.display()), errno).hint("nothing was done")
        })?;
    }
    Ok(())
}

/// Removes a file.
pub fn remove(path: &str) -> Outcome {
    let (directory, name) = directory_of(path)?;
    directory.remove(name)
}
