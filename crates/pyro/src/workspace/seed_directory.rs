//! A seed as a directory, for workspaces without a VM.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use pyro_image::seed::{SeedEntry, SeedError, SeedKind, SeedPlan, SeedProgress, SeedReader};
use pyro_proto::file::{FileEntry, FileKind};

use super::content::{Budget, Output, Unpack, seed_error};
use crate::error::Result;

/// How much content is moved at once, in bytes.
const COPY_BUFFER: usize = 256 * 1024;

/// How often progress is told, in bytes written.
const REPORT_BYTES: u64 = 1 << 20;

/// Writes a seed as a new directory, which belongs to the caller as everything in it does, and returns the warnings of
/// the reader. Set-user-ID, set-group-ID and sticky bits are left out: here they would mean the host's users.
///
/// The directory appears when all of it is written and synced. Links in the seed are made and never followed.
///
/// # Errors
/// A file that cannot be read or changed since it was planned, or a file system that refuses; nothing is left behind.
pub(super) fn write(
    plan: &SeedPlan,
    directory: &Path,
    hear: &mut dyn FnMut(SeedProgress),
    cancel: &AtomicBool,
) -> Result<Vec<String>> {
    let mut unpack = Unpack::new(Output::open(directory, false)?, Budget::unlimited());
    let mut copy = Copy {
        buffer: vec![0; COPY_BUFFER],
        done: 0,
        reported: 0,
        total: plan.summary().content_bytes,
        hear,
    };
    let mut reader = plan.read(cancel);
    while let Some(entry) = reader.next_entry() {
        if cancel.load(Ordering::Relaxed) {
            return Err(seed_error(SeedError::Cancelled));
        }
        let has_content = matches!(entry.kind, SeedKind::File { size: 1.. });
        unpack.entry(to_file_entry(entry))?;
        if has_content {
            copy.content(&mut reader, &mut unpack)?;
        }
    }
    unpack.finish(cancel)?;
    Ok(reader.warnings())
}

/// Moves contents, and tells how far it is.
struct Copy<'a> {
    buffer: Vec<u8>,
    done: u64,
    reported: u64,
    total: u64,
    hear: &'a mut dyn FnMut(SeedProgress),
}

impl Copy<'_> {
    fn content(&mut self, from: &mut SeedReader<'_>, to: &mut Unpack) -> Result<()> {
        loop {
            let count = from.read(&mut self.buffer).map_err(seed_error)?;
            if count == 0 {
                return Ok(());
            }
            to.data(&self.buffer[..count])?;
            self.done += count as u64;
            if self.done - self.reported >= REPORT_BYTES {
                self.reported = self.done;
                (self.hear)(SeedProgress::Written {
                    bytes_done: self.done,
                    bytes_total: self.total,
                });
            }
        }
    }
}

fn to_file_entry(entry: SeedEntry) -> FileEntry {
    let (kind, size, target) = match entry.kind {
        SeedKind::Directory => (FileKind::Directory, 0, Vec::new()),
        SeedKind::File { size } => (FileKind::File, size, Vec::new()),
        SeedKind::Symlink { target } => (FileKind::Symlink, 0, target),
        SeedKind::HardLink { target } => (FileKind::HardLink, 0, target),
    };
    FileEntry {
        path: entry.path.into(),
        kind: kind.into(),
        mode: entry.mode,
        size,
        modified_s: entry.modified.seconds,
        modified_ns: entry.modified.nanoseconds,
        target: target.into(),
        stamp: Bytes::new(),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

    use pyro_image::seed::SeedOptions;

    use super::*;

    fn plan(path: &Path) -> SeedPlan {
        SeedPlan::new(
            path,
            &SeedOptions::default(),
            &mut |_| {},
            &AtomicBool::new(false),
        )
        .unwrap()
    }

    #[test]
    fn modes_times_links_and_contents_are_those_of_the_source() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir_all(source.join("locked/below")).unwrap();
        fs::write(source.join("locked/file"), vec![7; 3_000_000]).unwrap();
        fs::hard_link(source.join("locked/file"), source.join("second")).unwrap();
        fs::write(source.join("tool"), "x").unwrap();
        symlink("/etc/passwd", source.join("link")).unwrap();
        let mode = |path: &str, mode| {
            fs::set_permissions(source.join(path), PermissionsExt::from_mode(mode)).unwrap();
        };
        mode("tool", 0o4751);
        mode("locked", 0o550);

        let target = dir.path().join("target");
        let mut heard = 0;
        write(
            &plan(&source),
            &target,
            &mut |_| heard += 1,
            &AtomicBool::new(false),
        )
        .unwrap();
        assert!(heard > 0);
        for path in ["", "locked", "locked/below", "locked/file", "second"] {
            let [was, is] = [&source, &target].map(|top| fs::metadata(top.join(path)).unwrap());
            assert_eq!(is.mode(), was.mode(), "{path}");
            assert_eq!(
                (is.mtime(), is.mtime_nsec()),
                (was.mtime(), was.mtime_nsec()),
                "{path}"
            );
        }
        assert_eq!(fs::metadata(target.join("tool")).unwrap().mode() & 0o7777, 0o751);
        assert_eq!(fs::read(target.join("second")).unwrap(), vec![7; 3_000_000]);
        let inode = |path| fs::metadata(target.join(path)).unwrap().ino();
        assert_eq!(inode("second"), inode("locked/file"));
        assert_eq!(
            fs::read_link(target.join("link")).unwrap(),
            Path::new("/etc/passwd")
        );
        mode("locked", 0o750);
        fs::set_permissions(target.join("locked"), PermissionsExt::from_mode(0o750)).unwrap();
    }

    #[test]
    fn a_source_that_shrinks_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let source = dir.path().join("source");
        fs::create_dir(&source).unwrap();
        fs::write(source.join("file"), "four").unwrap();
        let plan = plan(&source);
        fs::write(source.join("file"), "4").unwrap();
        let target = dir.path().join("target");
        write(&plan, &target, &mut |_| {}, &AtomicBool::new(false)).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
