//! What is being made beside its target, and how it is put in place.

use std::ffi::{OsStr, OsString};
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use rustix::fs::{FileType, RenameFlags, fsync, renameat, renameat_with};
use rustix::io::Errno;

use super::{Output, UnpackError};
use crate::random;
use crate::workspace::remove::remove;

/// How much of the target's name is in that of its draft, in bytes: together with the rest it is a possible name.
const NAME_PART: usize = 200;

/// How often the target may come and go between two looks at it.
const ATTEMPTS: usize = 8;

/// Something hidden beside the target, which goes when this is dropped.
#[derive(Debug)]
pub(super) struct Draft {
    output: Output,
    name: OsString,
    /// Whether there is something with the name, and it is this process's.
    is_made: bool,
    /// What host tools would run of it, if that must not replace anything.
    autorun: Option<&'static str>,
}

impl Draft {
    /// Chooses a name; nothing is made yet.
    pub(super) fn new(output: Output) -> Self {
        let name = beside(output.name());
        Self {
            output,
            name,
            is_made: false,
            autorun: None,
        }
    }

    /// Notes that something of this name is in it, relative to it.
    ///
    /// # Errors
    /// [`UnpackError::Autorun`] if host tools would run that where something is already.
    pub(super) fn note(&mut self, path: &[u8]) -> Result<(), UnpackError> {
        if self.autorun.is_none()
            && let Some(name) = self.output.autorun_in(path)
        {
            if self.output.file_type()?.is_some() {
                return Err(UnpackError::autorun(self.output.path(), name));
            }
            self.autorun = Some(name);
        }
        Ok(())
    }

    /// Where it goes.
    pub(super) fn output(&self) -> &Output {
        &self.output
    }

    /// The directory that it is made in.
    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        self.output.parent()
    }

    /// The name that it is made under.
    pub(super) fn name(&self) -> &OsStr {
        &self.name
    }

    /// Makes it, by something that fails if there already is something with the name.
    pub(super) fn make<T>(
        &mut self,
        make: impl FnOnce(BorrowedFd<'_>, &OsStr) -> Result<T, Errno>,
    ) -> Result<T, UnpackError> {
        let made = make(self.output.parent(), &self.name).map_err(self.io("create"))?;
        self.is_made = true;
        Ok(made)
    }

    /// Puts it in place, in one step, and syncs the directory. Returns what went not quite right after that.
    ///
    /// # Errors
    /// [`UnpackError::Exists`] if the target is there and not to be replaced, or the refusal of the system. What was
    /// there is then whole, and the draft is gone.
    pub(super) fn publish(mut self) -> Result<Vec<String>, UnpackError> {
        let old = if let Some(name) = self.autorun {
            self.place().map_err(|error| match error {
                UnpackError::Exists { path } => UnpackError::autorun(&path, name),
                error => error,
            })?;
            None
        } else if self.output.force() {
            self.output.check_replaced()?;
            self.replace()?
        } else {
            self.place()?;
            None
        };
        self.is_made = false;
        let mut warnings = Vec::new();
        if let Err(error) = fsync(self.parent()) {
            let path = self.output.path().display();
            warnings.push(format!("the directory of `{path}` cannot be synced: {error}"));
        }
        if let Some(old) = old
            && let Err(error) = remove(self.parent(), &*old)
        {
            let old = self.output.path().with_file_name(old);
            warnings.push(format!(
                "what was replaced is still there as `{}`: {error}",
                old.display()
            ));
        }
        Ok(warnings)
    }

    /// Puts it where nothing is.
    fn place(&self) -> Result<(), UnpackError> {
        let (parent, target) = (self.parent(), self.output.name());
        match renameat_with(parent, &self.name, parent, target, RenameFlags::NOREPLACE) {
            Ok(()) => Ok(()),
            Err(Errno::EXIST) => Err(self.output.exists()),
            Err(error) if is_unknown(error) => self.place_after_look(),
            Err(error) => Err(self.io("create")(error)),
        }
    }

    /// As [`place`](Self::place), on a file system that cannot look and rename in one step.
    fn place_after_look(&self) -> Result<(), UnpackError> {
        if self.output.file_type()?.is_some() {
            return Err(self.output.exists());
        }
        self.rename(&self.name, self.output.name())
    }

    /// Puts it where something may be. Returns the name that this has now.
    fn replace(&self) -> Result<Option<OsString>, UnpackError> {
        let (parent, target) = (self.parent(), self.output.name());
        for _ in 0..ATTEMPTS {
            match renameat_with(parent, &self.name, parent, target, RenameFlags::EXCHANGE) {
                Ok(()) => return Ok(Some(self.name.clone())),
                Err(Errno::NOENT) => {}
                Err(error) if is_unknown(error) => return self.replace_in_steps(),
                Err(error) => return Err(self.io("replace")(error)),
            }
            match self.place() {
                Err(UnpackError::Exists { .. }) => {}
                placed => return placed.map(|()| None),
            }
        }
        Err(self.io("replace")(Errno::BUSY))
    }

    /// As [`replace`](Self::replace), on a file system that cannot exchange two names.
    fn replace_in_steps(&self) -> Result<Option<OsString>, UnpackError> {
        let (draft, target) = (self.name.as_os_str(), self.output.name());
        let is_directory = |kind| kind == Some(FileType::Directory);
        let old = self.output.file_type()?;
        if old.is_none() || (!is_directory(old) && !is_directory(self.file_type()?)) {
            return self.rename(draft, target).map(|()| None);
        }
        let aside = beside(target);
        self.rename(target, &aside)?;
        if let Err(error) = self.rename(draft, target) {
            if let Err(error) = self.rename(&aside, target) {
                let aside = self.output.path().with_file_name(&aside);
                tracing::error!(%error, "what was to be replaced is now `{}`", aside.display());
            }
            return Err(error);
        }
        Ok(Some(aside))
    }

    fn file_type(&self) -> Result<Option<FileType>, UnpackError> {
        let status = rustix::fs::statat(self.parent(), &self.name, rustix::fs::AtFlags::SYMLINK_NOFOLLOW);
        let status = status.map_err(self.io("look for"))?;
        Ok(Some(FileType::from_raw_mode(status.st_mode)))
    }

    fn rename(&self, from: &OsStr, to: &OsStr) -> Result<(), UnpackError> {
        renameat(self.parent(), from, self.parent(), to).map_err(self.io("replace"))
    }

    /// Makes an error of an operation on the draft.
    pub(super) fn io(&self, action: &'static str) -> impl FnOnce(Errno) -> UnpackError + use<> {
        UnpackError::io(action, self.output.path())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.is_made {
            return;
        }
        if let Err(error) = remove(self.parent(), &*self.name) {
            let path = self.output.path().with_file_name(&self.name);
            tracing::warn!(%error, "`{}` is not removed", path.display());
        }
    }
}

