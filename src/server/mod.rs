//! The TLS servers. One file is one server; adding one is its file and one word in the table below.

use std::time::Duration;

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
}

/// Finds a running server by its pid file. If it does not run the failure has [`Exit::NoServer`](crate::failure::Exit).
pub type Find = fn(pid_file: &str) -> Outcome<Box<dyn Running>>;

/// How exactly the time stamps of files and the starts of processes are known: a file's may lie a jiffy before the change
/// (10 ms at HZ=100), a start is counted in hundredths of a second.
pub const TICK: Duration = Duration::from_millis(10);

/// Whether what began at `start` began after what changed at `changed`, beyond doubt.
#[must_use]
pub fn began_after(start: Moment, changed: Moment) -> bool {
    start >= changed.after(TICK)
}

/// A server that runs.
pub trait Running {
    /// When the oldest of the processes that take new connections began, to [`TICK`]; `None` if there is none.
    fn serving_since(&self) -> Option<Moment>;

    /// Whether every process that takes new connections began after keys changed at this moment. In doubt it says no, and
    /// the server is reloaded once more.
    fn knows(&self, changed: Moment) -> bool {
        self.serving_since().is_some_and(|since| began_after(since, changed))
    }

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
