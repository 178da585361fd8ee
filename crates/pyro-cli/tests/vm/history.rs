//! How much of the output of a workspace's commands is kept.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::io::Write;
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::names;
use crate::workspace::Workspaces;

const MIB: u64 = 1 << 20;

/// Prints many MiB.
fn print(home: &Workspaces, id: &str, mib: u64) {
    let count = (mib * MIB).to_string();
    let exec = ["workspace", "exec", id, "--timeout-seconds", "600", "--"];
    let words = [&exec[..], &["head", "-c", &count, "/dev/zero"]].concat();
    let mut command = home.home().pyro(words);
    let command = command.env("PYRO_OUTPUT_LIMIT_MIB", mib.to_string());
    assert!(command.stdout(Stdio::null()).status().unwrap().success());
}

fn entry(home: &Workspaces, id: &str, sequence: u64) -> Value {
    home.ok(&["logs", id, "--sequence", &sequence.to_string()])["entries"][0].clone()
}

fn assert_dropped(entry: &Value) {
    assert_eq!(entry["output_dropped"], true, "{entry:#}");
    assert_eq!(
        (&entry["stdout"], &entry["next_offset"]),
        (&json!(""), &Value::Null)
    );
    assert_eq!(
        (&entry["stdout_file"], &entry["outcome"]),
        (&Value::Null, &json!("exited"))
    );
    let info = &entry["stdout_info"];
    assert_eq!(
        (&info["stored_bytes"], &info["truncated"]),
        (&json!(0), &json!(true))
    );
    assert_eq!(info["omitted_bytes"], info["bytes"]);
    assert_ne!(info["bytes"], 0);
}

#[test]
fn the_oldest_output_is_given_up_for_later_output_and_its_command_stays() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    for _ in 0..3 {
        print(&home, &id, 128);
    }
    assert_dropped(&entry(&home, &id, 1));
    let words = ["logs", &id, "--sequence", "1"];
    let text = String::from_utf8(home.pyro(&words).stdout).unwrap();
    assert!(text.contains("head -c") && text.contains("given up"), "{text}");
    assert_eq!(names(&home.dir(&id).join("output")), ["2.stdout", "3.stdout"]);
    // The last one is kept, however much that is.
    print(&home, &id, 300);
    assert_eq!(names(&home.dir(&id).join("output")), ["4.stdout"]);

    // As if many more had run.
    home.ok(&["stop", &id]);
    let path = home.dir(&id).join("commands.jsonl");
    let history = fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = history
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &Value| line["sequence"] == 4)
        .collect();
    assert_eq!(lines.len(), 2);
    let mut file = fs::File::options().append(true).open(&path).unwrap();
    for sequence in 5..=1100 {
        for mut line in lines.clone() {
            line["sequence"] = json!(sequence);
            if line["event"] == "began" {
                line["command_count"] = json!(sequence);
            }
            if line["event"] == "ended" {
                line["streams"]["stdout"] = json!({"total": 2, "head": 2, "tail": 0});
            }
            file.write_all(format!("{line}\n").as_bytes()).unwrap();
        }
        fs::write(home.dir(&id).join(format!("output/{sequence}.stdout")), "ab").unwrap();
    }
    home.ok(&["start", &id]);
    assert_eq!(home.sh(&id, "echo there"), "there\n");
    let status = home.ok(&["status", &id]);
    assert_eq!(
        (&status["command_count"], &status["total_command_count"]),
        (&json!(1101), &json!(1101))
    );
    assert_eq!(status["last_command"]["command"], "echo there", "{status:#}");
    assert_eq!(home.ok(&["list"])["workspaces"][0]["command_count"], 1101);
    let kept = names(&home.dir(&id).join("output"));
    assert_eq!(
        (kept.len(), kept.contains(&"102.stdout".to_owned())),
        (1000, true)
    );
    assert_dropped(&entry(&home, &id, 101));
    assert_eq!(entry(&home, &id, 102)["stdout"], "ab");

    home.ok(&["reset", &id]);
    let status = home.ok(&["status", &id]);
    assert_eq!(
        (&status["command_count"], &status["total_command_count"]),
        (&json!(0), &json!(1101))
    );
    home.sh(&id, "true");
    assert_eq!(home.ok(&["list"])["workspaces"][0]["command_count"], 1);
}
