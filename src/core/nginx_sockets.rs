//! What nginx makes of its configuration as far as ticket keys go: servers, listen sockets, and whose keys count on each.
//!
//! Keys, timeout and the switch for tickets belong to the listen socket: a connection begins with the context of the
//! socket's default server, and session tickets stay with it whatever name the client asks for. The default server of
//! an address and port is the one marked so, else the first that names it; 443, `*:443` and `0.0.0.0:443` are one
//! address, `127.0.0.1:443` another, even though nginx may open only the wildcard socket. Sources: nginx,
//! `src/http/ngx_http.c` `ngx_http_add_addresses()`, `src/http/ngx_http_request.c` `ngx_http_ssl_servername()`,
//! `src/core/ngx_inet.c` `ngx_parse_url()`, `src/event/ngx_event_openssl.c` (`session_ctx`).

use ::core::net::{Ipv4Addr, Ipv6Addr};
use std::collections::HashMap;
use std::fmt;

use super::nginx_config::{File, Item, Parser, directory_and_name, full_path, is_pattern, matches, seconds};

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Which of the files.
    pub file: usize,
    /// The line in it, from 1.
    pub line: usize,
}

/// A value and where it was set.
pub type Set<T> = Option<(T, Place)>;

/// Which part of nginx serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Module {
    /// `http {}`
    Http,
    /// `stream {}`
    Stream,
    /// `mail {}`
    Mail,
}

impl Module {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Http, Self::Stream, Self::Mail];

    /// The name of its block.
    #[must_use]
    pub const fn block(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Stream => "stream",
            Self::Mail => "mail",
        }
    }
}

/// The host of a listen address.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Host {
    /// IPv4; 0.0.0.0 is the wildcard.
    V4(Ipv4Addr),
    /// IPv6; `::` is the wildcard.
    V6(Ipv6Addr),
    /// A socket in the file system.
    Unix(String),
    /// A name, which nginx looks up when it starts, and this does not.
    Name(String),
}

impl Host {
    /// Neither a wildcard nor a socket in the file system.
    fn is_particular(&self) -> bool {
        match self {
            Self::V4(address) => !address.is_unspecified(),
            Self::V6(address) => !address.is_unspecified(),
            Self::Unix(_) => false,
            Self::Name(_) => true,
        }
    }
}

/// What one `listen` opens.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    /// Where.
    pub host: Host,
    /// 0 for a socket in the file system.
    pub port: u16,
    /// UDP: QUIC has sockets, and default servers, of its own.
    pub datagrams: bool,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::V4(address) => write!(f, "{address}:{}", self.port)?,
            Host::V6(address) => write!(f, "[{address}]:{}", self.port)?,
            Host::Unix(path) => write!(f, "unix:{path}")?,
            Host::Name(name) => write!(f, "{name}:{}", self.port)?,
        }
        if self.datagrams { f.write_str("/udp") } else { Ok(()) }
    }
}

/// A file of `ssl_session_ticket_key`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its full path.
    pub path: String,
    /// Where it is listed.
    pub place: Place,
}

/// What one block says, before inheritance.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// The list of keys; an empty one inherits.
    pub keys: Vec<Key>,
    /// `ssl_session_tickets`
    pub tickets: Set<bool>,
    /// `ssl_session_timeout` in seconds.
    pub timeout: Set<i64>,
    /// `ssl_verify_client`
    pub verify: Set<String>,
    /// `ssl_client_certificate`
    pub client_authority: Set<String>,
    /// `ssl_trusted_certificate`
    pub trusted_authority: Set<String>,
    /// There is an `ssl_certificate`.
    pub certificate: Option<()>,
    /// `ssl_reject_handshake`
    pub reject: Set<bool>,
    /// `ssl on`, until nginx 1.25.
    pub ssl: Set<bool>,
    /// `starttls`
    pub start_tls: Set<bool>,
    /// What the `ssl_conf_command` lines say, if there are any.
    pub commands: Option<Commands>,
}

/// The commands for OpenSSL that decide about tickets. nginx runs them after its own settings, and a server that has any
/// inherits none. Sources: nginx, `ngx_ssl_conf_commands()`; OpenSSL, `ssl/ssl_conf.c`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Commands {
    /// `Options SessionTicket` or `-SessionTicket`
    pub tickets: Set<bool>,
    /// `Options AntiReplay`: with `ssl_early_data` on, sessions of TLS 1.3 stay in the server's cache.
    pub anti_replay: Set<bool>,
    /// `NumTickets`, whether it is more than 0: how many tickets TLS 1.3 gets.
    pub some_tickets: Set<bool>,
}

