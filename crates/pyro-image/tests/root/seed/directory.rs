//! What the image holds of a directory of the host.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::AtomicBool;

use pyro_image::seed::{SeedError, SeedMode, SeedOptions, SeedPlan, SeedProgress, build_seed_image};
use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mkdirat, mknodat, openat, utimensat};

use super::{Home, OWNER, facts_of_host, facts_of_image, limits, plan, skipped, write};
use crate::random::Random;

const CHILD: &str = "PYRO_TEST_CHILD_SEED";

fn set_time(path: &Path, seconds: i64, nanoseconds: i64) {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    utimensat(CWD, path, &times, AtFlags::SYMLINK_NOFOLLOW).unwrap();
}

fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn an_empty_directory_makes_an_empty_image() {
    let home = Home::new();
    set_mode(&home.seed(), 0o2750);
    set_time(&home.seed(), -5, 999_999_999);
    assert_eq!(home.plan().mode(), SeedMode::Directory);
    let (image, built) = home.build();
    assert_eq!(image.paths(), "");
    let root = image.file("/");
    assert_eq!((root.mode, root.mtime), (0o042_750, (-5, 999_999_999)));
    assert_eq!((root.owner, root.links), ((1000, 100), 2));
    assert_eq!((built.entry_count, built.bytes_written), (0, 0));
}

#[test]
fn what_a_file_system_can_say_is_kept() {
    let home = Home::new();
    home.dir("empty")
        .dir("sticky")
        .file("d/one", "shared")
        .file("suid", "x");
    std::fs::hard_link(home.path("d/one"), home.path("a-name")).unwrap();
    std::fs::hard_link(home.path("d/one"), home.path("empty-not")).unwrap();
    symlink("../../../etc/shadow", home.path("up")).unwrap();
    symlink("/", home.path("d/root")).unwrap();
    symlink(OsStr::from_bytes(b"no\xffthing\n"), home.path("odd")).unwrap();
    std::fs::hard_link(home.path("up"), home.path("up-again")).unwrap();
    set_mode(&home.path("suid"), 0o6751);
    set_mode(&home.path("sticky"), 0o1777);
    set_mode(&home.path("d/one"), 0o400);
    set_time(&home.path("suid"), 1_234_567_890, 123_456_789);
    set_time(&home.path("up"), 5_000_000_000, 1);
    set_time(&home.path("d"), -1, 1);
    let (image, built) = home.build();
    assert_eq!(facts_of_image(&image), facts_of_host(&home.seed()));
    assert_eq!(image.file("/d/one").number, image.file("/a-name").number);
    assert_eq!(image.file("/d/one").links, 3);
    assert_eq!(image.file("/suid").mode, 0o106_751);
    assert_eq!((built.entry_count, built.bytes_written), (11, 7));
    assert!(built.skipped.is_empty() && built.warnings.is_empty());
}

/// A name of bytes that make trouble elsewhere.
fn odd_name(random: &mut Random) -> Vec<u8> {
    let pieces = [
        &b"a"[..],
        b" ",
        b"\n",
        b"\xff\xfe",
        b"\\",
        b"\"",
        b".wh.",
        b"\xc3\xa9",
        b"-",
        b"*",
        b"\t",
        b"{}",
    ];
    let count = 1 + random.below(5);
    let mut name: Vec<u8> = (0..count)
        .flat_map(|_| pieces[usize::try_from(random.below(12)).unwrap()])
        .copied()
        .collect();
    name.extend(random.below(1000).to_string().bytes());
    name
}

fn random_tree(random: &mut Random, root: &Path) {
    let mut directories = vec![root.to_path_buf()];
    let mut files = Vec::new();
    let mut all = Vec::new();
    for _ in 0..120 {
        let parent = &directories[usize::try_from(random.below(directories.len() as u64)).unwrap()];
        let path = parent.join(OsStr::from_bytes(&odd_name(random)));
        if path.symlink_metadata().is_ok() {
            continue;
        }
        match random.below(6) {
            0 => {
                std::fs::create_dir(&path).unwrap();
                directories.push(path.clone());
            }
            1 => symlink(OsStr::from_bytes(&odd_name(random)), &path).unwrap(),
            2 if !files.is_empty() => {
                let first: &std::path::PathBuf =
                    &files[usize::try_from(random.below(files.len() as u64)).unwrap()];
                std::fs::hard_link(first, &path).unwrap();
            }
            _ => {
                std::fs::write(&path, random.content()).unwrap();
                files.push(path.clone());
            }
        }
        all.push(path);
    }
    for path in all.iter().rev() {
        if !path.is_symlink() {
            let read = if path.is_dir() { 0o700 } else { 0o400 };
            set_mode(path, read | u32::try_from(random.below(0o10_000)).unwrap());
        }
        set_time(
            path,
            random.below(1 << 33).cast_signed() - (1 << 32),
            random.below(1_000_000_000).cast_signed(),
        );
    }
}

