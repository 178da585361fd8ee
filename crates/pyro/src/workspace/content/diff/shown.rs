//! Differences as results show them.

use pyro_diff::{Diff, Entry, Mode, Omitted, Status, Summary};

use super::BASELINE;
use crate::id::WorkspaceId;
use crate::object::{
    ArtifactType, DiffEntry, DiffStatus, DiffSummary, GuestUse, IgnoredChanges, WorkspaceDiff,
};
use crate::workspace::content::entry;

/// A difference of a workspace.
pub(super) fn diff(workspace_id: WorkspaceId, diff: Diff, guest: GuestUse) -> WorkspaceDiff {
    WorkspaceDiff {
        workspace_id,
        from_snapshot: BASELINE.to_owned(),
        changed: !diff.entries.is_empty(),
        truncated: diff.truncated,
        redacted: false,
        summary: summary(diff.summary),
        ignored: IgnoredChanges::default(),
        entries: diff.entries.into_iter().map(shown).collect(),
        patch: String::from_utf8_lossy(&diff.patch).into_owned(),
        warnings: guest.warnings(),
        guest,
        patch_bytes: diff.patch,
    }
}

/// What to say of files that no patch can have.
pub(super) fn of_special(count: usize) -> Option<String> {
    match count {
        0 => None,
        1 => Some("a new socket, pipe or device is not shown".to_owned()),
        _ => Some(format!("{count} new sockets, pipes and devices are not shown")),
    }
}

fn summary(summary: Summary) -> DiffSummary {
    DiffSummary {
        total: summary.total,
        added: summary.added,
        modified: summary.modified,
        deleted: summary.deleted,
        renamed: summary.renamed,
        type_changed: summary.type_changed,
        mode_changed: summary.mode_changed,
        text_patched: summary.text_patched,
        non_text: summary.non_text,
    }
}

fn shown(entry: Entry) -> DiffEntry {
    let (path, path_base64) = entry::into_shown(entry.path);
    let mode = entry.new_mode.or(entry.old_mode);
    DiffEntry {
        path,
        path_base64,
        old_path: entry.old_path.map(|path| entry::into_shown(path).0),
        status: status(entry.status),
        artifact_type: match mode {
            Some(Mode::Symlink) => ArtifactType::Symlink,
            Some(Mode::Directory) => ArtifactType::Directory,
            Some(Mode::File | Mode::Executable) | None => ArtifactType::File,
        },
        old_mode: entry.old_mode.map(Mode::octal).map(Into::into),
        new_mode: entry.new_mode.map(Mode::octal).map(Into::into),
        insertions: entry.insertions,
        deletions: entry.deletions,
        patch_offset: entry.patch_offset,
        patch_bytes: entry.patch_bytes,
        patch_omitted: entry.patch_omitted.map(Omitted::as_str).map(Into::into),
    }
}

fn status(status: Status) -> DiffStatus {
    match status {
        Status::Added => DiffStatus::Added,
        Status::Modified => DiffStatus::Modified,
        Status::Deleted => DiffStatus::Deleted,
        Status::Renamed => DiffStatus::Renamed,
        Status::TypeChanged => DiffStatus::TypeChanged,
        Status::ModeChanged => DiffStatus::ModeChanged,
    }
}
