//! Archives as seeds: what the image holds of them, and what is refused.

use std::path::PathBuf;

use pyro_image::ImageErrorKind;
use pyro_image::seed::{SeedError, SeedMode, SeedOptions};
use tar::EntryType;
use tempfile::TempDir;

use super::{build, limits, plan, skipped, write};
use crate::layer::{Layer, chain, gzip, zstd};

/// An archive in a file.
struct Archive {
    home: TempDir,
}

impl Archive {
    fn of(bytes: &[u8]) -> Self {
        let home = TempDir::new().unwrap();
        std::fs::write(home.path().join("seed.tar"), bytes).unwrap();
        Self { home }
    }

    fn path(&self) -> PathBuf {
        self.home.path().join("seed.tar")
    }

    fn refusal(&self) -> SeedError {
        plan(&self.path(), &SeedOptions::default()).unwrap_err()
    }
}

/// What is said of an archive that must be refused, without its path.
fn refusal(layer: Layer) -> String {
    let archive = Archive::of(&layer.tar());
    let error = archive.refusal();
    assert_eq!(error.kind(), ImageErrorKind::Invalid, "{error:?}");
    assert!(matches!(error, SeedError::ArchiveInvalid { .. }));
    chain(&error).replace(&archive.path().display().to_string(), "T")
}

#[test]
fn archives_are_told_by_their_content() {
    let tar = Layer::default()
        .entry(b"./", b"", |header| {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o1751);
        })
        .dir("./empty", 0o2700)
        .pax(&[("mtime", b"1234567890.123456789"), ("SCHILY.xattr.user.a", b"b")])
        .entry(b"./d/suid", b"shared", |header| header.set_mode(0o104_755))
        .hard_link("./again", "./d/suid")
        .symlink("./up", "../../../etc/shadow")
        .file(".wh.kept", "no whiteout")
        .file("d/large", vec![7; 300_000])
        .raw_file(b"\xff\n ", b"odd")
        .tar();
    for bytes in [tar.clone(), gzip(&tar), zstd(&tar)] {
        let archive = Archive::of(&bytes);
        let mode = plan(&archive.path(), &SeedOptions::default()).unwrap().mode();
        assert_eq!(mode, SeedMode::TarArchive);
        let (image, built) = build(&archive.path(), &SeedOptions::default());
        assert_eq!(
            image.paths(),
            "/.wh.kept /again /d /d/large /d/suid /empty /up /\u{fffd}\n "
        );
        assert_eq!((built.entry_count, built.bytes_written), (8, 300_020));
        assert_eq!(image.file("/").mode, 0o041_751);
        assert_eq!(image.file("/empty").mode, 0o042_700);
        let suid = image.file("/d/suid");
        assert_eq!((suid.mode, suid.mtime), (0o104_755, (1_234_567_890, 123_456_789)));
        assert_eq!((suid.owner, suid.links), ((1000, 100), 2));
        assert!(suid.xattrs.is_empty());
        assert_eq!(suid.number, image.file("/again").number);
        assert_eq!(image.file("/up").mode, 0o120_777);
        assert_eq!(image.text("/up"), "../../../etc/shadow");
        assert_eq!(image.file("/d").mode, 0o040_755);
        assert_eq!(image.file("/d/large").content, vec![7; 300_000]);
    }
}

#[test]
fn of_members_with_one_name_the_last_counts() {
    let archive = Archive::of(
        &Layer::default()
            .file("a", "first")
            .hard_link("b", "a")
            .dir("d", 0o700)
            .file("d/x", "kept")
            .file("a", "second, and longer")
            .dir("d", 0o711)
            .tar(),
    );
    let (image, built) = build(&archive.path(), &SeedOptions::default());
    assert_eq!(image.text("/a"), "second, and longer");
    assert_eq!((image.text("/b"), image.file("/b").links), ("first", 1));
    assert_eq!((image.file("/d").mode, image.text("/d/x")), (0o040_711, "kept"));
    assert_eq!(built.entry_count, 4);
}

#[test]
fn pipes_and_devices_are_left_out_and_named() {
    let archive = Archive::of(
        &Layer::default()
            .file("was", "replaced")
            .device("was", EntryType::Fifo, 0, 0)
            .device("d/null", EntryType::Char, 1, 3)
            .device("disk", EntryType::Block, 8, 0)
            .hard_link("link", "d/null")
            .file("kept", "x")
            .tar(),
    );
    let (image, built) = build(&archive.path(), &SeedOptions::default());
    assert_eq!(image.paths(), "/d /kept");
    let expected = ["d/null:device", "disk:device", "link:link-to-skipped", "was:fifo"];
    assert_eq!(skipped(&built), expected);
}

