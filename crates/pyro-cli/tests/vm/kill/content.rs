//! What a workspace holds, and the two versions of a tree that take turns in it.

use std::fs;
use std::path::{Path, PathBuf};

/// What shows the content: a line each for a file outside the tree, a pushed directory and two files that are patched
/// together. Whatever an operation that was cut off wrote may be in the guest's memory only: it is synced, to be there
/// whatever happens next.
pub(super) const LOOK: &str = "cat /root/f 2>/dev/null || echo
    (cd tree 2>/dev/null && find . -type f | sort && find . -type f -exec cat {} + | sort -u) | tr '\\n' ' '; echo
    cat one two 2>/dev/null | tr '\\n' ' '; echo; sync";

/// How many files a version has.
const FILES: usize = 20;

/// What a workspace holds; each part is empty at its beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Content {
    pub(super) file: String,
    pub(super) tree: String,
    /// What is in two files, which always have the same.
    pub(super) patched: String,
}

impl Content {
    /// From what [`LOOK`] prints.
    pub(super) fn read(printed: &str) -> Self {
        let mut lines = printed.lines().map(|line| line.trim_end().to_owned());
        let mut next = || lines.next().unwrap_or_default();
        Self {
            file: next(),
            tree: next(),
            patched: next(),
        }
    }
}

/// Two directories on the host, each with a directory `tree`: they have names in common and names of their own.
#[derive(Debug)]
pub(super) struct Sources {
    pub(super) versions: [Source; 2],
}

/// A version of the tree.
#[derive(Debug)]
pub(super) struct Source {
    /// The directory that has `tree`.
    pub(super) dir: PathBuf,
    /// What a workspace holds that has it.
    pub(super) shown: String,
}

impl Sources {
    pub(super) fn make(dir: &Path) -> Self {
        let version = |name: &str, first: usize| {
            let dir = dir.join(name);
            let mut paths: Vec<String> = (first..first + FILES)
                .map(|number| format!("./d{}/f{number:02}", number % 3))
                .collect();
            for path in &paths {
                let path = dir.join("tree").join(path);
                fs::create_dir_all(path.parent().expect("it is in a directory")).expect("it can be made");
                // As many lines as it takes to be more than one block.
                fs::write(path, format!("{name}\n").repeat(1000)).expect("it can be written");
            }
            paths.sort();
            let shown = format!("{} {name}", paths.join(" "));
            Source { dir, shown }
        };
        Self {
            versions: [version("first", 0), version("second", 7)],
        }
    }

    /// The version that a workspace with this content does not have.
    pub(super) fn other_than(&self, content: &Content) -> &Source {
        let [first, second] = &self.versions;
        if content.tree == first.shown {
            second
        } else {
            first
        }
    }
}
