//! `probe`: takes a ticket from a live server, identifies it, and resumes it. The client is openssl(1).
//!
//! What openssl writes of a session goes through pipes into locked memory and back: it holds the session's secret (K5).

use std::ffi::OsString;
use std::ops::Range;
use std::time::{Duration, Instant};

use argh::{ArgsInfo, FromArgs};

use super::identify::{self, Finding, Verdict};
use super::{Applet, Call};
use crate::core::duration::{self, for_people};
use crate::core::endpoint::{self, Endpoint};
use crate::core::name::{CURRENT, NEXT, role};
use crate::core::session::{self, Protocol};
use crate::core::settings::Settings;
use crate::core::ticket::Ticket;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::program::{self, Companion, Event, Output};
use crate::sys::secret::Secret;
use crate::sys::streams;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "probe",
    operands: "HOST[:PORT]",
    operand_ends_options: false,
    shared: &["--dir", "--period", "--slots", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// take a ticket from a TLS server, tell which slot made it, and whether the server resumes it
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// the name to ask for in SNI (default HOST, unless it is an address)
    #[argh(option, short = 's', arg_name = "NAME")]
    server_name: Option<String>,
    /// only this version: 1.2 or 1.3 (default both)
    #[argh(option, arg_name = "1.2|1.3")]
    tls: Option<String>,
    /// how long all of it may take (default 10 seconds)
    #[argh(option, short = 'w', arg_name = "SECONDS")]
    wait: Option<String>,
}

/// How long a server may take, unless said otherwise.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// What one version of TLS showed.
pub(super) struct Look {
    /// The version.
    pub(super) protocol: Protocol,
    /// Which key made the ticket.
    pub(super) finding: Finding,
    /// The server resumed the session of the ticket.
    pub(super) resumed: bool,
    /// For how many seconds the server said the ticket may be used; 0 says nothing.
    pub(super) lifetime_hint: u64,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { server_name, tls, wait } = call.options()?;
    let settings = call.settings()?;
    let endpoint = match call.operands()?.as_slice() {
        [endpoint] => Endpoint::parse(endpoint).map_err(|wrong| call.usage(wrong))?,
        [] => return Err(call.usage("a HOST:PORT is needed")),
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };
    if let Some(name) = &server_name {
        endpoint::host_name(name).map_err(|wrong| call.usage(format!("'{}': {wrong}", name.escape_debug())))?;
    }
    let protocols: &[Protocol] = match tls.as_deref() {
        None => &[Protocol::Tls13, Protocol::Tls12],
        Some("1.3") => &[Protocol::Tls13],
        Some("1.2") => &[Protocol::Tls12],
        Some(other) => return Err(call.usage(format!("'{}' is no version: 1.2 and 1.3 are", other.escape_debug()))),
    };
    let patience = match wait {
        None => PATIENCE,
        Some(text) => duration::seconds(&text)
            .and_then(|seconds| u64::try_from(seconds).ok())
            .filter(|seconds| (1..=3600).contains(seconds))
            .map(Duration::from_secs)
            .ok_or_else(|| call.usage(format!("'{}' is no time to wait (1 second to 1 hour)", text.escape_debug())))?,
    };
    let server = Server { endpoint, server_name, deadline: Instant::now() + patience };
    let mut exit = Exit::Done;
    let Looks { looks, failures } = looks(call, &settings, &server, protocols);
    for look in looks {
        let good = look.explain(call, &settings);
        let line = if streams::out_is_terminal() { look.sentence(&settings) } else { look.columns() };
        streams::write_out(format!("{line}\n").as_bytes())?;
        exit = if good { exit } else { Exit::No };
    }
    for failure in failures {
        call.report(&failure);
        exit = if exit == Exit::System { exit } else { failure.exit };
    }
    Ok(exit)
}

/// The server that is looked at.
pub(super) struct Server {
    /// Where it listens.
    pub(super) endpoint: Endpoint,
    /// What to ask for in SNI, if not the endpoint's own name.
    pub(super) server_name: Option<String>,
    /// When it must have answered.
    pub(super) deadline: Instant,
}

/// What the versions of TLS showed.
#[derive(Default)]
pub(super) struct Looks {
    /// Those that showed something.
    pub(super) looks: Vec<Look>,
    /// Why others did not. If there are no looks there is at least one.
    pub(super) failures: Vec<Failure>,
}

