//! The text of sess_id -text: any text after the words that introduce a ticket, and a ticket that is dumped and read back.
#![no_main]

use std::fmt::Write;

use libfuzzer_sys::fuzz_target;
use stek::core::session;

fuzz_target!(|data: &[u8]| {
    let mut text = b"SSL-Session:\n    Protocol  : TLSv1.3\n    TLS session ticket:\n".to_vec();
    text.extend_from_slice(data);
    if let Ok(found) = session::read(&mut text) {
        assert!(found.ticket.len() <= data.len());
    }

    let mut text = String::from("    TLS session ticket lifetime hint: 77 (seconds)\n    TLS session ticket:\n");
    for (row, bytes) in data.chunks(16).enumerate() {
        write!(text, "    {:04x} - ", row * 16).unwrap();
        for (at, byte) in bytes.iter().enumerate() {
            write!(text, "{byte:02x}{}", if at == 7 { '-' } else { ' ' }).unwrap();
        }
        // As OpenSSL does: printable bytes as they are, all others as dots.
        let shown = bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' });
        text.extend(std::iter::repeat_n("   ", 16 - bytes.len()));
        text.push_str("  ");
        text.extend(shown);
        text.push('\n');
    }
    text.push_str("\n    Start Time: 1700000000\n");
    let mut text = text.into_bytes();
    match session::read(&mut text) {
        Ok(found) => assert_eq!((found.ticket, found.lifetime_hint), (data, 77)),
        Err(_) => assert!(data.is_empty() || data.len() > session::LONGEST / 8),
    }
});