#[test]
fn random_trees_come_back_as_they_were() {
    for number in 1..=12 {
        let home = Home::new();
        random_tree(&mut Random(0x9e37_79b9_7f4a_7c15 ^ number), &home.seed());
        let (image, built) = home.build();
        let (found, expected) = (facts_of_image(&image), facts_of_host(&home.seed()));
        assert!(found == expected, "tree {number}: {found:?} is not {expected:?}");
        assert!(built.warnings.is_empty());
    }
}

#[test]
fn equal_trees_make_equal_images() {
    let images = [["a", "b", "c/d"], ["c/d", "b", "a"]].map(|order| {
        let home = Home::new();
        for name in order {
            home.file(name, name);
        }
        for name in ["a", "b", "c/d", "c", ""] {
            set_time(&home.path(name), 7, 8);
        }
        let out = home.dir.path().join("out");
        write(home.plan(), &out).unwrap();
        std::fs::read(out).unwrap()
    });
    assert!(images[0] == images[1]);
}

#[test]
fn sockets_pipes_and_devices_are_left_out_and_named() {
    let home = Home::new();
    home.file("kept", "x").dir("d");
    let _listener = UnixListener::bind(home.path("d/socket")).unwrap();
    mknodat(CWD, home.path("pipe"), FileType::Fifo, Mode::from(0o644), 0).unwrap();
    let mut expected = vec!["d/socket:socket", "pipe:fifo"];
    let device = mknodat(
        CWD,
        home.path("null"),
        FileType::CharacterDevice,
        Mode::from(0o644),
        0x103,
    );
    if device.is_ok() {
        expected.insert(1, "null:device");
    } else {
        println!("no right to make a device node: that rule is seen in archives only");
    }
    let (image, built) = home.build();
    assert_eq!(image.paths(), "/d /kept");
    assert_eq!(skipped(&built), expected);
}

/// Plans in a process of a user who is not root, because root may read everything.
#[test]
fn what_cannot_be_read_is_left_out_and_named() {
    let home = Home::new();
    home.file("open", "x")
        .file("secret", "y")
        .file("closed/z", "z")
        .file("blind/inside", "w");
    set_mode(home.dir.path(), 0o755);
    set_mode(&home.path("secret"), 0o000);
    set_mode(&home.path("closed"), 0o100);
    set_mode(&home.path("blind"), 0o400);
    let binary = home.dir.path().join("test");
    // By another process: what other tests start meanwhile would have it open to be written, and it could not be run.
    let mut copy = Command::new("cp");
    let copied = copy.arg(std::env::current_exe().unwrap()).arg(&binary).status();
    assert!(copied.unwrap().success());
    let mut child = Command::new(binary);
    child
        .args(["--exact", "seed::directory::the_plan_of_a_child", "--nocapture"])
        .env(CHILD, home.seed());
    if rustix::process::geteuid().is_root() {
        use std::os::unix::process::CommandExt;
        for path in [
            "",
            "open",
            "secret",
            "closed",
            "closed/z",
            "blind",
            "blind/inside",
        ] {
            std::os::unix::fs::chown(home.path(path), Some(65_534), Some(65_534)).unwrap();
        }
        child.uid(65_534).gid(65_534);
    }
    let output = child.output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    for path in ["closed", "blind"] {
        set_mode(&home.path(path), 0o700);
    }
    let line = text.lines().find_map(|line| line.split_once("plan: "));
    let expected = "1 blind:unreadable closed:unreadable secret:unreadable";
    assert_eq!(line.map(|(_, said)| said), Some(expected), "{output:?}");
}

/// Does nothing unless another test started this process for it.
#[test]
fn the_plan_of_a_child() {
    let Some(seed) = std::env::var_os(CHILD) else {
        return;
    };
    let plan = plan(Path::new(&seed), &SeedOptions::default()).unwrap();
    let summary = plan.summary();
    let mut skipped: Vec<_> = summary
        .skipped
        .iter()
        .map(|skipped| format!("{}:{}", String::from_utf8_lossy(&skipped.path), skipped.reason))
        .collect();
    skipped.sort();
    println!("\nplan: {} {}", summary.entry_count, skipped.join(" "));
}

#[test]
fn what_lies_deeper_than_a_path_can_say_is_left_out_and_named() {
    let home = Home::new();
    let name = "n".repeat(250);
    let mut here: std::os::fd::OwnedFd = std::fs::File::open(home.seed()).unwrap().into();
    for _ in 0..20 {
        mkdirat(&here, &*name, Mode::from(0o755)).unwrap();
        here = openat(&here, &*name, rustix::fs::OFlags::PATH, Mode::empty()).unwrap();
    }
    let built = write(home.plan(), &home.dir.path().join("out")).unwrap();
    assert_eq!(built.entry_count, 16);
    assert_eq!(built.skipped.len(), 1);
    assert_eq!(built.skipped[0].path.len(), 17 * 251 - 1);
    assert_eq!(built.skipped[0].reason.to_string(), "path-too-long");
}

