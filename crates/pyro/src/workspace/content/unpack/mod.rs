//! What a guest sends, written to the host.
//!
//! The guest chooses names, kinds, order and content, and may be hostile. So everything is made new, beside the target
//! and out of reach of the names that the guest knows: each entry below a directory that this export made, found
//! component by component and never through a link. The target appears at the end, whole, or not at all.

mod beneath;
mod budget;
mod check;
mod draft;
mod error;
mod file;
mod guard;
mod notes;
mod output;
#[cfg(test)]
mod tests;
mod work;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use pyro_proto::file::{FileEntry, FileKind};
use rustix::fs::{AtFlags, Mode, OFlags, Timestamps, fsync, mkdirat, openat, symlinkat, syncfs, utimensat};
use rustix::io::Errno;

use self::beneath::{Beneath, split};
pub(in crate::workspace) use self::budget::Budget;
use self::check::{kind, link_target, relative, special};
use self::draft::Draft;
pub(in crate::workspace) use self::error::UnpackError;
use self::file::{NewFile, permissions, times};
pub use self::guard::ExportGuard;
use self::notes::Notes;
pub(in crate::workspace) use self::output::Output;
pub(in crate::workspace) use self::work::Unpacking;
use crate::TREE;
use crate::object::{ArtifactType, SkippedFile};

/// How a file is made: new, whatever is there.
const NEW_FILE: OFlags = OFlags::WRONLY
    .union(OFlags::CREATE)
    .union(OFlags::EXCL)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// What was put on the host.
#[derive(Debug)]
pub(in crate::workspace) struct Unpacked {
    /// Where it is, absolute.
    pub(in crate::workspace) path: PathBuf,
    /// What it is.
    pub(in crate::workspace) artifact_type: ArtifactType,
    /// How many names: those in a directory, or one.
    pub(in crate::workspace) entry_count: u64,
    /// The length of their contents, in bytes.
    pub(in crate::workspace) bytes_written: u64,
    /// What was left out, relative to what was asked for.
    pub(in crate::workspace) skipped: Vec<SkippedFile>,
    /// What went not quite right.
    pub(in crate::workspace) warnings: Vec<String>,
}

/// An output under way, which is gone without a trace when it is dropped.
#[derive(Debug)]
pub(in crate::workspace) struct Unpack {
    draft: Draft,
    budget: Budget,
    /// The path in the guest's tree that everything else is below; known with the first entry.
    base: Vec<u8>,
    root: Root,
    current: Option<Current>,
    /// Directories with the mode and the time that they get when nothing more is put into them, those below others
    /// behind these.
    directories: Vec<(Vec<u8>, Mode, Timestamps)>,
    entry_count: u64,
    bytes_written: u64,
    notes: Notes,
}

/// What is exported.
#[derive(Debug)]
enum Root {
    /// Not known yet.
    Unknown,
    /// A directory.
    Directory(Beneath),
    /// Something else, and what.
    Single(ArtifactType),
}

/// The file whose content comes.
#[derive(Debug)]
struct Current {
    entry: FileEntry,
    times: Timestamps,
    file: NewFile,
}

impl Unpack {
    /// Begins an output; nothing is made before the first entry.
    pub(in crate::workspace) fn new(output: Output, budget: Budget) -> Self {
        Self {
            draft: Draft::new(output),
            budget,
            base: Vec::new(),
            root: Root::Unknown,
            current: None,
            directories: Vec::new(),
            entry_count: 0,
            bytes_written: 0,
            notes: Notes::default(),
        }
    }

    /// Makes the next entry. The first is what is exported; the others are below it, each directory before what is in
    /// it.
    ///
    /// # Errors
    /// [`UnpackError`] if the entry is none that can be, or is too much, or the host refuses.
    pub(in crate::workspace) fn entry(&mut self, entry: FileEntry) -> Result<(), UnpackError> {
        self.end_file()?;
        self.budget.charge_entry()?;
        let Some(times) = times(&entry) else {
            return Err(UnpackError::garbage(&entry.path, "has a time that is none"));
        };
        if matches!(self.root, Root::Unknown) {
            return self.first(entry, times);
        }
        let path = relative(&self.base, &entry.path)?;
        self.draft.note(&path)?;
        if let Some(kind) = special(&entry) {
            self.notes.skip(&path, kind);
            return Ok(());
        }
        self.below(&path, entry, times)?;
        self.entry_count += 1;
        Ok(())
    }

    /// Adds content to the last entry, which is a file.
    ///
    /// # Errors
    /// [`UnpackError`] if it is no file, or this is too much, or the host refuses.
    pub(in crate::workspace) fn data(&mut self, data: &[u8]) -> Result<(), UnpackError> {
        let Some(current) = &mut self.current else {
            return Err(UnpackError::garbage(b"", "has content and is no file"));
        };
        let taken = current.file.write(data);
        let taken = taken.map_err(UnpackError::io("write", self.draft.output().path()))?;
        self.bytes_written += data.len() as u64;
        self.budget.charge_content(data.len() as u64, taken)
    }

