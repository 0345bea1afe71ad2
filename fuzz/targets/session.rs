//! A TLS session as a server made a client store it: PEM, DER or text.
#![no_main]

use libfuzzer_sys::fuzz_target;
use stek::core::session;

fuzz_target!(|data: &[u8]| {
    let mut input = data.to_vec();
    if let Ok(found) = session::read(&mut input) {
        assert!(!found.ticket.is_empty() && found.ticket.len() <= data.len());
        if let Some(block) = session::block(data) {
            // What stands around a PEM session changes nothing.
            let mut alone = data[block].to_vec();
            assert_eq!(session::read(&mut alone), Ok(found));
        }
    }
    let _ = session::is_whole(data);
});
