use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::announced::path_of;
use super::*;

#[test]
fn only_file_uris_of_this_host_are_paths() {
    for (uri, path) in [
        ("file:///home/u/project", Some("/home/u/project")),
        ("file://localhost/a%20b/%C3%A9", Some("/a b/é")),
        ("FILE:///x", Some("/x")),
        ("file://other/x", None),
        ("file:x", None),
        ("https://example.org/x", None),
        ("file:///a%2", None),
        ("file:///a%zz", None),
        ("/home/u", None),
    ] {
        assert_eq!(path_of(uri), path.map(PathBuf::from), "{uri}");
    }
}

#[test]
fn links_and_dots_are_resolved_as_far_as_something_is_there() {
    let dir = TempDir::new().unwrap();
    let root = dir.path().canonicalize().unwrap();
    std::fs::create_dir(root.join("in")).unwrap();
    std::fs::write(root.join("in/file"), "").unwrap();
    symlink("/etc", root.join("in/out")).unwrap();
    symlink("nowhere", root.join("in/dangling")).unwrap();
    let resolve = |path: &str| resolved(&root.join(path));
    assert_eq!(resolve("in/file"), Some(root.join("in/file")));
    assert_eq!(resolve("in/../in/new/x"), Some(root.join("in/new/x")));
    assert_eq!(resolve("in/out/passwd"), Some("/etc/passwd".into()));
    assert_eq!(resolve("in/out/new/x"), Some("/etc/new/x".into()));
    assert_eq!(resolve("in/file/x"), Some(root.join("in/file/x")));
    assert_eq!(resolve("in/new/../x"), None, "what is not there has no parent");
    assert_eq!(resolve("in/dangling"), None);
    assert_eq!(resolve("in/dangling/x"), None);
}

#[test]
fn a_root_may_be_read_and_not_replaced() {
    let roots = [PathBuf::from("/a/b")];
    for (path, source, output) in [
        ("/a/b", true, false),
        ("/a/b/c", true, true),
        ("/a/bc", false, false),
        ("/a", false, false),
        ("/", false, false),
    ] {
        assert_eq!(is_inside(Path::new(path), Use::Source, &roots), source, "{path}");
        assert_eq!(is_inside(Path::new(path), Use::Output, &roots), output, "{path}");
    }
}

#[test]
fn a_denied_path_names_the_roots_and_the_flag() {
    let denied = |roots| HostPathError::Denied {
        given: "/etc".to_owned(),
        roots,
    };
    let error = denied(vec!["/a".into(), "/b".into()]);
    assert_eq!(error.code(), ErrorCode::HostPathDenied);
    assert_eq!(error.to_string(), "`/etc` is not allowed");
    let hint = error.hint().unwrap();
    assert!(hint.starts_with("allowed: /a, /b; start the server with `--allow-host-path DIR`"));
    assert!(
        denied(Vec::new())
            .hint()
            .unwrap()
            .contains("--allow-host-path DIR")
    );
}
