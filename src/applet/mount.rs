//! `mount`: the keys directory, in memory and never in swap.

use std::path::Path;

use argh::{ArgsInfo, FromArgs};

use super::{Applet, Call};
use crate::failure::{Exit, Outcome};
use crate::sys::mount::{self, Kind};
use crate::sys::{accounts, host, startup};

/// This applet.
pub const APPLET: Applet = Applet {
    name: "mount",
    operands: "",
    operand_ends_options: false,
    shared: &["--dir", "--group", "--verbose"],
    info: Options::get_args_info,
    run,
};

/// make the keys directory: tmpfs without swap, else ramfs, else what memory there is; nothing if it is there
#[derive(ArgsInfo, FromArgs)]
struct Options {
    /// limit of a tmpfs, with k, m or g (default 256m; a key takes 4 KiB)
    #[argh(option, arg_name = "BYTES")]
    size: Option<String>,
}

fn run(call: &Call) -> Outcome<Exit> {
    let Options { size } = call.options()?;
    let settings = call.settings()?;
    call.no_operands()?;
    let size = size.unwrap_or_else(|| "256m".to_owned());
    if !is_size(&size) {
        return Err(call.usage(format!("'{}' is no size like 64m", size.escape_debug())));
    }
    let group = settings.group.as_deref().map(|group| accounts::id(accounts::GROUPS, group)).transpose()?;
    startup::exact_modes();
    let kind = mount::mount_keys(Path::new(&settings.directory), &size, group)?;
    call.tell(&settings, format_args!("{} is {}", settings.directory, kind.words()));
    if kind == Kind::Plain || (kind == Kind::Tmpfs && !host::swaps().is_empty()) {
        call.warn(format_args!("{} is {}: should swap be on, keys may get into it", settings.directory, kind.words()));
    }
    Ok(Exit::Done)
}

/// Digits and at most one unit; mount(8) takes it as it is.
fn is_size(text: &str) -> bool {
    let digits = text.strip_suffix(['k', 'm', 'g', 'K', 'M', 'G']).unwrap_or(text);
    !digits.is_empty() && digits.len() < 10 && digits.bytes().all(|b| b.is_ascii_digit()) && digits.bytes().any(|b| b != b'0')
}

#[cfg(test)]
mod tests {
    use super::is_size;

    #[test]
    fn sizes_are_what_mount_takes() {
        assert!(["64m", "1g", "65536", "8K"].into_iter().all(is_size));
        assert!(!["", "m", "0", "-1", "64mm", "1,uid=5", "50%"].into_iter().any(is_size));
    }
}
