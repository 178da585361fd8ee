//! Processes without a VM that outlive whoever was to end them.
//!
//! The agent ends everything that descends from it, also when the supervisor is gone. When the agent is killed, its
//! processes become children of the supervisor, which asked the kernel for that, and are ended here. When both are
//! killed, they become nobody's: whoever starts the workspace next finds them by its directory.

use std::collections::BTreeSet;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use super::{ProcessIdentity, start_time};
use rustix::process::{Pid, WaitOptions, set_child_subreaper, waitpid};

/// How long processes that were killed may take to go. It takes the kernel milliseconds, unless one hangs in a disk.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// How long an agent whose supervisor was killed may take to end, with everything that it started.
const AGENT_GONE_WITHIN: Duration = Duration::from_secs(6);

/// How often that is looked at: nothing tells of a process that is no child.
const CHECK: Duration = Duration::from_millis(5);

/// The variable by which an agent's commands, and what these start, are known.
const VARIABLE: &[u8] = b"PYRO_WORKSPACE=";

/// Has every process below this one that loses its parent become a child of this one.
///
/// # Errors
/// What the kernel answered.
pub(crate) fn adopt() -> std::io::Result<()> {
    Ok(set_child_subreaper(Some(rustix::process::getpid()))?)
}

/// Kills everything that descends from this process, and waits until it is gone. To be called when nothing that is to
/// live does. Blocks for as long as that takes.
pub(crate) fn end_descendants() {
    end_all(|| descendants(std::process::id(), &table()));
}

/// Waits until the agent that has a directory is gone, and everything that its commands started. What does not go by
/// itself is killed. Blocks for as long as that takes.
pub(crate) fn end_all_of(directory: &Path) {
    let deadline = Instant::now() + AGENT_GONE_WITHIN;
    // It knows best what it started, and was told that nobody needs that any more.
    while Instant::now() < deadline && !all(|pid| is_agent_of(&read(pid, "cmdline"), directory)).is_empty() {
        std::thread::sleep(CHECK);
    }
    end_all(|| all(|pid| belongs_to(pid, directory)));
}

/// Kills what is found until nothing is: a process that is not killed yet may start another one.
fn end_all(found: impl Fn() -> BTreeSet<u32>) {
    let deadline = Instant::now() + GONE_WITHIN;
    loop {
        let left = found();
        if left.is_empty() {
            return;
        }
        if Instant::now() >= deadline {
            tracing::warn!(?left, "processes of the workspace did not end");
            return;
        }
        left.iter().copied().for_each(end);
        std::thread::sleep(CHECK);
    }
}

/// Kills a process, and lets the kernel forget it if it is a child that ended.
fn end(pid: u32) {
    match start_time(pid) {
        Some(start) => {
            if let Err(error) = (ProcessIdentity { pid, start }).kill() {
                // Of another user, by a program with the set-user-ID bit.
                tracing::debug!(%error, pid, "a process of the workspace was not killed");
            }
        }
        None => {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            let _none_of_ours = pid.map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
        }
    }
}

/// A process, and the one that it is a child of.
#[derive(Debug, Clone, Copy)]
struct Process {
    pid: u32,
    parent: u32,
}

/// All processes, those included that ended and were not waited for.
fn table() -> Vec<Process> {
    let with_parent = |pid| {
        let parent = parent(&String::from_utf8_lossy(&read(pid, "stat")))?;
        Some(Process { pid, parent })
    };
    pids().filter_map(with_parent).collect()
}

