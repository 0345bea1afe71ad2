//! File systems in memory: telling them by the name of their type. Mounting one is left to the administrator, whose system
//! has its own way; all of them may be swapped out.

use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::FileStat;

use crate::failure::{Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::directory::Directory;
use crate::sys::mount::{Kind, Mounted};
use crate::sys::program::Program;

/// When a file's content, links or times last changed.
#[must_use]
#[allow(clippy::unnecessary_cast)]
pub fn changed(stat: &FileStat) -> Moment {
    #[cfg(target_os = "netbsd")]
    let nanoseconds = stat.st_ctimensec;
    #[cfg(not(target_os = "netbsd"))]
    let nanoseconds = stat.st_ctime_nsec;
    Moment::stamp(stat.st_ctime as i64, nanoseconds as i64)
}

/// The types of file systems that keep files in memory. OpenBSD's and NetBSD's mfs is a file system of the kind for disks in
/// the memory of a process.
const IN_MEMORY: &[&str] = &["tmpfs", "ramfs", "mfs"];

/// Whether the open directory lies on a file system in memory.
///
/// # Errors
/// What fstatfs(2), or fstatvfs(2), fails with.
pub fn is_in_memory(descriptor: impl AsFd) -> nix::Result<bool> {
    Ok(IN_MEMORY.contains(&kind_of(descriptor)?.as_str()))
}

/// The name of the type of the file system that something open lies on.
#[cfg(any(target_vendor = "apple", target_os = "freebsd", target_os = "dragonfly", target_os = "openbsd"))]
fn kind_of(descriptor: impl AsFd) -> nix::Result<String> {
    Ok(nix::sys::statfs::fstatfs(descriptor)?.filesystem_type_name().to_owned())
}

/// The name of the type of the file system that something open lies on.
#[cfg(any(target_os = "netbsd", target_os = "illumos", target_os = "solaris"))]
fn kind_of(descriptor: impl AsFd) -> nix::Result<String> {
    use std::os::fd::AsRawFd;
    let mut about = std::mem::MaybeUninit::<libc::statvfs>::zeroed();
    // SAFETY: the structure is writable and large enough.
    let asked = unsafe { libc::fstatvfs(descriptor.as_fd().as_raw_fd(), about.as_mut_ptr()) };
    nix::errno::Errno::result(asked)?;
    // SAFETY: all zero is a valid statvfs, and the call has filled it.
    let about = unsafe { about.assume_init() };
    #[cfg(target_os = "netbsd")]
    let kind = &about.f_fstypename;
    #[cfg(not(target_os = "netbsd"))]
    let kind = &about.f_basetype;
    let kind: Vec<u8> = kind.iter().map(|c| c.cast_unsigned()).take_while(|byte| *byte != 0).collect();
    Ok(String::from_utf8_lossy(&kind).into_owned())
}

/// The name of the type of the file system that something open lies on; for tests.
#[cfg(target_os = "linux")]
fn kind_of(descriptor: impl AsFd) -> nix::Result<String> {
    let is_tmpfs = nix::sys::statfs::fstatfs(descriptor)?.filesystem_type() == nix::sys::statfs::TMPFS_MAGIC;
    Ok(if is_tmpfs { "tmpfs" } else { "another" }.to_owned())
}

/// What to do where there is no file system in memory yet.
pub const PLAIN_HINT: &str = if cfg!(target_os = "freebsd") {
    "mount one there first: mount -t tmpfs -o mode=0700,nosuid,noexec,size=16m tmpfs DIRECTORY"
} else if cfg!(target_os = "netbsd") {
    "mount one there first: mount -t tmpfs -o nosuid,nodev,noexec,-m0700,-s16M tmpfs DIRECTORY"
} else if cfg!(target_os = "openbsd") {
    "mount one there first: mount_mfs -o nosuid,nodev,noexec -s 16m swap DIRECTORY"
} else if cfg!(any(target_os = "illumos", target_os = "solaris")) {
    "mount one there first: mount -F tmpfs -o nosuid,size=16m swap DIRECTORY"
} else {
    "mount a tmpfs there first, or use a directory on one"
};

/// Mounts nothing.
#[allow(clippy::unnecessary_wraps)]
pub fn mount_first_possible(_: &Path, _: &str) -> Outcome<Kind> {
    Ok(Kind::Plain)
}

/// What is mounted at `path`, which is a mount point; refuses what is no place for keys.
pub fn mounted_at(path: &Path) -> Outcome<Option<Mounted>> {
    let attempt = || format!("cannot look at {}", path.display());
    let open = std::fs::File::open(path).map_err(|error| Failure::io(attempt(), &error))?;
    let kind = kind_of(open).map_err(|errno| Failure::system(attempt(), errno))?;
    if !IN_MEMORY.contains(&kind.as_str()) {
        return Err(Failure::refused(format!("{} is a mounted {kind}, not in memory", path.display()))
            .hint("name another directory with -d or $STEK_DIR"));
    }
    Ok(Some(Mounted { kind: Kind::Tmpfs, by_us: false }))
}

/// Nowhere: what is mounted the administrator mounted.
#[allow(clippy::unnecessary_wraps)]
pub fn all_mounted_by_us() -> Outcome<Vec<String>> {
    Ok(Vec::new())
}

/// Unmounts, by umount(8).
pub fn unmount(path: &Path) -> Outcome {
    let ran = Program::new("umount", [path.into()]).run()?;
    if ran.succeeded() {
        return Ok(());
    }
    Err(Failure::refused(format!("the keys are destroyed, but cannot unmount {}: {}", path.display(), ran.words))
        .hint("something uses it: fuser DIRECTORY; then run this again"))
}

/// Whether the kernel may swap out what lies in an open directory. Of no file system on these systems is the contrary known:
/// not of tmpfs, and not of mfs, whose pages belong to another process and so cannot be locked from here.
#[allow(clippy::unnecessary_wraps)]
pub fn may_swap(_: &Directory) -> Outcome<bool> {
    Ok(true)
}
