//! Where the bytes of one entry lie in the archive.

/// A run of bytes of a file that the archive stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// Where in the file the run starts.
    pub(super) offset: u64,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// What to do for the next bytes of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Run {
    /// The archive stores this many bytes next.
    Stored(u64),
    /// This many bytes are zero and not stored.
    Hole(u64),
    /// The file ends.
    End,
}

/// The content of the entry a reader stands on, and how much of it has been taken.
#[derive(Debug, Default)]
pub(super) struct Content {
    size: u64,
    position: u64,
    extents: Vec<Extent>,
    current: usize,
    stored_left: u64,
    padding: usize,
}

impl Content {
    /// A file whose `size` bytes are all stored.
    pub(super) fn whole(size: u64) -> Self {
        let extents = vec![Extent {
            offset: 0,
            length: size,
        }];
        Self::sparse(size, extents, size).expect("one extent that is the whole file")
    }

    /// A file of `size` bytes of which the archive stores `extents`, `stored` bytes together.
    ///
    /// Returns `None` when extents overlap, are out of order, lie outside the file, or do not add up.
    pub(super) fn sparse(size: u64, mut extents: Vec<Extent>, stored: u64) -> Option<Self> {
        // GNU tar marks the end of a file by an empty extent; a run of no bytes would read as the end of the file.
        extents.retain(|extent| extent.length > 0);
        let (mut end, mut sum) = (0_u64, 0_u64);
        for extent in &extents {
            if extent.offset < end {
                return None;
            }
            end = extent.offset.checked_add(extent.length)?;
            sum = sum.checked_add(extent.length)?;
        }
        if end > size || sum != stored {
            return None;
        }
        Some(Self {
            size,
            position: 0,
            extents,
            current: 0,
            stored_left: stored,
            padding: (stored.wrapping_neg() % 512) as usize,
        })
    }

    /// The length of the file in bytes, holes included.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// How many bytes of the file follow in the archive.
    pub(super) fn stored_left(&self) -> u64 {
        self.stored_left
    }

    /// How many bytes lie between them and the next header.
    pub(super) fn padding(&self) -> usize {
        self.padding
    }

    /// What comes next in the file.
    pub(super) fn next_run(&self) -> Run {
        let Some(extent) = self.extents.get(self.current) else {
            return match self.size - self.position {
                0 => Run::End,
                left => Run::Hole(left),
            };
        };
        if self.position < extent.offset {
            Run::Hole(extent.offset - self.position)
        } else {
            Run::Stored(extent.offset + extent.length - self.position)
        }
    }

    /// Notes that `count` bytes of the run that [`Self::next_run`] named were taken.
    pub(super) fn take(&mut self, run: Run, count: u64) {
        self.position += count;
        if matches!(run, Run::Stored(_)) {
            self.stored_left -= count;
        }
        while let Some(extent) = self.extents.get(self.current) {
            if self.position < extent.offset + extent.length {
                break;
            }
            self.current += 1;
        }
    }
}
