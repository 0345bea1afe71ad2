//! `install`: one key from standard input, checked, atomically into a slot or a file.

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call, KEY_OPTIONS, genkey};
use crate::core::key::{self, LONGEST, LONGEST_TEXT, NAME_LENGTH};
use crate::core::name::{LAST_SLOT, NEXT, Name};
use crate::core::settings::Settings;
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::directory::{Access, Directory};
use crate::sys::secret::Secret;
use crate::sys::{accounts, clock, lock, startup, streams};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "install",
    operands: "NAME | -f FILE",
    operand_ends_options: false,
    shared: KEY_OPTIONS,
    info: Options::get_args_info,
    run,
};

/// read one key (raw, base64 or hex) from standard input, check it and put it into the top slot of NAME
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// put it into this slot (default 0, the next key)
    #[argh(option, arg_name = "NUMBER")]
    slot: Option<String>,
    /// put it into FILE instead of a slot
    #[argh(option, short = 'f', arg_name = "FILE")]
    file: Option<String>,
    /// octal permission bits (default 0600, with a group 0640)
    #[argh(option, short = 'm', arg_name = "MODE")]
    mode: Option<String>,
    /// owner, by name or number
    #[argh(option, short = 'o', arg_name = "OWNER")]
    owner: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { slot, file, mode, owner } = call.options()?;
    let settings = call.settings()?;
    let names = call.names()?;
    let slot = slot.as_deref().map(|slot| slot_number(call, slot)).transpose()?;
    let mode = mode.as_deref().map(|mode| permission_bits(call, mode)).transpose()?;
    let owner = owner.as_deref().map(|owner| accounts::id(accounts::USERS, owner)).transpose()?;
    let group = settings.group.as_deref().map(|group| accounts::id(accounts::GROUPS, group)).transpose()?;
    let mut access = Access { owner, ..Access::for_group(group) };
    access.mode = mode.unwrap_or(access.mode);

    match (file, names.as_slice()) {
        (Some(_), _) if slot.is_some() => Err(call.usage("-f and --slot exclude each other")),
        (Some(file), []) => {
            let (directory, name) = genkey::parent(call, &file, settings.allow_disk)?;
            let (page, size) = key_from_input()?;
            into_file(&directory, &name, &page[..size], access)?;
            call.tell(&settings, format_args!("wrote {file}"));
            Ok(Exit::Done)
        }
        (None, [name]) => {
            let directory = call.directory(&settings)?;
            let (page, size) = key_from_input()?;
            into_slot(call, &settings, &directory, (name, slot.unwrap_or(NEXT)), &page[..size], access)
        }
        (Some(_), _) => Err(call.usage("-f and a NAME exclude each other")),
        (None, []) => Err(call.usage("a NAME is needed, or -f FILE")),
        (None, _) => Err(call.usage("one NAME at a time: a key belongs to one only")),
    }
}

fn slot_number(call: &Call, text: &str) -> Outcome<usize> {
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    number.filter(|slot| *slot <= LAST_SLOT).ok_or_else(|| call.usage(format!("'{text}' is no slot (0 to {LAST_SLOT})")))
}

fn permission_bits(call: &Call, text: &str) -> Outcome<u32> {
    let wrong = || call.usage(format!("'{text}' is no octal mode like 0640"));
    let mode = u32::from_str_radix(text, 8).map_err(|_| wrong())?;
    if mode > 0o777 || mode & 0o400 == 0 || text.starts_with('+') {
        return Err(wrong());
    }
    if mode & 0o137 != 0 {
        return Err(Failure::refused(format!("mode {text} lets others read the key, or its group change it"))
            .hint("0600 and 0640 are what servers need"));
    }
    Ok(mode)
}

