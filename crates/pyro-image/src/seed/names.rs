//! The names of a planned tree in the order in which a seed is delivered.

use crate::tree::{ContentId, InodeId, Node, Tree};

/// One name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Name<'a> {
    pub(super) inode: InodeId,
    /// Where it stands; `None` for the root.
    pub(super) place: Option<Place<'a>>,
    /// Where the first name of the same file stands, if this is a further one.
    pub(super) first: Option<Place<'a>>,
}

/// A directory and a name in it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) parent: InodeId,
    pub(super) name: &'a [u8],
}

/// All names: directories before what is in them, with links and empty files; then files in the order in which the
/// source has their content, which is the one that an image is written in; then further names of files.
#[derive(Debug)]
pub(super) struct Names<'a> {
    /// Where each directory stands, by inode.
    places: Vec<Option<Place<'a>>>,
    pub(super) ordered: Vec<Name<'a>>,
}

impl<'a> Names<'a> {
    /// Lists the names of a tree from one of its directories on.
    pub(super) fn of(tree: &'a Tree, top: InodeId) -> Self {
        let root = Name {
            inode: top,
            place: None,
            first: None,
        };
        let mut names = Self {
            places: vec![None; tree.len()],
            ordered: Vec::new(),
        };
        let mut ahead = vec![root];
        while let Some(name) = ahead.pop() {
            names.ordered.push(name);
            let Some(directory) = tree.directory(name.inode) else {
                continue;
            };
            let parent = name.inode;
            for (name, child) in directory.children.iter().rev() {
                let place = Some(Place { parent, name });
                ahead.push(Name {
                    inode: child.inode,
                    place,
                    first: None,
                });
            }
        }
        for name in &mut names.ordered {
            let known = &mut names.places[name.inode.index()];
            name.first = *known;
            *known = known.or(name.place);
        }
        names.ordered.sort_by_key(|name| rank(tree, name));
        names
    }

    /// The path of a place from the root of the seed.
    pub(super) fn path(&self, place: Option<Place<'_>>) -> Vec<u8> {
        let Some(Place { parent, name }) = place else {
            return Vec::new();
        };
        let mut parts = vec![name];
        let mut above = self.places[parent.index()];
        while let Some(Place { parent, name }) = above {
            parts.push(name);
            above = self.places[parent.index()];
        }
        parts.reverse();
        parts.join(&b'/')
    }
}

/// By what names are sorted; equal ones keep the order of the tree.
fn rank(tree: &Tree, name: &Name<'_>) -> (u8, Option<ContentId>) {
    match &tree.inode(name.inode).node {
        _ if name.first.is_some() => (2, None),
        Node::File { size: 1.., content } => (1, Some(*content)),
        Node::File { .. } | Node::Directory(_) | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => {
            (0, None)
        }
    }
}
