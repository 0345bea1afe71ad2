//! `HOST:PORT` as an administrator writes it, checked before another program gets it as an argument.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};

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
