//! Writing the image file in the order of its layout.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use crate::tree::{ContentId, Directory, Node, Tree};

use super::area::AreaWriter;
use super::disk::{BLOCK, BLOCK_LEN, CHECKSUM_FIELD, DiskInode, SUPERBLOCK_OFFSET, Superblock, dirent_type};
use super::layout::{Layout, Placed};
use super::{ImageFileError, checksum, directory, xattr};

/// Writes one image. First all that the tree holds, at once; then the contents of files, one after the other in the
/// order that [`Self::next_content`] asks for.
#[derive(Debug)]
pub(crate) struct ImageWriter<'a> {
    tree: &'a Tree,
    layout: &'a Layout,
    path: PathBuf,
    file: File,
    metadata: AreaWriter,
    data: AreaWriter,
    /// The file being written, as its place in the layout.
    current: usize,
    /// How many bytes of it have come.
    written: u64,
    /// Those that go behind its inode.
    tail: Vec<u8>,
}

impl<'a> ImageWriter<'a> {
    /// Writes the superblock and everything but files with content into `file`, which is empty; `path` is for errors.
    pub(crate) fn new(
        tree: &'a Tree,
        layout: &'a Layout,
        path: &Path,
        file: File,
    ) -> Result<Self, ImageFileError> {
        let mut writer = Self {
            tree,
            layout,
            path: path.to_path_buf(),
            file,
            metadata: AreaWriter::new(0),
            data: AreaWriter::new(u64::from(layout.data_block) * BLOCK),
            current: 0,
            written: 0,
            tail: Vec::with_capacity(BLOCK_LEN),
        };
        writer.put_superblock()?;
        writer.put_fixed()?;
        Ok(writer)
    }

    /// The content to write next; `None` when all is written.
    pub(crate) fn next_content(&self) -> Option<ContentId> {
        match self.node()? {
            Node::File { content, .. } => Some(*content),
            Node::Directory(_) | Node::Symlink { .. } | Node::Device { .. } | Node::Fifo => None,
        }
    }

    /// Appends bytes to the current file.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), ImageFileError> {
        let placed = self.placed();
        let in_blocks = placed.block_bytes().saturating_sub(self.written);
        let split = usize::try_from(in_blocks).map_or(bytes.len(), |left| left.min(bytes.len()));
        self.written += bytes.len() as u64;
        if self.written > placed.size {
            return Err(ImageFileError::LayerChanged {
                expected: placed.size,
            });
        }
        let (blocks, tail) = bytes.split_at(split);
        let written = self.data.write(&self.file, blocks);
        self.check(written)?;
        self.tail.extend_from_slice(tail);
        Ok(())
    }

    /// Ends the current file.
    ///
    /// # Errors
    ///
    /// A file that got fewer bytes than the layout gave it room for.
    pub(crate) fn end_file(&mut self) -> Result<(), ImageFileError> {
        let placed = self.placed();
        if self.written != placed.size {
            return Err(ImageFileError::LayerChanged {
                expected: placed.size,
            });
        }
        let filled = self.data.position().next_multiple_of(BLOCK);
        let written = self.data.fill_to(&self.file, filled);
        self.check(written)?;
        let written = self.put_inode(&placed);
        self.check(written)?;
        self.current += 1;
        self.written = 0;
        self.tail.clear();
        Ok(())
    }

    /// Fills up, puts the checksum in, and makes the file durable. Returns it, and its length in bytes.
    pub(crate) fn finish(mut self) -> Result<(File, u64), ImageFileError> {
        assert_eq!(self.current, self.layout.placed.len(), "every file was written");
        let finished = self.try_finish();
        self.check(finished)?;
        Ok((self.file, u64::from(self.layout.blocks) * BLOCK))
    }

    fn try_finish(&mut self) -> io::Result<()> {
        let file = &self.file;
        self.metadata
            .fill_to(file, u64::from(self.layout.data_block) * BLOCK)?;
        self.metadata.flush(file)?;
        self.data.flush(file)?;
        let mut block = vec![0; BLOCK_LEN];
        file.read_exact_at(&mut block, 0)?;
        let start = usize::try_from(SUPERBLOCK_OFFSET).expect("inside the first block");
        let checksum = checksum::crc32c(&block[start..]);
        file.write_all_at(
            &checksum.to_le_bytes(),
            SUPERBLOCK_OFFSET + CHECKSUM_FIELD.start as u64,
        )?;
        file.sync_all()
    }

    fn put_superblock(&mut self) -> Result<(), ImageFileError> {
        let root = self.layout.number(Tree::ROOT);
        let superblock = Superblock {
            root: u16::try_from(root).expect("the root is placed first"),
            inodes: self.layout.placed.len() as u64,
            blocks: self.layout.blocks,
        };
        let written = self
            .metadata
            .fill_to(&self.file, SUPERBLOCK_OFFSET)
            .and_then(|()| self.metadata.write(&self.file, &superblock.encode()));
        self.check(written)
    }

    /// Writes what the tree itself holds, which the layout has in front.
    fn put_fixed(&mut self) -> Result<(), ImageFileError> {
        let tree = self.tree;
        while self.next_content().is_none() || self.placed().size == 0 {
            let Some(placed) = self.layout.placed.get(self.current) else {
                break;
            };
            match &tree.inode(placed.file.inode).node {
                Node::Directory(directory) => self.put_directory(directory)?,
                Node::Symlink { target } => self.write(target)?,
                Node::File { .. } | Node::Device { .. } | Node::Fifo => {}
            }
            self.end_file()?;
        }
        Ok(())
    }

    fn put_directory(&mut self, directory: &Directory) -> Result<(), ImageFileError> {
        let placed = self.placed();
        let names = directory::names(directory, placed.file.inode, placed.file.parent);
        let (tree, layout) = (self.tree, self.layout);
        for range in directory::blocks(&names) {
            let is_last = range.end == names.len();
            let mut block = directory::encode_block(&names[range], |inode| {
                (layout.number(inode), dirent_type(&tree.inode(inode).node))
            });
            if !is_last {
                block.resize(BLOCK_LEN, 0);
            }
            self.write(&block)?;
        }
        Ok(())
    }

    fn put_inode(&mut self, placed: &Placed) -> io::Result<()> {
        let inode = self.tree.inode(placed.file.inode);
        let start_block = u64::from(self.layout.data_block) + placed.data_block;
        let number = self.current + 1;
        let encoded = DiskInode {
            layout: placed.layout,
            node: &inode.node,
            metadata: &inode.metadata,
            xattr_count: xattr::count(&inode.xattrs),
            size: placed.size,
            start_block: u32::try_from(start_block).expect("the layout bounds blocks"),
            number: u32::try_from(number).expect("inodes are counted in 32 bits"),
            links: placed.file.links,
        };
        self.metadata.fill_to(&self.file, placed.position)?;
        self.metadata.write(&self.file, &encoded.encode())?;
        self.metadata.write(&self.file, &xattr::encode(&inode.xattrs))?;
        self.metadata.write(&self.file, &self.tail)
    }

    fn placed(&self) -> Placed {
        self.layout.placed[self.current]
    }

    fn node(&self) -> Option<&Node> {
        let placed = self.layout.placed.get(self.current)?;
        Some(&self.tree.inode(placed.file.inode).node)
    }

    fn check<T>(&self, result: io::Result<T>) -> Result<T, ImageFileError> {
        result.map_err(|source| ImageFileError::Write {
            path: self.path.clone(),
            source,
        })
    }
}
