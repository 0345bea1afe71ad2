//! `HOST:PORT` as an administrator writes it, checked before another program gets it as an argument.

use std::fmt;
// The types alone: nothing in `core` can open a socket.
use ::core::net::{IpAddr, Ipv6Addr};

/// The port where none is given: https.
const PORT: u16 = 443;
/// The longest name of a host, RFC 1035 section 2.3.4; addresses are shorter.
const LONGEST: usize = 253;

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: String,
    port: u16,
}

impl Endpoint {
    /// Reads `HOST`, `HOST:PORT`, `ADDRESS:PORT`, `[ADDRESS]:PORT` or a bare address of IPv6.
    ///
    /// # Errors
    /// Says what is wrong with it, for a person.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |what: &str| format!("'{}' is no HOST:PORT: {what}", text.escape_debug());
        let is_bare = is_ipv6(text);
        let (host, port) = match (text.strip_prefix('['), text.rsplit_once(':')) {
            _ if is_bare => (text, None),
            (Some(bracketed), _) => {
                let (host, rest) = bracketed.split_once(']').ok_or_else(|| wrong("a ']' is missing"))?;
                if !is_ipv6(host) {
                    return Err(wrong("only an address of IPv6 stands in brackets"));
                }
                match rest.strip_prefix(':') {
                    None if !rest.is_empty() => return Err(wrong("a ':' must follow the ']'")),
                    port => (host, port),
                }
            }
            (None, Some((host, port))) => (host, Some(port)),
            (None, None) => (text, None),
        };
        if !is_ipv6(host) {
            host_name(host).map_err(|what| wrong(&what))?;
        }
        let port = match port {
            None => PORT,
            Some(port) => Some(port)
                .filter(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
                .and_then(|port| port.parse().ok())
                .filter(|port| *port != 0)
                .ok_or_else(|| wrong("a port is a number from 1 to 65535"))?,
        };
        Ok(Self { host: host.to_owned(), port })
    }

    /// The host's name, if it is no address: what a client asks for in SNI (RFC 6066 section 3 allows names only).
    #[must_use]
    pub fn server_name(&self) -> Option<&str> {
        let is_address = is_ipv6(&self.host) || self.host.parse::<IpAddr>().is_ok();
        (!is_address).then_some(self.host.as_str())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Checks the name of a host: letters, digits, dots, dashes and underscores, and no dash where a program would take it for
/// an option.
///
/// # Errors
/// Which rule it breaks, for a person.
pub fn host_name(text: &str) -> Result<(), String> {
    if text.is_empty() || text.len() > LONGEST {
        return Err(format!("a host's name has 1 to {LONGEST} bytes"));
    }
    if text.starts_with('-') {
        return Err("a host's name does not begin with '-'".to_owned());
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        return Err("a host's name is made of letters, digits, '.', '_' and '-' (others as xn--…)".to_owned());
    }
    Ok(())
}

/// An address of IPv6, which may name an interface: `fe80::1%eth0`.
fn is_ipv6(text: &str) -> bool {
    let (address, interface) = match text.split_once('%') {
        Some((address, interface)) => (address, Some(interface)),
        None => (text, None),
    };
    address.parse::<Ipv6Addr>().is_ok()
        && interface.is_none_or(|name| {
            (1..16).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn hosts_and_addresses_are_read_as_they_are_written() {
        for (text, shown, server_name) in [
            ("example.com", "example.com:443", Some("example.com")),
            ("localhost:8443", "localhost:8443", Some("localhost")),
            ("127.0.0.1:1", "127.0.0.1:1", None),
            ("127.0.0.1", "127.0.0.1:443", None),
            ("[::1]:65535", "[::1]:65535", None),
            ("[::1]", "[::1]:443", None),
            ("::1", "[::1]:443", None),
            ("fe80::1%eth0", "[fe80::1%eth0]:443", None),
            ("xn--bcher-kva.example:443", "xn--bcher-kva.example:443", Some("xn--bcher-kva.example")),
        ] {
            let endpoint = Endpoint::parse(text).unwrap();
            assert_eq!((endpoint.to_string().as_str(), endpoint.server_name()), (shown, server_name), "{text}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        for bad in [
            "",
            ":443",
            "a:",
            "a:0",
            "a:65536",
            "a:+1",
            "a:1x",
            "a:443:443",
            "-a",
            "-connect",
            "-a:443",
            "a b",
            "a/b",
            "[a]:1",
            "[::1",
            "[::1]443",
            "[::1]:",
            "fe80::1%",
            "fe80::1%a/b",
            "é",
            "a\n",
            "user@host",
        ] {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
        assert!(host_name(&"a".repeat(254)).is_err());
    }

    proptest! {
        #[test]
        fn an_argument_is_never_an_option(text in "[-a:%\\[\\]0-9.]{0,12}") {
            if let Ok(endpoint) = Endpoint::parse(&text) {
                let shown = endpoint.to_string();
                prop_assert!(!shown.starts_with('-') && shown.bytes().all(|byte| byte.is_ascii_graphic()));
                prop_assert_eq!(Endpoint::parse(&shown), Ok(endpoint));
            }
        }
    }
}
