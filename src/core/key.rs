//! What a ticket key is made of, its text forms, and which keys are too weak to be one.
//!
//! The layout is nginx's: 16 bytes key name, then for AES-256 32 bytes HMAC key and 32 bytes AES key
//! (80 in all), for AES-128 16 bytes AES key and 16 bytes HMAC key (48 in all). Source: nginx,
//! `src/event/ngx_event_openssl.c`, `ngx_ssl_session_ticket_keys()`.

use base64ct::{Base64, Encoding};

/// Length in bytes of the key name: public, every ticket carries it in the clear (RFC 5077 section 4).
pub const NAME_LENGTH: usize = 16;
/// The longest legal key in bytes.
pub const LONGEST: usize = 80;
/// Room for the longest text form of a key (hex, 160 bytes), a line end, and one byte to notice excess.
pub const LONGEST_TEXT: usize = 2 * LONGEST + 3;

/// The length of a key file: 80 bytes (AES-256) or 48 (AES-128).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 48 bytes: name, AES-128 key, HMAC key of 16 bytes.
    Aes128,
    /// 80 bytes: name, HMAC key of 32 bytes, AES-256 key. As strong as the strongest suites (RFC 9325 section 3.4).
    Aes256,
}

impl Size {
    /// The size in bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::Aes128 => 48,
            Self::Aes256 => LONGEST,
        }
    }

    /// The size that has this many bytes, if one has.
    #[must_use]
    pub fn of(bytes: usize) -> Option<Self> {
        [Self::Aes128, Self::Aes256].into_iter().find(|size| size.bytes() == bytes)
    }
}

/// Why a key must not be used (K6). Ordinary random keys are called weak less than once in 10^11.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weakness {
    /// All bytes zero: the uninitialised key of CVE-2020-13777 and of the USENIX Security 2023 survey.
    Zero,
    /// One part (key name, AES key, HMAC key) has next to no different bytes.
    Repeated,
    /// Printable text: a password, or a key that was left in hex or base64.
    Text,
    /// The AES key and the HMAC key are the same bytes.
    Equal,
}

impl Weakness {
    /// The weakness in words that continue "the key is …".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Zero => "all zero",
            Self::Repeated => "made of repeated bytes",
            Self::Text => "text, not random bytes",
            Self::Equal => "the same AES key and HMAC key",
        }
    }
}

/// Fewer different bytes than this in a part of 16 random ones happens about once in 10^12.
const FEWEST_DIFFERENT: usize = 8;

/// Finds what makes `key` (of a legal size) too weak to be a ticket key.
#[must_use]
pub fn weakness(key: &[u8]) -> Option<Weakness> {
    if key.iter().all(|b| *b == 0) {
        return Some(Weakness::Zero);
    }
    if key.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()) {
        return Some(Weakness::Text);
    }
    let (name, secrets) = key.split_at(NAME_LENGTH.min(key.len()));
    let (first, second) = secrets.split_at(secrets.len() / 2);
    if [name, first, second].into_iter().any(|part| different_bytes(part) < FEWEST_DIFFERENT) {
        return Some(Weakness::Repeated);
    }
    (first == second).then_some(Weakness::Equal)
}

fn different_bytes(part: &[u8]) -> usize {
    let mut seen = [0_u64; 4];
    for byte in part {
        seen[usize::from(byte >> 6)] |= 1 << (byte & 63);
    }
    let different = seen.iter().map(|bits| bits.count_ones() as usize).sum();
    zeroize::Zeroize::zeroize(&mut seen);
    different
}

/// The key name in hex, the only part of a key that is ever printed.
#[must_use]
pub fn name_in_hex(name: &[u8; NAME_LENGTH]) -> String {
    format!("{:x}", base16ct::HexDisplay(name))
}

/// The text forms of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// The bytes themselves.
    Raw,
    /// RFC 4648 section 4 with padding, and a line end.
    Base64,
    /// Lower-case hexadecimal, and a line end.
    Hex,
}

