//! The TLS servers. One file is one server; adding one is its file and one word in the table below.

use std::time::Duration;

use crate::failure::Outcome;

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
    /// Finds the running server by its pid file; `None` if it does not run.
    pub find: Find,
}

/// Finds a running server by its pid file.
pub type Find = fn(pid_file: &str) -> Outcome<Option<Box<dyn Running>>>;

/// A server that runs.
pub trait Running {
    /// When the oldest of the processes that take new connections began, in seconds and nanoseconds since 1970; `None` if
    /// there is none. Keys that changed later are not known to it.
    fn serving_since(&self) -> Option<(i64, i64)>;

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
