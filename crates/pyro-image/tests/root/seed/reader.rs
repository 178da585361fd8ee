//! The entries of a seed one by one, as a sync reads them.

use std::sync::atomic::AtomicBool;

use pyro_image::seed::{SeedEntry, SeedKind, SeedPlan};

use super::Home;

/// Each entry on a line, and the content of files.
fn listing(plan: &SeedPlan) -> Vec<String> {
    let cancel = AtomicBool::new(false);
    let mut reader = plan.read(&cancel);
    let mut lines = Vec::new();
    while let Some(SeedEntry { path, kind, mode, .. }) = reader.next_entry() {
        let mut content = Vec::new();
        let mut buffer = [0; 3];
        loop {
            match reader.read(&mut buffer).unwrap() {
                0 => break,
                count => content.extend_from_slice(&buffer[..count]),
            }
        }
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (path, content) = (text(&path), text(&content));
        lines.push(match kind {
            SeedKind::Directory => format!("d {path} {mode:o}"),
            SeedKind::File { size } => format!("f {path} {size} {content}"),
            SeedKind::Symlink { target } => format!("l {path} {}", text(&target)),
            SeedKind::HardLink { target } => format!("h {path} {}", text(&target)),
        });
    }
    lines
}

#[test]
fn directories_come_first_and_hard_links_last() {
    let home = Home::new();
    home.file("b/c/file", "12345").file("b/empty", "").file("z", "z");
    std::os::unix::fs::symlink("nowhere", home.path("b/link")).unwrap();
    std::fs::hard_link(home.path("z"), home.path("b/also-z")).unwrap();
    std::fs::hard_link(home.path("b/empty"), home.path("a-empty")).unwrap();
    let expected = [
        "d  755",
        "f a-empty 0 ",
        "d b 755",
        "d b/c 755",
        "l b/link nowhere",
        "f b/also-z 1 z",
        "f b/c/file 5 12345",
        "h b/empty a-empty",
        "h z b/also-z",
    ];
    let mut lines = listing(&home.plan());
    lines[5..7].sort();
    assert_eq!(lines, expected);
}

#[test]
fn contents_may_be_passed_over() {
    let home = Home::new();
    for name in ["a", "b", "c"] {
        home.file(name, name.repeat(1000));
    }
    let plan = home.plan();
    let cancel = AtomicBool::new(false);
    let mut reader = plan.read(&cancel);
    let mut buffer = [0; 10];
    while let Some(entry) = reader.next_entry() {
        if entry.path == b"b" {
            assert_eq!(reader.read(&mut buffer).unwrap(), 10);
            assert_eq!(buffer, [b'b'; 10]);
        }
    }
    assert_eq!(reader.read(&mut buffer).unwrap(), 10, "the last stays current");
}

#[test]
fn a_root_has_no_content() {
    let home = Home::new();
    let plan = home.plan();
    let cancel = AtomicBool::new(false);
    let mut reader = plan.read(&cancel);
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    assert_eq!(reader.next_entry().unwrap().path, b"");
    assert_eq!(reader.read(&mut [0; 10]).unwrap(), 0);
    assert!(reader.next_entry().is_none());
}
