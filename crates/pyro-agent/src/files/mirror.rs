//! A mirror of the tree in the stage, in which everything is made that is to be put into it.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::LazyLock;

use pyro_proto::file::FileKind;
use pyro_proto::message::{Fault, FaultKind};
use rustix::fs::{AtFlags, Mode, OFlags};
use rustix::io::Errno;

use super::attributes::{Attributes, chown, give};
use super::byte_path;
use super::descent::{Descent, is_absence, open_beneath};
use super::entry::kind;
use super::node;
use super::outlet::failure;
use super::tree::Owner;
use crate::call::fault;

/// The mode of directories that no entry describes.
const DIRECTORY_MODE: u32 = 0o755;

/// The bits of a mode that files of this process are not made with (umask(2)).
static UMASK: LazyLock<u32> = LazyLock::new(|| {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o777)
});

/// The mirror. Nobody else changes anything in it.
#[derive(Debug)]
pub(super) struct Mirror {
    beneath: Descent,
    // Unless whatever the agent makes is the owner's anyway.
    owner: Option<Owner>,
}

impl Mirror {
    /// Begins beneath a directory.
    ///
    /// # Errors
    /// That of duplicating the descriptor.
    pub(super) fn new(top: OwnedFd, owner: Option<Owner>) -> io::Result<Self> {
        let beneath = Descent::new(top)?;
        let owner = owner.filter(|owner| *owner != Owner::of_this_process());
        Ok(Self { beneath, owner })
    }

