//! Whatever a guest sends, in whatever order.

mod hostile;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use bytes::Bytes;
use tempfile::TempDir;

use super::*;
use crate::error::{Diagnosis, ErrorCode};

const SMALL_DISK: u64 = 1 << 20;

fn entry(path: &str, kind: FileKind) -> FileEntry {
    FileEntry {
        path: Bytes::copy_from_slice(path.as_bytes()),
        kind: kind.into(),
        mode: if kind == FileKind::Directory { 0o755 } else { 0o644 },
        modified_s: 1_000_000_000,
        modified_ns: 7,
        ..FileEntry::default()
    }
}

fn to(path: &str, kind: FileKind, target: &str) -> FileEntry {
    FileEntry {
        target: Bytes::copy_from_slice(target.as_bytes()),
        ..entry(path, kind)
    }
}

fn directory(path: &str) -> FileEntry {
    entry(path, FileKind::Directory)
}

fn file(path: &str) -> FileEntry {
    entry(path, FileKind::File)
}

fn start(dir: &TempDir, force: bool) -> Unpack {
    let output = Output::open(&dir.path().join("out"), force).unwrap();
    Unpack::new(output, Budget::of_disk(SMALL_DISK))
}

fn finish(unpack: Unpack) -> Result<Unpacked, UnpackError> {
    unpack.finish(&AtomicBool::new(false))
}

fn unpack(dir: &TempDir, entries: &[FileEntry]) -> Result<Unpacked, UnpackError> {
    let mut unpack = start(dir, false);
    for entry in entries {
        unpack.entry(entry.clone())?;
    }
    finish(unpack)
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_tree_arrives_with_modes_times_and_links() {
    let dir = tempfile::tempdir().unwrap();
    let mut unpack = start(&dir, false);
    let mut closed = directory("src/closed");
    closed.mode = 0o555;
    unpack.entry(directory("src")).unwrap();
    unpack.entry(closed).unwrap();
    let mut tool = file("src/closed/tool");
    (tool.mode, tool.size) = (0o6755, 4);
    unpack.entry(tool).unwrap();
    unpack.data(b"to").unwrap();
    unpack.data(b"ol").unwrap();
    unpack
        .entry(to("src/again", FileKind::HardLink, "src/closed/tool"))
        .unwrap();
    unpack
        .entry(to("src/link", FileKind::Symlink, "/etc/shadow"))
        .unwrap();
    unpack
        .entry(to("src/link2", FileKind::HardLink, "src/link"))
        .unwrap();
    unpack.entry(directory("src/empty")).unwrap();
    unpack.entry(entry("src/closed/pipe", FileKind::Fifo)).unwrap();
    let unpacked = finish(unpack).unwrap();
    assert_eq!(unpacked.artifact_type, ArtifactType::Directory);
    assert_eq!((unpacked.entry_count, unpacked.bytes_written), (6, 4));
    assert_eq!(unpacked.skipped, [SkippedFile::new(b"closed/pipe", "fifo")]);
    assert_eq!(unpacked.warnings, <[String; 0]>::default());
    assert_eq!(unpacked.path, dir.path().join("out"));

    let out = dir.path().join("out");
    assert_eq!(names(&out), ["again", "closed", "empty", "link", "link2"]);
    assert_eq!(fs::read(out.join("again")).unwrap(), b"tool");
    assert_eq!(fs::read_link(out.join("link")).unwrap(), Path::new("/etc/shadow"));
    for (path, mode) in [
        (".", 0o755),
        ("closed", 0o555),
        ("closed/tool", 0o755),
        ("link", 0o777),
    ] {
        let metadata = fs::symlink_metadata(out.join(path)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{path}");
        assert_eq!(
            (metadata.mtime(), metadata.mtime_nsec()),
            (1_000_000_000, 7),
            "{path}"
        );
    }
    let inode = |path: &str| fs::symlink_metadata(out.join(path)).unwrap().ino();
    assert_eq!(inode("again"), inode("closed/tool"));
    assert_eq!(inode("link"), inode("link2"));
    fs::set_permissions(out.join("closed"), PermissionsExt::from_mode(0o755)).unwrap();
}

#[test]
fn a_file_or_a_link_arrives_by_itself() {
    let dir = tempfile::tempdir().unwrap();
    let mut unpack = start(&dir, false);
    unpack
        .entry(FileEntry {
            size: 3,
            ..file("a/b")
        })
        .unwrap();
    unpack.data(b"abc").unwrap();
    let unpacked = finish(unpack).unwrap();
    assert_eq!(unpacked.artifact_type, ArtifactType::File);
    assert_eq!((unpacked.entry_count, unpacked.bytes_written), (1, 3));
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"abc");

    // The file that a link leads to is not what is replaced.
    symlink("out", dir.path().join("link")).unwrap();
    let output = Output::open(&dir.path().join("link"), true).unwrap();
    let mut unpack = Unpack::new(output, Budget::of_disk(SMALL_DISK));
    unpack.entry(to("l", FileKind::Symlink, "elsewhere")).unwrap();
    let unpacked = finish(unpack).unwrap();
    assert_eq!(unpacked.artifact_type, ArtifactType::Symlink);
    assert_eq!(
        fs::read_link(dir.path().join("link")).unwrap(),
        Path::new("elsewhere")
    );
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"abc");
    assert_eq!(names(dir.path()), ["link", "out"]);
}

