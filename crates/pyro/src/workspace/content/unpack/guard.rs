//! Where an export may go that somebody else asked for than the owner of the host: a model.
//!
//! What is written into a directory that somebody works in may be run there by tools, with nobody asking: hooks of Git,
//! tasks of an editor, servers of a chat host. Whoever may write such a file has left the VM.

use std::path::{Component, Path, PathBuf};

use super::UnpackError;

/// The names of what host tools run by themselves, or of directories that hold such files.
const AUTORUN: [&str; 9] = [
    ".git",
    ".vscode",
    ".idea",
    ".cursor",
    ".claude",
    ".devcontainer",
    ".husky",
    ".envrc",
    ".mcp.json",
];

/// The directories of the host that an export may go into.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ExportGuard {
    /// The directories, without links in their paths. None of them is itself replaced.
    pub roots: Vec<PathBuf>,
    /// Whether it may write what host tools run by themselves, such as `.git` and `.vscode`, into a directory that is
    /// there. It may in any case bring such names into a directory that it makes.
    pub allow_autorun: bool,
}

impl ExportGuard {
    /// A guard of these directories.
    pub fn new(roots: Vec<PathBuf>, allow_autorun: bool) -> Self {
        Self { roots, allow_autorun }
    }

    /// Checks a target whose directory was opened, and is really here.
    ///
    /// # Errors
    /// [`UnpackError::Outside`], [`UnpackError::Autorun`].
    pub(super) fn check(&self, directory: &Path, target: &Path) -> Result<(), UnpackError> {
        let name = target.file_name().unwrap_or_default();
        let below = |root: &PathBuf| Some(directory.strip_prefix(root).ok()?.join(name));
        let mut inside = self.roots.iter().filter_map(below).peekable();
        if inside.peek().is_none() {
            return Err(UnpackError::Outside {
                path: target.to_owned(),
            });
        }
        // A root may lie in such a directory: whoever named it meant it.
        let mut refused = None;
        for path in inside {
            match autorun(&path) {
                Some(name) if !self.allow_autorun => refused = Some(name),
                Some(_) | None => return Ok(()),
            }
        }
        match refused {
            Some(name) => Err(UnpackError::autorun(target, name)),
            None => Ok(()),
        }
    }
}

/// The first component of a path that host tools run by themselves.
pub(super) fn autorun(path: &Path) -> Option<&'static str> {
    path.components().find_map(|component| match component {
        Component::Normal(name) => name_of(&name.to_string_lossy()),
        _ => None,
    })
}

/// The name that a file system may take this for, be it one that does not tell cases apart, or one with short names.
fn name_of(given: &str) -> Option<&'static str> {
    // Both ways, for some letters differ from their own capitals in lower case.
    let folded: String = given
        .chars()
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .collect();
    let plain = folded.trim_end_matches([' ', '.']);
    let short = plain.strip_prefix("git~");
    if short.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        return Some(".git");
    }
    AUTORUN.into_iter().find(|name| *name == plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_tools_run_are_known_in_every_spelling() {
        for name in AUTORUN {
            assert_eq!(autorun(Path::new(name)), Some(name));
            assert_eq!(
                autorun(&Path::new("a").join(name.to_uppercase()).join("b")),
                Some(name)
            );
        }
        for (path, name) in [
            (".Git/hooks/x", ".git"),
            (".git.", ".git"),
            (".git ", ".git"),
            ("GIT~1/hooks", ".git"),
            (".hus\u{212a}y", ".husky"),
            (".v\u{17f}code", ".vscode"),
            ("a/../.envrc", ".envrc"),
        ] {
            assert_eq!(autorun(Path::new(path)), Some(name), "{path}");
        }
        for path in [
            "git",
            ".gitignore",
            ".github/x",
            "x.git",
            ".vscodex",
            "git~",
            "git~x",
            ".",
            "..",
        ] {
            assert_eq!(autorun(Path::new(path)), None, "{path}");
        }
    }

    #[test]
    fn only_what_is_below_a_root_counts() {
        let roots = ["/p", "/p/.claude/worktrees/a"].map(PathBuf::from).to_vec();
        let guard = ExportGuard::new(roots, false);
        let refused = |directory: &str, name: &str| {
            let directory = Path::new(directory);
            let checked = guard.check(directory, &directory.join(name));
            checked.err().map(|error| match error {
                UnpackError::Outside { .. } => "outside",
                _ => "autorun",
            })
        };
        assert_eq!(refused("/p", "x"), None);
        assert_eq!(
            refused("/p/.claude/worktrees/a/src", "x"),
            None,
            "named as a root"
        );
        assert_eq!(refused("/p/.claude/worktrees/a", ".envrc"), Some("autorun"));
        assert_eq!(refused("/p/.claude/worktrees", "b"), Some("autorun"));
        assert_eq!(refused("/p/sub/.git/hooks", "pre-commit"), Some("autorun"));
        assert_eq!(refused("/px", "x"), Some("outside"));
        assert_eq!(refused("/", "p"), Some("outside"));
    }
}
