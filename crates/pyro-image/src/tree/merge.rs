//! Putting the entries of a layer into the tree, by the rules of the OCI image specification (`layer.md`).

use crate::layer::{DeviceNumber, Entry, EntryKind, Metadata};

use super::name::{self, Target};
use super::walk::Missing;
use super::{Child, ContentId, Directory, EntryError, Inode, InodeId, Node, Tree, Xattrs};

/// How long the target of a symbolic link may be, in bytes (`PATH_MAX` without the zero byte at its end).
const SYMLINK_MAX: usize = 4095;

impl Tree {
    /// Puts an entry into the tree. Layers come from the bottom up, their entries in the order of the archive.
    ///
    /// # Errors
    ///
    /// An entry that cannot be placed leaves the tree unfit for further use.
    pub(crate) fn apply(&mut self, entry: Entry, content: ContentId) -> Result<(), EntryError> {
        let layer = content.layer;
        self.charge_entry()?;
        match name::target(&entry.name)? {
            Target::Root => self.apply_root(entry),
            Target::Opaque { directory } => {
                if let Some(way) = self.walk(&directory, Missing::Stop)? {
                    self.hide_below(*way.last().expect("the root is never left"), layer);
                }
                Ok(())
            }
            Target::Whiteout { parents, name } => self.apply_whiteout(&parents, name, layer),
            Target::Aufs => Ok(()),
            Target::File { parents, name } => {
                let place = Place {
                    way: self.walk_and_touch(&parents, layer)?,
                    name,
                    layer,
                };
                self.charge_metadata(name.len())?;
                self.apply_file(&place, entry.kind, entry.metadata, entry.xattrs, content)
            }
        }
    }

    /// The entry for the root itself, which sets its owner, mode and time.
    fn apply_root(&mut self, entry: Entry) -> Result<(), EntryError> {
        if entry.kind != EntryKind::Directory {
            return Err(EntryError::RootKind);
        }
        let xattrs = self.charged_xattrs(entry.xattrs)?;
        self.describe(Self::ROOT, entry.metadata, xattrs);
        Ok(())
    }

    fn apply_file(
        &mut self,
        place: &Place<'_>,
        kind: EntryKind,
        metadata: Metadata,
        xattrs: Vec<crate::layer::RawXattr>,
        content: ContentId,
    ) -> Result<(), EntryError> {
        let node = match kind {
            EntryKind::HardLink { target } => return self.apply_hard_link(place, &target),
            EntryKind::Directory => Node::Directory(Directory::default()),
            EntryKind::File { size } => {
                self.charge_content(size)?;
                Node::File { size, content }
            }
            EntryKind::Symlink { target } => self.symlink(target)?,
            EntryKind::Device { kind, number } => Node::Device {
                kind,
                number: checked_device(number)?,
            },
            EntryKind::Fifo => Node::Fifo,
        };
        let xattrs = self.charged_xattrs(xattrs)?;
        let present = self.child(place.directory(), place.name).map(|child| child.inode);
        if let (Node::Directory(_), Some(inode)) = (&node, present)
            && self.directory(inode).is_some()
        {
            self.describe(inode, metadata, xattrs);
            self.link(place, inode);
            return Ok(());
        }
        let inode = self.add(Inode {
            metadata,
            xattrs,
            node,
        })?;
        self.link(place, inode);
        Ok(())
    }

    /// A further name for a file of this or a lower layer. The inode is shared, so the content stays when an upper
    /// layer replaces the other name.
    fn apply_hard_link(&mut self, place: &Place<'_>, target: &[u8]) -> Result<(), EntryError> {
        let shown = || String::from_utf8_lossy(target).into_owned();
        let refused = |source| EntryError::HardLinkName {
            target: shown(),
            source,
        };
        let missing = || EntryError::HardLinkMissing { target: shown() };
        let mut parents = name::components(target).map_err(refused)?;
        let last = parents
            .pop()
            .ok_or_else(|| EntryError::HardLinkDirectory { target: shown() })?;
        let way = self.walk(&parents, Missing::Stop)?.ok_or_else(missing)?;
        let directory = *way.last().expect("the root is never left");
        let inode = self.child(directory, last).ok_or_else(missing)?.inode;
        if self.directory(inode).is_some() {
            return Err(EntryError::HardLinkDirectory { target: shown() });
        }
        self.link(place, inode);
        Ok(())
    }