    /// Gives directories their modes and times, syncs everything, and puts it in place unless it was cancelled.
    ///
    /// # Errors
    /// [`UnpackError`] if nothing was sent, or the host refuses.
    pub(in crate::workspace) fn finish(mut self, cancelled: &AtomicBool) -> Result<Unpacked, UnpackError> {
        self.end_file()?;
        let artifact_type = match &mut self.root {
            Root::Unknown => return Err(UnpackError::garbage(b"", "has nothing at all")),
            Root::Single(kind) => *kind,
            Root::Directory(beneath) => {
                for (path, permissions, times) in self.directories.iter().rev() {
                    beneath
                        .settle(path, *permissions, times)
                        .map_err(self.draft.io("set the mode of"))?;
                }
                // One call for all files; each by itself takes far longer.
                let root = beneath.directory(b"").and_then(syncfs);
                root.map_err(self.draft.io("sync"))?;
                ArtifactType::Directory
            }
        };
        if cancelled.load(Ordering::Relaxed) {
            return Err(UnpackError::Cancelled);
        }
        let mut warnings = self.notes.warnings();
        let path = self.draft.output().path().to_path_buf();
        warnings.extend(self.draft.publish()?);
        Ok(Unpacked {
            path,
            artifact_type,
            entry_count: self.entry_count,
            bytes_written: self.bytes_written,
            skipped: self.notes.skipped,
            warnings,
        })
    }

    /// Makes what is exported itself.
    fn first(&mut self, entry: FileEntry, times: Timestamps) -> Result<(), UnpackError> {
        self.base = entry.path.to_vec();
        if let Some(kind) = special(&entry) {
            let path = format!("{TREE}/{}", String::from_utf8_lossy(&self.base));
            return Err(UnpackError::SpecialFile { path, kind });
        }
        self.root = match kind(&entry)? {
            FileKind::Directory => {
                self.draft
                    .make(|parent, name| mkdirat(parent, name, Mode::RWXU))?;
                let opened = Beneath::open(self.draft.parent(), self.draft.name());
                let beneath = opened.map_err(self.draft.io("open"))?;
                self.directories.push((Vec::new(), permissions(&entry), times));
                Root::Directory(beneath)
            }
            FileKind::File => {
                let made = self
                    .draft
                    .make(|parent, name| openat(parent, name, NEW_FILE, Mode::RUSR | Mode::WUSR))?;
                let file = NewFile::new(File::from(made));
                self.current = Some(Current { entry, times, file });
                self.entry_count = 1;
                Root::Single(ArtifactType::File)
            }
            FileKind::Symlink => {
                let target = link_target(&entry)?;
                self.draft.make(|parent, name| symlinkat(target, parent, name))?;
                let flags = AtFlags::SYMLINK_NOFOLLOW;
                let timed = utimensat(self.draft.parent(), self.draft.name(), &times, flags);
                timed.map_err(self.draft.io("set the time of"))?;
                self.entry_count = 1;
                Root::Single(ArtifactType::Symlink)
            }
            _ => {
                return Err(UnpackError::garbage(
                    &entry.path,
                    "is of no kind that begins an export",
                ));
            }
        };
        Ok(())
    }

    /// Makes something below the directory that is exported.
    fn below(&mut self, path: &[u8], entry: FileEntry, times: Timestamps) -> Result<(), UnpackError> {
        let Root::Directory(beneath) = &mut self.root else {
            return Err(UnpackError::garbage(path, "is below what is no directory"));
        };
        let refused = |error| match error {
            Errno::EXIST => UnpackError::garbage(path, "is there already"),
            error => UnpackError::io("create", self.draft.output().path())(error),
        };
        let name = split(path).1;
        match kind(&entry)? {
            FileKind::Directory => {
                let parent = beneath.parent_of(path, refused)?;
                self.budget.charge_memory(path)?;
                self.budget.charge_block()?;
                mkdirat(parent, name, Mode::RWXU).map_err(refused)?;
                self.directories.push((path.to_vec(), permissions(&entry), times));
            }
            FileKind::File => {
                let parent = beneath.parent_of(path, refused)?;
                let made = openat(parent, name, NEW_FILE, Mode::RUSR | Mode::WUSR).map_err(refused)?;
                let file = NewFile::new(File::from(made));
                self.current = Some(Current { entry, times, file });
            }
            FileKind::Symlink => {
                let parent = beneath.parent_of(path, refused)?;
                symlinkat(link_target(&entry)?, parent, name).map_err(&refused)?;
                utimensat(parent, name, &times, AtFlags::SYMLINK_NOFOLLOW).map_err(refused)?;
            }
            FileKind::HardLink => {
                let first = relative(&self.base, &entry.target)?;
                beneath.link(&first, path, refused)?;
            }
            _ => return Err(UnpackError::garbage(path, "is of no kind that can be exported")),
        }
        Ok(())
    }

    /// Completes the file whose content has come.
    fn end_file(&mut self) -> Result<(), UnpackError> {
        let Some(Current { entry, times, file }) = self.current.take() else {
            return Ok(());
        };
        let length = file.len();
        if length > 0 {
            self.budget.charge_block()?;
        }
        if length != entry.size {
            self.notes.change(&entry.path);
        }
        let path = self.draft.output().path();
        let file = file.finish(permissions(&entry), &times);
        let file = file.map_err(UnpackError::io("write", path))?;
        if matches!(self.root, Root::Single(_)) {
            fsync(&file).map_err(UnpackError::io("sync", path))?;
        }
        Ok(())
    }
}

/// Writes bytes as a file, whole or not at all; its mode is that of any new file. Blocks.
///
/// # Errors
/// [`UnpackError`] if the target came meanwhile, or the host refuses.
pub(in crate::workspace) fn publish_bytes(output: Output, bytes: &[u8]) -> Result<Unpacked, UnpackError> {
    let mode = Mode::from_raw_mode(0o666);
    let mut draft = Draft::new(output);
    let mut file = File::from(draft.make(|parent, name| openat(parent, name, NEW_FILE, mode))?);
    let path = draft.output().path().to_path_buf();
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.map_err(UnpackError::io("write", &path))?;
    Ok(Unpacked {
        path,
        artifact_type: ArtifactType::File,
        entry_count: 1,
        bytes_written: bytes.len() as u64,
        skipped: Vec::new(),
        warnings: draft.publish()?,
    })
}
