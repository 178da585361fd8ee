//! Commands in VMs: results, output, several at once.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::client::{Client, text};

#[test]
fn git_runs_in_text_and_in_structured_form() {
    let mut client = Client::open(&["--structured", "all"]);
    let result = client.run(json!({"command": "git --version"}));
    assert_eq!(result["isError"], false, "{result}");
    let text = text(&result);
    let structured = &result["structuredContent"];
    assert!(text.starts_with("exit 0 in "), "{text}");
    assert!(text.contains("\nstdout:\ngit version "), "{text}");
    assert_eq!(structured["exit_code"], 0);
    assert_eq!(structured["outcome"], "exited");
    assert!(structured["stdout"].as_str().unwrap().starts_with("git version "));
    assert_eq!(structured["cleanup"]["deleted"], true);
    assert_eq!(structured["cleanup"]["vm_id"], structured["vm_id"]);
    let (isolation, vmm) = (
        structured["isolation"].as_str().unwrap(),
        structured["vmm"].as_str().unwrap(),
    );
    let vm_id = structured["vm_id"].as_str().unwrap();
    let status = text.lines().next().unwrap();
    assert!(
        status.ends_with(&format!(" · debian:12 · {isolation}/{vmm} · VM {vm_id} deleted")),
        "{status}"
    );
    assert!(client.vm_processes().is_empty(), "its VM is gone");
}

#[test]
fn a_seed_below_an_allowed_root_is_worked_on_and_what_changed_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let seed = dir.path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("message.txt"), "broken\n").unwrap();
    std::os::unix::net::UnixListener::bind(seed.join("socket")).unwrap();
    std::os::unix::fs::symlink("/etc", dir.path().join("outside")).unwrap();
    let allowed = dir.path().to_str().unwrap();
    let mut client = Client::open(&["--structured", "all", "--allow-host-path", allowed]);
    let command = "pwd; echo fixed > message.txt; exit 3";
    let result = client.run(json!({"command": command, "seed_path": seed, "return_diff": true}));
    assert_eq!(result["isError"], false, "{result}");
    let said = text(&result);
    assert!(said.starts_with("exit 3 in "), "{said}");
    assert!(said.contains("\nstdout:\n/workspace\n"), "{said}");
    assert!(said.contains("\ndiff: 1 change: 1 modified\n"), "{said}");
    assert!(said.contains("\n-broken\n+fixed\n"), "{said}");
    assert!(said.contains("\nskipped: socket (socket)\n"), "{said}");
    let structured = &result["structuredContent"];
    assert_eq!(structured["diff"]["changed"], true);
    assert_eq!(structured["skipped"][0]["reason"], "socket");
    assert_eq!(
        std::fs::read_to_string(seed.join("message.txt")).unwrap(),
        "broken\n"
    );

    // As much as is shown of a patch is limited, and the rest is not in another tool that this profile lacks.
    let long = "seq 100000 > long";
    let cut = client.run(json!({"command": long, "seed_path": seed, "return_diff": true}));
    assert!(
        text(&cut).contains("\nhint: what is left out of the patch has to be printed"),
        "{cut}"
    );
    assert!(text(&cut).len() < 2000, "{cut}");

    let unchanged = client.run(json!({"command": "ls /workspace", "return_diff": true}));
    assert!(
        text(&unchanged).ends_with("\ndiff: nothing changed\n"),
        "{unchanged}"
    );

    for (given, code) in [
        ("/etc".to_owned(), "host-path-denied"),
        (format!("{allowed}/outside"), "host-path-denied"),
        (format!("{allowed}/seed/../../etc"), "host-path-denied"),
        (format!("{allowed}/no such"), "host-io"),
    ] {
        let refused = client.run(json!({"command": "true", "seed_path": given}));
        assert_eq!(refused["isError"], true, "{given}: {refused}");
        assert!(
            text(&refused).starts_with(&format!("error {code}: ")),
            "{given}: {refused}"
        );
    }
    assert!(client.vm_processes().is_empty(), "their VMs are gone");
}

#[test]
fn the_end_of_a_command_is_a_result_whatever_it_is() {
    let mut client = Client::open(&[]);
    let mut run = |arguments: Value| {
        let result = client.run(arguments);
        assert_eq!(result["isError"], false, "{result}");
        assert_eq!(result["structuredContent"], Value::Null);
        text(&result).to_owned()
    };
    let failed = run(json!({"command": "echo out; echo err >&2; exit 3"}));
    assert!(failed.starts_with("exit 3 in "), "{failed}");
    assert!(failed.ends_with("\n\nstdout:\nout\n\nstderr:\nerr\n"), "{failed}");
    let killed = run(json!({"command": "kill -9 $$", "mem_mib": null}));
    assert!(killed.starts_with("killed by signal 9 (KILL) after "), "{killed}");
    assert!(
        killed.contains(", exit 137 ·") && killed.ends_with("\n(no output)\n"),
        "{killed}"
    );
    let missing = run(json!({"command": "nosuchprogram"}));
    assert!(
        missing.starts_with("exit 127 in ") && missing.contains("\nhint: if a program was not found"),
        "{missing}"
    );
}

