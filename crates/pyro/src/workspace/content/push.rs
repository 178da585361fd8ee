//! Files brought into a workspace.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use pyro_image::seed::{SeedEntry, SeedKind, SeedOptions};
use pyro_proto::file::{FileEntry, FileKind, ListFiles, Put, PutEntry};
use pyro_proto::message::Verb;
use tokio::sync::mpsc;

use super::deletion::{Deletion, Deletions};
use super::push_source::{Piece, Source};
use super::seed_error::seed_error;
use crate::TreePath;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::guest::GuestError;
use crate::guest::files::{PutCall, list_files};
use crate::object::{SeedMode, SkippedFile, SyncReport, WorkspaceSync};
use crate::workspace::Workspace;
use crate::workspace::error::io_error;

/// How many names of the destination are asked for at once.
const PAGE: u64 = 10_000;

/// The most names of a destination that are compared with those of a source.
const MAX_LISTED: u64 = 10_000_000;

/// The most bytes that these may have together; what is to be removed is held in memory.
const MAX_LISTED_BYTES: u64 = 1 << 30;

/// The most paths that a dry run names.
const MAX_DELETED_PATHS: usize = 1000;

/// How much is moved before the caller hears of it again, in bytes.
const PROGRESS_STEP: u64 = 1 << 20;

/// What to bring in, and where to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PushRequest {
    /// The directory or tar archive on the host.
    pub source: PathBuf,
    /// The directory in the workspace. It is made if it is missing; one that is there keeps its own mode and time.
    pub dest: TreePath,
    /// Whether to remove what the source lacks. What Git ignores by the rules of the source stays, unless that is taken
    /// along; so does a `.git` that the source does not have.
    pub delete: bool,
    /// Whether to change nothing.
    pub dry_run: bool,
    /// Whether to take along what Git ignores.
    pub include_ignored: bool,
}

impl PushRequest {
    /// All that Git does not ignore of a source, into the tree.
    pub fn new(source: impl Into<PathBuf>) -> Self {
        Self {
            source: source.into(),
            dest: TreePath::root(),
            delete: false,
            dry_run: false,
            include_ignored: false,
        }
    }
}

/// How far a transfer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TransferProgress {
    /// The source is being looked through.
    Found {
        /// Names found so far.
        entries: u64,
        /// The length of their contents, in bytes.
        bytes: u64,
    },
    /// Contents are under way.
    Moved {
        /// Bytes so far.
        bytes_done: u64,
        /// All bytes.
        bytes_total: u64,
    },
}

/// Hears how far a transfer is.
pub type OnTransfer<'a> = &'a (dyn Fn(TransferProgress) + Send + Sync);

/// A destination that cannot be compared with a source.
#[derive(Debug, thiserror::Error)]
enum PushError {
    /// It has too much in it.
    #[error("`{dest}` has more than {limit} names, or very long ones")]
    TooMany { dest: String, limit: u64 },
}

impl Diagnosis for PushError {
    fn code(&self) -> ErrorCode {
        ErrorCode::TooLarge
    }

    fn hint(&self) -> Option<String> {
        Some("push into a new workspace, or without `--delete`".to_owned())
    }
}

