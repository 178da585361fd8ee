//! Trees on the host: made, and compared by everything that has to survive.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata};
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use rustix::fs::{AtFlags, CWD, FileType, Mode, Timespec, Timestamps, mknodat, utimensat};
use sha2::{Digest as _, Sha256};

/// Up to which length a content is kept as it is.
const WHOLE_BYTES: u64 = 16 * 1024;

/// Everything that is at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    kind: &'static str,
    mode: u32,
    modified: (i64, i64),
    /// A long one by its digest, so that a tree of any size fits.
    content: Vec<u8>,
    /// The first path of the same file.
    same_as: Vec<u8>,
}

impl Node {
    pub(super) fn is_directory(&self) -> bool {
        self.kind == "directory"
    }
}

/// A tree by its paths, without its root.
pub(super) type Tree = BTreeMap<Vec<u8>, Node>;

/// Reads a tree.
pub(super) fn read(root: &Path) -> Tree {
    let mut tree = Tree::new();
    let mut seen = BTreeMap::new();
    // In the order of the paths, so that the first path of a file is the same wherever the tree is.
    for path in paths(root) {
        let relative = path.strip_prefix(root).unwrap().as_os_str().as_bytes().to_vec();
        let metadata = fs::symlink_metadata(&path).unwrap();
        let same_as = seen.entry(metadata.ino()).or_insert_with(|| relative.clone());
        let node = node(&path, &metadata, same_as.clone());
        tree.insert(relative, node);
    }
    tree
}

/// All paths below a directory, in the order of their bytes: a directory before what is in it.
pub(super) fn paths(root: &Path) -> Vec<PathBuf> {
    let mut all = Vec::new();
    let mut dirs = vec![root.to_path_buf()];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                dirs.push(path.clone());
            }
            all.push(path);
        }
    }
    all.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    all
}

fn node(path: &Path, metadata: &Metadata, same_as: Vec<u8>) -> Node {
    let (kind, content) = if metadata.is_dir() {
        ("directory", Vec::new())
    } else if metadata.is_symlink() {
        ("link", fs::read_link(path).unwrap().into_os_string().into_vec())
    } else if metadata.is_file() {
        ("file", content(path, metadata.len()))
    } else {
        ("special", Vec::new())
    };
    Node {
        kind,
        mode: metadata.mode() & 0o7777,
        modified: (metadata.mtime(), metadata.mtime_nsec()),
        content,
        same_as,
    }
}

fn content(path: &Path, length: u64) -> Vec<u8> {
    if length <= WHOLE_BYTES {
        return fs::read(path).unwrap();
    }
    let mut file = File::open(path).unwrap();
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = file.read(&mut buffer).unwrap();
        if read == 0 {
            return digest.finalize().to_vec();
        }
        digest.update(&buffer[..read]);
    }
}

/// What is left of a tree on its way to a host: no set-uid, set-gid or sticky bits.
pub(super) fn without_special_bits(mut tree: Tree) -> Tree {
    for node in tree.values_mut() {
        node.mode &= 0o777;
    }
    tree
}

/// Fails at the first path at which two trees differ.
pub(super) fn assert_same(expected: &Tree, found: &Tree) {
    let shown = |path: &[u8]| String::from_utf8_lossy(path).into_owned();
    for (path, node) in expected {
        let other = found.get(path);
        assert!(other.is_some(), "`{}` is missing", shown(path));
        let other = other.unwrap();
        // Long contents are no message.
        assert!(
            node.content == other.content,
            "`{}` has another content",
            shown(path)
        );
        let of = |node: &Node| (node.kind, node.mode, node.modified, shown(&node.same_as));
        assert_eq!(of(node), of(other), "`{}`", shown(path));
    }
    for path in found.keys() {
        assert!(expected.contains_key(path), "`{}` is new", shown(path));
    }
}

/// A tree as Git sees it: contents and whether they are executable, without `.git`.
pub(super) fn as_git_sees(root: &Path) -> Vec<(Vec<u8>, &'static str, bool, Vec<u8>)> {
    let files = read(root)
        .into_iter()
        .filter(|(path, node)| node.kind != "directory" && path != b".git" && !path.starts_with(b".git/"));
    files
        .map(|(path, node)| {
            let is_executable = node.kind == "file" && node.mode & 0o100 != 0;
            (path, node.kind, is_executable, node.content)
        })
        .collect()
}

/// Writes a file with directories as needed.
pub(super) fn write(path: &Path, content: impl AsRef<[u8]>, mode: u32) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, content).unwrap();
    chmod(path, mode);
}

pub(super) fn chmod(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

pub(super) fn make_fifo(path: &Path) {
    mknodat(CWD, path, FileType::Fifo, Mode::RWXU, 0).unwrap();
}

/// Sets the time of a path itself, in nanoseconds.
pub(super) fn set_modified(path: &Path, seconds: i64, nanoseconds: i64) {
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

/// Gives every path below a directory a time of its own, with nanoseconds, directories last.
pub(super) fn set_times(root: &Path) {
    for (index, path) in paths(root).iter().rev().enumerate() {
        let index = i64::try_from(index).unwrap();
        set_modified(path, 978_307_200 + index * 9_973, 123_456_000 + index);
    }
}

/// Runs Git in a directory, or says that there is none; not every host of the tests has it.
#[expect(
    clippy::print_stdout,
    reason = "what a test leaves out is not left out in silence"
)]
pub(super) fn git(dir: &Path, words: &[&str]) -> Option<Output> {
    let mut command = Command::new("git");
    command
        .args(["-c", "user.name=test", "-c", "user.email=test@localhost"])
        .args(words)
        .current_dir(dir)
        .env_remove("GIT_DIR")
        // A work tree that the tests happen to be in is none of theirs.
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap())
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_SYSTEM", "/dev/null");
    match command.output() {
        Ok(output) => {
            let told = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success(), "git {words:?}: {told}");
            Some(output)
        }
        Err(error) => {
            println!("git is not installed ({error}): {words:?} is left out");
            None
        }
    }
}

/// Makes a directory a Git work tree with one commit of all that it has; where there is no Git, with the little by which a
/// work tree is recognised.
pub(super) fn make_work_tree(dir: &Path) {
    if git(dir, &["init", "-q", "-b", "main"]).is_some() {
        git(dir, &["add", "-A"]);
        git(dir, &["commit", "-q", "-m", "first"]);
        return;
    }
    for name in ["objects", "refs/heads"] {
        fs::create_dir_all(dir.join(".git").join(name)).unwrap();
    }
    write(&dir.join(".git/HEAD"), "ref: refs/heads/main\n", 0o644);
    write(
        &dir.join(".git/config"),
        "[core]\n\trepositoryformatversion = 0\n\tbare = false\n",
        0o644,
    );
}
