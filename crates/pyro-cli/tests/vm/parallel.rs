//! Two processes that have many commands each run in one workspace at the same time.

use std::collections::BTreeSet;
use std::fs;
use std::thread;

use serde_json::{Value, json};

use crate::mcp::Server;
use crate::workspace::Workspaces;

const PROCESSES: u64 = 2;

/// How many commands each of them has run at once.
const EACH: u64 = 15;

#[test]
fn each_of_many_commands_at_once_is_recorded_once() {
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    let run = |process: u64| {
        let mut server = Server::start(home.home());
        let arguments: Vec<Value> = (0..EACH)
            .map(|number| {
                let command = format!("echo {process}-{number}; sleep 2");
                json!({"workspace_id": "alpha", "command": command, "timeout_seconds": 600})
            })
            .collect();
        let outcomes = server.call_at_once("workspace_exec", &arguments);
        server.end();
        let printed = outcomes.into_iter().map(|outcome| {
            let exec = outcome.unwrap();
            (exec["sequence"].as_u64().unwrap(), exec["stdout"].clone())
        });
        printed.collect::<Vec<_>>()
    };
    let answered: BTreeSet<(u64, String)> = thread::scope(|scope| {
        let processes: Vec<_> = (0..PROCESSES)
            .map(|process| scope.spawn(move || run(process)))
            .collect();
        let answers = processes.into_iter().flat_map(|process| process.join().unwrap());
        answers
            .map(|(sequence, stdout)| (sequence, stdout.as_str().unwrap().to_owned()))
            .collect()
    });
    let logs = home.ok(&["logs", "alpha", "--tail", "1000"]);
    let recorded: BTreeSet<(u64, String)> = logs["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            assert_eq!(entry["outcome"], "exited", "{entry:#}");
            let stdout = entry["stdout"].as_str().unwrap().to_owned();
            (entry["sequence"].as_u64().unwrap(), stdout)
        })
        .collect();
    assert_eq!(logs["count"], PROCESSES * EACH);
    assert_eq!(recorded, answered);
    let numbers: Vec<u64> = recorded.into_iter().map(|(sequence, _)| sequence).collect();
    assert_eq!(numbers, (1..=PROCESSES * EACH).collect::<Vec<_>>());

    let record = fs::read(home.dir(&id).join("record.json")).unwrap();
    let record: Value = serde_json::from_slice(&record).unwrap();
    assert_eq!(
        (&record["workspace_id"], &record["state"]),
        (&json!(id), &json!("started"))
    );
    assert_eq!(home.ok(&["status", &id])["total_command_count"], PROCESSES * EACH);
}
