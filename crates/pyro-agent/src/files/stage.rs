//! The directory in which files are made before they are put into the tree. Nobody but the agent sees it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use super::node;
use super::remove::remove_all;
use crate::log;

/// A name that nothing else in the stage has. Each boot begins with an empty stage.
pub(super) fn new_name(what: &str) -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("{what}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Removes all that is in the stage. What cannot be removed stays: a command can make files that nobody may touch
/// (chattr(1)), and they are no reason to be without a workspace.
///
/// # Errors
/// When the stage cannot be read.
pub(super) fn empty(stage: &OwnedFd) -> io::Result<()> {
    for name in node::names(stage.as_fd())? {
        if let Err(error) = remove_all(stage.as_fd(), &name) {
            log::error(&format!("cannot remove what was staged: {error}"));
        }
    }
    Ok(())
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
        empty(&tree.stage).unwrap();
        assert_eq!(fs::read_dir(&stage).unwrap().count(), 0);
        assert!(files.path().join("tree/kept").exists());
    }
}
