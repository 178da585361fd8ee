//! One client, and what it knows to be in its own part of the tree.

#![expect(clippy::unwrap_used, reason = "a test fails this way")]

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::operation::Operation;
use crate::mcp::Server;
use crate::workspace::Workspaces;

/// How operations are asked for.
#[derive(Debug)]
pub(super) enum Client<'a> {
    CommandLine(&'a Workspaces),
    Mcp(Server),
}

impl Client<'_> {
    /// The object of an operation, or its error.
    fn perform(&mut self, operation: &Operation) -> Result<Value, Value> {
        match self {
            Self::CommandLine(home) => {
                let words: Vec<&str> = operation.words.iter().map(String::as_str).collect();
                let (status, object) = home.json(&words);
                if status == 0 {
                    Ok(object)
                } else {
                    Err(object["error"].clone())
                }
            }
            Self::Mcp(server) => server.call(operation.tool, &operation.arguments),
        }
    }
}

/// What a client did and has to find again.
#[derive(Debug)]
pub(super) struct Actor {
    dir: String,
    /// Where its sources are on the host.
    source: PathBuf,
    /// What its file holds.
    own: Option<String>,
    /// What each of the files holds that it pushed.
    pushed: Option<String>,
    /// What it added to the shared log.
    pub(super) lines: Vec<String>,
    refused: Vec<String>,
}

impl Actor {
    pub(super) fn new(number: u64, home: &Path) -> Self {
        Self {
            dir: format!("actor{number}"),
            source: home.join(format!("source{number}")),
            own: None,
            pushed: None,
            lines: Vec::new(),
            refused: Vec::new(),
        }
    }

    /// The codes with which its operations were refused.
    pub(super) fn refusals(&self) -> impl Iterator<Item = &str> {
        self.refused.iter().map(String::as_str)
    }

    /// Does that many operations of all kinds.
    pub(super) fn work(&mut self, mut client: Client<'_>, operations: u64) {
        // Each begins elsewhere in the row of operations.
        let first = self.dir.bytes().map(u64::from).sum::<u64>();
        for number in 0..operations {
            self.step(&mut client, first + number, number);
        }
        if let Client::Mcp(server) = client {
            server.end();
        }
    }

    fn step(&mut self, client: &mut Client<'_>, kind: u64, number: u64) {
        let path = format!("{}/own", self.dir);
        let text = format!("{} {number}\n", self.dir);
        match kind % 11 {
            0 | 1 => {
                if self.perform(client, &Operation::write(&path, &text)).is_some() {
                    self.own = Some(text);
                }
            }
            2 => self.patch(client, text),
            3 => self.push(client, text),
            4..=6 => {
                let line = format!("{}-{number}", self.dir);
                if let Some(exec) = self.perform(client, &Operation::append(&line)) {
                    assert_eq!((&exec["exit_code"], &exec["stdout"]), (&0.into(), &"".into()));
                    self.lines.push(line);
                }
            }
            7 if self.own.is_some() => {
                if let Some(read) = self.perform(client, &Operation::read(&path)) {
                    assert_eq!(read["content"].as_str(), self.own.as_deref(), "{read:#}");
                }
            }
            8 if self.own.is_some() => {
                if let Some(diff) = self.perform(client, &Operation::diff(&self.dir)) {
                    assert_eq!(diff["changed"], true, "{diff:#}");
                }
            }
            9 if self.own.is_some() => {
                if let Some(list) = self.perform(client, &Operation::list(&self.dir)) {
                    assert!(list.to_string().contains(&path), "{list:#}");
                }
            }
            10 => drop(self.perform(client, &Operation::logs())),
            _ => drop(self.perform(client, &Operation::status())),
        }
    }

    /// Changes its file by a patch, which makes it if it is not there.
    fn patch(&mut self, client: &mut Client<'_>, text: String) {
        let path = format!("{}/own", self.dir);
        let patch = match &self.own {
            Some(own) => format!("--- a/{path}\n+++ b/{path}\n@@ -1 +1 @@\n-{own}+{text}"),
            None => format!("--- /dev/null\n+++ b/{path}\n@@ -0,0 +1 @@\n+{text}"),
        };
        if self.perform(client, &Operation::patch(&patch)).is_some() {
            self.own = Some(text);
        }
    }

    /// Brings a directory in, in the place of what it brought in before.
    fn push(&mut self, client: &mut Client<'_>, text: String) {
        let _absent = fs::remove_dir_all(&self.source);
        fs::create_dir_all(self.source.join("deep")).unwrap();
        for name in ["one", "two", "deep/three"] {
            fs::write(self.source.join(name), &text).unwrap();
        }
        let dest = format!("{}/pushed", self.dir);
        let operation = Operation::push(&self.source.to_string_lossy(), &dest);
        if self.perform(client, &operation).is_some() {
            self.pushed = Some(text);
        }
    }

    /// The object of an operation; `None` if it was refused, and then nothing was done.
    fn perform(&mut self, client: &mut Client<'_>, operation: &Operation) -> Option<Value> {
        match client.perform(operation) {
            Ok(object) => Some(object),
            Err(error) => {
                assert!(error["hint"].is_string(), "{operation:?}: {error:#}");
                self.refused.push(error["code"].as_str().unwrap().to_owned());
                None
            }
        }
    }

    /// Fails unless everything is as it was reported.
    pub(super) fn assert_kept(&self, home: &Workspaces) {
        let look = format!(
            "cd {} 2>/dev/null && cat own pushed/one pushed/two pushed/deep/three 2>/dev/null; true",
            self.dir
        );
        let own = self.own.clone().unwrap_or_default();
        let pushed = self.pushed.clone().unwrap_or_default().repeat(3);
        assert_eq!(home.sh("alpha", &look), own + &pushed, "{}", self.dir);
    }
}
