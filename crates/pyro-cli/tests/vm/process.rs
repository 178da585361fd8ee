//! Which processes belong to an invocation, and whether they are gone.

#![expect(clippy::unwrap_used, reason = "a harness that fails must fail the test")]

use std::fs;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// A process and a descriptor of it, so that an id used again is not taken for it.
#[derive(Debug)]
pub(crate) struct Watched {
    pid: i32,
    name: String,
    descriptor: OwnedFd,
}

impl Watched {
    /// The process, unless it is gone or a zombie.
    fn open(pid: i32) -> Option<Self> {
        let descriptor = pidfd_open(Pid::from_raw(pid)?, PidfdFlags::empty()).ok()?;
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
        let (_, state) = parent_and_state(pid)?;
        (state != "Z").then_some(Self {
            pid,
            name: format!("{} {pid}", name.trim_end()),
            descriptor,
        })
    }

    /// Its id, which may be another's once it is gone.
    pub(crate) fn pid(&self) -> i32 {
        self.pid
    }

    /// Whether it runs a program with such a name by now.
    pub(crate) fn is_program(&self, name: &str) -> bool {
        let program = fs::read(format!("/proc/{}/cmdline", self.pid)).unwrap_or_default();
        let program = program.split(|byte| *byte == 0).next().unwrap_or_default();
        program.ends_with(name.as_bytes())
    }

    /// Its program, as the kernel shortens it, and its id.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// All descendants of a process.
pub(crate) fn descendants(root: u32) -> Vec<Watched> {
    let all: Vec<(i32, i32)> = ids()
        .filter_map(|pid| Some((pid, parent_and_state(pid)?.0)))
        .collect();
    let mut found = vec![i32::try_from(root).unwrap()];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(all.iter().filter(|(_, its)| *its == parent).map(|(pid, _)| *pid));
        next += 1;
    }
    found.into_iter().skip(1).filter_map(Watched::open).collect()
}

/// Processes that hold something in this directory open, or work there.
pub(crate) fn holding(dir: &Path) -> Vec<Watched> {
    let own = i32::try_from(std::process::id()).unwrap();
    ids()
        .filter(|pid| *pid != own && holds(*pid, dir))
        .filter_map(Watched::open)
        .collect()
}

/// The most memory that a process ever used, in bytes, unless it is gone.
pub(crate) fn peak_memory(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib << 10)
}

/// Waits until all of them are gone; false if some are not after that time.
pub(crate) fn all_gone(processes: &[Watched], within: Duration) -> bool {
    let deadline = Instant::now() + within;
    processes.iter().all(|process| {
        let left = deadline.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).unwrap();
        // Readable once the process has ended (pidfd_open(2)).
        let mut descriptors = [PollFd::new(&process.descriptor, PollFlags::IN)];
        poll(&mut descriptors, Some(&left)).unwrap() > 0
    })
}

fn ids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// Fields of proc_pid_stat(5); the second one, the name, may contain anything up to the last parenthesis.
fn parent_and_state(pid: i32) -> Option<(i32, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?.to_owned();
    Some((fields.next()?.parse().ok()?, state))
}

fn holds(pid: i32, dir: &Path) -> bool {
    let process = format!("/proc/{pid}");
    // What ended meanwhile, or belongs to others, cannot be read, and is not ours.
    let descriptors = fs::read_dir(format!("{process}/fd")).into_iter().flatten();
    let links = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    links
        .chain(fs::read_link(format!("{process}/cwd")).ok())
        .any(|target| target.starts_with(dir))
}
