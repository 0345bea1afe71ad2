//! The TLS servers. One file is one server; adding one is its file and one word in the table below.

use std::path::Path;
use std::time::Duration;

use crate::core::duration::{self, Period};
use crate::core::name::{CURRENT, NEXT, Name};
use crate::failure::Outcome;
use crate::sys::clock::Moment;

macro_rules! servers {
    ($($name:ident)*) => {
        $(pub mod $name;)*
        /// All servers that `reload` knows, sorted by name.
        pub const ALL: &[Server] = &[$($name::SERVER),*];
    };
}

servers! { nginx }

/// One server, as data.
pub struct Server {
    /// What it is called by.
    pub name: &'static str,
    /// Where the process id of its master stands, unless said otherwise.
    pub pid_file: &'static str,
    /// Finds the running server.
    pub find: Find,
    /// Finds all that run, wherever their pid files are.
    pub find_all: fn() -> Vec<Box<dyn Running>>,
    /// Writes the lines of its configuration that make it use a key set.
    pub snippet: fn(&Snippet<'_>) -> String,
}

/// What the lines of a configuration are to say.
pub struct Snippet<'a> {
    /// The key set.
    pub name: &'a Name,
    /// The keys directory.
    pub directory: &'a str,
    /// Encrypting and previous slots.
    pub slots: usize,
    /// How long a key encrypts.
    pub period: Period,
    /// The command that checks the result, without what is piped into it.
    pub check: &'a str,
}

impl Snippet<'_> {
    /// The slots in the order in which nginx and others list keys: the current one first, because it encrypts, the next
    /// one last.
    pub fn slots_in_order(&self) -> impl Iterator<Item = usize> + use<> {
        (CURRENT..=self.slots).chain([NEXT])
    }

    /// How long a ticket may live, in seconds: the window, but never longer than 7 days (RFC 8446 section 4.6.1).
    #[must_use]
    pub fn lifetime(&self) -> i64 {
        self.period.window(self.slots).min(duration::LONGEST)
    }
}

/// Finds a running server by its pid file. If it does not run the failure has [`Exit::NoServer`](crate::failure::Exit).
pub type Find = fn(pid_file: &str) -> Outcome<Box<dyn Running>>;

/// How exactly the time stamps of files and the starts of processes are known: a file's may lie a jiffy before the change
/// (10 ms at HZ=100), and no start is known better than that.
pub use crate::sys::process::TICK;

/// Whether what began at `start` began after what changed at `changed`, beyond doubt.
#[must_use]
pub fn began_after(start: Moment, changed: Moment) -> bool {
    start >= changed.after(TICK)
}

/// A server that runs.
pub trait Running {
    /// The process id of its master.
    fn id(&self) -> u32;

    /// Whether it was told to use keys in this directory, by its own account; `None` if that cannot be found out.
    fn uses(&self, directory: &Path) -> Option<bool>;

    /// When the oldest of the processes that take new connections began, to [`TICK`]; `None` if there is none.
    fn serving_since(&self) -> Option<Moment>;

    /// Whether every process that takes new connections began after keys changed at this moment. In doubt it says no, and
    /// the server is reloaded once more.
    fn knows(&self, changed: Moment) -> bool {
        self.serving_since().is_some_and(|since| began_after(since, changed))
    }

    /// The processes that hold keys.
    fn processes(&self) -> Vec<u32>;

    /// Tests its configuration, which is `config` or the one it was started with. The failure carries the server's words.
    fn test(&self, config: Option<&str>) -> Outcome;

    /// Makes it read its keys again and waits until only processes that did take new connections; what happened.
    fn reload(&self, patience: Duration) -> Outcome<String>;
}

impl Server {
    /// Finds a server by its exact name.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        ALL.iter().find(|server| server.name == name)
    }
}
