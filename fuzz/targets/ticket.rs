//! A ticket, and one whose HMAC is right, so that its content is decrypted and read.
#![no_main]

use hmac::{Hmac, KeyInit, Mac};
use libfuzzer_sys::fuzz_target;
use sha2::Sha256;
use stek::core::ticket::{Layout, Misfit, Ticket};

fuzz_target!(|data: &[u8]| {
    let Some((selector, data)) = data.split_first() else { return };
    let key: Vec<u8> = (1..=if selector & 1 == 0 { 48 } else { 80 }).collect();
    let mut plaintext = vec![0; data.len()];
    if let Ok(ticket) = Ticket::new(data) {
        let _ = ticket.fits(&key, &mut plaintext);
        let _ = ticket.fits(&data[..data.len().min(80)], &mut plaintext);
        // 1,300 HMACs: not each time.
        if *selector == 0xff && data.len() < 200 {
            let _ = ticket.guess(&mut plaintext);
        }
    }
    let hmac_key = match (key.len(), selector & 6) {
        (48, 0) => &key[32..48],
        (48, _) => &key[16..32],
        (_, 0) => &key[16..48],
        (_, 2) => &key[48..80],
        _ => &key[16..32],
    };
    let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(hmac_key).unwrap();
    mac.update(data);
    let mut sealed = data.to_vec();
    sealed.extend_from_slice(&mac.finalize().into_bytes());
    if let Ok(ticket) = Ticket::new(&sealed) {
        let fit = ticket.fits(&key, &mut plaintext);
        assert!(fit != Err(Misfit::Mac));
        assert!(fit == Err(Misfit::Form) || ticket.room() % 16 == 0);
        if let Ok(layout) = fit {
            let expected = match (key.len(), selector & 6) {
                (_, 0) => Layout::Nginx,
                (48, _) | (_, 2) => Layout::Exchanged,
                _ => Layout::Shortened,
            };
            assert_eq!(layout, expected);
        }
    }
});
