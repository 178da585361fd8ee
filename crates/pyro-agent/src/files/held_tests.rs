//! Tests of files that are put and are there already.

use std::collections::BTreeMap;
use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use pyro_proto::file::FileKind;
use pyro_proto::message::FaultKind;

use super::commit::commit;
use super::staging::Staging;
use super::testing::{Ground, Put, absent, directory, entry, file};
use super::{byte_path, node};

/// A ground to which a clock's tick has come since everything was put that is put.
fn settled(puts: &[Put]) -> Ground {
    let ground = Ground::new();
    ground.put("", puts).unwrap();
    for put in puts {
        let path = &put.entry.entry.as_ref().unwrap().path;
        let (parent, name) = byte_path::split(path).unwrap();
        let parent = ground.live(std::str::from_utf8(parent).unwrap());
        let parent = fs::File::open(parent).unwrap();
        let look = || node::look(parent.as_fd(), name);
        node::settled(look().unwrap().unwrap(), look).unwrap();
    }
    ground
}

fn puts() -> [Put; 4] {
    [
        directory("dir"),
        file("dir/one", "1"),
        file("dir/two", "22"),
        file("three", ""),
    ]
}

/// The names of files that are staged.
fn staged(ground: &Ground, staging: &Staging) -> Vec<String> {
    let top = ground.files.path().join("stage").join(&staging.name).join("new");
    let mut found = Vec::new();
    let mut left = vec![top.clone()];
    while let Some(place) = left.pop() {
        for entry in fs::read_dir(place).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                left.push(path);
            } else {
                found.push(path.strip_prefix(&top).unwrap().display().to_string());
            }
        }
    }
    found.sort();
    found
}

/// What is there but for directories, whose times change.
fn files(ground: &Ground) -> BTreeMap<String, String> {
    let mut all = ground.snapshot();
    all.retain(|path, _| !Path::new(&ground.live(path.trim_start_matches('/'))).is_dir());
    all
}

#[test]
fn only_what_differs_is_staged() {
    let ground = settled(&puts());
    let before = files(&ground);
    let mut puts = puts();
    // As long, and of the same time.
    puts[2].content = b"2x".to_vec();
    let mut staging = ground.stage("", &puts).unwrap();
    assert_eq!(staged(&ground, &staging), ["dir/two"]);
    let result = commit(&mut staging, false).unwrap();
    assert_eq!((result.entries, result.bytes), (4, 3));
    drop(staging);
    let mut wanted = before.clone();
    wanted.insert("/dir/two".to_owned(), before["/dir/two"].replace("22", "2x"));
    assert_eq!(files(&ground), wanted);
    assert!(ground.is_clean());
}

#[test]
fn what_is_longer_or_shorter_than_it_is_said_to_be_is_staged() {
    let ground = settled(&puts());
    for content in ["", "2", "222", &"2".repeat(1000)] {
        let mut puts = puts();
        puts[2].content = content.into();
        ground.put("", &puts).unwrap();
        assert_eq!(fs::read_to_string(ground.live("dir/two")).unwrap(), content);
    }
}

#[test]
fn what_a_command_changes_before_the_commit_is_put_all_the_same() {
    let changes: [fn(&Ground); 5] = [
        |ground| fs::write(ground.live("dir/two"), "else").unwrap(),
        |ground| fs::remove_file(ground.live("dir/two")).unwrap(),
        |ground| fs::remove_dir_all(ground.live("dir")).unwrap(),
        |ground| fs::rename(ground.live("dir"), ground.live("moved")).unwrap(),
        |ground| {
            // The same name, content, mode and time, but a second name too.
            fs::hard_link(ground.live("dir/two"), ground.live("dir/other")).unwrap();
        },
    ];
    for change in changes {
        let ground = settled(&puts());
        let wanted = files(&ground);
        let mut staging = ground.stage("", &puts()).unwrap();
        assert_eq!(staged(&ground, &staging), [""; 0]);
        change(&ground);
        commit(&mut staging, false).unwrap();
        let mut found = files(&ground);
        found.retain(|path, _| wanted.contains_key(path));
        assert_eq!(found, wanted);
        assert_eq!(ground.snapshot()["/dir"].split(' ').nth(1), Some("750"));
    }
}

#[test]
fn what_another_put_changes_before_the_commit_is_put_all_the_same() {
    let ground = settled(&puts());
    let wanted = files(&ground);
    let mut staging = ground.stage("", &puts()).unwrap();
    ground
        .put("", &[file("dir/one", "other"), absent("three")])
        .unwrap();
    commit(&mut staging, false).unwrap();
    assert_eq!(files(&ground), wanted);
}

#[test]
fn what_is_there_has_a_further_name_if_that_is_put() {
    let ground = settled(&puts());
    let link = entry(FileKind::HardLink, "dir/link", 0o644, "dir/two");
    ground.put("", &[puts().to_vec(), vec![link]].concat()).unwrap();
    let all = files(&ground);
    assert_eq!(all["/dir/link"], all["/dir/two"]);
    assert!(all["/dir/two"].starts_with("22 ") && all["/dir/two"].ends_with(" 2"));
}

#[test]
fn what_is_there_outlives_the_directory_that_it_was_in() {
    for at in [0, 1] {
        let ground = settled(&[puts().to_vec(), vec![file("dir/gone", "x")]].concat());
        let mut puts = vec![file("dir/one", "1"), file("dir/two", "22")];
        puts.insert(at * 2, absent("dir"));
        ground.put("", &puts).unwrap();
        let left: Vec<String> = files(&ground).into_keys().collect();
        assert_eq!(left, ["/dir/one", "/dir/two", "/three"]);
        assert!(ground.is_clean());
    }
}

#[test]
fn what_is_there_can_be_put_only_once() {
    let ground = settled(&puts());
    for (second, kind) in [
        (file("dir/one", "1"), FaultKind::InvalidArgument),
        (directory("dir/one"), FaultKind::InvalidArgument),
        (absent("dir/one"), FaultKind::InvalidArgument),
        (
            entry(FileKind::Symlink, "dir/one", 0o777, "x"),
            FaultKind::InvalidArgument,
        ),
        (file("dir/one/below", ""), FaultKind::WrongFileType),
    ] {
        let fault = ground
            .put("", &[file("dir/one", "1"), second.clone()])
            .unwrap_err();
        assert_eq!(fault.kind(), kind, "{second:?}: {fault:?}");
        assert!(ground.is_clean());
    }
}