impl Commands {
    /// Names are compared without regard to case; of several lines the last one counts.
    fn run(&mut self, command: &str, value: &str, place: Place) {
        if command.eq_ignore_ascii_case("NumTickets") {
            // As atoi(3) reads it.
            let digits = value.trim_start().trim_start_matches(['+', '-']).bytes().take_while(u8::is_ascii_digit);
            self.some_tickets = Some((digits.map(|digit| digit - b'0').any(|digit| digit > 0), place));
        } else if command.eq_ignore_ascii_case("Options") {
            for option in value.split(',').map(str::trim) {
                let (on, name) = match option.strip_prefix('-') {
                    Some(name) => (false, name),
                    None => (true, option.strip_prefix('+').unwrap_or(option)),
                };
                match name.to_ascii_lowercase().as_str() {
                    "sessionticket" => self.tickets = Some((on, place)),
                    "antireplay" => self.anti_replay = Some((on, place)),
                    _ => {}
                }
            }
        }
    }
}

/// One `server {}`.
#[derive(Clone, Debug)]
pub struct Server {
    /// In which block.
    pub module: Module,
    /// Where it begins.
    pub place: Place,
    /// What it says itself.
    pub own: Settings,
    /// Its names.
    pub names: Vec<String>,
    listens: Vec<Listen>,
}

#[derive(Clone, Debug)]
struct Listen {
    address: Address,
    place: Place,
    is_default: bool,
    tls: bool,
}

/// One address that takes connections, with the servers behind it.
#[derive(Clone, Debug)]
pub struct Socket {
    /// In which block.
    pub module: Module,
    /// Its address.
    pub address: Address,
    /// The server whose keys count.
    pub default: usize,
    /// All its servers in order.
    pub servers: Vec<usize>,
    /// Where its default server names it.
    pub place: Place,
    /// Whether TLS is spoken on it.
    pub tls: bool,
    /// A `listen` with a host name may mean this address too, so the default server is not known.
    pub uncertain: bool,
    marked: bool,
}

/// Which key makes the tickets for a name on a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim<'a> {
    /// This one, the first of the list that counts.
    Key(&'a Key),
    /// One that nginx made up by itself.
    Random,
    /// There are no tickets, or none that can be used.
    None,
    /// There is no connection.
    Rejected,
    /// This cannot be said: it depends on what a host name means, or on the version of TLS.
    Unknown,
}

/// Something that nginx would stop at, or that is not in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It does not parse.
    Syntax(String),
    /// A file that is included is not among those given.
    Absent(String),
    /// The limits of this program are reached.
    TooMuch,
}

/// A configuration as nginx understands it.
#[derive(Debug, Default)]
pub struct Configuration {
    /// All servers in order.
    pub servers: Vec<Server>,
    /// All sockets in order of appearance.
    pub sockets: Vec<Socket>,
    /// What went wrong.
    pub troubles: Vec<(Trouble, Place)>,
    /// There was a block that may serve TLS.
    pub has_module: bool,
    modules: [Settings; 3],
}

/// So many directives are read, however often files are included.
const MOST_ITEMS: usize = 5_000_000;
/// So many addresses of listen sockets are told apart.
const MOST_LISTENS: usize = 200_000;
/// nginx itself stops at about 512 files that include each other, for want of descriptors.
const DEEPEST: usize = 200;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Context {
    Main,
    Module(Module),
    Server(Module),
    Other,
}

struct Reader<'a> {
    files: &'a [File<'a>],
    by_path: HashMap<&'a str, usize>,
    by_directory: HashMap<&'a str, Vec<usize>>,
    main: &'a str,
    open: Vec<(Parser<'a>, usize)>,
    contexts: Vec<Context>,
    listens: usize,
    configuration: Configuration,
}

