//! What is written, and what is not.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::PathBuf;

use bytes::Bytes;
use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use super::*;

struct Place {
    files: TempDir,
    tree: Tree,
}

impl Place {
    fn new() -> Self {
        let files = TempDir::new().unwrap();
        let tree = Tree::of_dirs(files.path());
        Self { files, tree }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.files.path().join("tree").join(path)
    }

    fn write(&self, request: &WriteFile, content: &str) -> Result<FileWritten, Fault> {
        let path = TreePath::parse(request.path.clone()).unwrap();
        let writing = Writing {
            tree: &self.tree,
            path: &path,
            request,
            content: content.as_bytes(),
        };
        let written = writing.write();
        // Whatever comes of it, nothing stays behind.
        assert_eq!(fs::read_dir(self.files.path().join("stage")).unwrap().count(), 0);
        written
    }

    fn content(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }
}

fn to(path: &'static str) -> WriteFile {
    WriteFile {
        path: Bytes::from_static(path.as_bytes()),
        ..WriteFile::default()
    }
}

fn with_parents(path: &'static str) -> WriteFile {
    WriteFile {
        create_parents: true,
        ..to(path)
    }
}

fn appending(path: &'static str) -> WriteFile {
    WriteFile {
        append: true,
        ..to(path)
    }
}

#[test]
fn a_file_is_made_and_replaced() {
    let place = Place::new();
    let written = place.write(&to("file"), "one").unwrap();
    let wanted = FileWritten {
        size: 3,
        mode: 0o644,
        created: true,
    };
    assert_eq!(written, wanted);
    fs::set_permissions(place.path("file"), PermissionsExt::from_mode(0o4751)).unwrap();
    fs::hard_link(place.path("file"), place.path("other")).unwrap();
    let written = place.write(&to("file"), "").unwrap();
    assert_eq!((written.size, written.mode, written.created), (0, 0o4751, false));
    assert_eq!(fs::metadata(place.path("file")).unwrap().mode() & 0o7777, 0o4751);
    // It is another file, not the old one written over.
    assert_eq!(place.content("other"), "one");
}

#[test]
fn executable_bits_are_set_taken_and_kept() {
    let place = Place::new();
    let executable = |executable| WriteFile {
        executable,
        ..to("file")
    };
    assert_eq!(place.write(&executable(Some(true)), "").unwrap().mode, 0o755);
    assert_eq!(place.write(&executable(None), "").unwrap().mode, 0o755);
    assert_eq!(place.write(&executable(Some(false)), "").unwrap().mode, 0o644);
    fs::set_permissions(place.path("file"), PermissionsExt::from_mode(0o600)).unwrap();
    assert_eq!(place.write(&executable(Some(true)), "").unwrap().mode, 0o700);
    let append = WriteFile {
        append: true,
        ..executable(Some(false))
    };
    assert_eq!(place.write(&append, "").unwrap().mode, 0o600);
}

#[test]
fn an_append_adds_to_the_file_that_is_there() {
    let place = Place::new();
    let first = place.write(&appending("file"), "one").unwrap();
    assert_eq!((first.size, first.created), (3, true));
    fs::hard_link(place.path("file"), place.path("other")).unwrap();
    let second = place.write(&appending("file"), "two").unwrap();
    assert_eq!((second.size, second.mode, second.created), (6, 0o644, false));
    assert_eq!(place.content("other"), "onetwo");
}

#[test]
fn directories_are_made_if_asked_for() {
    let place = Place::new();
    let fault = place.write(&to("a/b/file"), "").unwrap_err();
    assert_eq!(fault.kind(), FaultKind::PathNotFound);
    assert_eq!(fault.message, "no `/workspace/a/b`");
    assert!(place.write(&with_parents("a/b/file"), "deep").unwrap().created);
    assert_eq!(place.content("a/b/file"), "deep");
    assert!(place.write(&with_parents("a/c/d/e"), "deeper").unwrap().created);
    assert!(!place.write(&with_parents("a/c/d/e"), "again").unwrap().created);
    assert_eq!(place.content("a/c/d/e"), "again");
    assert_eq!(fs::metadata(place.path("a/c")).unwrap().mode() & 0o7777, 0o755);
    let append = WriteFile {
        append: true,
        ..with_parents("n/o/p")
    };
    place.write(&append, "new").unwrap();
    assert_eq!(place.content("n/o/p"), "new");
}

#[test]
fn nothing_is_written_through_a_link() {
    let place = Place::new();
    fs::create_dir(place.path("dir")).unwrap();
    fs::write(place.path("dir/file"), "old").unwrap();
    symlink("dir", place.path("link")).unwrap();
    symlink("file", place.path("dir/alias")).unwrap();
    symlink("nowhere", place.path("dangling")).unwrap();
    for request in [
        to("link/file"),
        to("dir/alias"),
        to("dangling"),
        with_parents("link/new/x"),
        with_parents("dangling/x"),
        appending("dir/alias"),
        appending("link/file"),
        to("link"),
    ] {
        let fault = place.write(&request, "new").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathRefused, "{request:?}");
    }
    assert_eq!(place.content("dir/file"), "old");
    assert!(!place.path("nowhere").exists());
    assert!(!place.path("dir/new").exists());
}

#[test]
fn only_files_are_written() {
    let place = Place::new();
    fs::create_dir(place.path("dir")).unwrap();
    fs::write(place.path("file"), "").unwrap();
    rustix::fs::mkfifoat(CWD, place.path("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
    for request in [
        to("dir"),
        to(""),
        to("fifo"),
        appending("fifo"),
        appending("dir"),
        with_parents("file/x/y"),
        with_parents("fifo/x"),
    ] {
        let fault = place.write(&request, "").unwrap_err();
        assert_eq!(fault.kind(), FaultKind::WrongFileType, "{request:?}");
    }
    let fault = place.write(&with_parents("file/x/y"), "").unwrap_err();
    assert_eq!(fault.message, "`/workspace/file` is not a directory");
    assert!(place.write(&to("file/x"), "").unwrap_err().kind() == FaultKind::PathNotFound);
}
