//! Copies a whole tree, for a workspace that begins with a baseline and has no overlay to begin with.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;

use pyro_proto::file::FileKind;
use rustix::fs::{AtFlags, CWD, Mode, OFlags, SeekFrom, Stat};
use rustix::io::Errno;

use super::access;
use super::attributes::{Attributes, set};
use super::byte_path;
use super::descent::{Descent, open_beneath};
use super::entry::kind;
use super::node;
use super::remove::remove_all;

/// Copies the directory `from` to `to`, where nothing is yet: files with their holes, links of both kinds, modes and
/// times, as the agent's own. What is of another kind is left out.
///
/// # Errors
/// The first failure; what was copied until then stays.
pub(crate) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let open = |path: &Path| rustix::fs::openat(CWD, path, flags, Mode::empty());
    rustix::fs::mkdir(to, Mode::RWXU)?;
    let mut copy = Copy {
        from: Descent::new(open(from)?)?,
        to: Descent::new(open(to)?)?,
        links: HashMap::new(),
        directories: Vec::new(),
        opened_up: Vec::new(),
    };
    let copied = copy.run();
    copy.close_up().and(copied)
}

/// Removes whatever is at a path, if anything is.
///
/// # Errors
/// That of the first file that stays.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
        return Err(io::ErrorKind::InvalidInput.into());
    };
    remove_all(File::open(parent)?.as_fd(), name.as_encoded_bytes())
}

/// A copy under way.
#[derive(Debug)]
struct Copy {
    from: Descent,
    to: Descent,
    /// Where files with several names were copied to, by device and inode.
    links: HashMap<(u64, u64), Vec<u8>>,
    /// Directories in the order in which they were found, with what they get at the end.
    directories: Vec<(Vec<u8>, Attributes)>,
    /// Directories of the old tree that have another mode for now.
    opened_up: Vec<(Vec<u8>, u32)>,
}

impl Copy {
    fn run(&mut self) -> io::Result<()> {
        let stat = node::look(self.from.base(), b"")?.ok_or(Errno::NOENT)?;
        self.directories.push((Vec::new(), Attributes::of(&stat)));
        let mut done = 0;
        while let Some((path, _)) = self.directories.get(done) {
            let path = path.clone();
            self.copy_directory(&path)?;
            done += 1;
        }
        // The inner ones first: an outer one may let nobody in any more.
        for (path, attributes) in self.directories.iter().rev() {
            set(self.to.open(path)?, *attributes)?;
        }
        Ok(())
    }