#[test]
fn a_command_that_ignores_its_time_limit_ends_with_all_that_it_started() {
    let mut client = Client::open(&[]);
    // On a busy host, an emulated guest may need more than a second to print its first line.
    let command = "setsid yes > /dev/null & trap '' TERM; setsid sleep 600 & timeout 9 yes; sleep 600";
    let result = client.run(json!({"command": command, "timeout_seconds": 3, "max_output_chars": 1000}));
    assert_eq!(result["isError"], false, "{result}");
    let text = text(&result);
    assert!(
        text.starts_with("timed out after ") && text.contains(", exit 124 ·"),
        "{text}"
    );
    assert!(
        text.contains("\nstdout:\ny\ny\n") && text.contains("\nhint: raise timeout_seconds"),
        "{text}"
    );
    assert!(client.vm_processes().is_empty(), "its VM is gone");
}

#[test]
fn long_or_odd_output_is_cut_and_cleaned() {
    let mut client = Client::open(&["--structured", "all"]);
    let command = "seq 1 200000; printf 'a\\033[31mb\\033[0mc\\377d' >&2";
    let result = client.run(json!({"command": command, "max_output_chars": 1000}));
    let text = text(&result);
    assert!(text.chars().count() < 2000, "{}", text.len());
    assert!(
        text.contains("\nstdout:\n1\n2\n3\n") && text.contains("\n200000\n"),
        "{text}"
    );
    assert!(text.contains(" bytes omitted; print less with head"), "{text}");
    assert!(text.ends_with("\nstderr:\nabc\u{fffd}d\n"), "{text}");
    let structured = &result["structuredContent"];
    assert_eq!(structured["stdout_info"]["truncated"], true);
    assert_eq!(structured["stdout_info"]["bytes"], 1_288_895);
    assert_eq!(structured["stderr_info"]["encoding"], "utf-8-lossy");
    assert!(structured["stderr"].as_str().unwrap().contains("\u{1b}[31m"));
}

#[test]
fn calls_run_at_once_and_a_ping_is_answered_meanwhile() {
    let mut client = Client::open(&[]);
    let calls =
        ["one", "two"].map(|word| client.begin(json!({"command": format!("sleep 5; echo {word}")}), word));
    client.wait_for_progress("one", "running the command");
    client.wait_for_progress("two", "running the command");
    let mut pauses: Vec<Duration> = (0..9)
        .map(|_| {
            let begin = Instant::now();
            let id = client.request("ping", json!({}));
            assert_eq!(client.answer(id)["result"], json!({}));
            begin.elapsed()
        })
        .collect();
    pauses.sort_unstable();
    assert!(pauses[4] < Duration::from_millis(100), "{pauses:?}");
    let answered = client
        .early()
        .any(|message| calls.iter().any(|id| message["id"] == *id));
    assert!(!answered, "both calls are still under way");
    for (id, word) in calls.into_iter().zip(["one", "two"]) {
        let result = client.answer(id)["result"].clone();
        assert!(
            text(&result).contains(&format!("\nstdout:\n{word}\n")),
            "{result}"
        );
    }
}

#[test]
fn progress_comes_at_once_and_then_with_phases_and_the_last_line() {
    let mut client = Client::open(&[]);
    let begin = Instant::now();
    let id = client.begin(json!({"command": "echo a line to show; sleep 11"}), "token");
    client.wait_for_progress("token", "");
    assert!(begin.elapsed() < Duration::from_secs(1), "{:?}", begin.elapsed());
    client.wait_for_progress("token", "starting the VM");
    client.wait_for_progress("token", "running the command");
    client.wait_for_progress("token", "a line to show");
    let heard = Instant::now();
    client.wait_for_progress("token", "a line to show");
    assert!(heard.elapsed() < Duration::from_secs(5), "{:?}", heard.elapsed());
    assert!(text(&client.answer(id)["result"]).starts_with("exit 0 in "));
    assert!(
        client.receive(Duration::from_secs(1)).is_none(),
        "nothing follows the result"
    );
}

#[test]
fn the_stateless_revision_needs_no_handshake() {
    let mut client = Client::start(&[]);
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    });
    let params = json!({"name": "vm_run", "arguments": {"command": "echo modern"}, "_meta": meta});
    let id = client.request("tools/call", params);
    let result = client.answer(id)["result"].clone();
    assert_eq!(result["resultType"], "complete");
    assert!(text(&result).contains("\nstdout:\nmodern\n"), "{result}");
}
