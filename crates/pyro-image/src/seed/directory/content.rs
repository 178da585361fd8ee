//! The contents of files in a directory.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::Root;
use super::handle::{is_gone, open_file, split};
use super::listing::Status;
use crate::layer::Timestamp;
use crate::seed::SeedError;
use crate::seed::warning::{Warnings, shown};
use crate::tree::InodeId;

/// A file whose content is asked for, as it was planned.
#[derive(Debug)]
pub(in crate::seed) struct Wanted {
    /// The directory it is in, by which a handle is kept for the next file.
    pub(in crate::seed) parent: Option<InodeId>,
    pub(in crate::seed) path: Vec<u8>,
    pub(in crate::seed) size: u64,
    pub(in crate::seed) modified: Timestamp,
}

/// Reads one file after the other.
#[derive(Debug)]
pub(in crate::seed) struct DirectoryContents<'a> {
    root: &'a Root,
    /// The directory of the last file.
    parent: Option<(InodeId, OwnedFd)>,
    current: Option<Current>,
}

/// The file being read.
#[derive(Debug)]
struct Current {
    file: File,
    wanted: Wanted,
    left: u64,
}

impl<'a> DirectoryContents<'a> {
    pub(in crate::seed) fn of(root: &'a Root) -> Self {
        Self {
            root,
            parent: None,
            current: None,
        }
    }

    /// Opens a file, which must be a regular one of at least the planned size.
    pub(in crate::seed) fn open(&mut self, wanted: Wanted) -> Result<(), SeedError> {
        self.current = None;
        let handle = self
            .open_planned(&wanted)
            .map_err(|error| self.failed(&wanted.path, error))?;
        let status = Status::of(&handle).map_err(|error| self.failed(&wanted.path, error))?;
        if status.kind != FileType::RegularFile || status.size < wanted.size {
            return Err(self.changed(&wanted.path));
        }
        self.current = Some(Current {
            file: handle.into(),
            left: wanted.size,
            wanted,
        });
        Ok(())
    }

    /// Reads some bytes; zero only at the end of the planned size.
    pub(in crate::seed) fn read(
        &mut self,
        buffer: &mut [u8],
        warnings: &mut Warnings,
    ) -> Result<usize, SeedError> {
        let Some(current) = &mut self.current else {
            return Ok(0);
        };
        let step = usize::try_from(current.left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if step == 0 {
            return Ok(0);
        }
        let count = loop {
            match current.file.read(&mut buffer[..step]) {
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.root.read_error(&current.wanted.path, error)),
                Ok(0) => {
                    let path = std::mem::take(&mut current.wanted.path);
                    return Err(self.changed(&path));
                }
                Ok(count) => break count,
            }
        };
        current.left -= count as u64;
        if current.left == 0 {
            current.warn_if_changed(warnings);
        }
        Ok(count)
    }

    fn open_planned(&mut self, wanted: &Wanted) -> Result<OwnedFd, Errno> {
        let (above, name) = split(&wanted.path);
        if let (Some(parent), Some((opened, handle))) = (wanted.parent, &self.parent)
            && parent == *opened
        {
            return open_file(handle, name);
        }
        let handle = self.root.directory(above)?;
        let file = open_file(&handle, name);
        self.parent = wanted.parent.map(|parent| (parent, handle));
        file
    }

    fn failed(&self, path: &[u8], error: Errno) -> SeedError {
        if is_gone(error) || error == Errno::NXIO {
            self.changed(path)
        } else {
            self.root.read_error(path, error)
        }
    }

    fn changed(&self, path: &[u8]) -> SeedError {
        SeedError::Changed {
            path: self.root.host_path(path),
        }
    }
}

impl Current {
    /// Looks at the end whether the content is that of one moment, as far as size and time can tell.
    fn warn_if_changed(&self, warnings: &mut Warnings) {
        let Ok(status) = Status::of(&self.file) else {
            return;
        };
        let Wanted {
            path, size, modified, ..
        } = &self.wanted;
        if status.size != *size {
            warnings.push(format!(
                "`{}` has grown while it was read; its first {size} bytes were taken",
                shown(path)
            ));
        } else if status.modified != *modified {
            warnings.push(format!("`{}` was written to while it was read", shown(path)));
        }
    }
}
