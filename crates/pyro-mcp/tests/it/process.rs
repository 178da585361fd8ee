//! Which processes belong to a server, and whether they are gone.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// A process: its id and, because ids are used again, when it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    pid: u32,
    started: u64,
}

struct Entry {
    identity: Identity,
    parent: u32,
    is_zombie: bool,
}

impl Identity {
    pub(crate) fn pid(self) -> u32 {
        self.pid
    }

    /// Ends it at once, if it still runs.
    pub(crate) fn kill(self) {
        let pid = self.pid.try_into().ok().and_then(Pid::from_raw);
        if let Some(pid) = pid.filter(|_| self.is_alive()) {
            // One that ended just now is as good.
            kill_process(pid, Signal::KILL).ok();
        }
    }

    /// Whether it still runs.
    pub(crate) fn is_alive(self) -> bool {
        entry(self.pid).is_some_and(|entry| entry.identity == self && !entry.is_zombie)
    }
}

/// A process, its descendants, and whatever names its state directory in arguments or environment: a supervisor may
/// have left the tree.
pub(crate) fn all_of(root: u32, home: &Path) -> Vec<Identity> {
    let entries: Vec<_> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry_dir| entry_dir.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(entry)
        .filter(|entry| !entry.is_zombie)
        .collect();
    let mut found: Vec<Identity> = entries
        .iter()
        .filter(|entry| entry.identity.pid == root || names(entry.identity.pid, home))
        .map(|entry| entry.identity)
        .collect();
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        for child in entries.iter().filter(|entry| entry.parent == parent.pid) {
            if !found.contains(&child.identity) {
                found.push(child.identity);
            }
        }
        next += 1;
    }
    found
}

/// Waits until all of them are gone; what is left after `within`.
pub(crate) fn survivors(processes: &[Identity], within: Duration) -> Vec<Identity> {
    let deadline = Instant::now() + within;
    loop {
        let left: Vec<_> = processes
            .iter()
            .copied()
            .filter(|process| process.is_alive())
            .collect();
        if left.is_empty() || Instant::now() >= deadline {
            return left;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

fn names(pid: u32, home: &Path) -> bool {
    let home = home.as_os_str().as_bytes();
    ["cmdline", "environ"].iter().any(|file| {
        // Processes of other users and those that just ended cannot be read.
        let content = fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        content.windows(home.len()).any(|window| window == home)
    })
}

/// Fields of proc_pid_stat(5); the second one, the name, may contain anything up to the last parenthesis.
fn entry(pid: u32) -> Option<Entry> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    Some(Entry {
        identity: Identity {
            pid,
            started: fields.get(19)?.parse().ok()?,
        },
        parent: fields.get(1)?.parse().ok()?,
        is_zombie: matches!(*fields.first()?, "Z" | "X"),
    })
}
