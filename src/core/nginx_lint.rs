//! What is wrong with the ticket keys of an nginx configuration.

use std::collections::HashMap;
use std::fmt::Write as _;

use super::duration::{self, Period, in_one_unit};
use super::name::{CURRENT, NEXT, Name, role};
use super::nginx_sockets::{Claim, Configuration, Key, Module, Place, Socket, Trouble};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// nginx does not do what stands there, or it is not safe.
    Error,
    /// Works less well than it could, or not after the next change.
    Warning,
    /// Not looked into; by itself no reason to exit with 1.
    Note,
}

impl Severity {
    /// In a word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

macro_rules! rules {
    ($($name:ident $id:literal $severity:ident,)*) => {
        /// What is looked for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[allow(missing_docs)] // The identifier says it; the man page explains it.
        pub enum Rule { $($name),* }

        impl Rule {
            /// All rules, sorted by identifier.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Its identifier, which stays the same for ever.
            #[must_use]
            pub const fn id(self) -> &'static str {
                match self { $(Self::$name => $id),* }
            }

            /// How bad it is.
            #[must_use]
            pub const fn severity(self) -> Severity {
                match self { $(Self::$name => Severity::$severity),* }
            }
        }
    };
}

rules! {
    DuplicateKey "duplicate-key" Warning,
    FirstNotCurrent "first-not-current" Error,
    HostName "host-name" Note,
    IgnoredKeys "ignored-keys" Error,
    IncludeUnread "include-unread" Note,
    MissingNext "missing-next" Warning,
    MissingSlot "missing-slot" Warning,
    MixedNames "mixed-names" Error,
    MixedTrust "mixed-trust" Warning,
    NextNotLast "next-not-last" Warning,
    NoKeys "no-keys" Warning,
    NotASlot "not-a-slot" Warning,
    OtherDirectory "other-directory" Warning,
    ReplacedList "replaced-list" Warning,
    SharedTrust "shared-trust" Error,
    Syntax "syntax" Error,
    TicketsByVersion "tickets-by-version" Warning,
    TicketsOff "tickets-off" Warning,
    TimeoutOverWeek "timeout-over-week" Warning,
    TimeoutOverWindow "timeout-over-window" Warning,
    TooMuch "too-much" Error,
    UnusedKeys "unused-keys" Warning,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which rule found it.
    pub rule: Rule,
    /// Where.
    pub place: Place,
    /// In words for a person.
    pub text: String,
}

/// What the keys should be like.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The keys directory.
    pub directory: &'a str,
    /// How long a key encrypts.
    pub period: Period,
    /// Encrypting and previous slots.
    pub slots: usize,
}

/// Finds what is wrong; `paths` are those of the files, by which findings refer to other places. In order of place.
#[must_use]
pub fn findings(configuration: &Configuration, paths: &[&str], wanted: Wanted<'_>) -> Vec<Finding> {
    let mut lint = Lint {
        configuration,
        paths,
        wanted,
        directory: tidy(wanted.directory),
        drafts: Vec::new(),
        known: HashMap::new(),
    };
    lint.troubles();
    // On half of a configuration the rest would be guessed.
    if !configuration.troubles.iter().any(|(trouble, _)| !matches!(trouble, Trouble::Absent(_))) {
        lint.lists();
        lint.sockets();
        lint.shared_trust();
        lint.unused_keys();
    }
    let mut findings: Vec<Finding> = lint.drafts.into_iter().map(Draft::finding).collect();
    findings.sort_by_key(|finding| finding.place);
    findings
}

/// A file as stek sees it: a slot of a NAME in a directory, or something else.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Slot {
    Of { directory: String, name: String, slot: usize },
    Foreign(String),
}

impl Slot {
    fn new(path: &str) -> Self {
        let path = tidy(path);
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", &path));
        match Name::of_slot_file(file) {
            Some((name, slot)) => Self::Of { directory: directory.to_owned(), name: name.to_owned(), slot },
            None => Self::Foreign(path),
        }
    }

    /// The set that it belongs to; a file that is no slot is a set of its own.
    fn set(&self) -> String {
        match self {
            Self::Of { directory, name, .. } => format!("{directory}/{name}"),
            Self::Foreign(path) => path.clone(),
        }
    }

    fn number(&self) -> Option<usize> {
        match self {
            Self::Of { slot, .. } => Some(*slot),
            Self::Foreign(_) => None,
        }
    }
}

/// One spelling of a path: no doubled slashes, no dots, and /run for what is a link to it everywhere.
fn tidy(path: &str) -> String {
    let mut tidy = String::with_capacity(path.len());
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        if path.starts_with('/') || !tidy.is_empty() {
            tidy.push('/');
        }
        tidy.push_str(part);
    }
    match tidy.strip_prefix("/var/run") {
        Some(rest) if rest.is_empty() || rest.starts_with('/') => format!("/run{rest}"),
        _ => tidy,
    }
}

fn slots(keys: &[Key]) -> Vec<Slot> {
    keys.iter().map(|key| Slot::new(&key.path)).collect()
}