impl Configuration {
    /// Reads a configuration: the main file and what it includes.
    #[must_use]
    pub fn read(files: &[File<'_>]) -> Self {
        let Some(main) = files.first() else { return Self::default() };
        let mut by_directory: HashMap<&str, Vec<usize>> = HashMap::new();
        for (index, file) in files.iter().enumerate() {
            by_directory.entry(directory_and_name(file.path).0).or_default().push(index);
        }
        let mut reader = Reader {
            files,
            // nginx prints each file once; of two with one path the first is the one that it read.
            by_path: files.iter().enumerate().rev().map(|(index, file)| (file.path, index)).collect(),
            by_directory,
            main: main.path,
            open: vec![(Parser::new(main.text), 0)],
            contexts: Vec::new(),
            listens: 0,
            configuration: Self::default(),
        };
        reader.all();
        let mut configuration = reader.configuration;
        configuration.find_sockets();
        configuration
    }

    /// What the whole block says that a server is in.
    #[must_use]
    pub fn module(&self, module: Module) -> &Settings {
        &self.modules[module as usize]
    }

    /// The list of keys that a server has, its own or, if it has none at all, its block's.
    #[must_use]
    pub fn keys(&self, server: usize) -> &[Key] {
        let own = &self.servers[server].own.keys;
        if own.is_empty() { &self.module(self.servers[server].module).keys } else { own }
    }

    /// A setting of a server, its own or its block's.
    pub fn setting<'a, T>(&'a self, server: usize, of: impl Fn(&'a Settings) -> Option<T>) -> Option<T> {
        of(&self.servers[server].own).or_else(|| of(self.module(self.servers[server].module)))
    }

    /// Whether a server has tickets switched on.
    #[must_use]
    pub fn tickets(&self, server: usize) -> bool {
        self.tickets_switch(server).is_none_or(|(on, _)| on)
    }

    /// Where tickets are switched on or off for a server; OpenSSL's own command has the last word.
    #[must_use]
    pub fn tickets_switch(&self, server: usize) -> Set<bool> {
        self.commands(server).tickets.or_else(|| self.setting(server, |settings| settings.tickets))
    }

    fn commands(&self, server: usize) -> Commands {
        self.setting(server, |settings| settings.commands).unwrap_or_default()
    }

    /// Where it is said that TLS 1.3 gets no tickets, or others, while older versions do. Their number is the default
    /// server's, as OpenSSL takes it over when the connection begins; options are those of the name.
    #[must_use]
    pub fn differs_by_version(&self, socket: &Socket, server: usize) -> Option<Place> {
        let server = if self.has_context(server) { server } else { socket.default };
        match (self.commands(socket.default).some_tickets, self.commands(server).anti_replay) {
            (Some((false, place)), _) | (_, Some((true, place))) => Some(place),
            _ => None,
        }
    }

    /// Whether a server refuses every handshake.
    #[must_use]
    pub fn rejects(&self, server: usize) -> bool {
        self.setting(server, |settings| settings.reject).is_some_and(|(on, _)| on)
    }

    /// Whether a server has a TLS context of its own; one without leaves everything to the default server.
    #[must_use]
    pub fn has_context(&self, server: usize) -> bool {
        self.rejects(server) || self.setting(server, |settings| settings.certificate).is_some()
    }

    /// Which key makes the tickets for those that ask for `server` on a socket.
    #[must_use]
    pub fn claim(&self, socket: &Socket, server: usize) -> Claim<'_> {
        if socket.uncertain {
            return Claim::Unknown;
        }
        if self.rejects(server) {
            return Claim::Rejected;
        }
        // Where the default server has none, none that another one makes can be opened again.
        if !self.tickets(socket.default) || (self.has_context(server) && !self.tickets(server)) {
            return Claim::None;
        }
        if self.differs_by_version(socket, server).is_some() {
            return Claim::Unknown;
        }
        self.keys(socket.default).first().map_or(Claim::Random, Claim::Key)
    }

