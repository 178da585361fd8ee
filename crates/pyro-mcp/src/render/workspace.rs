//! Workspaces as text: one of them, a list of them, the end of one.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{Fields, counted, line};
use super::logs::ending;

/// The longest part of a command that is shown where it is not the subject.
const COMMAND_CHARS: usize = 100;

/// Writes a *workspace*, beginning with what was done.
pub(crate) fn write_workspace(done: &str, object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "{done} · workspace {} · {}{}\n",
        named(fields),
        fields.text("state"),
        fields.tier()
    );
    let mut say = |name: &str, value: String| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name}: {value}");
    };
    say("environment", fields.text("environment").into_owned());
    say("size", size(fields));
    say("network", fields.text("network_policy").into_owned());
    say("tree", tree(fields));
    say("commands", commands(fields));
    if fields.number("reset_count") > 0 {
        let last = fields.text("last_reset_at");
        say("resets", format!("{}, last {last}", fields.number("reset_count")));
    }
    if let Some(reason) = fields.some_text("stop_reason") {
        say("stopped", reason.into_owned());
    }
    if let Some(error) = fields.some_text("last_error") {
        say("last error", error.chars().take(200).collect());
    }
    say("times", times(fields));
    for label in labels(fields) {
        say("label", label);
    }
    for skipped in fields.object("workspace_seed").objects("skipped") {
        say("skipped", skipped_file(skipped));
    }
    text.push_str(&fields.notes());
    text
}

/// The id, and the name if there is one.
fn named(fields: Fields<'_>) -> String {
    let id = fields.text("workspace_id");
    match fields.some_text("name") {
        Some(name) => format!("{id} ({name})"),
        None => id.into_owned(),
    }
}

fn size(fields: Fields<'_>) -> String {
    format!(
        "{}, {} MiB memory, {} GiB disk, {} bytes of it used",
        counted(fields.number("vcpu_count"), "CPU", "CPUs"),
        fields.number("mem_mib"),
        fields.number("disk_gib"),
        fields.grouped("disk_used_bytes"),
    )
}

fn tree(fields: Fields<'_>) -> String {
    let path = fields.text("workspace_path");
    let seed = fields.object("workspace_seed");
    let mode = seed.text("mode");
    if mode.is_empty() || mode == "empty" {
        return format!("{path}, empty at first");
    }
    let source = match seed.some_text("seed_path") {
        Some(path) => path.into_owned(),
        None => chosen(seed, &mode),
    };
    let mut tree = format!(
        "{path} from {source}: {}, {}",
        counted(seed.number("entry_count"), "entry", "entries"),
        counted(seed.number("bytes_written"), "byte", "bytes"),
    );
    if seed.number("ignored_count") > 0 {
        tree.push_str(&format!(
            ", {} left out as Git ignores them",
            seed.grouped("ignored_count")
        ));
    }
    tree
}

/// What a seed was whose path the client did not supply.
fn chosen(seed: Fields<'_>, mode: &str) -> String {
    match (seed.text("origin_kind").as_ref(), seed.some_text("origin_ref")) {
        ("project", _) => "the project".to_owned(),
        ("repo", Some(commit)) => format!("the repository at {commit}"),
        ("repo", None) => "the repository".to_owned(),
        _ => mode.replace('_', " "),
    }
}

fn commands(fields: Fields<'_>) -> String {
    let mut commands = fields.grouped("command_count");
    if fields.number("total_command_count") > fields.number("command_count") {
        commands.push_str(&format!(
            " since the reset, {} in all",
            fields.grouped("total_command_count")
        ));
    }
    if let Some(last) = fields.some_object("last_command") {
        let command: String = last.text("command").chars().take(COMMAND_CHARS).collect();
        commands.push_str(&format!(
            "; last #{} {}: {command}",
            last.number("sequence"),
            ending(last)
        ));
    }
    commands
}

fn times(fields: Fields<'_>) -> String {
    let mut times = format!(
        "created {}, last active {}",
        fields.text("created_at"),
        fields.text("last_activity_at")
    );
    if let Some(expires) = fields.some_text("expires_at") {
        times.push_str(&format!(", stops if idle at {expires}"));
    }
    times.push_str(&format!(", idle limit {} s", fields.number("ttl_seconds")));
    times
}

fn labels(fields: Fields<'_>) -> Vec<String> {
    let labels = fields.0["labels"].as_object();
    labels
        .into_iter()
        .flatten()
        .map(|(name, value)| format!("{}={}", line(name), line(value.as_str().unwrap_or_default())))
        .collect()
}

/// A file that was left out, and why.
pub(super) fn skipped_file(skipped: Fields<'_>) -> String {
    format!("{} ({})", skipped.text("path"), skipped.text("reason"))
}

