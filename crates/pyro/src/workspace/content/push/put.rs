//! A source sent to the agent.

use bytes::Bytes;
use pyro_image::seed::{SeedEntry, SeedKind};
use pyro_proto::file::{FileEntry, FileKind, Put, PutEntry};
use pyro_proto::message::Verb;

use super::deletion::Deletion;
use super::source::{Piece, Source};
use super::{OnTransfer, TransferProgress};
use crate::TreePath;
use crate::error::Result;
use crate::guest::files::PutCall;
use crate::workspace::Workspace;
use crate::workspace::content::seed_error;

/// How much is moved before the caller hears of it again, in bytes.
const PROGRESS_STEP: u64 = 1 << 20;

impl Workspace {
    /// Has everything put in place; the destination itself only if `root` says what must be there now, by its stamp.
    /// Returns what the user should know.
    pub(super) async fn put_source(
        &self,
        dest: &TreePath,
        source: &Source,
        root: Option<Bytes>,
        deletion: &Deletion,
        progress: OnTransfer<'_>,
    ) -> Result<Vec<String>> {
        let dest = Bytes::copy_from_slice(dest.as_bytes());
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
                Piece::Entry(entry) if entry.path.is_empty() => {
                    if let Some(expected) = root.clone() {
                        put.entry(PutEntry {
                            expected,
                            ..put_entry(entry)
                        })
                        .await?;
                    }
                }
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

#[cfg(test)]
mod tests {
    use super::*;

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
                path: Bytes::from_static(b"link"),
                stamp: Bytes::new(),
            })
        );
        assert!(entry.expected.is_empty() && !entry.touch && !entry.keep_mode);
    }
}