    /// The names that a client may ask for on a socket, each with its server. Of a name that two servers have, the
    /// first counts, as in nginx.
    #[must_use]
    pub fn names<'a>(&'a self, socket: &Socket) -> Vec<(&'a str, usize)> {
        let mut found = Vec::new();
        let mut known = std::collections::HashSet::new();
        if socket.module != Module::Mail {
            for server in &socket.servers {
                let names = self.servers[*server].names.iter().map(String::as_str).filter(|name| !name.is_empty());
                found.extend(names.filter(|name| known.insert(*name)).map(|name| (name, *server)));
            }
        }
        found
    }

    fn find_sockets(&mut self) {
        let mut known: HashMap<(Module, Address), usize> = HashMap::new();
        for (index, server) in self.servers.iter().enumerate() {
            for listen in &server.listens {
                let at = *known.entry((server.module, listen.address.clone())).or_insert_with(|| {
                    self.sockets.push(Socket {
                        module: server.module,
                        address: listen.address.clone(),
                        default: index,
                        servers: Vec::new(),
                        place: listen.place,
                        tls: false,
                        uncertain: false,
                        marked: false,
                    });
                    self.sockets.len() - 1
                });
                let socket = &mut self.sockets[at];
                if socket.servers.last() != Some(&index) {
                    socket.servers.push(index);
                }
                socket.tls |= listen.tls;
                if listen.is_default && !socket.marked {
                    (socket.default, socket.place, socket.marked) = (index, listen.place, true);
                }
            }
        }
        let mut sockets = std::mem::take(&mut self.sockets);
        // A host name may stand for any address of its port but the wildcard, and for several.
        let mut hosts: HashMap<_, (usize, bool)> = HashMap::new();
        let port = |socket: &Socket| (socket.module, socket.address.port, socket.address.datagrams);
        for socket in sockets.iter().filter(|socket| socket.address.host.is_particular()) {
            let (number, is_named) = hosts.entry(port(socket)).or_default();
            *number += 1;
            *is_named |= matches!(socket.address.host, Host::Name(_));
        }
        for socket in &mut sockets {
            socket.uncertain = socket.address.host.is_particular()
                && hosts.get(&port(socket)).is_some_and(|(number, is_named)| *number > 1 && *is_named);
            let on = |of: fn(&Settings) -> Set<bool>| self.setting(socket.default, of).is_some_and(|(on, _)| on);
            socket.tls |= on(|settings| settings.ssl);
            socket.tls |= socket.module == Module::Mail && on(|settings| settings.start_tls);
        }
        self.sockets = sockets;
    }
}

impl Reader<'_> {
    fn all(&mut self) {
        for _ in 0..MOST_ITEMS {
            let Some((parser, file)) = self.open.last_mut() else { return };
            let file = *file;
            match parser.next_item() {
                Ok(None) => {
                    self.open.pop();
                }
                Ok(Some((item, line))) => self.item(item, Place { file, line }),
                Err(wrong) => {
                    return self.trouble(Trouble::Syntax(wrong.what), Place { file, line: wrong.line });
                }
            }
        }
        self.trouble(Trouble::TooMuch, Place { file: 0, line: 1 });
    }

    fn trouble(&mut self, trouble: Trouble, place: Place) {
        self.open.clear();
        self.configuration.troubles.push((trouble, place));
    }

    fn item(&mut self, item: Item, place: Place) {
        let context = self.contexts.last().copied().unwrap_or(Context::Main);
        match item {
            Item::Close => {
                let closed = self.contexts.pop();
                if let Some(Context::Server(module)) = closed {
                    self.default_listen(module);
                }
            }
            Item::Open(words) => {
                let module = Module::ALL.into_iter().find(|module| module.block() == words[0]);
                let inner = match (context, module) {
                    (Context::Main, Some(module)) => {
                        self.configuration.has_module = true;
                        Context::Module(module)
                    }
                    (Context::Module(module), _) if words[0] == "server" => {
                        let (own, names) = (Settings::default(), Vec::new());
                        self.configuration.servers.push(Server { module, place, own, names, listens: Vec::new() });
                        Context::Server(module)
                    }
                    _ => Context::Other,
                };
                self.contexts.push(inner);
            }
            Item::Directive(words) => match (context, words.as_slice()) {
                // Where nothing of interest can stand nothing need be included.
                (Context::Other, _) => {}
                (_, [word, path]) if word == "include" => self.include(path, place),
                (Context::Module(module), [word, values @ ..]) => {
                    let main = self.main;
                    set(&mut self.configuration.modules[module as usize], main, word, values, place);
                }
                (Context::Server(_), [word, values @ ..]) => self.server_directive(word, values, place),
                _ => {}
            },
        }
    }

    fn include(&mut self, path: &str, place: Place) {
        let path = full_path(self.main, path);
        let mut found: Vec<usize> = if is_pattern(&path) {
            let directory = directory_and_name(&path).0;
            let fits = |file: &usize| matches(&path, self.files[*file].path);
            if is_pattern(directory) {
                (0..self.files.len()).filter(fits).collect()
            } else {
                self.by_directory.get(directory).into_iter().flatten().copied().filter(fits).collect()
            }
        } else {
            let found = self.by_path.get(path.as_str()).copied();
            if found.is_none() {
                self.configuration.troubles.push((Trouble::Absent(path), place));
            }
            found.into_iter().collect()
        };
        if self.open.len() + found.len() > DEEPEST + self.files.len() {
            return self.trouble(Trouble::TooMuch, place);
        }
        // glob(3) sorts; the last one opened is read first.
        found.sort_by_key(|file| std::cmp::Reverse(self.files[*file].path));
        found.dedup_by_key(|file| self.files[*file].path);
        self.open.extend(found.into_iter().map(|file| (Parser::new(self.files[file].text), file)));
    }

    fn server_directive(&mut self, word: &str, values: &[String], place: Place) {
        let main = self.main;
        let Some(server) = self.configuration.servers.last_mut() else { return };
        match (word, values) {
            ("server_name", names) => {
                // A regular expression means what it says.
                let lower =
                    |name: &String| if name.starts_with('~') { name.clone() } else { name.to_ascii_lowercase() };
                server.names.extend(names.iter().map(lower));
            }
            ("listen", [address, options @ ..]) => {
                let has = |wanted: &[&str]| options.iter().any(|option| wanted.contains(&option.as_str()));
                let quic = has(&["quic"]);
                let datagrams = quic || has(&["udp"]);
                let tls = quic || has(&["ssl"]);
                let is_default = has(&["default_server", "default"]);
                for address in addresses(address, datagrams) {
                    self.listens += 1;
                    if self.listens > MOST_LISTENS {
                        return self.trouble(Trouble::TooMuch, place);
                    }
                    server.listens.push(Listen { address, place, is_default, tls });
                }
            }
            _ => set(&mut server.own, main, word, values, place),
        }
    }

    /// A server of http that names no address listens on port 80.
    fn default_listen(&mut self, module: Module) {
        if let Some(server) = self.configuration.servers.last_mut()
            && module == Module::Http
            && server.listens.is_empty()
        {
            let address = Address { host: Host::V4(Ipv4Addr::UNSPECIFIED), port: 80, datagrams: false };
            server.listens.push(Listen { address, place: server.place, is_default: false, tls: false });
        }
    }
}

