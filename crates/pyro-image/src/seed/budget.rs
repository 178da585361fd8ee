//! What a seed may amount to.

use super::SeedError;

/// The most a seed may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedLimits {
    /// Entries, those skipped for their kind included, those that Git ignores not. Each takes some 300 bytes of
    /// memory.
    pub entries: u64,
    /// Contents of files together, holes included, in bytes. Of an archive, also contents that a later member of the
    /// same name replaces.
    pub content_bytes: u64,
    /// Names and link targets together, in bytes. They are held in memory.
    pub metadata_bytes: u64,
}

impl Default for SeedLimits {
    /// Four million entries, 64 GiB of content, 512 MiB of names.
    fn default() -> Self {
        Self {
            entries: 4_000_000,
            content_bytes: 64 << 30,
            metadata_bytes: 512 << 20,
        }
    }
}

/// Counts against the limits.
#[derive(Debug)]
pub(super) struct Budget {
    pub(super) limits: SeedLimits,
    entries: u64,
    content_bytes: u64,
    metadata_bytes: u64,
}

impl Budget {
    pub(super) fn new(limits: SeedLimits) -> Self {
        Self {
            limits,
            entries: 0,
            content_bytes: 0,
            metadata_bytes: 0,
        }
    }

    /// Counts one entry and the bytes of its name.
    pub(super) fn charge_entry(&mut self, name: &[u8]) -> Result<(), SeedError> {
        let limit = self.limits.entries;
        self.entries += 1;
        if self.entries > limit {
            return Err(SeedError::TooManyEntries { limit });
        }
        self.charge_metadata(name.len())
    }

    /// Counts bytes that are held in memory.
    pub(super) fn charge_metadata(&mut self, bytes: usize) -> Result<(), SeedError> {
        let limit = self.limits.metadata_bytes;
        self.metadata_bytes = self.metadata_bytes.saturating_add(bytes as u64);
        if self.metadata_bytes > limit {
            return Err(SeedError::TooMuchMetadata { limit });
        }
        Ok(())
    }

    /// Counts the content of a file.
    pub(super) fn charge_content(&mut self, bytes: u64) -> Result<(), SeedError> {
        let limit = self.limits.content_bytes;
        self.content_bytes = self.content_bytes.saturating_add(bytes);
        if self.content_bytes > limit {
            return Err(SeedError::TooManyBytes { limit });
        }
        Ok(())
    }

    /// How many entries were counted.
    pub(super) fn entries(&self) -> u64 {
        self.entries
    }

    /// How much content was counted, in bytes.
    pub(super) fn content_bytes(&self) -> u64 {
        self.content_bytes
    }

    /// How long an uncompressed archive within the limits can be, in bytes: a header of 512, an extended one with
    /// names, a time and padding, and what the content lacks to a whole block, for each entry.
    pub(super) fn archive_bytes(&self) -> u64 {
        const PER_ENTRY: u64 = 12 * 1024;
        const END: u64 = 1 << 20;
        let SeedLimits {
            entries,
            content_bytes,
            ..
        } = self.limits;
        entries
            .saturating_mul(PER_ENTRY)
            .saturating_add(END)
            .saturating_add(content_bytes)
    }
}
