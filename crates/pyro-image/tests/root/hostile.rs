//! What is refused, and how it is named.

use std::sync::atomic::AtomicBool;

use pyro_image::root::{RootError, RootLimits, build_root};
use tar::EntryType;

use crate::layer::{Blobs, Layer, blob_refusal, chain, gzip, refusal, sha256, zstd};

#[test]
fn names_that_could_leave_the_root_are_refused() {
    for name in ["../a", "a/../b", "/../a", "a/.."] {
        let message = refusal([Layer::default(), Layer::default().file(name, "")]);
        let expected = format!("entry `{name}` of layer 1 is refused: the name has a `..` component");
        assert!(message.starts_with(&expected), "{message}");
    }
    let message = refusal([Layer::default().hard_link("a", "../../etc/shadow")]);
    assert!(
        message.contains("link target `../../etc/shadow` is refused"),
        "{message}"
    );
    let message = refusal([Layer::default().file("d/.wh...", "")]);
    assert!(message.contains("no valid whiteout"), "{message}");
}

#[test]
fn names_no_file_can_have_are_refused() {
    let says = |layer, expected: &str| {
        let message = refusal([layer]);
        assert!(message.contains(expected), "{message}");
    };
    says(Layer::default().file("", ""), "the name is empty");
    says(
        Layer::default().pax(&[("path", b"a\0b")]).file("x", ""),
        "zero byte",
    );
    says(Layer::default().file(&"n".repeat(256), ""), "256 bytes");
    says(Layer::default().file(&"n/".repeat(2100), ""), "4200 bytes");
    says(Layer::default().file(".", ""), "the root can only be a directory");
    says(
        Layer::default().symlink("a", ""),
        "symbolic link target of 0 bytes",
    );
    says(
        Layer::default().symlink("a", &"t".repeat(4096)),
        "symbolic link target of 4096 bytes",
    );
    says(Layer::default().device("d", EntryType::Char, 4096, 0), "4096:0");
    let key = format!("SCHILY.xattr.user.{}", "n".repeat(251));
    says(
        Layer::default().pax(&[(&key, b"v")]).file("x", ""),
        "no valid name",
    );
    says(
        Layer::default()
            .pax(&[("SCHILY.xattr.user.v", &[0; 65_536])])
            .file("x", ""),
        "65536 bytes",
    );
    says(
        Layer::default().pax(&[("uid", b"4294967296")]).file("x", ""),
        "owner that is no valid number",
    );
    says(
        Layer::default().entry(b"x", b"", |header| header.set_entry_type(EntryType::new(b'V'))),
        "unknown type 0x56",
    );
}

#[test]
fn archives_that_end_early_are_refused() {
    let tar = Layer::default().file("a", vec![1; 5000]).file("b", "x").tar();
    let ends = [100, 512, 600, 3000, 5632, 6144, 6400, 6656, 7168 - 512];
    for end in ends {
        for blob in [tar[..end].to_vec(), gzip(&tar[..end]), zstd(&tar[..end])] {
            assert!(blob_refusal(&[blob]).contains("the archive ends early"), "{end}");
        }
    }
}

#[test]
fn an_archive_without_end_marker_needs_its_digest() {
    let whole = Layer::default().file("a", "x").tar();
    // After the padding, and after the one byte of the file.
    for end in [1024, 513] {
        let tar = whole[..end].to_vec();
        let mut blobs = Blobs::new(&[gzip(&tar)]);
        assert!(
            blob_refusal(&[gzip(&tar)]).contains("the archive ends early"),
            "{end}"
        );
        blobs.layers[0].diff_id = Some(sha256(&tar));
        assert_eq!(blobs.try_image().unwrap().paths(), "/a", "{end}");
    }
}

#[test]
fn the_digest_covers_what_follows_the_end_marker() {
    let mut tar = Layer::default().file("a", "x").tar();
    tar.extend([0; 9000]);
    let mut blobs = Blobs::new(&[gzip(&tar)]);
    blobs.layers[0].diff_id = Some(sha256(&tar));
    blobs.try_image().unwrap();
    blobs.layers[0].diff_id = Some(sha256(&tar[..2048]));
    let out = blobs.home.path().join("other");
    let message = chain(&blobs.build(&out).unwrap_err());
    assert!(
        message.contains(&sha256(&tar)) && message.contains(&sha256(&tar[..2048])),
        "{message}"
    );
}

#[test]
fn damaged_compression_is_refused() {
    let tar = Layer::default().file("a", vec![7; 200_000]).tar();
    for whole in [gzip(&tar), zstd(&tar)] {
        let cut = whole[..whole.len() - 3].to_vec();
        assert!(blob_refusal(&[cut]).contains("cannot decompress"));
        let trailing = [&whole[..], b"garbage behind it"].concat();
        assert!(blob_refusal(&[trailing]).contains("cannot decompress"));
    }
    let mut checksum = gzip(&tar);
    let at = checksum.len() - 6;
    checksum[at] ^= 1;
    assert!(blob_refusal(&[checksum]).contains("as gzip"));
}