/// Takes over a directive that matters here.
fn set(settings: &mut Settings, main: &str, word: &str, values: &[String], place: Place) {
    if let ("ssl_conf_command", [command, value]) = (word, values) {
        settings.commands.get_or_insert_default().run(command, value, place);
    }
    let [value] = values else { return };
    let switch = || match value.to_ascii_lowercase().as_str() {
        "on" => Some((true, place)),
        "off" => Some((false, place)),
        _ => None,
    };
    let text = || Some((value.clone(), place));
    match word {
        "ssl_session_ticket_key" => settings.keys.push(Key { path: full_path(main, value), place }),
        "ssl_session_tickets" => settings.tickets = switch(),
        "ssl_session_timeout" => settings.timeout = seconds(value).map(|seconds| (seconds, place)),
        "ssl_verify_client" => settings.verify = text(),
        "ssl_client_certificate" => settings.client_authority = text(),
        "ssl_trusted_certificate" => settings.trusted_authority = text(),
        "ssl_certificate" => settings.certificate = Some(()),
        "ssl_reject_handshake" => settings.reject = switch(),
        "ssl" => settings.ssl = switch(),
        "starttls" => settings.start_tls = Some((value != "off", place)),
        _ => {}
    }
}

/// What a `listen` names: one address, or one for each port of a range. Without a port it is 80, which only http allows.
fn addresses(text: &str, datagrams: bool) -> Vec<Address> {
    if let Some(path) = text.get(..5).filter(|scheme| scheme.eq_ignore_ascii_case("unix:")).map(|_| &text[5..]) {
        return vec![Address { host: Host::Unix(path.to_owned()), port: 0, datagrams }];
    }
    let (host, ports) = if let Some(text) = text.strip_prefix('[') {
        let Some((address, rest)) = text.split_once(']') else { return Vec::new() };
        let Ok(address) = address.parse() else { return Vec::new() };
        (Host::V6(address), rest.strip_prefix(':').or_else(|| rest.is_empty().then_some("80")))
    } else if let Some((host, ports)) = text.split_once(':') {
        (named(host), Some(ports))
    } else if port_range(text).is_some() {
        (Host::V4(Ipv4Addr::UNSPECIFIED), Some(text))
    } else {
        (named(text), Some("80"))
    };
    let ports = ports.and_then(port_range).into_iter().flatten();
    ports.map(|port| Address { host: host.clone(), port, datagrams }).collect()
}

