//! What a destination has and a source lacks.

use std::sync::Arc;

use bytes::Bytes;
use pyro_proto::file::{FileEntry, FileKind, ListFiles};
use pyro_proto::message::Verb;
use tokio::sync::mpsc;

use super::deletion::{Deletion, Deletions};
use super::source::Source;
use crate::TreePath;
use crate::error::{Diagnosis, ErrorCode, Result};
use crate::guest::files::list_files;
use crate::workspace::Workspace;

/// How many names of the destination are asked for at once.
const PAGE: u64 = 10_000;

/// The most names of a destination that are compared with those of a source.
const MAX_LISTED: u64 = 10_000_000;

/// The most bytes that these may have together; what is to be removed is held in memory.
const MAX_LISTED_BYTES: u64 = 1 << 30;

/// A destination that cannot be compared with a source.
#[derive(Debug, thiserror::Error)]
enum PushError {
    /// It has too much in it.
    #[error("`{dest}` has more than {limit} names, or very long ones")]
    TooMany { dest: String, limit: u64 },
    /// It is somewhere else, by way of a link.
    #[error("`{dest}` leads through a link")]
    ThroughLink { dest: String },
}

impl Diagnosis for PushError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::TooMany { .. } => ErrorCode::TooLarge,
            Self::ThroughLink { .. } => ErrorCode::PathRefused,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::TooMany { .. } => "push into a new workspace, or without `--delete`".to_owned(),
            Self::ThroughLink { .. } => "name the directory itself as `--dest`".to_owned(),
        })
    }
}

impl Workspace {
    /// Whether there is nothing at a path. The tree itself is always there.
    pub(super) async fn lacks(&self, dest: &TreePath) -> Result<bool> {
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

    /// Finds what the destination has and the source lacks; all of it, or without what a push spares.
    pub(super) async fn deletion(&self, dest: &TreePath, source: &Source, spares: bool) -> Result<Deletion> {
        let (pages, mut queue) = mpsc::channel::<Vec<FileEntry>>(1);
        let (plan, options) = (Arc::clone(&source.plan), source.options().clone());
        let (prefix, shown) = (prefix(dest), dest.to_string());
        let work = tokio::task::spawn_blocking(move || {
            let mut judge = Source::judge(&plan, &options, spares);
            let mut deletions = Deletions::new(|path: &[u8], is_directory| judge.verdict(path, is_directory));
            while let Some(page) = queue.blocking_recv() {
                for entry in &page {
                    let Some(path) = below(&prefix, entry) else {
                        return Err(PushError::ThroughLink { dest: shown });
                    };
                    deletions.see(path, entry.kind == i32::from(FileKind::Directory));
                }
            }
            Ok(deletions.finish())
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
}

/// What the paths of everything in a directory begin with.
fn prefix(dest: &TreePath) -> Vec<u8> {
    if dest.is_root() {
        Vec::new()
    } else {
        [dest.as_bytes(), b"/"].concat()
    }
}

/// The path of a listed entry, relative to the directory that was listed; `None` if it is elsewhere, to which a link
/// leads.
fn below<'a>(prefix: &[u8], entry: &'a FileEntry) -> Option<&'a [u8]> {
    entry.path.strip_prefix(prefix).filter(|path| !path.is_empty())
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
            assert_eq!(below(&prefix, &listed(path)), None, "{path}");
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
}
