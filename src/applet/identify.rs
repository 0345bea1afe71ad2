//! `identify`: which key made this ticket? Proves it with --verify, and tries the keys that everybody can guess.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::key::{self, LONGEST, NAME_LENGTH};
use crate::core::name::{CURRENT, Name, role};
use crate::core::session::{self, Session};
use crate::core::settings::Settings;
use crate::core::ticket::{Guessed, Layout, Misfit, Ticket};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::directory::Directory;
use crate::sys::secret::{self, Secret};
use crate::sys::streams;

/// This applet.
pub const APPLET: Applet = Applet {
    name: "identify",
    operands: "[FILE]",
    operand_ends_options: false,
    shared: &["--dir", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// print the key name of the ticket in a TLS session, and which NAME and slot made it
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// prove it: authenticate and decrypt the ticket with the slot's key
    #[argh(switch)]
    verify: bool,
    /// print JSON
    #[argh(switch)]
    json: bool,
}

/// What is known of a ticket's key.
pub(super) struct Finding {
    /// The key name, in hex.
    pub(super) key_name: String,
    /// The slot that has the key, or a key of that name.
    pub(super) slot: Option<(Name, usize)>,
    /// How sure that is.
    pub(super) verdict: Verdict,
    /// The key is one that everybody can guess (K6).
    pub(super) guessed: Option<Guessed>,
    /// Slots of other NAMEs that have a key of the same name (K6).
    pub(super) twins: Vec<(Name, usize)>,
    /// There is a directory in which to look for the key.
    has_directory: bool,
}

/// How sure it is that a slot's key made a ticket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// No slot has a key of that name.
    Foreign,
    /// The name says so.
    Named,
    /// The key opens it.
    Verified(Layout),
    /// The name says so, but the key does not open it.
    Unverified(Misfit),
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { verify, json } = call.options()?;
    let settings = call.settings()?;
    let file = match call.operands()?.as_slice() {
        [] => None,
        [file] => Some(*file),
        [_, more, ..] => return Err(call.usage(format!("unexpected operand '{}'", more.escape_debug()))),
    };
    let (mut input, length) = streams::read_secret(file, session::LONGEST)?;
    if length == 0 {
        return Err(Failure::refused("the input is empty").hint("did the command before the pipe fail?"));
    }
    let session = session::read(&mut input[..length])
        .map_err(|wrong| Failure::refused(format!("the input is {wrong}")))?;
    let ticket = Ticket::new(session.ticket).map_err(|wrong| Failure::refused(format!("the ticket {wrong}")))?;
    let finding = examine(call, &settings, &ticket, verify)?;
    let text = if json { finding.as_json(&session) } else { format!("{}\n", finding.columns()) };
    streams::write_out(text.as_bytes())?;
    Ok(if finding.explain(call, &settings) { Exit::Done } else { Exit::No })
}

/// Finds out about a ticket's key.
pub(super) fn examine(call: &Call, settings: &Settings, ticket: &Ticket<'_>, verify: bool) -> Outcome<Finding> {
    let mut plaintext = Secret::with_room(ticket.room())?;
    // A host without keys can still tell a ticket's key name, and a weak key.
    let mut slots = Vec::new();
    let has_directory = Path::new(&settings.directory).exists();
    if has_directory {
        let directory = call.directory(settings)?;
        slots = slots_with(&directory, ticket.key_name())?;
        if verify {
            prove(&directory, ticket, &mut slots, &mut plaintext)?;
        }
    }
    // What opens it comes first; of the rest the slot that should have made it.
    slots.sort_by_key(|(_, slot, verdict)| (!matches!(verdict, Verdict::Verified(_)), *slot != CURRENT, *slot));
    let mut slots = slots.into_iter();
    let (slot, verdict) = match slots.next() {
        Some((name, slot, verdict)) => (Some((name, slot)), verdict),
        None => (None, Verdict::Foreign),
    };
    let is_twin = |name: &Name| slot.as_ref().is_some_and(|(best, _)| best != name);
    let twins = slots.filter(|(name, ..)| is_twin(name)).map(|(name, slot, _)| (name, slot)).collect();
    // A guess is no secret, but what it decrypts is.
    let guessed = secret::on_wiped_stack(|| ticket.guess(&mut plaintext))?;
    Ok(Finding { key_name: key::name_in_hex(ticket.key_name()), slot, verdict, guessed, twins, has_directory })
}

type Slot = (Name, usize, Verdict);

/// The slots whose key has this name. Reads nothing else of any key.
fn slots_with(directory: &Directory, wanted: &[u8; NAME_LENGTH]) -> Outcome<Vec<Slot>> {
    let mut slots = Vec::new();
    for file in directory.files()? {
        let Some((name, slot)) = Name::of_slot_file(&file) else { continue };
        let Some(found) = directory.look(&file)? else { continue };
        let mut key_name = [0; NAME_LENGTH];
        if found.is_regular && directory.read(&file, &mut key_name)? == NAME_LENGTH && key_name == *wanted {
            slots.extend(Name::parse(name).map(|name| (name, slot, Verdict::Named)));
        }
    }
    Ok(slots)
}

