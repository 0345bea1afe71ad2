//! The one place that asks what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

/// Now, in seconds since 1970; negative before.
#[must_use]
pub fn now() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |s| -s - 1),
    }
}
