//! The local store of verified blobs.
//!
//! ```text
//! <dir>/blobs/sha256/<hex>   a blob; it has this name only after its content was verified and is on disk
//! <dir>/partial/<hex>        a download under way or interrupted; whoever writes it holds its lock
//! <dir>/partial/import-…     content whose digest is not known yet; locked in the same way
//! ```
//!
//! A name from outside never becomes a path: only a [`Digest`] does. Any number of processes may use one store.

mod claim;
mod error;
mod partial;
mod sink;
#[cfg(test)]
mod tests;

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use claim::Claim;
pub use error::BlobError;
pub(crate) use partial::Partial;
pub(crate) use sink::BlobSink;

use crate::digest::{Digest, DigestHasher};
use crate::file_error::{FileAction, FileError, IoContext as _};

/// Bytes moved at once between files.
pub(crate) const CHUNK: usize = 256 * 1024;

/// Keeps verified blobs in a directory.
///
/// Clones are cheap and share the directory.
#[derive(Clone, Debug)]
pub struct BlobStore {
    dir: Arc<Path>,
}

impl BlobStore {
    /// Opens the store in `dir`, creating what is missing. Directories get mode 0700 and files 0600, whatever the
    /// umask; a `dir` that exists keeps its mode.
    ///
    /// # Errors
    /// [`BlobError::File`] if a directory cannot be made.
    pub fn open(dir: impl Into<PathBuf>) -> Result<Self, BlobError> {
        let store = Self {
            dir: dir.into().into(),
        };
        if !store.dir.is_dir() {
            if let Some(parent) = store.dir.parent() {
                DirBuilder::new()
                    .recursive(true)
                    .mode(0o700)
                    .create(parent)
                    .at(FileAction::Create, parent)?;
            }
            private_dir(&store.dir)?;
        }
        private_dir(&store.dir.join("blobs"))?;
        private_dir(&store.blob_dir())?;
        private_dir(&store.partial_dir())?;
        Ok(store)
    }

    /// Returns the path of the blob `digest`, whether it exists or not.
    pub fn path(&self, digest: &Digest) -> PathBuf {
        self.blob_dir().join(digest.hex())
    }

    /// Returns true if the blob is there with this size in bytes. Its content was verified when it was stored.
    ///
    /// # Errors
    /// [`BlobError::File`] if the directory cannot be read.
    pub fn contains(&self, digest: &Digest, size_bytes: u64) -> Result<bool, BlobError> {
        let path = self.path(digest);
        match fs::symlink_metadata(&path) {
            Ok(metadata) => Ok(metadata.is_file() && metadata.len() == size_bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(error).at(FileAction::Read, &path).map_err(BlobError::from),
        }
    }

    /// Opens the blob for reading.
    ///
    /// # Errors
    /// [`BlobError::File`], also if it is not in the store.
    pub fn open_blob(&self, digest: &Digest) -> Result<File, BlobError> {
        let path = self.path(digest);
        Ok(File::open(&path).at(FileAction::Open, &path)?)
    }

    /// Reads the blob in full and compares its digest. A blob that differs is removed, so that the next pull fetches
    /// it again.
    ///
    /// # Errors
    /// [`BlobError::DigestMismatch`] if the content differs, [`BlobError::File`] if it cannot be read.
    pub fn verify(&self, digest: &Digest) -> Result<(), BlobError> {
        let path = self.path(digest);
        let mut file = self.open_blob(digest)?;
        let mut hasher = DigestHasher::new();
        let mut chunk = vec![0; CHUNK];
        loop {
            match file.read(&mut chunk).at(FileAction::Read, &path)? {
                0 => break,
                count => hasher.update(&chunk[..count]),
            }
        }
        let found = hasher.finish();
        if found == *digest {
            return Ok(());
        }
        self.remove(digest)?;
        Err(BlobError::DigestMismatch {
            expected: *digest,
            found,
        })
    }

    /// Removes the blob; it is no error if there is none. Returns the bytes freed.
    ///
    /// # Errors
    /// [`BlobError::File`] if the host refuses.
    pub fn remove(&self, digest: &Digest) -> Result<u64, BlobError> {
        Ok(remove_file(&self.path(digest))?)
    }

    /// Removes interrupted downloads and imports that no process is working on. Returns the bytes freed.
    ///
    /// # Errors
    /// [`BlobError::File`] if the host refuses.
    pub fn remove_partials(&self) -> Result<u64, BlobError> {
        let dir = self.partial_dir();
        let mut freed: u64 = 0;
        for entry in fs::read_dir(&dir).at(FileAction::Read, &dir)? {
            let path = entry.at(FileAction::Read, &dir)?.path();
            if claim::is_idle(&path)? {
                freed = freed.saturating_add(remove_file(&path)?);
            }
        }
        Ok(freed)
    }

    /// Stores everything `source` delivers. It must have the size and digest expected, if they are given.
    /// Returns digest and size.
    pub(crate) fn insert(
        &self,
        mut source: impl Read,
        expected: Option<(Digest, u64)>,
        source_path: &Path,
    ) -> Result<(Digest, u64), BlobError> {
        if let Some((digest, size)) = expected
            && self.contains(&digest, size)?
        {
            return Ok((digest, size));
        }
        let limit = expected.map_or(u64::MAX, |(_, size)| size);
        let mut partial = Partial::create(&self.partial_dir(), limit)?;
        let mut chunk = vec![0; CHUNK];
        let copied = loop {
            match source.read(&mut chunk).at(FileAction::Read, source_path) {
                Ok(0) => break Ok(()),
                Ok(count) => match partial.write(&chunk[..count]) {
                    Ok(()) => {}
                    Err(error) => break Err(error),
                },
                Err(error) => break Err(error.into()),
            }
        };
        match copied.and_then(|()| partial.check_length(expected)) {
            Ok(()) => partial.publish(self, expected),
            Err(error) => {
                partial.discard()?;
                Err(error)
            }
        }
    }

    fn blob_dir(&self) -> PathBuf {
        self.dir.join("blobs").join("sha256")
    }

    pub(crate) fn partial_dir(&self) -> PathBuf {
        self.dir.join("partial")
    }
}

/// Makes the directory if it is missing and closes it to everyone else.
fn private_dir(path: &Path) -> Result<(), FileError> {
    match DirBuilder::new().mode(0o700).create(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
    .at(FileAction::Create, path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700)).at(FileAction::Protect, path)
}

fn remove_file(path: &Path) -> Result<u64, FileError> {
    let freed = fs::symlink_metadata(path).map_or(0, |metadata| metadata.blocks() * 512);
    match fs::remove_file(path) {
        Ok(()) => Ok(freed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(error) => Err(error).at(FileAction::Remove, path),
    }
}