    fn apply_whiteout(&mut self, parents: &[&[u8]], name: &[u8], layer: usize) -> Result<(), EntryError> {
        let Some(way) = self.walk(parents, Missing::Stop)? else {
            return Ok(());
        };
        let directory = *way.last().expect("the root is never left");
        let Some(child) = self.child(directory, name) else {
            return Ok(());
        };
        if !self.is_of_layer(child, layer) {
            let directory = self
                .directory_mut(directory)
                .expect("the way consists of directories");
            directory.children.remove(name);
            return Ok(());
        }
        self.renew(directory, name, layer);
        self.hide_below(child.inode, layer);
        Ok(())
    }

    /// Removes from a directory, and from all directories below that this layer has used, what lower layers put there.
    /// What this layer has put there already stays: the order within a layer does not matter.
    fn hide_below(&mut self, directory: InodeId, layer: usize) {
        let mut ahead = vec![directory];
        while let Some(directory) = ahead.pop() {
            let Some(hidden) = self.directory_mut(directory) else {
                continue;
            };
            // Since then only this layer has added names, so there is nothing more to hide.
            if hidden.hidden.replace(layer) == Some(layer) {
                continue;
            }
            let mut children = std::mem::take(&mut hidden.children);
            children.retain(|_, child| self.is_of_layer(*child, layer));
            for child in children.values_mut() {
                self.renew_child(child, layer);
                ahead.push(child.inode);
            }
            let hidden = self.directory_mut(directory).expect("found above");
            hidden.children = children;
        }
    }

    /// Whether a layer has put a name there, or something below it.
    fn is_of_layer(&self, child: Child, layer: usize) -> bool {
        child.layer == layer
            || self
                .directory(child.inode)
                .is_some_and(|directory| directory.touched == Some(layer))
    }

    fn renew(&mut self, directory: InodeId, name: &[u8], layer: usize) {
        if let Some(mut child) = self.child(directory, name) {
            self.renew_child(&mut child, layer);
            let directory = self.directory_mut(directory).expect("it has a child");
            directory.children.insert(name.into(), child);
        }
    }

    /// A hidden directory that this layer uses without describing it is a new one that has no description.
    fn renew_child(&mut self, child: &mut Child, layer: usize) {
        if child.layer != layer {
            child.layer = layer;
            self.describe(child.inode, Metadata::IMPLICIT_DIRECTORY, Xattrs::default());
        }
    }

    fn walk_and_touch(&mut self, parents: &[&[u8]], layer: usize) -> Result<Vec<InodeId>, EntryError> {
        let way = self
            .walk(parents, Missing::Create(layer))?
            .expect("missing directories are made");
        for directory in &way {
            let directory = self
                .directory_mut(*directory)
                .expect("the way consists of directories");
            directory.touched = Some(layer);
        }
        Ok(way)
    }

    /// Gives a file its name, in place of what had it before.
    fn link(&mut self, place: &Place<'_>, inode: InodeId) {
        let child = Child {
            inode,
            layer: place.layer,
        };
        let directory = self
            .directory_mut(place.directory())
            .expect("the way consists of directories");
        directory.children.insert(place.name.into(), child);
    }

    fn describe(&mut self, inode: InodeId, metadata: Metadata, xattrs: Xattrs) {
        let inode = &mut self.inodes[inode.index()];
        inode.metadata = metadata;
        inode.xattrs = xattrs;
    }

    fn symlink(&mut self, target: Vec<u8>) -> Result<Node, EntryError> {
        let length = target.len();
        if length == 0 || length > SYMLINK_MAX || target.contains(&0) {
            return Err(EntryError::SymlinkTarget { length });
        }
        self.charge_metadata(length)?;
        Ok(Node::Symlink {
            target: target.into(),
        })
    }

    fn charged_xattrs(&mut self, raw: Vec<crate::layer::RawXattr>) -> Result<Xattrs, EntryError> {
        let xattrs = Xattrs::from_raw(raw)?;
        self.charge_metadata(xattrs.encoded_len())?;
        Ok(xattrs)
    }
}

/// Where a name goes.
struct Place<'a> {
    way: Vec<InodeId>,
    name: &'a [u8],
    layer: usize,
}

impl Place<'_> {
    fn directory(&self) -> InodeId {
        *self.way.last().expect("the root is never left")
    }
}

/// Linux has 12 bits for the major and 20 for the minor number.
fn checked_device(number: DeviceNumber) -> Result<DeviceNumber, EntryError> {
    let DeviceNumber { major, minor } = number;
    if major >= 1 << 12 || minor >= 1 << 20 {
        return Err(EntryError::DeviceNumber { major, minor });
    }
    Ok(number)
}
