//! The register on disk, and its lock.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;
use serde::{Deserialize, Serialize};

use super::rule::Need;
use super::{AdmissionError, io_error};
use crate::id::VmId;
use crate::process::{ProcessIdentity, start_time};

const FILE: &str = "admission.json";
const LOCK: &str = "admission.lock";
const FORMAT: u32 = 1;

/// What one VM holds, and for whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The VM.
    pub(crate) vm_id: String,
    /// The process that holds it.
    pub(crate) owner_pid: u32,
    /// When that process started, in ticks since the host's boot.
    pub(crate) owner_start: u64,
    /// Memory, in bytes.
    pub(crate) mem_bytes: u64,
    /// Expected disk growth, in bytes.
    pub(crate) disk_bytes: u64,
}

impl Entry {
    /// A reservation of the calling process.
    ///
    /// # Errors
    /// If the kernel does not say when the process started.
    pub(super) fn of_this_process(vm_id: VmId, need: Need) -> Result<Self, AdmissionError> {
        let owner = ProcessIdentity::own().map_err(io_error("make out", Path::new("/proc/self/stat")))?;
        Ok(Self {
            vm_id: vm_id.to_string(),
            owner_pid: owner.pid,
            owner_start: owner.start,
            mem_bytes: need.mem_bytes,
            disk_bytes: need.disk_bytes,
        })
    }

    /// Whether the process that made it still lives.
    pub(crate) fn is_live(&self) -> bool {
        start_time(self.owner_pid) == Some(self.owner_start)
    }
}

#[derive(Debug, Serialize, Deserialize)]
struct Content {
    format: u32,
    entries: Vec<Entry>,
}

/// The register, locked: read it, then write it. Dropping it unlocks.
#[derive(Debug)]
pub(super) struct Register {
    home: PathBuf,
    // Closing the file gives up the lock.
    _lock: File,
}

impl Register {
    /// Waits for the lock, which no one holds for longer than it takes to read, check and write.
    ///
    /// # Errors
    /// If the lock file cannot be opened or locked.
    pub(super) fn lock(home: &Path) -> Result<Self, AdmissionError> {
        let path = home.join(LOCK);
        // Opened anew each time: threads of one process exclude each other as processes do.
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path)
            .map_err(io_error("open", &path))?;
        rustix::io::retry_on_intr(|| rustix::fs::flock(&lock, FlockOperation::LockExclusive))
            .map_err(|error| io_error("lock", &path)(error.into()))?;
        Ok(Self {
            home: home.to_path_buf(),
            _lock: lock,
        })
    }

    /// The reservations whose owners live. A register that cannot be read counts as empty: what running VMs use
    /// shows in the host's own figures.
    pub(super) fn live_entries(&mut self) -> Vec<Entry> {
        let mut entries = reservations(&self.home).unwrap_or_else(|error| {
            tracing::warn!(%error, "the register of reservations is begun anew");
            Vec::new()
        });
        entries.retain(Entry::is_live);
        entries
    }

    /// Replaces the register. It means nothing after a crash of the host, so nothing is synced.
    ///
    /// It is written in place and in one piece, the rest of a longer one blanked: renaming a new file over it makes
    /// ext4 start writing to the disk, which costs milliseconds. A writer killed between the two steps leaves blanks.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn write(&mut self, entries: &[Entry]) -> Result<(), AdmissionError> {
        let content = Content {
            format: FORMAT,
            entries: entries.to_vec(),
        };
        let mut bytes = serde_json::to_vec(&content).expect("a register has a JSON form");
        let path = self.home.join(FILE);
        let mut overwrite = || -> io::Result<()> {
            let file = File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            let before = usize::try_from(file.metadata()?.len()).map_err(io::Error::other)?;
            let length = bytes.len();
            bytes.resize(length.max(before), b' ');
            file.write_all_at(&bytes, 0)?;
            file.set_len(u64::try_from(length).map_err(io::Error::other)?)
        };
        overwrite().map_err(io_error("write", &path))
    }
}

/// Reads all reservations in `home`, those of dead owners too. Whoever acts on them holds the lock.
///
/// # Errors
/// If the register is there and cannot be read or made out.
pub(crate) fn reservations(home: &Path) -> io::Result<Vec<Entry>> {
    let path = home.join(FILE);
    let bytes = match fs_err::read(&path) {
        Ok(bytes) => bytes,
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            return Ok(Vec::new());
        }
        Err(error) => return Err(error),
    };
    let content: Content = serde_json::from_slice(&bytes)?;
    if content.format != FORMAT {
        return Err(io::Error::other(format!(
            "`{}` has format {}, not {FORMAT}",
            path.display(),
            content.format
        )));
    }
    Ok(content.entries)
}