    /// The directory at a path of the mirror.
    ///
    /// # Errors
    /// As [`Descent::open`].
    pub(super) fn open(&mut self, path: &[u8]) -> Result<BorrowedFd<'_>, Errno> {
        self.beneath.open(path)
    }

    /// Makes an empty file, which is not as it is to be until it is [`complete`](Self::complete).
    ///
    /// # Errors
    /// A [`Fault`] if there is something, or it cannot be made.
    pub(super) fn file(&mut self, path: &[u8], attributes: Attributes) -> Result<File, Fault> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mode = Mode::from_raw_mode(made_with(attributes));
        let parent = self.beneath.open(parent);
        let made = parent.and_then(|at| rustix::fs::openat(at, name, flags, mode));
        made.map(File::from).map_err(|error| unmade(path, error))
    }

    /// Gives a file that was made to its owner, with mode and time.
    ///
    /// # Errors
    /// Those of the system calls.
    pub(super) fn complete(&self, file: &File, attributes: Attributes) -> Result<(), Errno> {
        give(file, self.owner)?;
        // A change of owner takes set-uid away: the mode comes after it.
        if let Some(mode) = attributes.mode.filter(|mode| *mode != made_with(attributes)) {
            rustix::fs::fchmod(file, Mode::from_raw_mode(mode))?;
        }
        attributes
            .times()
            .map_or(Ok(()), |times| rustix::fs::futimens(file, &times))
    }

    /// Makes a directory, unless there is one on the way to an earlier entry.
    ///
    /// # Errors
    /// A [`Fault`] if there is something else, or it cannot be made.
    pub(super) fn directory(&mut self, path: &[u8]) -> Result<(), Fault> {
        match self.make_directory(path) {
            Err(Errno::EXIST) if self.beneath.open(path).is_ok() => Ok(()),
            made => made.map_err(|error| unmade(path, error)),
        }
    }

    /// Makes a symbolic link.
    ///
    /// # Errors
    /// A [`Fault`] if there is something, or it cannot be made.
    pub(super) fn symlink(
        &mut self,
        path: &[u8],
        target: &[u8],
        attributes: Attributes,
    ) -> Result<(), Fault> {
        let made = self.make_symlink(path, target, attributes);
        made.map_err(|error| unmade(path, error))
    }

    /// Gives a file that is in the mirror a further name.
    ///
    /// # Errors
    /// A [`Fault`] if there is no such file, or there is something already.
    pub(super) fn hard_link(&mut self, path: &[u8], target: &[u8]) -> Result<(), Fault> {
        self.link_file(path, target).map_err(|error| match error {
            absence if is_absence(absence) => malformed(&format!(
                "`{}` is to be a name of `{}`, which is no earlier file",
                byte_path::shown(path),
                byte_path::shown(target)
            )),
            error => unmade(path, error),
        })
    }

    /// Makes a directory and those on the way to it, as far as they are missing.
    ///
    /// # Errors
    /// A [`Fault`] if something else is on the way, or one cannot be made.
    pub(super) fn make_missing(&mut self, directory: &[u8]) -> Result<(), Fault> {
        match self.beneath.open(directory) {
            Ok(_) => return Ok(()),
            Err(Errno::NOENT) => {}
            Err(error) => return Err(no_directory(directory, error)),
        }
        for end in byte_path::ends(directory) {
            let path = &directory[..end];
            match self.beneath.open(path) {
                Ok(_) => continue,
                Err(Errno::NOENT) => {}
                Err(error) => return Err(no_directory(path, error)),
            }
            let made = self.make_directory(path);
            made.map_err(|error| failure("stage", path, error))?;
        }
        Ok(())
    }

    /// Whether there is anything at a path.
    ///
    /// # Errors
    /// A [`Fault`] if that cannot be found out.
    pub(super) fn has(&mut self, path: &[u8]) -> Result<bool, Fault> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        match self
            .beneath
            .open(parent)
            .and_then(|parent| node::look(parent, name))
        {
            Ok(stat) => Ok(stat.is_some()),
            Err(error) if is_absence(error) => Ok(false),
            Err(error) => Err(failure("stage", path, error)),
        }
    }

    fn make_directory(&mut self, path: &[u8]) -> Result<(), Errno> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let parent = self.beneath.open(parent)?;
        rustix::fs::mkdirat(parent, name, Mode::RWXU)?;
        chown(parent, name, self.owner)?;
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        rustix::fs::chmodat(parent, name, mode, AtFlags::empty())
    }

    fn make_symlink(&mut self, path: &[u8], target: &[u8], attributes: Attributes) -> Result<(), Errno> {
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        let parent = self.beneath.open(parent)?;
        rustix::fs::symlinkat(target, parent, name)?;
        chown(parent, name, self.owner)?;
        attributes.times().map_or(Ok(()), |times| {
            rustix::fs::utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW)
        })
    }

    fn link_file(&mut self, path: &[u8], target: &[u8]) -> Result<(), Errno> {
        let (from, file) = byte_path::split(target).unwrap_or_default();
        let from = open_beneath(self.beneath.base(), from)?;
        let stat = node::look(from.as_fd(), file)?;
        if stat.is_none_or(|stat| kind(&stat) != FileKind::File) {
            return Err(Errno::NOENT);
        }
        let (parent, name) = byte_path::split(path).unwrap_or_default();
        rustix::fs::linkat(from, file, self.beneath.open(parent)?, name, AtFlags::empty())
    }
}

/// Makes the refusal of what makes no sense.
pub(super) fn malformed(problem: &str) -> Fault {
    fault(FaultKind::InvalidArgument, problem)
}

/// Makes the refusal of a path that has two entries.
pub(super) fn twice(path: &[u8]) -> Fault {
    malformed(&format!("`{}` is put twice", byte_path::shown(path)))
}

/// The mode that a file is made with, from which it can be as it is to be without a change.
fn made_with(attributes: Attributes) -> u32 {
    attributes.mode.unwrap_or(0o600) & 0o777 & !*UMASK
}

fn unmade(path: &[u8], error: Errno) -> Fault {
    match error {
        Errno::EXIST => twice(path),
        error => failure("stage", path, error),
    }
}

fn no_directory(path: &[u8], error: Errno) -> Fault {
    if is_absence(error) {
        let problem = format!(
            "`{}` is put as something else than a directory",
            byte_path::shown(path)
        );
        fault(FaultKind::PathRefused, problem)
    } else {
        failure("stage", path, error)
    }
}
