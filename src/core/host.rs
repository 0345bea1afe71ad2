//! What the kernel's own files say about the ways in which memory reaches a disk: swap, hibernation, core dumps.

/// Where a swap area keeps its pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Swap {
    /// On a disk, readable by whoever gets the disk.
    Disk,
    /// On a disk, encrypted by the device mapper.
    Encrypted,
    /// In memory, compressed: zram without a backing device.
    Memory,
}

/// The devices and files of /proc/swaps. Source of the format: proc(5); blanks in a path are `\040`.
pub fn swap_areas(table: &str) -> impl Iterator<Item = String> {
    table.lines().skip(1).filter_map(|line| {
        let path = line.split_ascii_whitespace().next()?;
        // The kernel marks what is deleted, the path still tells where it was.
        Some(
            ["\\040", " ", "\\011", "\t", "\\012", "\n", "\\134", "\\"]
                .chunks(2)
                .fold(path.trim_end_matches("\\040(deleted)").to_owned(), |path, pair| path.replace(pair[0], pair[1])),
        )
    })
}

/// Whether this kernel would write memory to a disk on request and find it again: /sys/power/state knows "disk",
/// /sys/power/disk is not disabled (as by `nohibernate` or lockdown), and /sys/power/resume names a device.
/// Source: Linux, `Documentation/admin-guide/pm/sleep-states.rst`.
#[must_use]
pub fn can_hibernate(state: &str, disk: &str, resume: &str) -> bool {
    let resume = resume.trim();
    state.split_ascii_whitespace().any(|state| state == "disk")
        && !disk.trim().is_empty()
        && !disk.contains("[disabled]")
        && !resume.is_empty()
        && resume != "0:0"
}

/// Whether a pattern as in `/proc/sys/kernel/core_pattern` keeps core dumps at all. Systems that want none pipe them into
/// false(1) or true(1). Source of the format: core(5).
#[must_use]
pub fn keeps_cores(pattern: &str) -> bool {
    let pattern = pattern.trim();
    let nowhere = pattern.strip_prefix('|').is_some_and(|command| {
        let program = command.split_ascii_whitespace().next().unwrap_or_default();
        matches!(program.rsplit('/').next(), Some("false" | "true"))
    });
    !pattern.is_empty() && !nowhere
}

/// The limit that a process has for its core dumps, as /proc/PID/limits shows it, unless that is 0.
#[must_use]
pub fn core_limit(limits: &str) -> Option<&str> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max core file size"))?;
    rest.split_ascii_whitespace().next().filter(|soft| *soft != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn swap_areas_are_read() {
        let table = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n\
            /dev/dm-1                               partition\t999420\t\t0\t\t-2\n\
            /swap\\040file\\134x                     file\t\t1024\t0\t-3\n\
            /old\\040(deleted)                       file\t\t1024\t0\t-4\n";
        assert_eq!(swap_areas(table).collect::<Vec<_>>(), ["/dev/dm-1", "/swap file\\x", "/old"]);
        assert_eq!(swap_areas("Filename\tType\n").count(), 0);
        assert_eq!(swap_areas("").count(), 0);
    }

    #[test]
    fn hibernation_needs_a_kernel_that_can_and_a_place_to_resume_from() {
        assert!(can_hibernate("freeze mem disk\n", "[platform] shutdown reboot\n", "254:1\n"));
        assert!(!can_hibernate("freeze mem\n", "[platform] shutdown\n", "254:1\n"));
        assert!(!can_hibernate("freeze mem disk\n", "[disabled]\n", "254:1\n"));
        assert!(!can_hibernate("freeze mem disk\n", "[platform]\n", "0:0\n"));
        assert!(!can_hibernate("", "", ""));
    }

    #[test]
    fn cores_are_kept_by_files_and_handlers_but_not_by_false() {
        for kept in ["core\n", "/var/crash/%e", "|/usr/lib/systemd/systemd-coredump %P"] {
            assert!(keeps_cores(kept), "{kept}");
        }
        for gone in ["", "\n", "|/bin/false", "| /usr/bin/true %P\n"] {
            assert!(!keeps_cores(gone), "{gone}");
        }
    }

    #[test]
    fn the_soft_limit_counts() {
        let limits = |soft: &str| {
            format!(
                "Limit  Soft Limit  Hard Limit  Units\nMax stack size 8388608 unlimited bytes\nMax core file size        {soft}                    unlimited            bytes     \n"
            )
        };
        assert_eq!(core_limit(&limits("0")), None);
        assert_eq!(core_limit(&limits("unlimited")), Some("unlimited"));
        assert_eq!(core_limit(&limits("1048576")), Some("1048576"));
        assert_eq!(core_limit(""), None);
    }
}
