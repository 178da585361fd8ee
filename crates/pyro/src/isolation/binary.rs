//! The programs that run guests: where they are, and how to tell that they changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::object::VmmKind;
use crate::process::find_program;

/// The name of QEMU's program for guests of this architecture.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// An installed VMM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct VmmBinary {
    /// Which one it is.
    pub(crate) kind: VmmKind,
    /// The program.
    pub(crate) path: PathBuf,
    /// What distinguishes this build of it from another, without running or hashing it.
    pub(crate) identity: FileIdentity,
}

/// What changes when a file is replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileIdentity {
    /// Its path after all symbolic links.
    pub(crate) path: PathBuf,
    /// Its size, in bytes.
    pub(crate) size: u64,
    /// Its inode.
    pub(crate) ino: u64,
    /// When its content was last changed: seconds and nanoseconds.
    pub(crate) modified: (i64, i64),
}

impl VmmBinary {
    /// Finds QEMU in the directories, in their order. Runs nothing.
    pub(crate) fn find_qemu(search_path: &[PathBuf]) -> Option<Self> {
        let path = find_program(search_path, QEMU)?;
        let identity = FileIdentity::of(&path).ok()?;
        Some(Self {
            kind: VmmKind::Qemu,
            path,
            identity,
        })
    }
}

impl FileIdentity {
    /// Looks at a file.
    ///
    /// # Errors
    /// What stat(2) answered.
    pub(crate) fn of(path: &Path) -> std::io::Result<Self> {
        let path = fs_err::canonicalize(path)?;
        let metadata = fs_err::metadata(&path)?;
        Ok(Self {
            path,
            size: metadata.size(),
            ino: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn program(dir: &Path, mode: u32) -> PathBuf {
        let path = dir.join(QEMU);
        std::fs::write(&path, "#!/bin/false\n").unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        path
    }

    #[test]
    fn the_first_executable_of_the_name_is_taken() {
        let dirs: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let search: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_path_buf()).collect();
        assert_eq!(VmmBinary::find_qemu(&search), None);
        program(dirs[0].path(), 0o644);
        let wanted = program(dirs[1].path(), 0o755);
        program(dirs[2].path(), 0o755);
        assert_eq!(VmmBinary::find_qemu(&search).unwrap().path, wanted);
    }

    #[test]
    fn a_directory_of_the_name_is_not_a_program() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join(QEMU)).unwrap();
        assert_eq!(find_program(&[dir.path().to_path_buf()], QEMU), None);
    }

    #[test]
    fn a_replaced_program_is_another() {
        let dir = tempfile::tempdir().unwrap();
        let path = program(dir.path(), 0o755);
        let before = FileIdentity::of(&path).unwrap();
        assert_eq!(before, FileIdentity::of(&path).unwrap());
        std::fs::write(&path, "#!/bin/true\nmore").unwrap();
        assert_ne!(before, FileIdentity::of(&path).unwrap());
    }
}