#[test]
fn limits_are_kept_before_anything_is_written() {
    let home = Home::new();
    home.file("a", "12345").file("d/b", "12345").file("d/c", "");
    std::fs::hard_link(home.path("a"), home.path("d/again")).unwrap();
    let refused = |entries, bytes, names| plan(&home.seed(), &limits(entries, bytes, names)).unwrap_err();
    plan(&home.seed(), &limits(5, 10, 9)).unwrap();
    assert!(matches!(
        refused(4, 10, 9),
        SeedError::TooManyEntries { limit: 4 }
    ));
    assert!(matches!(refused(5, 9, 9), SeedError::TooManyBytes { limit: 9 }));
    assert!(matches!(
        refused(5, 10, 8),
        SeedError::TooMuchMetadata { limit: 8 }
    ));
    let summary = home.plan().summary().clone();
    assert_eq!((summary.entry_count, summary.content_bytes), (5, 10));
}

#[test]
fn a_source_that_is_none_is_refused() {
    let home = Home::new();
    mknodat(CWD, home.path("pipe"), FileType::Fifo, Mode::from(0o644), 0).unwrap();
    let refused = |name| plan(&home.path(name), &SeedOptions::default()).unwrap_err();
    assert!(matches!(refused("pipe"), SeedError::Source { .. }));
    let missing = refused("missing");
    assert_eq!(missing.kind(), pyro_image::ImageErrorKind::NotFound);
    assert!(missing.to_string().ends_with("seed/missing`"), "{missing}");
}

#[test]
fn a_source_may_be_named_by_a_link() {
    let home = Home::new();
    home.file("a", "x");
    let link = home.dir.path().join("link");
    symlink("seed", &link).unwrap();
    assert_eq!(super::build(&link, &SeedOptions::default()).0.paths(), "/a");
}

#[test]
fn an_image_file_that_exists_is_left_alone() {
    let home = Home::new();
    let out = home.dir.path().join("out");
    std::fs::write(&out, "mine").unwrap();
    write(home.plan(), &out).unwrap_err();
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

#[test]
fn the_caller_hears_of_progress_and_can_stop() {
    let home = Home::new();
    home.file("a", vec![1; 3 << 20]).file("b", "x");
    let mut seen = Vec::new();
    let cancel = AtomicBool::new(false);
    let plan = SeedPlan::new(
        &home.seed(),
        &SeedOptions::default(),
        &mut |at| seen.push(at),
        &cancel,
    )
    .unwrap();
    let bytes = (3 << 20) + 1;
    assert_eq!(seen.last(), Some(&SeedProgress::Found { entries: 2, bytes }));
    seen.clear();
    let out = home.dir.path().join("out");
    build_seed_image(plan, &out, OWNER, &mut |at| seen.push(at), &cancel).unwrap();
    assert!(seen.len() >= 3);
    let (bytes_done, bytes_total) = (bytes, bytes);
    assert_eq!(
        seen.last(),
        Some(&SeedProgress::Written {
            bytes_done,
            bytes_total
        })
    );

    let other = home.dir.path().join("other");
    let mut stop = |_| cancel.store(true, std::sync::atomic::Ordering::Relaxed);
    let stopped = build_seed_image(home.plan(), &other, OWNER, &mut stop, &cancel);
    assert!(matches!(stopped, Err(SeedError::Cancelled)) && !other.exists());
    let stopped = SeedPlan::new(&home.seed(), &SeedOptions::default(), &mut |_| {}, &cancel);
    assert!(matches!(stopped, Err(SeedError::Cancelled)));
}

#[test]
fn sparse_files_have_their_holes_filled() {
    let home = Home::new();
    let file = std::fs::File::create(home.path("sparse")).unwrap();
    file.set_len(1 << 20).unwrap();
    std::os::unix::fs::FileExt::write_all_at(&file, b"x", 500_000).unwrap();
    assert!(file.metadata().unwrap().blocks() < 100);
    let (image, _) = home.build();
    let content = &image.file("/sparse").content;
    assert_eq!((content.len(), content[500_000]), (1 << 20, b'x'));
    assert_eq!(content.iter().filter(|byte| **byte != 0).count(), 1);
}

#[test]
fn a_nested_seed_is_a_directory_of_its_image() {
    let home = Home::new();
    home.file("a", "1").file("sub/b", vec![7; 9000]);
    std::fs::hard_link(home.path("a"), home.path("sub/c")).unwrap();
    let mut plan = home.plan();
    plan.nest("tree").unwrap();
    let mut read = Vec::new();
    let cancel = AtomicBool::new(false);
    let mut reader = plan.read(&cancel);
    while let Some(entry) = reader.next_entry() {
        read.push(String::from_utf8(entry.path).unwrap());
    }
    assert_eq!(read, ["", "sub", "a", "sub/b", "sub/c"]);
    drop(reader);
    let out = home.dir.path().join("nested");
    write(plan, &out).unwrap();
    super::check(&out);
    let image = super::Image::read(&std::fs::read(&out).unwrap());
    let names: Vec<_> = image
        .files
        .keys()
        .map(|path| String::from_utf8_lossy(path).into_owned())
        .collect();
    assert_eq!(
        names,
        ["/", "/tree", "/tree/a", "/tree/sub", "/tree/sub/b", "/tree/sub/c"]
    );
}
