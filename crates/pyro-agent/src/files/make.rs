//! A file that is made in the stage, to be put into the tree by one rename.

use std::ffi::OsStr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;

use rustix::fs::{Mode, OFlags, RenameFlags};
use rustix::io::Errno;

use super::access;
use super::attributes;
use super::remove::remove_all;
use super::resolve;
use super::stage;
use super::tree::Tree;

/// The permission bits of directories that are made on the way to a file.
const DIRECTORY_MODE: u32 = 0o755;

/// Something whole and durable in the stage. It is removed unless it is put into the tree.
#[derive(Debug)]
pub(super) struct Made<'a> {
    tree: &'a Tree,
    /// Its name in the stage.
    name: String,
}

impl<'a> Made<'a> {
    /// Makes a file of the tree's owner.
    pub(super) fn file(tree: &'a Tree, content: &[u8], mode: u32) -> Result<Self, Errno> {
        let name = stage::new_name("file");
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = rustix::fs::openat(&tree.stage, &name, flags, Mode::RUSR | Mode::WUSR)?;
        let made = Self { tree, name };
        write_all(&file, content)?;
        made.finish(&file, mode)?;
        Ok(made)
    }

    /// Makes a directory of the tree's owner around it, in which it has a name.
    pub(super) fn in_directory(self, name: &OsStr) -> Result<Self, Errno> {
        let tree = self.tree;
        let outer = stage::new_name("directory");
        rustix::fs::mkdirat(&tree.stage, &outer, Mode::RWXU)?;
        let outer = Self { tree, name: outer };
        let directory = resolve::directory_at(tree.stage.as_fd(), OsStr::new(&outer.name))?;
        rustix::fs::renameat(&tree.stage, &self.name, &directory, name)?;
        self.forget();
        outer.finish(&directory, DIRECTORY_MODE)?;
        Ok(outer)
    }

    /// Puts it into a directory of the tree, durably: in the place of a file, or where nothing is.
    ///
    /// # Errors
    /// `EXIST` if there is something after all. As after any other error, nothing was changed then, unless it is only that
    /// the directory cannot be synced.
    pub(super) fn put(self, directory: BorrowedFd<'_>, name: &OsStr, replaces: bool) -> Result<(), Errno> {
        let flags = if replaces {
            RenameFlags::empty()
        } else {
            RenameFlags::NOREPLACE
        };
        let made = (self.tree.stage.as_fd(), self.name.as_bytes());
        access::rename(made, (directory, name.as_bytes()), flags)?;
        self.forget();
        rustix::fs::fsync(directory)
    }

    fn finish(&self, made: &OwnedFd, mode: u32) -> Result<(), Errno> {
        attributes::give(made, self.tree.owner)?;
        // The other way round, set-uid would be lost.
        rustix::fs::fchmod(made, Mode::from_raw_mode(mode))?;
        rustix::fs::fsync(made)
    }

    /// It has gone elsewhere.
    fn forget(mut self) {
        self.name.clear();
    }
}

impl Drop for Made<'_> {
    fn drop(&mut self) {
        if self.name.is_empty() {
            return;
        }
        // What stays is removed when the machine starts the next time.
        drop(remove_all(self.tree.stage.as_fd(), self.name.as_bytes()));
    }
}

/// Writes all of the content where a descriptor stands.
pub(super) fn write_all(file: &OwnedFd, mut content: &[u8]) -> Result<(), Errno> {
    while !content.is_empty() {
        let count = rustix::io::retry_on_intr(|| rustix::io::write(file, content))?;
        content = &content[count..];
    }
    Ok(())
}
