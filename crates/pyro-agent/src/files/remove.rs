//! Removes directories with all that is in them.

use std::io;
use std::os::fd::BorrowedFd;

use rustix::fs::AtFlags;
use rustix::io::Errno;

use super::access;
use super::byte_path;
use super::descent::Descent;
use super::node::{self, Name};

/// Removes whatever has this name, however deep it is; that there is nothing is as good.
///
/// # Errors
/// That of the first file that stays.
pub(super) fn remove_all(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<()> {
    if remove_file(directory, name)? {
        return Ok(());
    }
    let mut down = Descent::new(directory)?;
    let mut path = name.to_vec();
    // Of each directory on the way, those in it that are left.
    let mut levels = vec![empty(&mut down, &path)?];
    while let Some(level) = levels.last_mut() {
        if let Some(next) = level.pop() {
            byte_path::push(&mut path, &next);
            levels.push(empty(&mut down, &path)?);
            continue;
        }
        levels.pop();
        let (parent, name) = byte_path::split(&path).unwrap_or_default();
        rustix::fs::unlinkat(down.open(parent)?, name, AtFlags::REMOVEDIR)?;
        let parent = parent.len();
        path.truncate(parent);
    }
    Ok(())
}

/// Removes what is in a directory; gives the directories, which are left.
fn empty(down: &mut Descent, path: &[u8]) -> io::Result<Vec<Name>> {
    let (parent, name) = byte_path::split(path).unwrap_or_default();
    access::open_up(down.open(parent)?, name)?;
    let directory = down.open(path)?;
    let mut left = Vec::new();
    for name in node::names(directory)? {
        if !remove_file(directory, &name)? {
            left.push(name);
        }
    }
    Ok(left)
}

/// Removes anything but a directory; whether it did, or there was nothing.
fn remove_file(directory: BorrowedFd<'_>, name: &[u8]) -> io::Result<bool> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::ISDIR) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use rustix::fs::Mode;

    use super::*;

    #[test]
    fn whatever_it_is_it_goes_and_nothing_else() {
        let top = tempfile::tempdir().unwrap();
        let base = File::open(top.path()).unwrap();
        fs::create_dir_all(top.path().join("dir/a/b")).unwrap();
        fs::create_dir_all(top.path().join("dir/c")).unwrap();
        fs::write(top.path().join("dir/a/file"), "").unwrap();
        fs::write(top.path().join("kept"), "kept").unwrap();
        std::os::unix::fs::symlink("../kept", top.path().join("dir/c/link")).unwrap();
        remove_all(base.as_fd(), b"dir").unwrap();
        remove_all(base.as_fd(), b"missing").unwrap();
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 1);
        remove_all(base.as_fd(), b"kept").unwrap();
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn no_depth_is_too_deep() {
        let top = tempfile::tempdir().unwrap();
        let base = File::open(top.path()).unwrap();
        let mut down = Descent::new(&base).unwrap();
        let mut path = Vec::new();
        for _ in 0..1500 {
            let at = down.open(&path).unwrap();
            rustix::fs::mkdirat(at, "beside", Mode::RWXU).unwrap();
            rustix::fs::mkdirat(at, "a deeper directory", Mode::RWXU).unwrap();
            byte_path::push(&mut path, b"a deeper directory");
        }
        remove_all(base.as_fd(), b"a deeper directory").unwrap();
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 1);
    }
}
