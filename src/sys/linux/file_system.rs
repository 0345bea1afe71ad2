//! File systems in memory: telling them, mounting them, and whether they may be swapped out.

use std::os::fd::{AsFd, AsRawFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::FileStat;

use crate::failure::{Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::directory::Directory;
use crate::sys::mount::{Kind, Mounted};

/// When a file's content, links or times last changed.
#[must_use]
#[allow(clippy::unnecessary_cast)]
pub fn changed(stat: &FileStat) -> Moment {
    Moment::stamp(stat.st_ctime as i64, stat.st_ctime_nsec as i64)
}

/// Whether the open directory lies on tmpfs or ramfs. Magic numbers: linux/magic.h.
///
/// # Errors
/// What fstatfs(2) fails with.
pub fn is_in_memory(descriptor: impl AsFd) -> nix::Result<bool> {
    const RAMFS: i64 = 0x8584_58f6;
    let kind = nix::sys::statfs::fstatfs(descriptor)?.filesystem_type();
    #[allow(clippy::unnecessary_cast, clippy::cast_lossless)]
    Ok(kind == nix::sys::statfs::TMPFS_MAGIC || kind.0 as i64 & 0xffff_ffff == RAMFS)
}

/// What stands in the mount table as the source of what we mount.
const SOURCE: &str = "stek";

/// Unmounts; what is only busy for a moment is waited for.
pub fn unmount(path: &Path) -> Outcome {
    let mut tries = 0;
    loop {
        match umount2(path, MntFlags::UMOUNT_NOFOLLOW) {
            Err(Errno::EBUSY) if tries < 20 => {
                tries += 1;
                std::thread::sleep(Duration::from_millis(50));
            }
            result => {
                return result.map_err(|errno| {
                    let attempt = format!("the keys are destroyed, but cannot unmount {}", path.display());
                    Failure::system(attempt, errno).hint("something uses it: fuser -vm DIRECTORY; then run this again")
                });
            }
        }
    }
}

/// What to do where nothing could be mounted and the plain directory will not do.
pub const PLAIN_HINT: &str = "mounting is not allowed here; use a directory on a tmpfs, like /run or /dev/shm";

/// Mounts the best there is; where mounting is not permitted nothing is mounted, and that is no failure.
pub fn mount_first_possible(path: &Path, size: &str) -> Outcome<Kind> {
    let attempt = |kind: &str, data: &str| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        mount(Some(SOURCE), path, Some(kind), flags, Some(data))
    };
    let failed = |errno| Failure::system(format!("cannot mount a tmpfs on {}", path.display()), errno);
    let tmpfs = format!("mode=0700,size={size}");
    match attempt("tmpfs", &format!("{tmpfs},noswap")) {
        Ok(()) => return Ok(Kind::TmpfsWithoutSwap),
        Err(Errno::EPERM | Errno::EACCES) => return Ok(Kind::Plain),
        // EINVAL: the kernel does not know noswap, or not in this user namespace; or the size is wrong, which shows below.
        Err(Errno::EINVAL | Errno::ENODEV) => {}
        Err(errno) => return Err(failed(errno)),
    }
    if attempt("ramfs", "mode=0700").is_ok() {
        return Ok(Kind::Ramfs);
    }
    match attempt("tmpfs", &tmpfs) {
        Ok(()) => Ok(Kind::Tmpfs),
        Err(Errno::EPERM | Errno::EACCES) => Ok(Kind::Plain),
        Err(errno) => Err(failed(errno)),
    }
}

/// The mount table. Source of the format: `proc_pid_mountinfo(5)`.
const TABLE: &str = "/proc/self/mountinfo";

fn read(file: &str) -> Outcome<String> {
    let text = std::fs::read(file).map_err(|error| Failure::io(format!("cannot read {file}"), &error))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Every place where something is mounted that has our source.
pub fn all_mounted_by_us() -> Outcome<Vec<String>> {
    let table = read(TABLE)?;
    let place = |line: &str| {
        let (mount, file_system) = line.split_once(" - ")?;
        let by_us = file_system.split(' ').nth(1) == Some(SOURCE);
        mount.split(' ').nth(4).filter(|_| by_us).map(unescaped)
    };
    Ok(table.lines().filter_map(place).collect())
}

/// What is mounted exactly at `path`; refuses what is no place for keys.
pub fn mounted_at(path: &Path) -> Outcome<Option<Mounted>> {
    let text = read(TABLE)?;
    let wanted = escaped(path);
    let Some(line) = text.lines().rfind(|line| line.split(' ').nth(4) == Some(&wanted)) else { return Ok(None) };
    let (_, file_system) = line.split_once(" - ").unwrap_or_default();
    let mut fields = file_system.split(' ');
    let mut field = || fields.next().unwrap_or_default();
    let (kind, source, options) = (field(), field(), field());
    let kind = match kind {
        "tmpfs" if has_noswap(options) => Kind::TmpfsWithoutSwap,
        "tmpfs" => Kind::Tmpfs,
        "ramfs" => Kind::Ramfs,
        other => {
            return Err(Failure::refused(format!("{} is a mounted {other}, not tmpfs or ramfs", path.display()))
                .hint("name another directory with -d or $STEK_DIR"));
        }
    };
    Ok(Some(Mounted { kind, by_us: source == SOURCE }))
}

fn has_noswap(options: &str) -> bool {
    options.split(',').any(|option| option == "noswap")
}

/// Whether the kernel may swap out what lies in an open directory: on anything but ramfs and a tmpfs with `noswap`.
pub fn may_swap(directory: &Directory) -> Outcome<bool> {
    // By the mount's number: the directory need not be a mount point, and paths may be covered by other mounts.
    let about = read(&format!("/proc/self/fdinfo/{}", directory.as_fd().as_raw_fd()))?;
    let mount = about.lines().find_map(|line| line.strip_prefix("mnt_id:")).map(str::trim);
    let table = read(TABLE)?;
    let line = table.lines().find(|line| line.split(' ').next() == mount);
    let Some((_, file_system)) = line.and_then(|line| line.split_once(" - ")) else { return Ok(true) };
    let mut fields = file_system.split(' ');
    let (kind, options) = (fields.next().unwrap_or_default(), fields.nth(1).unwrap_or_default());
    Ok(!(kind == "ramfs" || kind == "tmpfs" && has_noswap(options)))
}

/// What the mount table writes otherwise: the backslash, and what separates its fields.
const ESCAPES: [(&str, &str); 4] = [("\\", "\\134"), (" ", "\\040"), ("\t", "\\011"), ("\n", "\\012")];

/// A path as the mount table writes it.
fn escaped(path: &Path) -> String {
    ESCAPES.iter().fold(path.to_string_lossy().into_owned(), |text, (plain, escaped)| text.replace(plain, escaped))
}

fn unescaped(path: &str) -> String {
    ESCAPES.iter().rev().fold(path.to_owned(), |text, (plain, escaped)| text.replace(escaped, plain))
}