/// Writes `key` in `form` into `out` and returns how many bytes that took.
///
/// # Errors
/// `out` is shorter than [`LONGEST_TEXT`].
pub fn write(form: Form, key: &[u8], out: &mut [u8]) -> Result<usize, &'static str> {
    const SHORT: &str = "no room for the text form of the key";
    let text = match form {
        Form::Raw => {
            out.get_mut(..key.len()).ok_or(SHORT)?.copy_from_slice(key);
            return Ok(key.len());
        }
        Form::Base64 => Base64::encode(key, out).map_err(|_| SHORT)?.len(),
        Form::Hex => base16ct::lower::encode(key, out).map_err(|_| SHORT)?.len(),
    };
    *out.get_mut(text).ok_or(SHORT)? = b'\n';
    Ok(text + 1)
}

/// Reads a key in any of its forms from `input` into `out` and returns its size.
///
/// Text may end in one line end. The forms cannot be confused: their lengths all differ.
///
/// # Errors
/// `input` is none of the forms; the words continue "the key on standard input is …".
pub fn read(input: &[u8], out: &mut [u8; LONGEST]) -> Result<Size, &'static str> {
    if let Some(size) = Size::of(input.len()) {
        out[..input.len()].copy_from_slice(input);
        return Ok(size);
    }
    let text = input.strip_suffix(b"\n").unwrap_or(input);
    let text = text.strip_suffix(b"\r").unwrap_or(text);
    let decoded = match text.len() {
        64 | 108 => Base64::decode(text, out).ok().map(<[u8]>::len),
        96 | 160 => base16ct::mixed::decode(text, out).ok().map(<[u8]>::len),
        _ => None,
    };
    decoded.and_then(Size::of).ok_or("neither 48 nor 80 bytes, nor such a key in base64 or hex")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample(length: usize) -> Vec<u8> {
        (0..length).map(|i| u8::try_from((i * 151 + 43) % 256).unwrap()).collect()
    }

    #[test]
    fn weak_keys_are_named() {
        // K6
        for length in [48, 80] {
            assert_eq!(weakness(&vec![0; length]), Some(Weakness::Zero));
            assert_eq!(weakness(&vec![0xff; length]), Some(Weakness::Repeated));
            assert_eq!(weakness(&vec![b'a'; length]), Some(Weakness::Text));
            let pattern: Vec<u8> = [0xde, 0xad, 0xbe, 0xef].iter().copied().cycle().take(length).collect();
            assert_eq!(weakness(&pattern), Some(Weakness::Repeated));
            let mut zero_secret = sample(length);
            zero_secret[NAME_LENGTH..].fill(0);
            assert_eq!(weakness(&zero_secret), Some(Weakness::Repeated));
            let mut equal = sample(length);
            let half = (length - NAME_LENGTH) / 2;
            equal.copy_within(NAME_LENGTH..NAME_LENGTH + half, NAME_LENGTH + half);
            assert_eq!(weakness(&equal), Some(Weakness::Equal));
            assert_eq!(weakness(&sample(length)), None);
        }
    }

    proptest! {
        #[test]
        fn every_form_is_read_back(long: bool, seed in any::<[u8; 80]>()) {
            let key = if long { &seed[..] } else { &seed[..48] };
            for form in [Form::Raw, Form::Base64, Form::Hex] {
                let mut text = [0; LONGEST_TEXT];
                let length = write(form, key, &mut text).unwrap();
                let mut back = [0; LONGEST];
                let size = read(&text[..length], &mut back).unwrap();
                prop_assert_eq!(&back[..size.bytes()], key);
            }
        }

        #[test]
        fn nothing_else_is_read(input in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut out = [0; LONGEST];
            if !matches!(input.len(), 48 | 80) && !input.iter().all(u8::is_ascii) {
                prop_assert!(read(&input, &mut out).is_err());
            }
        }
    }
}