/// The last part of a path.
fn base(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// Whose certificates a server asks clients for; empty if it asks for none.
fn trust(configuration: &Configuration, server: usize) -> String {
    let verify = configuration.setting(server, |settings| settings.verify.as_ref());
    match verify {
        Some((mode, _)) if mode != "off" => {
            let text = |value: Option<&(String, Place)>| value.map(|(text, _)| text.clone()).unwrap_or_default();
            let client = text(configuration.setting(server, |settings| settings.client_authority.as_ref()));
            let trusted = text(configuration.setting(server, |settings| settings.trusted_authority.as_ref()));
            format!("{mode}\n{client}\n{trusted}")
        }
        _ => String::new(),
    }
}

/// A finding whose sockets are still being collected.
struct Draft {
    rule: Rule,
    place: Place,
    before: String,
    sockets: Vec<String>,
    after: String,
}

/// So many sockets are named in one finding.
const MOST_NAMED: usize = 4;

impl Draft {
    fn finding(self) -> Finding {
        let mut text = self.before;
        text += &self.sockets[..self.sockets.len().min(MOST_NAMED)].join(", ");
        if self.sockets.len() > MOST_NAMED {
            let _ = write!(text, " and {} more", self.sockets.len() - MOST_NAMED);
        }
        text += &self.after;
        Finding { rule: self.rule, place: self.place, text }
    }
}

struct Lint<'a> {
    configuration: &'a Configuration,
    paths: &'a [&'a str],
    wanted: Wanted<'a>,
    directory: String,
    drafts: Vec<Draft>,
    known: HashMap<(Rule, Place, String, String), usize>,
}

impl<'a> Lint<'a> {
    fn add(&mut self, rule: Rule, place: Place, text: impl Into<String>) {
        self.on_socket(rule, place, text, None, "");
    }

    /// Adds a finding about a socket; the same about several sockets becomes one. It reads "before SOCKETS after".
    fn on_socket(
        &mut self,
        rule: Rule,
        place: Place,
        before: impl Into<String>,
        socket: Option<&Socket>,
        after: impl Into<String>,
    ) {
        let (before, after) = (before.into(), after.into());
        let drafts = &mut self.drafts;
        let at = *self.known.entry((rule, place, before.clone(), after.clone())).or_insert_with(|| {
            drafts.push(Draft { rule, place, before, sockets: Vec::new(), after });
            drafts.len() - 1
        });
        if let Some(socket) = socket {
            let address = address(socket);
            let sockets = &mut drafts[at].sockets;
            if sockets.last() != Some(&address) {
                sockets.push(address);
            }
        }
    }

    fn shown(&self, place: Place) -> String {
        format!("{}:{}", self.paths.get(place.file).unwrap_or(&"?"), place.line)
    }

    /// A server by its first name and its place.
    fn server(&self, server: usize) -> String {
        let server = &self.configuration.servers[server];
        let name = server.names.iter().find(|name| !name.is_empty()).map_or("", |name| name);
        let space = if name.is_empty() { "the one at" } else { " at" };
        format!("{name}{space} {}", self.shown(server.place))
    }

    fn tls_sockets(&self) -> impl Iterator<Item = &'a Socket> + use<'a> {
        self.configuration.sockets.iter().filter(|socket| socket.tls)
    }

    fn troubles(&mut self) {
        for (trouble, place) in &self.configuration.troubles {
            match trouble {
                Trouble::Syntax(what) => self.add(Rule::Syntax, *place, what),
                Trouble::TooMuch => self.add(Rule::TooMuch, *place, "this is too large to follow, or includes itself"),
                Trouble::Absent(path) => {
                    self.add(Rule::IncludeUnread, *place, format!("{path} is not in the input and was not read"));
                }
            }
        }
        for socket in self.configuration.sockets.iter().filter(|socket| socket.tls) {
            if let super::nginx_sockets::Host::Name(name) = &socket.address.host {
                let text = if socket.uncertain {
                    format!(
                        "{name} is not looked up: which other address of port {} it is, and so which keys count there, is unknown",
                        socket.address.port
                    )
                } else {
                    format!("{name} is not looked up, and taken for an address of its own")
                };
                self.add(Rule::HostName, socket.place, text);
            }
        }
    }

    /// Every list that makes tickets somewhere.
    fn lists(&mut self) {
        let configuration = self.configuration;
        let mut seen = std::collections::HashSet::new();
        for socket in self.tls_sockets() {
            let keys = configuration.keys(socket.default);
            let server = &configuration.servers[socket.default];
            let is_new =
                keys.first().is_some_and(|key| seen.insert((key.place, keys.len(), server.own.keys.is_empty())));
            if !is_new {
                continue;
            }
            let before = self.drafts.len();
            self.list(keys);
            let outer = &configuration.module(server.module).keys;
            let incomplete = self.drafts[before..].iter().any(|draft| {
                matches!(draft.rule, Rule::FirstNotCurrent | Rule::MissingNext | Rule::MissingSlot | Rule::MixedNames)
            });
            if let Some(first) = outer.first().filter(|_| incomplete && !server.own.keys.is_empty()) {
                let text = format!(
                    "this list takes the place of the one of {} {{}} at {}, it does not add to it",
                    server.module.block(),
                    self.shown(first.place)
                );
                self.add(Rule::ReplacedList, keys[0].place, text);
            }
        }
    }

