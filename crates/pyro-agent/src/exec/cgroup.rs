//! A cgroup (v2) for each command: no process gets out of its reach by a new session or a lost parent.

use std::cell::{Cell, RefCell};
use std::fs::{self, File};
use std::io::{self, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::Pid;
use tokio::io::Interest;

use crate::sys;

const ROOT: &str = "/sys/fs/cgroup";

/// How many cgroups wait for commands at most: as many commands as may well end together.
const WAITING: usize = 4;

/// The cgroup above all commands, and those that wait for the next of them.
#[derive(Debug)]
pub(crate) struct Cgroups {
    all: Cgroup,
    last: Cell<u64>,
    /// Made when nobody waits, or left as they were made: the kernel sets up every controller anew for one.
    spare: RefCell<Vec<Cgroup>>,
}

impl Cgroups {
    /// Makes the one above all commands.
    pub(crate) fn open() -> io::Result<Self> {
        delegate_controllers(Path::new(ROOT));
        let mut all = Cgroup::create(Path::new(ROOT).join("commands"))?;
        // Nobody asks what becomes of it, and every command would be told.
        all.changes = None;
        delegate_controllers(&all.directory);
        let cgroups = Self {
            all,
            last: Cell::new(0),
            spare: RefCell::default(),
        };
        cgroups.keep_spare();
        Ok(cgroups)
    }

    /// The one above all commands.
    pub(crate) fn all(&self) -> &Cgroup {
        &self.all
    }

    /// Gives one for a new command, with no process in it.
    pub(crate) fn take(&self) -> io::Result<Cgroup> {
        while let Some(spare) = self.spare.borrow_mut().pop() {
            // The guest's root user may have removed it, or used it.
            if spare.is_as_made() {
                return Ok(spare);
            }
            spare.remove();
        }
        self.create()
    }

    /// Takes one back that no process is in any more: it does for another command, if nobody changed anything of it.
    pub(crate) fn take_back(&self, cgroup: Cgroup) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < WAITING && cgroup.is_as_made() {
            spare.push(cgroup);
        } else {
            cgroup.remove();
        }
    }

    /// Makes one ahead of need, if there is none. Call it when nobody waits.
    pub(crate) fn keep_spare(&self) {
        let mut spare = self.spare.borrow_mut();
        spare.retain(|spare| {
            let is_as_made = spare.is_as_made();
            if !is_as_made {
                spare.remove();
            }
            is_as_made
        });
        if spare.is_empty() {
            // Without one, the next command has the same failure to tell.
            spare.extend(self.create().ok());
        }
    }

    fn create(&self) -> io::Result<Cgroup> {
        self.last.set(self.last.get() + 1);
        Cgroup::create(self.all.directory.join(self.last.get().to_string()))
    }
}

/// A kernel may lack any of them; killing needs none.
fn delegate_controllers(directory: &Path) {
    for controller in ["+memory", "+pids", "+cpu"] {
        drop(fs::write(directory.join("cgroup.subtree_control"), controller));
    }
}

/// A cgroup, named by its directory in the agent's root.
///
/// What is read of it for each command is opened when it is made, when nobody waits.
#[derive(Debug)]
pub(crate) struct Cgroup {
    directory: PathBuf,
    entrance: OwnedFd,
    events: File,
    /// A kernel may lack the controller.
    memory_events: Option<File>,
    /// What tells of every change to it. A kernel may lack that.
    changes: Option<OwnedFd>,
}

impl Cgroup {
    fn create(directory: PathBuf) -> io::Result<Self> {
        fs::create_dir(&directory)?;
        Ok(Self {
            entrance: File::open(&directory)?.into(),
            events: File::open(directory.join("cgroup.events"))?,
            memory_events: File::open(directory.join("memory.events")).ok(),
            changes: watch_for_changes(&directory).ok(),
            directory,
        })
    }

    /// A descriptor of the directory, with which a process is born in it.
    pub(crate) fn entrance(&self) -> io::Result<OwnedFd> {
        self.entrance.try_clone()
    }

    /// Whether it is known to be there, without a process, and with nothing below it and no setting that it was not made
    /// with: no limit, no freezing, no count of what happened to a command before.
    fn is_as_made(&self) -> bool {
        let changes = self.changes.as_ref();
        self.is_empty() && changes.is_some_and(|changes| !has_changed(changes).unwrap_or(true))
    }

    /// Whether it is there, and no process is in it or below.
    fn is_empty(&self) -> bool {
        is_unpopulated(&self.events).unwrap_or(false)
    }

