//! The settings file, and values from the environment.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::settings::{Settings, Shared};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let check = |settings: Settings| {
        assert!((2..=100).contains(&settings.slots) && !settings.directory.is_empty());
        assert!(settings.window() >= 1);
    };
    let _ = Settings::resolve(Shared::default(), &|_| None, &|| Some(text.clone().into_owned())).map(check);
    let _ = Settings::resolve(Shared::default(), &|_| Some(text.clone().into_owned()), &|| None).map(check);
});
