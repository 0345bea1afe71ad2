//! Reads a TLS session as OpenSSL's tools write it, for the ticket in it: PEM, DER, or the text of `sess_id -text` and
//! `s_client`.
//!
//! The input is hostile: it may be anything that a server made a client store. It is decoded in place, so nothing is
//! allocated, and what is a secret in it (the session's master secret) stays in the caller's memory.
//!
//! The structure is OpenSSL's `SSL_SESSION_ASN1`, which BoringSSL shares as far as it matters here. Source: OpenSSL,
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