/// Looks at a server with each version of TLS. One that it does not speak is passed over, if another one it does.
pub(super) fn looks(call: &Call, settings: &Settings, server: &Server, protocols: &[Protocol]) -> Looks {
    let mut seen = Looks::default();
    let mut first_unspoken = None;
    for protocol in protocols {
        match look(call, settings, server, *protocol) {
            Ok(look) => seen.looks.push(look),
            Err(Trouble::Unspoken(failure)) => {
                call.tell(settings, &failure.message);
                first_unspoken.get_or_insert(failure);
            }
            Err(Trouble::OfVersion(failure)) => seen.failures.push(failure),
            Err(Trouble::Final(failure)) => {
                seen.failures.push(failure);
                break;
            }
        }
    }
    if seen.looks.is_empty() && seen.failures.is_empty() {
        seen.failures.extend(first_unspoken);
    }
    seen
}

/// Why one version showed nothing.
enum Trouble {
    /// The server does not speak it.
    Unspoken(Failure),
    /// It does, but there is no ticket to look at. Another version may have one.
    OfVersion(Failure),
    /// No other version will do better.
    Final(Failure),
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Final(failure)
    }
}

fn look(call: &Call, settings: &Settings, server: &Server, protocol: Protocol) -> Result<Look, Trouble> {
    let mut kept = Secret::with_room(USUAL_SESSION)?;
    let mut first = server.visit(protocol, Offer::Nothing(&mut kept))?;
    if first.is_too_long {
        kept = Secret::with_room(LONGEST_SESSION)?;
        first = server.visit(protocol, Offer::Nothing(&mut kept))?;
    }
    let shown = format!("{} over {}", server.endpoint, protocol.words());
    let Some(block) = first.session else {
        return Err(Trouble::OfVersion(if first.is_too_long {
            let most = LONGEST_SESSION / 1024;
            Failure::new(Exit::System, format!("{shown} gives a session that is longer than {most} KiB in PEM"))
                .hint("it has the server's certificate in it: is that so long?")
        } else {
            Failure::refused(format!("{shown} gives no ticket"))
                .hint("are tickets off, or does the server give them only after a request?")
        }));
    };
    let second = server.visit(protocol, Offer::Session(&kept[block.clone()]))?;
    // Only now: reading it decodes it in place.
    let session = session::read(&mut kept[block]);
    let refused = |wrong: String| Trouble::OfVersion(Failure::refused(format!("{shown} gives {wrong}")));
    let session = session.map_err(|wrong| refused(wrong.to_owned()))?;
    let ticket = Ticket::new(session.ticket).map_err(|wrong| refused(format!("a ticket that {wrong}")))?;
    let finding = identify::examine(call, settings, &ticket, true)?;
    Ok(Look { protocol, finding, resumed: second.resumed, lifetime_hint: session.lifetime_hint })
}

/// Room for a session in PEM, which has the server's certificate in it: where users may lock only 64 KiB of memory this
/// leaves some for keys.
const USUAL_SESSION: usize = 32 * 1024;
/// As much as any session needs: openssl takes certificates of at most 100 KiB (`SSL_CTX_set_max_cert_list(3)`), which are
/// a third longer in PEM.
const LONGEST_SESSION: usize = 256 * 1024;