/// Reads a key from standard input and refuses what is none, or a weak one (K6).
fn key_from_input() -> Outcome<(Secret, usize)> {
    if streams::in_is_terminal() {
        return Err(Failure::refused("a key is not read from a terminal").hint("use a pipe: stek genkey | stek install NAME"));
    }
    let mut input = Secret::new()?;
    let length = streams::read_in(&mut input[..=LONGEST_TEXT])?;
    let mut page = Secret::new()?;
    let (head, _) = page.split_first_chunk_mut::<LONGEST>().ok_or_else(|| Failure::new(Exit::System, "no room for the key"))?;
    let refused = |what: &str| Failure::refused(format!("the key on standard input is {what}"));
    if length == 0 {
        return Err(refused("empty").hint("did the command before the pipe fail?"));
    }
    let size = key::read(&input[..length], head).map_err(refused)?;
    if let Some(weakness) = key::weakness(&head[..size.bytes()]) {
        return Err(refused(weakness.words()).hint("make one with 'stek genkey'"));
    }
    Ok((page, size.bytes()))
}

fn into_file(directory: &Directory, name: &str, key: &[u8], access: Access) -> Outcome {
    startup::exact_modes();
    lock::take(directory, lock::PATIENCE)?;
    let files = directory.files()?;
    directory.sweep(&files)?;
    let former = directory.look(name)?;
    if former.is_some_and(|former| !former.is_regular) {
        return Err(Failure::refused(format!("{} is not a regular file", directory.shown(name))));
    }
    // FILE may be a slot, which after a shift shares its key with the one above.
    let destroy = match former {
        Some(former) if !directory.is_other_slot(&files, name, former)? => Some(former.size),
        _ => None,
    };
    directory.put_content(name, key, None, access, destroy)
}

fn into_slot(
    call: &Call,
    settings: &Settings,
    directory: &Directory,
    (name, slot): (&Name, usize),
    key: &[u8],
    access: Access,
) -> Outcome<Exit> {
    startup::exact_modes();
    lock::take(directory, lock::PATIENCE)?;
    let files = directory.files()?;
    directory.sweep(&files)?;
    let target = name.slot_file(slot);
    let former = directory.look(&target)?;
    if former.is_some_and(|former| !former.is_regular) {
        return Err(Failure::refused(format!("{} is not a regular file", directory.shown(&target)))
            .hint("move it away; stek follows no links here and replaces nothing but files"));
    }
    let mut shared = false;
    let mut page = Secret::new()?;
    for (other, at) in files.iter().filter_map(|file| Some((file, Name::of_slot_file(file)?))) {
        if at == (name.as_str(), slot) {
            continue;
        }
        let Some(found) = directory.look(other)?.filter(|found| found.is_regular) else { continue };
        shared |= former.is_some_and(|former| former.inode == found.inode);
        refuse_twin(directory, other, &mut page, key, at.0 == name.as_str())?;
    }
    if former.is_some() && directory.read(&target, &mut page[..=LONGEST])? == key.len() && page[..key.len()] == *key {
        call.tell(settings, format_args!("{name}: slot {slot} has this key already"));
        return Ok(Exit::Done);
    }
    // After a shift the slot above shares this one's key: it is only destroyed when no other slot holds it.
    let destroy = former.filter(|_| !shared).map(|former| former.size);
    let wanted = settings.period.epoch(clock::now()) + 1 - i64::try_from(slot).unwrap_or(0);
    directory.put_content(&target, key, Some(settings.period.start(wanted)), access, destroy)?;
    call.tell(settings, format_args!("{name}: installed into slot {slot}"));
    Ok(Exit::Done)
}

/// One key in two key sets joins two trust zones (CVE-2025-23419), and twice in one it is no rotation; a key name
/// twice makes servers try the wrong key (K6).
fn refuse_twin(directory: &Directory, other: &str, page: &mut Secret, key: &[u8], same_name: bool) -> Outcome {
    let length = directory.read(other, &mut page[..=LONGEST])?;
    let theirs = &page[..length.min(LONGEST)];
    if length < NAME_LENGTH || (theirs[..NAME_LENGTH] != key[..NAME_LENGTH] && theirs[NAME_LENGTH..] != key[NAME_LENGTH..]) {
        return Ok(());
    }
    let whose = if same_name { "in another slot of this NAME" } else { "of another NAME" };
    Err(Failure::refused(format!("the key on standard input is, or shares its name with, {}, {whose}", directory.shown(other)))
        .hint("each key belongs to one slot of one NAME; make a new one with 'stek genkey'"))
}
