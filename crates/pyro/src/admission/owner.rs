//! Processes that hold reservations: whether they live, and what their VMMs already use.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::Entry;

/// The memory that the children of each owner occupy, in bytes. An owner of which nothing can be read has none, so
/// that what it reserved counts in full.
pub(super) fn touched_by(entries: &[Entry]) -> BTreeMap<u32, u64> {
    let mut touched = BTreeMap::new();
    for entry in entries {
        touched
            .entry(entry.owner_pid)
            .or_insert_with_key(|owner| children(*owner).into_iter().map(occupied).sum());
    }
    touched
}

/// The child processes of all threads of a process (`CONFIG_PROC_CHILDREN`, which distributions set).
fn children(pid: u32) -> Vec<u32> {
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else {
        return Vec::new();
    };
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .flat_map(|list| {
            list.split_ascii_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .collect::<Vec<u32>>()
        })
        .collect()
}

fn occupied(pid: u32) -> u64 {
    let status = std::fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("status"));
    status.map_or(0, |text| parse_status(&text))
}

/// Anonymous and shared memory of the text of `/proc/<pid>/status`, in bytes.
///
/// Pages of mapped files are left out: they are page cache, which the host still counts as available, and a guest
/// restored from a template touches thousands of them before it changes any.
fn parse_status(text: &str) -> u64 {
    text.lines()
        .filter_map(|line| {
            line.strip_prefix("RssAnon:")
                .or_else(|| line.strip_prefix("RssShmem:"))
        })
        .filter_map(|size| size.strip_suffix("kB")?.trim().parse::<u64>().ok())
        .fold(0, |sum, kibibytes| {
            sum.saturating_add(kibibytes.saturating_mul(1024))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_of_mapped_files_is_not_counted() {
        let text = "VmRSS:\t  900 kB\nRssAnon:\t     100 kB\nRssFile:\t     700 kB\nRssShmem:\t     100 kB\n";
        assert_eq!(parse_status(text), 200 * 1024);
        assert_eq!(parse_status(""), 0);
    }

    #[test]
    fn the_memory_of_a_child_is_found() {
        if !Path::new("/proc/thread-self/children").exists() {
            return;
        }
        let mut child = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let found = children(std::process::id()).contains(&child.id());
        let bytes = occupied(child.id());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(found);
        assert!(bytes > 0);
    }
}
