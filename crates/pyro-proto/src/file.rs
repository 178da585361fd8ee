//! What host and guest say of the files in a workspace.
//!
//! | verb | host sends | agent sends |
//! | --- | --- | --- |
//! | `list-files` | [`ListFiles`] | [`FileEntries`], until [`ListEnd`]; or a fault |
//! | `read-file` | [`ReadFile`] | a [`FileEntry`], data, [`ReadEnd`]; or a fault |
//! | `write-file` | [`WriteFile`], data, its end | [`FileWritten`]; or a fault |
//! | `changes` | [`Changes`], then any number of [`Fetch`] | [`FileChanges`], until done; then for each fetch, in their order, a [`FileEntry`] and, for a file, data and its end |
//! | `export` | [`Export`] | [`FileEntry`] after entry, each file's followed by its data and their end, until done |
//! | `put` | [`Put`], then [`PutEntry`] after entry, each file's followed by its data and their end, until [`PutCommit`] | [`PutResult`]; or a fault |
//!
//! Paths are relative to the tree, without leading or trailing slash, without empty, `.` or `..` components; empty is the
//! root of the tree. They are bytes: names need not be UTF-8.

use bytes::Bytes;

/// The tree of a workspace, as the machine is to have it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WorkspaceTree {
    /// Whether the third disk has a seed. Otherwise the tree begins empty, and that disk has nothing.
    #[prost(bool, tag = "1")]
    pub seeded: bool,
    /// To whom belongs what the agent writes: a user as in [`Exec`](crate::message::Exec).
    #[prost(string, tag = "2")]
    pub user: String,
}

/// The kinds of [`FileEntry`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, prost::Enumeration)]
#[repr(i32)]
pub enum FileKind {
    /// There is nothing at the path.
    Absent = 0,
    /// A regular file.
    File = 1,
    /// A directory.
    Directory = 2,
    /// A symbolic link.
    Symlink = 3,
    /// A further name for a file of an earlier entry. In `export` and `put` only.
    HardLink = 4,
    /// A named pipe.
    Fifo = 5,
    /// A socket.
    Socket = 6,
    /// A device node.
    Device = 7,
}

/// What is at a path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileEntry {
    /// The path.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// What it is.
    #[prost(enumeration = "FileKind", tag = "2")]
    pub kind: i32,
    /// The permission bits with set-uid, set-gid and sticky.
    #[prost(uint32, tag = "3")]
    pub mode: u32,
    /// The length of a file's content, for a link that of its target, in bytes.
    #[prost(uint64, tag = "4")]
    pub size: u64,
    /// The time of the last change of content: seconds since the Unix epoch.
    #[prost(sint64, tag = "5")]
    pub modified_s: i64,
    /// And nanoseconds.
    #[prost(uint32, tag = "6")]
    pub modified_ns: u32,
    /// The target of a symbolic link, verbatim; of a hard link, the path of the earlier entry.
    #[prost(bytes = "bytes", tag = "7")]
    pub target: Bytes,
    /// Tells this state of the file from any other; see [`PutEntry::expected`]. In `changes` only.
    #[prost(bytes = "bytes", tag = "8")]
    pub stamp: Bytes,
}

/// Lists a directory in the order of the names' bytes; recursively, each directory right before what is in it.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ListFiles {
    /// The directory. Links on the way are followed as long as they stay inside; a link at its end is too.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// Whether to list what is in its directories too.
    #[prost(bool, tag = "2")]
    pub recursive: bool,
    /// The most entries to send; 0 is without limit.
    #[prost(uint64, tag = "3")]
    pub limit: u64,
    /// Begin behind this path, which the last page ended with; empty is the beginning.
    #[prost(bytes = "bytes", tag = "4")]
    pub after: Bytes,
}

/// Some entries of a list.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileEntries {
    /// The entries, paths relative to the tree.
    #[prost(message, repeated, tag = "1")]
    pub entries: Vec<FileEntry>,
}

/// The end of a list.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ListEnd {
    /// Whether there is more behind the last entry.
    #[prost(bool, tag = "1")]
    pub more: bool,
}

/// Reads a part of a regular file. Links are followed as long as they stay inside.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct ReadFile {
    /// The file.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// From which byte on; 0 if lines are asked for.
    #[prost(uint64, tag = "2")]
    pub offset: u64,
    /// The most bytes to send.
    #[prost(uint64, tag = "3")]
    pub max_bytes: u64,
    /// From which line on, from 1; 0 asks for bytes.
    #[prost(uint64, tag = "4")]
    pub start_line: u64,
    /// How many lines; 0 is all.
    #[prost(uint64, tag = "5")]
    pub line_count: u64,
}

