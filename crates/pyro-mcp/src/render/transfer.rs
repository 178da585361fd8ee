//! What was brought in or out, as text.

use std::fmt::Write as _;

use serde_json::Value;

use super::json::{Fields, counted};
use super::workspace::skipped_file;

/// Writes a *sync*.
pub(crate) fn write_sync(object: &Value) -> String {
    let fields = Fields(object);
    let sync = fields.object("workspace_sync");
    let (done, gone) = if fields.is("dry_run") {
        ("dry run, nothing changed", "would delete")
    } else {
        ("pushed", "deleted")
    };
    let mut text = format!(
        "{done} · {} -> {} · {} · workspace {}{}\n",
        sync.text("source_path"),
        sync.text("destination"),
        amount(sync),
        fields.text("workspace_id"),
        fields.tier(),
    );
    if sync.number("deleted_count") > 0 {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{gone}: {}", sync.grouped("deleted_count"));
    }
    if sync.number("ignored_count") > 0 {
        let _ = writeln!(
            text,
            "left out as Git ignores them: {}",
            sync.grouped("ignored_count")
        );
    }
    write_lists(&mut text, sync, gone);
    text.push_str(&fields.notes());
    text
}

/// Writes an *export*.
pub(crate) fn write_export(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "exported {} · {} -> {} · {} · workspace {}{}\n",
        fields.text("artifact_type"),
        fields.text("workspace_path"),
        fields.text("output_path"),
        amount(fields),
        fields.text("workspace_id"),
        fields.tier(),
    );
    write_lists(&mut text, fields, "gone");
    text.push_str(&fields.notes());
    text
}

fn amount(fields: Fields<'_>) -> String {
    format!(
        "{}, {}",
        counted(fields.number("entry_count"), "entry", "entries"),
        counted(fields.number("bytes_written"), "byte", "bytes"),
    )
}

fn write_lists(text: &mut String, fields: Fields<'_>, gone: &str) {
    for path in fields.texts("deleted_paths") {
        let _ = writeln!(text, "{gone}: {path}");
    }
    for skipped in fields.objects("skipped") {
        let _ = writeln!(text, "skipped: {}", skipped_file(skipped));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_push_says_what_came_and_what_went() {
        let mut object = json!({
            "workspace_id": "x", "dry_run": false, "isolation": "hardware", "vmm": "firecracker",
            "workspace_sync": {
                "mode": "directory", "source_path": "src", "destination": "/workspace", "entry_count": 3,
                "bytes_written": 1234, "deleted_count": 1, "ignored_count": 2, "deleted_paths": [],
                "skipped": [{"path": "p", "reason": "fifo"}],
            },
            "warnings": ["w"],
        });
        assert_eq!(
            write_sync(&object),
            "pushed · src -> /workspace · 3 entries, 1,234 bytes · workspace x · hardware/firecracker\n\
             deleted: 1\n\
             left out as Git ignores them: 2\n\
             skipped: p (fifo)\n\
             warning: w\n"
        );
        object["dry_run"] = true.into();
        object["workspace_sync"]["deleted_paths"] = json!(["old"]);
        let text = write_sync(&object);
        assert!(text.starts_with("dry run, nothing changed · src -> "), "{text}");
        assert!(text.contains("\nwould delete: old\n"), "{text}");
    }

    #[test]
    fn an_export_says_where_it_is() {
        let object = json!({
            "workspace_id": "x", "workspace_path": "/workspace/a", "output_path": "/out/a", "artifact_type": "file",
            "entry_count": 1, "bytes_written": 6, "deleted_paths": ["b"], "skipped": [], "warnings": [],
        });
        assert_eq!(
            write_export(&object),
            "exported file · /workspace/a -> /out/a · 1 entry, 6 bytes · workspace x\ngone: b\n"
        );
    }
}
