//! What a seed holds, entry by entry, and what it leaves out.

use std::fmt;

use crate::layer::Timestamp;

/// One name in a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedEntry {
    /// The path below the root of the seed, without leading or trailing slash; no component is empty, `.` or `..`.
    /// Empty for the root itself.
    pub path: Vec<u8>,
    /// What stands there.
    pub kind: SeedKind,
    /// The permission bits with set-uid, set-gid and sticky; 0o777 for symbolic links. No file type.
    pub mode: u32,
    /// The time of the last change of content.
    pub modified: Timestamp,
}

/// The kinds of entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeedKind {
    /// A directory.
    Directory,
    /// A regular file, under its first name.
    File {
        /// Its length in bytes, holes included.
        size: u64,
    },
    /// A symbolic link.
    Symlink {
        /// What it says, verbatim; it may lead anywhere.
        target: Vec<u8>,
    },
    /// A further name for an earlier entry, which is no directory.
    HardLink {
        /// The path of that entry.
        target: Vec<u8>,
    },
}

/// A file that is not part of the seed though it stands in its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedSkipped {
    /// The path below the root of the seed.
    pub path: Vec<u8>,
    /// Why it is left out.
    pub reason: SkipReason,
}

/// Why a file is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SkipReason {
    /// It is a socket.
    Socket,
    /// It is a named pipe.
    Fifo,
    /// It is a device node.
    Device,
    /// The caller may not read it; of a directory, also that it may not be entered.
    Unreadable,
    /// It was removed, or took another form, while its directory was read.
    Changed,
    /// Its path is longer than 4096 bytes.
    PathTooLong,
    /// It is a hard link to an entry that is left out.
    LinkToSkipped,
}

impl fmt::Display for SkipReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Socket => "socket",
            Self::Fifo => "fifo",
            Self::Device => "device",
            Self::Unreadable => "unreadable",
            Self::Changed => "changed",
            Self::PathTooLong => "path-too-long",
            Self::LinkToSkipped => "link-to-skipped",
        })
    }
}