fn named(host: &str) -> Host {
    if host == "*" {
        return Host::V4(Ipv4Addr::UNSPECIFIED);
    }
    // Leading zeros are decimal to nginx, and an error to the standard library.
    let parts: Option<Vec<u8>> = host.split('.').map(decimal).collect();
    match (parts.as_deref(), short_address(host)) {
        (Some([a, b, c, d]), _) => Host::V4(Ipv4Addr::new(*a, *b, *c, *d)),
        (_, Some(address)) => Host::V4(address),
        _ => Host::Name(host.to_ascii_lowercase()),
    }
}

/// `127.1`, `0x7f000001`, `0`: what `getaddrinfo(3)`, which nginx asks next, takes for an address without asking anybody.
/// Source: `inet_aton(3)`. The last number fills what is left of the address; a number may be octal or hexadecimal.
fn short_address(host: &str) -> Option<Ipv4Addr> {
    let number = |text: &str| match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.bytes().all(|b| b.is_ascii_hexdigit()) => u32::from_str_radix(digits, 16).ok(),
        None if text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) => {
            u32::from_str_radix(text, 8).ok()
        }
        None => decimal(text),
        Some(_) => None,
    };
    let numbers = host.split('.').map(number).collect::<Option<Vec<u32>>>()?;
    let (last, first) = numbers.split_last()?;
    let bits = 32_u32.checked_sub(8 * u32::try_from(first.len()).ok()?).filter(|bits| *bits > 0)?;
    let fits = first.iter().all(|byte| *byte < 256) && u64::from(*last) < 1 << bits;
    let high = first.iter().fold(0_u64, |address, byte| address << 8 | u64::from(*byte)) << bits;
    fits.then(|| u32::try_from(high | u64::from(*last)).ok().map(Ipv4Addr::from)).flatten()
}

fn decimal<T: std::str::FromStr>(digits: &str) -> Option<T> {
    digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok()).flatten()
}

