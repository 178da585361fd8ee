//! What is exported of a list of changes, decided before any content is fetched.

use std::collections::BTreeSet;

use pyro_proto::file::{FileChange, FileKind, FileNode};

use crate::guest::files::Fetched;

/// What of a list of changes is exported.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// The path that everything is relative to; empty, or with a slash at its end.
    prefix: Vec<u8>,
    /// Directories that are new, or on the way to something else, in order, without the one that is exported.
    pub(super) directories: BTreeSet<Vec<u8>>,
    /// All else that is there, special files too.
    pub(super) files: Vec<Changed>,
    /// What is gone, relative to what is exported.
    pub(super) deleted: Vec<Vec<u8>>,
}

/// Something that is there, and may be as it was.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Changed {
    /// Its path in the tree.
    pub(super) path: Vec<u8>,
    /// The length of its content, in bytes.
    pub(super) size: u64,
    /// Whether it is a regular file.
    pub(super) is_file: bool,
    /// Whether only its content can tell whether it changed.
    pub(super) may_be_equal: bool,
}

impl Plan {
    /// Plans what is at or below a path. If there is no directory now, it keeps its name in the output.
    pub(super) fn new(base: &[u8], is_directory: bool, changes: &[FileChange]) -> Self {
        let prefix = match (base, is_directory) {
            ([], _) => Vec::new(),
            (base, true) => [base, b"/"].concat(),
            (base, false) => {
                let name = base.iter().rposition(|&byte| byte == b'/');
                name.map_or(Vec::new(), |slash| base[..=slash].to_vec())
            }
        };
        let mut plan = Self {
            prefix,
            ..Self::default()
        };
        for change in changes {
            plan.add(change);
        }
        plan
    }

    /// A path as it is in the output.
    pub(super) fn relative<'a>(&self, path: &'a [u8]) -> &'a [u8] {
        path.strip_prefix(self.prefix.as_slice()).unwrap_or(path)
    }

    fn add(&mut self, change: &FileChange) {
        let path = change.path.to_vec();
        let (old, new) = (present(change.old.as_ref()), present(change.new.as_ref()));
        // The directory itself, which is made in any case; and what was not asked for.
        if !path.starts_with(&self.prefix) || path.len() == self.prefix.len() {
            return;
        }
        let Some(new) = new else {
            if old.is_some() {
                self.deleted.push(self.relative(&path).to_vec());
            }
            return;
        };
        self.add_parents(&path);
        if new.kind() == FileKind::Directory {
            self.directories.insert(path);
            return;
        }
        let is_content = matches!(new.kind(), FileKind::File | FileKind::Symlink);
        self.files.push(Changed {
            path,
            size: new.size,
            is_file: new.kind() == FileKind::File,
            may_be_equal: is_content && old == Some(new),
        });
    }

    fn add_parents(&mut self, path: &[u8]) {
        let mut end = path.len();
        while let Some(slash) = path[..end].iter().rposition(|&byte| byte == b'/') {
            if slash < self.prefix.len() || !self.directories.insert(path[..slash].to_vec()) {
                return;
            }
            end = slash;
        }
    }
}

/// Whether two sides of a path are the same, content included.
pub(super) fn is_equal(old: &Fetched, new: &Fetched) -> bool {
    let same = old.entry.kind == new.entry.kind
        && old.entry.mode == new.entry.mode
        && old.entry.target == new.entry.target;
    match FileKind::try_from(new.entry.kind) {
        // Content that did not come is not known to be the same.
        Ok(FileKind::File) => same && old.content.is_some() && old.content == new.content,
        _ => same,
    }
}

fn present(node: Option<&FileNode>) -> Option<&FileNode> {
    node.filter(|node| node.kind() != FileKind::Absent)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use pyro_proto::file::FileEntry;

    use super::*;

    fn node(kind: FileKind, size: u64) -> FileNode {
        FileNode {
            kind: kind.into(),
            mode: 0o644,
            size,
        }
    }

    fn change(path: &str, old: Option<FileNode>, new: Option<FileNode>) -> FileChange {
        FileChange {
            path: Bytes::copy_from_slice(path.as_bytes()),
            old,
            new,
        }
    }

    fn paths<'a>(of: impl IntoIterator<Item = &'a Vec<u8>>) -> Vec<&'a str> {
        of.into_iter()
            .map(|path| std::str::from_utf8(path).unwrap())
            .collect()
    }

    #[test]
    fn what_is_there_comes_with_the_directories_on_the_way_and_what_is_gone_is_listed() {
        let file = || Some(node(FileKind::File, 5));
        let plan = Plan::new(
            b"src",
            true,
            &[
                change("src/a-b", None, file()),
                change("src/a/b/new", None, file()),
                change("src/a/gone", file(), None),
                change("src/d", file(), Some(node(FileKind::Directory, 0))),
                change("src/d/link", None, Some(node(FileKind::Symlink, 3))),
                change("src/never", None, None),
                change("src/same", file(), file()),
                change(
                    "src/was",
                    Some(node(FileKind::Directory, 0)),
                    Some(node(FileKind::Absent, 0)),
                ),
                change("other/file", None, file()),
            ],
        );
        assert_eq!(paths(&plan.directories), ["src/a", "src/a/b", "src/d"]);
        let files = plan.files.iter();
        let files: Vec<_> = files
            .map(|file| (file.path.as_slice(), file.may_be_equal))
            .collect();
        assert_eq!(
            files,
            [
                (&b"src/a-b"[..], false),
                (b"src/a/b/new", false),
                (b"src/d/link", false),
                (b"src/same", true),
            ]
        );
        assert_eq!(paths(&plan.deleted), ["a/gone", "was"]);
        assert_eq!(plan.relative(b"src/a/b"), b"a/b");
    }

    #[test]
    fn a_single_file_keeps_its_name() {
        let old = || Some(node(FileKind::File, 5));
        let new = || Some(node(FileKind::File, 6));
        let plan = Plan::new(b"a/b/file", false, &[change("a/b/file", old(), new())]);
        assert_eq!(plan.relative(&plan.files[0].path), b"file");
        assert!(plan.directories.is_empty());
        let gone = Plan::new(b"a/b/file", false, &[change("a/b/file", old(), None)]);
        assert_eq!(paths(&gone.deleted), ["file"]);
        let top = Plan::new(b"file", false, &[change("file", old(), new())]);
        assert_eq!(top.relative(&top.files[0].path), b"file");
    }

    #[test]
    fn the_whole_tree_is_relative_to_itself() {
        let new = Some(node(FileKind::File, 6));
        let plan = Plan::new(b"", true, &[change("a/file", None, new)]);
        assert_eq!(paths(&plan.directories), ["a"]);
        assert_eq!(plan.relative(&plan.files[0].path), b"a/file");
    }

    #[test]
    fn only_the_same_content_is_the_same() {
        let side = |content: Option<&[u8]>| Fetched {
            entry: FileEntry {
                kind: FileKind::File.into(),
                ..FileEntry::default()
            },
            content: content.map(<[u8]>::to_vec),
        };
        assert!(is_equal(&side(Some(b"a")), &side(Some(b"a"))));
        assert!(!is_equal(&side(Some(b"a")), &side(Some(b"b"))));
        assert!(!is_equal(&side(None), &side(None)));
    }
}
