//! A ticket as OpenSSL makes it with a ticket key: `key name (16) | IV (16) | AES-CBC ciphertext | HMAC-SHA256 (32)`, the
//! HMAC over all before it (RFC 5077 section 4, in the sizes of OpenSSL's `SSL_CTX_set_tlsext_ticket_key_cb`).
//!
//! A key name proves nothing, anybody can write one. That a key made a ticket is proven by its HMAC, and that the server
//! has the same AES key by the session that comes out.

use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes256};
use cbc::Decryptor;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::key::{LONGEST, NAME_LENGTH};
use super::session;

const IV_LENGTH: usize = 16;
const MAC_LENGTH: usize = 32;
const BLOCK: usize = 16;
/// The shortest ticket: at least one block is encrypted.
const SHORTEST: usize = NAME_LENGTH + IV_LENGTH + BLOCK + MAC_LENGTH;
/// The longest: its length has 16 bits (RFC 5077 section 3.3, RFC 8446 section 4.6.1).
pub const LONGEST_TICKET: usize = 0xffff;

/// A ticket that is long enough to be one.
#[derive(Clone, Copy, Debug)]
pub struct Ticket<'a> {
    key_name: &'a [u8; NAME_LENGTH],
    iv: &'a [u8; IV_LENGTH],
    ciphertext: &'a [u8],
    sealed: &'a [u8],
    mac: &'a [u8; MAC_LENGTH],
}

/// Which bytes of a key file were used for what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// As in nginx.
    Nginx,
    /// The AES key and the HMAC key have changed places: the file was read by a server that has another order.
    Exchanged,
    /// The first 16 bytes of each secret of an 80-byte key, as a server takes it that has AES-128 only.
    Shortened,
}

/// Why a key did not make a ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misfit {
    /// It is not of the form that OpenSSL makes.
    Form,
    /// Its HMAC is of another key.
    Mac,
    /// Its HMAC is of this key, but it was encrypted with another one.
    Cipher,
    /// Its HMAC is of this key, and it decrypts, but to no session of OpenSSL's. One of 256 tickets that were encrypted with
    /// another AES key looks like this, as its padding is right by chance.
    Content,
}

impl Misfit {
    /// In words that continue "the ticket …".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Form => "is not of the form that OpenSSL makes",
            Self::Mac => "has an HMAC that another key made",
            Self::Cipher => "has the HMAC of this key but was encrypted with another AES key",
            Self::Content => "has the HMAC of this key but holds no TLS session under its AES key",
        }
    }
}

/// A key that everybody can guess.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guess {
    /// All bytes are this one.
    Byte(u8),
    /// The first so many bytes of the key name over and over.
    Period(usize),
    /// Each byte differs from the one before by the same.
    Counting,
}

impl std::fmt::Display for Guess {
    /// In words that continue "made with …".
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Byte(0) => f.write_str("an all-zero key"),
            Self::Byte(byte) => write!(f, "a key of one repeated byte (0x{byte:02x})"),
            Self::Period(_) => f.write_str("a key that repeats its own public name"),
            Self::Counting => f.write_str("a key of counting bytes"),
        }
    }
}

/// A ticket's key was guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Guessed {
    /// What it is.
    pub guess: Guess,
    /// Whether tickets can be read with it too, not only forged.
    pub whole: bool,
}

impl<'a> Ticket<'a> {
    /// Takes a ticket apart.
    ///
    /// # Errors
    /// It is none that a ticket key made; the words continue "the ticket …".
    pub fn new(bytes: &'a [u8]) -> Result<Self, &'static str> {
        if bytes.len() < SHORTEST {
            return Err("is too short for one made with a ticket key: the server keeps the session itself");
        }
        if bytes.len() > LONGEST_TICKET {
            return Err("is longer than TLS allows");
        }
        let parts = bytes.split_first_chunk().and_then(|(key_name, rest)| {
            let (iv, rest) = rest.split_first_chunk()?;
            let (ciphertext, mac) = rest.split_last_chunk()?;
            let sealed = &bytes[..bytes.len() - MAC_LENGTH];
            Some(Self { key_name, iv, ciphertext, sealed, mac })
        });
        parts.ok_or("is too short")
    }

    /// The name of the key that made it, or so it says.
    #[must_use]
    pub const fn key_name(&self) -> &'a [u8; NAME_LENGTH] {
        self.key_name
    }

