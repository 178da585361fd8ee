//! Tests of comparisons on a real overlay, against comparisons of everything.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use pyro_proto::file::{FileChange, FileKind};

use super::compare::{Comparison, Stride};
use super::testing::{Ground, with_own_mounts};

/// The changes, each as its path and the kinds it had and has.
fn changes(ground: &Ground, within: &str) -> Vec<(String, FileKind, FileKind)> {
    let mut comparison = Comparison::new(&ground.tree, within.as_bytes()).unwrap();
    let mut changes = Vec::new();
    loop {
        match comparison.step().unwrap() {
            Stride::Change(change) => changes.push(told(&change)),
            Stride::Nothing => {}
            Stride::End => break,
        }
    }
    assert!(changes.is_sorted(), "{changes:?}");
    changes
}

fn told(change: &FileChange) -> (String, FileKind, FileKind) {
    let path = String::from_utf8(change.path.to_vec()).unwrap();
    let kind = |side: &Option<pyro_proto::file::FileNode>| {
        side.as_ref().map_or(FileKind::Absent, |node| node.kind())
    };
    (path, kind(&change.old), kind(&change.new))
}

/// What a comparison of everything finds.
fn all_changes(ground: &Ground) -> Vec<(String, FileKind, FileKind)> {
    let (mut old, mut new) = (BTreeMap::new(), BTreeMap::new());
    read(&ground.files.path().join("lower/tree"), Path::new(""), &mut old);
    read(&ground.live(""), Path::new(""), &mut new);
    let mut paths: Vec<&String> = old.keys().chain(new.keys()).collect();
    paths.sort();
    paths.dedup();
    let of = |side: &BTreeMap<String, (FileKind, String)>, path: &str| {
        side.get(path).map_or(FileKind::Absent, |(kind, _)| *kind)
    };
    paths
        .into_iter()
        .filter(|path| old.get(*path) != new.get(*path))
        .map(|path| (path.clone(), of(&old, path), of(&new, path)))
        .collect()
}

fn read(top: &Path, below: &Path, all: &mut BTreeMap<String, (FileKind, String)>) {
    for entry in fs::read_dir(top.join(below)).unwrap() {
        let path: PathBuf = below.join(entry.unwrap().file_name());
        let place = top.join(&path);
        let meta = fs::symlink_metadata(&place).unwrap();
        let mode = meta.mode() & 0o7777;
        let what = if meta.is_dir() {
            read(top, &path, all);
            (FileKind::Directory, String::new())
        } else if meta.is_symlink() {
            (
                FileKind::Symlink,
                fs::read_link(&place).unwrap().display().to_string(),
            )
        } else if meta.is_file() {
            (
                FileKind::File,
                format!("{mode:o} {}", fs::read_to_string(&place).unwrap()),
            )
        } else {
            (FileKind::Fifo, format!("{mode:o}"))
        };
        all.insert(path.to_str().unwrap().to_owned(), what);
    }
}

fn baseline(make: &dyn Fn(&str, &str)) {
    for path in [
        "a", "a-b", "a.c/x", "b/a", "b/b/c", "b/b/d", "b-/x", "c/d/e/f", "c/d/e/g", "file", "touched",
    ] {
        make(path, path);
    }
    make("link", "-> b");
    make("empty/", "");
}

#[test]
fn what_a_command_can_do_is_found_and_nothing_else() {
    use FileKind::{Absent, Directory, Fifo, File, Symlink};
    with_own_mounts(|| {
        let ground = Ground::overlay(baseline);
        assert_eq!(changes(&ground, ""), []);
        let live = |path: &str| ground.live(path);
        // Neither times nor what is as before again are changes.
        let time = SystemTime::now() - Duration::from_secs(10_000);
        fs::File::options()
            .write(true)
            .open(live("touched"))
            .unwrap()
            .set_modified(time)
            .unwrap();
        fs::set_permissions(live("a-b"), Permissions::from_mode(0o700)).unwrap();
        fs::set_permissions(live("a-b"), Permissions::from_mode(0o644)).unwrap();
        fs::set_permissions(live("c/d"), Permissions::from_mode(0o700)).unwrap();
        fs::write(live("new"), "").unwrap();
        fs::remove_file(live("new")).unwrap();
        fs::rename(live("c/d/e"), live("c/elsewhere")).unwrap();
        fs::rename(live("c/elsewhere"), live("c/d/e")).unwrap();
        fs::remove_dir_all(live("a.c")).unwrap();
        ground.make("a.c/x", "a.c/x");
        assert_eq!(changes(&ground, ""), []);

        fs::write(live("file"), "FILE").unwrap();
        fs::set_permissions(live("a"), Permissions::from_mode(0o755)).unwrap();
        fs::remove_file(live("link")).unwrap();
        symlink("c", live("link")).unwrap();
        fs::rename(live("b"), live("renamed")).unwrap();
        fs::remove_dir(live("empty")).unwrap();
        fs::write(live("empty"), "a file").unwrap();
        fs::remove_file(live("touched")).unwrap();
        ground.make("touched/deep/file", "x");
        fs::remove_dir_all(live("c/d")).unwrap();
        fs::create_dir(live("c/d")).unwrap();
        ground.make("c/d/e/g", "c/d/e/g");
        rustix::fs::mkfifoat(rustix::fs::CWD, live("pipe"), rustix::fs::Mode::RUSR).unwrap();
        let wanted = [
            ("a", File, File),
            ("b", Directory, Absent),
            ("b/a", File, Absent),
            ("b/b", Directory, Absent),
            ("b/b/c", File, Absent),
            ("b/b/d", File, Absent),
            ("c/d/e/f", File, Absent),
            ("empty", Directory, File),
            ("file", File, File),
            ("link", Symlink, Symlink),
            ("pipe", Absent, Fifo),
            ("renamed", Absent, Directory),
            ("renamed/a", Absent, File),
            ("renamed/b", Absent, Directory),
            ("renamed/b/c", Absent, File),
            ("renamed/b/d", Absent, File),
            ("touched", File, Directory),
            ("touched/deep", Absent, Directory),
            ("touched/deep/file", Absent, File),
        ];
        let wanted = wanted.map(|(path, old, new)| (path.to_owned(), old, new));
        assert_eq!(changes(&ground, ""), wanted);
        assert_eq!(all_changes(&ground), wanted);
        for within in [
            "b/b",
            "c",
            "c/d/e/f",
            "renamed/b/c",
            "touched/deep",
            "nothing",
            "a-",
            "a",
        ] {
            let beneath = format!("{within}/");
            let wanted: Vec<_> = wanted
                .iter()
                .filter(|(path, ..)| path == within || path.starts_with(&beneath))
                .cloned()
                .collect();
            assert_eq!(changes(&ground, within), wanted, "{within}");
        }
    });
}

