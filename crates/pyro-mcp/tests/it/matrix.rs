//! What official clients do with the server, as one table that the documentation has.
//!
//! Run with `UPDATE_DOCS=1` to write the table anew.

use std::path::Path;
use std::thread;

use serde_json::Value;

use crate::clients::{node, script};

/// What is around the table in the page.
const MARKS: [&str; 2] = [
    "<!-- Made by crates/pyro-mcp/tests/it/matrix.rs; write it anew with UPDATE_DOCS=1. -->\n",
    "<!-- The end of what was made. -->\n",
];

/// The columns: how they are headed, and what the clients' programs call them.
const COLUMNS: [(&str, &str); 8] = [
    ("Client", "client"),
    ("Transport", "transport"),
    ("Revision", "revision"),
    ("Lists tools", "list"),
    ("Calls", "call"),
    ("Hears progress", "progress"),
    ("Cancels", "cancel"),
    ("Takes up long commands", "long"),
];

/// The rows that a program printed.
fn rows(told: &str) -> Vec<Value> {
    let lines = told.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn table(rows: &[Value]) -> String {
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let mut table = line(COLUMNS.map(|(heading, _)| heading).to_vec());
    table.push_str(&line(vec!["---"; COLUMNS.len()]));
    for row in rows {
        let cell = |(_, name): (&str, &str)| row[name].as_str().unwrap_or_else(|| panic!("{name}: {row}"));
        table.push_str(&line(COLUMNS.map(cell).to_vec()));
    }
    table
}

#[test]
fn the_table_of_clients_is_what_they_do() {
    let profile = ["mcp", "serve", "--profile", "workspace-core"];
    let python = ["PYRO_TEST_PYTHON_V1", "PYRO_TEST_PYTHON"]
        .map(|variable| thread::spawn(move || script(variable, "matrix.py", &[], &profile)));
    let mut told: Vec<String> = python.map(|program| program.join().unwrap()).to_vec();
    told.push(node("matrix.mjs", "workspace-core"));
    let rows: Vec<_> = told.iter().flat_map(|told| rows(told)).collect();
    assert_eq!(
        rows.len(),
        12,
        "both transports and eras of each that has them: {rows:#?}"
    );
    let table = table(&rows);
    assert!(!table.contains("| no |"), "{table}");

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/mcp.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = page.split_once(MARKS[0]).unwrap();
    let (committed, after) = rest.split_once(MARKS[1]).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        let page = [before, MARKS[0], "\n", &table, "\n", MARKS[1], after].concat();
        std::fs::write(&path, page).unwrap();
        return;
    }
    assert_eq!(
        committed.trim(),
        table.trim(),
        "docs/mcp.md is stale: run this with UPDATE_DOCS=1"
    );
}