    /// How many bytes [`Ticket::fits`] and [`Ticket::guess`] need to decrypt it into.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.ciphertext.len()
    }

    /// Proves that the server used the key whose file is `key`, in whichever layout, by opening the ticket. `plaintext`
    /// has at least [`Ticket::room`] bytes; what was decrypted, the secret of a session, stays in it.
    ///
    /// # Errors
    /// The first thing that does not fit.
    pub fn fits(&self, key: &[u8], plaintext: &mut [u8]) -> Result<Layout, Misfit> {
        if !self.ciphertext.len().is_multiple_of(BLOCK) {
            return Err(Misfit::Form);
        }
        let layouts = layouts(key);
        let authentic = layouts.iter().flatten().find(|(_, hmac_key, _)| self.is_authentic(hmac_key));
        let Some((layout, _, aes_key)) = authentic else { return Err(Misfit::Mac) };
        let content = self.decrypt(aes_key, plaintext).ok_or(Misfit::Cipher)?;
        if session::is_whole(content) || is_of_picotls(content) { Ok(*layout) } else { Err(Misfit::Content) }
    }

    /// Tries the keys that uninitialised memory, a placeholder or a test makes (K6). `plaintext` as for [`Ticket::fits`].
    #[must_use]
    pub fn guess(&self, plaintext: &mut [u8]) -> Option<Guessed> {
        let bytes = (0..=u8::MAX).map(Guess::Byte);
        let periods = (2..=NAME_LENGTH).map(Guess::Period);
        bytes.chain(periods).chain([Guess::Counting]).find_map(|guess| {
            let key = self.guessed(guess);
            // Zeros of any length are the same HMAC key, so that one fits does not say which size the key has.
            let fits = [&key[..48], &key[..]].map(|key| self.fits(key, plaintext));
            let whole = fits.iter().any(|fit| matches!(fit, Ok(_) | Err(Misfit::Content)));
            (whole || fits.contains(&Err(Misfit::Cipher))).then_some(Guessed { guess, whole })
        })
    }

    /// The guess as a key file of 80 bytes; the first 48 are the guess for that size.
    fn guessed(&self, guess: Guess) -> [u8; LONGEST] {
        let name = self.key_name;
        let step = name[1].wrapping_sub(name[0]);
        let mut counted = name[0];
        let mut key = [0; LONGEST];
        for (at, byte) in key.iter_mut().enumerate() {
            *byte = match guess {
                Guess::Byte(byte) => byte,
                Guess::Period(period) => name[at % period.clamp(1, NAME_LENGTH)],
                Guess::Counting => counted,
            };
            counted = counted.wrapping_add(step);
        }
        key
    }

    fn is_authentic(&self, hmac_key: &[u8]) -> bool {
        let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(hmac_key) else { return false };
        mac.update(self.sealed);
        mac.verify_slice(self.mac).is_ok()
    }

    fn decrypt<'p>(&self, aes_key: &[u8], plaintext: &'p mut [u8]) -> Option<&'p [u8]> {
        let plaintext = plaintext.get_mut(..self.ciphertext.len())?;
        if let Ok(cipher) = Decryptor::<Aes128>::new_from_slices(aes_key, self.iv) {
            return cipher.decrypt_padded_b2b::<Pkcs7>(self.ciphertext, plaintext).ok();
        }
        let cipher = Decryptor::<Aes256>::new_from_slices(aes_key, self.iv).ok()?;
        cipher.decrypt_padded_b2b::<Pkcs7>(self.ciphertext, plaintext).ok()
    }
}

type Secrets<'k> = (Layout, &'k [u8], &'k [u8]);

/// Every way to take a key file apart into its HMAC key and its AES key.
fn layouts(key: &[u8]) -> [Option<Secrets<'_>>; 3] {
    let part = |from: usize, length: usize| key.get(from..from + length).unwrap_or_default();
    match key.len() {
        48 => {
            let (aes_key, hmac_key) = (part(16, 16), part(32, 16));
            [Some((Layout::Nginx, hmac_key, aes_key)), Some((Layout::Exchanged, aes_key, hmac_key)), None]
        }
        LONGEST => {
            let (hmac_key, aes_key) = (part(16, 32), part(48, 32));
            [
                Some((Layout::Nginx, hmac_key, aes_key)),
                Some((Layout::Exchanged, aes_key, hmac_key)),
                Some((Layout::Shortened, part(16, 16), part(48, 16))),
            ]
        }
        _ => [None; 3],
    }
}