/// Numbers that look random and are the same each time.
fn numbers(seed: u64) -> impl FnMut(usize) -> usize {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap() % below
    }
}

fn random_path(next: &mut impl FnMut(usize) -> usize) -> String {
    let mut names: Vec<&str> = (0..=next(3)).map(|_| ["a", "a-", "b", "c"][next(4)]).collect();
    if next(3) == 0 {
        names.push("file");
    }
    names.join("/")
}

fn random_change(ground: &Ground, next: &mut impl FnMut(usize) -> usize) {
    let place = ground.live(&random_path(next));
    let other = ground.live(&random_path(next));
    // Most fail now and then, which is as good.
    match next(9) {
        0 => drop(fs::write(&place, ["", "x", "y", "longer"][next(4)])),
        1 => drop(fs::remove_file(&place)),
        2 => drop(fs::remove_dir_all(&place)),
        3 => drop(fs::create_dir(&place)),
        4 | 5 => drop(fs::rename(&place, &other)),
        6 => drop(symlink(["a", "b"][next(2)], &place)),
        7 => drop(fs::hard_link(&place, &other)),
        _ if place.is_symlink() || place.is_dir() => {}
        _ => drop(fs::set_permissions(
            &place,
            Permissions::from_mode([0o644, 0o755][next(2)]),
        )),
    }
}

#[test]
fn random_changes_are_found_as_by_comparing_everything() {
    with_own_mounts(|| {
        for seed in 0..60 {
            let mut next = numbers(seed);
            let ground = Ground::overlay(|make| {
                for _ in 0..25 {
                    let path = random_path(&mut next).replace("/file", "");
                    make(&format!("{path}/file"), ["x", "y"][next(2)]);
                }
            });
            for _ in 0..8 {
                for _ in 0..5 {
                    random_change(&ground, &mut next);
                }
                assert_eq!(changes(&ground, ""), all_changes(&ground), "seed {seed}");
            }
        }
    });
}

#[test]
fn ten_changes_among_ten_thousand_files_cost_ten() {
    with_own_mounts(|| {
        let ground = Ground::overlay(|make| {
            for file in 0..10_000 {
                make(&format!("dir-{}/file-{file}", file % 100), "same");
            }
        });
        for file in 0..10 {
            fs::write(ground.live(&format!("dir-{file}/file-{file}")), "else").unwrap();
        }
        let mut comparison = Comparison::new(&ground.tree, b"").unwrap();
        let (mut steps, mut found) = (0, 0);
        loop {
            match comparison.step().unwrap() {
                Stride::Change(_) => found += 1,
                Stride::Nothing => {}
                Stride::End => break,
            }
            steps += 1;
        }
        assert_eq!(found, 10);
        assert!(steps < 100, "{steps} steps");
    });
}

#[test]
fn a_deep_tree_is_compared_as_far_as_paths_go() {
    with_own_mounts(|| {
        let ground = Ground::overlay(|_| {});
        let mut deep = String::new();
        while deep.len() < 3900 {
            deep.push_str("directory/");
        }
        // Longer than one call takes, as a command does it that goes in and in.
        let mut down = super::descent::Descent::new(&ground.tree.root).unwrap();
        let mut path = Vec::new();
        for _ in 0..500 {
            let at = down.open(&path).unwrap();
            rustix::fs::mkdirat(at, "directory", rustix::fs::Mode::RWXU).unwrap();
            super::byte_path::push(&mut path, b"directory");
        }
        let found = changes(&ground, "");
        assert_eq!(found.len(), 400);
        assert!(deep.starts_with(&found[389].0));
    });
}
