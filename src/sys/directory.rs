//! The keys directory: everything happens relative to its descriptor, nobody else's link is followed (K7), and what file
//! system it is on is asked of the open directory, not of a path (K1).

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, open, openat, renameat};
use nix::sys::stat::{FileStat, Mode, SFlag, UtimensatFlags, fchmod, fstat, fstatat, futimens, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, LinkatFlags, Uid, UnlinkatFlags, fchown, geteuid, linkat, unlinkat};

use crate::core::key::LONGEST;
use crate::core::name::{Name, TEMPORARY_PREFIX};
use crate::failure::{Failure, Outcome};
use crate::sys::clock::Moment;
use crate::sys::system::file_system::{changed, is_in_memory};
use crate::sys::{random, read_all, retry, write_all};

/// The temporary name of what is about to become a slot. Fixed, because only the holder of the lock may make one.
const INCOMING: &str = ".stek-new";
/// The temporary name of what was a slot and is about to be destroyed.
const OUTGOING: &str = ".stek-old";
/// The same of any other file: only of a slot it is known which names keep its key alive.
const OUTGOING_FILE: &str = ".stek-old-file";

/// An open directory for key files.
pub struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
    in_memory: bool,
    user: u32,
    mode: u32,
}

/// What stat(2) says about a file in the directory.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    /// The inode.
    pub inode: u64,
    /// Last change of content, which is what epochs are kept in; seconds since 1970.
    pub mtime: i64,
    /// Last change of content, links or times. Links and renames move it, and nobody can set it.
    pub changed: Moment,
    /// Size in bytes.
    pub size: usize,
    /// Permission bits.
    pub mode: u32,
    /// How many names it has.
    pub names: u64,
    /// Owner.
    pub owner: u32,
    /// Group.
    pub group: u32,
    /// A regular file, not a link, directory or device.
    pub is_regular: bool,
    /// A directory.
    pub is_directory: bool,
}

impl From<FileStat> for Found {
    // The types of these fields differ between systems.
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn from(stat: FileStat) -> Self {
        let kind = SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT;
        Self {
            inode: stat.st_ino as u64,
            mtime: stat.st_mtime as i64,
            changed: changed(&stat),
            size: stat.st_size as usize,
            mode: stat.st_mode as u32 & 0o7777,
            names: stat.st_nlink as u64,
            owner: stat.st_uid,
            group: stat.st_gid,
            is_regular: kind == SFlag::S_IFREG,
            is_directory: kind == SFlag::S_IFDIR,
        }
    }
}

impl Found {
    /// The group that may read the file, if its group may.
    #[must_use]
    pub fn read_by_group(&self) -> Option<u32> {
        (self.mode & 0o040 != 0).then_some(self.group)
    }
}

/// Who may do what with a key file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Access {
    /// Permission bits.
    pub mode: u32,
    /// Another owner than the one who runs this.
    pub owner: Option<u32>,
    /// Another group.
    pub group: Option<u32>,
}

impl Access {
    /// 0600, or 0640 with a group (K7).
    #[must_use]
    pub fn for_group(group: Option<u32>) -> Self {
        Self { mode: if group.is_some() { 0o640 } else { 0o600 }, owner: None, group }
    }
}

impl Directory {
    /// Opens a directory as it is, to look at it and change nothing; and what it is.
    pub fn open_to_look(path: &Path) -> Outcome<(Self, Found)> {
        // Without a slash or dot at the end, which would follow a link.
        let path = &path.components().collect::<PathBuf>();
        let shown = path.display();
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let descriptor = retry(|| open(path, flags, Mode::empty())).map_err(|errno| match errno {
            Errno::ENOENT => Failure::system(format!("cannot open {shown}"), errno)
                .hint("make it with 'stek mount', or name another one with -d or $STEK_DIR"),
            Errno::ELOOP | Errno::ENOTDIR => {
                Failure::refused(format!("{shown} is not a directory, or a symbolic link"))
            }
            errno => Failure::system(format!("cannot open {shown}"), errno),
        })?;
        let attempt = || format!("cannot look at {shown}");
        let found: Found = fstat(&descriptor).map_err(|errno| Failure::system(attempt(), errno))?.into();
        let in_memory = is_in_memory(&descriptor).map_err(|errno| Failure::system(attempt(), errno))?;
        Ok((Self { descriptor, path: path.to_owned(), in_memory, user: geteuid().as_raw(), mode: found.mode }, found))
    }