/// Opens the ticket with the key of each of the slots.
fn prove(directory: &Directory, ticket: &Ticket<'_>, slots: &mut [Slot], plaintext: &mut [u8]) -> Outcome {
    let mut page = Secret::new()?;
    for (name, slot, verdict) in slots {
        let length = directory.read(&name.slot_file(*slot), &mut page[..=LONGEST])?;
        let fits = secret::on_wiped_stack(|| ticket.fits(&page[..length], plaintext))?;
        *verdict = fits.map_or_else(Verdict::Unverified, Verdict::Verified);
    }
    Ok(())
}

impl Finding {
    /// Key name, NAME, slot, role and verdict, tab separated.
    pub(super) fn columns(&self) -> String {
        let (name, slot, role) = match &self.slot {
            Some((name, slot)) => (name.as_str(), slot.to_string(), role(*slot)),
            None => ("-", "-".to_owned(), "-"),
        };
        format!("{}\t{name}\t{slot}\t{role}\t{}", self.key_name, self.verdict_word())
    }

    /// The verdict in one word.
    pub(super) fn verdict_word(&self) -> &'static str {
        match self.verdict {
            _ if self.guessed.is_some() => "weak",
            Verdict::Foreign => "foreign",
            Verdict::Named => "named",
            Verdict::Verified(_) => "verified",
            Verdict::Unverified(_) => "unverified",
        }
    }

    /// No string in it needs escaping: a NAME and all the rest are letters, digits, dots and dashes.
    fn as_json(&self, session: &Session<'_>) -> String {
        let (name, slot, role) = match &self.slot {
            Some((name, slot)) => (format!("\"{name}\""), slot.to_string(), format!("\"{}\"", role(*slot))),
            None => ("null".to_owned(), "null".to_owned(), "null".to_owned()),
        };
        let protocol = session.protocol.map_or("null".to_owned(), |protocol| format!("\"{}\"", protocol.words()));
        format!(
            "{{\"key_name\":\"{}\",\"name\":{name},\"slot\":{slot},\"role\":{role},\"verdict\":\"{}\",\
             \"protocol\":{protocol},\"lifetime_hint\":{}}}\n",
            self.key_name,
            self.verdict_word(),
            session.lifetime_hint
        )
    }

    /// Says on standard error what is wrong or remarkable; whether the key is ours and good.
    pub(super) fn explain(&self, call: &Call, settings: &Settings) -> bool {
        if let Some(Guessed { guess, whole }) = self.guessed {
            let harm = if whole { "read and forge" } else { "forge" };
            let part = if whole { "" } else { "the HMAC of " };
            let message = format!("critical: the ticket was made with {part}{guess}: everybody can {harm} such tickets");
            call.report(&Failure::refused(message).hint("have the server use a key of 'stek genkey' or 'stek rotate' now"));
        }
        for (name, slot) in &self.twins {
            call.warn(format_args!("{name} has a key of the same name in slot {slot}; a key belongs to one NAME only"));
        }
        let directory = &settings.directory;
        let shown = self.slot.as_ref().map(|(name, slot)| format!("slot {slot} of {name}")).unwrap_or_default();
        match self.verdict {
            // Then the key is told already, and it is nobody's.
            Verdict::Foreign if self.guessed.is_some() => {}
            Verdict::Foreign if !self.has_directory => {
                let message = format!("there is no {directory} in which a key could have the name {}", self.key_name);
                call.report(&Failure::refused(message).hint("name the keys directory with -d or $STEK_DIR"));
            }
            Verdict::Foreign => {
                let failure = Failure::refused(format!("no key in {directory} has the name {}", self.key_name));
                call.report(&failure.hint("the server has other keys: see its configuration, and whether it was reloaded"));
            }
            Verdict::Unverified(misfit) => {
                let message = format!("the ticket bears the name of the key in {shown}, but {}", misfit.words());
                call.report(&Failure::refused(message).hint("the server has another key, or takes it in another layout"));
            }
            Verdict::Verified(Layout::Exchanged) => {
                call.warn(format_args!("the server takes the AES key of {shown} for the HMAC key and the reverse"));
            }
            Verdict::Verified(Layout::Shortened) => {
                call.tell(settings, format_args!("the server uses the first 16 bytes of each secret of {shown}"));
            }
            Verdict::Verified(Layout::Nginx) => call.tell(settings, format_args!("the key in {shown} opens the ticket")),
            Verdict::Named => {}
        }
        self.guessed.is_none() && matches!(self.verdict, Verdict::Named | Verdict::Verified(_))
    }
}