    /// The number of processes in it and below.
    pub(crate) fn population(&self) -> usize {
        if self.is_empty() {
            return 0;
        }
        self.processes().map_or(0, |left| left.len())
    }

    /// Sends a signal to every process in it and below.
    pub(crate) fn signal(&self, signal: i32) -> io::Result<()> {
        for pid in self.processes()? {
            match sys::send_signal(pid, signal) {
                // It ended meanwhile.
                Err(error) if Errno::from_io_error(&error) == Some(Errno::SRCH) => {}
                outcome => outcome?,
            }
        }
        Ok(())
    }

    /// Kills every process in it and below, and whatever they are forking.
    pub(crate) fn kill(&self) -> io::Result<()> {
        File::options()
            .write(true)
            .open(self.directory.join("cgroup.kill"))?
            .write_all(b"1")
    }

    /// The processes in it and below.
    fn processes(&self) -> io::Result<Vec<Pid>> {
        let mut processes = Vec::new();
        let mut directories = vec![self.directory.clone()];
        while let Some(directory) = directories.pop() {
            // The guest's root user may remove one at any time.
            let Ok(list) = fs::read_to_string(directory.join("cgroup.procs")) else {
                continue;
            };
            processes.extend(list.lines().filter_map(|line| Pid::from_raw(line.parse().ok()?)));
            for entry in fs::read_dir(&directory)? {
                let entry = entry?;
                if entry.file_type()?.is_dir() {
                    directories.push(entry.path());
                }
            }
        }
        Ok(processes)
    }

    /// Whether the kernel killed one of its processes for want of memory.
    pub(crate) fn has_oom_kill(&self) -> bool {
        let mut text = [0; 512];
        let events = self.memory_events.as_ref();
        events.is_some_and(|events| {
            let count = rustix::io::pread(events, &mut text, 0).unwrap_or(0);
            counts_oom_kill(&text[..count])
        })
    }

    /// Waits until no process is in it or below.
    pub(crate) async fn emptied(&self) -> io::Result<()> {
        if self.is_empty() {
            return Ok(());
        }
        let events = File::open(self.directory.join("cgroup.events"))?;
        let events = sys::watch(events.into(), Interest::PRIORITY)?;
        loop {
            if is_unpopulated(&events)? {
                return Ok(());
            }
            events.ready(Interest::PRIORITY).await?.clear_ready();
        }
    }

    /// Removes it. What the workload made below it goes too; what is in use stays.
    pub(crate) fn remove(&self) {
        let mut directories = vec![self.directory.clone()];
        let mut next = 0;
        while let Some(directory) = directories.get(next) {
            next += 1;
            let Ok(entries) = fs::read_dir(directory) else {
                continue;
            };
            let below = entries
                .flatten()
                .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
            directories.extend(below.map(|entry| entry.path()).collect::<Vec<_>>());
        }
        for directory in directories.iter().rev() {
            drop(fs::remove_dir(directory));
        }
    }
}

/// Has the kernel tell of every write to one of the cgroup's files, of what becomes of one of them by itself, and of
/// what comes to be below it.
fn watch_for_changes(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let changes = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
    let any = WatchFlags::MODIFY
        | WatchFlags::ATTRIB
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::DELETE_SELF;
    inotify::add_watch(&changes, directory, any)?;
    Ok(changes)
}

/// Whether anything else changed than whether a process is there.
fn has_changed(changes: &OwnedFd) -> rustix::io::Result<bool> {
    let mut buffer = [MaybeUninit::uninit(); 1024];
    let mut reader = inotify::Reader::new(changes, &mut buffer);
    loop {
        match reader.next() {
            Ok(event) if event.file_name() == Some(c"cgroup.events") => {}
            Ok(_) => return Ok(true),
            Err(Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error),
        }
    }
}

/// Reads from `cgroup.events` whether no process is in the cgroup or below.
fn is_unpopulated(events: impl AsFd) -> io::Result<bool> {
    let mut text = [0; 256];
    let count = rustix::io::pread(events, &mut text, 0)?;
    Ok(text[..count]
        .split(|byte| *byte == b'\n')
        .any(|line| line == b"populated 0"))
}

fn counts_oom_kill(events: &[u8]) -> bool {
    events
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.strip_prefix(b"oom_kill "))
        .any(|count| count != b"0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_kills_for_want_of_memory_count() {
        assert!(counts_oom_kill(b"low 0\noom 3\noom_kill 1\noom_group_kill 0\n"));
        assert!(!counts_oom_kill(b"low 0\noom 3\noom_kill 0\noom_group_kill 2\n"));
        assert!(!counts_oom_kill(b""));
    }
}
