//! Reads a TLS session as OpenSSL's tools write it, for the ticket in it: PEM, DER, or the text of `sess_id -text` and
//! `s_client`.
//!
//! The input is hostile: it may be anything that a server made a client store. It is decoded in place, so nothing is
//! allocated, and what is a secret in it (the session's master secret) stays in the caller's memory.
//!
//! The structure is OpenSSL's `SSL_SESSION_ASN1`, which that of Google's fork shares as far as it matters here. Source: OpenSSL,
//! `ssl/ssl_asn1.c`; the dump in text is of `crypto/bio/bio_dump.c`.

use base64ct::{Base64, Encoding};
use der::asn1::OctetStringRef;
use der::{Decode, Reader, SliceReader, Tag, TagMode, TagNumber};

/// The longest input in bytes that is looked at. Sessions have a few thousand, with a client's certificate some more.
pub const LONGEST: usize = 1 << 20;

/// What a session says of its ticket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session<'a> {
    /// The ticket, as it goes over the wire.
    pub ticket: &'a [u8],
    /// The protocol that it is for.
    pub protocol: Option<Protocol>,
    /// For how many seconds the server said it may be used; 0 says nothing (RFC 5077 section 3.3).
    pub lifetime_hint: u64,
}

/// The versions of TLS that have tickets made by a ticket key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TLS 1.2, or one before it: tickets are made the same.
    Tls12,
    /// TLS 1.3.
    Tls13,
}

impl Protocol {
    /// As OpenSSL writes it.
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Tls12 => "TLSv1.2",
            Self::Tls13 => "TLSv1.3",
        }
    }
}

const BEGIN: &[u8] = b"-----BEGIN SSL SESSION PARAMETERS-----";
const END: &[u8] = b"-----END SSL SESSION PARAMETERS-----";
/// What stands before the ticket in text.
const TICKET: &[u8] = b"TLS session ticket:";

const NO_TICKET: &str = "a session without a ticket";
const NO_SESSION: &str = "no TLS session as 'openssl s_client -sess_out' or 'openssl sess_id -text' writes it";
const BROKEN: &str = "a TLS session that is cut short or damaged";
const CUT_SHORT: &str = "a TLS session that is cut short: it has no END line";

/// Reads the first session in `input`, which is decoded in place.
///
/// # Errors
/// There is none, it is damaged, or it has no ticket; the words continue "the input is …".
pub fn read(input: &mut [u8]) -> Result<Session<'_>, &'static str> {
    if input.len() > LONGEST {
        return Err("longer than any TLS session (1 MiB)");
    }
    if let Some(block) = block(input) {
        return from_pem(&mut input[block]);
    }
    if find(input, BEGIN).is_some() {
        return Err(CUT_SHORT);
    }
    // A sequence of more than 127 bytes, which every session with a ticket is; text may begin with its first byte, '0'.
    if matches!(input, [0x30, 0x80..=0xff, ..]) {
        return from_der(input);
    }
    from_text(input)
}

/// Where the first whole PEM session in `input` stands, its two marker lines included.
#[must_use]
pub fn block(input: &[u8]) -> Option<std::ops::Range<usize>> {
    let begin = find(input, BEGIN)?;
    let end = begin + find(&input[begin..], END)? + END.len();
    Some(begin..end)
}

fn find(input: &[u8], what: &[u8]) -> Option<usize> {
    input.windows(what.len()).position(|window| window == what)
}

fn from_pem(block: &mut [u8]) -> Result<Session<'_>, &'static str> {
    let body = block.get_mut(BEGIN.len()..).ok_or(BROKEN)?;
    let body_length = body.len().saturating_sub(END.len());
    let body = &mut body[..body_length];
    let mut length = 0;
    for at in 0..body.len() {
        if !body[at].is_ascii_whitespace() {
            body[length] = body[at];
            length += 1;
        }
    }
    let decoded = Base64::decode_in_place(&mut body[..length]).map_err(|_| BROKEN)?.len();
    from_der(&body[..decoded])
}