/// The end of a part of a file.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct ReadEnd {
    /// The byte at which the part began.
    #[prost(uint64, tag = "1")]
    pub offset: u64,
    /// The byte behind it.
    #[prost(uint64, tag = "2")]
    pub next_offset: u64,
    /// Whether the file had no more when it was read.
    #[prost(bool, tag = "3")]
    pub is_end: bool,
    /// How many lines were read, the last of which may be incomplete; 0 if bytes were asked for.
    #[prost(uint64, tag = "4")]
    pub lines: u64,
}

/// Writes a regular file: whole, at once, never through a link. Durable when it is answered.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct WriteFile {
    /// The file.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// Whether to add to the end of what is there.
    #[prost(bool, tag = "2")]
    pub append: bool,
    /// Whether to make missing directories.
    #[prost(bool, tag = "3")]
    pub create_parents: bool,
    /// Whether it is executable. Absent: as it was, and not for a new file.
    #[prost(bool, optional, tag = "4")]
    pub executable: Option<bool>,
}

/// A file was written.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct FileWritten {
    /// Its length, in bytes.
    #[prost(uint64, tag = "1")]
    pub size: u64,
    /// Its permission bits.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    /// Whether it is new.
    #[prost(bool, tag = "3")]
    pub created: bool,
}

/// Compares the tree with its baseline, at the cost of what changed.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Changes {
    /// Only at or below this path, which need not exist.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
}

/// One state of a changed path.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileNode {
    /// What it is.
    #[prost(enumeration = "FileKind", tag = "1")]
    pub kind: i32,
    /// The permission bits.
    #[prost(uint32, tag = "2")]
    pub mode: u32,
    /// The length of the content or of the link's target, in bytes.
    #[prost(uint64, tag = "3")]
    pub size: u64,
}

/// A path that may have changed. A directory is one only where one side is no directory, or is not there.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileChange {
    /// The path.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// What it was.
    #[prost(message, optional, tag = "2")]
    pub old: Option<FileNode>,
    /// What it is.
    #[prost(message, optional, tag = "3")]
    pub new: Option<FileNode>,
}

/// Some changes, in the order of their paths' bytes.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct FileChanges {
    /// The changes.
    #[prost(message, repeated, tag = "1")]
    pub changes: Vec<FileChange>,
}

/// Asks for one side of a path, changed or not. Links on the way are not followed; through one, nothing is there.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Fetch {
    /// The path.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
    /// Whether as it was in the baseline.
    #[prost(bool, tag = "2")]
    pub old: bool,
    /// The most bytes of content that are of use. Of a longer file only the entry is sent, followed by no data.
    #[prost(uint64, tag = "3")]
    pub max_bytes: u64,
}

/// Sends a file, a link, or a directory with all that is in it. Special files are sent as entries, without content.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Export {
    /// The path. Links on the way are followed as long as they stay inside; one at the end is sent as a link.
    #[prost(bytes = "bytes", tag = "1")]
    pub path: Bytes,
}

/// Puts entries into the tree: all of them, or, whatever happens, none. Durable when it is answered.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct Put {
    /// The directory to which the entries' paths are relative. It is made if it is missing.
    #[prost(bytes = "bytes", tag = "1")]
    pub dest: Bytes,
}

/// One entry to put.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub struct PutEntry {
    /// What is to be at its path; [`FileKind::Absent`] deletes what is there, a directory with all that is in it. What
    /// was of another kind is replaced, also a directory. Its path is relative to [`Put::dest`]; empty is that directory
    /// itself. Missing directories on the way are made. Nothing is written through a link on the way.
    #[prost(message, optional, tag = "1")]
    pub entry: Option<FileEntry>,
    /// The stamp that the path must still have when everything is put in place, or [`ABSENT_STAMP`]; empty is any.
    #[prost(bytes = "bytes", tag = "2")]
    pub expected: Bytes,
    /// Whether the mode of what is there is kept.
    #[prost(bool, tag = "3")]
    pub keep_mode: bool,
    /// Whether its time is to be now, not [`FileEntry::modified_s`].
    #[prost(bool, tag = "4")]
    pub touch: bool,
}

/// The stamp of a path at which there is nothing.
pub const ABSENT_STAMP: &[u8] = b"absent";

/// The end of what is to be put.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PutCommit {
    /// Whether to check everything and change nothing.
    #[prost(bool, tag = "1")]
    pub dry_run: bool,
}

/// What was put.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct PutResult {
    /// Entries other than deletions.
    #[prost(uint64, tag = "1")]
    pub entries: u64,
    /// The bytes of all contents.
    #[prost(uint64, tag = "2")]
    pub bytes: u64,
    /// Deletions of what was there.
    #[prost(uint64, tag = "3")]
    pub deleted: u64,
}
