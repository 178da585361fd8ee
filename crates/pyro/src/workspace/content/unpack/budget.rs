//! How much a guest may send.

use super::UnpackError;

/// The most entries.
const MAX_ENTRIES: u64 = 10_000_000;

/// What an entry takes, in bytes, besides its content.
const ENTRY_BYTES: u64 = 256;

/// The unit in which content takes space, in bytes.
const BLOCK_BYTES: u64 = 4096;

/// How much longer than what they take on disk all files may be together, because of holes.
const HOLES: u64 = 16;

/// The most bytes of directories' paths that are remembered until the end.
const MAX_REMEMBERED: u64 = 256 << 20;

/// What is left of the limits.
#[derive(Debug)]
pub(in crate::workspace) struct Budget {
    /// The most that may be taken on disk, in bytes.
    disk_bytes: u64,
    disk_used: u64,
    length: u64,
    entries: u64,
    remembered: u64,
}

impl Budget {
    /// For the content of a disk of this many bytes, and some more, since another file system may need it.
    pub(in crate::workspace) fn of_disk(bytes: u64) -> Self {
        Self {
            disk_bytes: bytes.saturating_add(bytes / 8).saturating_add(256 << 20),
            disk_used: 0,
            length: 0,
            entries: 0,
            remembered: 0,
        }
    }

    /// For what was judged before.
    pub(in crate::workspace) fn unlimited() -> Self {
        Self {
            disk_bytes: u64::MAX,
            disk_used: 0,
            length: 0,
            entries: 0,
            remembered: 0,
        }
    }

    /// Counts an entry.
    pub(super) fn charge_entry(&mut self) -> Result<(), UnpackError> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(UnpackError::TooMuch {
                limit: MAX_ENTRIES,
                unit: "files",
            });
        }
        self.charge_disk(ENTRY_BYTES)
    }

    /// Counts some content of a file: its length with holes, and what it takes.
    pub(super) fn charge_content(&mut self, length: u64, taken: u64) -> Result<(), UnpackError> {
        self.length = self.length.saturating_add(length);
        let limit = self.disk_bytes.saturating_mul(HOLES);
        if self.length > limit {
            let unit = "bytes";
            return Err(UnpackError::TooMuch { limit, unit });
        }
        self.charge_disk(taken)
    }

    /// Counts what the last block of a file, or a directory, takes besides.
    pub(super) fn charge_block(&mut self) -> Result<(), UnpackError> {
        self.charge_disk(BLOCK_BYTES)
    }

    /// Counts a path that is remembered.
    pub(super) fn charge_memory(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        self.remembered = self.remembered.saturating_add(path.len() as u64 + 64);
        if self.remembered > MAX_REMEMBERED {
            return Err(UnpackError::TooMuch {
                limit: MAX_REMEMBERED,
                unit: "bytes of directories' names",
            });
        }
        Ok(())
    }

    fn charge_disk(&mut self, bytes: u64) -> Result<(), UnpackError> {
        self.disk_used = self.disk_used.saturating_add(bytes);
        if self.disk_used > self.disk_bytes {
            return Err(UnpackError::TooMuch {
                limit: self.disk_bytes,
                unit: "bytes",
            });
        }
        Ok(())
    }
}