fn from_der(input: &[u8]) -> Result<Session<'_>, &'static str> {
    let (protocol, fields) = parse(input).map_err(|_| BROKEN)?;
    let ticket = fields.ticket.filter(|ticket| !ticket.is_empty()).ok_or(NO_TICKET)?;
    Ok(Session { ticket, protocol, lifetime_hint: fields.lifetime_hint })
}

/// Whether `plaintext`, which a ticket held, is a session: nothing but the right key makes one.
#[must_use]
pub fn is_whole(plaintext: &[u8]) -> bool {
    parse(plaintext).is_ok()
}

#[derive(Default)]
struct Fields<'a> {
    lifetime_hint: u64,
    ticket: Option<&'a [u8]>,
}

/// `SEQUENCE { version, protocol, cipher, session id, master secret, then what is optional, in explicit tags }`.
fn parse(input: &[u8]) -> der::Result<(Option<Protocol>, Fields<'_>)> {
    const LIFETIME_HINT: TagNumber = TagNumber(9);
    const TICKET: TagNumber = TagNumber(10);
    let mut reader = SliceReader::new(input)?;
    let session = reader.sequence(|reader| {
        let structure_version = u32::decode(reader)?;
        let protocol = match u32::decode(reader)? {
            0x0304 => Some(Protocol::Tls13),
            0x0300..=0x0303 => Some(Protocol::Tls12),
            _ => None,
        };
        let _cipher = <&OctetStringRef>::decode(reader)?;
        let _session_id = <&OctetStringRef>::decode(reader)?;
        let _master_secret = <&OctetStringRef>::decode(reader)?;
        if structure_version != 1 {
            return Err(Tag::Integer.value_error().into());
        }
        let mut fields = Fields::default();
        while !reader.is_finished() {
            match Tag::peek(reader)? {
                Tag::ContextSpecific { number: LIFETIME_HINT, .. } => {
                    fields.lifetime_hint = reader.context_specific(LIFETIME_HINT, TagMode::Explicit)?.unwrap_or(0);
                }
                Tag::ContextSpecific { number: TICKET, .. } => {
                    let ticket: Option<&OctetStringRef> = reader.context_specific(TICKET, TagMode::Explicit)?;
                    fields.ticket = ticket.map(OctetStringRef::as_bytes);
                }
                _ => drop(reader.tlv_bytes()?),
            }
        }
        Ok::<_, der::Error>((protocol, fields))
    })?;
    reader.finish()?;
    Ok(session)
}

/// Reads the text forms. The ticket's bytes go to the front of `text`, where lines have been read already.
fn from_text(text: &mut [u8]) -> Result<Session<'_>, &'static str> {
    let (mut protocol, mut lifetime_hint) = (None, 0);
    let mut is_session = false;
    let mut at = 0;
    let mut found = false;
    while at < text.len() && !found {
        let line = line(text, at);
        at += line.len() + 1;
        let line = line.trim_ascii();
        if let Some(version) = line.strip_prefix(b"Protocol  : ") {
            is_session = true;
            protocol = match version {
                b"TLSv1.3" => Some(Protocol::Tls13),
                b"TLSv1.2" | b"TLSv1.1" | b"TLSv1" => Some(Protocol::Tls12),
                _ => None,
            };
        } else if let Some(hint) = line.strip_prefix(b"TLS session ticket lifetime hint: ") {
            let digits = hint.split(|byte| *byte == b' ').next().unwrap_or_default();
            lifetime_hint = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        }
        found = line == TICKET;
    }
    if !found {
        return Err(if is_session { NO_TICKET } else { NO_SESSION });
    }
    let mut length = 0;
    while at < text.len() {
        let line = line(text, at);
        let next = at + line.len() + 1;
        let Some((dump, count)) = dumped(line, length) else { break };
        text[length..length + count].copy_from_slice(&dump[..count]);
        length += count;
        at = next;
    }
    if length == 0 {
        return Err(BROKEN);
    }
    Ok(Session { ticket: &text[..length], protocol, lifetime_hint })
}

