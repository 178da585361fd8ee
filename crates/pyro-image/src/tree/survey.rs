//! One pass over the finished tree: what is reachable, by how many names, and in which order it is written.

use super::{ContentId, Directory, InodeId, Node, Tree};

/// A file that has a name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Surveyed {
    pub(crate) inode: InodeId,
    /// The directory above; the root is its own.
    pub(crate) parent: InodeId,
    /// How many names the file has. A directory has its own, its `.`, and the `..` of each directory in it.
    pub(crate) links: u32,
}

/// The reachable part of a tree.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The root, then all that has no content, directories before what is in them, then files in the order in which
    /// the layers deliver their content.
    pub(crate) files: Vec<Surveyed>,
    /// How many names there are, the root's included.
    pub(crate) names: u64,
}

impl Tree {
    /// Surveys the tree.
    pub(crate) fn survey(&self) -> Survey {
        let mut links = vec![0_u32; self.len()];
        let mut fixed = Vec::new();
        let mut contents: Vec<(ContentId, Surveyed)> = Vec::new();
        let mut names = 1;
        let mut ahead = vec![Surveyed {
            inode: Self::ROOT,
            parent: Self::ROOT,
            links: 0,
        }];
        while let Some(file) = ahead.pop() {
            match &self.inode(file.inode).node {
                Node::File { size: 1.., content } => contents.push((*content, file)),
                Node::Directory(directory) => {
                    fixed.push(file);
                    names += directory.children.len() as u64;
                    links[file.inode.index()] = self.directory_links(directory);
                    self.push_children(file.inode, directory, &mut links, &mut ahead);
                }
                Node::File { .. } | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => {
                    fixed.push(file);
                }
            }
        }
        contents.sort_by_key(|(content, _)| *content);
        let mut files = fixed;
        files.extend(contents.into_iter().map(|(_, file)| file));
        for file in &mut files {
            file.links = links[file.inode.index()];
        }
        Survey { files, names }
    }

    /// Counts the names in a directory and notes each file the first time it is met.
    fn push_children(
        &self,
        parent: InodeId,
        directory: &Directory,
        links: &mut [u32],
        ahead: &mut Vec<Surveyed>,
    ) {
        for child in directory.children.values().rev() {
            let count = &mut links[child.inode.index()];
            *count += 1;
            if *count == 1 {
                ahead.push(Surveyed {
                    inode: child.inode,
                    parent,
                    links: 0,
                });
            }
        }
    }

    fn directory_links(&self, directory: &Directory) -> u32 {
        let below = directory
            .children
            .values()
            .filter(|child| self.directory(child.inode).is_some())
            .count();
        u32::try_from(below + 2).expect("inodes are counted in 32 bits")
    }
}