fn port_range(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let range = decimal(first)?..=decimal(last)?;
    (*range.start() > 0 && !range.is_empty()).then_some(range)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Configuration {
        Configuration::read(&[File { path: "/etc/nginx/nginx.conf", text: text.as_bytes() }])
    }

    /// Every TLS socket with the key that its default server makes tickets with.
    fn which(text: &str) -> String {
        let configuration = read(text);
        assert_eq!(configuration.troubles, [], "{text}");
        let of = |socket: &Socket| match configuration.claim(socket, socket.default) {
            Claim::Key(key) => key.path.clone(),
            other => format!("{other:?}"),
        };
        let tls = configuration.sockets.iter().filter(|socket| socket.tls);
        tls.map(|socket| format!("{}={}", socket.address, of(socket))).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn addresses_are_nginxs() {
        for (text, wanted) in [
            ("443", "0.0.0.0:443"),
            ("*:443", "0.0.0.0:443"),
            ("0.0.0.0:443", "0.0.0.0:443"),
            ("127.0.0.1", "127.0.0.1:80"),
            ("127.000.0.01:443", "127.0.0.1:443"),
            ("[::]:443", "[::]:443"),
            ("[0:0::1]", "[::1]:80"),
            ("unix:/run/a.sock", "unix:/run/a.sock"),
            ("LocalHost:443", "localhost:443"),
            ("localhost", "localhost:80"),
            ("8443-8444", "0.0.0.0:8443 0.0.0.0:8444"),
            ("0:443", "0.0.0.0:443"),
            ("127.1:443", "127.0.0.1:443"),
            ("127.1.256", "127.1.1.0:80"),
            ("0X7f000001:443", "127.0.0.1:443"),
            ("010.0.0.1:443", "10.0.0.1:443"),
            ("010.1:443", "8.0.0.1:443"),
            ("256.1:443", "256.1:443"),
            ("1.2.3.4.5:443", "1.2.3.4.5:443"),
            ("1.:443", "1.:443"),
            ("4294967296:443", "4294967296:443"),
            ("[::1", ""),
            ("[x]:1", ""),
            ("a:99999", ""),
            ("unix", "unix:80"),
        ] {
            let got = addresses(text, false).iter().map(Address::to_string).collect::<Vec<_>>().join(" ");
            assert_eq!(got, wanted, "{text}");
        }
        assert_eq!(addresses("443", true)[0].to_string(), "0.0.0.0:443/udp");
    }

    #[test]
    fn the_first_server_or_the_marked_one_is_the_default() {
        let two = |first: &str, second: &str| {
            which(&format!(
                "http {{ server {{ listen {first}; ssl_session_ticket_key a; }} server {{ listen {second}; ssl_session_ticket_key b; }} }}"
            ))
        };
        assert_eq!(two("443 ssl", "443 ssl"), "0.0.0.0:443=/etc/nginx/a");
        assert_eq!(two("443 ssl", "*:443 ssl default_server"), "0.0.0.0:443=/etc/nginx/b");
        assert_eq!(two("443", "0.0.0.0:443 default ssl"), "0.0.0.0:443=/etc/nginx/b");
        assert_eq!(two("443", "443 ssl"), "0.0.0.0:443=/etc/nginx/a");
        assert_eq!(two("127.0.0.1:443 ssl", "443 ssl"), "127.0.0.1:443=/etc/nginx/a 0.0.0.0:443=/etc/nginx/b");
        assert_eq!(two("443 quic", "443 ssl"), "0.0.0.0:443/udp=/etc/nginx/a 0.0.0.0:443=/etc/nginx/b");
        assert_eq!(two("443", "80"), "");
    }

    #[test]
    fn lists_are_inherited_whole_or_not_at_all() {
        let text = "http { server { listen 1 ssl; } server { listen 2 ssl; ssl_session_ticket_key /b; }
            ssl_session_ticket_key /a; ssl_session_ticket_key /c; }";
        assert_eq!(which(text), "0.0.0.0:1=/a 0.0.0.0:2=/b");
        assert_eq!(read(text).keys(1).len(), 1);
    }

    #[test]
    fn tls_has_several_switches() {
        let all = "http { ssl on; server { } server { listen 82; ssl off; } }
            stream { ssl_session_ticket_key /s; server { listen 993 ssl; } server { listen 53 udp; } }
            mail { starttls on; server { listen 25; } server { listen 26; starttls off; } server { listen 27; ssl on; } }";
        assert_eq!(which(all), "0.0.0.0:80=Random 0.0.0.0:993=/s 0.0.0.0:25=Random 0.0.0.0:27=Random");
    }

    #[test]
    fn switched_off_tickets_and_rejected_names() {
        let text = "http { ssl_certificate c; server { listen 1 ssl; server_name D ''; ssl_session_ticket_key /d; }
            server { listen 1 ssl; server_name a d; ssl_session_tickets off; }
            server { listen 1 ssl; server_name r; ssl_reject_handshake on; } }";
        let configuration = read(text);
        let socket = &configuration.sockets[0];
        let claims: Vec<_> = configuration
            .names(socket)
            .into_iter()
            .map(|(name, server)| (name, configuration.claim(socket, server)))
            .collect();
        assert!(matches!(claims[..], [("d", Claim::Key(_)), ("a", Claim::None), ("r", Claim::Rejected)]), "{claims:?}");
    }

    #[test]
    fn what_openssl_is_told_about_tickets() {
        for (lines, wanted) in [
            ("ssl_conf_command Options -SessionTicket;", "None"),
            ("ssl_conf_command Options SessionTicket; ssl_session_tickets off;", "/k"),
            ("ssl_conf_command options 'ServerPreference, -sessionticket ,+Bugs';", "None"),
            ("ssl_conf_command Options -SessionTicket; ssl_conf_command Options +SessionTicket;", "/k"),
            ("ssl_conf_command Options -SessionTickets;", "/k"),
            ("ssl_conf_command Ciphersuites -SessionTicket;", "/k"),
            ("ssl_conf_command NumTickets 0;", "Unknown"),
            ("ssl_conf_command numtickets x;", "Unknown"),
            ("ssl_conf_command NumTickets 0; ssl_conf_command NumTickets ' +10';", "/k"),
            ("ssl_conf_command NumTickets 0; ssl_session_tickets off;", "None"),
            ("ssl_conf_command Options AntiReplay;", "Unknown"),
            ("ssl_conf_command Options -AntiReplay;", "/k"),
        ] {
            let server = format!("http {{ ssl_session_ticket_key /k; server {{ listen 1 ssl; {lines} }} }}");
            assert_eq!(which(&server), format!("0.0.0.0:1={wanted}"), "{lines}");
            let block = format!("http {{ ssl_session_ticket_key /k; {lines} server {{ listen 1 ssl; }} }}");
            assert_eq!(which(&block), format!("0.0.0.0:1={wanted}"), "{lines}");
            // A server that has any commands has none of its block's.
            let own = "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;";
            let replaced = format!(
                "http {{ ssl_session_ticket_key /k; ssl_session_tickets on; {} server {{ listen 1 ssl; {own} }} }}",
                lines.replace("ssl_session_tickets off;", "")
            );
            assert_eq!(which(&replaced), "0.0.0.0:1=/k", "{lines}");
        }
    }

    #[test]
    fn a_host_name_may_be_another_address_of_its_port() {
        let two = |listen: &str, other: &str| {
            which(&format!(
                "http {{ server {{ listen {listen} ssl; ssl_session_ticket_key a; }} server {{ listen {other} ssl; }} }}"
            ))
        };
        assert_eq!(two("localhost:1", "127.0.0.1:1"), "localhost:1=Unknown 127.0.0.1:1=Unknown");
        assert_eq!(two("localhost:1", "[::1]:1"), "localhost:1=Unknown [::1]:1=Unknown");
        assert_eq!(two("localhost:1", "x:1"), "localhost:1=Unknown x:1=Unknown");
        assert_eq!(two("localhost:1", "127.0.0.1:2"), "localhost:1=/etc/nginx/a 127.0.0.1:2=Random");
        assert_eq!(two("localhost:1", "1"), "localhost:1=/etc/nginx/a 0.0.0.0:1=Random");
        assert_eq!(two("localhost:1", "LOCALHOST:1"), "localhost:1=/etc/nginx/a");
        assert_eq!(two("127.1:1", "127.0.0.1:1"), "127.0.0.1:1=/etc/nginx/a");
        assert_eq!(two("127.0.0.2:1", "127.0.0.1:1"), "127.0.0.2:1=/etc/nginx/a 127.0.0.1:1=Random");
    }

    #[test]
    fn includes_are_read_in_the_order_of_their_names() {
        let files = [
            File { path: "/e/nginx.conf", text: b"http { include s/*; include t.conf; include absent; }" },
            File { path: "/e/s/b", text: b"server { listen 1 ssl; include keys; }" },
            File { path: "/e/s/a", text: b"server { listen 1 ssl; include keys; ssl_session_ticket_key /a; }" },
            File { path: "/e/keys", text: b"ssl_session_ticket_key /k;\n" },
            File { path: "/e/t.conf", text: b"include t.conf;" },
        ];
        let configuration = Configuration::read(&files[..4]);
        assert_eq!(configuration.servers[0].place.file, 2);
        let keys: Vec<_> = configuration.keys(0).iter().map(|key| key.path.as_str()).collect();
        assert_eq!((keys, configuration.keys(1).len()), (vec!["/k", "/a"], 1));
        let troubles: Vec<_> = configuration.troubles.iter().map(|(trouble, _)| trouble.clone()).collect();
        assert_eq!(troubles, [Trouble::Absent("/e/t.conf".to_owned()), Trouble::Absent("/e/absent".to_owned())]);
        assert_eq!(Configuration::read(&files).troubles[0].0, Trouble::TooMuch);
    }

    #[test]
    fn other_blocks_are_passed_over() {
        let text = "events { } http { upstream u { server 127.0.0.1:443; } map $a $b { default 1; include x; }
            types { listen 443; } server { location / { listen 9 ssl; ssl_session_ticket_key /x; } listen 443 ssl; } }";
        assert_eq!(which(text), "0.0.0.0:443=Random");
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(http \\{|stream\\{|mail\\{|server \\{|\\}|listen |443|\\[::1\\]|:| ssl|unix:|1-65535|;|ssl_session_ticket_key k;|include nginx.conf;|x|é){0,40}") {
            let configuration = read(&text);
            for socket in &configuration.sockets {
                let _ = (configuration.names(socket), configuration.claim(socket, socket.default));
            }
        }

        #[test]
        fn no_listen_panics(text in "[0-9a-z:.\\[\\]*é-]{0,20}") {
            addresses(&text, false);
        }
    }
}
