//! What an entry of a layer says.

/// One entry of a layer, as the archive states it: names are not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    /// The path, verbatim.
    pub(crate) name: Vec<u8>,
    /// Owner, mode and time.
    pub(crate) metadata: Metadata,
    /// Extended attributes in the order of the archive.
    pub(crate) xattrs: Vec<RawXattr>,
    /// What the entry makes.
    pub(crate) kind: EntryKind,
}

/// The kinds of entry and what each carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EntryKind {
    /// A regular file of `size` bytes, holes included.
    File { size: u64 },
    /// A directory.
    Directory,
    /// A symbolic link; the target is kept verbatim.
    Symlink { target: Vec<u8> },
    /// A further name for the entry `target`, a path from the root of the archive.
    HardLink { target: Vec<u8> },
    /// A device node.
    Device { kind: DeviceKind, number: DeviceNumber },
    /// A named pipe.
    Fifo,
}

/// Owner, mode and time of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// The permission bits with set-uid, set-gid and sticky; no file type.
    pub(crate) mode: u16,
    /// The numeric owner.
    pub(crate) uid: u32,
    /// The numeric group.
    pub(crate) gid: u32,
    /// The time of the last change of content.
    pub(crate) mtime: Timestamp,
}

impl Metadata {
    /// What a directory gets that the layers use but never describe.
    pub(crate) const IMPLICIT_DIRECTORY: Self = Self {
        mode: 0o755,
        uid: 0,
        gid: 0,
        mtime: Timestamp::EPOCH,
    };
}

/// A point in time, counted from 1970-01-01 00:00:00 UTC; earlier ones have negative seconds and count nanoseconds
/// forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timestamp {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// Nanoseconds after `seconds`, less than a thousand million.
    pub nanoseconds: u32,
}

impl Timestamp {
    /// 1970-01-01 00:00:00 UTC.
    pub const EPOCH: Self = Self {
        seconds: 0,
        nanoseconds: 0,
    };
}

/// An extended attribute with its full name, such as `security.capability`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawXattr {
    pub(crate) name: Vec<u8>,
    pub(crate) value: Vec<u8>,
}

/// The two kinds of device node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeviceKind {
    Char,
    Block,
}

/// The number of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct DeviceNumber {
    pub(crate) major: u32,
    pub(crate) minor: u32,
}