    /// Opens a directory for keys: our own or root's, writable by nobody else (K7), in memory unless `allow_disk` (K1).
    pub fn open(path: &Path, allow_disk: bool) -> Outcome<Self> {
        let (directory, found) = Self::open_to_look(path)?;
        let shown = path.display();
        if found.owner != 0 && found.owner != directory.user {
            return Err(Failure::refused(format!("{shown} belongs to uid {}", found.owner))
                .hint("keys are only safe in a directory of your own or root's"));
        }
        if found.mode & 0o022 != 0 {
            return Err(Failure::refused(format!("{shown} is writable by others (mode {:04o})", found.mode)).hint(
                if found.mode & 0o1000 == 0 {
                    format!("chmod go-w {shown}")
                } else {
                    "use a directory of your own in it".to_owned()
                },
            ));
        }
        if !directory.in_memory && !allow_disk {
            return Err(Failure::refused(format!("{shown} is not on tmpfs or ramfs, keys would reach a disk"))
                .hint("use 'stek mount', or --allow-disk if you know better"));
        }
        Ok(directory)
    }

    /// The user who opened it, which is who we are.
    #[must_use]
    pub fn user(&self) -> u32 {
        self.user
    }

    /// Whether anybody but its owner could enter it when it was opened. Which of them, lists of access rights may say.
    #[must_use]
    pub fn lets_others_in(&self) -> bool {
        self.mode & 0o011 != 0
    }

    /// Whether it lies on tmpfs or ramfs.
    #[must_use]
    pub fn is_in_memory(&self) -> bool {
        self.in_memory
    }

    /// The path it was opened by, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the descriptor away.
    #[must_use]
    pub fn into_descriptor(self) -> OwnedFd {
        self.descriptor
    }

    /// A file's path, for messages.
    #[must_use]
    pub fn shown(&self, file: &str) -> String {
        self.path.join(file).display().to_string()
    }

    fn failed(&self, verb: &str, file: &str) -> impl FnOnce(Errno) -> Failure {
        let attempt = format!("cannot {verb} {}", self.shown(file));
        move |errno| Failure::system(attempt, errno)
    }

    /// The names of all files in it, in no order; a name that is not UTF-8 is none of ours.
    pub fn files(&self) -> Outcome<Vec<String>> {
        Ok(self.entries()?.into_iter().filter_map(|file| file.into_string().ok()).collect())
    }

    /// The names of all files in it, whatever their bytes.
    pub fn entries(&self) -> Outcome<Vec<OsString>> {
        let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let failed = |errno| Failure::system(format!("cannot list {}", self.path.display()), errno);
        let own = retry(|| openat(&self.descriptor, ".", flags, Mode::empty())).map_err(failed)?;
        let mut files = Vec::new();
        for entry in Dir::from_fd(own).map_err(failed)?.iter() {
            let entry = entry.map_err(failed)?;
            let file = entry.file_name().to_bytes();
            if file != b"." && file != b".." {
                files.push(OsString::from_vec(file.to_vec()));
            }
        }
        Ok(files)
    }