#[test]
fn names_that_could_leave_the_seed_are_refused_by_name() {
    let says = |layer, expected: &str| assert_eq!(refusal(layer), expected);
    let file = |name| Layer::default().file("fine", "x").file(name, "evil");
    says(
        file("/etc/passwd"),
        "entry `/etc/passwd` of `T` is refused: its name is absolute",
    );
    for name in ["../x", "a/../../x", "a/.."] {
        let reason = "the name has a `..` component and could leave the root";
        says(file(name), &format!("entry `{name}` of `T` is refused: {reason}"));
    }
    says(
        Layer::default()
            .symlink("d/link", "/etc")
            .file("d/link/x", "evil"),
        "entry `d/link/x` of `T` is refused: `d/link` on the way to it is a link",
    );
    says(
        Layer::default().symlink("here", ".").dir("here/x", 0o755),
        "entry `here/x` of `T` is refused: `here` on the way to it is a link",
    );
    says(
        Layer::default().file("a", "").file("a/x", ""),
        "entry `a/x` of `T` is refused: `a` on the way to it is not a directory",
    );
}

#[test]
fn members_that_no_seed_has_are_refused_by_name() {
    let says = |layer, expected: &str| assert_eq!(refusal(layer), expected);
    says(
        Layer::default().entry(b"vol", b"", |header| header.set_entry_type(EntryType::new(b'V'))),
        "entry `vol` of `T` is refused: entry `vol` has the unknown type 0x56",
    );
    for target in ["/etc/shadow", "../x", "missing", "d"] {
        says(
            Layer::default().dir("d", 0o755).hard_link("h", target),
            &format!(
                "entry `h` of `T` is refused: its link target `{target}` is no earlier member that can have a second \
                 name"
            ),
        );
    }
    says(
        Layer::default().symlink("l", ""),
        "entry `l` of `T` is refused: its link target of 0 bytes is none a link can have",
    );
    says(
        Layer::default().file("d/x", "").file("d", ""),
        "entry `d` of `T` is refused: it takes the place of a directory",
    );
    says(
        Layer::default().file(".", ""),
        "entry `.` of `T` is refused: the root can only be a directory",
    );
}

#[test]
fn what_is_no_archive_is_refused() {
    let tar = Layer::default().file("a", vec![1; 5000]).tar();
    let packed = gzip(&tar);
    let cases = [
        Vec::new(),
        vec![b'x'; 3000],
        tar[..4000].to_vec(),
        tar[..tar.len() - 1024].to_vec(),
        packed[..packed.len() / 2].to_vec(),
        [&packed[..], b"garbage"].concat(),
        gzip(b"no tar at all"),
    ];
    for bytes in cases {
        let error = Archive::of(&bytes).refusal();
        assert!(
            matches!(error, SeedError::ArchiveInvalid { member: None, .. }),
            "{error:?}"
        );
    }
}

#[test]
fn bombs_are_stopped_at_the_limits() {
    let within = |bytes: &[u8], options| {
        let archive = Archive::of(bytes);
        plan(&archive.path(), &options).map(drop)
    };
    let large = gzip(&Layer::default().file("zeros", vec![0; 20 << 20]).tar());
    assert!(large.len() < 200_000);
    within(&large, limits(1, 20 << 20, 100)).unwrap();
    let error = within(&large, limits(1, (20 << 20) - 1, 100)).unwrap_err();
    assert!(matches!(error, SeedError::TooManyBytes { limit: 20_971_519 }));

    let many = (0..5000).fold(Layer::default(), |layer, at| layer.file(&format!("f{at}"), ""));
    let error = within(&zstd(&many.tar()), limits(4999, 0, 1 << 20)).unwrap_err();
    assert!(matches!(error, SeedError::TooManyEntries { limit: 4999 }));

    let deep = Layer::default().file(&"d/".repeat(2000), "");
    let error = within(&deep.tar(), limits(100, 0, 1 << 20)).unwrap_err();
    assert!(matches!(error, SeedError::TooManyEntries { limit: 100 }));

    let long = (0..50).fold(Layer::default(), |layer, at| {
        layer.symlink(&format!("l{at}"), &"t".repeat(4000))
    });
    let error = within(&long.tar(), limits(100, 0, 100_000)).unwrap_err();
    assert!(matches!(error, SeedError::TooMuchMetadata { limit: 100_000 }));

    // No entry at all, and zeros without end behind the end of the archive.
    let mut trailing = Layer::default().tar();
    trailing.resize(40 << 20, 0);
    let error = within(&gzip(&trailing), limits(10, 1000, 1000)).unwrap_err();
    assert!(matches!(error, SeedError::TooManyBytes { limit: 1000 }));

    // A file that is nothing but a hole.
    let hole = Layer::default().entry(b"hole", b"", |header| {
        header.set_entry_type(EntryType::GNUSparse);
        header.as_gnu_mut().unwrap().set_real_size(1 << 40);
    });
    let error = within(&hole.tar(), limits(10, 1 << 30, 1000)).unwrap_err();
    assert!(matches!(error, SeedError::TooManyBytes { .. }));
}

#[test]
fn an_archive_that_changes_after_its_plan_is_an_error() {
    let archive = Archive::of(&Layer::default().file("a", "12345").tar());
    let planned = plan(&archive.path(), &SeedOptions::default()).unwrap();
    let other = Layer::default().file("a", "123456").tar();
    std::fs::write(archive.path(), [other, vec![0; 512]].concat()).unwrap();
    let out = archive.home.path().join("out");
    let error = write(planned, &out).unwrap_err();
    assert!(matches!(error, SeedError::Changed { .. }) && !out.exists());
}