/// The processes of which something is true.
fn all(is_wanted: impl Fn(u32) -> bool) -> BTreeSet<u32> {
    pids().filter(|pid| is_wanted(*pid)).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// What the kernel tells of a process; nothing if that is gone, or another user's.
fn read(pid: u32, name: &str) -> Vec<u8> {
    std::fs::read(format!("/proc/{pid}/{name}")).unwrap_or_default()
}

/// The parent in the text of `/proc/<pid>/stat`, whose second field may hold anything, parentheses included.
fn parent(stat: &str) -> Option<u32> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// Everything below a process.
fn descendants(of: u32, table: &[Process]) -> BTreeSet<u32> {
    let mut found = BTreeSet::new();
    let mut parents = vec![of];
    while let Some(parent) = parents.pop() {
        for process in table.iter().filter(|process| process.parent == parent) {
            if found.insert(process.pid) {
                parents.push(process.pid);
            }
        }
    }
    found
}

/// Whether a process is the agent that has a directory, or was started by a command of it.
fn belongs_to(pid: u32, directory: &Path) -> bool {
    is_agent_of(&read(pid, "cmdline"), directory) || is_command_of(&read(pid, "environ"), directory)
}

/// As in `pyro-agent host DIR`, maybe followed by more.
fn is_agent_of(command_line: &[u8], directory: &Path) -> bool {
    let mut arguments = command_line.split(|&byte| byte == 0);
    let is_agent = arguments
        .next()
        .is_some_and(|program| program.ends_with(b"pyro-agent"));
    is_agent
        && arguments.next() == Some(b"host")
        && arguments.next() == Some(directory.as_os_str().as_bytes())
}

fn is_command_of(environment: &[u8], directory: &Path) -> bool {
    environment
        .split(|&byte| byte == 0)
        .filter_map(|variable| variable.strip_prefix(VARIABLE))
        .any(|value| value.strip_prefix(directory.as_os_str().as_bytes()) == Some(b"/tree"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_found_behind_any_name() {
        for name in ["pyro", "a b", ") S 7", ""] {
            assert_eq!(parent(&format!("42 ({name}) S 17 42 42 0")), Some(17), "{name}");
        }
        assert_eq!(parent(""), None);
    }

    #[test]
    fn what_descends_is_found_whatever_its_order() {
        let process = |(pid, parent)| Process { pid, parent };
        let table = [(9, 8), (1, 0), (5, 1), (8, 5), (7, 1), (6, 5), (2, 2)].map(process);
        assert_eq!(descendants(5, &table), [6, 8, 9].into());
        assert_eq!(descendants(9, &table), [].into());
    }

    #[test]
    fn agents_and_commands_are_told_by_their_directory() {
        let directory = Path::new("/home/workspaces/3f2a/host");
        for (line, expected) in [
            (
                &b"/lib/pyro-agent\0host\0/home/workspaces/3f2a/host\0/seed\0"[..],
                true,
            ),
            (b"/lib/pyro-agent\0host\0/home/workspaces/3f2b/host\0", false),
            (b"vi\0host\0/home/workspaces/3f2a/host\0", false),
            (b"", false),
        ] {
            assert_eq!(is_agent_of(line, directory), expected, "{line:?}");
        }
        for (environment, expected) in [
            (
                &b"A=b\0PYRO_WORKSPACE=/home/workspaces/3f2a/host/tree\0"[..],
                true,
            ),
            (b"PYRO_WORKSPACE=/home/workspaces/3f2a/host/tree/below\0", false),
            (b"X=PYRO_WORKSPACE=/home/workspaces/3f2a/host/tree\0", false),
            (b"", false),
        ] {
            assert_eq!(is_command_of(environment, directory), expected, "{environment:?}");
        }
    }

    #[test]
    fn what_is_nobodys_is_found_by_its_directory_and_ended() {
        let dir = tempfile::tempdir().unwrap();
        let start = |tree: &Path| {
            let mut command = std::process::Command::new("sleep");
            command.arg("1000").env("PYRO_WORKSPACE", tree);
            command.spawn().unwrap()
        };
        let mut ours = start(&dir.path().join("tree"));
        let mut other = start(&dir.path().join("other/tree"));
        end_all_of(dir.path());
        assert!(ours.try_wait().is_err() || ours.try_wait().unwrap().is_some());
        assert!(other.try_wait().unwrap().is_none());
        other.kill().unwrap();
        other.wait().unwrap();
    }
}
