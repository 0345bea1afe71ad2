//! `genkey`: a fresh key on standard output, or in a new file.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::core::key::{self, Form};
use crate::failure::{Exit, Failure, Outcome};
use crate::sys::directory::{Access, Directory};
use crate::sys::random::Pool;
use crate::sys::secret::Secret;
use crate::sys::{lock, startup, streams};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "genkey",
    operands: "",
    operand_ends_options: false,
    shared: &["--size", "--allow-disk", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// write one fresh ticket key to standard output, which must not be a terminal, or to a new file
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// write it in base64, one line
    #[argh(switch)]
    base64: bool,
    /// write it in hexadecimal, one line
    #[argh(switch)]
    hex: bool,
    /// write it to FILE, which must not exist yet, with mode 0600
    #[argh(option, short = 'o', arg_name = "FILE")]
    output: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { base64, hex, output } = call.options()?;
    let settings = call.settings()?;
    call.no_operands()?;
    let form = match (base64, hex) {
        (false, false) => Form::Raw,
        (true, false) => Form::Base64,
        (false, true) => Form::Hex,
        (true, true) => return Err(call.usage("--base64 and --hex exclude each other")),
    };
    if output.is_none() && streams::out_is_terminal() {
        return Err(Failure::refused("a key is not written to a terminal")
            .hint("use a pipe: stek genkey | stek install NAME, or a file: -o FILE"));
    }

    if output.is_none() && !settings.allow_disk && streams::out_is_on_disk() {
        call.warn("standard output is a file on a disk, where the key stays readable after it is removed");
    }

    let mut pool = Pool::new()?;
    let mut text = Secret::new()?;
    let length = {
        let key = pool.key(settings.size)?;
        key::write(form, key, &mut text).map_err(|wrong| Failure::new(Exit::System, wrong))?
    };
    match output {
        None => streams::write_out(&text[..length])?,
        Some(file) if file == "-" => return Err(call.usage("'-' is no file; standard output is used without -o")),
        Some(file) => {
            let (directory, name) = parent(call, &file, settings.allow_disk)?;
            startup::exact_modes();
            lock::take(&directory, lock::PATIENCE)?;
            directory.sweep(&directory.files()?)?;
            if directory.look(&name)?.is_some() {
                return Err(Failure::refused(format!("{file} exists")).hint("remove it first, or name another file"));
            }
            directory.put_new(&name, &text[..length], Access::for_group(None))?;
            call.tell(&settings, format!("wrote {file}"));
        }
    }
    Ok(Exit::Done)
}

/// Opens the directory of a file that is to be written; the file's own name.
pub(super) fn parent(call: &Call, file: &str, allow_disk: bool) -> Outcome<(Directory, String)> {
    let path = Path::new(file);
    let name = path.file_name().and_then(|name| name.to_str()).filter(|_| !file.ends_with('/'));
    let name = name.ok_or_else(|| call.usage(format!("'{}' is no file name", file.escape_debug())))?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((Directory::open(parent, allow_disk)?, name.to_owned()))
}