/// Writes a *workspace list*: one line for each.
pub(crate) fn write_list(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = counted(fields.number("count"), "workspace", "workspaces");
    if let Some(page) = fields.some_text("next_page") {
        text.push_str(&format!(" · more: workspace_list page={page}"));
    }
    text.push('\n');
    for workspace in fields.objects("workspaces") {
        text.push_str(&format!(
            "{} · {} · {} · {}",
            named(workspace),
            workspace.text("state"),
            workspace.text("environment"),
            counted(workspace.number("command_count"), "command", "commands"),
        ));
        if let Some(active) = workspace.some_text("last_activity_at") {
            text.push_str(&format!(" · last active {active}"));
        }
        if let Some(expires) = workspace.some_text("expires_at") {
            text.push_str(&format!(" · stops if idle at {expires}"));
        }
        let labels = labels(workspace);
        if !labels.is_empty() {
            text.push_str(&format!(" · labels {}", labels.join(", ")));
        }
        text.push('\n');
    }
    text
}

/// Writes a *deletion*.
pub(crate) fn write_deletion(object: &Value) -> String {
    let fields = Fields(object);
    let fate = if fields.is("deleted") {
        "deleted"
    } else {
        "not deleted"
    };
    format!("{fate} · workspace {}\n", fields.text("workspace_id"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn workspace() -> Value {
        json!({
            "workspace_id": "3f2a91c0d4e5", "name": "alpha", "labels": {"branch": "main", "owner": "al\nice"},
            "environment": "debian:12", "vcpu_count": 1, "mem_mib": 1024, "disk_gib": 10, "disk_used_bytes": 123_456,
            "ttl_seconds": 3600, "created_at": "2026-11-01T10:00:00.000Z",
            "last_activity_at": "2026-11-01T10:05:00.000Z", "expires_at": "2026-11-01T11:05:00.000Z",
            "state": "started", "stop_reason": null, "last_error": null, "workspace_path": "/workspace",
            "network_policy": "off",
            "workspace_seed": {
                "mode": "directory", "seed_path": "src", "entry_count": 12, "bytes_written": 3456, "ignored_count": 2,
                "skipped": [{"path": "pipe", "reason": "fifo"}],
            },
            "command_count": 1, "total_command_count": 5,
            "last_command": {
                "sequence": 5, "command": "make", "exit_code": 2, "outcome": "exited", "duration_ms": 1234,
            },
            "reset_count": 1, "last_reset_at": "2026-11-01T10:04:00.000Z",
            "isolation": "emulated", "vmm": "qemu", "warnings": ["guessed"],
        })
    }

    #[test]
    fn a_workspace_is_its_state_and_what_a_next_step_needs() {
        assert_eq!(
            write_workspace("created", &workspace()),
            "created · workspace 3f2a91c0d4e5 (alpha) · started · emulated/qemu\n\
             environment: debian:12\n\
             size: 1 CPU, 1024 MiB memory, 10 GiB disk, 123,456 bytes of it used\n\
             network: off\n\
             tree: /workspace from src: 12 entries, 3,456 bytes, 2 left out as Git ignores them\n\
             commands: 1 since the reset, 5 in all; last #5 exit 2 in 1.2 s: make\n\
             resets: 1, last 2026-11-01T10:04:00.000Z\n\
             times: created 2026-11-01T10:00:00.000Z, last active 2026-11-01T10:05:00.000Z, stops if idle at \
             2026-11-01T11:05:00.000Z, idle limit 3600 s\n\
             label: branch=main\n\
             label: owner=al\\nice\n\
             skipped: pipe (fifo)\n\
             warning: guessed\n"
        );
    }

    #[test]
    fn a_workspace_that_is_stopped_says_why() {
        let mut object = workspace();
        object["state"] = "stopped".into();
        object["stop_reason"] = "ttl_expired".into();
        object["last_error"] = "the VM did not start".into();
        object["workspace_seed"] = Value::Null;
        object["isolation"] = Value::Null;
        let text = write_workspace("status", &object);
        assert!(
            text.starts_with("status · workspace 3f2a91c0d4e5 (alpha) · stopped\n"),
            "{text}"
        );
        assert!(
            text.contains("\nstopped: ttl_expired\nlast error: the VM did not start\n"),
            "{text}"
        );
        assert!(text.contains("\ntree: /workspace, empty at first\n"), "{text}");
    }

    #[test]
    fn a_list_has_a_line_for_each_and_the_next_page() {
        let object = json!({"count": 2, "next_page": "abc", "workspaces": [
            {
                "workspace_id": "3f2a91c0d4e5", "name": "alpha", "labels": {"a": "b", "c": "d"},
                "environment": "debian:12", "state": "started", "last_activity_at": "T", "expires_at": "U",
                "command_count": 1,
            },
            {"workspace_id": "000000000000", "name": null, "environment": "", "state": "damaged", "command_count": 0},
        ]});
        assert_eq!(
            write_list(&object),
            "2 workspaces · more: workspace_list page=abc\n\
             3f2a91c0d4e5 (alpha) · started · debian:12 · 1 command · last active T · stops if idle at U · \
             labels a=b, c=d\n\
             000000000000 · damaged ·  · 0 commands\n"
        );
        assert_eq!(
            write_list(&json!({"count": 0, "workspaces": []})),
            "0 workspaces\n"
        );
    }

    #[test]
    fn an_end_is_one_line() {
        let object = json!({"workspace_id": "3f2a91c0d4e5", "deleted": true, "reason": "explicit_delete"});
        assert_eq!(write_deletion(&object), "deleted · workspace 3f2a91c0d4e5\n");
    }
}
