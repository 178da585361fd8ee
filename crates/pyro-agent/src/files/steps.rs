//! The steps by which everything that is staged is put into the tree, and by which that is undone.
//!
//! Each can be undone by what is found where, whether it was done, half done or undone before. `new` and `old` are those
//! of the stage; `old/N` belongs to the step of that number.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, RenameFlags};
use rustix::io::Errno;

use super::access;
use super::attributes::{Attributes, set};
use super::byte_path;
use super::descent::{Descent, is_absence};
use super::relief;

/// How a path of the tree is changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// What is staged is put where nothing is.
    Place,
    /// What is staged takes the place of a file at once; neither is a directory.
    Replace,
    /// What is there goes away, then what is staged is put there; one of them is a directory.
    Swap,
    /// What is there goes away.
    Remove,
}

/// A change of one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Step {
    /// How it is changed.
    pub(super) action: Action,
    /// The path in the tree, and beneath `new`.
    pub(super) path: Vec<u8>,
}

/// A directory of the tree in which something is changed, or its mode or time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Changed {
    /// The path.
    pub(super) path: Vec<u8>,
    /// What it had before.
    pub(super) before: Attributes,
    /// What it is to have.
    pub(super) after: Attributes,
}

/// All that is to be done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Work {
    /// In this order.
    pub(super) steps: Vec<Step>,
    /// After the steps.
    pub(super) directories: Vec<Changed>,
}

/// Where it is done.
#[derive(Debug)]
pub(super) struct Ground {
    /// The tree.
    pub(super) live: Descent,
    /// What is staged.
    pub(super) new: Descent,
    /// What it takes the place of.
    pub(super) old: OwnedFd,
}

/// Called before each system call that changes the tree; an error stops there.
pub(super) type Guard<'a> = &'a mut dyn FnMut(Option<&Step>) -> io::Result<()>;

impl Work {
    /// Does it, from the first step on.
    ///
    /// # Errors
    /// That of the call that failed. What was done until then is still done.
    pub(super) fn run(&self, ground: &mut Ground, guard: Guard<'_>) -> io::Result<()> {
        for (number, step) in self.steps.iter().enumerate() {
            guard(Some(step))?;
            relief::touched();
            step.run(number, ground, guard)?;
        }
        for directory in &self.directories {
            guard(None)?;
            let open = ground.live.open(&directory.path)?;
            set(open, directory.after)?;
        }
        Ok(())
    }

    /// Undoes what was done of it.
    ///
    /// # Errors
    /// The first failure of the disk; all that can be undone is. What a command has made of the tree meanwhile may be in
    /// the way of a step, which is then left as it is.
    pub(super) fn undo(&self, ground: &mut Ground, guard: Guard<'_>) -> io::Result<()> {
        let mut outcome = Ok(());
        for (number, step) in self.steps.iter().enumerate().rev() {
            guard(Some(step))?;
            relief::touched();
            let undone = tolerate(step.undo(number, ground));
            outcome = outcome.and(undone);
        }
        for directory in &self.directories {
            guard(None)?;
            let open = ground.live.open(&directory.path);
            let undone = tolerate(open.and_then(|open| set(open, directory.before)));
            outcome = outcome.and(undone);
        }
        outcome
    }
}

impl Step {
    fn run(&self, number: usize, ground: &mut Ground, guard: Guard<'_>) -> io::Result<()> {
        match self.action {
            Action::Place => Ok(self.place(ground)?),
            Action::Replace => self.replace(number, ground, guard),
            Action::Swap => {
                self.take_away(number, ground)?;
                guard(None)?;
                Ok(self.place(ground)?)
            }
            Action::Remove => Ok(self.take_away(number, ground)?),
        }
    }

    fn undo(&self, number: usize, ground: &mut Ground) -> Result<(), Errno> {
        match self.action {
            Action::Place => self.take_back(ground),
            // If it was not replaced, both are names of one file, and nothing happens.
            Action::Replace => self.bring_back(number, ground, RenameFlags::empty()),
            Action::Swap => {
                self.take_back(ground)?;
                self.bring_back(number, ground, RenameFlags::NOREPLACE)
            }
            Action::Remove => self.bring_back(number, ground, RenameFlags::NOREPLACE),
        }
    }

    fn parts(&self) -> (&[u8], &[u8]) {
        byte_path::split(&self.path).unwrap_or_default()
    }

    /// From `new` to the tree.
    fn place(&self, ground: &mut Ground) -> Result<(), Errno> {
        let (parent, name) = self.parts();
        let (new, live) = (ground.new.open(parent)?, ground.live.open(parent)?);
        access::rename((new, name), (live, name), RenameFlags::NOREPLACE)
    }

    /// Keeps what is there by another name, and puts what is staged over it.
    fn replace(&self, number: usize, ground: &mut Ground, guard: Guard<'_>) -> io::Result<()> {
        let (parent, name) = self.parts();
        let live = ground.live.open(parent)?;
        match rustix::fs::linkat(live, name, &ground.old, old_name(number), AtFlags::empty()) {
            // It has all the names that a file can have.
            Err(Errno::MLINK) => {
                let old = old_name(number);
                access::rename(
                    (live, name),
                    (ground.old.as_fd(), old.as_bytes()),
                    RenameFlags::empty(),
                )?;
            }
            linked => linked?,
        }
        guard(None)?;
        access::rename(
            (ground.new.open(parent)?, name),
            (live, name),
            RenameFlags::empty(),
        )
        .map_err(Into::into)
    }

    /// From the tree to `old`; that nothing is there is as good.
    fn take_away(&self, number: usize, ground: &mut Ground) -> Result<(), Errno> {
        let (parent, name) = self.parts();
        let live = ground.live.open(parent)?;
        let old = old_name(number);
        match access::rename(
            (live, name),
            (ground.old.as_fd(), old.as_bytes()),
            RenameFlags::empty(),
        ) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// From the tree to `new`, if it is not there.
    fn take_back(&self, ground: &mut Ground) -> Result<(), Errno> {
        let (parent, name) = self.parts();
        let (new, live) = (ground.new.open(parent)?, ground.live.open(parent)?);
        match access::rename((live, name), (new, name), RenameFlags::NOREPLACE) {
            // It was not placed, or is taken back.
            Err(Errno::EXIST | Errno::NOENT) => Ok(()),
            moved => moved,
        }
    }

    /// From `old` to the tree, if it is there.
    fn bring_back(&self, number: usize, ground: &mut Ground, flags: RenameFlags) -> Result<(), Errno> {
        let (parent, name) = self.parts();
        let live = ground.live.open(parent)?;
        let old = old_name(number);
        access::rename((ground.old.as_fd(), old.as_bytes()), (live, name), flags)
    }
}

fn old_name(number: usize) -> String {
    number.to_string()
}

/// Lets pass what says only that there is nothing to undo, or that a command is in the way.
fn tolerate(undone: Result<(), Errno>) -> io::Result<()> {
    match undone {
        Ok(()) | Err(Errno::EXIST | Errno::ISDIR | Errno::NOTEMPTY | Errno::INVAL | Errno::PERM) => Ok(()),
        Err(error) if is_absence(error) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
