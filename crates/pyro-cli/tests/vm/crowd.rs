//! Many clients on one workspace at once: every operation ends as it may, and no update is lost.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use serde_json::Value;

use crate::support::figure;
use crate::workspace::Workspaces;

/// How many clients there are.
const CLIENTS: u64 = 4;

/// How an operation may be refused that meets another one.
const ALLOWED: [&str; 4] = ["invalid-state", "busy", "guest-lost", "cancelled"];

#[test]
fn clients_that_know_nothing_of_each_other_lose_nothing() {
    let each = figure("PYRO_TEST_CROWD", 80) / CLIENTS;
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    let ran: u64 = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|client| {
                scope.spawn({
                    let home = &home;
                    move || run_client(home, client, each)
                })
            })
            .collect();
        clients.into_iter().map(|client| client.join().unwrap()).sum()
    });
    home.ok(&["start", "alpha"]);
    let status = home.ok(&["status", &id]);
    for client in 0..CLIENTS {
        let label = &status["labels"][format!("client{client}")];
        assert_eq!(label, &Value::String(format!("{}", each - 1)), "{status:#}");
    }
    let logs = home.ok(&["logs", &id, "--tail", "100000"]);
    let entries = logs["entries"].as_array().unwrap();
    let numbers: Vec<u64> = entries
        .iter()
        .map(|entry| entry["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(
        numbers,
        (1..=entries.len() as u64).collect::<Vec<_>>(),
        "each number once"
    );
    assert!(entries.len() as u64 >= ran);
    assert!(
        entries.iter().all(|entry| entry["outcome"] != "running"),
        "{logs:#}"
    );
    assert_eq!(home.sh("alpha", "echo well"), "well\n");
}

/// Does operations of all kinds, and counts the commands that ran to their end.
fn run_client(home: &Workspaces, client: u64, operations: u64) -> u64 {
    let mut ran = 0;
    for number in 0..operations {
        let label = format!("client{client}={number}");
        home.ok(&["update", "alpha", "--label", &label]);
        let told = format!("{client} {number}");
        let echo = format!("echo {told}");
        let words: &[&str] = match (client + 3 * number) % 16 {
            0 => &["reset", "alpha"],
            1 => &["stop", "alpha"],
            2 | 3 => &["start", "alpha"],
            4 => &["status", "alpha"],
            5 => &["logs", "alpha", "--tail", "3"],
            6 => &["list"],
            _ => &["exec", "alpha", "--timeout-seconds", "600", "--", &echo],
        };
        let (status, object) = home.json(words);
        if words[0] == "exec" && status == 0 {
            assert_eq!(object["stdout"], format!("{told}\n"));
            ran += 1;
        } else if status != 0 && object["outcome"].is_null() {
            let code = object["error"]["code"].as_str().unwrap();
            assert!(ALLOWED.contains(&code), "{words:?}: {object:#}");
            assert!(object["error"]["hint"].is_string(), "{words:?}: {object:#}");
        }
    }
    ran
}
