//! The directories in which the workspace's tree is kept.

use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use tokio::sync::RwLock;

/// The tree of the workspace, and what it is made of.
///
/// ```text
///  /ws/tree                the live tree, which commands see as /workspace   ┐ one overlay: a rename goes
///  /ws/stage               what is to be put into it; commands do not see it ┘ from one to the other
///  /seed/tree              the baseline, never changed; an empty directory without a seed
///  /disk/ws/upper/tree     what differs from it
///  /disk/ws                the journal of what is being put in place
/// ```
///
/// Without a machine they are plain directories of one file system, and nothing tells what differs but a look at both trees.
#[derive(Debug)]
pub(crate) struct Tree {
    /// The live tree.
    pub(super) root: OwnedFd,
    /// Where files are made before they are put into it by a rename.
    pub(super) stage: OwnedFd,
    /// The tree as it was.
    pub(super) old: OwnedFd,
    /// The upper layer of the live tree, if it is an overlay's.
    pub(super) upper: Option<OwnedFd>,
    /// Where the journal is.
    pub(super) state: OwnedFd,
    /// To whom belongs what is written; nobody is the agent's own user.
    pub(super) owner: Option<Owner>,
    /// The path by which commands know it, if that is not the usual one.
    pub(super) path: Option<PathBuf>,
    /// Held to write by whoever puts several files in place, to read by whoever wants to see none of it or all.
    pub(super) lock: RwLock<()>,
}

/// To whom a file belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Owner {
    /// The user.
    pub(crate) uid: u32,
    /// The group.
    pub(crate) gid: u32,
}

impl Owner {
    /// Whose everything is that this process makes.
    pub(crate) fn of_this_process() -> Self {
        Self {
            uid: rustix::process::geteuid().as_raw(),
            gid: rustix::process::getegid().as_raw(),
        }
    }
}

impl Tree {
    /// Opens the directories, which exist.
    ///
    /// # Errors
    /// That of the first one that cannot be opened.
    pub(crate) fn open(places: Places<'_>, owner: Option<Owner>) -> io::Result<Self> {
        Ok(Self {
            root: open_directory(places.root)?,
            stage: open_directory(places.stage)?,
            old: open_directory(places.old)?,
            upper: places.upper.map(open_directory).transpose()?,
            state: open_directory(places.state)?,
            owner,
            path: None,
            lock: RwLock::new(()),
        })
    }

    /// The same, of which commands know the live tree by this path.
    pub(crate) fn known_as(self, path: &Path) -> Self {
        let path = Some(path.to_owned());
        Self { path, ..self }
    }

    /// Plain directories of these names beneath `directory`, made where missing, of whoever runs the test. Nothing makes
    /// `upper` follow `tree`.
    #[cfg(test)]
    pub(super) fn of_dirs(directory: &Path) -> Self {
        let place = |name: &str| {
            let path = directory.join(name);
            std::fs::create_dir_all(&path).expect("a directory can be made");
            path
        };
        let places = Places {
            root: &place("tree"),
            stage: &place("stage"),
            old: &place("old"),
            upper: Some(&place("upper")),
            state: &place("state"),
        };
        Self::open(places, Some(Owner::of_this_process())).expect("the directories can be opened")
    }
}

/// Where the directories of a [`Tree`] are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Places<'a> {
    /// The live tree.
    pub(crate) root: &'a Path,
    /// Where files are made before they are put into it.
    pub(crate) stage: &'a Path,
    /// The tree as it was.
    pub(crate) old: &'a Path,
    /// The upper layer of the live tree, if it is an overlay's.
    pub(crate) upper: Option<&'a Path>,
    /// Where the journal is.
    pub(crate) state: &'a Path,
}

fn open_directory(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(Into::into)
}
