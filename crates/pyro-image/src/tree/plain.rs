//! Building a tree name by name, for sources that have no layers.

use crate::layer::Metadata;

use super::{Child, Directory, EntryError, Inode, InodeId, Node, Tree, TreeLimits, Xattrs};

/// The layer of all names in a tree without layers.
const ONLY_LAYER: usize = 0;

impl Tree {
    /// Makes a tree of nothing but the root, whose limits are its builder's to keep.
    pub(crate) fn without_limits() -> Self {
        Self::new(TreeLimits {
            entries: usize::MAX,
            metadata_bytes: u64::MAX,
            content_bytes: u64::MAX,
        })
    }

    /// Adds a file under a name, in place of what had it before.
    ///
    /// # Errors
    ///
    /// More files than 32 bits can count.
    pub(crate) fn insert(
        &mut self,
        parent: InodeId,
        name: &[u8],
        metadata: Metadata,
        node: Node,
    ) -> Result<InodeId, EntryError> {
        let inode = self.add(Inode {
            metadata,
            xattrs: Xattrs::default(),
            node,
        })?;
        self.name(parent, name, inode);
        Ok(inode)
    }

    /// Gives a file a name, in place of what had it before. `parent` is a directory.
    pub(crate) fn name(&mut self, parent: InodeId, name: &[u8], inode: InodeId) {
        let layer = ONLY_LAYER;
        self.children_mut(parent)
            .children
            .insert(name.into(), Child { inode, layer });
    }

    /// Takes a name away. `parent` is a directory.
    pub(crate) fn unname(&mut self, parent: InodeId, name: &[u8]) {
        self.children_mut(parent).children.remove(name);
    }

    /// Looks a name up in a directory; `None` also when `parent` is none.
    pub(crate) fn find(&self, parent: InodeId, name: &[u8]) -> Option<InodeId> {
        self.child(parent, name).map(|child| child.inode)
    }

    /// Gives a file another mode and time.
    pub(crate) fn set_metadata(&mut self, inode: InodeId, metadata: Metadata) {
        self.inodes[inode.index()].metadata = metadata;
    }

    /// Moves everything, the root's own metadata too, into a directory of that name in a new root, and says which it is.
    ///
    /// # Errors
    ///
    /// More files than 32 bits can count.
    pub(crate) fn nest(&mut self, name: &[u8]) -> Result<InodeId, EntryError> {
        let old = Inode {
            metadata: self.inode(Self::ROOT).metadata,
            xattrs: Xattrs::default(),
            node: Node::Directory(Directory::default()),
        };
        let moved = self.add(old)?;
        self.inodes.swap(Self::ROOT.index(), moved.index());
        self.name(Self::ROOT, name, moved);
        Ok(moved)
    }

    /// Gives every file one owner.
    pub(crate) fn set_owner(&mut self, uid: u32, gid: u32) {
        for inode in &mut self.inodes {
            inode.metadata.uid = uid;
            inode.metadata.gid = gid;
        }
    }

    fn children_mut(&mut self, parent: InodeId) -> &mut Directory {
        self.directory_mut(parent)
            .expect("names are put into directories")
    }
}