/// Sessions of picotls, which H2O has for TLS 1.3, are none of OpenSSL's; they begin with a length and these words.
/// Source: picotls, `lib/picotls.c`, `encode_session_identifier()`.
fn is_of_picotls(content: &[u8]) -> bool {
    content.get(2..10) == Some(b"ptls0001")
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes::cipher::BlockModeEncrypt;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A session as it stands in a ticket.
    const CONTENT: &[u8] = &[0x30, 18, 2, 1, 1, 2, 2, 3, 3, 4, 2, 0xc0, 0x2f, 4, 0, 4, 3, 7, 7, 7];

    /// Makes a ticket as OpenSSL does.
    fn seal(name: &[u8], hmac_key: &[u8], aes_key: &[u8], content: &[u8]) -> Vec<u8> {
        let iv = [0x1f; IV_LENGTH];
        let mut ciphertext = vec![0; content.len() + BLOCK];
        let length = if aes_key.len() == 16 {
            let cipher = cbc::Encryptor::<Aes128>::new_from_slices(aes_key, &iv).unwrap();
            cipher.encrypt_padded_b2b::<Pkcs7>(content, &mut ciphertext).unwrap().len()
        } else {
            let cipher = cbc::Encryptor::<Aes256>::new_from_slices(aes_key, &iv).unwrap();
            cipher.encrypt_padded_b2b::<Pkcs7>(content, &mut ciphertext).unwrap().len()
        };
        let mut ticket = [name, &iv, &ciphertext[..length]].concat();
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(hmac_key).unwrap();
        mac.update(&ticket);
        ticket.extend_from_slice(&mac.finalize().into_bytes());
        ticket
    }

    fn fits(ticket: &[u8], key: &[u8]) -> Result<Layout, Misfit> {
        Ticket::new(ticket).unwrap().fits(key, &mut vec![0; ticket.len()])
    }

    fn guess(ticket: &[u8]) -> Option<Guessed> {
        Ticket::new(ticket).unwrap().guess(&mut vec![0; ticket.len()])
    }

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from((i * 151 + 43) % 256).unwrap() ^ 0x35).collect()
    }

    #[test]
    fn tickets_of_nginx_fit_their_keys() {
        macro_rules! stored {
            ($file:literal) => {
                include_bytes!(concat!("../../tests/sh/sessions/", $file)).to_vec()
            };
        }
        let mut keys = [vec![0; LONGEST], vec![0; LONGEST]];
        for (key, text) in keys.iter_mut().zip([stored!("key48.hex"), stored!("key80.hex")]) {
            let key_file: &mut [u8; LONGEST] = key.as_mut_slice().try_into().unwrap();
            let size = crate::core::key::read(&text, key_file).unwrap();
            key.truncate(size.bytes());
        }
        let files = [
            [stored!("key48-tls12.pem"), stored!("key48-tls13.pem")],
            [stored!("key80-tls12.pem"), stored!("key80-tls13.pem")],
        ];
        for (mut file, at) in files.into_iter().zip(0..).flat_map(|(files, at)| files.map(|file| (file, at))) {
            let session = session::read(&mut file).unwrap();
            let ticket = Ticket::new(session.ticket).unwrap();
            let (mine, other): (&[u8], &[u8]) = (&keys[at], &keys[1 - at]);
            assert_eq!(ticket.key_name()[..], mine[..NAME_LENGTH]);
            assert_eq!(fits(session.ticket, mine), Ok(Layout::Nginx));
            assert_eq!(fits(session.ticket, other), Err(Misfit::Mac));
            assert_eq!(guess(session.ticket), None);
        }
        let zero = [
            stored!("zero48-tls12.pem"),
            stored!("zero48-tls13.pem"),
            stored!("zero80-tls12.pem"),
            stored!("zero80-tls13.pem"),
        ];
        for mut file in zero {
            let session = session::read(&mut file).unwrap();
            assert_eq!(guess(session.ticket), Some(Guessed { guess: Guess::Byte(0), whole: true }));
        }
    }

    #[test]
    fn every_layout_is_told_apart() {
        let (short, long) = (sample(48), sample(80));
        for (key, hmac_key, aes_key, layout) in [
            (&short, &short[32..48], &short[16..32], Layout::Nginx),
            (&short, &short[16..32], &short[32..48], Layout::Exchanged),
            (&long, &long[16..48], &long[48..80], Layout::Nginx),
            (&long, &long[48..80], &long[16..48], Layout::Exchanged),
            (&long, &long[16..32], &long[48..64], Layout::Shortened),
        ] {
            let ticket = seal(&key[..16], hmac_key, aes_key, CONTENT);
            assert_eq!(fits(&ticket, key), Ok(layout));
            assert_eq!(guess(&ticket), None);
        }
    }

    #[test]
    fn each_part_that_does_not_fit_is_named() {
        let key = sample(80);
        let (name, hmac_key, aes_key) = (&key[..16], &key[16..48], &key[48..80]);
        let whole = seal(name, hmac_key, aes_key, CONTENT);
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert_eq!(fits(&damaged, &key), Err(Misfit::Mac), "{at}");
        }
        assert_eq!(fits(&seal(name, hmac_key, &[9; 32], CONTENT), &key), Err(Misfit::Cipher));
        assert_eq!(fits(&seal(name, hmac_key, aes_key, b"no session"), &key), Err(Misfit::Content));
        assert_eq!(fits(&seal(name, hmac_key, aes_key, b"\0\x30ptls0001..."), &key), Ok(Layout::Nginx));
        assert_eq!(fits(&[0; 81], &key), Err(Misfit::Form));
        for length in [0, 47, 79, 81] {
            assert_eq!(fits(&whole, &vec![1; length]), Err(Misfit::Mac), "no key of {length} bytes");
        }
    }

    #[test]
    fn only_what_is_long_enough_is_a_ticket() {
        assert!(Ticket::new(&[0; SHORTEST - 1]).is_err());
        assert!(Ticket::new(&[0; SHORTEST]).is_ok());
        assert!(Ticket::new(&vec![0; LONGEST_TICKET + 1]).is_err());
    }

    #[test]
    fn keys_that_everybody_knows_are_guessed() {
        // K6
        let cycle = |bytes: &[u8], length| bytes.iter().copied().cycle().take(length).collect::<Vec<u8>>();
        for length in [48, 80] {
            let counting: Vec<u8> = (0..length).map(|at| u8::try_from(at).unwrap() * 3 + 9).collect();
            for (key, expected) in [
                (vec![0; length], Guess::Byte(0)),
                (vec![0xff; length], Guess::Byte(0xff)),
                (cycle(&[0xde, 0xad, 0xbe, 0xef], length), Guess::Period(4)),
                (cycle(b"secret", length), Guess::Period(6)),
                (cycle(&sample(16), length), Guess::Period(16)),
                (counting, Guess::Counting),
            ] {
                for [hmac_key, aes_key] in match length {
                    48 => [[32..48, 16..32], [16..32, 32..48]],
                    _ => [[16..48, 48..80], [48..80, 16..48]],
                } {
                    let ticket = seal(&key[..16], &key[hmac_key], &key[aes_key], CONTENT);
                    assert_eq!(guess(&ticket), Some(Guessed { guess: expected, whole: true }));
                }
            }
        }
        // A name that looks well does not help, and a forger needs no more than the HMAC key.
        let name = sample(16);
        let zero = Guessed { guess: Guess::Byte(0), whole: true };
        assert_eq!(guess(&seal(&name, &[0; 64], &[0; 32], CONTENT)), Some(zero));
        assert_eq!(guess(&seal(&name, &[0; 16], &[0; 16], CONTENT)), Some(zero));
        assert_eq!(guess(&seal(&name, &[0; 32], &sample(32), CONTENT)), Some(Guessed { whole: false, ..zero }));
    }

    proptest! {
        #[test]
        fn nothing_panics(ticket in vec(any::<u8>(), 0..300), key in vec(any::<u8>(), 0..100), room in 0_usize..300) {
            if let Ok(ticket) = Ticket::new(&ticket) {
                let mut plaintext = vec![0; room];
                let _ = ticket.fits(&key, &mut plaintext);
            }
        }
    }
}
