//! What a run takes from the process that it runs in, and what that process may lack.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use pyro::{ErrorCode, Pyro, RunEvent};

use crate::support::{Host, shell};

fn descriptors() -> Vec<String> {
    let entries = std::fs::read_dir("/proc/self/fd").unwrap();
    let links = entries.filter_map(|entry| std::fs::read_link(entry.ok()?.path()).ok());
    let mut links: Vec<String> = links
        .map(|link| link.to_string_lossy().into_owned())
        .filter(|link| !link.starts_with("/proc/"))
        .collect();
    links.sort();
    links
}

pub(crate) fn children() -> String {
    // The thread that starts VMMs lives as long as the process, so all threads are asked.
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("children")).ok())
        .collect()
}

#[test]
fn a_run_that_ended_or_was_dropped_leaves_nothing_in_its_process() {
    let host = Host::new();
    let settings = host.settings.clone();
    let run = || {
        let (result, stdout) = host.run(shell("echo hello"), |_, _| {});
        assert_eq!(
            (result.unwrap().exit_code, &stdout[..]),
            (Some(0), &b"hello\n"[..])
        );
    };
    run();
    let before = descriptors();
    run();
    assert_eq!(
        (descriptors().len(), children()),
        (before.len(), String::new()),
        "{:?}",
        descriptors()
    );

    host.block_on(async {
        let mut run = Pyro::open(settings).start_run(shell("echo ready; exec sleep 1000"));
        while !matches!(run.next_event().await, Some(RunEvent::Stdout(_))) {}
        assert_ne!(children(), "");
        drop(run);
        // What was dropped ends as soon as the runtime gets to it.
        for _ in 0..1000 {
            tokio::task::yield_now().await;
        }
    });
    assert_eq!(
        (descriptors().len(), children()),
        (before.len(), String::new()),
        "{:?}",
        descriptors()
    );
    let names = host.names();
    assert!(
        names.iter().all(|name| name.starts_with("admission.")),
        "{names:?}"
    );
}

#[test]
fn a_host_without_qemu_is_told_what_to_install() {
    let mut host = Host::new();
    host.settings.search_path.clear();
    let (result, _) = host.run(shell("true"), |_, _| {});
    let error = result.unwrap_err();
    assert_eq!(error.code(), ErrorCode::RuntimeDamaged, "{error}");
    let hint = error.hint().unwrap_or_default();
    assert!(hint.contains("qemu-system-x86"), "{hint}");
    assert!(error.to_string().contains("qemu-system-x86_64"), "{error}");
    assert_eq!(host.names(), [""; 0]);
}
