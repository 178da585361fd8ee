//! Lists of a tree with one of everything.

use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::net::UnixListener;

use bytes::Bytes;
use pyro_proto::file::FileKind;
use rustix::fs::{CWD, Mode};
use tempfile::TempDir;

use super::*;

fn run(tree: &Arc<Tree>, request: ListFiles) -> Result<(Vec<FileEntry>, bool), Fault> {
    let (sender, mut receiver) = mpsc::channel(1024);
    let more = list(tree, request, &sender)?;
    drop(sender);
    let mut entries = Vec::new();
    while let Some(message) = receiver.blocking_recv() {
        assert!(message.encoded_len() < 64 * 1024);
        entries.extend(message.entries);
    }
    Ok((entries, more))
}

fn request(path: &'static str, recursive: bool) -> ListFiles {
    ListFiles {
        path: Bytes::from_static(path.as_bytes()),
        recursive,
        ..ListFiles::default()
    }
}

fn paths(entries: &[FileEntry]) -> Vec<&str> {
    let paths = entries.iter().map(|entry| std::str::from_utf8(&entry.path));
    paths.map(|path| path.unwrap_or("?")).collect()
}

/// One of everything, in names that tell the order of bytes from that of paths.
fn tree() -> (TempDir, Arc<Tree>) {
    let files = TempDir::new().unwrap();
    let tree = Arc::new(Tree::of_dirs(files.path()));
    let root = files.path().join("tree");
    for directory in ["a/b", "a.d", "empty", "z/y/x"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    for file in ["a/b/file", "a/c", "a-", "Z", "z/y/x/deep", "z/y0"] {
        fs::write(root.join(file), file).unwrap();
    }
    symlink("/etc/passwd", root.join("a.d/link")).unwrap();
    symlink("/workspace/a", root.join("inside")).unwrap();
    rustix::fs::mkfifoat(CWD, root.join("fifo"), Mode::RUSR).unwrap();
    drop(UnixListener::bind(root.join("socket")).unwrap());
    (files, tree)
}

fn all() -> Vec<&'static str> {
    "Z a a/b a/b/file a/c a- a.d a.d/link empty fifo inside socket z z/y z/y/x z/y/x/deep z/y0"
        .split(' ')
        .collect()
}

#[test]
fn a_directory_comes_right_before_what_is_in_it() {
    let (_files, tree) = tree();
    let (entries, more) = run(&tree, request("", true)).unwrap();
    assert_eq!(paths(&entries), all());
    assert!(!more);
    let (entries, _) = run(&tree, request("", false)).unwrap();
    let top: Vec<&str> = all().into_iter().filter(|path| !path.contains('/')).collect();
    assert_eq!(paths(&entries), top);
}

#[test]
fn pages_of_any_size_give_the_same_list() {
    let (_files, tree) = tree();
    for limit in 1..=all().len() as u64 + 1 {
        let mut list = Vec::new();
        let mut after = Bytes::new();
        loop {
            let page = ListFiles {
                limit,
                after,
                ..request("", true)
            };
            let (entries, more) = run(&tree, page).unwrap();
            after = entries.last().unwrap().path.clone();
            list.extend(entries);
            if !more {
                break;
            }
        }
        assert_eq!(paths(&list), all(), "in pages of {limit}");
    }
}

#[test]
fn a_page_begins_behind_what_is_there_no_more() {
    let (_files, tree) = tree();
    let behind = |after: &'static str, recursive| {
        let page = ListFiles {
            after: Bytes::from_static(after.as_bytes()),
            ..request("", recursive)
        };
        let (entries, _) = run(&tree, page).unwrap();
        paths(&entries).first().map(|first| (*first).to_owned())
    };
    assert_eq!(behind("a/b/a", true).as_deref(), Some("a/b/file"));
    assert_eq!(behind("a/b/gone/x", true).as_deref(), Some("a/c"));
    assert_eq!(behind("a/bb", true).as_deref(), Some("a/c"));
    assert_eq!(behind("a/c/x", true).as_deref(), Some("a-"));
    assert_eq!(behind("inside/b", true).as_deref(), Some("socket"));
    assert_eq!(behind("z/y0", true), None);
    assert_eq!(behind("a/b", false).as_deref(), Some("a-"));
}

#[test]
fn each_kind_is_told_with_what_belongs_to_it() {
    let (_files, tree) = tree();
    let (entries, _) = run(&tree, request("", true)).unwrap();
    let get = |path: &str| entries.iter().find(|entry| entry.path == path).unwrap();
    for (path, kind, size) in [
        ("a", FileKind::Directory, 0),
        ("a/b/file", FileKind::File, 8),
        ("a.d/link", FileKind::Symlink, 11),
        ("inside", FileKind::Symlink, 12),
        ("fifo", FileKind::Fifo, 0),
        ("socket", FileKind::Socket, 0),
    ] {
        assert_eq!((get(path).kind(), get(path).size), (kind, size), "{path}");
    }
    assert_eq!(get("a.d/link").target, "/etc/passwd");
    assert_eq!(get("fifo").mode, 0o400);
    assert!(get("a/c").modified_s > 1_500_000_000);
}

#[test]
fn a_directory_behind_a_link_keeps_the_path_that_was_asked_for() {
    let (_files, tree) = tree();
    let (entries, _) = run(&tree, request("inside", true)).unwrap();
    assert_eq!(paths(&entries), ["inside/b", "inside/b/file", "inside/c"]);
    let page = ListFiles {
        after: Bytes::from_static(b"inside/b"),
        limit: 1,
        ..request("inside", true)
    };
    let (entries, more) = run(&tree, page).unwrap();
    assert_eq!((paths(&entries), more), (vec!["inside/b/file"], true));
}

#[test]
fn what_is_no_directory_is_not_listed() {
    let (_files, tree) = tree();
    let refused = |request| run(&tree, request).unwrap_err().kind();
    assert_eq!(refused(request("a/c", false)), FaultKind::WrongFileType);
    assert_eq!(refused(request("fifo", true)), FaultKind::WrongFileType);
    assert_eq!(refused(request("a.d/link", false)), FaultKind::PathRefused);
    assert_eq!(refused(request("nowhere", false)), FaultKind::PathNotFound);
    let elsewhere = ListFiles {
        after: Bytes::from_static(b"z/y"),
        ..request("a", true)
    };
    assert_eq!(refused(elsewhere), FaultKind::InvalidArgument);
}

#[test]
fn more_entries_than_fit_into_the_channel_arrive() {
    let files = TempDir::new().unwrap();
    let tree = Arc::new(Tree::of_dirs(files.path()));
    for number in 0..3000 {
        fs::write(
            files.path().join(format!("tree/{number:04}-{}", "n".repeat(200))),
            "",
        )
        .unwrap();
    }
    let (sender, mut receiver) = mpsc::channel(1);
    let listing = std::thread::spawn({
        let tree = Arc::clone(&tree);
        move || list(&tree, request("", false), &sender)
    });
    // While nobody reads, others may write.
    std::thread::sleep(std::time::Duration::from_millis(50));
    drop(tree.lock.blocking_write());
    let mut count = 0;
    while let Some(message) = receiver.blocking_recv() {
        count += message.entries.len();
    }
    assert_eq!((count, listing.join().unwrap()), (3000, Ok(false)));
}
