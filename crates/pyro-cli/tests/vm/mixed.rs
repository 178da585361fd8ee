//! Clients of both kinds, command line and MCP, work in one workspace at once: nobody loses anything.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

mod actor;
mod operation;

use std::collections::BTreeSet;

use self::actor::{Actor, Client};
use crate::mcp::Server;
use crate::support::figure;
use crate::workspace::Workspaces;

/// How many clients of each kind there are.
const EACH: u64 = 2;

/// How an operation may be refused here: whatever somebody else changes at the very moment is tried again by its caller.
const ALLOWED: [&str; 1] = ["busy"];

#[test]
fn clients_of_both_kinds_lose_no_update() {
    let operations = figure("PYRO_TEST_MIXED_OPERATIONS", 160) / (2 * EACH);
    let home = Workspaces::new();
    let id = home.create(&["--name", "alpha"]);
    let actors: Vec<Actor> = std::thread::scope(|scope| {
        let work: Vec<_> = (0..2 * EACH)
            .map(|number| {
                scope.spawn({
                    let home = &home;
                    move || act(home, number, operations)
                })
            })
            .collect();
        work.into_iter().map(|actor| actor.join().unwrap()).collect()
    });
    let refusals: BTreeSet<&str> = actors.iter().flat_map(Actor::refusals).collect();
    let refused: usize = actors.iter().map(|actor| actor.refusals().count()).sum();
    println!(
        "{refused} of {} operations were refused: {refusals:?}",
        operations * 2 * EACH
    );
    assert!(refusals.iter().all(|code| ALLOWED.contains(code)), "{refusals:?}");
    let ran: u64 = actors.iter().map(|actor| actor.lines.len() as u64).sum();
    assert_recorded(&home, &id, ran);
    assert_log(&home, &actors);
    for actor in &actors {
        actor.assert_kept(&home);
    }
}

/// One client works to its end.
fn act(home: &Workspaces, number: u64, operations: u64) -> Actor {
    let client = if number < EACH {
        Client::CommandLine(home)
    } else {
        Client::Mcp(Server::start(home.home()))
    };
    let mut actor = Actor::new(number, home.home().path());
    actor.work(client, operations);
    actor
}

/// Fails unless the record is whole and the history has each command once, with its end.
fn assert_recorded(home: &Workspaces, id: &str, ran: u64) {
    let status = home.ok(&["status", id]);
    assert_eq!(
        (&status["state"], status["total_command_count"].as_u64()),
        (&"started".into(), Some(ran)),
        "{status:#}"
    );
    let logs = home.ok(&["logs", id, "--tail", "1000000"]);
    let entries = logs["entries"].as_array().unwrap();
    let numbers: Vec<u64> = entries
        .iter()
        .map(|entry| entry["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(numbers, (1..=ran).collect::<Vec<_>>());
    for entry in entries {
        assert_eq!(entry["outcome"], "exited", "{entry:#}");
    }
}

/// Fails unless the shared log has each line whose command was acknowledged, once.
fn assert_log(home: &Workspaces, actors: &[Actor]) {
    let log = home.sh("alpha", "cat log");
    let mut found: Vec<&str> = log.lines().collect();
    found.sort_unstable();
    let mut expected: Vec<&str> = actors
        .iter()
        .flat_map(|actor| actor.lines.iter().map(String::as_str))
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}