#[test]
fn a_directory_is_replaced_whole_and_what_was_cancelled_leaves_it() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    fs::create_dir_all(out.join("old/below")).unwrap();
    for is_cancelled in [true, false] {
        let mut unpack = start(&dir, true);
        unpack.entry(directory("")).unwrap();
        unpack.entry(file("new")).unwrap();
        let finished = unpack.finish(&AtomicBool::new(is_cancelled));
        assert_eq!(finished.is_err(), is_cancelled);
        assert_eq!(names(&out), [if is_cancelled { "old" } else { "new" }]);
        assert_eq!(names(dir.path()), ["out"]);
    }
}

#[test]
fn a_file_of_another_length_than_was_said_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let mut unpack = start(&dir, false);
    unpack
        .entry(FileEntry {
            size: 9,
            ..file("log")
        })
        .unwrap();
    unpack.data(b"short").unwrap();
    let unpacked = finish(unpack).unwrap();
    assert_eq!(unpacked.warnings, ["`log` changed while it was exported"]);
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"short");
}

#[test]
fn bytes_are_published_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("out.patch");
    let output = Output::open(&path, false).unwrap();
    let late = Output::open(&path, false).unwrap();
    let unpacked = publish_bytes(output, b"one").unwrap();
    assert_eq!((unpacked.entry_count, unpacked.bytes_written), (1, 3));
    let error = publish_bytes(late, b"two").unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutputExists);
    assert_eq!(fs::read(&path).unwrap(), b"one");
    publish_bytes(Output::open(&path, true).unwrap(), b"three").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"three");
    assert_eq!(names(dir.path()), ["out.patch"]);
}

#[tokio::test]
async fn an_output_that_is_dropped_or_given_up_is_gone_when_that_is_done() {
    let dir = tempfile::tempdir().unwrap();
    for is_dropped in [true, false] {
        let output = Output::open(&dir.path().join("out"), false).unwrap();
        let mut unpacking = Unpacking::start(output, Budget::of_disk(SMALL_DISK));
        unpacking.entry(directory("")).await.unwrap();
        unpacking.entry(file("a")).await.unwrap();
        unpacking.data(Bytes::from_static(b"x")).await.unwrap();
        if is_dropped {
            drop(unpacking);
        } else {
            unpacking.abandon().await;
        }
        assert_eq!(names(dir.path()), <[&str; 0]>::default());
    }
}

#[tokio::test]
async fn the_failure_of_the_thread_is_told_by_what_is_sent_next() {
    let dir = tempfile::tempdir().unwrap();
    let output = Output::open(&dir.path().join("out"), false).unwrap();
    let mut unpacking = Unpacking::start(output, Budget::of_disk(SMALL_DISK));
    unpacking.entry(directory("")).await.unwrap();
    unpacking.entry(file("../a")).await.unwrap();
    let error = loop {
        if let Err(error) = unpacking.data(Bytes::from_static(b"x")).await {
            break error;
        }
    };
    assert_eq!(error.code(), ErrorCode::GuestLost);
    unpacking.abandon().await;
    assert_eq!(names(dir.path()), <[&str; 0]>::default());
}

#[tokio::test]
async fn what_is_sent_to_its_end_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let output = Output::open(&dir.path().join("out"), false).unwrap();
    let mut unpacking = Unpacking::start(output, Budget::of_disk(SMALL_DISK));
    unpacking.entry(FileEntry { size: 1, ..file("a") }).await.unwrap();
    unpacking.data(Bytes::from_static(b"x")).await.unwrap();
    let unpacked = unpacking.finish().await.unwrap();
    assert_eq!(unpacked.warnings, <[String; 0]>::default());
    assert_eq!(fs::read(dir.path().join("out")).unwrap(), b"x");
}
