//! What changed, and patches that were applied, as text.

use pyro::object::WorkspaceDiff;
use serde_json::Value;

use super::json::{Fields, counted};

/// The kinds of changes, in the order in which they are told.
const KINDS: [&str; 6] = [
    "added",
    "modified",
    "deleted",
    "renamed",
    "type_changed",
    "mode_changed",
];

/// Why a patch does not have a change.
const TOO_LARGE: &str = "too-large";

/// Where what is too large for the patch can be seen.
const IN_A_WORKSPACE: &str =
    "hint: what is left out of the patch is in workspace_export as_patch=true, or see it by workspace_exec\n";
const IN_A_RUN: &str = "hint: what is left out of the patch has to be printed by the command itself\n";

/// Writes a *diff*: a line about it, one for each change, then the patch as it is.
pub(crate) fn write_diff(object: &Value) -> String {
    let fields = Fields(object);
    format!(
        "{} · workspace {} · since {}{}\n{}",
        counts(fields),
        fields.text("workspace_id"),
        fields.text("from_snapshot"),
        fields.tier(),
        body(fields, IN_A_WORKSPACE),
    )
}

/// Writes what a command changed, without where.
pub(crate) fn write_changes(object: &Value) -> String {
    let fields = Fields(object);
    format!("{}\n{}", counts(fields), body(fields, IN_A_WORKSPACE))
}

/// The same of a command whose VM is gone.
pub(crate) fn write_changes_of_run(object: &Value) -> String {
    let fields = Fields(object);
    format!("{}\n{}", counts(fields), body(fields, IN_A_RUN))
}

fn counts(fields: Fields<'_>) -> String {
    if !fields.is("changed") {
        return "nothing changed".to_owned();
    }
    let summary = fields.object("summary");
    format!(
        "{}: {}",
        counted(summary.number("total"), "change", "changes"),
        by_kind(summary)
    )
}

fn by_kind(summary: Fields<'_>) -> String {
    let kinds: Vec<_> = KINDS
        .iter()
        .filter(|kind| summary.number(kind) > 0)
        .map(|kind| format!("{} {}", summary.grouped(kind), kind.replace('_', " ")))
        .collect();
    kinds.join(", ")
}

fn body(fields: Fields<'_>, where_the_rest_is: &str) -> String {
    let mut text = String::new();
    for entry in fields.objects("entries") {
        text.push_str(&change(entry));
        text.push('\n');
    }
    let ignored = fields.object("ignored");
    if ignored.number("count") > 0 {
        text.push_str(&format!(
            "ignored by Git: {}, {} bytes\n",
            counted(ignored.number("count"), "path", "paths"),
            ignored.grouped("bytes")
        ));
    }
    if fields.is("truncated") {
        text.push_str(where_the_rest_is);
    }
    text.push_str(&fields.notes());
    let patch = fields.verbatim("patch");
    if !patch.is_empty() {
        text.push_str("\npatch:\n");
        text.push_str(patch);
    }
    text
}

fn change(entry: Fields<'_>) -> String {
    let mut text = entry.text("status").replace('_', " ");
    if let Some(old) = entry.some_text("old_path") {
        text.push_str(&format!(" {old} ->"));
    }
    text.push_str(&format!(" {}{}", entry.text("path"), entry.exact_path()));
    let kind = entry.text("artifact_type");
    if kind != "file" {
        text.push_str(&format!(" ({kind})"));
    }
    if let (Some(insertions), Some(deletions)) =
        (entry.some_number("insertions"), entry.some_number("deletions"))
    {
        text.push_str(&format!(" +{insertions} -{deletions}"));
    }
    if let (Some(old), Some(new)) = (entry.some_text("old_mode"), entry.some_text("new_mode"))
        && old != new
    {
        text.push_str(&format!(" mode {old} -> {new}"));
    }
    if let Some(reason) = entry.some_text("patch_omitted") {
        text.push_str(&format!(" (not in the patch: {reason})"));
    }
    text
}

/// Writes a *patch* that was applied, or would be.
pub(crate) fn write_patch_result(object: &Value) -> String {
    let fields = Fields(object);
    let done = match (fields.is("changed"), fields.is("dry_run")) {
        (false, _) => "nothing to change",
        (true, false) => "applied",
        (true, true) => "dry run, would apply",
    };
    let summary = fields.object("summary");
    let mut text = format!(
        "{done} · {}: {} · workspace {}{}\n",
        counted(summary.number("total"), "file", "files"),
        by_kind(summary),
        fields.text("workspace_id"),
        fields.tier(),
    );
    for entry in fields.objects("entries") {
        text.push_str(&format!(
            "{} {}",
            entry.text("status").replace('_', " "),
            entry.text("path")
        ));
        for hunk in entry.objects("hunks") {
            let offset = hunk.0["offset"].as_i64().unwrap_or_default();
            if offset != 0 {
                text.push_str(&format!(
                    "; hunk {} at line {}, {offset:+} from where it says",
                    hunk.number("hunk"),
                    hunk.number("line")
                ));
            }
        }
        text.push('\n');
    }
    text.push_str(&fields.notes());
    text
}

