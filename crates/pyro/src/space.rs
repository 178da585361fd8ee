//! The space that files take.

use std::io;
use std::ops::AddAssign;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::Serialize;

/// The unit of `st_blocks`, in bytes, whatever the file system's own blocks are (stat(3type)).
const BLOCK_BYTES: u64 = 512;

/// How much space something takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Space {
    /// The length of its files, holes included, in bytes.
    pub apparent_bytes: u64,
    /// The blocks that it uses on disk, in bytes.
    pub used_bytes: u64,
    /// What its removal gives back at least, in bytes: the used blocks of the files that have no further name.
    ///
    /// Blocks that a file shares with a copy (`FICLONE`) count for both, as the file system does not tell them apart
    /// cheaply.
    pub unshared_bytes: u64,
}

impl Space {
    /// The space of a file, or of a directory with all in it. What is not there, or goes meanwhile, takes none.
    pub(crate) fn of(path: &Path) -> Self {
        let Ok(metadata) = std::fs::symlink_metadata(path) else {
            return Self::default();
        };
        let used_bytes = metadata.blocks() * BLOCK_BYTES;
        if !metadata.is_dir() {
            return Self {
                apparent_bytes: metadata.len(),
                used_bytes,
                unshared_bytes: if metadata.nlink() == 1 { used_bytes } else { 0 },
            };
        }
        // The length of a directory is the file system's own affair.
        let mut space = Self {
            apparent_bytes: 0,
            used_bytes,
            unshared_bytes: used_bytes,
        };
        for entry in std::fs::read_dir(path).into_iter().flatten().flatten() {
            space += Self::of(&entry.path());
        }
        space
    }
}

impl AddAssign for Space {
    fn add_assign(&mut self, other: Self) {
        self.apparent_bytes += other.apparent_bytes;
        self.used_bytes += other.used_bytes;
        self.unshared_bytes += other.unshared_bytes;
    }
}

/// The bytes that the file system of a path, or of what leads to it, has left for this user.
///
/// # Errors
/// What statvfs(3) answered.
pub(crate) fn free_bytes(path: &Path) -> io::Result<u64> {
    let volume = rustix::fs::statvfs(existing(path))?;
    Ok(volume.f_bavail.saturating_mul(volume.f_frsize))
}

/// With less than this left, in bytes, a guest's disk cannot grow.
const FULL_BELOW_BYTES: u64 = 1 << 20;

/// What is said of a workspace whose file system is full.
pub(crate) const FULL: &str = "the disk of the host is full: writes of the guest may have failed; free space, then stop and start the workspace";

/// Whether the file system of a path has nothing left for guests to write.
pub(crate) fn is_full(path: &Path) -> bool {
    free_bytes(path).is_ok_and(|free| free < FULL_BELOW_BYTES)
}

/// The path itself, or the nearest one above it that exists.
pub(crate) fn existing(path: &Path) -> &Path {
    path.ancestors()
        .find(|ancestor| ancestor.exists())
        .unwrap_or_else(|| Path::new("/"))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn holes_count_as_length_and_not_as_space() {
        let dir = tempfile::tempdir().unwrap();
        let sparse = dir.path().join("sparse");
        File::create(&sparse).unwrap().set_len(1 << 30).unwrap();
        std::fs::create_dir(dir.path().join("below")).unwrap();
        std::fs::write(dir.path().join("below/data"), vec![1; 100_000]).unwrap();
        let space = Space::of(dir.path());
        assert_eq!(space.apparent_bytes, (1 << 30) + 100_000);
        assert!((100_000..1 << 20).contains(&space.used_bytes), "{space:?}");
        assert_eq!(space.unshared_bytes, space.used_bytes);
        assert_eq!(Space::of(&dir.path().join("nothing")), Space::default());
    }

    #[test]
    fn a_file_with_a_further_name_gives_nothing_back() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        std::fs::write(&file, vec![1; 100_000]).unwrap();
        std::fs::hard_link(&file, dir.path().join("other")).unwrap();
        let space = Space::of(&file);
        assert!(space.used_bytes >= 100_000);
        assert_eq!(space.unshared_bytes, 0);
    }

    #[test]
    fn free_space_is_told_of_what_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        assert!(free_bytes(&dir.path().join("not/yet")).unwrap() > 0);
    }
}
