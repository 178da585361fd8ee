//! The directory of a workspace without a VM, and how a reset replaces it.
//!
//! A reset sets the directory aside as `host.old`, and has the agent begin in a new one. While `host.old` is there, it is
//! what counts; a rename to `host.gone` ends that in one step. So whoever finds what a killed process left has the
//! directory of before or the one of after.

use std::fs::{DirBuilder, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::workspace::{HOST, WorkspaceError, remove_tree};

/// The directory that a reset set aside, until the one in its place is good.
const OLD: &str = "host.old";

/// What is to be removed.
const GONE: &str = "host.gone";

/// The directory of the agent, in a workspace's directory. What is done with it may take as long as it takes to remove all
/// that is in one.
#[derive(Debug)]
pub(super) struct HostDirectory {
    workspace: PathBuf,
}

impl HostDirectory {
    pub(super) fn of(workspace: &Path) -> Self {
        let workspace = workspace.to_owned();
        Self { workspace }
    }

    /// Its path.
    pub(super) fn path(&self) -> PathBuf {
        self.workspace.join(HOST)
    }

    /// Makes it if it is not there, after a reset that nobody finished is undone. To be called while no agent has it.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(super) fn settle(&self) -> Result<(), WorkspaceError> {
        self.take_back()?;
        match self.make() {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            made => made.map_err(|source| self.error("create", source)),
        }
    }

    /// Sets it aside and makes an empty one. To be called while no agent has it.
    ///
    /// # Errors
    /// If the file system refuses; it is as it was then.
    pub(super) fn begin_anew(&self) -> Result<(), WorkspaceError> {
        self.settle()?;
        self.rename(HOST, OLD)?;
        if let Err(source) = self.make() {
            self.rename(OLD, HOST)?;
            return Err(self.error("create", source));
        }
        Ok(())
    }

    /// Keeps the one that was begun anew, for good, and removes the other.
    ///
    /// # Errors
    /// If the file system refuses; nothing has changed then.
    pub(super) fn keep(&self) -> Result<(), WorkspaceError> {
        self.remove_gone();
        let renamed = std::fs::rename(self.workspace.join(OLD), self.workspace.join(GONE));
        renamed.map_err(|source| self.error("replace", source))?;
        // It counts from here on; that it is not durable yet takes nothing of that back.
        if let Err(error) = self.sync() {
            tracing::warn!(%error, "a reset may not outlive the host");
        }
        self.remove_gone();
        Ok(())
    }

    /// Puts the one that was set aside in the place of what was begun, unless that is kept. To be called while no agent has
    /// that.
    ///
    /// # Errors
    /// If the file system refuses; [`Self::settle`] comes to the same end later.
    pub(super) fn take_back(&self) -> Result<(), WorkspaceError> {
        self.remove_gone();
        if !self.exists(OLD)? {
            return Ok(());
        }
        if self.exists(HOST)? {
            self.rename(HOST, GONE)?;
        }
        self.rename(OLD, HOST)?;
        self.remove_gone();
        Ok(())
    }

    /// Removes what has no use any more.
    fn remove_gone(&self) {
        // What is left of it is a matter of the next time.
        if let Err(error) = remove_tree(&self.workspace.join(GONE)) {
            tracing::warn!(%error, "what a reset replaced was not removed");
        }
    }

    fn make(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(self.path())
    }

    fn exists(&self, name: &str) -> Result<bool, WorkspaceError> {
        match self.workspace.join(name).symlink_metadata() {
            Ok(_) => Ok(true),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
            Err(source) => Err(self.error("look for", source)),
        }
    }

    /// Durable when it returns.
    fn rename(&self, from: &str, to: &str) -> Result<(), WorkspaceError> {
        let renamed =
            std::fs::rename(self.workspace.join(from), self.workspace.join(to)).and_then(|()| self.sync());
        renamed.map_err(|source| self.error("replace", source))
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.workspace)?.sync_all()
    }

    fn error(&self, action: &'static str, source: io::Error) -> WorkspaceError {
        let path = self.path();
        WorkspaceError::Io { action, path, source }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn write(dir: &Path, name: &str, content: &str) {
        fs::create_dir_all(dir.join(name)).unwrap();
        fs::write(dir.join(name).join("file"), content).unwrap();
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_reset_that_was_cut_short_is_before_or_after_and_never_neither() {
        // What is there at the moment of the cut, and whether the old directory counts then.
        for (there, is_old) in [
            (&[OLD][..], true),
            (&[OLD, HOST], true),
            (&[OLD, HOST, GONE], true),
            (&[OLD, GONE], true),
            (&[HOST], false),
            (&[HOST, GONE], false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            for name in there {
                write(dir.path(), name, name);
            }
            HostDirectory::of(dir.path()).settle().unwrap();
            assert_eq!(names(dir.path()), [HOST], "{there:?}");
            let expected = if is_old { OLD } else { HOST };
            let found = fs::read_to_string(dir.path().join(HOST).join("file")).unwrap();
            assert_eq!(found, expected, "{there:?}");
        }
    }

    #[test]
    fn what_was_begun_anew_is_kept_or_taken_back() {
        for is_kept in [true, false] {
            let dir = tempfile::tempdir().unwrap();
            write(dir.path(), HOST, "old");
            let host = HostDirectory::of(dir.path());
            host.begin_anew().unwrap();
            assert!(names(&host.path()).is_empty());
            write(dir.path(), HOST, "new");
            if is_kept {
                host.keep().unwrap();
            } else {
                host.take_back().unwrap();
            }
            host.settle().unwrap();
            let expected = if is_kept { "new" } else { "old" };
            assert_eq!(fs::read_to_string(host.path().join("file")).unwrap(), expected);
            assert_eq!(names(dir.path()), [HOST]);
        }
    }

    #[test]
    fn the_first_directory_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let host = HostDirectory::of(dir.path());
        host.settle().unwrap();
        let mode = fs::metadata(host.path()).unwrap().permissions();
        assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode) & 0o777, 0o700);
    }
}
