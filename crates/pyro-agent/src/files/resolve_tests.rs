//! Paths, and where they lead.

use std::fs;
use std::os::unix::fs::symlink;

use bytes::Bytes;
use pyro_proto::message::FaultKind;
use tempfile::TempDir;

use super::*;

fn path(path: &'static str) -> TreePath {
    TreePath::parse(Bytes::from_static(path.as_bytes())).unwrap()
}

/// `dir/file`, and links to it.
fn tree_with(links: &[(&str, &str)]) -> (TempDir, Tree) {
    let files = TempDir::new().unwrap();
    let tree = Tree::of_dirs(files.path());
    let root = files.path().join("tree");
    fs::create_dir(root.join("dir")).unwrap();
    fs::write(root.join("dir/file"), "text").unwrap();
    fs::write(files.path().join("secret"), "outside").unwrap();
    for (name, target) in links {
        symlink(target, root.join(name)).unwrap();
    }
    (files, tree)
}

#[test]
fn links_that_stay_inside_are_followed() {
    let links = [
        ("plain", "dir/file"),
        ("absolute", "/workspace/dir/file"),
        ("dir/up", "../plain"),
        ("around", "dir/../../workspace//dir/./up"),
        ("chain", "around"),
        ("top", "/workspace"),
        ("slash", "//workspace/dir/"),
    ];
    let (_files, tree) = tree_with(&links);
    let wanted = find(&tree, &path("dir/file"), LastLink::Follow)
        .unwrap()
        .stat
        .st_ino;
    for way in [
        "plain",
        "absolute",
        "dir/up",
        "around",
        "chain",
        "top/dir/file",
        "slash/file",
        "top/slash/up",
    ] {
        let found = find(&tree, &path(way), LastLink::Follow).unwrap();
        assert_eq!(found.stat.st_ino, wanted, "{way}");
    }
    let root = find(&tree, &path("top"), LastLink::Follow).unwrap();
    assert_eq!(root.stat.st_ino, rustix::fs::fstat(&tree.root).unwrap().st_ino);
}

#[test]
fn a_path_that_leaves_the_tree_is_refused() {
    let links = [
        ("passwd", "/etc/passwd"),
        ("up", "../secret"),
        ("near", "/workspaces/dir/file"),
        ("out", "dir/../.."),
        ("root", "/"),
        ("loop", "loop"),
        ("far", "root/workspace/../etc/passwd"),
    ];
    let (_files, tree) = tree_with(&links);
    for way in [
        "passwd",
        "up",
        "near",
        "out",
        "root",
        "root/etc",
        "out/secret",
        "loop",
        "loop/x",
        "far",
    ] {
        let fault = find(&tree, &path(way), LastLink::Follow).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathRefused, "{way}: {fault:?}");
        assert!(
            fault.message.contains(&format!("`/workspace/{way}`")),
            "{fault:?}"
        );
    }
    // A way through the directory above that comes back is one that a command has, too.
    find(&tree, &path("root/workspace/dir/file"), LastLink::Follow).unwrap();
}

#[test]
fn the_last_link_can_be_kept() {
    let links = [
        ("passwd", "/etc/passwd"),
        ("top", "/workspace"),
        ("dangling", "nowhere"),
    ];
    let (_files, tree) = tree_with(&links);
    for way in ["passwd", "dangling", "top/passwd", "top/dangling", "top/top"] {
        let found = find(&tree, &path(way), LastLink::Keep).unwrap();
        let is_link = FileType::from_raw_mode(found.stat.st_mode) == FileType::Symlink;
        assert!(is_link, "{way}");
    }
    let link = find(&tree, &path("top/passwd"), LastLink::Keep).unwrap();
    assert_eq!(node::target(link.handle.as_fd(), b"").unwrap(), "/etc/passwd");
}

#[test]
fn what_is_not_there_is_not_found() {
    let (_files, tree) = tree_with(&[
        ("dangling", "/workspace/nowhere"),
        ("through", "/workspace/dir/file/.."),
    ]);
    for way in [
        "nowhere",
        "dir/nowhere",
        "dir/file/x",
        "nowhere/x",
        "dangling",
        "through",
    ] {
        let fault = find(&tree, &path(way), LastLink::Follow).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathNotFound, "{way}");
        assert_eq!(fault.message, format!("no `/workspace/{way}`"));
    }
}

#[test]
fn a_directory_to_write_to_is_reached_through_no_link() {
    let (_files, tree) = tree_with(&[("link", "dir"), ("dir/up", "..")]);
    open_directory(&tree, &path("dir")).unwrap();
    open_directory(&tree, &path("")).unwrap();
    for way in ["link", "link/x", "dir/up", "dir/up/dir"] {
        let fault = open_directory(&tree, &path(way)).unwrap_err();
        assert_eq!(fault.kind(), FaultKind::PathRefused, "{way}");
    }
    let fault = open_directory(&tree, &path("dir/file")).unwrap_err();
    assert_eq!(fault.kind(), FaultKind::PathNotFound);
}
