//! The directory in which files are made before they are put into the tree. Nobody but the agent sees it.

use std::ffi::{CStr, CString, OsStr};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, Dir};
use rustix::io::Errno;

use super::resolve;

/// A name that nothing else in the stage has. Each boot begins with an empty stage.
pub(super) fn new_name(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes all that is in the stage.
///
/// # Errors
/// What could not be read or removed.
pub(super) fn empty(stage: &OwnedFd) -> io::Result<()> {
    for name in names(stage.as_fd())? {
        remove(stage.as_fd(), &name)?;
    }
    Ok(())
}

/// Removes a name from a directory, and all that is beneath it, through no link; it need not be there.
///
/// # Errors
/// What could not be read or removed.
pub(super) fn remove(directory: BorrowedFd<'_>, name: &CStr) -> io::Result<()> {
    // Each directory with the names in it that are still to be removed, and its own in the one before.
    let mut open: Vec<(OwnedFd, Vec<CString>, CString)> = Vec::new();
    let mut next = Some(name.to_owned());
    loop {
        let here = open.last().map_or(directory, |(here, ..)| here.as_fd());
        if let Some(name) = next.take()
            && !unlink(here, &name)?
        {
            let inner = resolve::directory_at(here, OsStr::from_bytes(name.to_bytes()))?;
            let inside = names(inner.as_fd())?;
            open.push((inner, inside, name));
        }
        let Some((_, inside, _)) = open.last_mut() else {
            return Ok(());
        };
        next = inside.pop();
        if next.is_none() {
            next = open.pop().map(|(.., name)| name);
        }
    }
}

/// Removes a file or an empty directory; false if it is a directory that is not empty.
fn unlink(directory: BorrowedFd<'_>, name: &CStr) -> Result<bool, Errno> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => return Ok(true),
        Err(Errno::ISDIR) => {}
        Err(error) => return Err(error),
    }
    match rustix::fs::unlinkat(directory, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::NOTEMPTY) => Ok(false),
        Err(error) => Err(error),
    }
}

fn names(directory: BorrowedFd<'_>) -> io::Result<Vec<CString>> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !matches!(entry.file_name().to_bytes(), b"." | b"..") {
            names.push(entry.file_name().to_owned());
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn everything_in_the_stage_is_removed_and_nothing_behind_a_link() {
        let files = TempDir::new().unwrap();
        let tree = Tree::of_dirs(files.path());
        let stage = files.path().join("stage");
        fs::create_dir_all(stage.join("a/b/c")).unwrap();
        fs::create_dir(stage.join("a/d")).unwrap();
        fs::write(stage.join("a/b/file"), "").unwrap();
        fs::write(stage.join("file"), "").unwrap();
        fs::write(files.path().join("tree/kept"), "").unwrap();
        symlink(files.path().join("tree"), stage.join("a/link")).unwrap();
        empty(&tree.stage).unwrap();
        assert_eq!(fs::read_dir(&stage).unwrap().count(), 0);
        assert!(files.path().join("tree/kept").exists());
        remove(tree.stage.as_fd(), c"absent").unwrap();
    }
}
