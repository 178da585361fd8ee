//! From the layers of an image to one read-only root file system image.
//!
//! The layers are read twice. The first reading builds the merged tree in memory, without the content of files; the
//! second writes the content of those files that survived the merge straight to their places. Nothing is unpacked to a
//! directory, no privilege is needed, and equal layers make equal bytes.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::account::Accounts;
use crate::erofs::{ImageWriter, Layout};
use crate::layer::{Hashing, LayerReader, Monitor, hexadecimal};
use crate::tree::{ContentId, Tree, TreeLimits};

pub use crate::erofs::ImageFileError;
pub use crate::layer::{Compression, LayerError};
pub use crate::tree::{EntryError, NameError, XattrError};

/// How much content is moved at once, in bytes.
const COPY_BUFFER: usize = 128 * 1024;

/// More than any file of users or groups in use; of a larger one no more is read, in the guest neither.
const MAX_ACCOUNTS_BYTES: usize = 1 << 20;

/// One layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LayerFile {
    /// The blob: a tar archive, plain or compressed by gzip or zstd.
    pub path: PathBuf,
    /// The digest of the uncompressed archive, `sha256:` and 64 lower-case digits. Checked when present.
    pub diff_id: Option<String>,
}

/// What the layers of one image may amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootLimits {
    /// Uncompressed archives together, and, counted on its own, files with their holes, in bytes.
    pub uncompressed_bytes: u64,
    /// Entries of all layers, hidden ones and implied directories included. Each takes some 250 bytes of memory.
    pub entries: usize,
    /// Names, link targets and extended attributes together, in bytes. They are held in memory.
    pub metadata_bytes: u64,
}

impl Default for RootLimits {
    /// 64 GiB of content, four million entries, 512 MiB of names and attributes.
    fn default() -> Self {
        Self {
            uncompressed_bytes: 64 << 30,
            entries: 4_000_000,
            metadata_bytes: 512 << 20,
        }
    }
}

/// How far the work is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootProgress {
    /// Bytes of blobs read, over both readings.
    pub bytes_done: u64,
    /// Twice the size of all blobs.
    pub bytes_total: u64,
}

/// A finished image file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootImage {
    /// The digest of the image file, `sha256:` and 64 lower-case digits.
    pub digest: String,
    /// The size of the image file in bytes, a multiple of 4096.
    pub size_bytes: u64,
    /// How many names the file system has, its root included.
    pub entry_count: u64,
    /// The users and groups of the file system.
    pub accounts: Accounts,
}

/// Why no root file system image came of the layers. Layers are counted from zero, bottom first.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RootError {
    /// A layer cannot be read.
    #[error("layer {layer} cannot be read")]
    Layer {
        /// The layer.
        layer: usize,
        /// What is wrong with it.
        source: LayerError,
    },
    /// An entry of a layer is refused.
    #[error("entry `{name}` of layer {layer} is refused")]
    Entry {
        /// The layer.
        layer: usize,
        /// The name of the entry, as far as it can be shown.
        name: String,
        /// What is wrong with it.
        source: EntryError,
    },
    /// The image file cannot be written.
    #[error(transparent)]
    Image(#[from] ImageFileError),
    /// The caller asked to stop.
    #[error("building the root file system was cancelled")]
    Cancelled,
}

/// Builds the root file system of `layers`, bottom first, as an EROFS image in the new file `out`.
///
/// `progress` hears of every MiB or so of input; `cancel` ends the work soon after it is set. The file is durable when
/// this returns; its directory entry is for the caller to sync. On failure the file is removed.
///
/// # Errors
///
/// The layers are hostile input: whatever in them cannot be placed below the root, exactly as stated, is an error.
pub fn build_root(
    layers: &[LayerFile],
    out: &Path,
    limits: RootLimits,
    progress: &mut dyn FnMut(RootProgress),
    cancel: &AtomicBool,
) -> Result<RootImage, RootError> {
    let mut report = |bytes_done, bytes_total| {
        progress(RootProgress {
            bytes_done,
            bytes_total,
        });
    };
    let ends = blob_ends(layers)?;
    let total = ends.last().copied().unwrap_or_default();
    let mut build = Build {
        layers,
        limits,
        monitor: Monitor::new(&mut report, cancel, total * 2),
        ends,
        wanted: [None; 2],
        accounts: Default::default(),
    };
    let mut tree = build.read_tree()?;
    build.wanted = ["etc/passwd", "etc/group"].map(|path| tree.file_at(path.as_bytes()));
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(out)
        .map_err(|source| ImageFileError::Create {
            path: out.to_path_buf(),
            source,
        })?;
    let built = build.write_image(&tree, out, file);
    if built.is_err() {
        // The failure at hand matters more than one to clean up after it.
        drop(fs::remove_file(out));
    }
    built
}

/// The work on one image.
struct Build<'a> {
    layers: &'a [LayerFile],
    limits: RootLimits,
    monitor: Monitor<'a>,
    /// For each layer, the size of all blobs up to its end.
    ends: Vec<u64>,
    /// The files of users and of groups.
    wanted: [Option<ContentId>; 2],
    /// What they hold.
    accounts: [Vec<u8>; 2],
}

