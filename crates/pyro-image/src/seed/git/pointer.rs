//! A `.git` that is a file and says where the repository is (`gitrepository-layout(5)`).

use std::ffi::OsStr;
use std::os::fd::BorrowedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use super::ignore_file::{Links, read_file};
use crate::seed::warning::{Warnings, shown};

/// How long such a file may be, in bytes: a path and some words.
pub(super) const POINTER_MAX: u64 = 8192;

/// The path that the content of a `.git` file names, as it stands there.
pub(super) fn target(content: &[u8]) -> Option<PathBuf> {
    let path = content.strip_prefix(b"gitdir:")?.trim_ascii();
    (!path.is_empty()).then(|| PathBuf::from(OsStr::from_bytes(path)))
}

/// Warns if the `.git` file at `path`, counted from the root of the seed, leads out of the seed.
pub(in crate::seed) fn warn_of_pointer(directory: BorrowedFd<'_>, path: &[u8], warnings: &mut Warnings) {
    let Ok(content) = read_file(directory, Path::new(".git"), Links::Refuse, POINTER_MAX) else {
        return;
    };
    if let Some(target) = target(&content) {
        warn_of_target(path, &target, warnings);
    }
}

/// Warns if `target`, to which the `.git` at `path` leads, is not in the seed.
pub(in crate::seed) fn warn_of_target(path: &[u8], target: &Path, warnings: &mut Warnings) {
    if leaves(Path::new(OsStr::from_bytes(path)), target) {
        let target = shown(target.as_os_str().as_bytes());
        warnings.push(format!(
            "`{}` points to the repository `{target}`, which is not part of the seed",
            shown(path)
        ));
    }
}

/// Whether a path leads out of the seed when it is followed from the directory of `file`. An absolute one always does:
/// the seed will be elsewhere.
fn leaves(file: &Path, target: &Path) -> bool {
    let mut depth = file.components().count() - 1;
    for component in target.components() {
        match component {
            Component::Normal(_) => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return true,
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pointers_that_stay_inside_are_told_from_those_that_leave() {
        let leads_out =
            |file: &str, content: &str| leaves(Path::new(file), &target(content.as_bytes()).unwrap());
        assert!(!leads_out("sub/.git", "gitdir: ../.git/modules/sub\n"));
        assert!(leads_out(".git", "gitdir: ../.git/worktrees/x\n"));
        assert!(leads_out("a/b/.git", "gitdir: ../../../x"));
        assert!(leads_out("sub/.git", "gitdir: /srv/repo/.git"));
        assert!(target(b"gitdir: \n").is_none() && target(b"else").is_none());
    }
}