#[test]
fn headers_that_lie_are_refused() {
    let says = |blob: Vec<u8>, expected: &str| {
        let message = blob_refusal(&[blob]);
        assert!(message.contains(expected), "{message}");
    };
    let huge = |layer: Layer, kind| {
        layer.entry(b"x", b"", |header| {
            header.set_entry_type(kind);
            header.set_size(u64::MAX);
        })
    };
    let mut damaged = Layer::default().file("a", "x").tar();
    damaged[0] ^= 1;
    says(damaged, "block at byte 0 is not a tar header");
    says(
        huge(Layer::default(), EntryType::XHeader).tar(),
        "18446744073709551615 bytes, more than 1048576",
    );
    says(
        huge(Layer::default(), EntryType::GNULongName).tar(),
        "more than 1048576",
    );
    says(
        huge(Layer::default(), EntryType::Regular).tar(),
        "hold more than 68719476736 bytes",
    );
    says(huge(Layer::default(), EntryType::GNUSparse).tar(), "invalid map");
    says(
        Layer::default()
            .entry(b"p", b"99 path=a\n", |h| h.set_entry_type(EntryType::XHeader))
            .tar(),
        "malformed",
    );
    says(Layer::default().pax(&[("uid", b"1")]).tar(), "exactly one entry");
    says(
        Layer::default()
            .pax(&[("uid", b"1")])
            .pax(&[("uid", b"1")])
            .file("a", "")
            .tar(),
        "exactly one entry",
    );
    says(
        Layer::default().bytes(&[0; 512]).file("a", "").tar(),
        "not a tar header",
    );
    says(b"this is no archive".repeat(60), "not a tar header");
    says(
        Layer::default()
            .entry(b"a", b"", |header| header.as_old_mut().mode = *b"rw-r--r-")
            .tar(),
        "mode",
    );
}

#[test]
fn layers_larger_than_allowed_are_refused() {
    let limits = RootLimits {
        uncompressed_bytes: 1 << 20,
        entries: 10,
        metadata_bytes: 1000,
    };
    let says = |layers: Vec<Vec<u8>>, expected: &str| {
        let blobs = Blobs::new(&layers);
        let error = blobs
            .build_within(&blobs.home.path().join("out"), limits)
            .unwrap_err();
        assert!(chain(&error).contains(expected), "{}", chain(&error));
    };
    let bomb = Layer::default().tar();
    let bomb = [bomb, vec![0; 2 << 20]].concat();
    says(vec![gzip(&bomb)], "expand to more than 1048576 bytes");
    says(vec![zstd(&bomb)], "expand to more than 1048576 bytes");
    let half = gzip(&Layer::default().file("a", vec![0; 600_000]).tar());
    says(vec![half.clone(), half], "more than 1048576 bytes");
    says(
        vec![Layer::default().file(&"d/".repeat(11), "").tar()],
        "more than 10 entries",
    );
    let links = (0..10).fold(Layer::default().file("a", ""), |layer, at| {
        layer.hard_link(&at.to_string(), "a")
    });
    says(vec![links.tar()], "more than 10 entries");
    says(
        vec![Layer::default().symlink("a", &"t".repeat(1000)).tar()],
        "more than 1000 bytes",
    );
}

#[test]
fn cancelling_ends_the_work_and_leaves_nothing() {
    let blobs = Blobs::new(&[Layer::default().file("a", vec![0; 4 << 20]).tar()]);
    let out = blobs.home.path().join("out");
    let limits = RootLimits::default();
    for stop_at in [0, 1 << 20, 5 << 20] {
        let cancel = AtomicBool::new(stop_at == 0);
        let error = build_root(
            &blobs.layers,
            &out,
            limits,
            &mut |at| cancel.store(at.bytes_done >= stop_at, std::sync::atomic::Ordering::Relaxed),
            &cancel,
        );
        assert!(matches!(error, Err(RootError::Cancelled)), "{error:?}");
        assert!(!out.exists());
    }
}

#[test]
fn an_existing_file_is_not_overwritten() {
    let blobs = Blobs::new(&[]);
    let out = blobs.home.path().join("out");
    std::fs::write(&out, "mine").unwrap();
    let error = blobs.build(&out).unwrap_err();
    assert!(error.to_string().contains("cannot create image file"));
    assert_eq!(std::fs::read(&out).unwrap(), b"mine");
}

#[test]
fn a_missing_blob_is_named() {
    let mut blobs = Blobs::new(&[Layer::default().tar()]);
    blobs.layers[0].path = "/nowhere/blob".into();
    let error = blobs.build(&blobs.home.path().join("out")).unwrap_err();
    assert!(chain(&error).starts_with("layer 0 cannot be read: cannot read `/nowhere/blob`"));
}
