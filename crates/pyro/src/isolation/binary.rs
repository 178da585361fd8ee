//! The programs that run guests: where they are, and how to tell that they changed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::object::VmmKind;
use crate::process::find_program;

/// The name of QEMU's program for guests of this architecture.
pub(crate) const QEMU: &str = "qemu-system-x86_64";

/// The name of Firecracker's program.
pub(crate) const FIRECRACKER: &str = "firecracker";

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

/// The VMMs that are installed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Vmms {
    /// Firecracker, which needs KVM.
    pub(crate) firecracker: Option<VmmBinary>,
    /// QEMU, which does not.
    pub(crate) qemu: Option<VmmBinary>,
}

impl Vmms {
    /// Finds them in the directories, in their order. Runs nothing.
    pub(crate) fn find(search_path: &[PathBuf]) -> Self {
        Self {
            firecracker: VmmBinary::find(VmmKind::Firecracker, search_path),
            qemu: VmmBinary::find(VmmKind::Qemu, search_path),
        }
    }

    /// The one that is preferred where KVM works.
    pub(crate) fn on_kvm(&self) -> Option<&VmmBinary> {
        self.firecracker.as_ref().or(self.qemu.as_ref())
    }
}

impl VmmBinary {
    /// Finds a VMM in the directories, in their order. Runs nothing.
    pub(crate) fn find(kind: VmmKind, search_path: &[PathBuf]) -> Option<Self> {
        let name = match kind {
            VmmKind::Firecracker => FIRECRACKER,
            VmmKind::Qemu => QEMU,
            VmmKind::None => return None,
        };
        let path = find_program(search_path, name)?;
        let identity = FileIdentity::of(&path).ok()?;
        Some(Self { kind, path, identity })
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

    fn find(search_path: &[PathBuf]) -> Option<PathBuf> {
        Vmms::find(search_path).qemu.map(|qemu| qemu.path)
    }

    #[test]
    fn firecracker_comes_before_qemu_on_kvm() {
        let dir = tempfile::tempdir().unwrap();
        let search = [dir.path().to_path_buf()];
        let qemu = program(dir.path(), 0o755);
        assert_eq!(Vmms::find(&search).on_kvm().unwrap().path, qemu);
        let firecracker = dir.path().join(FIRECRACKER);
        std::fs::copy(&qemu, &firecracker).unwrap();
        let found = Vmms::find(&search);
        assert_eq!(found.on_kvm().unwrap().path, firecracker);
        assert_eq!(found.on_kvm().unwrap().kind, VmmKind::Firecracker);
    }

    #[test]
    fn the_first_executable_of_the_name_is_taken() {
        let dirs: [_; 3] = std::array::from_fn(|_| tempfile::tempdir().unwrap());
        let search: Vec<PathBuf> = dirs.iter().map(|dir| dir.path().to_path_buf()).collect();
        assert_eq!(find(&search), None);
        program(dirs[0].path(), 0o644);
        let wanted = program(dirs[1].path(), 0o755);
        program(dirs[2].path(), 0o755);
        assert_eq!(find(&search), Some(wanted));
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