impl Build<'_> {
    /// Reads all layers once.
    fn read_tree(&mut self) -> Result<Tree, RootError> {
        let mut tree = Tree::new(TreeLimits {
            entries: self.limits.entries,
            metadata_bytes: self.limits.metadata_bytes,
            content_bytes: self.limits.uncompressed_bytes,
        });
        let mut left = self.limits.uncompressed_bytes;
        for layer in 0..self.layers.len() {
            left -= self.read_layer(layer, left, &mut tree)?;
            self.monitor.jump(self.ends[layer]);
        }
        Ok(tree)
    }

    /// Reads a layer into the tree and returns its uncompressed size in bytes.
    fn read_layer(&mut self, layer: usize, left: u64, tree: &mut Tree) -> Result<u64, RootError> {
        let failed = |source| layer_error(layer, source);
        let LayerFile { path, diff_id } = &self.layers[layer];
        let hashing = if diff_id.is_some() {
            Hashing::On
        } else {
            Hashing::Off
        };
        let limit = self.limits.uncompressed_bytes;
        let mut reader = LayerReader::open(path, &mut self.monitor, hashing, left, limit).map_err(failed)?;
        let mut ordinal = 0;
        while let Some(entry) = reader.next_entry().map_err(failed)? {
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            tree.apply(entry, ContentId { layer, ordinal })
                .map_err(|source| RootError::Entry { layer, name, source })?;
            ordinal += 1;
        }
        reader.finish(diff_id.as_deref()).map_err(failed)
    }

    /// Reads the layers again for the content of the tree's files.
    fn write_image(&mut self, tree: &Tree, out: &Path, file: File) -> Result<RootImage, RootError> {
        let survey = tree.survey();
        let layout = Layout::new(tree, &survey)?;
        let mut writer = ImageWriter::new(tree, &layout, out, file)?;
        let total = self.ends.last().copied().unwrap_or_default();
        while let Some(content) = writer.next_content() {
            self.monitor
                .jump(total + content.layer.checked_sub(1).map_or(0, |below| self.ends[below]));
            self.write_contents(content.layer, &mut writer)?;
        }
        self.monitor.jump(total * 2);
        let (file, size_bytes) = writer.finish()?;
        Ok(RootImage {
            digest: self.digest(&file, out, size_bytes)?,
            size_bytes,
            entry_count: survey.names,
            accounts: self.take_accounts(),
        })
    }

    /// Writes all contents that come from one layer.
    fn write_contents(&mut self, layer: usize, writer: &mut ImageWriter<'_>) -> Result<(), RootError> {
        let failed = |source| layer_error(layer, source);
        let limit = self.limits.uncompressed_bytes;
        let path = &self.layers[layer].path;
        let mut reader =
            LayerReader::open(path, &mut self.monitor, Hashing::Off, limit, limit).map_err(failed)?;
        let mut buffer = vec![0; COPY_BUFFER];
        let mut ordinal = 0;
        while let Some(content) = writer.next_content()
            && content.layer == layer
        {
            if reader.next_entry().map_err(failed)?.is_none() {
                return Err(ImageFileError::LayerChanged { expected: 0 }.into());
            }
            if content.ordinal == ordinal {
                let kept = self.wanted.iter().position(|wanted| *wanted == Some(content));
                loop {
                    let count = reader.read_content(&mut buffer).map_err(failed)?;
                    if count == 0 {
                        break;
                    }
                    writer.write(&buffer[..count])?;
                    if let Some(kept) = kept {
                        let room = MAX_ACCOUNTS_BYTES.saturating_sub(self.accounts[kept].len());
                        self.accounts[kept].extend(&buffer[..count.min(room)]);
                    }
                }
                writer.end_file()?;
            }
            ordinal += 1;
        }
        Ok(())
    }

    fn take_accounts(&mut self) -> Accounts {
        let [passwd, group] =
            std::mem::take(&mut self.accounts).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        Accounts { passwd, group }
    }

    /// Reads the image back for its digest: its two areas are written side by side, so it cannot be had on the way.
    fn digest(&self, file: &File, out: &Path, size: u64) -> Result<String, RootError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; COPY_BUFFER];
        let mut offset = 0;
        while offset < size {
            if self.monitor.is_cancelled() {
                return Err(RootError::Cancelled);
            }
            let left = usize::try_from(size - offset).map_or(buffer.len(), |left| left.min(buffer.len()));
            file.read_exact_at(&mut buffer[..left], offset)
                .map_err(|source| ImageFileError::Read {
                    path: out.to_path_buf(),
                    source,
                })?;
            hash.update(&buffer[..left]);
            offset += left as u64;
        }
        Ok(format!("sha256:{}", hexadecimal(&hash.finalize())))
    }
}

/// For each layer, the size of all blobs up to its end, in bytes.
fn blob_ends(layers: &[LayerFile]) -> Result<Vec<u64>, RootError> {
    let mut end = 0;
    let mut ends = Vec::with_capacity(layers.len());
    for (layer, LayerFile { path, .. }) in layers.iter().enumerate() {
        let metadata = fs::metadata(path).map_err(|source| {
            let path = path.clone();
            layer_error(layer, LayerError::Read { path, source })
        })?;
        end += metadata.len();
        ends.push(end);
    }
    Ok(ends)
}

fn layer_error(layer: usize, source: LayerError) -> RootError {
    match source {
        LayerError::Cancelled => RootError::Cancelled,
        source => RootError::Layer { layer, source },
    }
}
