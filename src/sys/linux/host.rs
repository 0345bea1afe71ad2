//! What could carry memory to a disk on this host, and whether its clock is right.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::core::host::{self, Hibernation, Swap};

fn text(path: impl AsRef<Path>) -> String {
    std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// The swap areas in use, and where each keeps its pages.
#[must_use]
pub fn swaps() -> Vec<(String, Swap)> {
    host::swap_areas(&text("/proc/swaps")).map(|area| (area.clone(), swap_kind(&area))).collect()
}

/// Asks sysfs what a swap area lies on. What cannot be found out counts as a plain disk.
fn swap_kind(area: &str) -> Swap {
    let path = Path::new(area);
    // By its name a device is found even where /dev lacks it, as in most containers.
    let by_name = path.parent().filter(|parent| *parent == Path::new("/dev")).and(path.file_name());
    let by_name = by_name.map(|name| Path::new("/sys/class/block").join(name)).filter(|device| device.is_dir());
    let device = by_name.or_else(|| {
        let found = std::fs::metadata(path).ok()?;
        let number = if found.file_type().is_block_device() { found.rdev() } else { found.dev() };
        let (major, minor) = (libc::major(number), libc::minor(number));
        Some(PathBuf::from(format!("/sys/dev/block/{major}:{minor}")))
    });
    let Some(device) = device.and_then(|device| device.canonicalize().ok()) else { return Swap::Disk };
    let is_zram = device.file_name().is_some_and(|name| name.to_string_lossy().starts_with("zram"));
    if is_zram {
        // Without writeback in the kernel there is no such file.
        let backing = text(device.join("backing_dev"));
        return if matches!(backing.trim(), "" | "none") { Swap::Memory } else { Swap::Disk };
    }
    if is_encrypted(&device, 8) { Swap::Encrypted } else { Swap::Disk }
}

/// Whether a block device, or all that it is made of, is dm-crypt's.
fn is_encrypted(device: &Path, depth: u32) -> bool {
    if text(device.join("dm/uuid")).starts_with("CRYPT-") {
        return true;
    }
    let Ok(parts) = std::fs::read_dir(device.join("slaves")) else { return false };
    let mut parts = parts.flatten().peekable();
    depth > 0 && parts.peek().is_some() && parts.all(|part| is_encrypted(&part.path(), depth - 1))
}

/// How this host was set up to hibernate, if it was. That root could make it do so is true of nearly every host with swap.
#[must_use]
pub fn hibernation() -> Option<String> {
    let power = |file: &str| text(format!("/sys/power/{file}"));
    if !host::can_hibernate(&power("state"), &power("disk")) || hibernation_is_masked() {
        return None;
    }
    let texts = settings_of_sleep();
    match host::hibernation(texts.iter().map(String::as_str)) {
        Hibernation::Forbidden => None,
        Hibernation::SetUp(line) => Some(format!("{line} in the settings of systemd or elogind")),
        Hibernation::Default => {
            host::is_to_resume(&text("/proc/cmdline")).then(|| "resume= on the kernel's command line".to_owned())
        }
    }
}

/// systemd's way to forbid it: its targets are links to /dev/null or empty, or the one that all of them need is.
fn hibernation_is_masked() -> bool {
    let is_masked = |unit: &str| {
        ["/etc/systemd/system", "/run/systemd/system"].into_iter().any(|directory| {
            let unit = Path::new(directory).join(unit);
            std::fs::read_link(&unit).is_ok_and(|to| to == Path::new("/dev/null"))
                || std::fs::metadata(&unit).is_ok_and(|found| found.is_file() && found.len() == 0)
        })
    };
    is_masked("sleep.target")
        || ["hibernate.target", "hybrid-sleep.target", "suspend-then-hibernate.target"].into_iter().all(is_masked)
}

/// The texts of sleep.conf and logind.conf in the order in which they count: the main file of the first directory that has
/// one, then the pieces of all directories by their names, of two with one name the first. Source: systemd-sleep.conf(5).
fn settings_of_sleep() -> Vec<String> {
    let mut texts = Vec::new();
    for program in ["systemd", "elogind"] {
        let places = ["/etc", "/run", "/usr/local/lib", "/usr/lib"].map(|place| Path::new(place).join(program));
        for file in ["sleep.conf", "logind.conf"] {
            texts.extend(places.iter().map(|place| place.join(file)).find(|path| path.exists()).map(text));
            let mut pieces = BTreeMap::new();
            for place in &places {
                let Ok(entries) = std::fs::read_dir(place.join(format!("{file}.d"))) else { continue };
                for piece in entries.flatten().filter(|entry| entry.path().extension().is_some_and(|end| end == "conf"))
                {
                    pieces.entry(piece.file_name()).or_insert_with(|| piece.path());
                }
            }
            texts.extend(pieces.into_values().map(text));
        }
    }
    texts
}

/// The kinds of file systems that the kernel knows, as proc(5) says of /proc/filesystems.
#[must_use]
pub fn file_systems() -> String {
    text("/proc/filesystems")
}

/// Where core dumps go, if they are kept.
#[must_use]
pub fn core_pattern() -> Option<String> {
    let pattern = text("/proc/sys/kernel/core_pattern");
    host::keeps_cores(&pattern).then(|| pattern.trim().to_owned())
}

/// The limit of a process for its core dumps, unless that is 0.
#[must_use]
pub fn core_limit(id: u32) -> Option<String> {
    host::core_limit(&text(format!("/proc/{id}/limits"))).map(str::to_owned)
}

/// Whether something keeps the clock right. Unknown counts as yes.
///
/// The kernel's flag alone would cry wolf: chrony leaves it set without `rtcsync`, and systemd-timesyncd where the
/// hardware clock keeps local time. Both set the estimated error, which grows to 16 s (`NTP_PHASE_LIMIT`) when nobody does.
#[must_use]
pub fn clock_is_synchronised() -> bool {
    const LARGEST_ERROR: i64 = 16_000_000;
    // SAFETY: all zero is a valid timex; its modes are then 0, which only asks.
    let mut state: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure is valid and writable; adjtimex(2) fills it.
    let answer = unsafe { libc::adjtimex(&raw mut state) };
    #[allow(clippy::unnecessary_cast)]
    let error = state.maxerror as i64;
    answer == -1 || state.status & libc::STA_UNSYNC == 0 || error < LARGEST_ERROR
}
