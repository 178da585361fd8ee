//! The users and groups of an image.

use crate::layer::{Blobs, Layer};

#[test]
fn the_files_of_users_and_groups_are_those_of_the_merged_tree() {
    let dir = tempfile::tempdir().unwrap();
    let below = Layer::default()
        .dir("usr/", 0o755)
        .dir("usr/etc/", 0o755)
        .symlink("etc", "usr/etc")
        .file("usr/etc/passwd", "root:x:0:0::/:\n")
        .file("usr/lib/group", "staff:x:50:\n")
        .symlink("usr/etc/group", "../lib/group");
    let above = Layer::default()
        .file("first", "of its layer")
        .file("etc/passwd", "root:x:0:0::/:\nnode:x:1000:1001::/:\n");
    let blobs = Blobs::new(&[below.tar(), above.tar()]);
    let accounts = blobs.build(&dir.path().join("image")).unwrap().accounts;
    assert_eq!(accounts.passwd, "root:x:0:0::/:\nnode:x:1000:1001::/:\n");
    assert_eq!(accounts.group, "staff:x:50:\n");
    let ids = accounts.find("node:staff").unwrap();
    assert_eq!((ids.uid, ids.gid), (1000, 50));
}

#[test]
fn files_that_lead_nowhere_or_are_none_are_as_if_they_were_not_there() {
    let dir = tempfile::tempdir().unwrap();
    let layer = Layer::default()
        .symlink("etc/passwd", "passwd")
        .dir("etc/group/", 0o755);
    let blobs = Blobs::new(&[layer.tar()]);
    let accounts = blobs.build(&dir.path().join("image")).unwrap().accounts;
    assert_eq!((accounts.passwd.as_str(), accounts.group.as_str()), ("", ""));

    let large = "x".repeat(3 << 20);
    let layer = Layer::default().file("etc/passwd", format!("root:x:0:0::/:\n{large}"));
    let blobs = Blobs::new(&[layer.tar()]);
    let accounts = blobs.build(&dir.path().join("another")).unwrap().accounts;
    assert_eq!(accounts.passwd.len(), 1 << 20);
}
