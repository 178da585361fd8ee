//! The structures of the format, field by field.

use crate::layer::{DeviceKind, DeviceNumber, Metadata};
use crate::tree::Node;

/// The size of a block in bytes, and its logarithm. Kernels read only images whose blocks are no larger than a page.
pub(super) const BLOCK: u64 = 1 << BLOCK_BITS;
const BLOCK_BITS: u8 = 12;

/// [`BLOCK`] for lengths in memory.
pub(super) const BLOCK_LEN: usize = 1 << BLOCK_BITS;

/// Where the superblock starts in the image, in bytes.
pub(super) const SUPERBLOCK_OFFSET: u64 = 1024;
/// The size of the superblock in bytes.
pub(super) const SUPERBLOCK_LEN: usize = 128;
/// Where the checksum stands in the superblock.
pub(super) const CHECKSUM_FIELD: std::ops::Range<usize> = 4..8;

/// Inodes start at multiples of this many bytes; their number counts these slots from the start of the image.
pub(super) const SLOT: u64 = 32;
/// The size of an extended inode in bytes. The compact one has neither a time of its own nor large owners.
pub(super) const INODE_LEN: usize = 64;

/// The size of a directory entry without its name, in bytes.
pub(super) const DIRENT_LEN: usize = 12;

const MAGIC: u32 = 0xe0f5_e1e2;
/// The superblock has a checksum.
const COMPAT_CHECKSUM: u32 = 1;
/// Inodes carry the time of change of content, not of the inode.
const COMPAT_MTIME: u32 = 2;

/// What differs between superblocks. All else is zero, the times and identifiers too: equal layers make equal images.
#[derive(Debug)]
pub(super) struct Superblock {
    pub(super) root: u16,
    pub(super) inodes: u64,
    pub(super) blocks: u32,
}

impl Superblock {
    /// The bytes, without checksum.
    pub(super) fn encode(&self) -> [u8; SUPERBLOCK_LEN] {
        let mut bytes = [0; SUPERBLOCK_LEN];
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        put(&mut bytes, 8, &(COMPAT_CHECKSUM | COMPAT_MTIME).to_le_bytes());
        put(&mut bytes, 12, &[BLOCK_BITS]);
        put(&mut bytes, 14, &self.root.to_le_bytes());
        put(&mut bytes, 16, &self.inodes.to_le_bytes());
        put(&mut bytes, 36, &self.blocks.to_le_bytes());
        bytes
    }
}

/// Where the content of a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataLayout {
    /// All of it in blocks.
    Plain,
    /// Whole blocks in blocks, the rest behind the inode.
    Inline,
}

/// What an inode is made of.
#[derive(Debug)]
pub(super) struct DiskInode<'a> {
    pub(super) layout: DataLayout,
    pub(super) node: &'a Node,
    pub(super) metadata: &'a Metadata,
    pub(super) xattr_count: u16,
    pub(super) size: u64,
    pub(super) start_block: u32,
    pub(super) number: u32,
    pub(super) links: u32,
}

impl DiskInode<'_> {
    /// The bytes of the extended form.
    pub(super) fn encode(&self) -> [u8; INODE_LEN] {
        const EXTENDED: u16 = 1;
        let layout = match self.layout {
            DataLayout::Plain => 0,
            DataLayout::Inline => 2,
        };
        let Metadata {
            mode,
            uid,
            gid,
            mtime,
        } = *self.metadata;
        let mut bytes = [0; INODE_LEN];
        put(&mut bytes, 0, &(EXTENDED | layout << 1).to_le_bytes());
        put(&mut bytes, 2, &self.xattr_count.to_le_bytes());
        put(&mut bytes, 4, &(file_format(self.node) | mode).to_le_bytes());
        put(&mut bytes, 8, &self.size.to_le_bytes());
        put(&mut bytes, 16, &self.union_field().to_le_bytes());
        put(&mut bytes, 20, &self.number.to_le_bytes());
        put(&mut bytes, 24, &uid.to_le_bytes());
        put(&mut bytes, 28, &gid.to_le_bytes());
        // The kernel takes the field as a signed number.
        put(&mut bytes, 32, &mtime.seconds.to_le_bytes());
        put(&mut bytes, 40, &mtime.nanoseconds.to_le_bytes());
        put(&mut bytes, 44, &self.links.to_le_bytes());
        bytes
    }

    fn union_field(&self) -> u32 {
        match self.node {
            Node::Device { number, .. } => encode_device(*number),
            Node::Directory(_) | Node::File { .. } | Node::Symlink { .. } => self.start_block,
            Node::Fifo => 0,
        }
    }
}

/// The kernel's `new_encode_dev`.
fn encode_device(number: DeviceNumber) -> u32 {
    let DeviceNumber { major, minor } = number;
    (minor & 0xff) | (major << 8) | ((minor & !0xff) << 12)
}

/// The file type in a mode (`S_IFMT`).
fn file_format(node: &Node) -> u16 {
    match node {
        Node::Fifo => 0o010_000,
        Node::Device {
            kind: DeviceKind::Char,
            ..
        } => 0o020_000,
        Node::Directory(_) => 0o040_000,
        Node::Device {
            kind: DeviceKind::Block,
            ..
        } => 0o060_000,
        Node::File { .. } => 0o100_000,
        Node::Symlink { .. } => 0o120_000,
    }
}

/// The file type in a directory entry.
pub(super) fn dirent_type(node: &Node) -> u8 {
    match node {
        Node::File { .. } => 1,
        Node::Directory(_) => 2,
        Node::Device {
            kind: DeviceKind::Char,
            ..
        } => 3,
        Node::Device {
            kind: DeviceKind::Block,
            ..
        } => 4,
        Node::Fifo => 5,
        Node::Symlink { .. } => 7,
    }
}

fn put(bytes: &mut [u8], at: usize, field: &[u8]) {
    bytes[at..at + field.len()].copy_from_slice(field);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_split_as_the_kernel_does() {
        assert_eq!(encode_device(DeviceNumber { major: 1, minor: 3 }), 0x103);
        let largest = DeviceNumber {
            major: 0xfff,
            minor: 0xf_ffff,
        };
        assert_eq!(encode_device(largest), 0xffff_ffff);
        assert_eq!(
            encode_device(DeviceNumber {
                major: 8,
                minor: 0x123
            }),
            0x10_0823
        );
    }
}