fn line(text: &[u8], from: usize) -> &[u8] {
    let rest = &text[from..];
    &rest[..rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len())]
}

/// How many bytes one line of a dump shows.
const DUMPED: usize = 16;

/// The bytes of a line like `    0010 - 3f 02 … 11-9c … 7e   ?.…`, if it is the one that goes on at `offset`.
fn dumped(line: &[u8], offset: usize) -> Option<([u8; DUMPED], usize)> {
    let line = line.trim_ascii_start();
    let dash = find(line, b" - ")?;
    let number = std::str::from_utf8(&line[..dash]).ok()?;
    if number.starts_with('+') || usize::from_str_radix(number, 16) != Ok(offset) {
        return None;
    }
    let mut bytes = [0; DUMPED];
    let mut count = 0;
    let mut digits = &line[dash + 3..];
    while count < DUMPED
        && let Some((pair, rest)) = digits.split_at_checked(2)
        && base16ct::mixed::decode(pair, &mut bytes[count..=count]).is_ok()
    {
        count += 1;
        digits = match rest {
            [b' ' | b'-', rest @ ..] => rest,
            _ => break,
        };
    }
    (count > 0).then_some((bytes, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    const TLS12: &[u8] = include_bytes!("../../tests/sh/sessions/key48-tls12.pem");
    const TLS13: &[u8] = include_bytes!("../../tests/sh/sessions/key80-tls13.pem");

    /// Tag, length, value.
    fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        let zeros = length.iter().take_while(|byte| **byte == 0).count();
        let mut out = vec![tag];
        if value.len() < 128 {
            out.push(length[3]);
        } else {
            out.push(0x80 | u8::try_from(4 - zeros).unwrap());
            out.extend_from_slice(&length[zeros..]);
        }
        out.extend_from_slice(value);
        out
    }

    /// A session of TLS 1.3 with these optional fields.
    fn session(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let mut body = [&[2, 1, 1, 2, 2, 3, 4, 4, 2, 0x13, 2, 4, 0][..], &tlv(4, &[0x77; 32])].concat();
        for (number, value) in fields {
            body.extend(tlv(0xa0 | number, value));
        }
        tlv(0x30, &body)
    }

    fn pem(der: &[u8], width: usize) -> Vec<u8> {
        let mut encoded = vec![0; der.len() * 2 + 4];
        let length = Base64::encode(der, &mut encoded).unwrap().len();
        let mut text = [BEGIN, b"\n"].concat();
        for line in encoded[..length].chunks(width) {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        [text, END.to_vec(), b"\n".to_vec()].concat()
    }

    /// As OpenSSL prints it.
    fn dump(ticket: &[u8]) -> String {
        let mut text = String::from("    TLS session ticket:\n");
        for (row, bytes) in ticket.chunks(16).enumerate() {
            text.push_str(&format!("    {:04x} - ", row * 16));
            for (at, byte) in bytes.iter().enumerate() {
                text.push_str(&format!("{byte:02x}{}", if at == 7 { '-' } else { ' ' }));
            }
            text.push_str(&"   ".repeat(16 - bytes.len()));
            text.push_str("  ");
            text.extend(bytes.iter().map(|byte| if (b' '..=b'~').contains(byte) { char::from(*byte) } else { '.' }));
            text.push('\n');
        }
        text
    }

    #[test]
    fn real_sessions_are_read() {
        for (input, protocol) in [(TLS12, Protocol::Tls12), (TLS13, Protocol::Tls13)] {
            let mut input = input.to_vec();
            let found = read(&mut input).unwrap();
            assert_eq!((found.protocol, found.lifetime_hint), (Some(protocol), 3600));
            assert!(found.ticket.len() >= 160, "{}", found.ticket.len());
        }
    }

    #[test]
    fn only_the_first_of_several_counts_and_what_surrounds_it_does_not() {
        let both = [b"CONNECTED(00000003)\n", TLS13, TLS12, b"DONE\n"].concat();
        assert_eq!(block(&both), Some(20..20 + TLS13.len() - 1));
        let (mut both, mut one) = (both, TLS13.to_vec());
        assert_eq!(read(&mut both), read(&mut one));
    }

    #[test]
    fn text_says_protocol_and_hint() {
        let text = format!(
            "SSL-Session:\r\n    Protocol  : TLSv1.2\r\n    TLS session ticket lifetime hint: 7200 (seconds)\n{}\n    Start Time: 1\n",
            dump(&[0xab; 40])
        );
        let mut text = text.into_bytes();
        let expected = Session { ticket: &[0xab; 40], protocol: Some(Protocol::Tls12), lifetime_hint: 7200 };
        assert_eq!(read(&mut text), Ok(expected));
    }

    #[test]
    fn what_is_no_session_is_refused_in_words() {
        let unfinished = [BEGIN, b"\nMIIC\n"].concat();
        let not_base64 = [BEGIN, b"\n!!!!\n", END].concat();
        let huge = vec![b'x'; LONGEST + 1];
        for (input, words) in [
            (&b""[..], NO_SESSION),
            (b"0", NO_SESSION),
            (b"hello\n", NO_SESSION),
            (&unfinished, CUT_SHORT),
            (&not_base64, BROKEN),
            (b"\x30\x82\x7f\xff\x02", BROKEN),
            (b"    TLS session ticket:\n", BROKEN),
            (b"    TLS session ticket:\n    0010 - 00 01\n", BROKEN),
            (b"    Protocol  : TLSv1.3\n", NO_TICKET),
            (&huge, "longer than any TLS session (1 MiB)"),
        ] {
            assert_eq!(
                read(&mut input.to_vec()),
                Err(words),
                "{}",
                String::from_utf8_lossy(&input[..input.len().min(40)])
            );
        }
        let padding = tlv(4, &[0; 200]);
        assert_eq!(read(&mut session(&[(4, padding.clone())])), Err(NO_TICKET));
        assert_eq!(read(&mut session(&[(4, padding), (10, tlv(4, &[]))])), Err(NO_TICKET));
    }

    proptest! {
        #[test]
        fn der_and_pem_are_read_back(
            ticket in vec(any::<u8>(), 100..2000),
            hint: u32,
            other in vec(any::<u8>(), 0..300),
            width in 1_usize..100,
        ) {
            let integer = [&[0][..], &hint.to_be_bytes()].concat();
            let first = integer.iter().position(|byte| *byte != 0).unwrap_or(4);
            let first = if integer[first] >= 0x80 { first - 1 } else { first };
            let fields = [(3, tlv(0x30, &other)), (9, tlv(2, &integer[first..])), (10, tlv(4, &ticket)), (14, other.clone())];
            let der = session(&fields);
            let expected = Session { ticket: &ticket, protocol: Some(Protocol::Tls13), lifetime_hint: hint.into() };
            for mut input in [der.clone(), pem(&der, width)] {
                prop_assert_eq!(read(&mut input), Ok(expected));
            }
            // Cut short anywhere it is refused.
            for length in [2, der.len() / 2, der.len() - 1] {
                prop_assert!(read(&mut der[..length].to_vec()).is_err());
            }
        }

        #[test]
        fn dumps_are_read_back(ticket in vec(any::<u8>(), 1..400)) {
            let mut text = dump(&ticket).into_bytes();
            prop_assert_eq!(read(&mut text).map(|found| found.ticket.to_vec()), Ok(ticket));
        }

        #[test]
        fn nothing_panics(
            input in vec(any::<u8>(), 0..400),
            at in 0..TLS13.len(),
            form in 0_usize..4,
        ) {
            let mut input = match form {
                0 => input,
                1 => [&TLS13[..at], &input, &TLS13[at..]].concat(),
                2 => [b"TLS session ticket:\n", &input[..]].concat(),
                _ => session(&[(10, input)]),
            };
            let _ = is_whole(&input);
            let _ = read(&mut input);
        }
    }
}