/// What a client brings along.
enum Offer<'a> {
    /// Nothing; what it gets is kept here.
    Nothing(&'a mut [u8]),
    /// A session.
    Session(&'a [u8]),
}

/// What a connection gave.
struct Visit {
    /// The server resumed the session that was offered.
    resumed: bool,
    /// Where the first session that came stands in the memory given for it.
    session: Option<Range<usize>>,
    /// There was one, too long for that memory.
    is_too_long: bool,
}

impl Server {
    /// Connects, until the handshake is through and, if none is offered, a session came.
    fn visit(&self, protocol: Protocol, offer: Offer<'_>) -> Result<Visit, Trouble> {
        let begin = Instant::now();
        let (kept, offered): (&mut [u8], Option<&[u8]>) = match offer {
            Offer::Nothing(kept) => (kept, None),
            Offer::Session(session) => (&mut [], Some(session)),
        };
        let mut openssl = Companion::start("openssl", |beside| self.arguments(protocol, beside, offered.is_some()))?;
        if let Some(session) = offered {
            // It is the first thing that openssl reads. It waits for the end of the last line.
            openssl.feed(session, self.deadline)?;
            openssl.feed(b"\n", self.deadline)?;
        }
        let mut page = Secret::new()?;
        let mut transcript = Transcript { line: Secret::new()?, length: 0, connected: false, resumed: None };
        let mut words = Vec::new();
        let mut length = 0;
        let mut deadline = self.deadline;
        let mut session = None;
        let mut is_too_long = false;
        loop {
            match openssl.next(&mut page, Some(deadline))? {
                Event::Wrote(Output::Standard, count) => transcript.take(&page[..count]),
                Event::Wrote(Output::Error, count) => words.extend_from_slice(&page[..count.min(LONGEST_WORDS)]),
                Event::Wrote(Output::Beside, count) => {
                    let taken = count.min(kept.len() - length);
                    kept[length..length + taken].copy_from_slice(&page[..taken]);
                    length += taken;
                    session = session.or_else(|| session::block(&kept[..length]));
                    is_too_long = taken < count && session.is_none() && offered.is_none();
                }
                Event::Ended | Event::TimedOut => break,
            }
            words.truncate(LONGEST_WORDS);
            if transcript.resumed.is_some() && (session.is_some() || is_too_long || offered.is_some()) {
                break;
            }
            if transcript.resumed.is_some() && deadline == self.deadline {
                // A ticket comes one way through the network behind the handshake. Some servers have none.
                deadline = deadline.min(Instant::now() + (4 * begin.elapsed()).max(Duration::from_secs(1)));
            }
        }
        if let Some(resumed) = transcript.resumed {
            // An orderly end, so that the server has nothing to log.
            openssl.close_input();
            let deadline = Instant::now() + Duration::from_millis(500);
            while matches!(openssl.next(&mut page, Some(deadline))?, Event::Wrote(..)) {}
            return Ok(Visit { resumed, session, is_too_long });
        }
        let version = protocol.words();
        let failure = if Instant::now() >= self.deadline {
            Failure::new(Exit::System, format!("{} did not answer in time", self.endpoint)).hint("give it more with -w")
        } else {
            let attempt = if transcript.connected { "speak TLS with" } else { "connect to" };
            let reason = reason(&String::from_utf8_lossy(&words));
            let over = if transcript.connected { format!(" over {version}") } else { String::new() };
            Failure::new(Exit::System, format!("cannot {attempt} {}{over}: openssl: {reason}", self.endpoint))
        };
        Err(if transcript.connected { Trouble::Unspoken(failure) } else { Trouble::Final(failure) })
    }

    fn arguments(&self, protocol: Protocol, beside: &str, with_session: bool) -> Vec<OsString> {
        let version = match protocol {
            Protocol::Tls12 => "-tls1_2",
            Protocol::Tls13 => "-tls1_3",
        };
        let endpoint = self.endpoint.to_string();
        let mut arguments = vec!["s_client", "-connect", &endpoint, version];
        match self.server_name.as_deref().or_else(|| self.endpoint.server_name()) {
            Some(name) => arguments.extend(["-servername", name]),
            None => arguments.push("-noservername"),
        }
        arguments.extend(["-sess_out", beside]);
        if with_session {
            arguments.extend(["-sess_in", program::INPUT]);
        }
        arguments.into_iter().map(Into::into).collect()
    }
}

/// As much of openssl's complaints as is kept.
const LONGEST_WORDS: usize = 8192;

/// What openssl writes on standard output, which has the session's secret among the rest. Taken a line at a time.
struct Transcript {
    line: Secret,
    length: usize,
    connected: bool,
    /// The handshake is through, and whether it resumed a session.
    resumed: Option<bool>,
}

impl Transcript {
    fn take(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.look(self.length);
                self.length = 0;
            } else if self.length < self.line.len() {
                self.line[self.length] = *byte;
                self.length += 1;
            }
        }
    }

    fn look(&mut self, length: usize) {
        let line = &self.line[..length];
        self.connected |= line.starts_with(b"CONNECTED(");
        // After a failed handshake it says "New, (NONE), Cipher is (NONE)".
        if self.resumed.is_none() {
            self.resumed = match line {
                [b'N', b'e', b'w', b',', b' ', b'T', b'L', b'S', ..] => Some(false),
                line if line.starts_with(b"Reused, TLS") => Some(true),
                _ => None,
            };
        }
    }
}

/// openssl's own words for what went wrong: the reason of its first error, else its first line.
///
/// `THREAD:error:CODE:LIBRARY:FUNCTION:REASON:FILE:LINE:DATA`, see `ERR_print_errors(3)`.
fn reason(words: &str) -> String {
    let of_error = words.lines().find_map(|line| {
        let mut fields = line.split(":error:").nth(1)?.split(':');
        // Of an error that is none of its own it says what it was at the end.
        fields.nth(3).and_then(|reason| if reason == "system lib" { fields.nth(2) } else { Some(reason) })
    });
    let reason = of_error.or_else(|| words.lines().find(|line| !line.trim().is_empty())).unwrap_or("no reason given");
    reason.trim().chars().filter(|c| !c.is_control()).take(200).collect()
}

