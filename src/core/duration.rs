//! Durations as administrators write them, and epochs.

/// The rotation period: how long a key encrypts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    seconds: i64,
}

/// A ticket lives 7 days at most (RFC 8446 section 4.6.1), and so does the key that encrypts it here.
pub const LONGEST: i64 = 7 * 24 * 3600;

impl Period {
    /// 12 hours: with three slots the window is a day.
    pub const DEFAULT: Self = Self { seconds: 12 * 3600 };

    /// Reads `12h`, `30m`, `1d`, `90s` or plain seconds.
    ///
    /// # Errors
    /// Says what is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let seconds = seconds(text).ok_or_else(|| format!("'{text}' is no period (like 12h, 30m, 1d or seconds)"))?;
        if !(1..=LONGEST).contains(&seconds) {
            return Err(format!("period '{text}' is not between 1 second and 7 days"));
        }
        Ok(Self { seconds })
    }

    /// How long a ticket is sure to be accepted with so many encrypting and previous slots: until the key that made it
    /// leaves the last of them.
    #[must_use]
    pub fn window(self, slots: usize) -> i64 {
        self.seconds.saturating_mul(i64::try_from(slots.saturating_sub(1)).unwrap_or(i64::MAX))
    }

    /// Its length in seconds.
    #[must_use]
    pub const fn seconds(self) -> i64 {
        self.seconds
    }

    /// The epoch that holds the moment `time` (seconds since 1970; before 1970 epochs are negative).
    #[must_use]
    pub const fn epoch(self, time: i64) -> i64 {
        time.div_euclid(self.seconds)
    }

    /// The moment at which `epoch` begins, in seconds since 1970.
    #[must_use]
    pub const fn start(self, epoch: i64) -> i64 {
        epoch.saturating_mul(self.seconds)
    }
}

/// Reads a duration with one of the units s, m, h, d (none: seconds) into seconds.
#[must_use]
pub fn seconds(text: &str) -> Option<i64> {
    let (digits, unit) = match text.as_bytes().last()? {
        b's' => (&text[..text.len() - 1], 1),
        b'm' => (&text[..text.len() - 1], 60),
        b'h' => (&text[..text.len() - 1], 3600),
        b'd' => (&text[..text.len() - 1], 24 * 3600),
        _ => (text, 1),
    };
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<i64>().ok()?.checked_mul(unit)
}

/// An age for a person: the two largest units, `3h12m`; a time to come has a minus sign.
#[must_use]
pub fn for_people(seconds: i64) -> String {
    let sign = if seconds < 0 { "-" } else { "" };
    let s = seconds.unsigned_abs();
    match s {
        0..60 => format!("{sign}{s}s"),
        60..3600 => format!("{sign}{}m{}s", s / 60, s % 60),
        3600..86400 => format!("{sign}{}h{}m", s / 3600, s % 3600 / 60),
        _ => format!("{sign}{}d{}h", s / 86400, s % 86400 / 3600),
    }
}

/// A duration as configurations have it: a number and the largest unit that divides it, `1d`, `36h`, `90s`.
#[must_use]
pub fn in_one_unit(seconds: i64) -> String {
    let units = [(24 * 3600, 'd'), (3600, 'h'), (60, 'm')];
    let (length, unit) =
        units.into_iter().find(|(length, _)| seconds % length == 0 && seconds != 0).unwrap_or((1, 's'));
    format!("{}{unit}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        for (text, expected) in
            [("12h", 43200), ("30m", 1800), ("1d", 86400), ("90s", 90), ("3600", 3600), ("7d", 604_800)]
        {
            assert_eq!(Period::parse(text).unwrap().start(1), expected, "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            "0",
            "h",
            "-1",
            "+1",
            "1.5h",
            "8d",
            "12 h",
            "1w",
            "99999999999999999999",
            "9223372036854775807d",
            "12H",
            "é",
        ] {
            assert!(Period::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn epochs_go_on_before_1970() {
        let period = Period::parse("10").unwrap();
        assert_eq!(period.epoch(-1), -1);
        assert_eq!(period.epoch(0), 0);
        assert_eq!(period.epoch(19), 1);
        assert_eq!(period.start(period.epoch(-25)), -30);
    }

    #[test]
    fn ages_have_two_units() {
        assert_eq!(for_people(59), "59s");
        assert_eq!(for_people(3_725), "1h2m");
        assert_eq!(for_people(-90_000), "-1d1h");
    }

    #[test]
    fn configurations_have_one_unit() {
        for (seconds, wanted) in [(86400, "1d"), (129_600, "36h"), (90, "90s"), (1800, "30m"), (0, "0s"), (1, "1s")] {
            assert_eq!(in_one_unit(seconds), wanted);
            assert_eq!(super::seconds(wanted), Some(seconds));
        }
        assert_eq!(Period::DEFAULT.window(3), 86400);
        assert_eq!((Period::DEFAULT.window(1), Period::DEFAULT.window(0)), (0, 0));
    }
}
