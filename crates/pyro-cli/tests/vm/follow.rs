//! The commands of a workspace, followed as they go on.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails must fail the test"
)]

use std::io::BufRead;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::{Value, json};

use crate::support::Running;
use crate::workspace::Workspaces;

fn next(running: &mut Running) -> Value {
    let mut line = String::new();
    running.stdout().read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}"))
}

/// Reads on to the end of a command, and returns all that it printed on both streams.
fn to_the_end(running: &mut Running, sequence: u64) -> (Value, [String; 2]) {
    let mut printed = [String::new(), String::new()];
    loop {
        let entry = next(running);
        assert_eq!(entry["sequence"], sequence, "{entry:#}");
        for (name, printed) in ["stdout", "stderr"].into_iter().zip(&mut printed) {
            let text = entry[name].as_str().unwrap();
            if !text.is_empty() && entry["outcome"] == "running" {
                assert_eq!(entry["offset"], printed.len(), "{entry:#}");
            }
            printed.push_str(text);
        }
        if entry["outcome"] != "running" {
            return (entry, printed);
        }
    }
}

fn assert_quiet_end(running: Running) {
    running.signal(Signal::INT);
    let ended = running.finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (130, ""));
}

#[test]
fn running_and_later_commands_are_followed_across_resets_and_stops() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo old");
    home.sh(&id, "echo before >&2");
    // It goes on once its standard input says so.
    let mut command = home.start(&[
        "exec",
        &id,
        "-i",
        "--",
        "echo first; read line; echo \"$line\"; exit 3",
    ]);
    command.wait_for("first");

    let mut follower = home.start(&["--json", "logs", &id, "--follow", "--tail", "2"]);
    let before = next(&mut follower);
    assert_eq!(
        (&before["sequence"], &before["outcome"], &before["stderr"]),
        (&json!(2), &json!("exited"), &json!("before\n"))
    );
    let begun = next(&mut follower);
    assert_eq!(
        (&begun["sequence"], &begun["outcome"]),
        (&json!(3), &json!("running"))
    );
    let piece = next(&mut follower);
    assert_eq!(
        (&piece["stdout"], &piece["offset"], &piece["next_offset"]),
        (&json!("first\n"), &json!(0), &json!(6))
    );
    std::io::Write::write_all(&mut command.stdin(), "za\u{17c}\u{f3}\u{142}\u{107}\n".as_bytes()).unwrap();
    assert_eq!(command.finish().status, 3);
    let rest = next(&mut follower);
    assert_eq!(
        (&rest["stdout"], &rest["offset"]),
        (&json!("za\u{17c}\u{f3}\u{142}\u{107}\n"), &json!(6))
    );
    let (end, printed) = to_the_end(&mut follower, 3);
    assert_eq!((&end["exit_code"], printed), (&json!(3), Default::default()));

    let later = |follower: &mut Running, sequence| {
        home.sh(&id, "echo out; echo err >&2");
        let (end, printed) = to_the_end(follower, sequence);
        assert_eq!(printed, ["out\n", "err\n"].map(str::to_owned));
        assert_eq!(end["exit_code"], 0);
        end["generation"].as_u64().unwrap()
    };
    assert_eq!(later(&mut follower, 4), 0);
    home.ok(&["reset", &id]);
    assert_eq!(later(&mut follower, 5), 1);
    home.ok(&["stop", &id]);
    home.ok(&["start", &id]);
    assert_eq!(later(&mut follower, 6), 1);
    assert_quiet_end(follower);
}

#[test]
fn one_command_is_followed_to_its_end_also_if_that_is_never_learned() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let mut command = home.start(&["exec", &id, "--", "echo ready; sleep 600"]);
    command.wait_for("ready");
    let mut other = home.start(&["logs", &id, "--follow", "--tail", "0"]);
    let mut follower = home.start(&["logs", &id, "--sequence", "1", "--follow"]);
    follower.wait_for("ready");
    other.wait_for("ready");
    let (supervisor, _) = home.try_processes(&id).unwrap();
    kill_process(
        Pid::from_raw(supervisor.try_into().unwrap()).unwrap(),
        Signal::KILL,
    )
    .unwrap();
    let ended = follower.finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    assert!(
        ended.text().ends_with(" $ echo ready; sleep 600 (lost)\n"),
        "{}",
        ended.text()
    );
    command.finish();
    // The next operation starts it again, and that goes to the one who waited.
    home.sh(&id, "echo again");
    other.wait_for("again");
    assert_quiet_end(other);

    let over = home.pyro(&["logs", &id, "--sequence", "2", "--follow"]);
    assert!(
        over.status == 0 && over.text().ends_with("\nagain\n"),
        "{}",
        over.text()
    );
    home.refused(&["logs", &id, "--sequence", "9", "--follow"], "item-not-found");
    home.refused(&["logs", "nobody", "--follow"], "workspace-not-found");
}

#[test]
fn commands_at_once_are_told_apart_and_a_reader_that_leaves_or_a_deletion_ends_it() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let script = "echo begin; read line; echo \"$line\"";
    let mut one = home.start(&["exec", &id, "-i", "--", script]);
    one.wait_for("begin");
    let mut two = home.start(&["exec", &id, "-i", "--", script]);
    two.wait_for("begin");
    let mut follower = home.start(&["logs", &id, "--follow"]);
    let mut heads = Vec::new();
    let mut until = |follower: &mut Running, wanted: &str| {
        let mut line = String::new();
        while line.trim_end() != wanted {
            line.clear();
            assert!(
                follower.stdout().read_line(&mut line).unwrap() > 0,
                "no `{wanted}`"
            );
            if line.starts_with('#') {
                heads.push(line[..2].to_owned());
            }
        }
    };
    until(&mut follower, "begin");
    until(&mut follower, "begin");
    std::io::Write::write_all(&mut one.stdin(), b"of one\n").unwrap();
    until(&mut follower, "of one");
    std::io::Write::write_all(&mut two.stdin(), b"of two\n").unwrap();
    until(&mut follower, "of two");
    assert_eq!((one.finish().status, two.finish().status), (0, 0));
    assert_eq!(heads[..3], ["#1", "#2", "#1"], "{heads:?}");
    assert!(heads[3..].contains(&"#2".to_owned()), "{heads:?}");

    let left = home.start(&["logs", &id, "--follow"]).leave();
    assert_eq!((left.status, left.stderr.as_str()), (0, ""));
    home.ok(&["delete", &id]);
    let ended = follower.finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}
