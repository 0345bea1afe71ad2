//! What the kernel's own files say about the ways in which memory reaches a disk: swap, hibernation, core dumps.

use std::collections::BTreeMap;

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

/// Whether this kernel would write memory to a disk on request: /sys/power/state knows "disk", and /sys/power/disk is not
/// disabled (as by `nohibernate` or lockdown). Source: Linux, `Documentation/admin-guide/pm/sleep-states.rst`.
///
/// /sys/power/resume does not matter: without it the first swap area is taken, and systemd sets it before.
#[must_use]
pub fn can_hibernate(state: &str, disk: &str) -> bool {
    state.split_ascii_whitespace().any(|state| state == "disk")
        && !disk.trim().is_empty()
        && !disk.contains("[disabled]")
}

/// Whether the kernel was told where to find the memory of a hibernated system. Source: Linux,
/// `Documentation/admin-guide/kernel-parameters.txt`.
///
/// Debian and Ubuntu never write that by themselves: their initramfs finds the swap area on every host that has one.
#[must_use]
pub fn is_to_resume(command_line: &str) -> bool {
    let has = |wanted: &str| command_line.split_ascii_whitespace().any(|word| word == wanted);
    let named =
        command_line.split_ascii_whitespace().any(|word| word.strip_prefix("resume=").is_some_and(|to| !to.is_empty()));
    named && !has("noresume") && !has("hibernate=noresume")
}

/// What sleep.conf and logind.conf say of hibernation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hibernation {
    /// Nothing: it happens when root says so, and nobody seems to mean to.
    Default,
    /// It is forbidden.
    Forbidden,
    /// Somebody set it up, with this line.
    SetUp(String),
}

/// Reads the settings of systemd or elogind: the texts of their files, in the order in which they count, the last one most.
/// Sources: systemd-sleep.conf(5), logind.conf(5).
#[must_use]
pub fn hibernation<'a>(texts: impl IntoIterator<Item = &'a str>) -> Hibernation {
    const KINDS: [&str; 3] = ["AllowHibernation", "AllowHybridSleep", "AllowSuspendThenHibernate"];
    const ACTIONS: [&str; 3] = ["hibernate", "hybrid-sleep", "suspend-then-hibernate"];
    let mut settings = BTreeMap::new();
    for text in texts {
        let mut section = "";
        for line in text.lines().map(str::trim) {
            if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
                section = name;
            } else if let Some((key, value)) = line.split_once('=').filter(|_| !line.starts_with(['#', ';'])) {
                settings.insert((section, key.trim()), value.trim());
            }
        }
    }
    let says_yes = |value: &str| ["yes", "true", "on", "1", "y", "t"].contains(&value.to_ascii_lowercase().as_str());
    let allowed =
        |kind: &str| settings.get(&("Sleep", kind)).filter(|value| !value.is_empty()).map(|value| says_yes(value));
    // The other two are off with it, unless they are switched on.
    if allowed(KINDS[0]) == Some(false) && KINDS[1..].iter().all(|kind| allowed(kind) != Some(true)) {
        return Hibernation::Forbidden;
    }
    let shows_intent = |section: &str, key: &str, value: &str| match section {
        "Sleep" if KINDS.contains(&key) => says_yes(value),
        // "HibernateOnACPower=no" is a limit, not a wish.
        "Sleep" => (key.starts_with("Hibernate") || key.starts_with("HybridSleep")) && !["", "no"].contains(&value),
        "Login" => value.split_ascii_whitespace().any(|word| ACTIONS.contains(&word)),
        _ => false,
    };
    let found = settings.iter().find(|((section, key), value)| shows_intent(section, key, value));
    found.map_or(Hibernation::Default, |((_, key), value)| Hibernation::SetUp(format!("{key}={value}")))
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
    fn hibernation_needs_a_kernel_that_can() {
        assert!(can_hibernate("freeze mem disk\n", "[platform] shutdown reboot\n"));
        assert!(!can_hibernate("freeze mem\n", "[platform] shutdown\n"));
        assert!(!can_hibernate("freeze mem disk\n", "[disabled]\n"));
        assert!(!can_hibernate("", ""));
    }

    #[test]
    fn the_kernel_is_told_to_resume() {
        assert!(is_to_resume("root=/dev/sda1 resume=UUID=1-2 quiet\n"));
        for other in ["", "root=/dev/sda1 ro quiet", "resume=", "resume=/dev/sda2 noresume", "xresume=/dev/sda2"] {
            assert!(!is_to_resume(other), "{other}");
        }
    }

    #[test]
    fn what_says_nothing_of_hibernation_sets_nothing_up() {
        for text in [
            "",
            "[Sleep]\n#AllowHibernation=yes\n#HibernateMode=platform shutdown\n",
            "[Login]\n#HandleHibernateKey=hibernate\nIdleAction=suspend\nKillUserProcesses=no\n",
            "[Other]\nAllowHibernation=yes\n",
            "[Sleep]\nAllowSuspend=no\nHibernateMode=\n",
            "AllowHibernation=yes\n",
        ] {
            assert_eq!(hibernation([text]), Hibernation::Default, "{text}");
        }
    }

    #[test]
    fn hibernation_is_set_up_and_forbidden() {
        for (text, line) in [
            ("[Sleep]\nAllowHibernation=yes\n", "AllowHibernation=yes"),
            ("[Sleep]\n HibernateDelaySec = 2h\n", "HibernateDelaySec=2h"),
            ("[Sleep]\nAllowHibernation=no\nAllowHybridSleep=1\n", "AllowHybridSleep=1"),
            ("[Login]\nIdleAction=suspend-then-hibernate\n", "IdleAction=suspend-then-hibernate"),
            ("[Login]\nSleepOperation=suspend hibernate\n", "SleepOperation=suspend hibernate"),
        ] {
            assert_eq!(hibernation([text]), Hibernation::SetUp(line.to_owned()));
        }
        // The last one counts.
        let (yes, no) = ("[Sleep]\nAllowHibernation=yes\n", "[Sleep]\nAllowHibernation=no\n");
        assert_eq!(hibernation([yes, no]), Hibernation::Forbidden);
        assert_eq!(hibernation([no, yes]), Hibernation::SetUp("AllowHibernation=yes".to_owned()));
        assert_eq!(hibernation([no, "[Login]\nIdleAction=hibernate\n"]), Hibernation::Forbidden);
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
