//! The merged tree of all layers, in memory: everything but the content of files.

mod merge;
mod name;
mod plain;
mod survey;
mod walk;
mod xattr;

use std::collections::BTreeMap;

use thiserror::Error;

use crate::layer::{DeviceKind, DeviceNumber, Metadata};

pub use name::NameError;
pub(crate) use name::components;
pub(crate) use survey::{Survey, Surveyed};
pub use xattr::XattrError;
pub(crate) use xattr::{Namespace, Xattrs};

/// Why an entry cannot take its place in the tree.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum EntryError {
    /// The entry's name is not one a file below the root can have.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The entry stands for the root, which is a directory and nothing else.
    #[error("the root can only be a directory")]
    RootKind,
    /// A directory on the way to the entry is something else.
    #[error("`{component}` on the way to it is not a directory")]
    NotDirectory {
        /// The component that is no directory.
        component: String,
    },
    /// The symbolic links on the way to the entry lead in circles.
    #[error("more than {limit} symbolic links are on the way to it")]
    SymlinkLoop {
        /// The limit.
        limit: usize,
    },
    /// The entry lies deeper than any path can reach.
    #[error("it lies more than {limit} directories deep")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
    /// The target of a hard link is not a name that a file below the root can have.
    #[error("its link target `{target}` is refused")]
    HardLinkName {
        /// The target.
        target: String,
        /// What is wrong with it.
        source: NameError,
    },
    /// The target of a hard link does not exist.
    #[error("its link target `{target}` does not exist")]
    HardLinkMissing {
        /// The target.
        target: String,
    },
    /// The target of a hard link is a directory.
    #[error("its link target `{target}` is a directory")]
    HardLinkDirectory {
        /// The target.
        target: String,
    },
    /// The target of a symbolic link is empty, too long, or holds a zero byte.
    #[error("its symbolic link target of {length} bytes is none a link can have")]
    SymlinkTarget {
        /// The length of the target in bytes.
        length: usize,
    },
    /// A device number is larger than Linux has.
    #[error("device number {major}:{minor} is out of range")]
    DeviceNumber {
        /// The major number.
        major: u32,
        /// The minor number.
        minor: u32,
    },
    /// An extended attribute cannot be stored.
    #[error(transparent)]
    Xattr(#[from] XattrError),
    /// The layers hold more entries than allowed, directories that they only imply included.
    #[error("the layers have more than {limit} entries")]
    TooManyEntries {
        /// The limit.
        limit: usize,
    },
    /// Names, link targets and attributes are larger than allowed.
    #[error("names and attributes of the layers take more than {limit} bytes")]
    TooMuchMetadata {
        /// The limit in bytes.
        limit: u64,
    },
    /// The files, holes included, are larger than allowed.
    #[error("the files of the layers hold more than {limit} bytes")]
    TooMuchContent {
        /// The limit in bytes.
        limit: u64,
    },
}

/// What a tree may hold at most. Everything ever added counts, also what upper layers then hide.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TreeLimits {
    /// Entries of layers, and the directories that they imply.
    pub(crate) entries: usize,
    /// Names, targets and attributes together, in bytes.
    pub(crate) metadata_bytes: u64,
    /// Sizes of files together, holes included, in bytes.
    pub(crate) content_bytes: u64,
}

/// The merged tree.
#[derive(Debug)]
pub(crate) struct Tree {
    inodes: Vec<Inode>,
    limits: TreeLimits,
    entries: usize,
    metadata_bytes: u64,
    content_bytes: u64,
}

/// Names an inode of one tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct InodeId(u32);

impl InodeId {
    /// The position of the inode in the tree.
    pub(crate) fn index(self) -> usize {
        self.0 as usize
    }
}

/// A file of any kind, which may have several names.
#[derive(Debug)]
pub(crate) struct Inode {
    pub(crate) metadata: Metadata,
    pub(crate) xattrs: Xattrs,
    pub(crate) node: Node,
}

/// The kinds of file and what each holds.
#[derive(Debug)]
pub(crate) enum Node {
    Directory(Directory),
    /// A regular file; its content stays in the layer.
    File {
        size: u64,
        content: ContentId,
    },
    Symlink {
        target: Box<[u8]>,
    },
    Device {
        kind: DeviceKind,
        number: DeviceNumber,
    },
    Fifo,
}

/// Where the content of a file is: the `ordinal`th entry of a layer, counted from zero. Orders as the layers are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ContentId {
    pub(crate) layer: usize,
    pub(crate) ordinal: u64,
}

/// The names in a directory.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    pub(crate) children: BTreeMap<Box<[u8]>, Child>,
    /// The last layer that put something into the directory or below it.
    touched: Option<usize>,
    /// The last layer that hid what lower layers put here.
    hidden: Option<usize>,
}

/// A name in a directory.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Child {
    pub(crate) inode: InodeId,
    /// The layer that put the name here, or repeated it.
    layer: usize,
}

impl Tree {
    /// The root directory.
    pub(crate) const ROOT: InodeId = InodeId(0);

    /// Makes a tree of nothing but the root.
    pub(crate) fn new(limits: TreeLimits) -> Self {
        let root = Inode {
            metadata: Metadata::IMPLICIT_DIRECTORY,
            xattrs: Xattrs::default(),
            node: Node::Directory(Directory::default()),
        };
        Self {
            inodes: vec![root],
            limits,
            entries: 0,
            metadata_bytes: 0,
            content_bytes: 0,
        }
    }

    /// Looks an inode up.
    pub(crate) fn inode(&self, id: InodeId) -> &Inode {
        &self.inodes[id.index()]
    }

    /// How many inodes there are, those without a name included.
    pub(crate) fn len(&self) -> usize {
        self.inodes.len()
    }

    /// Adds an inode that has no name yet.
    fn add(&mut self, inode: Inode) -> Result<InodeId, EntryError> {
        let limit = self.limits.entries;
        let next = u32::try_from(self.inodes.len()).map_err(|_| EntryError::TooManyEntries { limit })?;
        self.inodes.push(inode);
        Ok(InodeId(next))
    }

    fn charge_entry(&mut self) -> Result<(), EntryError> {
        let limit = self.limits.entries;
        self.entries += 1;
        if self.entries > limit {
            return Err(EntryError::TooManyEntries { limit });
        }
        Ok(())
    }

    /// The directory that an inode is; `None` when it is something else.
    pub(crate) fn directory(&self, id: InodeId) -> Option<&Directory> {
        match &self.inode(id).node {
            Node::Directory(directory) => Some(directory),
            Node::File { .. } | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => None,
        }
    }

    fn directory_mut(&mut self, id: InodeId) -> Option<&mut Directory> {
        match &mut self.inodes[id.index()].node {
            Node::Directory(directory) => Some(directory),
            Node::File { .. } | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => None,
        }
    }

    fn charge_metadata(&mut self, bytes: usize) -> Result<(), EntryError> {
        let limit = self.limits.metadata_bytes;
        self.metadata_bytes = self.metadata_bytes.saturating_add(bytes as u64);
        if self.metadata_bytes > limit {
            return Err(EntryError::TooMuchMetadata { limit });
        }
        Ok(())
    }

    fn charge_content(&mut self, bytes: u64) -> Result<(), EntryError> {
        let limit = self.limits.content_bytes;
        self.content_bytes = self.content_bytes.saturating_add(bytes);
        if self.content_bytes > limit {
            return Err(EntryError::TooMuchContent { limit });
        }
        Ok(())
    }
}
