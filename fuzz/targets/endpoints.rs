//! HOST:PORT, which becomes an argument of another program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::endpoint::{Endpoint, host_name};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let _ = host_name(text);
    if let Ok(endpoint) = Endpoint::parse(text) {
        let shown = endpoint.to_string();
        assert!(!shown.starts_with('-') && shown.bytes().all(|byte| byte.is_ascii_graphic()));
        assert_eq!(Endpoint::parse(&shown), Ok(endpoint));
    }
});
