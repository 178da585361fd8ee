//! How layers combine.

use tar::EntryType;

use crate::layer::{Layer, image, refusal};

#[test]
fn upper_layers_replace_and_whiteouts_hide() {
    let image = image([
        Layer::default()
            .file("a", "1")
            .file("d/x", "1")
            .file("d/y", "1")
            .file("e/z", "1"),
        Layer::default()
            .file("a", "2")
            .file("d/.wh.x", "")
            .file(".wh.e", "")
            .file(".wh.absent", ""),
        Layer::default().file("d/new", "3"),
    ]);
    assert_eq!(image.paths(), "/a /d /d/new /d/y");
    assert_eq!(image.text("/a"), "2");
}

#[test]
fn whiteouts_hide_lower_layers_only_whatever_their_order() {
    let lower = || {
        Layer::default()
            .file("d/sub/low", "")
            .file("d/low", "")
            .file("f", "low")
    };
    let opaque = |layer: Layer| layer.file("d/.wh..wh..opq", "").file(".wh.f", "");
    let entries = |layer: Layer| layer.file("d/up", "").file("d/sub/up", "").file("f", "up");
    for upper in [
        entries(opaque(Layer::default())),
        opaque(entries(Layer::default())),
    ] {
        let image = image([lower(), upper]);
        assert_eq!(image.paths(), "/d /d/sub /d/sub/up /d/up /f");
        assert_eq!(image.text("/f"), "up");
    }
    for upper in [
        Layer::default().file(".wh.d", "").file("d/sub/up", ""),
        Layer::default().file("d/sub/up", "").file(".wh.d", ""),
    ] {
        assert_eq!(image([lower(), upper]).paths(), "/d /d/sub /d/sub/up /f");
    }
}

#[test]
fn a_hidden_directory_that_is_used_again_is_a_new_one() {
    let lower = || Layer::default().dir("d", 0o700).file("d/low", "");
    for upper in [
        Layer::default().file(".wh.d", "").file("d/up", ""),
        Layer::default().file("d/up", "").file(".wh.d", ""),
    ] {
        assert_eq!(image([lower(), upper]).file("/d").mode, 0o040_755);
    }
    let described = Layer::default().dir("d", 0o711).file(".wh.d", "");
    let image = image([lower(), described]);
    assert_eq!(
        (image.paths(), image.file("/d").mode),
        ("/d".to_owned(), 0o040_711)
    );
}

#[test]
fn a_directory_over_a_directory_keeps_its_children() {
    let image = image([
        Layer::default().dir("d", 0o755).file("d/low", ""),
        Layer::default().dir("d", 0o700),
    ]);
    assert_eq!(image.paths(), "/d /d/low");
    assert_eq!(image.file("/d").mode, 0o040_700);
}

#[test]
fn directories_and_files_replace_each_other() {
    let image = image([
        Layer::default().file("a/b/c", "").file("f", "").symlink("l", "a"),
        Layer::default()
            .file("a", "file")
            .dir("f", 0o755)
            .file("f/in", "")
            .dir("l", 0o755)
            .file("l/in", ""),
    ]);
    assert_eq!(image.paths(), "/a /f /f/in /l /l/in");
    assert_eq!(image.text("/a"), "file");
}

#[test]
fn hard_links_keep_the_content_of_a_replaced_target() {
    let image = image([
        Layer::default().file("one", "old").hard_link("two", "one"),
        Layer::default().hard_link("three", "one").file("one", "new"),
        Layer::default().file(".wh.two", ""),
    ]);
    assert_eq!((image.text("/one"), image.text("/three")), ("new", "old"));
    assert_eq!((image.file("/one").links, image.file("/three").links), (1, 1));
    assert_eq!(image.paths(), "/one /three");
}

#[test]
fn a_hard_link_to_itself_changes_nothing() {
    let image = image([Layer::default().file("a", "x").hard_link("a", "a")]);
    assert_eq!((image.text("/a"), image.file("/a").links), ("x", 1));
}

#[test]
fn hard_links_need_a_file_to_link_to() {
    let missing = refusal([Layer::default().hard_link("a", "b")]);
    assert_eq!(
        missing,
        "entry `a` of layer 0 is refused: its link target `b` does not exist"
    );
    let hidden = refusal([
        Layer::default().file("b", ""),
        Layer::default().file(".wh.b", "").hard_link("a", "b"),
    ]);
    assert!(
        hidden.contains("entry `a` of layer 1") && hidden.contains("does not exist"),
        "{hidden}"
    );
    let directory = refusal([Layer::default().dir("d", 0o755).hard_link("a", "d")]);
    assert!(directory.contains("`d` is a directory"), "{directory}");
    assert!(refusal([Layer::default().hard_link("a", "/")]).contains("is a directory"));
}

#[test]
fn entries_below_a_symbolic_link_go_where_it_leads() {
    let image = image([
        Layer::default()
            .dir("usr/bin", 0o755)
            .symlink("bin", "usr/bin")
            .symlink("abs", "/usr/./bin/"),
        Layer::default()
            .file("bin/tool", "1")
            .file("abs/other", "2")
            .hard_link("bin/again", "abs/tool"),
        Layer::default().file("bin/.wh.other", ""),
    ]);
    assert_eq!(
        image.paths(),
        "/abs /bin /usr /usr/bin /usr/bin/again /usr/bin/tool"
    );
    assert_eq!(image.file("/usr/bin/tool").links, 2);
}

#[test]
fn symbolic_links_never_lead_out_of_the_root() {
    let image = image([
        Layer::default()
            .symlink("out", "../../../outside")
            .symlink("d/up", "../../.."),
        Layer::default().file("out/file", "1").file("d/up/file", "2"),
    ]);
    assert_eq!(image.paths(), "/d /d/up /file /out /outside /outside/file");
    let circle = refusal([Layer::default()
        .symlink("a", "b")
        .symlink("b", "a")
        .file("a/file", "")]);
    assert!(circle.contains("more than 40 symbolic links"), "{circle}");
}

#[test]
fn parents_that_no_entry_describes_are_made() {
    let image = image([Layer::default().file("a/b/c", "")]);
    for path in ["/a", "/a/b"] {
        let made = image.file(path);
        assert_eq!((made.mode, made.owner, made.mtime), (0o040_755, (0, 0), (0, 0)));
    }
}

#[test]
fn a_file_is_no_directory_for_others() {
    let message = refusal([Layer::default().file("a", ""), Layer::default().file("a/b", "")]);
    assert_eq!(
        message,
        "entry `a/b` of layer 1 is refused: `a` on the way to it is not a directory"
    );
}

#[test]
fn bookkeeping_of_aufs_is_not_shown() {
    let image = image([Layer::default()
        .dir(".wh..wh.plnk", 0o700)
        .file(".wh..wh.plnk/1.2", "")
        .file(".wh..wh.aufs", "")]);
    assert_eq!(image.paths(), "");
}

#[test]
fn old_archives_mark_directories_by_a_slash() {
    let image =
        image([Layer::default().entry(b"d/", b"", |header| header.set_entry_type(EntryType::Regular))]);
    assert_eq!(image.file("/d").mode & 0o170_000, 0o040_000);
}
