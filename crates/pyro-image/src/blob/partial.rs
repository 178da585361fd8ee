//! A blob that is being written.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{Mode, OFlags};

use super::{BlobError, BlobStore, CHUNK, claim};
use crate::digest::{Digest, DigestHasher};
use crate::file_error::{FileAction, FileError, IoContext as _};

const PRIVATE: Mode = Mode::RUSR.union(Mode::WUSR);

/// Makes names of imports unique within this process.
static NEXT_IMPORT: AtomicU64 = AtomicU64::new(0);

/// Holds the lock of a partial file, and the hash of what was written to it.
#[derive(Debug)]
pub(crate) struct Partial {
    file: File,
    path: PathBuf,
    hasher: DigestHasher,
    written: u64,
    limit: u64,
}

impl Partial {
    /// Takes over a locked file; [`Self::reread`] tells what is in it.
    pub(super) fn resume(file: File, path: PathBuf, limit: u64) -> Self {
        Self {
            file,
            path,
            hasher: DigestHasher::new(),
            written: 0,
            limit,
        }
    }

    /// Creates a locked file for content whose digest is not known yet, of at most `limit` bytes.
    pub(crate) fn create(dir: &Path, limit: u64) -> Result<Self, FileError> {
        loop {
            let number = NEXT_IMPORT.fetch_add(1, Ordering::Relaxed);
            let path = dir.join(format!("import-{}-{number}", std::process::id()));
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
            match rustix::fs::open(&path, flags, PRIVATE) {
                Ok(descriptor) => {
                    let file = File::from(descriptor);
                    protect(&file, &path)?;
                    // Someone who tidies up may have been faster; then the name is free and the next one serves.
                    if claim::try_lock(&file, &path)? && claim::is_current(&file, &path)? {
                        return Ok(Self::resume(file, path, limit));
                    }
                }
                Err(rustix::io::Errno::EXIST) => {}
                Err(error) => return Err(error).at(FileAction::Create, &path),
            }
        }
    }

    /// Returns the number of bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Hashes what an earlier attempt left and continues behind it. Content beyond the limit is thrown away.
    /// `is_unwanted` is asked now and then.
    pub(crate) fn reread(&mut self, is_unwanted: impl Fn() -> bool) -> Result<(), BlobError> {
        if self.file.metadata().at(FileAction::Read, &self.path)?.len() > self.limit {
            return self.restart();
        }
        let mut chunk = vec![0; CHUNK];
        loop {
            if is_unwanted() {
                return Err(BlobError::Cancelled);
            }
            let count = self.file.read(&mut chunk).at(FileAction::Read, &self.path)?;
            if count == 0 {
                return Ok(());
            }
            self.account(&chunk[..count]);
        }
    }

    /// Appends `content`.
    ///
    /// # Errors
    /// [`BlobError::TooLong`] if it goes beyond the limit; nothing of it is written then.
    pub(crate) fn write(&mut self, content: &[u8]) -> Result<(), BlobError> {
        let length = u64::try_from(content.len()).expect("a length in memory fits 64 bits");
        if length > self.limit.saturating_sub(self.written) {
            return Err(BlobError::TooLong {
                announced: self.limit,
            });
        }
        self.file.write_all(content).at(FileAction::Write, &self.path)?;
        self.account(content);
        Ok(())
    }

    /// Throws away what was written.
    pub(crate) fn restart(&mut self) -> Result<(), BlobError> {
        self.file.set_len(0).at(FileAction::Write, &self.path)?;
        self.file
            .seek(SeekFrom::Start(0))
            .at(FileAction::Write, &self.path)?;
        self.hasher = DigestHasher::new();
        self.written = 0;
        Ok(())
    }

    /// Returns the digest of what was written so far.
    pub(crate) fn digest(&self) -> Digest {
        self.hasher.clone().finish()
    }

    /// Checks that nothing is missing.
    pub(crate) fn check_length(&self, expected: Option<(Digest, u64)>) -> Result<(), BlobError> {
        match expected {
            Some((digest, announced)) if self.written < announced => Err(BlobError::TooShort {
                digest,
                announced,
                found: self.written,
            }),
            _ => Ok(()),
        }
    }

    /// Makes the content a blob of the store, if it is what was expected.
    ///
    /// # Errors
    /// [`BlobError::DigestMismatch`] removes the partial; every other error leaves it.
    pub(crate) fn publish(
        self,
        store: &BlobStore,
        expected: Option<(Digest, u64)>,
    ) -> Result<(Digest, u64), BlobError> {
        self.check_length(expected)?;
        let found = self.digest();
        if let Some((expected, _)) = expected
            && expected != found
        {
            self.discard()?;
            return Err(BlobError::DigestMismatch { expected, found });
        }
        self.file.sync_all().at(FileAction::Write, &self.path)?;
        let path = store.path(&found);
        fs::rename(&self.path, &path).at(FileAction::Publish, &path)?;
        let dir = store.blob_dir();
        File::open(&dir)
            .and_then(|dir| dir.sync_all())
            .at(FileAction::Publish, &dir)?;
        Ok((found, self.written))
    }

    /// Removes the file.
    pub(crate) fn discard(self) -> Result<(), FileError> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).at(FileAction::Remove, &self.path)
            }
            _ => Ok(()),
        }
    }

    /// Removes the name and hands over the file, to be read from its start: scratch space that leaves nothing behind.
    pub(crate) fn into_scratch(self) -> Result<File, FileError> {
        fs::remove_file(&self.path).at(FileAction::Remove, &self.path)?;
        let mut file = self.file;
        file.seek(SeekFrom::Start(0)).at(FileAction::Read, &self.path)?;
        Ok(file)
    }

    fn account(&mut self, content: &[u8]) {
        self.hasher.update(content);
        self.written += u64::try_from(content.len()).expect("a length in memory fits 64 bits");
    }
}

/// Opens or creates the partial file at `path`.
pub(super) fn open(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = File::from(rustix::fs::open(path, flags, PRIVATE).at(FileAction::Open, path)?);
    protect(&file, path)?;
    Ok(file)
}

/// Opens the partial file at `path` to look at its lock.
pub(super) fn open_existing(path: &Path) -> Result<File, FileError> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    Ok(File::from(
        rustix::fs::open(path, flags, Mode::empty()).at(FileAction::Open, path)?,
    ))
}

/// Sets the mode that the umask may have taken bits from.
fn protect(file: &File, path: &Path) -> Result<(), FileError> {
    rustix::fs::fchmod(file, PRIVATE).at(FileAction::Protect, path)
}
