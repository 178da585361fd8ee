//! Processes that hold reservations: whether they live, and what their VMMs already use.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::Entry;

/// When a process started, in ticks since the host's boot: with its id, what tells it from a later one of that id.
///
/// `None` if there is no such process, or only what is left of it to be waited for.
pub(super) fn start_time(pid: u32) -> Option<u64> {
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
    fn this_process_lives_and_its_start_does_not_change() {
        let pid = std::process::id();
        assert!(start_time(pid).is_some());
        assert_eq!(start_time(pid), start_time(pid));
        assert_eq!(start_time(u32::MAX), None);
    }

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
