//! From a planned seed to a read-only image.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::{SeedError, SeedKind, SeedPlan, SeedProgress, SeedSkipped};
use crate::erofs::{ImageFileError, ImageWriter, Layout};
use crate::layer::Monitor;
use crate::tree::Tree;

/// How much content is moved at once, in bytes.
const COPY_BUFFER: usize = 256 * 1024;

/// To whom everything in an image belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SeedOwner {
    /// The numeric user in the guest.
    pub uid: u32,
    /// The numeric group in the guest.
    pub gid: u32,
}

/// A finished image of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeedImage {
    /// The size of the image file in bytes, a multiple of 4096.
    pub size_bytes: u64,
    /// How many names the image has, without its root.
    pub entry_count: u64,
    /// Contents of files together, in bytes. A file with several names counts once.
    pub bytes_written: u64,
    /// How many files are left out because Git ignores them.
    pub ignored_count: u64,
    /// The contents of those files, in bytes.
    pub ignored_bytes: u64,
    /// What is left out for its kind or because it cannot be read.
    pub skipped: Vec<SeedSkipped>,
    /// What else the user should know.
    pub warnings: Vec<String>,
}

/// Writes a seed as an EROFS image to the new file `out`. Everything in it belongs to `owner`.
///
/// Contents go from the source to the image in one pass and are never held. `progress` hears
/// [`SeedProgress::Written`] every MiB or so; `cancel` ends the work soon after it is set. The file is durable when
/// this returns; its directory entry is for the caller to sync. On failure the file is removed.
///
/// # Errors
///
/// A file that cannot be read or changed since it was planned ([`SeedError::Changed`]), or an image that cannot be
/// written.
pub fn build_seed_image(
    plan: SeedPlan,
    out: &Path,
    owner: SeedOwner,
    progress: &mut dyn FnMut(SeedProgress),
    cancel: &AtomicBool,
) -> Result<SeedImage, SeedError> {
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
    let built = write_seed_image(plan, file, out, owner, progress, cancel);
    if built.is_err() {
        // The failure at hand matters more than one to clean up after it.
        drop(fs::remove_file(out));
    }
    built
}

/// Writes a seed as [`build_seed_image`] does, to an empty file that was opened for reading and writing, and may have no
/// name; `shown` is what errors call it.
///
/// # Errors
///
/// As [`build_seed_image`]; the file is then of no use.
pub fn write_seed_image(
    mut plan: SeedPlan,
    file: File,
    shown: &Path,
    owner: SeedOwner,
    progress: &mut dyn FnMut(SeedProgress),
    cancel: &AtomicBool,
) -> Result<SeedImage, SeedError> {
    plan.tree.set_owner(owner.uid, owner.gid);
    let (size_bytes, late) = write_image(&plan, file, shown, progress, cancel)?;
    let mut summary = plan.summary;
    summary.warnings.extend(late);
    Ok(SeedImage {
        size_bytes,
        entry_count: summary.entry_count,
        bytes_written: summary.content_bytes,
        ignored_count: summary.ignored_count,
        ignored_bytes: summary.ignored_bytes,
        skipped: summary.skipped,
        warnings: summary.warnings,
    })
}

/// Writes a seed without anything in it, in a directory of this name, to an empty file that was opened for reading and
/// writing, and may have no name; `shown` is what errors call it.
///
/// # Errors
///
/// An image that cannot be written.
pub fn write_empty_seed_image(name: &str, file: File, shown: &Path) -> Result<(), SeedError> {
    let mut tree = Tree::without_limits();
    let limit = u64::from(u32::MAX);
    tree.nest(name.as_bytes())
        .map_err(|_| SeedError::TooManyEntries { limit })?;
    let layout = Layout::new(&tree, &tree.survey())?;
    ImageWriter::new(&tree, &layout, shown, file)?.finish()?;
    Ok(())
}

/// Writes the image and returns its size in bytes and the warnings of the reader.
fn write_image(
    plan: &SeedPlan,
    file: File,
    shown: &Path,
    progress: &mut dyn FnMut(SeedProgress),
    cancel: &AtomicBool,
) -> Result<(u64, Vec<String>), SeedError> {
    let total = plan.summary.content_bytes;
    let mut report = |bytes_done, bytes_total| {
        progress(SeedProgress::Written {
            bytes_done,
            bytes_total,
        });
    };
    let mut monitor = Monitor::new(&mut report, cancel, total);
    let survey = plan.tree.survey();
    let layout = Layout::new(&plan.tree, &survey)?;
    let mut writer = ImageWriter::new(&plan.tree, &layout, shown, file)?;
    let mut reader = plan.read(cancel);
    let mut buffer = vec![0; COPY_BUFFER];
    while let Some(entry) = reader.next_entry() {
        if !matches!(entry.kind, SeedKind::File { size: 1.. }) {
            continue;
        }
        loop {
            match reader.read(&mut buffer)? {
                0 => break,
                count => {
                    writer.write(&buffer[..count])?;
                    monitor.advance(count);
                }
            }
        }
        // The reader and the layout have files in one order, which the length of each vouches for.
        writer.end_file()?;
    }
    monitor.jump(total);
    let (_, size_bytes) = writer.finish()?;
    Ok((size_bytes, reader.warnings()))
}
