//! Files written.

use pyro_proto::file::WriteFile;
use pyro_proto::message::Verb;

use super::entry;
use super::limit::TooLarge;
use crate::TreePath;
use crate::error::Result;
use crate::guest::files;
use crate::object::FileWrite;
use crate::workspace::Workspace;

/// The most that can be written at once, in bytes.
const WRITE_BYTES: usize = 8 << 20;

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
    /// Writes a file, whole and at once; it is durable when this returns.
    ///
    /// # Errors
    /// `too-large`, `path-not-found`, `path-refused`, `wrong-file-type`, `insufficient-resources`, `invalid-state`,
    /// `guest-lost`.
    pub async fn write_file(&self, request: &WriteFileRequest) -> Result<FileWrite> {
        TooLarge::check("the content", request.content.len(), WRITE_BYTES)?;
        let (guest, call) = self.call_guest(Verb::WriteFile).await?;
        let message = WriteFile {
            path: request.path.as_bytes().to_vec().into(),
            append: request.append,
            create_parents: request.create_parents,
            executable: request.executable,
        };
        let written = files::write_file(call, message, request.content.clone().into()).await?;
        Ok(FileWrite {
            workspace_id: self.id(),
            path: request.path.to_string(),
            size_bytes: written.size,
            bytes_written: request.content.len() as u64,
            mode: entry::mode(written.mode),
            created: written.created,
            warnings: guest.used.warnings(),
            guest: guest.used,
        })
    }
}
