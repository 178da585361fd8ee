//! Which process it is, also when its id is another's by now.

use std::io;

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

/// A process, told from every other of this boot of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessIdentity {
    /// Its id.
    pub(crate) pid: u32,
    /// When it started, in ticks since the host's boot.
    pub(crate) start: u64,
}

impl ProcessIdentity {
    /// This process.
    ///
    /// # Errors
    /// If the kernel does not say when it started.
    pub(crate) fn own() -> io::Result<Self> {
        let pid = std::process::id();
        let start = start_time(pid).ok_or(io::ErrorKind::InvalidData)?;
        Ok(Self { pid, start })
    }

    /// Whether it still lives.
    pub(crate) fn is_live(self) -> bool {
        start_time(self.pid) == Some(self.start)
    }

    /// Kills it, and no process that has its id by now.
    ///
    /// # Errors
    /// If it is another user's. One that is gone is no error.
    pub(crate) fn kill(self) -> io::Result<()> {
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw);
        let Some(handle) = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok()) else {
            return Ok(());
        };
        // What was opened is the process that is found now, or the one that had the id before.
        if !self.is_live() {
            return Ok(());
        }
        match pidfd_send_signal(&handle, Signal::KILL) {
            Err(error) if error != rustix::io::Errno::SRCH => Err(error.into()),
            Ok(()) | Err(_) => Ok(()),
        }
    }
}

/// When a process started, in ticks since the host's boot: with its id, what tells it from a later one of that id.
///
/// `None` if there is no such process, or only what is left of it to be waited for.
pub(crate) fn start_time(pid: u32) -> Option<u64> {
    parse_stat(&std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The start time in the text of `/proc/<pid>/stat`, whose second field may hold anything, parentheses included.
fn parse_stat(text: &str) -> Option<u64> {
    let (_, rest) = text.rsplit_once(')')?;
    let mut fields = rest.split_ascii_whitespace();
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    // The state is field 3, the start time field 22.
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stat(name: &str, state: &str) -> String {
        format!(
            "42 ({name}) {state} 1 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 98765 1000 200 18446744073709551615"
        )
    }

    #[test]
    fn the_start_time_is_found_behind_any_name() {
        for name in ["pyro", "a b", ") S 1 2 3", "((", ""] {
            assert_eq!(parse_stat(&stat(name, "S")), Some(98_765), "{name}");
        }
        assert_eq!(parse_stat(""), None);
        assert_eq!(parse_stat("42 (pyro) S 1"), None);
    }

    #[test]
    fn a_process_that_only_waits_to_be_reaped_is_dead() {
        assert_eq!(parse_stat(&stat("pyro", "Z")), None);
        assert_eq!(parse_stat(&stat("pyro", "R")), Some(98_765));
    }

    #[test]
    fn only_the_process_that_is_meant_is_killed() {
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        let start = start_time(child.id()).unwrap();
        let pid = child.id();
        let earlier = ProcessIdentity {
            pid,
            start: start - 1,
        };
        earlier.kill().unwrap();
        assert!(child.try_wait().unwrap().is_none());
        let meant = ProcessIdentity { pid, start };
        meant.kill().unwrap();
        child.wait().unwrap();
        meant.kill().unwrap();
    }

    #[test]
    fn this_process_lives_and_its_start_does_not_change() {
        let pid = std::process::id();
        assert!(start_time(pid).is_some());
        assert_eq!(start_time(pid), start_time(pid));
        assert_eq!(start_time(u32::MAX), None);
    }
}