impl Look {
    /// Version, key name, NAME, slot, role, verdict, `resumed` or `refused`, and the lifetime hint; tab separated.
    fn columns(&self) -> String {
        let resumed = if self.resumed { "resumed" } else { "refused" };
        format!("{}\t{}\t{resumed}\t{}", self.protocol.words(), self.finding.columns(), self.lifetime_hint)
    }

    /// The same for a person.
    fn sentence(&self, settings: &Settings) -> String {
        let key = match (&self.finding.slot, self.finding.verdict) {
            (Some((name, slot)), Verdict::Verified(_) | Verdict::Named) => {
                format!("slot {slot} ({}) of {name} encrypts", role(*slot))
            }
            _ => format!("no key of ours encrypts ({})", self.finding.key_name),
        };
        let resumed = if self.resumed { "resumed" } else { "not resumed" };
        let lifetime = match i64::try_from(self.lifetime_hint).unwrap_or(i64::MAX) {
            0 => "no lifetime hint".to_owned(),
            hint => format!("tickets live {} of a window of {}", for_people(hint), for_people(settings.window())),
        };
        format!("{}: {key}, {resumed}, {lifetime}", self.protocol.words())
    }

    /// Says on standard error what is wrong; whether the current slot encrypts and the ticket resumed.
    pub(super) fn explain(&self, call: &Call, settings: &Settings) -> bool {
        let version = self.protocol.words();
        let mut good = self.finding.explain(call, settings);
        match &self.finding.slot {
            Some((name, slot)) if good && *slot != CURRENT => {
                let message = format!("{version}: slot {slot} ({}) of {name} encrypts, not the current one", role(*slot));
                let hint = match *slot {
                    NEXT => "the server names the next key where the current one belongs: 'stek list' shows which is which",
                    _ => "the server has not read its keys since they were rotated: 'stek reload'",
                };
                call.report(&Failure::refused(message).hint(hint));
                good = false;
            }
            _ => {}
        }
        if !self.resumed {
            let failure = Failure::refused(format!("{version}: the server did not resume the ticket that it had just given"));
            call.report(&failure.hint("do several servers with different keys or certificates share the address?"));
        }
        let window = u64::try_from(settings.window()).unwrap_or(0);
        if self.lifetime_hint > window {
            call.warn(format_args!(
                "{version}: tickets may be used for {} s but their keys are sure to be there for {window} s only",
                self.lifetime_hint
            ));
        }
        good && self.resumed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_is_taken_out_of_openssl_s_words() {
        for (words, expected) in [
            (
                "40F7:error:8000006F:system library:BIO_connect:Connection refused:../crypto/bio/bio_sock2.c:125:calling connect()\nconnect:errno=111\n",
                "Connection refused",
            ),
            (
                "140:error:14094410:SSL routines:ssl3_read_bytes:sslv3 alert handshake failure:ssl/record/rec_layer_s3.c:1544:SSL alert number 40\n",
                "sslv3 alert handshake failure",
            ),
            (
                "404:error:10080002:BIO routines:BIO_lookup_ex:system lib:../crypto/bio/bio_addr.c:746:Name or service not known\nconnect:errno=0\n",
                "Name or service not known",
            ),
            ("\ns_client: Option unknown option -noservername\n", "s_client: Option unknown option -noservername"),
            ("a:error:b", "a:error:b"),
            ("", "no reason given"),
            ("\u{1b}[31mx", "[31mx"),
        ] {
            assert_eq!(reason(words), expected);
        }
    }

    #[test]
    fn only_a_handshake_that_is_through_counts() {
        let take = |text: &str| {
            let mut transcript = Transcript { line: Secret::new().unwrap(), length: 0, connected: false, resumed: None };
            text.as_bytes().chunks(7).for_each(|chunk| transcript.take(chunk));
            (transcript.connected, transcript.resumed)
        };
        assert_eq!(take("CONNECTED(00000003)\n---\nNew, TLSv1.3, Cipher is X\n"), (true, Some(false)));
        assert_eq!(take("CONNECTED(00000003)\n---\nReused, TLSv1.2, Cipher is X\n"), (true, Some(true)));
        assert_eq!(take("CONNECTED(00000003)\n---\nNew, (NONE), Cipher is (NONE)\n"), (true, None));
        assert_eq!(take(&format!("{}\nReused, TLSv1.2", "x".repeat(9000))), (false, None));
        assert_eq!(take(&format!("{}Reused, TLSv1.2\n", "x".repeat(9000))), (false, None));
    }
}