impl Workspace {
    /// Brings a directory or an archive into the workspace. Interrupted at any moment, the tree is as before or as after;
    /// it is durable when this returns. A dry run reads no contents and only looks at what is there.
    ///
    /// Must be called within a tokio runtime. Dropping the future changes nothing, unless everything was sent.
    ///
    /// # Errors
    /// `archive-invalid`, `too-large`, `host-io`, `path-refused`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn push(&self, request: &PushRequest, progress: OnTransfer<'_>) -> Result<WorkspaceSync> {
        let mut options = SeedOptions {
            include_ignored: request.include_ignored,
            excludes_file: self.settings().git_excludes_file.clone(),
            ..SeedOptions::default()
        };
        options.limits.content_bytes = u64::from(self.status()?.disk_gib) << 30;
        let path = std::path::absolute(&request.source);
        let path = path.map_err(io_error("find", &request.source))?;
        let source = Source::open(path.clone(), options, progress).await?;
        let guest = self.guest().await?;
        let is_new = self.lacks(&request.dest).await?;
        let deletion = if request.delete && !is_new {
            self.deletion(&request.dest, &source).await?
        } else {
            Deletion::default()
        };
        let mut report = report(request, path, &source, &deletion);
        let mut warnings = source.plan.summary().warnings.clone();
        if !request.dry_run {
            warnings.extend(
                self.put_source(request, &source, is_new, &deletion, progress)
                    .await?,
            );
            report.deleted_paths.clear();
        }
        Ok(WorkspaceSync {
            workspace_id: self.id(),
            dry_run: request.dry_run,
            workspace_sync: report,
            guest: guest.used,
            warnings,
        })
    }

    /// Whether there is nothing at a path. The tree itself is always there.
    async fn lacks(&self, dest: &TreePath) -> Result<bool> {
        if dest.is_root() {
            return Ok(false);
        }
        let request = ListFiles {
            path: Bytes::copy_from_slice(dest.as_bytes()),
            limit: 1,
            ..ListFiles::default()
        };
        match list_files(self.open_guest(Verb::ListFiles).await?, request).await {
            Ok(_) => Ok(false),
            Err(error) if error.code() == ErrorCode::PathNotFound => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// Finds what the destination has and the source lacks.
    async fn deletion(&self, dest: &TreePath, source: &Source) -> Result<Deletion> {
        let (pages, mut queue) = mpsc::channel::<Vec<FileEntry>>(1);
        let (plan, options) = (Arc::clone(&source.plan), source.options().clone());
        let prefix = prefix(dest);
        let work = tokio::task::spawn_blocking(move || {
            let mut judge = Source::judge(&plan, &options);
            let mut deletions = Deletions::new(|path: &[u8], is_directory| judge.verdict(path, is_directory));
            while let Some(page) = queue.blocking_recv() {
                for entry in &page {
                    let path = below(&prefix, entry)?;
                    deletions.see(path, entry.kind == i32::from(FileKind::Directory));
                }
            }
            Ok::<_, GuestError>(deletions.finish())
        });
        let mut budget = (MAX_LISTED, MAX_LISTED_BYTES);
        let mut after = Bytes::new();
        loop {
            let request = ListFiles {
                path: Bytes::copy_from_slice(dest.as_bytes()),
                recursive: true,
                limit: PAGE,
                after,
            };
            let page = list_files(self.open_guest(Verb::ListFiles).await?, request).await?;
            let Some(last) = page.entries.last() else {
                break;
            };
            after = last.path.clone();
            charge(&mut budget, dest, &page.entries)?;
            // If nobody takes it, the thread has failed and says so.
            if pages.send(page.entries).await.is_err() || !page.more {
                break;
            }
        }
        drop(pages);
        Ok(work.await.expect("comparing names does not panic")?)
    }

    /// Has everything put in place. Returns what the user should know.
    async fn put_source(
        &self,
        request: &PushRequest,
        source: &Source,
        is_new: bool,
        deletion: &Deletion,
        progress: OnTransfer<'_>,
    ) -> Result<Vec<String>> {
        let dest = Bytes::copy_from_slice(request.dest.as_bytes());
        let call = self.open_guest(Verb::Put).await?;
        let mut put = PutCall::start(call, Put { dest }).await?;
        for path in &deletion.paths {
            put.entry(absent(path)).await?;
        }
        let bytes_total = source.plan.summary().content_bytes;
        let (mut bytes_done, mut told) = (0, 0);
        let (mut pieces, work) = source.read();
        let mut is_in_file = false;
        progress(TransferProgress::Moved {
            bytes_done,
            bytes_total,
        });
        while let Some(piece) = pieces.recv().await {
            match piece {
                Piece::Data(data) => {
                    bytes_done += data.len() as u64;
                    put.data(data).await?;
                }
                // The root is the destination itself.
                Piece::Entry(entry) if entry.path.is_empty() && !is_new => {}
                Piece::Entry(entry) => {
                    if std::mem::take(&mut is_in_file) {
                        put.end_data().await?;
                    }
                    is_in_file = matches!(entry.kind, SeedKind::File { .. });
                    let entry = put_entry(entry);
                    if is_in_file {
                        put.file(entry).await?;
                    } else {
                        put.entry(entry).await?;
                    }
                }
            }
            if bytes_done - told >= PROGRESS_STEP {
                told = bytes_done;
                progress(TransferProgress::Moved {
                    bytes_done,
                    bytes_total,
                });
            }
        }
        let warnings = work
            .await
            .expect("reading a seed does not panic")
            .map_err(seed_error)?;
        if is_in_file {
            put.end_data().await?;
        }
        put.commit(false).await?;
        progress(TransferProgress::Moved {
            bytes_done,
            bytes_total,
        });
        Ok(warnings)
    }
}

/// What is brought in, and in a dry run what is removed.
fn report(request: &PushRequest, path: PathBuf, source: &Source, deletion: &Deletion) -> SyncReport {
    let summary = source.plan.summary();
    let deleted = deletion.paths.iter().take(MAX_DELETED_PATHS);
    SyncReport {
        mode: match source.plan.mode() {
            pyro_image::seed::SeedMode::Directory => SeedMode::Directory,
            pyro_image::seed::SeedMode::TarArchive => SeedMode::TarArchive,
        },
        source_path: path,
        destination: request.dest.to_string(),
        entry_count: summary.entry_count,
        bytes_written: summary.content_bytes,
        deleted_count: deletion.count,
        ignored_count: summary.ignored_count,
        skipped: summary
            .skipped
            .iter()
            .map(|skipped| SkippedFile::new(&skipped.path, skipped.reason))
            .collect(),
        deleted_paths: deleted
            .map(|path| String::from_utf8_lossy(path).into_owned())
            .collect(),
    }
}

/// An entry of a source as the agent puts it.
fn put_entry(entry: SeedEntry) -> PutEntry {
    let (kind, size, target) = match entry.kind {
        SeedKind::Directory => (FileKind::Directory, 0, Vec::new()),
        SeedKind::File { size } => (FileKind::File, size, Vec::new()),
        SeedKind::Symlink { target } => (FileKind::Symlink, target.len() as u64, target),
        SeedKind::HardLink { target } => (FileKind::HardLink, 0, target),
    };
    PutEntry {
        entry: Some(FileEntry {
            path: entry.path.into(),
            kind: kind.into(),
            mode: entry.mode,
            size,
            modified_s: entry.modified.seconds,
            modified_ns: entry.modified.nanoseconds,
            target: target.into(),
            stamp: Bytes::new(),
        }),
        ..PutEntry::default()
    }
}

/// The order to remove a path.
fn absent(path: &[u8]) -> PutEntry {
    PutEntry {
        entry: Some(FileEntry {
            path: Bytes::copy_from_slice(path),
            kind: FileKind::Absent.into(),
            ..FileEntry::default()
        }),
        ..PutEntry::default()
    }
}

/// What the paths of everything in a directory begin with.
fn prefix(dest: &TreePath) -> Vec<u8> {
    if dest.is_root() {
        Vec::new()
    } else {
        [dest.as_bytes(), b"/"].concat()
    }
}

/// The path of a listed entry, relative to the directory that was listed.
fn below<'a>(prefix: &[u8], entry: &'a FileEntry) -> Result<&'a [u8], GuestError> {
    let below = entry.path.strip_prefix(prefix).filter(|path| !path.is_empty());
    below.ok_or_else(|| GuestError::Nonsense {
        problem: "it lists what was not asked for".to_owned(),
    })
}

