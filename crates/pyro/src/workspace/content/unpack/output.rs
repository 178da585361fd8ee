//! Where something goes on the host.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, openat, statat};
use rustix::io::Errno;

use super::UnpackError;
use super::guard::{ExportGuard, autorun};

/// A target: a name in a directory that is there and was opened.
///
/// Whatever becomes of the directory's path meanwhile, the target stays in the directory that was opened.
#[derive(Debug)]
pub(in crate::workspace) struct Output {
    parent: OwnedFd,
    name: OsString,
    path: PathBuf,
    force: bool,
    /// Whether it may bring what host tools run by themselves only where nothing is.
    spares_autorun: bool,
}

impl Output {
    /// Finds a target. Links in the path of its directory are followed; the target itself may be a link, which is then
    /// what is meant.
    ///
    /// # Errors
    /// [`UnpackError`] if its directory is not there or cannot be read, or if it is there itself and not to be
    /// replaced (`force`).
    pub(in crate::workspace) fn open(given: &Path, force: bool) -> Result<Self, UnpackError> {
        let no_name = || UnpackError::NoName {
            path: given.to_path_buf(),
        };
        let name = given.file_name().ok_or_else(no_name)?.to_owned();
        let above = match given.parent() {
            Some(above) if !above.as_os_str().is_empty() => above,
            _ => Path::new("."),
        };
        let above = std::path::absolute(above).map_err(UnpackError::io("find", above))?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let parent = openat(CWD, &above, flags, Mode::empty()).map_err(|error| match error {
            Errno::NOENT => UnpackError::NoParent { path: above.clone() },
            error => UnpackError::io("open", &above)(error),
        })?;
        let output = Self {
            parent,
            path: above.join(&name),
            name,
            force,
            spares_autorun: false,
        };
        if !force && output.file_type()?.is_some() {
            return Err(output.exists());
        }
        Ok(output)
    }

    /// As [`open`](Self::open), if a guard lets the target through, which is asked first.
    ///
    /// # Errors
    /// As [`open`](Self::open), and [`UnpackError::Outside`], [`UnpackError::Autorun`].
    pub(in crate::workspace) fn open_guarded(
        given: &Path,
        force: bool,
        guard: &ExportGuard,
    ) -> Result<Self, UnpackError> {
        let output = Self::open(given, true)?.guarded(guard)?;
        if !force && output.file_type()?.is_some() {
            return Err(output.exists());
        }
        Ok(Self { force, ..output })
    }

    fn guarded(self, guard: &ExportGuard) -> Result<Self, UnpackError> {
        // Where the directory is that was opened, whatever its path leads to by now.
        let opened = format!("/proc/self/fd/{}", self.parent.as_raw_fd());
        let directory = std::fs::read_link(opened).map_err(UnpackError::io("find", &self.path))?;
        guard.check(&directory, &self.path)?;
        Ok(Self {
            spares_autorun: !guard.allow_autorun,
            ..self
        })
    }

    /// What host tools would run of an entry, if that must be told apart.
    pub(super) fn autorun_in(&self, path: &[u8]) -> Option<&'static str> {
        self.spares_autorun
            .then(|| autorun(Path::new(OsStr::from_bytes(path))))
            .flatten()
    }

    /// Checks that nothing is replaced that host tools run by themselves: a checkout, for one.
    ///
    /// # Errors
    /// [`UnpackError::Autorun`].
    pub(super) fn check_replaced(&self) -> Result<(), UnpackError> {
        if !self.spares_autorun || self.file_type()? != Some(FileType::Directory) {
            return Ok(());
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let entries = openat(&self.parent, &self.name, flags, Mode::empty()).and_then(Dir::new);
        for entry in entries.map_err(UnpackError::io("read", &self.path))? {
            let entry = entry.map_err(UnpackError::io("read", &self.path))?;
            if let Some(name) = self.autorun_in(entry.file_name().to_bytes()) {
                return Err(UnpackError::autorun(&self.path, name));
            }
        }
        Ok(())
    }

    /// The target's path, absolute.
    pub(in crate::workspace) fn path(&self) -> &Path {
        &self.path
    }

    /// The directory that it is in.
    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    /// Its name there.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Whether what is there is to be replaced.
    pub(super) fn force(&self) -> bool {
        self.force
    }

    /// What is there now.
    pub(super) fn file_type(&self) -> Result<Option<FileType>, UnpackError> {
        match statat(&self.parent, &self.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(status) => Ok(Some(FileType::from_raw_mode(status.st_mode))),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(UnpackError::io("look for", &self.path)(error)),
        }
    }

    /// The refusal to replace it.
    pub(super) fn exists(&self) -> UnpackError {
        UnpackError::Exists {
            path: self.path.clone(),
        }
    }
}
