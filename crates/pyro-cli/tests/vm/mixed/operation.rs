//! What a client does, in the words of the command line and in those of MCP.

use serde_json::{Value, json};

/// One operation.
#[derive(Debug)]
pub(super) struct Operation {
    /// After `pyro workspace`.
    pub(super) words: Vec<String>,
    pub(super) tool: &'static str,
    /// Besides the workspace.
    pub(super) arguments: Value,
}

/// The workspace of all of them.
const ID: &str = "alpha";

impl Operation {
    fn new(tool: &'static str, words: &[&str], mut arguments: Value) -> Self {
        arguments["workspace_id"] = ID.into();
        let words = words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            words,
            tool,
            arguments,
        }
    }

    pub(super) fn write(path: &str, text: &str) -> Self {
        let words = ["file", "write", ID, path, "--text", text];
        Self::new(
            "workspace_file_write",
            &words,
            json!({"path": path, "text": text}),
        )
    }

    pub(super) fn read(path: &str) -> Self {
        let words = ["file", "read", ID, path];
        Self::new("workspace_file_read", &words, json!({"path": path}))
    }

    pub(super) fn list(path: &str) -> Self {
        let words = ["file", "list", ID, path, "--recursive"];
        Self::new(
            "workspace_file_list",
            &words,
            json!({"path": path, "recursive": true}),
        )
    }

    pub(super) fn append(line: &str) -> Self {
        let command = format!("echo {line} >>log");
        let words = ["exec", ID, "--timeout-seconds", "600", "--", &command];
        let arguments = json!({"command": command, "timeout_seconds": 600});
        Self::new("workspace_exec", &words, arguments)
    }

    pub(super) fn patch(patch: &str) -> Self {
        let words = ["patch", "apply", ID, "--patch", patch];
        Self::new("workspace_patch_apply", &words, json!({"patch": patch}))
    }

    pub(super) fn diff(path: &str) -> Self {
        let words = ["diff", ID, "--path", path];
        Self::new("workspace_diff", &words, json!({"path": path}))
    }

    pub(super) fn status() -> Self {
        Self::new("workspace_status", &["status", ID], json!({}))
    }

    pub(super) fn logs() -> Self {
        Self::new(
            "workspace_logs",
            &["logs", ID, "--tail", "3"],
            json!({"limit": 3}),
        )
    }

    pub(super) fn push(source: &str, dest: &str) -> Self {
        let words = ["sync", "push", ID, source, "--dest", dest, "--delete"];
        let arguments = json!({"source_path": source, "dest": dest, "delete": true});
        Self::new("workspace_sync_push", &words, arguments)
    }
}
