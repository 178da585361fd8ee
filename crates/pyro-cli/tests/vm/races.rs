//! Operations that meet on one workspace: each ends as it may, and what was reported holds.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::process;
use crate::support::{Running, gone_within};
use crate::workspace::Workspaces;

/// How a push may be refused whose workspace is taken away.
const LOST: [&str; 5] = [
    "guest-lost",
    "workspace-not-found",
    "invalid-state",
    "cancelled",
    "busy",
];

/// How long a push is waited for to be under way.
const UNDER_WAY_WITHIN: Duration = Duration::from_secs(300);

/// What a push has read of its source that is under way: far less than all of it.
const UNDER_WAY_BYTES: u64 = 8 << 20;

/// Makes a source of 100 MB that no layer can make smaller.
fn make_large_source(dir: &Path) {
    fs::create_dir(dir).unwrap();
    let mut number = 1_u32;
    for name in 0..10 {
        let words = std::iter::repeat_with(|| {
            number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            number.to_le_bytes()
        });
        let bytes: Vec<u8> = words.take(2_500_000).flatten().collect();
        fs::write(dir.join(format!("f{name}")), bytes).unwrap();
    }
}

/// A push of a large source, of which the guest has some by now.
fn push_under_way(home: &Workspaces, id: &str) -> Running {
    let source = home.home().path().join("large");
    make_large_source(&source);
    let mut push = home.start(&["--json", "sync", "push", id, "large"]);
    let deadline = Instant::now() + UNDER_WAY_WITHIN;
    while !push.has_ended() && push.read_bytes().is_some_and(|bytes| bytes < UNDER_WAY_BYTES) {
        assert!(Instant::now() < deadline, "the push does not get on");
        thread::sleep(Duration::from_millis(5));
    }
    push
}

/// Fails unless a push was refused as it may be whose workspace is taken away.
fn assert_lost(push: Running) {
    let ended = push.finish();
    let told = ended.json();
    let code = told["error"]["code"].as_str();
    assert!(code.is_some_and(|code| LOST.contains(&code)), "{told:#}");
    assert!(told["error"]["hint"].is_string(), "{told:#}");
    assert_ne!(ended.status, 0);
}

/// A command that goes on until it is ended, by force.
fn endless(home: &Workspaces, id: &str) -> Running {
    let words = ["exec", id, "--timeout-seconds", "3000", "--"];
    let mut running = home.start(
        &[
            &words[..],
            &["echo ready; trap '' TERM INT; while :; do sleep 1; done"],
        ]
        .concat(),
    );
    running.wait_for("ready");
    running
}

#[test]
fn a_reset_cancels_what_runs_and_the_history_goes_on() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo lost >f");
    let running = endless(&home, &id);
    let reset = home.ok(&["reset", &id]);
    assert_eq!(
        (&reset["state"], &reset["reset_count"], &reset["command_count"]),
        (&json!("started"), &json!(1), &json!(0)),
        "{reset:#}"
    );
    let ended = running.finish();
    assert_eq!(ended.status, 130, "{}", ended.stderr);
    assert_eq!(home.sh(&id, "ls"), "");
    let logs = home.ok(&["logs", &id]);
    let told: Vec<[&Value; 3]> = logs["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| [&entry["generation"], &entry["outcome"], &entry["exit_code"]])
        .collect();
    assert_eq!(
        json!(told),
        json!([[0, "exited", 0], [0, "cancelled", 130], [1, "exited", 0]]),
        "{logs:#}"
    );
    let cancelled = &logs["entries"][1];
    assert_eq!(cancelled["stdout"], "ready\n");
    assert!(cancelled["duration_ms"].as_u64().unwrap() > 0, "{cancelled:#}");
    assert!(!ended.stderr.contains("in time"), "{}", ended.stderr);
}

#[test]
fn a_stop_ends_what_runs_and_a_start_finds_the_disk() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo kept >f");
    let running = endless(&home, &id);
    let stopped = home.ok(&["stop", &id]);
    assert_eq!(
        (&stopped["state"], &stopped["stop_reason"]),
        (&json!("stopped"), &json!("requested"))
    );
    let ended = running.finish();
    assert_ne!(ended.status, 0, "{}", ended.stderr);
    let logs = home.ok(&["logs", &id, "--tail", "1"]);
    let outcome = logs["entries"][0]["outcome"].as_str().unwrap();
    // Whether the guest still told that its processes were killed is a race.
    assert!(["cancelled", "signaled"].contains(&outcome), "{logs:#}");
    home.ok(&["start", &id]);
    assert_eq!(home.sh(&id, "cat f"), "kept\n");
}

