//! Files listed, read and written.

use crate::TreePath;
use crate::error::Result;
use crate::object::{FileList, FileRead, FileWrite};
use crate::workspace::Workspace;

/// Which files to list.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ListFilesRequest {
    /// The directory.
    pub path: TreePath,
    /// Whether to list what is in its directories too.
    pub recursive: bool,
    /// The most entries; all if absent.
    pub limit: Option<u64>,
    /// Where to go on: [`next_page`](FileList::next_page) of the list before.
    pub page: Option<String>,
}

/// What to read of a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ReadFileRequest {
    /// The file.
    pub path: TreePath,
    /// Which part of it.
    pub range: FileRange,
    /// The most bytes, 1 to 1,048,576.
    pub max_bytes: u64,
    /// How the content is to be written in the result.
    pub encoding: FileEncoding,
}

/// A part of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileRange {
    /// From this byte on.
    Bytes {
        /// The first byte, from 0.
        offset: u64,
    },
    /// Lines.
    Lines {
        /// The first line, from 1.
        start: u64,
        /// How many; as many as fit if absent.
        count: Option<u64>,
    },
}

/// How the content of a file is written in a result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileEncoding {
    /// As text if it is text, else in base64.
    #[default]
    Auto,
    /// As text, with bytes that are none replaced.
    Utf8,
    /// In base64.
    Base64,
}

/// How to write a file.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WriteFileRequest {
    /// The file.
    pub path: TreePath,
    /// The content, at most 8 MiB.
    pub content: Vec<u8>,
    /// Whether to add it to the end of what is there.
    pub append: bool,
    /// Whether to make missing directories.
    pub create_parents: bool,
    /// Whether it is executable; as it was, if absent, and not for a new file.
    pub executable: Option<bool>,
}

impl ReadFileRequest {
    /// From the beginning, at most 64 KiB.
    pub fn new(path: TreePath) -> Self {
        Self {
            path,
            range: FileRange::Bytes { offset: 0 },
            max_bytes: 65_536,
            encoding: FileEncoding::Auto,
        }
    }
}

impl WriteFileRequest {
    /// The whole file, and directories as needed.
    pub fn new(path: TreePath, content: impl Into<Vec<u8>>) -> Self {
        Self {
            path,
            content: content.into(),
            append: false,
            create_parents: true,
            executable: None,
        }
    }
}

impl Workspace {
    /// Lists a directory.
    ///
    /// # Errors
    /// `path-not-found`, `path-refused`, `wrong-file-type`, `invalid-state`, `guest-lost`.
    pub async fn list_files(&self, request: &ListFilesRequest) -> Result<FileList> {
        todo!("{request:?}")
    }

    /// Reads a part of a file of any size.
    ///
    /// # Errors
    /// `path-not-found`, `path-refused`, `wrong-file-type`, `invalid-argument`, `invalid-state`, `guest-lost`.
    pub async fn read_file(&self, request: &ReadFileRequest) -> Result<FileRead> {
        todo!("{request:?}")
    }

    /// Writes a file, whole and at once; it is durable when this returns.
    ///
    /// # Errors
    /// `too-large`, `path-not-found`, `path-refused`, `wrong-file-type`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn write_file(&self, request: &WriteFileRequest) -> Result<FileWrite> {
        todo!("{request:?}")
    }
}