/// Counts what is listed against the limits: names, and their length in bytes.
fn charge((names, bytes): &mut (u64, u64), dest: &TreePath, entries: &[FileEntry]) -> Result<(), PushError> {
    let length: usize = entries.iter().map(|entry| entry.path.len()).sum();
    let left = names
        .checked_sub(entries.len() as u64)
        .zip(bytes.checked_sub(length as u64));
    let Some(left) = left else {
        return Err(PushError::TooMany {
            dest: dest.to_string(),
            limit: MAX_LISTED,
        });
    };
    (*names, *bytes) = left;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(path: &str) -> FileEntry {
        FileEntry {
            path: Bytes::copy_from_slice(path.as_bytes()),
            ..FileEntry::default()
        }
    }

    #[test]
    fn what_is_listed_is_below_what_was_asked_for() {
        let prefix = prefix(&TreePath::parse("sub").unwrap());
        assert_eq!(below(&prefix, &listed("sub/a")).unwrap(), b"a");
        for path in ["sub", "sub/", "sub2/a", "a", ""] {
            below(&prefix, &listed(path)).unwrap_err();
        }
        assert_eq!(below(b"", &listed("a/b")).unwrap(), b"a/b");
    }

    #[test]
    fn an_endless_list_comes_to_an_end() {
        let dest = TreePath::root();
        let mut budget = (3, 5);
        charge(&mut budget, &dest, &[listed("ab"), listed("cd")]).unwrap();
        charge(&mut budget, &dest, &[listed("ab")]).unwrap_err();
        let mut budget = (1, 100);
        charge(&mut budget, &dest, &[listed("a"), listed("b")]).unwrap_err();
    }

    #[test]
    fn an_entry_keeps_mode_time_and_target() {
        let entry = put_entry(SeedEntry {
            path: b"link".to_vec(),
            kind: SeedKind::Symlink {
                target: b"/etc".to_vec(),
            },
            mode: 0o777,
            modified: pyro_image::seed::Timestamp {
                seconds: -1,
                nanoseconds: 5,
            },
        });
        assert_eq!(
            entry.entry,
            Some(FileEntry {
                mode: 0o777,
                kind: FileKind::Symlink.into(),
                size: 4,
                modified_s: -1,
                modified_ns: 5,
                target: Bytes::from_static(b"/etc"),
                ..listed("link")
            })
        );
        assert!(entry.expected.is_empty() && !entry.touch && !entry.keep_mode);
    }
}