/// A hidden name beside another, that nothing has.
fn beside(name: &OsStr) -> OsString {
    let name = name.as_bytes();
    let part = &name[..name.len().min(NAME_PART)];
    let random = random::hex::<4>();
    OsString::from_vec([b".", part, b".pyro-", random.as_bytes()].concat())
}

/// Whether the file system knows no such way to rename.
fn is_unknown(error: Errno) -> bool {
    matches!(error, Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use rustix::fs::{Mode, OFlags, mkdirat, openat};

    use super::*;

    fn draft(target: &Path, force: bool, is_directory: bool) -> Draft {
        let mut draft = Draft::new(Output::open(target, force).unwrap());
        let made = if is_directory {
            draft.make(|parent, name| mkdirat(parent, name, Mode::RWXU))
        } else {
            let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY;
            draft.make(|parent, name| openat(parent, name, flags, Mode::RUSR).map(drop))
        };
        made.unwrap();
        draft
    }

    /// Every kind of draft over every kind of target.
    fn over_each(replace: impl Fn(Draft) -> Result<Vec<String>, UnpackError>) {
        for (old_is_directory, new_is_directory) in
            [(false, false), (false, true), (true, false), (true, true)]
        {
            let dir = tempfile::tempdir().unwrap();
            let target = dir.path().join("target");
            if old_is_directory {
                fs::create_dir_all(target.join("below")).unwrap();
            } else {
                fs::write(&target, "old").unwrap();
            }
            assert_eq!(
                replace(draft(&target, true, new_is_directory)).unwrap(),
                <[String; 0]>::default()
            );
            assert_eq!(target.is_dir(), new_is_directory);
            assert!(!target.join("below").exists());
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        }
    }

    #[test]
    fn a_target_of_any_kind_is_replaced_in_one_step() {
        over_each(Draft::publish);
    }

    #[test]
    fn a_file_system_that_cannot_exchange_is_no_hindrance() {
        over_each(|mut draft| {
            let old = draft.replace_in_steps()?;
            draft.is_made = false;
            if let Some(old) = old {
                remove(draft.parent(), &*old).unwrap();
            }
            Ok(Vec::new())
        });
    }

    #[test]
    fn a_target_that_came_meanwhile_is_whole_and_nothing_else_remains() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        for in_one_step in [true, false] {
            let draft = draft(&target, false, true);
            fs::write(&target, "old").unwrap();
            let error = if in_one_step {
                draft.publish().unwrap_err()
            } else {
                draft.place_after_look().unwrap_err()
            };
            assert!(matches!(error, UnpackError::Exists { .. }), "{error}");
            if in_one_step {
                assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
            }
            assert_eq!(fs::read(&target).unwrap(), b"old");
            fs::remove_file(&target).unwrap();
        }
    }

    #[test]
    fn with_force_nothing_needs_to_be_there() {
        let dir = tempfile::tempdir().unwrap();
        draft(&dir.path().join("target"), true, false).publish().unwrap();
        assert!(dir.path().join("target").is_file());
    }

    #[test]
    fn a_draft_that_is_dropped_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        drop(draft(&dir.path().join("target"), false, true));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn the_longest_name_has_a_name_beside_it() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("n".repeat(255));
        draft(&target, false, false).publish().unwrap();
        assert!(target.exists());
    }

    #[test]
    fn a_target_that_is_there_is_told_at_once_also_a_dangling_link() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        std::os::unix::fs::symlink("nowhere", &target).unwrap();
        let error = Output::open(&target, false).unwrap_err();
        assert!(matches!(error, UnpackError::Exists { .. }), "{error}");
        let error = Output::open(&dir.path().join("no/such"), false).unwrap_err();
        assert!(matches!(error, UnpackError::NoParent { .. }), "{error}");
        for given in ["", ".", "..", "/", "a/.."] {
            let error = Output::open(Path::new(given), true).unwrap_err();
            assert!(matches!(error, UnpackError::NoName { .. }), "{given}: {error}");
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("target");
        fs::write(dir.path().join("other"), "other").unwrap();
        std::os::unix::fs::symlink("other", &target).unwrap();
        draft(&target, true, false).publish().unwrap();
        assert_eq!(fs::read(dir.path().join("other")).unwrap(), b"other");
        assert!(!target.is_symlink());
    }
}
