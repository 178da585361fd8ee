//! Finding directories from the root, through symbolic links but never past the root.

use crate::layer::Metadata;

use super::{Child, ContentId, Directory, EntryError, Inode, InodeId, Node, Tree, Xattrs};

/// How many symbolic links a path may lead through, as in Linux.
const SYMLINKS_MAX: usize = 40;
/// How many directories may lie above an entry: as many as a path of 4096 bytes can name.
const DEPTH_MAX: usize = 2048;

/// What to do when a directory on the way does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// Make it, for the layer with this index.
    Create(usize),
    /// Stop.
    Stop,
}

impl Tree {
    /// Walks to a directory and returns all directories from the root to it, both included; `None` when one is missing
    /// and shall not be made.
    ///
    /// Symbolic links are followed within the tree, as a process with this root would: images with `bin -> usr/bin`
    /// have upper layers that write `bin/tool`. `..` at the root stays at the root.
    pub(super) fn walk(
        &mut self,
        components: &[&[u8]],
        missing: Missing,
    ) -> Result<Option<Vec<InodeId>>, EntryError> {
        let mut way = vec![Self::ROOT];
        let mut ahead: Vec<Box<[u8]>> = components.iter().rev().map(|name| Box::from(*name)).collect();
        let mut symlinks = 0;
        while let Some(name) = ahead.pop() {
            if *name == *b".." {
                way.truncate(way.len().saturating_sub(1).max(1));
                continue;
            }
            if way.len() > DEPTH_MAX {
                return Err(EntryError::TooDeep { limit: DEPTH_MAX });
            }
            let here = *way.last().expect("the root is never left");
            let Some(next) = self.child(here, &name).map(|child| child.inode) else {
                match missing {
                    Missing::Stop => return Ok(None),
                    Missing::Create(layer) => way.push(self.make_directory(here, &name, layer)?),
                }
                continue;
            };
            match &self.inode(next).node {
                Node::Directory(_) => way.push(next),
                Node::Symlink { .. } if symlinks == SYMLINKS_MAX => {
                    return Err(EntryError::SymlinkLoop { limit: SYMLINKS_MAX });
                }
                Node::Symlink { target } => {
                    symlinks += 1;
                    follow(target, &mut way, &mut ahead)?;
                }
                Node::File { .. } | Node::Device { .. } | Node::Fifo => {
                    let component = String::from_utf8_lossy(&name).into_owned();
                    return Err(EntryError::NotDirectory { component });
                }
            }
        }
        Ok(Some(way))
    }

    /// The regular file that a path leads to, through symbolic links as [`Self::walk`] follows them.
    pub(crate) fn file_at(&mut self, path: &[u8]) -> Option<ContentId> {
        let mut path: Vec<u8> = path.to_vec();
        for _ in 0..=SYMLINKS_MAX {
            let mut components: Vec<&[u8]> = path
                .split(|byte| *byte == b'/')
                .filter(|component| !component.is_empty() && *component != b".")
                .collect();
            let last = components.pop()?;
            let way = self.walk(&components, Missing::Stop).ok()??;
            match &self.inode(self.child(*way.last()?, last)?.inode).node {
                Node::File { content, .. } => return Some(*content),
                Node::Symlink { target } => {
                    let above = components.join(&b'/');
                    path = match target.starts_with(b"/") {
                        true => target.to_vec(),
                        false => [above.as_slice(), target].join(&b'/'),
                    };
                }
                Node::Directory(_) | Node::Device { .. } | Node::Fifo => return None,
            }
        }
        None
    }

    pub(super) fn child(&self, directory: InodeId, name: &[u8]) -> Option<Child> {
        self.directory(directory)?.children.get(name).copied()
    }

    /// Makes a directory that the layers use but do not describe.
    fn make_directory(&mut self, parent: InodeId, name: &[u8], layer: usize) -> Result<InodeId, EntryError> {
        self.charge_entry()?;
        self.charge_metadata(name.len())?;
        let inode = self.add(Inode {
            metadata: Metadata::IMPLICIT_DIRECTORY,
            xattrs: Xattrs::default(),
            node: Node::Directory(Directory::default()),
        })?;
        let parent = self
            .directory_mut(parent)
            .expect("the way consists of directories");
        parent.children.insert(name.into(), Child { inode, layer });
        Ok(inode)
    }
}

/// Puts the target of a symbolic link in place of its name.
fn follow(target: &[u8], way: &mut Vec<InodeId>, ahead: &mut Vec<Box<[u8]>>) -> Result<(), EntryError> {
    if target.starts_with(b"/") {
        way.truncate(1);
    }
    for component in target.split(|byte| *byte == b'/').rev() {
        match component {
            b"" | b"." => {}
            _ if component.len() > 255 => {
                let length = component.len();
                return Err(super::NameError::ComponentTooLong { length }.into());
            }
            _ => ahead.push(component.into()),
        }
    }
    Ok(())
}
