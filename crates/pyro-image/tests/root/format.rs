//! What the image holds of one layer.

use std::os::unix::fs::MetadataExt;

use tar::EntryType;

use crate::image::extract;
use crate::layer::{Blobs, Layer, gzip, image, sha256, zstd};

/// Bytes in which no two places look alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| (at ^ (at >> 8) ^ (at >> 16)).to_le_bytes()[0])
        .collect()
}

#[test]
fn no_layers_make_an_empty_root() {
    let image = image([]);
    assert_eq!(image.paths(), "");
    assert_eq!(image.file("/").mode, 0o040_755);
    assert_eq!(image.file("/").links, 2);
}

#[test]
fn files_of_every_length_keep_their_bytes() {
    let lengths = [
        0,
        1,
        100,
        2048,
        4031,
        4032,
        4033,
        4095,
        4096,
        4097,
        8191,
        8192,
        12_345,
        10 << 20,
    ];
    let layer = lengths.iter().fold(Layer::default(), |layer, length| {
        layer.file(&format!("f{length}"), pattern(*length))
    });
    let image = image([layer]);
    for length in lengths {
        assert!(
            image.file(&format!("/f{length}")).content == pattern(length),
            "{length} bytes"
        );
    }
}

#[test]
fn owners_modes_and_times_are_kept() {
    let image = image([Layer::default()
        .entry(b"./", b"", |header| {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(0o1777);
        })
        .entry(b"suid", b"x", |header| {
            header.set_mode(0o104_755);
            header.set_uid(1000);
            header.set_gid(2_000_000_000);
        })
        .pax(&[("uid", b"4000000000"), ("gid", b"70000"), ("mtime", b"-12.25")])
        .file("old", "y")]);
    assert_eq!(image.file("/").mode, 0o041_777);
    let suid = image.file("/suid");
    assert_eq!((suid.mode, suid.owner), (0o104_755, (1000, 2_000_000_000)));
    assert_eq!(suid.mtime, (1_700_000_000, 0));
    let old = image.file("/old");
    assert_eq!(
        (old.owner, old.mtime),
        ((4_000_000_000, 70_000), (-13, 750_000_000))
    );
}

#[test]
fn links_devices_and_pipes_are_kept() {
    let long = "t/".repeat(2047);
    let image = image([Layer::default()
        .symlink("up", "../../../etc/shadow")
        .symlink("long", &long)
        .device("null", EntryType::Char, 1, 3)
        .device("disk", EntryType::Block, 259, 0x12345)
        .device("pipe", EntryType::Fifo, 0, 0)
        .file("one", "shared")
        .hard_link("two", "one")
        .hard_link("three", "./two")
        .hard_link("up2", "/up")]);
    assert_eq!(image.file("/up").mode, 0o120_644);
    assert_eq!(image.text("/up"), "../../../etc/shadow");
    assert_eq!(image.file("/up").number, image.file("/up2").number);
    assert_eq!(image.text("/long"), long);
    assert_eq!(
        (image.file("/null").mode, image.file("/null").device),
        (0o020_644, 0x103)
    );
    assert_eq!(image.file("/disk").device, 0x1231_0345);
    assert_eq!(image.file("/disk").mode & 0o170_000, 0o060_000);
    assert_eq!(image.file("/pipe").mode & 0o170_000, 0o010_000);
    for name in ["/one", "/two", "/three"] {
        let file = image.file(name);
        assert_eq!((file.links, file.number), (3, image.file("/one").number));
        assert_eq!(file.content, b"shared");
    }
}

#[test]
fn attributes_are_kept_byte_for_byte() {
    let large = pattern(9000);
    let capability = b"\x01\0\0\x02\x0a\x0a\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let image = image([Layer::default()
        .pax(&[
            ("SCHILY.xattr.security.capability", capability),
            ("SCHILY.xattr.user.large", &large),
            ("SCHILY.xattr.user.empty", b""),
            ("SCHILY.xattr.trusted.t", b"1"),
            ("SCHILY.xattr.trusted.overlay.opaque", b"y"),
            ("SCHILY.xattr.com.apple.quarantine", b"q"),
            ("SCHILY.xattr.system.posix_acl_access", b"\x02\0\0\0"),
        ])
        .file("ping", pattern(5000))
        .pax(&[("SCHILY.xattr.system.posix_acl_default", b"\x02\0\0\0")])
        .dir("shared", 0o2775)]);
    let ping = image.file("/ping");
    assert_eq!(ping.content, pattern(5000));
    let names: Vec<_> = ping.xattrs.keys().cloned().collect();
    let expected = [
        (1, &b"empty"[..]),
        (1, b"large"),
        (2, b""),
        (4, b"t"),
        (6, b"capability"),
    ];
    assert_eq!(names, expected.map(|(index, name)| (index, name.to_vec())));
    assert_eq!(ping.xattrs[&(6, b"capability".to_vec())], capability);
    assert_eq!(ping.xattrs[&(1, b"large".to_vec())], large);
    assert_eq!(image.file("/shared").xattrs[&(3, Vec::new())], b"\x02\0\0\0");
}

#[test]
fn names_are_bytes() {
    let long = "n".repeat(255);
    let path = format!("{}/file", "d".repeat(200));
    let image = image([Layer::default()
        .raw_file(b"\xff\xfe caf\xe9", b"1")
        .file("!before-dots", "2")
        .file(&long, "3")
        .file(&path, "4")
        .pax(&[("path", "räksmörgås\n.txt".as_bytes())])
        .file("short", "5")]);
    assert_eq!(image.files[&b"/\xff\xfe caf\xe9"[..]].content, b"1");
    assert_eq!(image.text("/!before-dots"), "2");
    assert_eq!(image.text(&format!("/{long}")), "3");
    assert_eq!(image.text(&format!("/{path}")), "4");
    assert_eq!(image.text("/räksmörgås\n.txt"), "5");
}