    fn list(&mut self, keys: &[Key]) {
        let slots = slots(keys);
        let (Some(first), Some(last)) = (keys.first(), keys.last()) else { return };
        for (at, (key, slot)) in keys.iter().zip(&slots).enumerate() {
            let file = base(&key.path);
            match slot {
                Slot::Foreign(_) => {
                    self.add(Rule::NotASlot, key.place, format!("{file} is no slot of a key set: nothing rotates it"));
                }
                Slot::Of { directory, .. } if *directory != self.directory => {
                    let text = format!(
                        "{} is not in the keys directory {}: nothing rotates it there",
                        key.path, self.directory
                    );
                    self.add(Rule::OtherDirectory, key.place, text);
                }
                Slot::Of { .. } => {}
            }
            if slots[..at].contains(slot) {
                self.add(Rule::DuplicateKey, key.place, format!("{file} is in this list already"));
            }
        }
        match slots.iter().find(|slot| matches!(slot, Slot::Of { .. })) {
            None => return,
            Some(_) if slots[0].number() == Some(CURRENT) => {}
            Some(_) => {
                let whose = slots[0].number().map_or("no", |slot| role(slot));
                let file = base(&first.path);
                let text = match slots[0].number() {
                    Some(NEXT) => {
                        format!("{file} stands first, so the next key makes tickets before other servers need know it")
                    }
                    Some(_) => format!(
                        "{file} stands first, so a {whose} key makes the tickets: they are refused when it goes"
                    ),
                    None => format!("{file} stands first and makes the tickets, instead of the current slot, 1"),
                };
                self.add(Rule::FirstNotCurrent, first.place, text);
            }
        }
        let mut names: Vec<String> = slots.iter().filter(|slot| slot.number().is_some()).map(Slot::set).collect();
        names.dedup();
        if let Some(other) = slots.iter().position(|slot| slot.number().is_some() && slot.set() != names[0]) {
            let text = format!(
                "{} is of another NAME than {}: a list is one NAME's",
                base(&keys[other].path),
                base(&names[0])
            );
            return self.add(Rule::MixedNames, keys[other].place, text);
        }
        let numbers: Vec<usize> = slots.iter().filter_map(Slot::number).collect();
        let highest = numbers.iter().copied().max().unwrap_or(0).max(self.wanted.slots);
        let missing: Vec<String> =
            (CURRENT..=highest).filter(|slot| !numbers.contains(slot)).map(|slot| slot.to_string()).collect();
        if !missing.is_empty() {
            let plural = if missing.len() == 1 { " is" } else { "s are" };
            let text =
                format!("slot{plural} missing in this list: {}; tickets of these keys are refused", missing.join(", "));
            self.add(Rule::MissingSlot, last.place, text);
        }
        match numbers.iter().position(|slot| *slot == NEXT) {
            None => {
                let text = "the next key, slot 0, is missing in this list: at a rotation tickets are refused until all servers have it";
                self.add(Rule::MissingNext, last.place, text);
            }
            Some(0) => {}
            Some(at) if at + 1 < numbers.len() => {
                let place = keys[slots.iter().position(|slot| slot.number() == Some(NEXT)).unwrap_or(0)].place;
                self.add(Rule::NextNotLast, place, "the next key, slot 0, is not the last of this list");
            }
            Some(_) => {}
        }
    }

    fn sockets(&mut self) {
        for socket in self.tls_sockets() {
            self.ignored_keys(socket);
            self.no_keys(socket);
            self.tickets_off(socket);
            self.tickets_by_version(socket);
            if self.configuration.tickets(socket.default) && !self.configuration.keys(socket.default).is_empty() {
                self.timeout(socket);
                self.mixed_trust(socket);
            }
        }
    }

    fn ignored_keys(&mut self, socket: &Socket) {
        let configuration = self.configuration;
        let counting = slots(configuration.keys(socket.default));
        for server in socket.servers.iter().filter(|server| **server != socket.default) {
            let own = &configuration.servers[*server].own.keys;
            let Some(first) = own.first() else { continue };
            if slots(own) == counting {
                continue;
            }
            let instead = match counting.first() {
                Some(slot @ Slot::Of { .. }) => format!("whose keys of {} are used for all names", base(&slot.set())),
                Some(Slot::Foreign(path)) => format!("whose {} is used for all names", base(path)),
                None => "which has no keys, so nginx makes one up".to_owned(),
            };
            let after = format!(": its default server is {}, {instead}", self.server(socket.default));
            self.on_socket(Rule::IgnoredKeys, first.place, "nginx ignores these keys on ", Some(socket), after);
        }
    }

