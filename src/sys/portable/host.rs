//! What could carry memory to a disk on this host, as far as the system's own programs tell.

use super::said;
use crate::core::host::Swap;

/// Lists the swap areas: swapctl(8) of the BSDs, swap(8) of illumos.
const LISTER: &str = if cfg!(any(target_os = "illumos", target_os = "solaris")) { "swap" } else { "swapctl" };

/// The swap areas in use, and where each keeps its pages. Where nobody can be asked, one is taken to be there.
#[must_use]
pub fn swaps() -> Vec<(String, Swap)> {
    if cfg!(target_vendor = "apple") {
        return vec![("/private/var/vm".to_owned(), Swap::Encrypted)];
    }
    match said(LISTER, &["-l"]) {
        Some(table) => areas(&table).map(|area| (area.to_owned(), kind(area))).collect(),
        None => vec![(format!("whatever {LISTER} -l would list"), Swap::Disk)],
    }
}

/// The devices and files of a listing: one a line, first and with its whole path. Head lines have none.
fn areas(table: &str) -> impl Iterator<Item = &str> {
    table.lines().filter_map(|line| line.split_ascii_whitespace().next()).filter(|area| area.starts_with('/'))
}

/// OpenBSD encrypts swap unless told not to; FreeBSD what geli(8) has made a device of.
fn kind(area: &str) -> Swap {
    if cfg!(target_os = "openbsd") || area.strip_suffix(".eli").is_some() { Swap::Encrypted } else { Swap::Disk }
}

/// How this host was set up to hibernate, if it was: nothing is known of it.
#[must_use]
pub fn hibernation() -> Option<String> {
    None
}

/// The kinds of file systems that the kernel knows: nobody can be asked, and setup knows no such host.
#[must_use]
pub fn file_systems() -> String {
    String::new()
}

/// Where core dumps go, if they are kept: nothing is known of it.
#[must_use]
pub fn core_pattern() -> Option<String> {
    None
}

/// The limit of a process for its core dumps: nothing is known of it.
#[must_use]
pub fn core_limit(_: u32) -> Option<String> {
    None
}

/// Whether something keeps the clock right: nothing is known of it, which counts as yes.
#[must_use]
pub fn clock_is_synchronised() -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_read_out_of_the_listings() {
        let of = |table: &str| areas(table).map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(of("Device:       1024-blocks     Used:\n/dev/ada0p3.eli   2097152   0\n"), ["/dev/ada0p3.eli"]);
        assert_eq!(
            of("swapfile             dev  swaplo blocks   free\n/dev/zvol/dsk/rpool/swap 95,2  8 8388600 8388600\n"),
            ["/dev/zvol/dsk/rpool/swap"]
        );
        assert_eq!(
            of(
                "Device      512-blocks     Used    Avail Capacity  Priority\n/dev/sd0b  1 0 1 0% 0\n/swap 1 0 1 0% 0\nTotal 2 0\n"
            ),
            ["/dev/sd0b", "/swap"]
        );
        assert_eq!(of("No swap devices configured\n"), [""; 0]);
        assert_eq!(kind("/dev/ada0p3.eli"), Swap::Encrypted);
    }
}
