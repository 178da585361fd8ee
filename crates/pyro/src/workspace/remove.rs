//! Removing a whole tree beneath a directory.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, chmod, fstat, openat, renameat, unlinkat};
use rustix::io::Errno;
use rustix::path::Arg;

use crate::random;

/// How many names are read before they are removed.
const BATCH: usize = 1024;

/// As [`remove`], by the path of a directory's entry.
///
/// # Errors
/// As [`remove`]; also if the directory that it is in is not there, or the path ends with no name.
pub(crate) fn remove_tree(path: &Path) -> std::io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(std::io::ErrorKind::InvalidInput.into());
    };
    Ok(remove(File::open(parent)?.as_fd(), name)?)
}

/// Removes what has this name, a directory with all that is in it; nothing is fine too. Links are not followed, other
/// file systems not entered, and directories that lack the permission get it.
///
/// A guest may have made the tree deeper than there can be open descriptors. So each directory below the top is moved
/// up there before it is emptied.
///
/// # Errors
/// The first refusal of the system; some is removed then.
pub(in crate::workspace) fn remove(parent: BorrowedFd<'_>, name: impl Arg + Copy) -> Result<(), Errno> {
    if !is_kept_as_directory(unlinkat(parent, name, AtFlags::empty()))? {
        return Ok(());
    }
    let top = open_to_empty(parent, name)?;
    let mut fresh = Fresh::default();
    loop {
        let names = batch(&top)?;
        if names.is_empty() {
            return unlinkat(parent, name, AtFlags::REMOVEDIR);
        }
        for name in &names {
            if is_kept_as_directory(unlinkat(&top, name, AtFlags::empty()))? {
                let directory = open_to_empty(top.as_fd(), name)?;
                empty(&directory, &top, &mut fresh)?;
                unlinkat(&top, name, AtFlags::REMOVEDIR)?;
            }
        }
    }
}

/// Names that nothing has.
struct Fresh {
    prefix: String,
    next: u64,
}

impl Default for Fresh {
    fn default() -> Self {
        Self {
            prefix: random::hex::<16>(),
            next: 0,
        }
    }
}

impl Fresh {
    fn name(&mut self) -> String {
        self.next += 1;
        format!("{}.{}", self.prefix, self.next)
    }
}

/// Removes what is in a directory; directories in it are moved to the top.
fn empty(directory: &OwnedFd, top: &OwnedFd, fresh: &mut Fresh) -> Result<(), Errno> {
    loop {
        let names = batch(directory)?;
        if names.is_empty() {
            return Ok(());
        }
        for name in &names {
            if is_kept_as_directory(unlinkat(directory, name, AtFlags::empty()))? {
                // To be moved elsewhere it must be writable itself.
                drop(open_to_empty(directory.as_fd(), name)?);
                renameat(directory, name, top, fresh.name())?;
            }
        }
    }
}

/// Whether an attempt to unlink something failed because it is a directory.
fn is_kept_as_directory(unlinked: Result<(), Errno>) -> Result<bool, Errno> {
    match unlinked {
        Ok(()) | Err(Errno::NOENT) => Ok(false),
        // POSIX says the second, Linux the first.
        Err(Errno::ISDIR | Errno::PERM) => Ok(true),
        Err(error) => Err(error),
    }
}

/// Opens a directory so that what is in it can be removed.
fn open_to_empty(parent: BorrowedFd<'_>, name: impl Arg + Copy) -> Result<OwnedFd, Errno> {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let place = openat(parent, name, flags | OFlags::PATH, Mode::empty())?;
    let status = fstat(&place)?;
    if status.st_dev != fstat(parent)?.st_dev {
        // Something is mounted there, which is not ours to empty.
        return Err(Errno::XDEV);
    }
    if status.st_mode & 0o700 != 0o700 {
        // By way of the descriptor, as a name could have become a link. If it is another user's it may do as it is.
        let _refused = chmod(format!("/proc/self/fd/{}", place.as_raw_fd()), Mode::RWXU);
    }
    openat(&place, ".", flags | OFlags::RDONLY, Mode::empty())
}

/// Some names in a directory; none at its end.
fn batch(directory: &OwnedFd) -> Result<Vec<CString>, Errno> {
    let mut names = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        if !is_dot(entry.file_name()) {
            names.push(entry.file_name().to_owned());
        }
        if names.len() == BATCH {
            break;
        }
    }
    Ok(names)
}

fn is_dot(name: &CStr) -> bool {
    matches!(name.to_bytes(), b"." | b"..")
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn removed(dir: &Path, name: &str) -> Result<(), Errno> {
        remove(File::open(dir).unwrap().as_fd(), name)
    }

    #[test]
    fn a_tree_is_removed_though_its_directories_are_not_writable() {
        let dir = tempfile::tempdir().unwrap();
        let top = dir.path().join("top");
        std::fs::create_dir_all(top.join("a/b/c")).unwrap();
        std::fs::write(top.join("a/b/file"), "x").unwrap();
        for path in ["a/b/c", "a/b", "a", "."] {
            std::fs::set_permissions(top.join(path), PermissionsExt::from_mode(0o000)).unwrap();
        }
        removed(dir.path(), "top").unwrap();
        removed(dir.path(), "top").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn links_are_removed_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("kept/below")).unwrap();
        std::fs::create_dir(dir.path().join("top")).unwrap();
        symlink("../kept", dir.path().join("top/link")).unwrap();
        symlink("kept", dir.path().join("link")).unwrap();
        removed(dir.path(), "top").unwrap();
        removed(dir.path(), "link").unwrap();
        assert!(dir.path().join("kept/below").is_dir());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_tree_deeper_than_open_descriptors_and_wider_than_a_batch_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let root = File::open(dir.path()).unwrap();
        let mut here: OwnedFd = root.into();
        for depth in 0..3000 {
            rustix::fs::mkdirat(&here, "d", Mode::RWXU).unwrap();
            if depth == 10 {
                for at in 0..BATCH + 10 {
                    rustix::fs::mkdirat(&here, format!("w{at}"), Mode::RWXU).unwrap();
                }
            }
            here = openat(&here, "d", OFlags::DIRECTORY, Mode::empty()).unwrap();
        }
        removed(dir.path(), "d").unwrap();
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
