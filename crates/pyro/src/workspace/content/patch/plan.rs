//! From a patch that fits to what is put into the tree.

use std::collections::BTreeMap;

use bytes::Bytes;
use pyro_diff::{Applied, FileState, Mode, Operation, Patch, PatchStatus};
use pyro_proto::file::{Fetch, FileEntry, FileKind, PutEntry};

use super::failure::Unpatchable;
use crate::TreePath;
use crate::error::Result;
use crate::guest::files::{ChangesCall, Fetched};
use crate::id::WorkspaceId;
use crate::object::{DiffStatus, GuestUse, PatchEntry, PatchHunk, PatchResult, PatchSummary};

/// How many files are fetched at once; each may have the greatest size.
const AT_ONCE: usize = 8;

/// The files that a patch is about, before it.
#[derive(Debug)]
pub(super) struct Before {
    files: BTreeMap<Vec<u8>, FileState>,
    /// What else is known of them, by their path in the tree.
    entries: BTreeMap<TreePath, FileEntry>,
}

/// What a patch puts into the tree.
#[derive(Debug)]
pub(super) struct Plan {
    /// Entries, files with their contents.
    pub(super) entries: Vec<(PutEntry, Option<Bytes>)>,
}

impl Before {
    /// Reads what the patch needs.
    pub(super) async fn fetch(call: &mut ChangesCall, patch: &Patch) -> Result<Self> {
        let mut before = Self {
            files: BTreeMap::new(),
            entries: BTreeMap::new(),
        };
        for paths in patch.paths().chunks(AT_ONCE) {
            let wanted = paths
                .iter()
                .map(|path| Ok((*path, TreePath::parse(path)?)))
                .collect::<Result<Vec<_>>>()?;
            let fetches: Vec<Fetch> = wanted
                .iter()
                .map(|(_, path)| Fetch {
                    path: path.as_bytes().to_vec().into(),
                    old: false,
                    max_bytes: pyro_diff::MAX_FILE_BYTES as u64,
                })
                .collect();
            for ((written, path), fetched) in wanted.into_iter().zip(call.fetch(&fetches).await?) {
                before.take(written, path, fetched)?;
            }
        }
        Ok(before)
    }

    fn take(&mut self, written: &[u8], path: TreePath, fetched: Fetched) -> Result<(), Unpatchable> {
        let Fetched { entry, content } = fetched;
        let state = match entry.kind() {
            FileKind::Absent => None,
            FileKind::File => Some(FileState {
                mode: if entry.mode & 0o100 == 0 {
                    Mode::File
                } else {
                    Mode::Executable
                },
                content: content.ok_or_else(|| Unpatchable::large(written))?,
            }),
            FileKind::Symlink => Some(FileState {
                mode: Mode::Symlink,
                content: entry.target.to_vec(),
            }),
            FileKind::Directory => Some(FileState {
                mode: Mode::Directory,
                content: Vec::new(),
            }),
            FileKind::HardLink | FileKind::Fifo | FileKind::Socket | FileKind::Device => {
                return Err(Unpatchable::special(written));
            }
        };
        self.files.extend(state.map(|state| (written.to_vec(), state)));
        self.entries.insert(path, entry);
        Ok(())
    }

    /// What is at each path, as the patch writes it.
    pub(super) fn files(&self) -> &BTreeMap<Vec<u8>, FileState> {
        &self.files
    }

    /// What must still be at a path when the patch is put in place.
    fn stamp(&self, path: &TreePath) -> Bytes {
        let known = self.entries.get(path);
        known.map(|entry| entry.stamp.clone()).unwrap_or_default()
    }
}

impl Plan {
    /// Deletions first, so that what takes their place finds it free.
    pub(super) fn new(before: &Before, applied: &Applied) -> Result<Self> {
        let mut deleted = Vec::new();
        let mut written = Vec::new();
        for operation in &applied.operations {
            match operation {
                Operation::Delete { path } => {
                    let path = TreePath::parse(path)?;
                    let entry = FileEntry {
                        path: path.as_bytes().to_vec().into(),
                        kind: FileKind::Absent.into(),
                        ..FileEntry::default()
                    };
                    deleted.push((put(before, &path, entry), None));
                }
                Operation::Write {
                    path,
                    mode,
                    content,
                    permissions_of,
                } => {
                    let path = TreePath::parse(path)?;
                    let source = permissions_of.as_ref().map(TreePath::parse).transpose()?;
                    written.push(write(before, &path, *mode, content, source.as_ref()));
                }
            }
        }
        deleted.append(&mut written);
        Ok(Self { entries: deleted })
    }
}

fn put(before: &Before, path: &TreePath, entry: FileEntry) -> PutEntry {
    PutEntry {
        entry: Some(entry),
        expected: before.stamp(path),
        keep_mode: false,
        touch: true,
    }
}

fn write(
    before: &Before,
    path: &TreePath,
    mode: Mode,
    content: &[u8],
    permissions_of: Option<&TreePath>,
) -> (PutEntry, Option<Bytes>) {
    let source = permissions_of.and_then(|source| before.entries.get(source));
    let bits = match (source, mode) {
        (Some(source), _) => source.mode & 0o7777,
        (None, Mode::Executable) => 0o755,
        (None, _) => 0o644,
    };
    let is_link = mode == Mode::Symlink;
    let entry = FileEntry {
        path: path.as_bytes().to_vec().into(),
        kind: if is_link {
            FileKind::Symlink
        } else {
            FileKind::File
        }
        .into(),
        mode: bits,
        size: content.len() as u64,
        target: if is_link { content.to_vec() } else { Vec::new() }.into(),
        ..FileEntry::default()
    };
    let content = (!is_link).then(|| Bytes::copy_from_slice(content));
    (put(before, path, entry), content)
}

/// What a patch did.
pub(super) fn result(workspace_id: WorkspaceId, applied: &Applied, guest: GuestUse) -> PatchResult {
    let mut summary = PatchSummary {
        total: applied.files.len(),
        ..PatchSummary::default()
    };
    let entries = applied
        .files
        .iter()
        .map(|file| {
            let (count, status) = match file.status {
                PatchStatus::Added => (&mut summary.added, DiffStatus::Added),
                PatchStatus::Modified => (&mut summary.modified, DiffStatus::Modified),
                PatchStatus::Deleted => (&mut summary.deleted, DiffStatus::Deleted),
                PatchStatus::Renamed => (&mut summary.renamed, DiffStatus::Renamed),
            };
            *count += 1;
            PatchEntry {
                // Paths of a patch that was applied are good.
                path: TreePath::parse(&file.path)
                    .map(|path| path.to_string())
                    .unwrap_or_default(),
                status,
                hunks: file
                    .hunks
                    .iter()
                    .map(|placed| PatchHunk {
                        hunk: placed.hunk,
                        line: placed.line,
                        offset: placed.offset,
                    })
                    .collect(),
            }
        })
        .collect();
    PatchResult {
        workspace_id,
        changed: !applied.operations.is_empty(),
        dry_run: false,
        summary,
        entries,
        warnings: guest.warnings(),
        guest,
    }
}
