//! The directories in which the workspace's tree is kept.

use std::os::fd::OwnedFd;

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
#[derive(Debug)]
pub(crate) struct Tree {
    /// The live tree.
    pub(super) root: OwnedFd,
    /// Where files are made before they are put into it by a rename.
    pub(super) stage: OwnedFd,
    /// The tree as it was.
    pub(super) old: OwnedFd,
    /// The upper layer of the live tree.
    pub(super) upper: OwnedFd,
    /// Where the journal is.
    pub(super) state: OwnedFd,
    /// To whom belongs what is written.
    pub(super) owner: Owner,
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
