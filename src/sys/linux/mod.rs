//! Linux.

pub mod file_system;
pub mod host;
pub mod memory;
pub mod process;

/// What a program calls its standard input where it wants a file's name.
pub const INPUT: &str = "/proc/self/fd/0";

/// What a program calls a descriptor that it inherited, where it wants a file's name.
#[must_use]
pub fn descriptor_path(number: std::os::fd::RawFd) -> String {
    format!("/proc/self/fd/{number}")
}

/// Sends a line to the syslog daemon, if there is one.
///
/// What syslog(3) does, without the time, which every daemon adds where it is missing (RFC 3164, section 4.3.2; tried with
/// those of systemd, rsyslog, syslog-ng and BusyBox). With musl the function brings printf(3) and the time zones along, a
/// twentieth of the whole program.
pub fn log(priority: libc::c_int, line: &str) {
    let message = format!("<{priority}>stek[{}]: {line}", std::process::id());
    if let Ok(socket) = std::os::unix::net::UnixDatagram::unbound() {
        let _ = socket.send_to(message.as_bytes(), "/dev/log");
    }
}