    /// What is there under a name, links not followed; `None` for nothing.
    pub fn look(&self, file: &str) -> Outcome<Option<Found>> {
        match fstatat(&self.descriptor, file, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat.into())),
            Err(Errno::ENOENT) => Ok(None),
            Err(errno) => Err(self.failed("look at", file)(errno)),
        }
    }

    fn open_file(&self, file: &str, flags: OFlag) -> nix::Result<OwnedFd> {
        let flags = flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
        retry(|| openat(&self.descriptor, file, flags, Mode::empty()))
    }

    /// Reads a file from its beginning into `buffer`; how many bytes came.
    pub fn read(&self, file: &str, buffer: &mut [u8]) -> Outcome<usize> {
        let descriptor = self.open_file(file, OFlag::O_RDONLY).map_err(self.failed("open", file))?;
        read_all(descriptor.as_fd(), buffer).map_err(self.failed("read", file))
    }

    /// Looks at a file and reads it, through one descriptor so that both speak of the same file; only a regular file is read.
    ///
    /// # Errors
    /// Whatever open(2), fstat(2) or read(2) fails with.
    pub fn look_and_read(&self, file: &str, buffer: &mut [u8]) -> nix::Result<(Found, usize)> {
        let descriptor = self.open_file(file, OFlag::O_RDONLY)?;
        let found: Found = fstat(&descriptor)?.into();
        let length = if found.is_regular { read_all(descriptor.as_fd(), buffer)? } else { 0 };
        Ok((found, length))
    }

    /// Sets a file's mtime, in seconds since 1970.
    pub fn date(&self, file: &str, mtime: i64) -> Outcome {
        let (keep, mtime) = times(mtime);
        utimensat(&self.descriptor, file, &keep, &mtime, UtimensatFlags::NoFollowSymlink)
            .map_err(self.failed("date", file))
    }

    /// Sets mode, owner and group of a file; the owners first, so that no wrong group ever reads it.
    pub fn protect(&self, file: &str, access: Access) -> Outcome {
        let descriptor = self.open_file(file, OFlag::O_RDONLY).map_err(self.failed("open", file))?;
        protect(descriptor.as_fd(), access).map_err(self.failed("protect", file))
    }

    /// Puts `content` under the name `file`, atomically; what was there before is overwritten when `destroy` says its size.
    ///
    /// The caller holds the lock.
    pub fn put_content(
        &self,
        file: &str,
        content: &[u8],
        mtime: Option<i64>,
        access: Access,
        destroy: Option<usize>,
    ) -> Outcome {
        self.or_sweep(|| {
            self.create(INCOMING, content, mtime, access).map_err(self.failed("write", file))?;
            self.replace(file, destroy)
        })
    }

    /// Puts the file `from` under the name `file` as well, atomically; otherwise like [`Directory::put_content`].
    pub fn put_link(&self, file: &str, from: &str, destroy: Option<usize>) -> Outcome {
        self.or_sweep(|| {
            self.link(from, INCOMING).map_err(self.failed("link", from))?;
            self.replace(file, destroy)
        })
    }

    /// Puts `content` under the name `file`, whole or not at all, and only if there is nothing of that name.
    pub fn put_new(&self, file: &str, content: &[u8], access: Access) -> Outcome {
        self.or_sweep(|| {
            self.create(INCOMING, content, None, access).map_err(self.failed("write", file))?;
            self.link(INCOMING, file).map_err(self.failed("write", file))?;
            self.unlink(INCOMING).map_err(self.failed("remove", INCOMING))?;
            self.settle(file)
        })
    }

    fn replace(&self, file: &str, destroy: Option<usize>) -> Outcome {
        let outgoing = if Name::of_slot_file(file).is_some() { OUTGOING } else { OUTGOING_FILE };
        if destroy.is_some() {
            self.link(file, outgoing).map_err(self.failed("link", file))?;
        }
        retry(|| renameat(&self.descriptor, INCOMING, &self.descriptor, file)).map_err(self.failed("replace", file))?;
        self.settle(file)?;
        destroy
            .map_or(Ok(()), |size| self.destroy_file(outgoing, size).map_err(self.failed("destroy the former", file)))
    }

    /// On a disk: waits until the directory's change has reached it.
    fn settle(&self, file: &str) -> Outcome {
        if self.in_memory {
            return Ok(());
        }
        retry(|| nix::unistd::fsync(&self.descriptor)).map_err(self.failed("sync", file))
    }

    fn create(&self, file: &str, content: &[u8], mtime: Option<i64>, access: Access) -> nix::Result<()> {
        let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let descriptor = retry(|| openat(&self.descriptor, file, flags, Mode::S_IRUSR | Mode::S_IWUSR))?;
        if access != Access::for_group(None) {
            protect(descriptor.as_fd(), access)?;
        }
        write_all(descriptor.as_fd(), content)?;
        if let Some(mtime) = mtime {
            let (keep, mtime) = times(mtime);
            futimens(&descriptor, &keep, &mtime)?;
        }
        if !self.in_memory {
            retry(|| nix::unistd::fsync(&descriptor))?;
        }
        Ok(())
    }

    fn link(&self, from: &str, to: &str) -> nix::Result<()> {
        retry(|| linkat(&self.descriptor, from, &self.descriptor, to, LinkatFlags::empty()))
    }

    fn unlink(&self, file: &str) -> nix::Result<()> {
        retry(|| unlinkat(&self.descriptor, file, UnlinkatFlags::NoRemoveDir))
    }

    /// Removes a file that holds no key.
    pub fn remove(&self, file: &str) -> Outcome {
        self.unlink(file).map_err(self.failed("remove", file))?;
        self.settle(file)
    }

    /// Overwrites the first `size` bytes of a file in place, through every link to it, and unlinks it (K8).
    ///
    /// It is overwritten with random bytes, never with zeros: a server that opened the file just before would otherwise
    /// accept tickets under a key that everybody knows (K2, K6).
    fn destroy_file(&self, file: &str, size: usize) -> nix::Result<()> {
        let descriptor = match self.open_file(file, OFlag::O_WRONLY) {
            // Who is not root may not write even his own file while its mode says so.
            Err(Errno::EACCES) => {
                fchmod(self.open_file(file, OFlag::O_RDONLY)?, Mode::S_IRUSR | Mode::S_IWUSR)?;
                self.open_file(file, OFlag::O_WRONLY)?
            }
            other => other?,
        };
        overwrite(descriptor.as_fd(), size)?;
        if !self.in_memory {
            retry(|| nix::unistd::fsync(&descriptor))?;
        }
        drop(descriptor);
        self.unlink(file)
    }

    /// Overwrites and removes a file of the directory, whatever its size.
    pub fn destroy(&self, file: &str) -> Outcome {
        let Some(found) = self.look(file)? else { return Ok(()) };
        let destroyed = if found.is_regular { self.destroy_file(file, found.size) } else { self.unlink(file) };
        destroyed.map_err(self.failed("destroy", file))
    }

    /// Removes what a killed run left behind: temporary files. One that shares its inode with a slot is only a name too
    /// many; any other holds a key that is in no slot any more, or was not yet, and is overwritten (K8), through every
    /// other name that somebody gave to what was a slot.
    ///
    /// The caller holds the lock; `files` is the directory's listing.
    pub fn sweep(&self, files: &[String]) -> Outcome {
        let mut live: Option<Vec<(u64, bool)>> = None;
        for file in files.iter().filter(|file| file.starts_with(TEMPORARY_PREFIX)) {
            let Some(found) = self.look(file)?.filter(|found| !found.is_directory) else { continue };
            let live = match &live {
                Some(live) => live,
                None => live.insert(self.inodes(files)?),
            };
            let keeps = |(inode, is_slot): &(u64, bool)| *inode == found.inode && (*is_slot || file != OUTGOING);
            if found.is_regular && !live.iter().any(keeps) {
                self.destroy(file)?;
            } else {
                self.unlink(file).map_err(self.failed("remove", file))?;
            }
        }
        Ok(())
    }

    /// The inodes of all files but temporary ones, and whether the name is a slot's.
    fn inodes(&self, files: &[String]) -> Outcome<Vec<(u64, bool)>> {
        let mut inodes = Vec::new();
        for file in files.iter().filter(|file| !file.starts_with(TEMPORARY_PREFIX)) {
            let is_slot = Name::of_slot_file(file).is_some();
            inodes.extend(self.look(file)?.map(|found| (found.inode, is_slot)));
        }
        Ok(inodes)
    }

    /// Whether another slot than `file` is a name of the same file as `found`. Such a file is not destroyed.
    pub fn is_other_slot(&self, files: &[String], file: &str, found: Found) -> Outcome<bool> {
        for other in files.iter().filter(|other| *other != file && Name::of_slot_file(other).is_some()) {
            if self.look(other)?.is_some_and(|other| other.inode == found.inode) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Runs `work`; if it fails, sweeps up behind it. What the sweep cannot remove the next run will.
    fn or_sweep(&self, work: impl FnOnce() -> Outcome) -> Outcome {
        work().inspect_err(|_| {
            let _ = self.sweep_own();
        })
    }

    /// As [`Directory::sweep`], where the directory is not only ours: no more than the names that are used here.
    pub fn sweep_own(&self) -> Outcome {
        let mut files = self.files()?;
        files.retain(|file| {
            !file.starts_with(TEMPORARY_PREFIX) || [INCOMING, OUTGOING, OUTGOING_FILE].contains(&file.as_str())
        });
        self.sweep(&files)
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Whether a file's directory is this one, by whatever path.
#[must_use]
pub fn is_in(file: &Path, directory: &Path) -> bool {
    let parent = file.parent().and_then(|parent| parent.canonicalize().ok());
    parent.is_some() && parent == directory.canonicalize().ok()
}

/// The time stamps that leave atime alone and set mtime.
fn times(mtime: i64) -> (TimeSpec, TimeSpec) {
    // Deprecated for musl, where the crate is going to make it wider: it is already as wide where this is built.
    #[allow(clippy::unnecessary_cast, deprecated)]
    let seconds = mtime as nix::libc::time_t;
    (TimeSpec::UTIME_OMIT, TimeSpec::new(seconds, 0))
}

fn protect(descriptor: BorrowedFd<'_>, access: Access) -> nix::Result<()> {
    if access.owner.is_some() || access.group.is_some() {
        retry(|| fchown(descriptor, access.owner.map(Uid::from_raw), access.group.map(Gid::from_raw)))?;
    }
    #[allow(clippy::unnecessary_cast, clippy::cast_possible_truncation)]
    let mode = Mode::from_bits_truncate(access.mode as libc::mode_t);
    retry(|| fchmod(descriptor, mode))
}

fn overwrite(descriptor: BorrowedFd<'_>, size: usize) -> nix::Result<()> {
    // A key is 80 bytes at most. What is larger is something else, perhaps a sparse file that would fill the memory.
    let mut left = size.min(64 * 1024);
    while left > 0 {
        let noise = noise()?;
        let length = left.min(noise.len());
        write_all(descriptor, &noise[..length])?;
        left -= length;
    }
    Ok(())
}

/// Random bytes to overwrite keys with. One block serves a whole run: nothing is ever encrypted under it.
fn noise() -> nix::Result<&'static [u8; LONGEST]> {
    static NOISE: OnceLock<[u8; LONGEST]> = OnceLock::new();
    if let Some(noise) = NOISE.get() {
        return Ok(noise);
    }
    let mut noise = [0; LONGEST];
    random::fill(&mut noise)?;
    Ok(NOISE.get_or_init(|| noise))
}

/// The key sets of a directory.
#[derive(Debug, Default)]
pub struct KeySets(std::collections::BTreeMap<String, usize>);

impl KeySets {
    /// Finds them in the directory's listing.
    #[must_use]
    pub fn of(files: &[String]) -> Self {
        let mut sets = std::collections::BTreeMap::<String, usize>::new();
        for (name, slot) in files.iter().filter_map(|file| Name::of_slot_file(file)) {
            match sets.get_mut(name) {
                Some(highest) => *highest = slot.max(*highest),
                None => drop(sets.insert(name.to_owned(), slot)),
            }
        }
        Self(sets)
    }

    /// All NAMEs, in order.
    #[must_use]
    pub fn names(&self) -> Vec<Name> {
        self.0.keys().filter_map(|name| Name::parse(name).ok()).collect()
    }

    /// The highest slot of a NAME that has a file; `None` if none has.
    #[must_use]
    pub fn highest(&self, name: &Name) -> Option<usize> {
        self.0.get(name.as_str()).copied()
    }
}
