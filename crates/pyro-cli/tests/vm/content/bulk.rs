//! A tree of any size, of all that a work tree may have.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use super::round_trip::make_odd_tree;
use super::tree::{chmod, set_times, write};
use crate::support::figure;

/// How many files a directory has.
const PER_DIRECTORY: u64 = 40;

/// The longest of the many small files, in bytes.
const SMALL_BYTES: u64 = 8 * 1024;

/// One of so many files is large.
const LARGE_OF: u64 = 1000;

/// How much a tree holds, roughly.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) files: u64,
    pub(super) mib: u64,
}

impl Size {
    /// What `PYRO_TEST_TREE_FILES` and `PYRO_TEST_TREE_MIB` say.
    pub(super) fn wanted() -> Self {
        Self {
            files: figure("PYRO_TEST_TREE_FILES", 3000),
            mib: figure("PYRO_TEST_TREE_MIB", 40),
        }
    }
}

/// Makes the tree, the same for the same size. Says what it has to leave out.
pub(super) fn make(root: &Path, size: Size) {
    make_files(&root.join("src"), size);
    make_modules(&root.join("node_modules"), size.files / 100);
    make_odd_tree(&root.join("odd"));
    make_modes(&root.join("modes"));
    make_environment(root);
    set_times(root);
}

/// Many small files and a few large ones, of bytes that nothing compresses and nothing has twice.
fn make_files(root: &Path, size: Size) {
    let noise = noise(1 << 20);
    let large = size.files.div_ceil(LARGE_OF);
    let small_bytes = size.files * SMALL_BYTES / 2;
    let large_bytes = (size.mib << 20).saturating_sub(small_bytes) / large;
    let mut dir = root.to_owned();
    for index in 0..size.files {
        if index % PER_DIRECTORY == 0 {
            dir = root.join(format!("d{:02}/d{}", index % 97, index / PER_DIRECTORY));
            fs::create_dir_all(&dir).unwrap();
        }
        let length = if index % LARGE_OF == 1 {
            large_bytes
        } else {
            index * 7919 % SMALL_BYTES
        };
        let path = dir.join(format!("file-{index}.bin"));
        write_noise(&path, &noise, index, length);
        if index % 50 == 3 {
            fs::hard_link(&path, dir.join(format!("again-{index}"))).unwrap();
        }
        if index % 50 == 4 {
            symlink(
                format!("file-{}.bin", index - 1),
                dir.join(format!("link-{index}")),
            )
            .unwrap();
        }
    }
}

/// Writes so much of the noise, from another place for each file.
fn write_noise(path: &Path, noise: &[u8], index: u64, length: u64) {
    let mut file = File::create(path).unwrap();
    let mut left = usize::try_from(length).unwrap();
    let mut from = usize::try_from(index * 104_729 % (1 << 20)).unwrap();
    while left > 0 {
        let end = noise.len().min(from + left);
        file.write_all(&noise[from..end]).unwrap();
        left -= end - from;
        from = 0;
    }
}

/// Bytes without a pattern (xorshift64).
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes
}

/// Packages whose programs are linked.
fn make_modules(root: &Path, count: u64) {
    fs::create_dir_all(root.join(".bin")).unwrap();
    for number in 0..count {
        let package = root.join(format!("package-{number}"));
        write(&package.join("cli.js"), "#!/usr/bin/env node\n", 0o755);
        write(
            &package.join("package.json"),
            format!("{{\"n\": {number}}}\n"),
            0o644,
        );
        let link = root.join(format!(".bin/package-{number}"));
        symlink(format!("../package-{number}/cli.js"), link).unwrap();
    }
}

/// Files and directories of all modes: with set-uid and the like, and, if the caller may still read them, without any.
fn make_modes(root: &Path) {
    let readable: &[u32] = &[0o400, 0o555, 0o4755, 0o2711, 0o6700, 0o1777];
    // Who is not root could not bring the others in, nor remove them after the test.
    let others: &[u32] = if rustix::process::geteuid().is_root() {
        &[0, 0o001, 0o200, 0o311]
    } else {
        &[]
    };
    for mode in readable.iter().chain(others) {
        write(&root.join(format!("file-{mode:o}")), format!("{mode:o}"), *mode);
    }
    for mode in readable.iter().filter(|mode| *mode & 0o200 != 0).chain(others) {
        let dir = root.join(format!("dir-{mode:o}"));
        write(&dir.join("inner/file"), "x", 0o444);
        chmod(&dir, *mode);
    }
    if !others.is_empty() {
        let dir = root.join("dir-555");
        write(&dir.join("inner/file"), "x", 0o444);
        chmod(&dir.join("inner"), 0o555);
        chmod(&dir, 0o555);
    }
}

/// A virtual environment, if there is a Python.
#[expect(
    clippy::print_stdout,
    reason = "what a test leaves out is not left out in silence"
)]
fn make_environment(root: &Path) {
    let python = std::env::var_os("PYRO_TEST_PYTHON").unwrap_or_else(|| "python3".into());
    let made = Command::new(&python)
        .args(["-m", "venv", "--without-pip", "venv"])
        .current_dir(root)
        .output();
    match made {
        Ok(made) => assert!(made.status.success(), "{made:?}"),
        Err(error) => println!(
            "{} is not installed ({error}): no virtual environment",
            python.display()
        ),
    }
}

/// How many names [`change`] takes away without putting something else in their place.
pub(super) const REMOVED: u64 = 6;

/// Changes a little of a tree that was made: contents, a mode, a link, names, and what is a directory.
pub(super) fn change(root: &Path) {
    let first = root.join("src/d00/d0");
    for index in 10..20 {
        fs::write(
            first.join(format!("file-{index}.bin")),
            format!("changed {index}\n"),
        )
        .unwrap();
    }
    for index in 20..25 {
        fs::remove_file(first.join(format!("file-{index}.bin"))).unwrap();
        write(&first.join(format!("new/file-{index}")), "new\n", 0o644);
    }
    chmod(&first.join("file-5.bin"), 0o700);
    fs::rename(first.join("file-6.bin"), first.join("renamed")).unwrap();
    fs::remove_dir_all(root.join("odd/dirs")).unwrap();
    write(&root.join("odd/dirs"), "a directory no more\n", 0o644);
    fs::remove_file(root.join("odd/empty")).unwrap();
    write(&root.join("odd/empty/not"), "a file no more\n", 0o600);
    let link = root.join("odd/links/l0");
    fs::remove_file(&link).unwrap();
    symlink(OsStr::from_bytes(b"else\xffwhere"), &link).unwrap();
    set_times(root);
}