    fn no_keys(&mut self, socket: &Socket) {
        let configuration = self.configuration;
        let default = socket.default;
        let is_silent = socket.servers.iter().all(|server| configuration.rejects(*server));
        if is_silent || !configuration.tickets(default) || !configuration.keys(default).is_empty() {
            return;
        }
        let after = " has no ssl_session_ticket_key: tickets are made with a key that ends with nginx and that no other machine has";
        self.on_socket(
            Rule::NoKeys,
            configuration.servers[default].place,
            "the default server of ",
            Some(socket),
            after,
        );
    }

    fn tickets_off(&mut self, socket: &Socket) {
        const BESIDE: &str = "tickets are switched off, so the keys beside it are for nothing on ";
        let configuration = self.configuration;
        for server in &socket.servers {
            let own = &configuration.servers[*server].own;
            let Some((false, place)) = configuration.tickets_switch(*server) else { continue };
            let is_own = own.tickets.is_some() || own.commands.is_some_and(|commands| commands.tickets.is_some());
            if !own.keys.is_empty() || (!is_own && !configuration.keys(*server).is_empty()) {
                self.on_socket(Rule::TicketsOff, place, BESIDE, Some(socket), "");
            } else if *server == socket.default
                && socket
                    .servers
                    .iter()
                    .any(|other| configuration.tickets(*other) && !configuration.keys(*other).is_empty())
            {
                let before = "tickets are switched off in the default server of ";
                self.on_socket(Rule::TicketsOff, place, before, Some(socket), ", and so for all its names");
            }
        }
    }

    /// What OpenSSL is told to do with the tickets of TLS 1.3 alone.
    fn tickets_by_version(&mut self, socket: &Socket) {
        const TEXT: &str = "because of this TLS 1.3 has no tickets under these keys, older versions have, on ";
        let configuration = self.configuration;
        for server in &socket.servers {
            let has_tickets = configuration.tickets(socket.default) && configuration.tickets(*server);
            if let Some(place) = configuration.differs_by_version(socket, *server).filter(|_| has_tickets) {
                self.on_socket(Rule::TicketsByVersion, place, TEXT, Some(socket), "");
            }
        }
    }

    /// The default server's timeout is what tickets say, for all names.
    fn timeout(&mut self, socket: &Socket) {
        const DEFAULT: i64 = 300;
        let keys = self.configuration.keys(socket.default);
        let set = self.configuration.setting(socket.default, |settings| settings.timeout);
        let (timeout, place) = set.unwrap_or((DEFAULT, keys[0].place));
        let shown = in_one_unit(timeout);
        if timeout > duration::LONGEST {
            let text = format!("ssl_session_timeout is {shown}, and no ticket may live longer than 7d (RFC 8446)");
            return self.add(Rule::TimeoutOverWeek, place, text);
        }
        let mut numbers: Vec<usize> =
            slots(keys).iter().filter_map(Slot::number).filter(|slot| *slot != NEXT).collect();
        numbers.sort_unstable();
        numbers.dedup();
        let window = self.wanted.period.window(numbers.len());
        if !numbers.is_empty() && timeout > window {
            let text = format!(
                "ssl_session_timeout is {shown}, longer than the window of {} (slots 1 to {}, period {}): tickets are refused before they end",
                in_one_unit(window),
                numbers.len(),
                in_one_unit(self.wanted.period.seconds())
            );
            self.add(Rule::TimeoutOverWindow, place, text);
        }
    }

    /// Keys of the directory are listed, and no socket makes tickets with them.
    fn unused_keys(&mut self) {
        const BEFORE: &str = "no socket makes tickets with these keys: ";
        let configuration = self.configuration;
        let is_known = |draft: &Draft| matches!(draft.rule, Rule::TicketsOff | Rule::IgnoredKeys);
        // What is not in the input may have a server that uses them.
        if !configuration.troubles.is_empty() || self.drafts.iter().any(is_known) {
            return;
        }
        let blocks = Module::ALL.iter().map(|module| configuration.module(*module));
        let mut lists = blocks.chain(configuration.servers.iter().map(|server| &server.own));
        let Some(listed) = lists.find_map(|settings| self.ours(&settings.keys)) else { return };
        let claims = |socket: &'a Socket| socket.servers.iter().map(move |server| configuration.claim(socket, *server));
        let serving = self.tls_sockets().filter(|socket| claims(socket).any(|claim| claim != Claim::Rejected));
        let serving: Vec<&Socket> = serving.collect();
        let with_keys = serving.iter().filter(|socket| self.ours(configuration.keys(socket.default)).is_some());
        if with_keys.clone().any(|socket| claims(socket).any(|claim| matches!(claim, Claim::Key(_) | Claim::Unknown))) {
            return;
        }
        let switch = |socket: &Socket| configuration.tickets_switch(socket.default).filter(|(on, _)| !on);
        let off: Vec<(&Socket, Place)> = with_keys.filter_map(|socket| Some((*socket, switch(socket)?.1))).collect();
        let Some((_, switch)) = off.first() else {
            let why = if serving.is_empty() {
                "no server takes connections over TLS"
            } else {
                "they must stand in the default server of a TLS socket, or in the block around it"
            };
            return self.add(Rule::UnusedKeys, listed.place, format!("{BEFORE}{why}"));
        };
        let before = format!(
            "{BEFORE}tickets are switched off at {}, which counts in the default server of ",
            self.shown(*switch)
        );
        let after = "; take that line out (Certbot's options-ssl-nginx.conf has one)";
        for (socket, _) in off.iter().filter(|(_, place)| place == switch) {
            self.on_socket(Rule::UnusedKeys, listed.place, before.clone(), Some(socket), after);
        }
    }

