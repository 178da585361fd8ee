//! A tar as the source of a seed.

use std::collections::HashSet;
use std::fs::{self, Metadata as FileMetadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::draft::{Draft, metadata};
use super::warning::shown;
use super::{ArchiveFault, SeedError, SkipReason};
use crate::layer::{Entry, EntryKind, Hashing, LayerError, LayerReader, Metadata, Monitor};
use crate::tree::{ContentId, InodeId, Node, Tree, components};

/// How long the target of a symbolic link may be, in bytes (`PATH_MAX` without the zero byte at its end).
const SYMLINK_MAX: usize = 4095;
const SYMLINK_MODE: u16 = 0o777;

/// An archive that was planned.
#[derive(Debug)]
pub(super) struct Archive {
    path: PathBuf,
    stamp: Stamp,
    /// How many bytes may come out of it, and what the caller asked for instead.
    allowance: u64,
    content_limit: u64,
}

/// By what a file is recognised as unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
}

impl Stamp {
    fn of(metadata: &FileMetadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// Reads an archive to its end and drafts what it holds.
pub(super) fn scan(path: &Path, draft: &mut Draft<'_>) -> Result<Archive, SeedError> {
    let archive = Archive {
        path: path.to_path_buf(),
        stamp: Stamp::of(&archive_metadata(path)?),
        allowance: draft.budget.archive_bytes(),
        content_limit: draft.budget.limits.content_bytes,
    };
    let cancel = draft.cancel();
    let mut reader = archive.open(cancel)?;
    let mut scan = Scan {
        draft,
        skipped: HashSet::new(),
    };
    let mut ordinal = 0;
    while let Some(entry) = reader
        .next_entry()
        .map_err(|source| archive.layer_error(source))?
    {
        let member = shown(&entry.name);
        scan.take(entry, ordinal).map_err(|refusal| match refusal {
            Refusal::Fault(source) => archive.invalid(Some(member), source),
            Refusal::Seed(error) => error,
        })?;
        ordinal += 1;
    }
    reader
        .finish(None)
        .map_err(|source| archive.layer_error(source))?;
    Ok(archive)
}

fn archive_metadata(path: &Path) -> Result<FileMetadata, SeedError> {
    fs::metadata(path).map_err(|source| SeedError::Read {
        path: path.to_path_buf(),
        source,
    })
}

impl Archive {
    /// Starts to read the contents of the archive again.
    pub(super) fn contents<'a>(&'a self, cancel: &'a AtomicBool) -> Result<ArchiveContents<'a>, SeedError> {
        if Stamp::of(&archive_metadata(&self.path)?) != self.stamp {
            return Err(self.changed());
        }
        Ok(ArchiveContents {
            archive: self,
            reader: self.open(cancel)?,
            next: 0,
        })
    }

    fn open<'a>(&self, cancel: &'a AtomicBool) -> Result<LayerReader<'a>, SeedError> {
        let monitor = Monitor::silent(cancel);
        LayerReader::open(
            &self.path,
            monitor,
            Hashing::Off,
            self.allowance,
            self.content_limit,
        )
        .map_err(|source| self.layer_error(source))
    }

    fn changed(&self) -> SeedError {
        let path = self.path.clone();
        SeedError::Changed { path }
    }

    fn invalid(&self, member: Option<String>, source: ArchiveFault) -> SeedError {
        SeedError::ArchiveInvalid {
            archive: self.path.clone(),
            member,
            source,
        }
    }

    fn layer_error(&self, source: LayerError) -> SeedError {
        let member = match source {
            LayerError::Read { path, source } => return SeedError::Read { path, source },
            LayerError::Cancelled => return SeedError::Cancelled,
            LayerError::TooLarge { limit } => return SeedError::TooManyBytes { limit },
            LayerError::Number { ref name, .. }
            | LayerError::Kind { ref name, .. }
            | LayerError::Sparse { ref name } => Some(name.clone()),
            LayerError::Decompress { .. }
            | LayerError::Truncated { .. }
            | LayerError::DiffId { .. }
            | LayerError::Header { .. }
            | LayerError::Extended { .. }
            | LayerError::ExtendedTooLong { .. }
            | LayerError::ExtendedOrphan { .. } => None,
        };
        self.invalid(member, source.into())
    }
}