#[test]
fn a_push_whose_workspace_is_deleted_fails_and_nothing_is_left() {
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    let push = push_under_way(&home, "alpha");
    let dir = home.dir(&id);
    let (_, vm) = home.try_processes(&id).unwrap();
    assert_eq!(home.ok(&["delete", "alpha"])["deleted"], true);
    assert_lost(push);
    assert!(process::all_gone(&vm, gone_within()), "{vm:?}");
    assert!(!dir.exists());
    assert_eq!(home.ok(&["list"])["count"], 0);
    home.home().assert_nothing_left();
    home.home().assert_nothing_reserved();
}

#[test]
fn a_push_whose_workspace_is_reset_fails_and_the_reset_holds() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo lost >f");
    let push = push_under_way(&home, &id);
    assert_eq!(home.ok(&["reset", &id])["reset_count"], 1);
    assert_lost(push);
    assert_eq!(home.sh(&id, "ls -A"), "");
    // It is as good as any other.
    fs::remove_dir_all(home.home().path().join("large")).unwrap();
    fs::create_dir(home.home().path().join("large")).unwrap();
    fs::write(home.home().path().join("large/small"), "small\n").unwrap();
    home.ok(&["sync", "push", &id, "large"]);
    assert_eq!(home.sh(&id, "cat small"), "small\n");
}

#[test]
fn of_creates_with_one_name_one_wins() {
    let home = Workspaces::new();
    // So that none of them waits for another's template.
    let first = home.create(&[]);
    home.ok(&["delete", &first]);
    let outcomes: Vec<(i32, Value)> = thread::scope(|scope| {
        let create = || home.json(&["create", "--name", "alpha", "--mem-mib", "512"]);
        let creates: Vec<_> = (0..3).map(|_| scope.spawn(create)).collect();
        creates.into_iter().map(|create| create.join().unwrap()).collect()
    });
    let (won, lost): (Vec<_>, Vec<_>) = outcomes.iter().partition(|(status, _)| *status == 0);
    assert_eq!(won.len(), 1, "{outcomes:#?}");
    let id = won[0].1["workspace_id"].as_str().unwrap();
    for (status, object) in lost {
        let error = &object["error"];
        assert_eq!(
            (*status, &error["code"]),
            (125, &json!("name-taken")),
            "{object:#}"
        );
        assert!(error["hint"].as_str().unwrap().contains(id), "{object:#}");
    }
    let listed = home.ok(&["list"]);
    assert_eq!(
        (&listed["count"], &listed["workspaces"][0]["workspace_id"]),
        (&json!(1), &json!(id)),
        "{listed:#}"
    );
    assert_eq!(home.sh("alpha", "echo well"), "well\n");
}

/// A patch of one line of a file with 40, with its context.
fn patch(line: usize, old: &str, new: &str) -> String {
    let context =
        |range: std::ops::Range<usize>| range.map(|number| format!(" {number}\n")).collect::<String>();
    format!(
        "--- a/f\n+++ b/f\n@@ -{0},7 +{0},7 @@\n{1}-{old}\n+{new}\n{2}",
        line - 3,
        context(line - 3..line),
        context(line + 1..line + 4)
    )
}

/// Applies patches at once, and says which of them were; the others did not fit any more.
fn apply_at_once(home: &Workspaces, id: &str, patches: &[String]) -> Vec<bool> {
    thread::scope(|scope| {
        let apply = |patch| move || home.json(&["patch", "apply", id, "--patch", patch]);
        let applied: Vec<_> = patches.iter().map(|patch| scope.spawn(apply(patch))).collect();
        let outcomes = applied.into_iter().map(|applied| applied.join().unwrap());
        outcomes
            .map(|(status, object)| {
                if status != 0 {
                    assert_eq!(object["error"]["code"], "patch-failed", "{object:#}");
                }
                status == 0
            })
            .collect()
    })
}

#[test]
fn patches_of_one_file_at_once_lose_no_update() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let lines =
        |change: &dyn Fn(usize) -> String| (1..=40).map(|number| change(number) + "\n").collect::<String>();
    let write = || {
        let text = lines(&|number| number.to_string());
        home.ok(&["file", "write", &id, "f", "--text", &text]);
    };
    for round in 0..4 {
        write();
        // In two places, both fit, whichever comes first.
        let patches = [patch(10, "10", "ten"), patch(30, "30", "thirty")];
        assert_eq!(apply_at_once(&home, &id, &patches), [true, true], "round {round}");
        let expected = lines(&|number| match number {
            10 => "ten".to_owned(),
            30 => "thirty".to_owned(),
            _ => number.to_string(),
        });
        assert_eq!(home.sh(&id, "cat f"), expected, "round {round}");

        write();
        // In one place, only the first fits.
        let patches = [patch(20, "20", "this"), patch(20, "20", "that")];
        let applied = apply_at_once(&home, &id, &patches);
        let winner = match applied[..] {
            [true, false] => "this",
            [false, true] => "that",
            _ => panic!("round {round}: {applied:?}"),
        };
        assert_eq!(
            home.sh(&id, "sed -n 20p f"),
            format!("{winner}\n"),
            "round {round}"
        );
    }
}
