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
    let file = || (String::new(), text.clone().into_owned());
    let _ = Settings::resolve(Shared::default(), &|_| true, &|_| Ok(None), &file).map(check);
    let variable = |_: &str| Ok(Some(text.clone().into_owned()));
    let _ = Settings::resolve(Shared::default(), &|_| true, &variable, &|| (String::new(), String::new())).map(check);
});
