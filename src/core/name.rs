//! NAME, the name of one key set, and the file names of its slots.

use std::fmt;

/// Slot of the next key: preloaded by servers, decrypts only, encrypts from the next epoch on.
pub const NEXT: usize = 0;
/// Slot of the current key, the one that encrypts.
pub const CURRENT: usize = 1;
/// The highest slot number a file name may carry.
pub const LAST_SLOT: usize = 100;

/// Files in a keys directory that begin like this are stek's own temporary ones. No NAME can collide: a NAME
/// has no leading dot.
pub const TEMPORARY_PREFIX: &str = ".stek-";

/// The name of one key set, usually a server name: `[A-Za-z0-9._-]`, no leading dot, 1 to 200 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(String);

impl Name {
    /// The longest NAME in bytes: with `.100.key` it stays below the 255 bytes of a file name.
    pub const LONGEST: usize = 200;

    /// Checks a NAME.
    ///
    /// # Errors
    /// Says which rule it breaks, for a person.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("a NAME must not be empty");
        }
        if text.len() > Self::LONGEST {
            return Err("a NAME has at most 200 bytes");
        }
        if text.starts_with('.') {
            return Err("a NAME must not begin with a dot");
        }
        if !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b)) {
            return Err("a NAME may hold letters, digits, '.', '_' and '-' only");
        }
        Ok(Self(text.to_owned()))
    }

    /// The NAME as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The file name of one slot: `example.com`, 1 → `example.com.1.key`.
    #[must_use]
    pub fn slot_file(&self, slot: usize) -> String {
        let mut file = String::with_capacity(self.0.len() + 8);
        file.push_str(&self.0);
        file.push('.');
        if let (0..=9, Ok(digit)) = (slot, u8::try_from(slot)) {
            file.push(char::from(b'0' + digit));
        } else {
            file.push_str(&slot.to_string());
        }
        file.push_str(".key");
        file
    }

    /// The reverse of [`Name::slot_file`]; `None` for a file that is no slot.
    #[must_use]
    pub fn of_slot_file(file: &str) -> Option<(&str, usize)> {
        let (name, number) = file.strip_suffix(".key")?.rsplit_once('.')?;
        let leading_zero = number.len() > 1 && number.starts_with('0');
        if leading_zero || number.is_empty() || !number.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let slot = number.parse().ok().filter(|slot| *slot <= LAST_SLOT)?;
        Name::parse(name).ok()?;
        Some((name, slot))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a slot's key is for: `next`, `current` or `previous`.
#[must_use]
pub fn role(slot: usize) -> &'static str {
    match slot {
        NEXT => "next",
        CURRENT => "current",
        _ => "previous",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_servers_pass() {
        for good in ["localhost", "example.com", "a", "A-Z_0.9", &"x".repeat(200)] {
            assert!(Name::parse(good).is_ok(), "{good}");
        }
    }

    #[test]
    fn names_that_could_leave_the_directory_or_hide_are_refused() {
        for bad in ["", ".", "..", ".hidden", "a/b", "a b", "a\n", "é", "a*", &"x".repeat(201)] {
            assert!(Name::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slot_file_is_read_back_as_what_was_written() {
        for slot in [0, 1, 9, 10, 57, 100] {
            let name = Name::parse("www.example.com.1").unwrap();
            let file = name.slot_file(slot);
            assert_eq!(Name::of_slot_file(&file), Some((name.as_str(), slot)), "{file}");
        }
    }

    #[test]
    fn other_files_are_no_slots() {
        for other in
            ["a.key", "a.01.key", "a.101.key", "a.-1.key", "a.1.pem", ".1.key", ".stek-new", "a..key", "a.x.key"]
        {
            assert_eq!(Name::of_slot_file(other), None, "{other}");
        }
    }
}
