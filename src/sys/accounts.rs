//! Names of users and groups. Read from /etc/passwd and /etc/group: a static binary cannot ask the name service switch.

use crate::failure::{Failure, Outcome};

/// A file of accounts, and what its entries are called.
pub type Accounts = (&'static str, &'static str);

/// Groups.
pub const GROUPS: Accounts = ("/etc/group", "group");
/// Users.
pub const USERS: Accounts = ("/etc/passwd", "user");

/// The number of an account given by name or number.
pub fn id((file, kind): Accounts, account: &str) -> Outcome<u32> {
    if let Ok(number) = account.parse() {
        // All ones means "leave it" to chown(2).
        return if number == u32::MAX { Err(unknown(kind, account)) } else { Ok(number) };
    }
    let text = std::fs::read(file).map_err(|error| Failure::io(format!("cannot read {file}"), &error))?;
    String::from_utf8_lossy(&text)
        .lines()
        .find_map(|line| {
            let mut fields = line.split(':');
            (fields.next()? == account).then(|| fields.nth(1)?.parse().ok())?
        })
        .ok_or_else(|| {
            unknown(kind, account).hint(format!("only names in {file} are known here; a number always works"))
        })
}

fn unknown(kind: &str, account: &str) -> Failure {
    Failure::refused(format!("there is no {kind} '{}'", account.escape_debug()))
}