    /// The first of these keys that is in the keys directory.
    fn ours<'k>(&self, keys: &'k [Key]) -> Option<&'k Key> {
        keys.iter()
            .find(|key| matches!(Slot::new(&key.path), Slot::Of { directory, .. } if directory == self.directory))
    }

    /// Whom the servers of a socket trust that speak TLS in their own name: each kind once, with its first server.
    fn trusts(&self, socket: &Socket) -> Vec<(usize, String)> {
        let own = |server: &usize| *server == socket.default || self.configuration.has_context(*server);
        let accepting =
            socket.servers.iter().copied().filter(|server| own(server) && !self.configuration.rejects(*server));
        let mut seen = std::collections::HashSet::new();
        let trusts = accepting.map(|server| (server, trust(self.configuration, server)));
        trusts.filter(|(_, trust)| seen.insert(trust.clone())).collect()
    }

    /// Where a server says that it wants certificates.
    fn trust_place(&self, server: usize) -> Place {
        let set = self.configuration.setting(server, |settings| settings.verify.as_ref());
        set.map_or(self.configuration.servers[server].place, |(_, place)| *place)
    }

    fn mixed_trust(&mut self, socket: &Socket) {
        let trusts = self.trusts(socket);
        let Some((strict, lax)) = strict_and_lax(&trusts, &trusts) else { return };
        let before =
            format!("client certificates are asked for here, not so by {}; both share the keys of ", self.server(lax));
        let after = ": before nginx 1.27.4 and 1.26.3 a ticket of one opens the other (CVE-2025-23419)";
        self.on_socket(Rule::MixedTrust, self.trust_place(strict), before, Some(socket), after);
    }

    /// One set of keys on sockets that trust different clients.
    fn shared_trust(&mut self) {
        struct Use<'a> {
            socket: &'a Socket,
            trusts: Vec<(usize, String)>,
            kinds: Vec<String>,
        }
        let mut uses: Vec<(String, Vec<Use<'_>>)> = Vec::new();
        let mut index: HashMap<String, usize> = HashMap::new();
        for socket in self.tls_sockets() {
            let keys = self.configuration.keys(socket.default);
            if !self.configuration.tickets(socket.default) || keys.is_empty() {
                continue;
            }
            let trusts = self.trusts(socket);
            let mut kinds: Vec<String> = trusts.iter().map(|(_, trust)| trust.clone()).collect();
            kinds.sort();
            let mut sets: Vec<String> = slots(keys).iter().map(Slot::set).collect();
            sets.sort();
            sets.dedup();
            for set in sets {
                let at = *index.entry(set.clone()).or_insert_with(|| {
                    uses.push((set, Vec::new()));
                    uses.len() - 1
                });
                // Of many sockets that are alike one stands for all.
                let known = &mut uses[at].1;
                if !known.iter().any(|other| other.kinds == kinds) {
                    known.push(Use { socket, trusts: trusts.clone(), kinds: kinds.clone() });
                }
            }
        }
        for (set, uses) in uses {
            let Some(first) = uses.first() else { continue };
            for other in &uses[1..] {
                let pair = strict_and_lax(&first.trusts, &other.trusts).map(|pair| (pair, first, other));
                let pair =
                    pair.or_else(|| strict_and_lax(&other.trusts, &first.trusts).map(|pair| (pair, other, first)));
                let Some(((strict, lax), demanding, open)) = pair else { continue };
                let text = format!(
                    "client certificates are asked for here, on {}, not so by {} on {}, and both have the keys of {}: \
                     a ticket of one may open the other; give each a NAME of its own",
                    address(demanding.socket),
                    self.server(lax),
                    address(open.socket),
                    base(&set)
                );
                self.add(Rule::SharedTrust, self.trust_place(strict), text);
            }
        }
    }
}

/// A server of the first that asks for certificates, and one of the second that does not, or asks for others.
fn strict_and_lax(strict: &[(usize, String)], lax: &[(usize, String)]) -> Option<(usize, usize)> {
    strict
        .iter()
        .filter(|(_, trust)| !trust.is_empty())
        .find_map(|(server, trust)| lax.iter().find(|(_, other)| other != trust).map(|(other, _)| (*server, *other)))
}

fn address(socket: &Socket) -> String {
    match socket.module {
        Module::Http => socket.address.to_string(),
        module => format!("{} {}", module.block(), socket.address),
    }
}

