//! The one place that asks what time it is.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

const NANOSECONDS: i128 = 1_000_000_000;

/// A moment in nanoseconds since 1970, by the clock that also stamps files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment(i128);

impl Moment {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        // It cannot fail: every system has this clock.
        let time = clock_gettime(ClockId::CLOCK_REALTIME);
        time.map_or(Self(0), |time| Self(i128::from(time.tv_sec()) * NANOSECONDS + i128::from(time.tv_nsec())))
    }

    /// A time stamp: seconds since 1970, and nanoseconds.
    #[must_use]
    pub fn stamp(seconds: i64, nanoseconds: i64) -> Self {
        Self(i128::from(seconds) * NANOSECONDS + i128::from(nanoseconds))
    }

    /// So much later.
    #[must_use]
    pub fn after(self, passed: Duration) -> Self {
        Self(self.0 + i128::try_from(passed.as_nanos()).unwrap_or(0))
    }

    /// So much earlier.
    #[must_use]
    pub fn before(self, passed: Duration) -> Self {
        Self(self.0 - i128::try_from(passed.as_nanos()).unwrap_or(0))
    }

    /// How long it is from `self` to `later`; zero if that is earlier.
    #[must_use]
    pub fn until(self, later: Self) -> Duration {
        u64::try_from(later.0 - self.0).map_or(Duration::ZERO, Duration::from_nanos)
    }

    /// In seconds since 1970; negative before.
    #[must_use]
    pub fn seconds(self) -> i64 {
        i64::try_from(self.0.div_euclid(NANOSECONDS)).unwrap_or(i64::MAX)
    }
}

/// Now, in seconds since 1970; negative before.
#[must_use]
pub fn now() -> i64 {
    Moment::now().seconds()
}
