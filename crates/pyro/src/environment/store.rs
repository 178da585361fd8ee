//! The cache of environments on disk, and the locks that keep its users apart.
//!
//! ```text
//! cache/environments/{key}.json    which install a name stands for
//! cache/environments/{key}.lock    held by whoever changes that
//! cache/installs/{hex}/            one install: install.json and root.erofs
//! cache/installs/.draft-{key}/     one that is being made, under the lock of its name
//! cache/downloads/                 blobs, and what of them arrived so far
//! cache/downloads.lock             shared by downloads, held alone by whoever removes blobs
//! ```
//!
//! Whoever uses a root file system image holds a shared lock on its file; a prune removes an install only under an
//! exclusive one. Locks go with their descriptors, so a process that was killed holds none.

use std::fs::{File, TryLockError};
use std::io::ErrorKind;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use pyro_image::{BlobStore, Digest};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::EnvironmentError;
use super::record::{FORMAT, InstallRecord, NameRecord, RootRecord};
use super::selector::EnvironmentName;
use crate::digest::changed_ns;
use crate::dirs;
use crate::held_lock::HeldLock;

/// The name of the root file system image within an install.
pub(super) const ROOT_IMAGE: &str = "root.erofs";

/// The name of its record.
pub(super) const INSTALL_RECORD: &str = "install.json";

/// The cache. Making one touches nothing.
#[derive(Debug, Clone)]
pub(super) struct Store {
    cache_dir: PathBuf,
}

impl Store {
    pub(super) fn new(cache_dir: &Path) -> Self {
        Self {
            cache_dir: cache_dir.to_owned(),
        }
    }

    /// Makes the directories that are missing.
    ///
    /// # Errors
    /// If one of them cannot be made, or is not private.
    pub(super) fn create(&self) -> Result<(), EnvironmentError> {
        dirs::CacheDir::open(&self.cache_dir)?;
        for dir in [self.names_dir(), self.installs_dir()] {
            dirs::ensure_private(&dir)?;
        }
        Ok(())
    }

    pub(super) fn cache_dir(&self) -> &Path {
        &self.cache_dir
    }

    pub(super) fn names_dir(&self) -> PathBuf {
        self.cache_dir.join("environments")
    }

    pub(super) fn installs_dir(&self) -> PathBuf {
        self.cache_dir.join("installs")
    }

    pub(super) fn install_dir(&self, digest: &Digest) -> PathBuf {
        self.installs_dir().join(digest.hex())
    }

    pub(super) fn draft_dir(&self, name: &EnvironmentName) -> PathBuf {
        self.installs_dir().join(format!(".draft-{}", name.key()))
    }

    pub(super) fn blobs(&self) -> Result<BlobStore, EnvironmentError> {
        Ok(BlobStore::open(self.cache_dir.join("downloads"))?)
    }

    /// Waits until this process alone may change what a name stands for. Blocks the thread.
    ///
    /// # Errors
    /// If the lock cannot be made.
    pub(super) fn lock_name(&self, name: &EnvironmentName) -> Result<HeldLock, EnvironmentError> {
        self.create()?;
        let path = self.names_dir().join(format!("{}.lock", name.key()));
        let file = open_lock(&path)?;
        file.lock().map_err(file_error("lock", &path))?;
        Ok(HeldLock::of(file))
    }

    /// A lock that downloads share, and that whoever removes blobs must have alone.
    pub(super) fn downloads_lock(&self) -> Result<File, EnvironmentError> {
        open_lock(&self.cache_dir.join("downloads.lock"))
    }

    /// What a name stands for, if anything.
    ///
    /// # Errors
    /// If the record is there and cannot be read. A record that makes no sense counts as absent: the cache can be
    /// filled again.
    pub(super) fn name_record(&self, name: &EnvironmentName) -> Result<Option<NameRecord>, EnvironmentError> {
        let record: Option<NameRecord> = read_record(&self.name_record_path(name))?;
        Ok(record.filter(|record| record.format <= FORMAT && record.name == name.as_str()))
    }

    pub(super) fn name_record_path(&self, name: &EnvironmentName) -> PathBuf {
        self.names_dir().join(format!("{}.json", name.key()))
    }

    pub(super) fn write_name_record(
        &self,
        name: &EnvironmentName,
        record: &NameRecord,
    ) -> Result<(), EnvironmentError> {
        write_record(&self.names_dir(), &format!("{}.json", name.key()), record)
    }

    /// Every name that stands for something.
    ///
    /// # Errors
    /// If the directory is there and cannot be read.
    pub(super) fn all_names(&self) -> Result<Vec<NameRecord>, EnvironmentError> {
        let dir = self.names_dir();
        let mut records = Vec::new();
        for path in list(&dir)? {
            if path.extension().is_some_and(|extension| extension == "json") {
                records.extend(read_record::<NameRecord>(&path)?.filter(|record| record.format <= FORMAT));
            }
        }
        records.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(records)
    }