/// One line of what the configuration comes down to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// `http`, `stream` or `mail`.
    pub block: &'static str,
    /// The address of the socket.
    pub address: String,
    /// What the client asks for; `-` for no name and for one that no server has.
    pub server_name: &'a str,
    /// The NAME and the slot of the key that makes its tickets, if it is one of ours.
    pub slot: Option<(String, usize)>,
    /// The file of that key, or `random` (nginx made it up), `none` (no tickets), `rejected` (no connection), `unknown`.
    pub key: String,
}

/// Which key makes the tickets, for every TLS socket and every name on it; `None` if that is more than a million lines.
#[must_use]
pub fn which(configuration: &Configuration) -> Option<Vec<Line<'_>>> {
    const MOST_LINES: usize = 1_000_000;
    let mut lines = Vec::new();
    for socket in configuration.sockets.iter().filter(|socket| socket.tls) {
        for (server_name, server) in std::iter::once(("-", socket.default)).chain(configuration.names(socket)) {
            let (slot, key) = match configuration.claim(socket, server) {
                Claim::Key(key) => match Slot::new(&key.path) {
                    Slot::Of { name, slot, .. } => (Some((name, slot)), key.path.clone()),
                    Slot::Foreign(_) => (None, key.path.clone()),
                },
                Claim::Random => (None, "random".to_owned()),
                Claim::None => (None, "none".to_owned()),
                Claim::Rejected => (None, "rejected".to_owned()),
                Claim::Unknown => (None, "unknown".to_owned()),
            };
            let address = socket.address.to_string();
            lines.push(Line { block: socket.module.block(), address, server_name, slot, key });
            if lines.len() > MOST_LINES {
                return None;
            }
        }
    }
    Some(lines)
}

#[cfg(test)]
mod tests {
    use super::super::nginx_config::File;
    use super::*;
    use proptest::prelude::*;

    const WANTED: Wanted<'_> = Wanted { directory: "/run/stek", period: Period::DEFAULT, slots: 3 };

    fn all(text: &str) -> Vec<Finding> {
        let configuration = Configuration::read(&[File { path: "/n.conf", text: text.as_bytes() }]);
        findings(&configuration, &["/n.conf"], WANTED)
    }

