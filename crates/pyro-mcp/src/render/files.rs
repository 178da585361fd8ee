//! Files as text: lists, contents, what was written.

use serde_json::Value;

use super::json::{Fields, counted};

/// Writes a *file list*: one line for each entry.
pub(crate) fn write_file_list(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "{} · {} · workspace {}{}",
        counted(fields.number("count"), "entry", "entries"),
        fields.text("path"),
        fields.text("workspace_id"),
        fields.tier(),
    );
    if let Some(page) = fields.some_text("next_page") {
        text.push_str(&format!(" · more: page={page}"));
    }
    text.push('\n');
    for entry in fields.objects("entries") {
        text.push_str(&format!(
            "{} {} {} bytes {} {}",
            entry.text("artifact_type"),
            entry.text("mode"),
            entry.number("size_bytes"),
            entry.some_text("modified_at").as_deref().unwrap_or("-"),
            entry.text("path"),
        ));
        if let Some(target) = entry.some_text("link_target") {
            text.push_str(&format!(" -> {target}"));
        }
        text.push_str(&entry.exact_path());
        text.push('\n');
    }
    text.push_str(&fields.notes());
    text
}

/// Writes a *file read*: a line about it, then its content as it is.
pub(crate) fn write_file_read(object: &Value) -> String {
    let fields = Fields(object);
    let mut text = format!(
        "{} · {} · {} bytes, mode {} · {}",
        fields.text("path"),
        part(fields),
        fields.grouped("size_bytes"),
        fields.text("mode"),
        fields.text("encoding"),
    );
    if let Some(next) = fields.some_number("next_offset") {
        text.push_str(&format!(" · more: offset={next}"));
    } else if fields.is("truncated") {
        text.push_str(" · truncated");
    }
    text.push_str(&format!(
        " · workspace {}{}\n",
        fields.text("workspace_id"),
        fields.tier()
    ));
    text.push_str(&fields.notes());
    text.push('\n');
    text.push_str(fields.verbatim("content"));
    text
}

fn part(fields: Fields<'_>) -> String {
    let offset = fields.number("offset");
    match (fields.some_number("start_line"), fields.some_number("line_count")) {
        (Some(_), Some(0)) => "no such lines".to_owned(),
        (Some(start), Some(count)) => format!("lines {start}–{}", start.saturating_add(count - 1)),
        (Some(start), None) => format!("lines from {start}"),
        (None, _) if offset == 0 && !fields.is("truncated") => "all".to_owned(),
        (None, _) => format!("from byte {offset}"),
    }
}

/// Writes a *file write*.
pub(crate) fn write_file_write(object: &Value) -> String {
    let fields = Fields(object);
    let fate = if fields.is("created") {
        "created"
    } else {
        "written"
    };
    format!(
        "{fate} · {} · {} written, {} in all, mode {} · workspace {}{}\n{}",
        fields.text("path"),
        counted(fields.number("bytes_written"), "byte", "bytes"),
        fields.grouped("size_bytes"),
        fields.text("mode"),
        fields.text("workspace_id"),
        fields.tier(),
        fields.notes(),
    )
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_has_a_line_for_each_entry_and_the_next_page() {
        let object = json!({
            "workspace_id": "3f2a91c0d4e5", "path": "/workspace", "recursive": true, "count": 2, "next_page": "abc",
            "isolation": "emulated", "vmm": "qemu",
            "entries": [
                {
                    "path": "/workspace/a\nb", "artifact_type": "file", "size_bytes": 1234, "mode": "0644",
                    "modified_at": "T", "link_target": null, "path_base64": "YQo=",
                },
                {
                    "path": "/workspace/l", "artifact_type": "symlink", "size_bytes": 1, "mode": "0777",
                    "modified_at": null, "link_target": "/etc/shadow",
                },
            ],
        });
        assert_eq!(
            write_file_list(&object),
            "2 entries · /workspace · workspace 3f2a91c0d4e5 · emulated/qemu · more: page=abc\n\
             file 0644 1234 bytes T /workspace/a\\nb (path=base64:YQo=)\n\
             symlink 0777 1 bytes - /workspace/l -> /etc/shadow\n"
        );
    }

    fn read(offset: u64, [next, start, count]: [Option<u64>; 3]) -> Value {
        json!({
            "workspace_id": "x", "path": "/workspace/f", "size_bytes": 100_000, "mode": "0755", "offset": offset,
            "next_offset": next, "start_line": start, "line_count": count, "content": " a\x1b[31m\r\n\n",
            "encoding": "utf-8", "truncated": next.is_some(),
        })
    }

    #[test]
    fn a_content_follows_verbatim_after_one_blank_line() {
        assert_eq!(
            write_file_read(&read(0, [None; 3])),
            "/workspace/f · all · 100,000 bytes, mode 0755 · utf-8 · workspace x\n\n a\x1b[31m\r\n\n"
        );
    }

    #[test]
    fn a_part_says_which_and_where_to_go_on() {
        for (object, words) in [
            (
                read(0, [Some(65_536), None, None]),
                "/workspace/f · from byte 0 · 100,000 bytes, mode 0755 · utf-8 · more: offset=65536 · workspace x",
            ),
            (
                read(10, [Some(20), Some(3), Some(2)]),
                "/workspace/f · lines 3–4 · 100,000 bytes, mode 0755 · utf-8 · more: offset=20 · workspace x",
            ),
            (
                read(10, [None, Some(99), Some(0)]),
                "/workspace/f · no such lines · 100,000 bytes, mode 0755 · utf-8 · workspace x",
            ),
        ] {
            assert_eq!(write_file_read(&object).lines().next(), Some(words));
        }
    }

    #[test]
    fn what_was_written_is_one_line_and_what_happened_besides() {
        let object = json!({
            "workspace_id": "x", "path": "/workspace/f", "size_bytes": 30, "bytes_written": 12, "mode": "0644",
            "created": false, "auto_started": true,
        });
        assert_eq!(
            write_file_write(&object),
            "written · /workspace/f · 12 bytes written, 30 in all, mode 0644 · workspace x\n\
             note: the workspace had stopped, and was started for this call\n"
        );
    }
}
