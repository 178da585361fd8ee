//! Who may write a blob: the holder of the lock of its partial file.
//!
//! The lock is taken on the file that is written, not on one beside it, so nothing is left over. Publishing and
//! removing take the file from its name; whoever waited for the lock sees that and looks again.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::thread;

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use tokio::sync::oneshot;

use super::{BlobError, BlobStore, Partial, partial};
use crate::digest::Digest;
use crate::file_error::{FileAction, FileError, IoContext as _};

/// The answer to the wish to download a blob.
#[derive(Debug)]
pub(crate) enum Claim {
    /// The blob is in the store already, perhaps since a moment ago.
    Present,
    /// The caller alone may write it, until the partial is dropped.
    Mine(Partial),
}

impl BlobStore {
    /// Waits until the blob is there or the caller may write it. Dropping the future gives up waiting.
    pub(crate) async fn claim(&self, digest: &Digest, size_bytes: u64) -> Result<Claim, BlobError> {
        let path = self.partial_dir().join(digest.hex());
        loop {
            if self.contains(digest, size_bytes)? {
                return Ok(Claim::Present);
            }
            let file = lock(partial::open(&path)?, &path).await?;
            if !is_current(&file, &path)? {
                continue;
            }
            let partial = Partial::resume(file, path.clone(), size_bytes);
            if self.contains(digest, size_bytes)? {
                partial.discard()?;
                return Ok(Claim::Present);
            }
            return Ok(Claim::Mine(partial));
        }
    }
}

/// Returns true if nobody holds the lock of the file at `path`. Files that are no partials count as idle.
pub(super) fn is_idle(path: &Path) -> Result<bool, FileError> {
    match partial::open_existing(path) {
        Ok(file) => try_lock(&file, path),
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// Takes the lock if it is free.
pub(super) fn try_lock(file: &File, path: &Path) -> Result<bool, FileError> {
    match flock(file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error).at(FileAction::Lock, path),
    }
}

/// Takes the lock, waiting in a thread of its own while another process or task holds it.
///
/// The thread does not belong to the runtime, whose end would wait for it. When nobody wants its answer any more it
/// closes the file as soon as it gets the lock.
async fn lock(file: File, path: &Path) -> Result<File, BlobError> {
    if try_lock(&file, path)? {
        return Ok(file);
    }
    let (answer, locked) = oneshot::channel();
    let waiter = move || {
        let taken = rustix::io::retry_on_intr(|| flock(&file, FlockOperation::LockExclusive));
        drop(answer.send(taken.map(|()| file)));
    };
    thread::Builder::new()
        .name("blob-lock".to_owned())
        .spawn(waiter)
        .at(FileAction::Lock, path)?;
    match locked.await {
        Ok(taken) => Ok(taken.at(FileAction::Lock, path)?),
        Err(_) => Err(BlobError::Cancelled),
    }
}

/// Returns true if `path` still names `file`.
pub(super) fn is_current(file: &File, path: &Path) -> Result<bool, FileError> {
    let held = file.metadata().at(FileAction::Read, path)?;
    match fs::symlink_metadata(path) {
        Ok(named) => Ok((named.dev(), named.ino()) == (held.dev(), held.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error).at(FileAction::Read, path),
    }
}
