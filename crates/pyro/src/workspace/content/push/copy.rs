//! One file, directory or link copied into a workspace, as it is.

use std::ffi::OsStr;
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use pyro_image::seed::{SeedError, SeedOptions};
use pyro_proto::file::{ABSENT_STAMP, Changes, Fetch, FileKind, Put, PutEntry};
use pyro_proto::message::Verb;
use tokio::io::AsyncReadExt;

use super::deletion::Deletion;
use super::found::{Found, read_error};
use super::source::Source;
use super::{OnTransfer, TransferProgress};
use crate::TreePath;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::guest::files::{ChangesCall, PutCall};
use crate::object::{GuestUse, SeedMode, SkippedFile, SyncReport, WorkspaceSync};
use crate::workspace::Workspace;
use crate::workspace::content::seed_error;

/// How much content goes at once, in bytes.
const PIECE_BYTES: usize = 128 * 1024;

/// No path has this name, so that nothing is compared: only files are asked for.
const NOWHERE: &[u8] = b"\x01";

/// What to copy into a workspace, and where to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CopyRequest {
    /// The file, directory or link on the host. A link is copied as a link; a directory with all that is in it.
    pub source: PathBuf,
    /// Where it is to be. If a directory is there, it is copied into that under its own name.
    pub dest: TreePath,
    /// Whether `dest` is a directory even if it is not there yet.
    pub into: bool,
    /// Whether to replace what is there, in one step.
    pub force: bool,
}

impl CopyRequest {
    /// A copy to where nothing is.
    pub fn new(source: impl Into<PathBuf>, dest: TreePath) -> Self {
        Self {
            source: source.into(),
            dest,
            into: false,
            force: false,
        }
    }
}

/// Something that cannot be copied.
#[derive(Debug, thiserror::Error)]
enum CopyError {
    /// The target is there, and was not to be replaced.
    #[error("`{path}` exists")]
    Exists { path: TreePath },
    /// It has no name to be copied under.
    #[error("`{}` does not end with the name of a file", path.display())]
    NoName { path: PathBuf },
}

impl Diagnosis for CopyError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Exists { .. } => ErrorCode::OutputExists,
            Self::NoName { .. } => ErrorCode::InvalidArgument,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::Exists { .. } => "add `--force`".to_owned(),
            Self::NoName { .. } => "name the target too".to_owned(),
        })
    }
}

