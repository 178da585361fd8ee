//! The processes of the host, as `/proc` tells them (proc(5)).

use std::collections::HashMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags};

use crate::sys;

/// A process. Its number may be given again, but not with the same start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Process {
    /// The number.
    pub(super) pid: i32,
    /// When it started, in ticks since the host did.
    start: u64,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    /// Which it is.
    pub(super) process: Process,
    /// The number of its parent.
    pub(super) parent: i32,
    /// The number of its session.
    pub(super) session: i32,
    /// Whether it has ended, and waits to be reaped.
    pub(super) has_ended: bool,
}

/// All processes at about one moment: each row is of a moment of its own.
#[derive(Debug)]
pub(super) struct Table {
    rows: HashMap<i32, Row>,
}

impl Table {
    /// Reads it.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub(super) fn read() -> io::Result<Self> {
        let mut rows = HashMap::new();
        for entry in fs::read_dir("/proc")? {
            let name = entry?.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            rows.extend(pid.and_then(row).map(|row| (row.process.pid, row)));
        }
        Ok(Self { rows })
    }

    /// The process with this number.
    pub(super) fn get(&self, pid: i32) -> Option<&Row> {
        self.rows.get(&pid)
    }

    /// Whether a process is still there, ended or not.
    pub(super) fn has(&self, process: Process) -> bool {
        self.get(process.pid).is_some_and(|row| row.process == process)
    }

    /// All that descend from a process, that one not among them.
    pub(super) fn beneath(&self, top: i32) -> impl Iterator<Item = &Row> {
        self.rows
            .values()
            .filter(move |row| self.ancestors(row).any(|ancestor| ancestor.process.pid == top))
    }

    /// The parent of a process, the parent's parent, and so on.
    pub(super) fn ancestors(&self, row: &Row) -> impl Iterator<Item = &Row> {
        let parent = |row: &&Row| self.get(row.parent);
        // Rows of different moments could make a ring.
        std::iter::successors(self.get(row.parent), parent).take(self.rows.len())
    }
}

impl Process {
    /// The process that has this number now.
    pub(super) fn now(pid: i32) -> Option<Self> {
        row(pid).map(|row| row.process)
    }

    /// A descriptor of it; `None` if it has ended and was reaped.
    ///
    /// # Errors
    /// When the kernel gives none.
    pub(super) fn open(self) -> io::Result<Option<OwnedFd>> {
        let Some(pid) = Pid::from_raw(self.pid) else {
            return Ok(None);
        };
        let process = match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(process) => process,
            Err(Errno::SRCH) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        // What the number meant may have ended before.
        Ok((Self::now(self.pid) == Some(self)).then_some(process))
    }

    /// Sends it a signal; that it has ended is as good.
    ///
    /// # Errors
    /// When it may not be sent.
    pub(super) fn signal(self, signal: i32) -> io::Result<()> {
        let Some(process) = self.open()? else {
            return Ok(());
        };
        match sys::send_signal_by_descriptor(&process, signal) {
            Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => Ok(()),
            outcome => outcome,
        }
    }

    /// Whether it began with this entry in its environment. What may not be read has none.
    pub(super) fn has_variable(self, entry: &[u8]) -> bool {
        let environment = fs::read(format!("/proc/{}/environ", self.pid)).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|given| given == entry)
    }
}

fn row(pid: i32) -> Option<Row> {
    let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
    parse(pid, &String::from_utf8_lossy(&stat))
}

/// Reads `/proc/PID/stat`. The name in it may contain anything.
fn parse(pid: i32, stat: &str) -> Option<Row> {
    let (_, rest) = stat.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    // proc(5) counts from 1, and two fields are before these.
    let field = |number: usize| fields.get(number - 3).copied();
    let threads: u32 = field(20)?.parse().ok()?;
    Some(Row {
        process: Process {
            pid,
            start: field(22)?.parse().ok()?,
        },
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        // Its first thread may end before the others.
        has_ended: matches!(field(3)?, "Z" | "X") && threads < 2,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_look_like_fields() {
        let stat = "7 (a) Z 9 (b) S 3 5 6 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 1 0 4242 1 2 3\n";
        let row = parse(7, stat).unwrap();
        assert_eq!((row.parent, row.session, row.process.start), (3, 6, 4242));
        assert!(!row.has_ended);
    }

    #[test]
    fn a_process_ends_with_its_last_thread() {
        let stat = |threads: u32| {
            format!("7 (x) Z 3 5 6 0 -1 4194560 1 0 0 0 1 2 0 0 20 0 {threads} 0 4242 1 2 3\n")
        };
        assert!(parse(7, &stat(1)).unwrap().has_ended);
        assert!(!parse(7, &stat(2)).unwrap().has_ended);
    }

    #[test]
    fn whoever_runs_the_test_is_found_beneath_its_parent() {
        let table = Table::read().unwrap();
        let own = i32::try_from(std::process::id()).unwrap();
        let parent = table.get(own).unwrap().parent;
        assert!(table.beneath(parent).any(|row| row.process.pid == own));
        assert!(!table.beneath(own).any(|row| row.process.pid == parent));
    }
}
