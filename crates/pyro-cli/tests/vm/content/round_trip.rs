//! Trees that go into a workspace and come out of it the same.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::tree::{self, chmod, write};
use crate::workspace::Workspaces;

/// Names that tools stumble over.
const NAMES: [&[u8]; 8] = [
    b"with space ",
    b"line\nbreak",
    b"caf\xe9",
    b"-rf",
    b"\\back\"slash",
    b"\xf0\x9f\x8c\xb1",
    b"tab\tand\x1b[31mescape",
    b"*?[glob]",
];

/// Where links lead, inside, outside and nowhere.
const TARGETS: [&str; 7] = [
    "files/with space ",
    "/etc/shadow",
    "../../../outside",
    "nowhere",
    "loop",
    ".",
    " /odd\n",
];

/// A tree with one of everything that has to survive.
pub(super) fn make_odd_tree(root: &Path) {
    for (index, name) in NAMES.iter().enumerate() {
        let name = OsStr::from_bytes(name);
        write(&root.join("files").join(name), name.as_bytes(), 0o644);
        let dir = root.join("dirs").join(name);
        write(&dir.join("inner"), index.to_string(), 0o600);
        symlink(name, root.join("files").join(format!("to-{index}"))).unwrap();
    }
    for (index, target) in TARGETS.iter().enumerate() {
        let link = root.join("links").join(format!("l{index}"));
        fs::create_dir_all(link.parent().unwrap()).unwrap();
        symlink(target, link).unwrap();
    }
    symlink("loop", root.join("loop")).unwrap();
    for mode in [0o400, 0o444, 0o511, 0o640, 0o755, 0o777] {
        write(&root.join(format!("modes/{mode:o}")), "x", mode);
        let dir = root.join(format!("modes/dir-{mode:o}"));
        fs::create_dir(&dir).unwrap();
        chmod(&dir, mode);
    }
    write(&root.join("hard/a"), "shared", 0o644);
    for name in ["hard/b", "dirs/c", "z"] {
        fs::hard_link(root.join("hard/a"), root.join(name)).unwrap();
    }
    write(&root.join("empty"), "", 0o644);
    fs::create_dir_all(root.join("nothing/in/here")).unwrap();
    // Long enough for several chunks, and not of a power of two.
    let long: Vec<u8> = (0..3_000_017_u32)
        .map(|number| (number * 7 + number / 251).to_le_bytes()[0])
        .collect();
    write(&root.join("long"), long, 0o644);
    write(&root.join("zeros"), vec![0; 1 << 20], 0o644);
    tree::set_times(root);
}

/// Seeds a workspace with one tree, pushes it to another, and compares what comes out.
fn assert_survives(home: &Workspaces, source: &str) {
    let path = |name: &str| home.home().path().join(name);
    let before = tree::read(&path(source));
    let seeded = home.create(&["--seed-path", source, "--include-ignored"]);
    home.ok(&["export", &seeded, "--output", "seeded"]);
    tree::assert_same(&before, &tree::read(&path("seeded")));
    let diff = home.ok(&["diff", &seeded, "--include-ignored"]);
    assert_eq!(diff["changed"], false, "{diff:#}");

    let pushed = home.create(&[]);
    home.ok(&[
        "sync",
        "push",
        &pushed,
        source,
        "--dest",
        "in/here",
        "--include-ignored",
    ]);
    home.ok(&["export", &pushed, "in/here", "--output", "pushed"]);
    tree::assert_same(&before, &tree::read(&path("pushed")));
    // A second push of the same changes nothing.
    home.ok(&[
        "sync",
        "push",
        &pushed,
        "seeded",
        "--dest",
        "in/here",
        "--include-ignored",
        "--delete",
    ]);
    home.ok(&["export", &pushed, "in/here", "--output", "pushed", "--force"]);
    tree::assert_same(&before, &tree::read(&path("pushed")));
    tree::assert_same(&before, &tree::read(&path(source)));
}

#[test]
fn a_tree_of_odd_things_comes_out_as_it_went_in() {
    let home = Workspaces::new();
    make_odd_tree(&home.home().path().join("odd"));
    assert_survives(&home, "odd");
}

#[test]
fn node_modules_come_out_as_they_went_in() {
    let home = Workspaces::new();
    let root = home.home().path().join("app");
    write(&root.join("package.json"), "{\"name\": \"app\"}\n", 0o644);
    for number in 0..40 {
        let package = root.join(format!("node_modules/package-{number}"));
        write(
            &package.join("package.json"),
            format!("{{\"version\": \"{number}\"}}\n"),
            0o644,
        );
        write(&package.join("bin/cli.js"), "#!/usr/bin/env node\n", 0o755);
        write(
            &package.join("lib/index.js"),
            "module.exports = 1\n".repeat(number),
            0o644,
        );
        let bin = root.join("node_modules/.bin");
        fs::create_dir_all(&bin).unwrap();
        let target = format!("../package-{number}/bin/cli.js");
        symlink(target, bin.join(format!("package-{number}"))).unwrap();
    }
    // As workspaces of a monorepo and stores of package managers are linked.
    fs::create_dir_all(root.join("packages/inner")).unwrap();
    symlink("../packages/inner", root.join("node_modules/inner")).unwrap();
    let original = root.join("node_modules/package-1/lib/index.js");
    fs::hard_link(original, root.join("node_modules/package-2/lib/same.js")).unwrap();
    assert_survives(&home, "app");
}

#[test]
fn a_virtual_environment_comes_out_as_it_went_in() {
    let home = Workspaces::new();
    let python = std::env::var_os("PYRO_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let made = Command::new(&python)
        .args(["-m", "venv", "venv"])
        .current_dir(home.home().path())
        .output();
    match made {
        Ok(made) => assert!(made.status.success(), "{made:?}"),
        Err(error) => {
            println!(
                "{} is not installed ({error}): there is no environment to bring in",
                python.display()
            );
            return;
        }
    }
    assert_survives(&home, "venv");
}