/// The contents of an archive in its order.
#[derive(Debug)]
pub(super) struct ArchiveContents<'a> {
    archive: &'a Archive,
    reader: LayerReader<'a>,
    /// The ordinal of the entry that the reader has ahead.
    next: u64,
}

impl ArchiveContents<'_> {
    /// Goes to a content, which lies ahead and has `size` bytes.
    pub(super) fn seek(&mut self, content: ContentId, size: u64) -> Result<(), SeedError> {
        while self.next <= content.ordinal {
            let entry = self.reader.next_entry();
            let Some(entry) = entry.map_err(|source| self.archive.layer_error(source))? else {
                return Err(self.archive.changed());
            };
            if self.next == content.ordinal && entry.kind != (EntryKind::File { size }) {
                return Err(self.archive.changed());
            }
            self.next += 1;
        }
        Ok(())
    }

    /// Reads some bytes; zero only at the end of the content.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> Result<usize, SeedError> {
        let read = self.reader.read_content(buffer);
        read.map_err(|source| self.archive.layer_error(source))
    }
}

/// Why a member is not taken: its own fault, or a limit of the whole.
enum Refusal {
    Fault(ArchiveFault),
    Seed(SeedError),
}

impl<E: Into<ArchiveFault>> From<E> for Refusal {
    fn from(fault: E) -> Self {
        Self::Fault(fault.into())
    }
}

/// The work on one archive.
struct Scan<'a, 'b> {
    draft: &'a mut Draft<'b>,
    /// Paths of members that are left out, to which later members may be hard links.
    skipped: HashSet<Vec<u8>>,
}

impl Scan<'_, '_> {
    /// Takes a member.
    fn take(&mut self, entry: Entry, ordinal: u64) -> Result<(), Refusal> {
        if entry.name.starts_with(b"/") {
            return Err(ArchiveFault::AbsoluteName.into());
        }
        let mut path = components(&entry.name)?;
        let Some(name) = path.pop() else {
            return self.take_root(&entry);
        };
        self.charge(name)?;
        let parent = self.parent(&path)?;
        let path = [&path[..], &[name]].concat().join(&b'/');
        let place = Place { parent, name, path };
        let described = metadata(entry.metadata.mode, entry.metadata.mtime);
        match entry.kind {
            EntryKind::Directory => self.take_directory(&place, described),
            EntryKind::File { size } => {
                let node = self.draft.file(size, ordinal).map_err(Refusal::Seed)?;
                self.put(&place, described, node)
            }
            EntryKind::Symlink { target } => {
                let length = target.len();
                if length == 0 || length > SYMLINK_MAX || target.contains(&0) {
                    return Err(ArchiveFault::SymlinkTarget { length }.into());
                }
                let node = self.draft.symlink(target).map_err(Refusal::Seed)?;
                self.put(&place, metadata(SYMLINK_MODE, described.mtime), node)
            }
            EntryKind::HardLink { target } => self.take_hard_link(place, &target),
            EntryKind::Device { .. } => self.skip(place, SkipReason::Device),
            EntryKind::Fifo => self.skip(place, SkipReason::Fifo),
        }
    }

    fn take_root(&mut self, entry: &Entry) -> Result<(), Refusal> {
        if entry.kind != EntryKind::Directory {
            return Err(ArchiveFault::RootKind.into());
        }
        // A root that is stated many times is as much work as any other entry.
        self.charge(b"")?;
        let described = metadata(entry.metadata.mode, entry.metadata.mtime);
        self.draft.tree.set_metadata(Tree::ROOT, described);
        Ok(())
    }

