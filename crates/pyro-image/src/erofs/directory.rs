//! The content of a directory: blocks, each of entries sorted by name and then the names.

use std::ops::Range;

use crate::tree::{Directory, InodeId};

use super::disk::{BLOCK, BLOCK_LEN, DIRENT_LEN};

/// A name in a directory, `.` and `..` included.
pub(super) type Name<'a> = (&'a [u8], InodeId);

/// All names in order of their bytes, in which the kernel searches.
pub(super) fn names<'a>(directory: &'a Directory, this: InodeId, parent: InodeId) -> Vec<Name<'a>> {
    let children = &directory.children;
    let mut names: Vec<Name<'a>> = Vec::with_capacity(children.len() + 2);
    names.extend([(&b"."[..], this), (&b".."[..], parent)]);
    names.extend(children.iter().map(|(name, child)| (&**name, child.inode)));
    names.sort_unstable_by_key(|(name, _)| *name);
    names
}

/// The length of the content in bytes.
pub(super) fn encoded_len(names: &[Name<'_>]) -> u64 {
    let blocks = blocks(names);
    let last = blocks.last().cloned().unwrap_or_default();
    let used: usize = names[last].iter().map(entry_len).sum();
    (blocks.len() as u64 - 1) * BLOCK + used as u64
}

/// Which names go into which block: as many as fit, in order.
pub(super) fn blocks(names: &[Name<'_>]) -> Vec<Range<usize>> {
    let mut blocks = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (at, name) in names.iter().enumerate() {
        if used + entry_len(name) > BLOCK_LEN {
            blocks.push(start..at);
            (start, used) = (at, 0);
        }
        used += entry_len(name);
    }
    blocks.push(start..names.len());
    blocks
}

/// The bytes of one block without filling. `locate` gives the number and the type of an inode.
pub(super) fn encode_block(names: &[Name<'_>], locate: impl Fn(InodeId) -> (u64, u8)) -> Vec<u8> {
    let mut entries = Vec::with_capacity(BLOCK_LEN);
    let mut text: Vec<u8> = Vec::with_capacity(BLOCK_LEN);
    let first_name = names.len() * DIRENT_LEN;
    for (name, inode) in names {
        let (number, kind) = locate(*inode);
        let offset = u16::try_from(first_name + text.len()).expect("a block has 4096 bytes");
        entries.extend(number.to_le_bytes());
        entries.extend(offset.to_le_bytes());
        entries.extend([kind, 0]);
        text.extend(*name);
    }
    entries.extend(text);
    entries
}

fn entry_len((name, _): &Name<'_>) -> usize {
    DIRENT_LEN + name.len()
}
