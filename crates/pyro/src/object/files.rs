//! *File list*, *file read* and *file write*.

use serde::{Deserialize, Serialize};

use crate::id::WorkspaceId;
use crate::object::{GuestUse, TextEncoding};

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ArtifactType {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A device node.
    Device,
    /// A patch; only as the result of an export.
    Patch,
}

impl ArtifactType {
    /// Its name in results.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Directory => "directory",
            Self::Symlink => "symlink",
            Self::Fifo => "fifo",
            Self::Socket => "socket",
            Self::Device => "device",
            Self::Patch => "patch",
        }
    }
}

/// A directory of the workspace.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileList {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The directory, absolute.
    pub path: String,
    /// Whether what is in its directories is listed too.
    pub recursive: bool,
    /// How many entries are listed.
    pub count: usize,
    /// Where the next page begins.
    pub next_page: Option<String>,
    /// The entries, in the order of their paths.
    pub entries: Vec<FileInfo>,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// An entry of a list.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileInfo {
    /// The path, absolute.
    pub path: String,
    /// The path in base64, if it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_base64: Option<String>,
    /// What it is.
    pub artifact_type: ArtifactType,
    /// The length of a file, in bytes.
    pub size_bytes: u64,
    /// The permission bits in octal, as in `0644`.
    pub mode: String,
    /// When the content was last changed, RFC 3339 UTC.
    pub modified_at: Option<String>,
    /// Where a symbolic link leads.
    pub link_target: Option<String>,
}

/// A part of a file.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileRead {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The file, absolute.
    pub path: String,
    /// The length of the whole file, in bytes.
    pub size_bytes: u64,
    /// The permission bits in octal.
    pub mode: String,
    /// The most bytes that were asked for.
    pub max_bytes: u64,
    /// From which byte on it was read.
    pub offset: u64,
    /// Where to go on, if there is more.
    pub next_offset: Option<u64>,
    /// From which line on it was read, if lines were asked for.
    pub start_line: Option<u64>,
    /// How many lines were read, if lines were asked for.
    pub line_count: Option<u64>,
    /// The content, as [`encoding`](Self::encoding) says.
    pub content: String,
    /// How the content is written.
    pub encoding: TextEncoding,
    /// Whether the file has more.
    pub truncated: bool,
    /// Whether secrets were replaced in it.
    pub redacted: bool,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
    /// The bytes themselves.
    #[serde(skip)]
    pub bytes: Vec<u8>,
}

/// A file that was written.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct FileWrite {
    /// The workspace.
    pub workspace_id: WorkspaceId,
    /// The file, absolute.
    pub path: String,
    /// Its length, in bytes.
    pub size_bytes: u64,
    /// How many bytes were given.
    pub bytes_written: u64,
    /// The permission bits in octal.
    pub mode: String,
    /// Whether it is new.
    pub created: bool,
    /// The guest.
    #[serde(flatten)]
    pub guest: GuestUse,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}
