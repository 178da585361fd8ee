//! The entries of a planned seed with their contents.

use std::sync::atomic::{AtomicBool, Ordering};

use super::archive::ArchiveContents;
use super::directory::{DirectoryContents, Wanted};
use super::names::{Name, Names};
use super::plan::Origin;
use super::warning::Warnings;
use super::{SeedEntry, SeedError, SeedKind, SeedPlan};
use crate::tree::Node;

/// Delivers the entries of a seed, one after the other: the root, then directories, links and empty files, a directory
/// before what is in it, then files with content, then hard links.
///
/// The contents of a file may be passed over, which costs nothing for a directory. They have exactly the length that
/// the entry states: of a file that has grown since it was planned the first bytes are read, which [`Self::warnings`]
/// then names; one that has shrunk or gone is an error.
#[derive(Debug)]
pub struct SeedReader<'a> {
    plan: &'a SeedPlan,
    cancel: &'a AtomicBool,
    names: Names<'a>,
    next: usize,
    source: Source<'a>,
    /// Whether the content of the current entry is being read.
    is_open: bool,
    warnings: Warnings,
}

/// Where contents come from.
#[derive(Debug)]
enum Source<'a> {
    Directory(DirectoryContents<'a>),
    /// Opened when the first content is asked for.
    Archive(Option<ArchiveContents<'a>>),
}

impl<'a> SeedReader<'a> {
    pub(super) fn new(plan: &'a SeedPlan, cancel: &'a AtomicBool) -> Self {
        Self {
            plan,
            cancel,
            names: Names::of(&plan.tree, plan.top),
            next: 0,
            source: match &plan.origin {
                Origin::Directory(root) => Source::Directory(DirectoryContents::of(root)),
                Origin::Archive(_) => Source::Archive(None),
            },
            is_open: false,
            warnings: Warnings::default(),
        }
    }

    /// Goes to the next entry; `None` after the last.
    pub fn next_entry(&mut self) -> Option<SeedEntry> {
        let name = *self.names.ordered.get(self.next)?;
        self.next += 1;
        self.is_open = false;
        let inode = self.plan.tree.inode(name.inode);
        let kind = match &inode.node {
            _ if name.first.is_some() => SeedKind::HardLink {
                target: self.names.path(name.first),
            },
            Node::Directory(_) => SeedKind::Directory,
            Node::File { size, .. } => SeedKind::File { size: *size },
            Node::Symlink { target } => SeedKind::Symlink {
                target: target.to_vec(),
            },
            Node::Device { .. } | Node::Fifo => unreachable!("no source drafts these"),
        };
        Some(SeedEntry {
            path: self.names.path(name.place),
            kind,
            mode: inode.metadata.mode.into(),
            modified: inode.metadata.mtime,
        })
    }

    /// Reads some content of the current entry into `buffer`; zero at its end, and for all that is no file with
    /// content under its first name.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or is no longer what was planned.
    pub fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SeedError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SeedError::Cancelled);
        }
        if !self.is_open {
            let current = self.next.checked_sub(1).map(|at| self.names.ordered[at]);
            let Some((name, size)) = current.and_then(|name| Some((name, self.content_len(name)?))) else {
                return Ok(0);
            };
            self.open(name, size)?;
            self.is_open = true;
        }
        match &mut self.source {
            Source::Directory(contents) => contents.read(buffer, &mut self.warnings),
            Source::Archive(Some(contents)) => contents.read(buffer),
            Source::Archive(None) => Ok(0),
        }
    }

    /// What went not quite right while contents were read.
    pub fn warnings(&self) -> Vec<String> {
        self.warnings.list()
    }

    /// The length of a content that is delivered under this name, in bytes.
    fn content_len(&self, name: Name<'_>) -> Option<u64> {
        match self.plan.tree.inode(name.inode).node {
            Node::File { size, .. } if size > 0 && name.first.is_none() => Some(size),
            Node::File { .. }
            | Node::Directory(_)
            | Node::Symlink { .. }
            | Node::Device { .. }
            | Node::Fifo => None,
        }
    }

    fn open(&mut self, name: Name<'_>, size: u64) -> Result<(), SeedError> {
        let inode = self.plan.tree.inode(name.inode);
        match (&mut self.source, &self.plan.origin, &inode.node) {
            (Source::Directory(contents), _, _) => contents.open(Wanted {
                parent: name.place.map(|place| place.parent),
                path: self.names.path(name.place),
                size,
                modified: inode.metadata.mtime,
            }),
            (Source::Archive(contents), Origin::Archive(archive), Node::File { content, .. }) => {
                let contents = match contents {
                    Some(contents) => contents,
                    None => contents.insert(archive.contents(self.cancel)?),
                };
                contents.seek(*content, size)
            }
            _ => Ok(()),
        }
    }
}