    /// The record of an install, if it is there.
    ///
    /// # Errors
    /// If it is there and cannot be read.
    pub(super) fn install_record(&self, digest: &Digest) -> Result<Option<InstallRecord>, EnvironmentError> {
        let record: Option<InstallRecord> = read_record(&self.install_dir(digest).join(INSTALL_RECORD))?;
        Ok(record.filter(|record| record.format <= FORMAT && record.digest == *digest))
    }

    /// Opens the root file system image of an install for use, if it is the file that was installed.
    ///
    /// # Errors
    /// [`EnvironmentError::Corrupt`] if it is not.
    pub(super) fn open_root(&self, name: &str, install: &InstallRecord) -> Result<OwnedFd, EnvironmentError> {
        let path = self.install_dir(&install.digest).join(ROOT_IMAGE);
        let corrupt = || EnvironmentError::Corrupt {
            name: name.to_owned(),
        };
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(corrupt()),
            Err(source) => return Err(file_error("open", &path)(source)),
        };
        file.lock_shared().map_err(file_error("lock", &path))?;
        let metadata = file.metadata().map_err(file_error("read", &path))?;
        // Removed between the record and the lock, or changed since it was installed.
        let same = metadata.nlink() > 0
            && metadata.len() == install.root.size_bytes
            && metadata.ino() == install.root.inode
            && changed_ns(&metadata) == install.root.changed_ns;
        if same { Ok(file.into()) } else { Err(corrupt()) }
    }

    /// As [`Self::open_root`], but a file that only looks different, as after it was moved, copied or linked, is
    /// compared with its digest, and known from then on.
    ///
    /// # Errors
    /// [`EnvironmentError::Corrupt`] if its content is not what was installed.
    pub(super) fn recognise_root(
        &self,
        name: &str,
        install: &mut InstallRecord,
    ) -> Result<OwnedFd, EnvironmentError> {
        let error = match self.open_root(name, install) {
            Err(error @ EnvironmentError::Corrupt { .. }) if self.may_be_whole(install) => error,
            outcome => return outcome,
        };
        let dir = self.install_dir(&install.digest);
        let path = dir.join(ROOT_IMAGE);
        let file = File::open(&path).map_err(file_error("open", &path))?;
        // Whatever changes it from here on changes the record's idea of it too.
        let known = root_record(&path, install.root.digest.clone())?;
        let (digits, _) = crate::digest::sha256(file).map_err(file_error("read", &path))?;
        if format!("sha256:{digits}") != install.root.digest {
            return Err(error);
        }
        install.root = known;
        if let Err(error) = write_record(&dir, INSTALL_RECORD, install) {
            tracing::debug!(%error, "an image has to be compared again next time");
        }
        self.open_root(name, install)
    }

    /// Whether the root file system image has the size that was installed. Hashes nothing.
    pub(super) fn may_be_whole(&self, install: &InstallRecord) -> bool {
        let path = self.install_dir(&install.digest).join(ROOT_IMAGE);
        std::fs::metadata(path)
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() == install.root.size_bytes)
    }
}

/// The record of a root file system image that was just put in place.
pub(super) fn root_record(path: &Path, digest: String) -> Result<RootRecord, EnvironmentError> {
    let metadata = fs_err::metadata(path).map_err(file_error("read", path))?;
    Ok(RootRecord {
        digest,
        size_bytes: metadata.len(),
        inode: metadata.ino(),
        changed_ns: changed_ns(&metadata),
    })
}

/// Whether nobody uses the file at this moment; if so, nobody can begin to while the result lives.
pub(super) fn lock_alone(path: &Path) -> Result<Option<HeldLock>, EnvironmentError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(file_error("open", path)(source)),
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(HeldLock::of(file))),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(source)) => Err(file_error("lock", path)(source)),
    }
}

pub(super) fn file_error(
    action: &'static str,
    path: &Path,
) -> impl Fn(std::io::Error) -> EnvironmentError + use<> {
    let path = path.to_owned();
    move |source| EnvironmentError::File {
        action,
        path: path.clone(),
        source,
    }
}

/// The entries of a directory, which may be missing.
pub(super) fn list(dir: &Path) -> Result<Vec<PathBuf>, EnvironmentError> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(file_error("list", dir)(source)),
    };
    entries
        .map(|entry| entry.map(|entry| entry.path()).map_err(file_error("list", dir)))
        .collect()
}

pub(super) fn write_record(dir: &Path, name: &str, record: &impl Serialize) -> Result<(), EnvironmentError> {
    let bytes = serde_json::to_vec_pretty(record).expect("records have string keys and no other way to fail");
    Ok(dirs::publish(dir, name, &bytes)?)
}

fn read_record<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, EnvironmentError> {
    match std::fs::read(path) {
        Ok(bytes) => Ok(serde_json::from_slice(&bytes).ok()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(source) => Err(file_error("read", path)(source)),
    }
}

fn open_lock(path: &Path) -> Result<File, EnvironmentError> {
    let options = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path);
    options.map_err(file_error("open", path))
}
