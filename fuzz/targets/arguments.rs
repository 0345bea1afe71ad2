//! Command lines: the first byte chooses the applet, NUL bytes part the arguments.
#![no_main]

use std::ffi::OsString;

use argh::FromArgs;
use libfuzzer_sys::fuzz_target;
use stek::applet::{ALL, Call};
use stek::core::arguments::argument;
use stek::core::settings::{Settings, Shared};

fuzz_target!(|data: &[u8]| {
    let Some((applet, words)) = data.split_first() else { return };
    let applet = &ALL[usize::from(*applet) % ALL.len()];
    let words: Vec<OsString> = words.split(|byte| *byte == 0).map(argument).collect();
    let Ok(call) = Call::new(applet, &words) else { return };
    let _ = call.operands();
    let _ = call.names();
    let words = call.split.words(applet.shared);
    if let Ok(shared) = Shared::from_args(&[applet.name], &words) {
        let _ = Settings::resolve(shared, &|_| true, &|_| Ok(None), &|| (String::new(), String::new()));
    }
});