    /// Finds the directory that a member goes into and makes those that no member describes.
    fn parent(&mut self, path: &[&[u8]]) -> Result<InodeId, Refusal> {
        let mut here = Tree::ROOT;
        for (depth, name) in path.iter().enumerate() {
            here = match self.draft.tree.find(here, name) {
                None => {
                    self.charge(name)?;
                    let node = Node::Directory(crate::tree::Directory::default());
                    let made = self.draft.insert(here, name, Metadata::IMPLICIT_DIRECTORY, node);
                    made.map_err(Refusal::Seed)?
                }
                Some(found) => {
                    let shown = || shown(&path[..=depth].join(&b'/'));
                    match &self.draft.tree.inode(found).node {
                        Node::Directory(_) => found,
                        Node::Symlink { .. } => {
                            return Err(ArchiveFault::LinkAsParent { parent: shown() }.into());
                        }
                        Node::File { .. } | Node::Device { .. } | Node::Fifo => {
                            return Err(ArchiveFault::FileAsParent { parent: shown() }.into());
                        }
                    }
                }
            };
        }
        Ok(here)
    }

    fn take_directory(&mut self, place: &Place<'_>, described: Metadata) -> Result<(), Refusal> {
        match self.draft.tree.find(place.parent, place.name) {
            Some(present) if self.draft.tree.directory(present).is_some() => {
                self.draft.tree.set_metadata(present, described);
                Ok(())
            }
            _ => {
                let node = Node::Directory(crate::tree::Directory::default());
                self.put(place, described, node)
            }
        }
    }

    fn take_hard_link(&mut self, place: Place<'_>, target: &[u8]) -> Result<(), Refusal> {
        let refused = || ArchiveFault::HardLinkTarget {
            target: shown(target),
        };
        if target.starts_with(b"/") {
            return Err(refused().into());
        }
        let path = components(target).map_err(|_| refused())?;
        let found = path.iter().try_fold(Tree::ROOT, |directory, name| {
            self.draft.tree.find(directory, name)
        });
        let Some(inode) = found else {
            if self.skipped.contains(&path.join(&b'/')) {
                return self.skip(place, SkipReason::LinkToSkipped);
            }
            return Err(refused().into());
        };
        if self.draft.tree.directory(inode).is_some() {
            return Err(refused().into());
        }
        self.check_replaced(&place)?;
        self.draft.tree.name(place.parent, place.name, inode);
        Ok(())
    }

    /// Leaves a member out; what had its name before goes, as if it had been unpacked.
    fn skip(&mut self, place: Place<'_>, reason: SkipReason) -> Result<(), Refusal> {
        self.check_replaced(&place)?;
        self.draft.tree.unname(place.parent, place.name);
        self.skipped.insert(place.path.clone());
        self.draft.skip(place.path, reason).map_err(Refusal::Seed)
    }

    fn put(&mut self, place: &Place<'_>, described: Metadata, node: Node) -> Result<(), Refusal> {
        self.check_replaced(place)?;
        let put = self.draft.insert(place.parent, place.name, described, node);
        put.map(drop).map_err(Refusal::Seed)
    }

    /// Refuses to lose a directory with what is in it; tools differ in what they make of such an archive.
    fn check_replaced(&self, place: &Place<'_>) -> Result<(), ArchiveFault> {
        let tree = &self.draft.tree;
        match tree.find(place.parent, place.name) {
            Some(present) if tree.directory(present).is_some() => Err(ArchiveFault::ReplacesDirectory),
            _ => Ok(()),
        }
    }

    fn charge(&mut self, name: &[u8]) -> Result<(), Refusal> {
        self.draft.charge_entry(name).map_err(Refusal::Seed)
    }
}

/// Where a member goes.
struct Place<'a> {
    parent: InodeId,
    name: &'a [u8],
    path: Vec<u8>,
}
