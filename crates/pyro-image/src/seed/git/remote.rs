//! The rules of a work tree whose files somebody else reads: those in a guest.

use std::sync::Arc;

use ignore::gitignore::Gitignore;

use super::ignore_file::{EXPANSION, FILE_MAX, compile, verdict};
use super::index::Tracked;
use crate::seed::warning::Warnings;

/// How many bytes of patterns apply to one path, so that hostile ones do not fill the memory.
const PATTERNS_MAX: usize = (256 << 20) / EXPANSION;

/// How many bytes the names of an index may take.
const NAMES_MAX: usize = 256 << 20;

/// The rules that hold in one directory of a work tree. All paths count from one root, which may be above the tree's.
#[derive(Debug, Clone)]
pub struct RemoteRules {
    tree: Arc<RemoteTree>,
    level: Option<Arc<Level>>,
    /// How many bytes of patterns may still be added.
    left: usize,
}

#[derive(Debug)]
struct RemoteTree {
    /// How much of a path leads to the root of the work tree, in bytes, the slash included.
    strip: usize,
    tracked: Tracked,
    exclude: Option<Gitignore>,
}

/// The patterns of one `.gitignore`, and of those above.
#[derive(Debug)]
struct Level {
    patterns: Gitignore,
    /// How much of a path leads to its directory, in bytes, the slash included.
    strip: usize,
    above: Option<Arc<Self>>,
}

/// What Git does with a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RemoteVerdict {
    /// It looks at it.
    Seen,
    /// It ignores it, and what is in it.
    Ignored,
    /// It ignores the directory, and still tracks files in it: those that are [tracked](RemoteRules::is_tracked).
    TrackedOnly,
}

/// How much of the path of something in a directory leads there, in bytes.
fn strip(directory: &[u8]) -> usize {
    match directory.len() {
        0 => 0,
        length => length + 1,
    }
}

impl RemoteRules {
    /// The rules at the root of a work tree, given its index and the patterns of `info/exclude`. An index that cannot be
    /// understood tracks nothing.
    pub fn of_work_tree(top: &[u8], index: Option<&[u8]>, exclude: Option<&[u8]>) -> Self {
        let tracked = index.and_then(|index| Tracked::parse(index, NAMES_MAX).ok());
        let mut left = PATTERNS_MAX;
        let exclude = exclude.and_then(|text| patterns(text, &mut left));
        let tree = RemoteTree {
            strip: strip(top),
            tracked: tracked.unwrap_or_default(),
            exclude,
        };
        Self {
            tree: Arc::new(tree),
            level: None,
            left,
        }
    }

    /// The rules of a directory that has a `.gitignore`, of which these are those above.
    #[must_use]
    pub fn with_file(&self, directory: &[u8], text: &[u8]) -> Self {
        let mut rules = self.clone();
        if let Some(patterns) = patterns(text, &mut rules.left) {
            let above = rules.level.take();
            rules.level = Some(Arc::new(Level {
                patterns,
                strip: strip(directory),
                above,
            }));
        }
        rules
    }

    /// Judges something in the directory, none of whose own directories is ignored.
    pub fn judge(&self, path: &[u8], is_directory: bool) -> RemoteVerdict {
        if !self.ignores(path, is_directory) || self.is_tracked(path) {
            return RemoteVerdict::Seen;
        }
        let in_tree = path.get(self.tree.strip..).unwrap_or_default();
        if is_directory && self.tree.tracked.has_below(in_tree) {
            RemoteVerdict::TrackedOnly
        } else {
            RemoteVerdict::Ignored
        }
    }

    /// Whether the index lists a path.
    pub fn is_tracked(&self, path: &[u8]) -> bool {
        self.tree
            .tracked
            .contains(path.get(self.tree.strip..).unwrap_or_default())
    }

    /// The innermost file with a match decides, and in it the last line.
    fn ignores(&self, path: &[u8], is_directory: bool) -> bool {
        let mut level = self.level.as_deref();
        while let Some(Level {
            patterns,
            strip,
            above,
        }) = level
        {
            if let Some(verdict) = verdict(patterns, path.get(*strip..).unwrap_or_default(), is_directory) {
                return verdict;
            }
            level = above.as_deref();
        }
        let in_tree = path.get(self.tree.strip..).unwrap_or_default();
        let exclude = self.tree.exclude.as_ref();
        exclude
            .and_then(|patterns| verdict(patterns, in_tree, is_directory))
            .unwrap_or_default()
    }
}

/// Compiles patterns; those of a file that is too long have no effect, as in a seed.
fn patterns(text: &[u8], left: &mut usize) -> Option<Gitignore> {
    if text.len() as u64 > FILE_MAX {
        return None;
    }
    *left = left.checked_sub(text.len())?;
    compile(text, "", &mut Warnings::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_innermost_patterns_decide_and_tracked_files_are_seen() {
        let top = RemoteRules::of_work_tree(b"r", None, Some(b"*.tmp\n")).with_file(b"r", b"*.o\n/out/\n");
        let judge = |path: &[u8], is_directory| top.judge(path, is_directory);
        assert_eq!(judge(b"r/a.o", false), RemoteVerdict::Ignored);
        assert_eq!(judge(b"r/a.tmp", false), RemoteVerdict::Ignored);
        assert_eq!(judge(b"r/a.c", false), RemoteVerdict::Seen);
        assert_eq!(judge(b"r/out", true), RemoteVerdict::Ignored);
        assert_eq!(judge(b"r/out", false), RemoteVerdict::Seen);
        let sub = top.with_file(b"r/sub", b"!a.o\n");
        assert_eq!(sub.judge(b"r/sub/a.o", false), RemoteVerdict::Seen);
        assert_eq!(sub.judge(b"r/sub/b.o", false), RemoteVerdict::Ignored);
    }

    #[test]
    fn endless_patterns_are_not_compiled() {
        let line = "x".repeat(80) + "\n";
        let text = line.repeat(1000);
        let mut rules = RemoteRules::of_work_tree(b"", None, None);
        for _ in 0..100 {
            rules = rules.with_file(b"", text.as_bytes());
        }
        assert!(rules.left < text.len());
        assert_eq!(
            rules.judge("x".repeat(80).as_bytes(), false),
            RemoteVerdict::Ignored
        );
        assert_eq!(
            rules.with_file(b"", b"y\n").judge(b"y", false),
            RemoteVerdict::Ignored
        );
    }
}
