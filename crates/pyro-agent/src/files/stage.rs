//! The directory in which files are made before they are put into the tree. Nobody but the agent sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::node::{self, Name};
use super::remove::remove_all;
use crate::log;

/// The number of the next name.
static NEXT: AtomicU64 = AtomicU64::new(0);

/// A name that nothing else in the stage has.
pub(super) fn new_name(what: &str) -> String {
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// What an earlier boot left in the stage.
#[derive(Debug)]
#[must_use]
pub(crate) struct Left {
    stage: OwnedFd,
    names: Vec<Name>,
}

/// Finds what is in the stage. Names that are given from now on are none of it.
///
/// # Errors
/// When the stage cannot be read.
pub(super) fn left(stage: &OwnedFd) -> io::Result<Left> {
    let names = node::names(stage.as_fd())?;
    let highest = names.iter().filter_map(|name| number(name)).max();
    let next = highest.map_or(0, |highest| highest.saturating_add(1));
    NEXT.fetch_max(next, Ordering::Relaxed);
    let stage = stage.try_clone()?;
    Ok(Left { stage, names })
}

impl Left {
    /// Whether there is nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Removes it, which takes minutes where it is many files. What cannot be removed stays: a command can make files that
    /// nobody may touch (chattr(1)), and they are no reason to be without a workspace.
    pub(crate) fn remove(self) {
        for name in &self.names {
            if let Err(error) = remove_all(self.stage.as_fd(), name) {
                log::error(&format!("cannot remove what was staged: {error}"));
            }
        }
    }
}

/// The number in a name of [`new_name`].
fn number(name: &[u8]) -> Option<u64> {
    let (_, number) = std::str::from_utf8(name).ok()?.rsplit_once('-')?;
    number.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::super::tree::Tree;
    use super::*;

    #[test]
    fn everything_in_the_stage_is_removed_and_nothing_behind_a_link() {
        let files = TempDir::new().unwrap();
        let tree = Tree::of_dirs(files.path());
        let stage = files.path().join("stage");
        fs::create_dir_all(stage.join("a/b/c")).unwrap();
        fs::create_dir(stage.join("a/d")).unwrap();
        fs::write(stage.join("a/b/file"), "").unwrap();
        fs::write(stage.join("file"), "").unwrap();
        fs::write(files.path().join("tree/kept"), "").unwrap();
        symlink(files.path().join("tree"), stage.join("a/link")).unwrap();
        left(&tree.stage).unwrap().remove();
        assert_eq!(fs::read_dir(&stage).unwrap().count(), 0);
        assert!(files.path().join("tree/kept").exists());
    }

    #[test]
    fn what_an_earlier_boot_left_has_no_name_that_is_given_again() {
        let files = TempDir::new().unwrap();
        let tree = Tree::of_dirs(files.path());
        fs::create_dir(files.path().join("stage/put-1000000")).unwrap();
        fs::create_dir(files.path().join("stage/put-x")).unwrap();
        let left = left(&tree.stage).unwrap();
        let name = new_name("put");
        assert!(number(name.as_bytes()).unwrap() > 1_000_000, "{name}");
        left.remove();
    }
}
