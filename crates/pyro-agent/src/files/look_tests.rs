//! What an ordinary user finds in directories that they may not look in themselves.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use bytes::Bytes;
use pyro_proto::file::{Fetch, FileKind};
use pyro_proto::message::agent_message::Body as Answer;

use super::compare::{Comparison, Stride};
use super::export::export;
use super::fetch::fetch;
use super::outlet::all_of;
use super::testing::{Ground, as_ordinary_user};

const CLOSED: [(&str, u32); 5] = [
    ("none", 0),
    ("none/deep", 0o600),
    ("read", 0o600),
    ("write", 0o200),
    ("search", 0o100),
];

/// A tree with a baseline that it differs from in one file of each directory.
fn with_closed_directories() -> Ground {
    let ground = Ground::on_host();
    for (directory, _) in CLOSED {
        for side in ["old", "tree"] {
            let place = ground.files.path().join(side).join(directory);
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("same"), "same").unwrap();
            fs::write(place.join("file"), side).unwrap();
        }
    }
    // Those within others first.
    for (directory, mode) in CLOSED.into_iter().rev() {
        fs::set_permissions(ground.live(directory), Permissions::from_mode(mode)).unwrap();
    }
    ground
}

/// Checks that modes are as they were, and opens everything up, so that it can be removed.
fn close(ground: &Ground) {
    for (directory, mode) in CLOSED {
        let meta = fs::symlink_metadata(ground.live(directory)).unwrap();
        assert_eq!(meta.mode() & 0o777, mode, "{directory}");
        fs::set_permissions(ground.live(directory), Permissions::from_mode(0o700)).unwrap();
    }
}

#[test]
fn a_closed_directory_is_compared_like_any_other() {
    as_ordinary_user(|| {
        let ground = with_closed_directories();
        let mut comparison = Comparison::new(&ground.tree, b"").unwrap();
        let mut found = Vec::new();
        loop {
            match comparison.step().unwrap() {
                Stride::Change(change) => found.push(String::from_utf8(change.path.to_vec()).unwrap()),
                Stride::Nothing => {}
                Stride::End => break,
            }
        }
        drop(comparison);
        let mut wanted = CLOSED.map(|(directory, _)| format!("{directory}/file"));
        wanted.sort();
        assert_eq!(found, wanted);
        close(&ground);
    });
}

#[test]
fn a_closed_directory_is_exported_with_all_that_is_in_it() {
    as_ordinary_user(|| {
        let ground = with_closed_directories();
        let answers = all_of(|outlet| export(&ground.tree, Bytes::new(), outlet)).unwrap();
        let mut told: Vec<(String, u32)> = answers
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::FileEntry(entry) => {
                    Some((String::from_utf8(entry.path.to_vec()).unwrap(), entry.mode))
                }
                _ => None,
            })
            .filter(|(path, _)| !path.is_empty())
            .collect();
        told.retain(|(path, mode)| !CLOSED.contains(&(path, *mode)));
        told.sort();
        let files = CLOSED.map(|(directory, _)| [format!("{directory}/file"), format!("{directory}/same")]);
        let mut files = files.concat();
        files.sort();
        let told: Vec<String> = told.into_iter().map(|(path, _)| path).collect();
        assert_eq!(told, files);
        close(&ground);
    });
}

#[test]
fn a_file_in_closed_directories_is_read() {
    as_ordinary_user(|| {
        let ground = with_closed_directories();
        for (directory, _) in CLOSED {
            let wanted = Fetch {
                path: Bytes::from(format!("{directory}/file")),
                old: false,
                max_bytes: 100,
            };
            let answers = all_of(|outlet| fetch(&ground.tree, &wanted, outlet)).unwrap();
            let [Answer::FileEntry(entry), Answer::Data(content), ..] = &answers[..] else {
                panic!("{directory}: {answers:?}")
            };
            assert_eq!(
                (entry.kind(), &content[..]),
                (FileKind::File, &b"tree"[..]),
                "{directory}"
            );
        }
        close(&ground);
    });
}