    /// The lines and identifiers of what is found.
    fn found(text: &str) -> String {
        all(text)
            .iter()
            .map(|finding| format!("{}:{}", finding.place.line, finding.rule.id()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// The lines of a list, on one line.
    fn list(name: &str, slots: &str) -> String {
        slots
            .chars()
            .fold(String::new(), |list, slot| list + &format!("ssl_session_ticket_key /run/stek/{name}.{slot}.key; "))
    }

    fn server(inside: &str) -> String {
        format!("http {{\nserver {{ listen 443 ssl;\n{inside}\n}}\n}}")
    }

    #[test]
    fn rules_are_sorted_by_identifier() {
        assert!(Rule::ALL.is_sorted_by(|a, b| a.id() < b.id()));
    }

    #[test]
    fn a_complete_list_is_clean() {
        assert_eq!(found(&server(&(list("a", "1230") + "ssl_session_timeout 1d;"))), "");
        assert_eq!(found(&server(&list("a", "1320"))), "");
        assert_eq!(found("http { server { listen 80; } }"), "");
        assert_eq!(found(&server(&list("a", "1230").replace("/run/stek", "/var/run//stek/."))), "");
    }

    #[test]
    fn lists_that_are_wrong() {
        for (slots, wanted) in [
            ("0123", "3:first-not-current"),
            ("2130", "3:first-not-current"),
            ("123", "3:missing-next"),
            ("130", "3:missing-slot"),
            ("120", "3:missing-slot"),
            ("123450", ""),
            ("1250", "3:missing-slot"),
            ("1023", "3:next-not-last"),
            ("12230", "3:duplicate-key"),
            ("1", "3:missing-slot 3:missing-next 3:timeout-over-window"),
        ] {
            assert_eq!(found(&server(&list("a", slots))), wanted, "{slots}");
        }
    }

    #[test]
    fn names_and_files_that_do_not_belong_together() {
        assert_eq!(found(&server(&(list("a", "12") + &list("b", "30")))), "3:mixed-names");
        let foreign = "ssl_session_ticket_key /etc/nginx/ticket.key;";
        assert_eq!(found(&server(foreign)), "3:not-a-slot");
        assert_eq!(found(&server(&(list("a", "1230") + foreign))), "3:not-a-slot");
        assert_eq!(found(&server(&(foreign.to_owned() + &list("a", "1230")))), "3:not-a-slot 3:first-not-current");
        let elsewhere = list("a", "1230").replace("/run/stek/", "keys/");
        assert_eq!(found(&server(&elsewhere)).matches("other-directory").count(), 4);
    }

    #[test]
    fn keys_that_nginx_ignores() {
        let two = |first: &str, second: &str, listen: &str| {
            found(&format!(
                "http {{\nserver {{ listen 443 ssl;\n{first} }}\nserver {{ server_name b; listen {listen};\n{second} }} }}"
            ))
        };
        let (a, b) = (list("a", "1230"), list("b", "1230"));
        assert_eq!(two(&a, &b, "443 ssl"), "5:ignored-keys");
        assert_eq!(two(&a, &a, "443 ssl"), "");
        assert_eq!(two("", &b, "443 ssl"), "2:no-keys 5:ignored-keys");
        assert_eq!(two(&a, &b, "443 ssl default_server"), "3:ignored-keys");
        assert_eq!(two(&a, &b, "127.0.0.1:443 ssl"), "");
        assert_eq!(two(&a, &b, "8443 ssl; listen 443 ssl"), "5:ignored-keys");
        assert_eq!(two(&a, "", "443 ssl"), "");
        assert_eq!(two(&a, "", "8443 ssl"), "4:no-keys");
    }

    #[test]
    fn the_same_on_several_sockets_is_one_finding() {
        let text = format!(
            "http {{ server {{ listen 443 ssl; listen [::]:443 ssl; {} }}\nserver {{ listen 443 ssl; listen [::]:443 ssl; {} }} }}",
            list("a", "1230"),
            list("b", "1230")
        );
        let all = all(&text);
        assert_eq!(all.len(), 1);
        assert!(
            all[0]
                .text
                .contains("on 0.0.0.0:443, [::]:443: its default server is the one at /n.conf:1, whose keys of a"),
            "{}",
            all[0].text
        );
    }

    #[test]
    fn timeouts() {
        for (timeout, wanted) in [
            ("1d", ""),
            ("25h", "4:timeout-over-window"),
            ("7d", "4:timeout-over-window"),
            ("8d", "4:timeout-over-week"),
        ] {
            let text = format!("{}\nssl_session_timeout {timeout};", list("a", "1230"));
            assert_eq!(found(&server(&text)), wanted, "{timeout}");
        }
        // A longer list has a longer window; a server that is not the default has no say.
        assert_eq!(found(&server(&(list("a", "123450") + "ssl_session_timeout 48h;"))), "");
        let text = format!(
            "http {{ {} server {{ listen 443 ssl; }} server {{ listen 443 ssl; ssl_session_timeout 9d; }} }}",
            list("a", "1230")
        );
        assert_eq!(found(&text), "");
    }

    #[test]
    fn tickets_switched_off() {
        let keys = list("a", "1230");
        assert_eq!(found(&server(&format!("{keys}\nssl_session_tickets off;"))), "4:tickets-off");
        assert_eq!(
            found(&format!("http {{ {keys}\nssl_session_tickets off;\nserver {{ listen 443 ssl; }} }}")),
            "2:tickets-off"
        );
        // One server that wants none, alone on its socket, is nobody's mistake.
        let alone = format!(
            "http {{ {keys} server {{ listen 443 ssl; }} server {{ listen 444 ssl; ssl_session_tickets off; }} }}"
        );
        assert_eq!(found(&alone), "");
        let named = format!(
            "http {{ {keys} server {{ listen 443 ssl; }} server {{ listen 443 ssl; ssl_session_tickets off; }} }}"
        );
        assert_eq!(found(&named), "");
        let default = format!(
            "http {{ {keys}\nserver {{ listen 443 ssl; ssl_session_tickets off; }} server {{ listen 443 ssl; }} }}"
        );
        assert_eq!(found(&default), "2:tickets-off");
    }

    #[test]
    fn keys_that_no_socket_uses() {
        let keys = list("a", "1230");
        let off = "ssl_session_tickets off;";
        // As Certbot has it in every server.
        let text = format!(
            "http {{ {keys}\nserver {{ listen 443 ssl; listen [::]:443 ssl;\n{off} }}\nserver {{ listen 443 ssl;\n{off} }} }}"
        );
        let findings = all(&text);
        assert_eq!(found(&text), "1:unused-keys");
        assert!(
            findings[0]
                .text
                .contains("switched off at /n.conf:3, which counts in the default server of 0.0.0.0:443, [::]:443;"),
            "{}",
            findings[0].text
        );
        let http = |servers: &str| found(&format!("http {{\n{keys}\n{servers} }}"));
        assert_eq!(http(""), "2:unused-keys");
        assert_eq!(http("server { listen 80; }"), "2:unused-keys");
        assert_eq!(http("server { listen 443 ssl; ssl_reject_handshake on; }"), "2:unused-keys");
        assert_eq!(http(&format!("server {{ listen 443 ssl; {off} }}")), "2:unused-keys");
        assert_eq!(http("server { listen 443 ssl; ssl_conf_command Options -SessionTicket; }"), "2:unused-keys");
        assert_eq!(http("server { listen 443 ssl; ssl_session_ticket_key k; }"), "2:unused-keys 3:not-a-slot");
        assert_eq!(found(&format!("http {{ server {{ listen 80;\n{keys} }} }}")), "2:unused-keys");
        // One socket is enough, and so is one that may.
        assert_eq!(http(&format!("server {{ listen 443 ssl; {off} }} server {{ listen 444 ssl; }}")), "");
        assert_eq!(http(&format!("server {{ listen 443 ssl; }} server {{ listen 443 ssl; {off} }}")), "");
        assert_eq!(http("server { listen 443 ssl; ssl_conf_command NumTickets 0; }"), "3:tickets-by-version");
        let there = format!("server {{ listen localhost:443 ssl; {off} }} server {{ listen 127.0.0.1:443 ssl; }}");
        assert_eq!(http(&there), "3:host-name");
        // What is not in the input may use them; where none are listed none are unused; and what is said is said once.
        assert_eq!(http("include sites;"), "3:include-unread");
        assert_eq!(found(&format!("http {{ server {{ listen 443 ssl; {off} }} }}")), "");
        assert_eq!(
            found(&format!("http {{ ssl_session_ticket_key k; server {{ listen 443 ssl; {off} }} }}")),
            "1:not-a-slot"
        );
        assert_eq!(http(&format!("{off} server {{ listen 443 ssl; }}")), "3:tickets-off");
    }

    #[test]
    fn one_key_for_different_clients() {
        let (a, b) = (list("a", "1230"), list("b", "1230"));
        let two = |keys: &str, more: &str, listen: &str| {
            found(&format!(
                "http {{ ssl_certificate c; {keys}\nserver {{ listen 443 ssl; }}\nserver {{ server_name b; listen {listen};\nssl_verify_client on; {more} }} }}"
            ))
        };
        assert_eq!(two(&a, "", "444 ssl"), "4:shared-trust");
        assert_eq!(two(&a, "", "443 ssl"), "4:mixed-trust");
        assert_eq!(two(&a, &b, "444 ssl"), "");
        assert_eq!(two(&a, "ssl_verify_client off;", "444 ssl"), "");
        assert_eq!(two("", "", "444 ssl"), "2:no-keys 3:no-keys");
        assert_eq!(two(&(a.clone() + "ssl_verify_client on;"), "", "444 ssl"), "");
        assert_eq!(two(&(a + "ssl_verify_client on;"), "ssl_client_certificate x;", "444 ssl"), "1:shared-trust");
    }

    #[test]
    fn a_list_replaces_the_outer_one() {
        let outer = list("a", "123");
        let text = format!("http {{ {outer}\nserver {{ listen 443 ssl;\n{} }} }}", list("a", "0"));
        assert_eq!(found(&text), "3:first-not-current 3:missing-slot 3:replaced-list");
        let text = format!("http {{ {}\nserver {{ listen 443 ssl;\n{} }} }}", list("a", "1230"), list("b", "1230"));
        assert_eq!(found(&text), "");
    }

    #[test]
    fn a_handshake_that_is_refused_needs_no_keys_but_its_names_do() {
        let reject = "server { listen 443 ssl; ssl_reject_handshake on; }";
        assert_eq!(found(&format!("http {{ {reject} }}")), "");
        let text =
            format!("http {{ {reject}\nserver {{ listen 443 ssl; ssl_certificate c; {} }} }}", list("a", "1230"));
        assert_eq!(found(&text), "1:no-keys 2:ignored-keys");
    }

    #[test]
    fn what_cannot_be_read_is_said_and_ends_it() {
        assert_eq!(found("http {\nserver { listen 443 ssl;"), "2:syntax");
        assert_eq!(
            found("http { include x;\nserver { listen LOCALHOST:443 ssl; } }"),
            "1:include-unread 2:host-name 2:no-keys"
        );
    }

    #[test]
    fn which_key_for_whom() {
        let text = format!(
            "http {{ server {{ listen 443 ssl; server_name A.test; {} }} server {{ listen 444 ssl; }} }}",
            list("a", "1230")
        );
        let configuration = Configuration::read(&[File { path: "/n.conf", text: text.as_bytes() }]);
        let lines = which(&configuration).unwrap();
        let shown: Vec<_> =
            lines.iter().map(|line| format!("{} {} {}", line.address, line.server_name, line.key)).collect();
        assert_eq!(
            shown,
            ["0.0.0.0:443 - /run/stek/a.1.key", "0.0.0.0:443 a.test /run/stek/a.1.key", "0.0.0.0:444 - random"]
        );
        assert_eq!(lines[0].slot, Some(("a".to_owned(), 1)));
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "(http \\{|stream\\{|mail\\{|server \\{|\\}|listen 443 ssl;|listen 444 ssl default_server;|server_name a b;|ssl_session_ticket_key k;|ssl_session_ticket_key /run/stek/a\\.[0-3]\\.key;|ssl_session_tickets off;|ssl_session_timeout [0-9]{1,18}[dhy];|ssl_verify_client on;|ssl_certificate c;|ssl_reject_handshake on;|include nginx.conf;){0,40}") {
            let configuration = Configuration::read(&[File { path: "/n.conf", text: text.as_bytes() }]);
            let _ = (findings(&configuration, &["/n.conf"], WANTED), which(&configuration));
        }
    }
}