    fn copy_directory(&mut self, directory: &[u8]) -> io::Result<()> {
        let (parent, name) = byte_path::split(directory).unwrap_or((b"", b"."));
        if let Some(mode) = access::open_up(self.from.open(parent)?, name)? {
            self.opened_up.push((directory.to_vec(), mode));
        }
        for name in node::names(self.from.open(directory)?)? {
            let Some(stat) = node::look(self.from.open(directory)?, &name)? else {
                continue;
            };
            let path = byte_path::join(directory, &name);
            match kind(&stat) {
                FileKind::Directory => {
                    rustix::fs::mkdirat(self.to.open(directory)?, &*name, Mode::RWXU)?;
                    self.directories.push((path, Attributes::of(&stat)));
                }
                FileKind::Symlink => self.copy_link(directory, &name, &stat)?,
                FileKind::File => self.copy_file(directory, &name, path, &stat)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn copy_link(&mut self, directory: &[u8], name: &[u8], stat: &Stat) -> io::Result<()> {
        let target = node::target(self.from.open(directory)?, name)?;
        let to = self.to.open(directory)?;
        rustix::fs::symlinkat(&*target, to, name)?;
        if let Some(times) = Attributes::of(stat).times() {
            rustix::fs::utimensat(to, name, &times, AtFlags::SYMLINK_NOFOLLOW)?;
        }
        Ok(())
    }

    fn copy_file(&mut self, directory: &[u8], name: &[u8], path: Vec<u8>, stat: &Stat) -> io::Result<()> {
        let inode = (stat.st_dev, stat.st_ino);
        if let Some(earlier) = self.links.get(&inode) {
            let (parent, earlier) = byte_path::split(earlier).unwrap_or_default();
            let parent = open_beneath(self.to.base(), parent)?;
            let to = self.to.open(directory)?;
            return rustix::fs::linkat(parent, earlier, to, name, AtFlags::empty()).map_err(Into::into);
        }
        let Some((old, _)) = node::open_file(self.from.open(directory)?, name)? else {
            return Ok(());
        };
        let new = make(self.to.open(directory)?, name)?;
        copy_content(&old, &new, stat)?;
        let attributes = Attributes::of(stat);
        if let Some(mode) = attributes.mode {
            rustix::fs::fchmod(&new, Mode::from_raw_mode(mode))?;
        }
        if let Some(times) = attributes.times() {
            rustix::fs::futimens(&new, &times)?;
        }
        if stat.st_nlink > 1 {
            self.links.insert(inode, path);
        }
        Ok(())
    }

    /// Gives the directories of the old tree the modes that they had.
    fn close_up(&mut self) -> io::Result<()> {
        for (path, mode) in self.opened_up.iter().rev() {
            let directory = self.from.open(path)?;
            rustix::fs::chmodat(directory, ".", Mode::from_raw_mode(*mode), AtFlags::empty())?;
        }
        Ok(())
    }
}

fn make(directory: BorrowedFd<'_>, name: &[u8]) -> Result<File, Errno> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(directory, name, flags, Mode::RUSR | Mode::WUSR).map(File::from)
}

/// Copies content: shared where the file system can, otherwise without the holes.
fn copy_content(old: &File, new: &File, stat: &Stat) -> io::Result<()> {
    if rustix::fs::ioctl_ficlone(new, old).is_ok() {
        return Ok(());
    }
    let size = node::size(stat);
    let mut at = 0;
    while at < size {
        let begin = match rustix::fs::seek(old, SeekFrom::Data(at)) {
            Ok(begin) => begin,
            // There is nothing but a hole.
            Err(Errno::NXIO) => break,
            Err(Errno::INVAL | Errno::OPNOTSUPP) => at,
            Err(error) => return Err(error.into()),
        };
        let end = rustix::fs::seek(old, SeekFrom::Hole(begin)).unwrap_or(size);
        rustix::fs::seek(old, SeekFrom::Start(begin))?;
        rustix::fs::seek(new, SeekFrom::Start(begin))?;
        let (mut part, mut new) = (old.take(end.saturating_sub(begin)), new);
        if io::copy(&mut part, &mut new)? == 0 {
            // It has become shorter.
            break;
        }
        at = end;
    }
    new.set_len(size)
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::time::{Duration, SystemTime};

    use super::*;

    #[test]
    fn a_copy_has_all_that_the_tree_has() {
        let top = tempfile::tempdir().unwrap();
        let (from, to) = (top.path().join("from"), top.path().join("to"));
        fs::create_dir_all(from.join("a/b")).unwrap();
        fs::write(from.join("a/b/file"), "content").unwrap();
        fs::hard_link(from.join("a/b/file"), from.join("z")).unwrap();
        symlink("/anywhere", from.join("link")).unwrap();
        fs::write(from.join("a/locked"), "locked").unwrap();
        let sparse = File::create(from.join("sparse")).unwrap();
        sparse.set_len(8 << 20).unwrap();
        std::os::unix::fs::FileExt::write_all_at(&sparse, b"end", (8 << 20) - 3).unwrap();
        for (path, mode) in [("a/locked", 0), ("a/b/file", 0o6751), ("a/b", 0o500), ("a", 0)] {
            fs::set_permissions(from.join(path), Permissions::from_mode(mode)).unwrap();
        }
        let time = SystemTime::UNIX_EPOCH + Duration::new(1_000_000_000, 7);
        for path in ["sparse", ""] {
            File::open(from.join(path)).unwrap().set_modified(time).unwrap();
        }
        copy(&from, &to).unwrap();
        let (old, new) = (
            fs::metadata(from.join("a")).unwrap(),
            fs::metadata(to.join("a")).unwrap(),
        );
        assert_eq!((old.mode(), old.mtime_nsec()), (new.mode(), new.mtime_nsec()));
        for side in [&from, &to] {
            fs::set_permissions(side.join("a"), Permissions::from_mode(0o700)).unwrap();
        }
        for path in ["", "a/b", "a/b/file", "a/locked", "link", "sparse", "z"] {
            let of = |side: &Path| {
                let meta = fs::symlink_metadata(side.join(path)).unwrap();
                let links = if meta.is_dir() { 0 } else { meta.nlink() };
                (meta.mode(), meta.mtime(), meta.mtime_nsec(), links)
            };
            assert_eq!(of(&from), of(&to), "{path}");
        }
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("/anywhere"));
        assert_eq!(
            fs::read(to.join("sparse")).unwrap(),
            fs::read(from.join("sparse")).unwrap()
        );
        assert!(fs::metadata(to.join("sparse")).unwrap().blocks() < 4096);
        let inode = |path: &str| fs::metadata(to.join(path)).unwrap().ino();
        assert_eq!(inode("z"), inode("a/b/file"));
        assert_ne!(inode("z"), fs::metadata(from.join("z")).unwrap().ino());
        remove(&to).unwrap();
        remove(&to).unwrap();
        assert!(!to.exists());
    }
}