#[test]
fn large_and_deep_directories_are_found_again() {
    let mut layer = Layer::default().dir("empty", 0o700);
    for at in 0..5000 {
        layer = layer.file(&format!("many/entry-{at}"), at.to_string());
    }
    let deep = "d/".repeat(200);
    let image = image([layer.file(&format!("{deep}end"), "deep")]);
    for at in 0..5000 {
        assert_eq!(image.text(&format!("/many/entry-{at}")), at.to_string());
    }
    assert_eq!(image.text(&format!("/{deep}end")), "deep");
    assert_eq!(image.file("/many").links, 2);
    assert_eq!(image.file("/").links, 5);
}

#[test]
fn sparse_files_have_their_holes_filled() {
    let mut expected = vec![0; 20_000];
    expected[4096..4608].fill(b'a');
    expected[8192..8292].fill(b'b');
    let stored = [vec![b'a'; 512], vec![b'b'; 100]].concat();
    let map = b"2\n4096\n512\n8192\n100\n";
    let new = [&map[..], &vec![0; 512 - map.len()], &stored].concat();
    let image = image([Layer::default()
        .entry(b"old", &stored, |header| {
            header.set_entry_type(EntryType::GNUSparse);
            let gnu = header.as_gnu_mut().unwrap();
            gnu.set_real_size(20_000);
            for (slot, (offset, length)) in [(4096, 512), (8192, 100), (20_000, 0)].into_iter().enumerate() {
                gnu.sparse[slot].set_offset(offset);
                gnu.sparse[slot].set_length(length);
            }
        })
        .pax(&[
            ("GNU.sparse.major", b"1"),
            ("GNU.sparse.minor", b"0"),
            ("GNU.sparse.name", b"new"),
            ("GNU.sparse.realsize", b"20000"),
        ])
        .file("GNUSparseFile.0/new", new)
        .file("after", "aligned")]);
    assert_eq!(image.paths(), "/after /new /old");
    assert!(image.file("/old").content == expected);
    assert!(image.file("/new").content == expected);
    assert_eq!(image.text("/after"), "aligned");
}

#[test]
fn compression_does_not_show_in_the_image() {
    let tar = Layer::default()
        .file("a/b", pattern(300_000))
        .symlink("c", "a/b")
        .tar();
    let (front, back) = tar.split_at(5000);
    let forms = [
        tar.clone(),
        gzip(&tar),
        zstd(&tar),
        [gzip(front), gzip(back)].concat(),
        [zstd(front), b"\x50\x2a\x4d\x18\x02\0\0\0xy".to_vec(), zstd(back)].concat(),
    ];
    let mut digests: Vec<_> = forms
        .into_iter()
        .map(|blob| {
            let mut blobs = Blobs::new(&[blob]);
            blobs.layers[0].diff_id = Some(sha256(&tar));
            blobs.build(&blobs.home.path().join("out")).unwrap().digest
        })
        .collect();
    digests.dedup();
    assert_eq!(digests.len(), 1);
}

#[test]
fn the_tool_of_the_format_unpacks_the_same_files() {
    let blobs = Blobs::new(&[Layer::default()
        .dir("empty", 0o711)
        .file("tail", pattern(4097))
        .file("large", pattern(1 << 20))
        .raw_file(b"\xff", b"bytes")
        .hard_link("again", "tail")
        .symlink("link", "to/nowhere")
        .tar()]);
    let out = blobs.home.path().join("root.erofs");
    blobs.build(&out).unwrap();
    let target = blobs.home.path().join("tree");
    extract(&out, &target);
    let tail = std::fs::metadata(target.join("tail")).unwrap();
    assert_eq!(std::fs::read(target.join("tail")).unwrap(), pattern(4097));
    assert_eq!(std::fs::read(target.join("large")).unwrap(), pattern(1 << 20));
    assert_eq!(tail.mtime(), 1_700_000_000);
    assert_eq!(std::fs::read(target.join("again")).unwrap(), pattern(4097));
    assert_eq!(
        std::fs::read_link(target.join("link")).unwrap().to_str(),
        Some("to/nowhere")
    );
    assert_eq!(std::fs::read_dir(target.join("empty")).unwrap().count(), 0);
}

#[test]
fn progress_ends_at_the_total() {
    let blobs = Blobs::new(&[
        Layer::default().file("a", pattern(3 << 20)).tar(),
        gzip(&Layer::default().tar()),
    ]);
    let mut seen = Vec::new();
    let out = blobs.home.path().join("out");
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let limits = pyro_image::root::RootLimits::default();
    pyro_image::root::build_root(&blobs.layers, &out, limits, &mut |at| seen.push(at), &cancel).unwrap();
    assert!(
        seen.windows(2)
            .all(|pair| pair[0].bytes_done <= pair[1].bytes_done)
    );
    let last = seen.last().unwrap();
    assert_eq!(last.bytes_done, last.bytes_total);
    let sizes = blobs
        .layers
        .iter()
        .map(|layer| std::fs::metadata(&layer.path).unwrap().len());
    assert_eq!(last.bytes_total, 2 * sizes.sum::<u64>());
}
