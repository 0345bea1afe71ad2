//! Durations on the command line and in the settings file.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::duration::{Period, for_people, seconds};

fuzz_target!(|data: &[u8]| {
    if let Some((bytes, _)) = data.split_first_chunk() {
        let time = i64::from_le_bytes(*bytes);
        assert!(!for_people(time).is_empty());
        let epoch = Period::DEFAULT.epoch(time);
        assert!(Period::DEFAULT.start(epoch) <= time || epoch == Period::DEFAULT.epoch(i64::MIN));
    }
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(period) = Period::parse(text) {
        let length = period.start(1);
        assert_eq!(seconds(text), Some(length));
        assert!((1..=7 * 24 * 3600).contains(&length));
    }
});
