//! Where everything goes, decided before anything is written.

use crate::tree::{Inode, InodeId, Node, Survey, Surveyed, Tree};

use super::disk::{BLOCK, DataLayout, INODE_LEN, SLOT, SUPERBLOCK_LEN, SUPERBLOCK_OFFSET};
use super::{ImageFileError, directory, xattr};

/// The place of one file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) file: Surveyed,
    /// Where the inode starts in the image, in bytes.
    pub(super) position: u64,
    /// The length of the content in bytes.
    pub(super) size: u64,
    pub(super) layout: DataLayout,
    /// The first block of the content, counted from the start of the data area.
    pub(super) data_block: u64,
}

impl Placed {
    /// How many bytes of the content stand in blocks.
    pub(super) fn block_bytes(&self) -> u64 {
        match self.layout {
            DataLayout::Plain => self.size,
            DataLayout::Inline => self.size - self.size % BLOCK,
        }
    }
}

/// The places of all files of a tree.
#[derive(Debug)]
pub(crate) struct Layout {
    /// The files in the order in which they are written.
    pub(super) placed: Vec<Placed>,
    /// The number of each inode of the tree; zero for those without a name.
    pub(super) numbers: Vec<u64>,
    /// The block at which the data area starts.
    pub(super) data_block: u32,
    /// The length of the image in blocks.
    pub(super) blocks: u32,
}

impl Layout {
    /// Gives each file its place.
    pub(crate) fn new(tree: &Tree, survey: &Survey) -> Result<Self, ImageFileError> {
        let mut numbers = vec![0; tree.len()];
        let mut placed = Vec::with_capacity(survey.files.len());
        let mut cursor = Cursor::start();
        for file in &survey.files {
            let inode = tree.inode(file.inode);
            let head = (INODE_LEN + xattr::area_len(&inode.xattrs)) as u64;
            let place = cursor.place(*file, head, content_len(inode, file));
            numbers[file.inode.index()] = place.position / SLOT;
            placed.push(place);
        }
        let metadata_blocks = cursor.position.div_ceil(BLOCK);
        let blocks = metadata_blocks
            .checked_add(cursor.data_blocks)
            .and_then(|blocks| u32::try_from(blocks).ok())
            .ok_or(ImageFileError::TooLarge)?;
        Ok(Self {
            placed,
            numbers,
            data_block: u32::try_from(metadata_blocks).expect("no more than all blocks"),
            blocks,
        })
    }

    /// The number by which the image knows an inode.
    pub(super) fn number(&self, inode: InodeId) -> u64 {
        self.numbers[inode.index()]
    }
}

/// How much content an inode has, in bytes.
fn content_len(inode: &Inode, file: &Surveyed) -> u64 {
    match &inode.node {
        Node::Directory(directory) => {
            directory::encoded_len(&directory::names(directory, file.inode, file.parent))
        }
        Node::File { size, .. } => *size,
        Node::Symlink { target } => target.len() as u64,
        Node::Device { .. } | Node::Fifo => 0,
    }
}

/// Where the next file goes.
#[derive(Debug)]
struct Cursor {
    position: u64,
    data_blocks: u64,
}

impl Cursor {
    /// Right behind the superblock: number 0 stays unused, which readers of directories take as no file at all.
    fn start() -> Self {
        Self {
            position: SUPERBLOCK_OFFSET + SUPERBLOCK_LEN as u64,
            data_blocks: 0,
        }
    }

    fn place(&mut self, file: Surveyed, head: u64, size: u64) -> Placed {
        let mut position = self.position.next_multiple_of(SLOT);
        if BLOCK - position % BLOCK < INODE_LEN as u64 {
            position = position.next_multiple_of(BLOCK);
        }
        let tail = size % BLOCK;
        let (position, layout) = choose(position, head, tail);
        let placed = Placed {
            file,
            position,
            size,
            layout,
            data_block: self.data_blocks,
        };
        self.data_blocks += placed.block_bytes().div_ceil(BLOCK);
        self.position = position + head + if layout == DataLayout::Inline { tail } else { 0 };
        placed
    }
}

/// Puts the tail of a file behind its inode if that needs no more room than a block of its own. The tail must not cross
/// a boundary of blocks.
fn choose(position: u64, head: u64, tail: u64) -> (u64, DataLayout) {
    let fits = |position: u64| (position + head) % BLOCK + tail <= BLOCK;
    let next = position.next_multiple_of(BLOCK);
    if tail == 0 {
        (position, DataLayout::Plain)
    } else if fits(position) {
        (position, DataLayout::Inline)
    } else if fits(next) && next - position <= BLOCK - tail {
        (next, DataLayout::Inline)
    } else {
        (position, DataLayout::Plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tails_never_cross_a_block() {
        for position in (1152..3 * BLOCK).step_by(32) {
            for tail in [1, 63, 64, 1000, 2047, 2048, 4031, 4032, 4033, 4095] {
                for head in [64, 64 + 36, 64 + 5000] {
                    let (at, layout) = choose(position, head, tail);
                    assert!(at >= position && at < position + BLOCK);
                    let start = (at + head) % BLOCK;
                    assert!(layout == DataLayout::Plain || start + tail <= BLOCK);
                }
            }
        }
    }

    #[test]
    fn a_tail_that_wastes_more_than_a_block_of_its_own_goes_there() {
        assert_eq!(choose(2048, 64, 4000), (2048, DataLayout::Plain));
        assert_eq!(choose(3968, 64, 3000), (4096, DataLayout::Inline));
        assert_eq!(choose(0, 64, 4033), (0, DataLayout::Plain));
    }
}