/// Leaves files out of a patch, each whole, until it is within its limits in characters.
pub(crate) fn keep_within(diff: &mut WorkspaceDiff, file_chars: usize, total_chars: usize) {
    let whole = std::mem::take(&mut diff.patch_bytes);
    let mut kept = Vec::with_capacity(whole.len().min(total_chars));
    let mut budget = Budget {
        file_chars,
        left: total_chars,
    };
    for entry in &mut diff.entries {
        let range = entry.patch_offset..entry.patch_offset.saturating_add(entry.patch_bytes);
        let text = whole.get(range).unwrap_or_default();
        entry.patch_offset = kept.len();
        if budget.takes(text) {
            kept.extend_from_slice(text);
        } else {
            entry.patch_bytes = 0;
            entry.patch_omitted = Some(TOO_LARGE.into());
            diff.truncated = true;
        }
    }
    diff.patch = String::from_utf8_lossy(&kept).into_owned();
    diff.patch_bytes = kept;
}

/// The characters that a patch may have.
#[derive(Debug)]
struct Budget {
    file_chars: usize,
    left: usize,
}

impl Budget {
    /// Whether the text of a file has room, which it then takes.
    fn takes(&mut self, text: &[u8]) -> bool {
        let chars = String::from_utf8_lossy(text).chars().count();
        let fits = chars <= self.file_chars && chars <= self.left;
        if fits {
            self.left -= chars;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn diff() -> Value {
        json!({
            "workspace_id": "x", "from_snapshot": "baseline", "changed": true, "truncated": true,
            "summary": {"total": 3, "added": 1, "modified": 1, "deleted": 0, "renamed": 1},
            "ignored": {"count": 1, "bytes": 1234},
            "entries": [
                {
                    "path": "a", "old_path": null, "status": "modified", "artifact_type": "file", "insertions": 2,
                    "deletions": 1, "old_mode": "100644", "new_mode": "100755", "patch_omitted": null,
                },
                {
                    "path": "n", "old_path": "o", "status": "renamed", "artifact_type": "file", "insertions": 0,
                    "deletions": 0, "old_mode": "100644", "new_mode": "100644", "patch_omitted": null,
                },
                {
                    "path": "l", "path_base64": "bP8=", "old_path": null, "status": "added", "artifact_type": "symlink",
                    "insertions": null, "deletions": null, "old_mode": null, "new_mode": "120000",
                    "patch_omitted": "too-large",
                },
            ],
            "patch": "diff --git a/a b/a\n+\x1b[31m\r\n", "isolation": "emulated", "vmm": "qemu", "warnings": [],
        })
    }

    #[test]
    fn a_diff_is_its_counts_its_changes_and_the_patch_as_it_is() {
        assert_eq!(
            write_diff(&diff()),
            "3 changes: 1 added, 1 modified, 1 renamed · workspace x · since baseline · emulated/qemu\n\
             modified a +2 -1 mode 100644 -> 100755\n\
             renamed o -> n +0 -0\n\
             added l (path=base64:bP8=) (symlink) (not in the patch: too-large)\n\
             ignored by Git: 1 path, 1,234 bytes\n\
             hint: what is left out of the patch is in workspace_export as_patch=true, or see it by workspace_exec\n\
             \n\
             patch:\n\
             diff --git a/a b/a\n+\x1b[31m\r\n"
        );
    }

    #[test]
    fn no_change_is_said_in_words() {
        let object = json!({"workspace_id": "x", "from_snapshot": "baseline", "changed": false, "patch": ""});
        assert_eq!(
            write_diff(&object),
            "nothing changed · workspace x · since baseline\n"
        );
        assert_eq!(write_changes(&object), "nothing changed\n");
    }

    #[test]
    fn a_patch_says_where_hunks_went() {
        let mut object = json!({
            "workspace_id": "x", "changed": true, "dry_run": false, "summary": {"total": 1, "modified": 1},
            "entries": [{"path": "/workspace/a", "status": "modified", "hunks": [
                {"hunk": 1, "line": 3, "offset": 0}, {"hunk": 2, "line": 40, "offset": -2},
            ]}],
        });
        assert_eq!(
            write_patch_result(&object),
            "applied · 1 file: 1 modified · workspace x\n\
             modified /workspace/a; hunk 2 at line 40, -2 from where it says\n"
        );
        object["dry_run"] = true.into();
        assert!(write_patch_result(&object).starts_with("dry run, would apply · "));
        object["changed"] = false.into();
        assert!(write_patch_result(&object).starts_with("nothing to change · "));
    }

    #[test]
    fn a_file_over_its_limit_leaves_room_for_those_after_it() {
        let mut budget = Budget {
            file_chars: 4,
            left: 7,
        };
        let taken: Vec<_> = ["aaaaa", "éééé", "bbb", "c", ""]
            .iter()
            .map(|text| budget.takes(text.as_bytes()))
            .collect();
        assert_eq!(taken, [false, true, true, false, true]);
    }
}