impl Workspace {
    /// Copies a file, a directory or a link into the workspace. The target appears whole or not at all, and what it replaces
    /// is replaced in one step; it is durable when this returns. Modes and times are kept. Missing directories on the way
    /// are made.
    ///
    /// Must be called within a tokio runtime. Dropping the future changes nothing, unless everything was sent.
    ///
    /// # Errors
    /// `output-exists`, `host-io`, `path-refused`, `wrong-file-type`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn copy_in(&self, request: &CopyRequest, progress: OnTransfer<'_>) -> Result<WorkspaceSync> {
        let path = std::path::absolute(&request.source);
        let path = path.map_err(read_error(&request.source)).map_err(seed_error)?;
        let found = Found::at(path.clone()).await?;
        let (used, dest, there) = self.target(request, &path).await?;
        if there != FileKind::Absent && !request.force {
            return Err(CopyError::Exists { path: dest }.into());
        }
        let expected = if request.force {
            Bytes::new()
        } else {
            Bytes::from_static(ABSENT_STAMP)
        };
        let mut report = SyncReport {
            mode: SeedMode::Directory,
            source_path: path.clone(),
            destination: dest.to_string(),
            entry_count: 1,
            bytes_written: 0,
            deleted_count: 0,
            ignored_count: 0,
            skipped: Vec::new(),
            deleted_paths: Vec::new(),
        };
        let mut warnings = Vec::new();
        let put = |entry| PutEntry {
            entry: Some(entry),
            expected: expected.clone(),
            ..PutEntry::default()
        };
        match found {
            Found::Directory => {
                let replaced = there == FileKind::Directory;
                let source = self.open_directory(path, progress).await?;
                let deletion = if replaced {
                    self.deletion(&dest, &source, false).await?
                } else {
                    Deletion::default()
                };
                let summary = source.plan.summary();
                // The directory itself is one of the names.
                report.entry_count = summary.entry_count + 1;
                report.bytes_written = summary.content_bytes;
                report.deleted_count = deletion.count;
                let skipped = summary.skipped.iter();
                report.skipped = skipped
                    .map(|skipped| SkippedFile::new(&skipped.path, &skipped.reason))
                    .collect();
                warnings.extend(summary.warnings.iter().cloned());
                let told = self.put_source(&dest, &source, Some(expected.clone()), &deletion, progress);
                warnings.extend(told.await?);
            }
            Found::File(file, entry) => {
                report.mode = SeedMode::File;
                report.bytes_written = entry.size;
                self.put_file(&dest, put(entry), file, &path, progress).await?;
            }
            Found::Symlink(entry) => {
                report.mode = SeedMode::Symlink;
                let mut call = self.start_put(&dest).await?;
                call.entry(put(entry)).await?;
                call.commit(false).await?;
            }
        }
        Ok(WorkspaceSync {
            workspace_id: self.id(),
            dry_run: false,
            workspace_sync: report,
            warnings: [used.warnings(), warnings].concat(),
            guest: used,
        })
    }

    /// The path that the copy is to have, and what is there; for a directory, one name further.
    async fn target(&self, request: &CopyRequest, source: &Path) -> Result<(GuestUse, TreePath, FileKind)> {
        let (guest, call) = self.call_guest(Verb::Changes).await?;
        let asked = Changes { path: NOWHERE.into() };
        let (mut call, _) = ChangesCall::start(call, asked).await?;
        let mut dest = request.dest.clone();
        let mut there = kind_of(&mut call, &dest).await?;
        if request.into || there == FileKind::Directory {
            let path = source.to_path_buf();
            let name = source.file_name().ok_or(CopyError::NoName { path })?;
            dest = beneath(&dest, name)?;
            there = kind_of(&mut call, &dest).await?;
        }
        Ok((guest.used, dest, there))
    }

    async fn open_directory(&self, path: PathBuf, progress: OnTransfer<'_>) -> Result<Source> {
        // A copy has all that the directory has.
        let mut options = SeedOptions {
            include_ignored: true,
            ..SeedOptions::default()
        };
        options.limits.content_bytes = u64::from(self.status()?.disk_gib) << 30;
        Source::open(path, options, progress).await
    }

    async fn start_put(&self, dest: &TreePath) -> Result<PutCall> {
        let call = self.open_guest(Verb::Put).await?;
        let dest = Bytes::copy_from_slice(dest.as_bytes());
        // An entry without a path is the destination itself, which is never made otherwise.
        Ok(PutCall::start(call, Put { dest }).await?)
    }

    async fn put_file(
        &self,
        dest: &TreePath,
        entry: PutEntry,
        file: File,
        path: &Path,
        progress: OnTransfer<'_>,
    ) -> Result<()> {
        let bytes_total = entry.entry.as_ref().map_or(0, |entry| entry.size);
        let mut bytes_done = 0;
        let mut file = tokio::fs::File::from_std(file).take(bytes_total);
        let mut call = self.start_put(dest).await?;
        call.file(entry).await?;
        loop {
            progress(TransferProgress::Moved {
                bytes_done,
                bytes_total,
            });
            let mut buffer = BytesMut::with_capacity(PIECE_BYTES);
            let read = file.read_buf(&mut buffer).await;
            let length = read.map_err(read_error(path)).map_err(seed_error)?;
            if length == 0 {
                break;
            }
            bytes_done += length as u64;
            call.data(buffer.freeze()).await?;
        }
        if bytes_done < bytes_total {
            let path = path.to_path_buf();
            return Err(seed_error(SeedError::Changed { path }));
        }
        call.end_data().await?;
        call.commit(false).await?;
        Ok(())
    }
}

async fn kind_of(call: &mut ChangesCall, path: &TreePath) -> Result<FileKind> {
    if path.is_root() {
        return Ok(FileKind::Directory);
    }
    let wanted = Fetch {
        path: Bytes::copy_from_slice(path.as_bytes()),
        old: false,
        max_bytes: 0,
    };
    let fetched = call.fetch(&[wanted]).await?;
    Ok(fetched.first().map_or(FileKind::Absent, |one| one.entry.kind()))
}

/// A name in a directory of the tree.
fn beneath(directory: &TreePath, name: &OsStr) -> Result<TreePath> {
    let path = [directory.as_bytes(), name.as_bytes()].join(&b'/');
    // The root is empty, and a path that begins with a slash is absolute.
    let path = path.strip_prefix(b"/").unwrap_or(&path);
    Ok(TreePath::parse([b"./", path].concat())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_goes_into_the_root_as_into_any_directory() {
        let joined = |directory: &str, name: &str| {
            let directory = TreePath::parse(directory).unwrap();
            beneath(&directory, name.as_ref()).unwrap().to_string()
        };
        assert_eq!(joined("/workspace", "f"), "/workspace/f");
        assert_eq!(joined("a/b", "workspace"), "/workspace/a/b/workspace");
        assert_eq!(joined("/workspace", "base64:x"), "/workspace/base64:x");
    }
}
