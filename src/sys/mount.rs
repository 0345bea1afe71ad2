//! The keys directory as a file system of its own that never reaches a disk.
//!
//! On Linux: tmpfs with `noswap` (Linux 6.4), else ramfs, which never swaps either but knows no size limit, else tmpfs. Where
//! mount(2) is not allowed, as in most containers, a plain directory will do if it lies on tmpfs. Elsewhere the administrator
//! mounts.

use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use nix::sys::stat::{Mode, fchmod};
use nix::unistd::{Gid, fchown};

use crate::core::name::{Name, TEMPORARY_PREFIX};
use crate::failure::{Failure, Outcome};
use crate::sys::directory::Directory;
use crate::sys::lock;
use crate::sys::system::file_system::{PLAIN_HINT, mount_first_possible, mounted_at, unmount};
pub use crate::sys::system::file_system::{all_mounted_by_us, may_swap};

/// What the keys directory is, after [`mount_keys`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// tmpfs mounted with `noswap`.
    TmpfsWithoutSwap,
    /// ramfs.
    Ramfs,
    /// tmpfs, which the kernel may swap out.
    Tmpfs,
    /// A plain directory on a tmpfs that is not ours.
    Plain,
}

impl Kind {
    /// In words.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::TmpfsWithoutSwap => "tmpfs that is never swapped",
            Self::Ramfs => "ramfs",
            Self::Tmpfs => "tmpfs",
            Self::Plain => "a directory on another tmpfs",
        }
    }
}

/// Makes `path` the keys directory, if it is not yet. `size` is the limit of a tmpfs as mount(8) takes it.
pub fn mount_keys(path: &Path, size: &str, group: Option<u32>) -> Outcome<Kind> {
    let path = &absolute(path)?;
    let was_there = std::fs::symlink_metadata(path).is_ok();
    mount_at(path, size, group).inspect_err(|_| {
        if !was_there {
            let _ = std::fs::remove_dir(path);
        }
    })
}

fn mount_at(path: &Path, size: &str, group: Option<u32>) -> Outcome<Kind> {
    let shown = path.display();
    make_directory(path)?;
    // Whatever is there must be a directory of ours, and of ours alone: it is about to be covered, or closed to others.
    let below = Directory::open(path, true)?;
    // Under the lock of what is about to be covered, so that two at once do not mount twice.
    lock::take(&below, lock::PATIENCE)?;
    let mounted = mounted(path)?;
    let files = Directory::open(path, true)?.files()?;
    if !mounted.is_some_and(|mounted| mounted.by_us) {
        refuse_other_files(path, &files)?;
    }
    let kind = match mounted {
        Some(mounted) => mounted.kind,
        None if files.is_empty() => mount_first_possible(path, size)?,
        // Only a plain directory can have keys in it and not be mounted. Mounting would hide them.
        None => Kind::Plain,
    };
    let directory = Directory::open(path, false).map_err(|failure| match kind {
        Kind::Plain => failure.hint(PLAIN_HINT),
        _ => failure,
    })?;
    if let Some(group) = group {
        fchown(directory.as_fd(), None, Some(Gid::from_raw(group)))
            .map_err(|errno| Failure::system(format!("cannot give {shown} to the group"), errno))?;
    }
    let found = directory.look(".")?;
    let mode = match (group, found) {
        (Some(_), _) => 0o750,
        // What somebody else mounted he may have prepared for a group. Ours is closed again when no group is set any more.
        (None, Some(found)) if mounted.is_some_and(|mounted| !mounted.by_us) && found.mode & !0o750 == 0 => {
            return Ok(kind);
        }
        (None, _) => 0o700,
    };
    fchmod(directory.as_fd(), Mode::from_bits_truncate(mode))
        .map_err(|errno| Failure::system(format!("cannot set the mode of {shown}"), errno))?;
    Ok(kind)
}

/// Overwrites every key in `path`, and unmounts it or removes the plain directory; `false` if there was nothing to do.
pub fn unmount_keys(path: &Path, allow_disk: bool) -> Outcome<bool> {
    let shown = path.display();
    if let Err(error) = std::fs::symlink_metadata(path) {
        return if error.kind() == std::io::ErrorKind::NotFound {
            Ok(false)
        } else {
            Err(Failure::io(format!("cannot look at {shown}"), &error))
        };
    }
    let path = &absolute(path)?;
    let mounted = mounted(path)?;
    let directory = match Directory::open(path, allow_disk) {
        Err(_) if mounted.is_none() && is_empty(path) => return Ok(false),
        other => other?,
    };
    lock::take(&directory, lock::PATIENCE)?;
    let files = directory.files()?;
    if mounted.is_some_and(|mounted| !mounted.by_us) {
        // What else is in it would be gone.
        refuse_other_files(path, &files)?;
    }
    for file in files.iter().filter(|file| is_ours(file)) {
        directory.destroy(file)?;
    }
    // An open descriptor would keep it busy.
    drop(directory);
    if mounted.is_some() {
        unmount(path)?;
        // The bare mount point would look like a keys directory. Where it cannot go, it was not ours.
        let _ = std::fs::remove_dir(path);
        return Ok(true);
    }
    match std::fs::remove_dir(path) {
        Ok(()) => Ok(true),
        Err(error) => Err(Failure::io(format!("the keys are destroyed, but cannot remove {shown}"), &error)
            .hint("what is left in it is not stek's")),
    }
}

/// Makes a directory for this user alone, if there is nothing of that name.
pub(super) fn make_directory(path: &Path) -> Outcome {
    match std::fs::DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
            Err(Failure::io(format!("cannot make {}", path.display()), &error))
        }
        _ => Ok(()),
    }
}

/// Refuses a directory that is used for more than keys.
pub(super) fn refuse_other_files(path: &Path, files: &[String]) -> Outcome {
    match files.iter().find(|file| !is_ours(file)) {
        Some(other) => {
            Err(Failure::refused(format!("{} holds something else: {}", path.display(), other.escape_debug()))
                .hint("name an empty directory with -d or $STEK_DIR, or move it away"))
        }
        None => Ok(()),
    }
}

fn is_ours(file: &str) -> bool {
    file.starts_with(TEMPORARY_PREFIX) || Name::of_slot_file(file).is_some()
}

fn is_empty(path: &Path) -> bool {
    std::fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none())
}

/// A file system that is mounted.
#[derive(Clone, Copy)]
pub struct Mounted {
    /// What it is.
    pub kind: Kind,
    /// It has our source, so everything in it may go.
    pub by_us: bool,
}

/// What is mounted exactly at `path`; refuses what is no place for keys.
fn mounted(path: &Path) -> Outcome<Option<Mounted>> {
    if is_same_device_as_parent(path) { Ok(None) } else { mounted_at(path) }
}

/// Spares a look at the table for what cannot be a mount point.
fn is_same_device_as_parent(path: &Path) -> bool {
    let device = |path: &Path| std::fs::symlink_metadata(path).ok().map(|found| found.dev());
    match (device(path), path.parent().and_then(device)) {
        (Some(own), Some(parent)) => own == parent,
        (None, _) => true,
        _ => false,
    }
}

/// The path with every link of its parent resolved; its last component as it is.
pub(super) fn absolute(path: &Path) -> Outcome<PathBuf> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(Failure::refused(format!("{} is no place for keys", path.display())));
    };
    let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
    let parent =
        parent.canonicalize().map_err(|error| Failure::io(format!("cannot find {}", parent.display()), &error))?;
    Ok(parent.join(name))
}
