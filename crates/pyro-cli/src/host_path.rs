//! Paths of the host as people type them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// Replaces a leading `~` by the home directory. `~user` stays as it is.
pub(crate) fn expand(path: &Path) -> PathBuf {
    expand_with(path, std::env::home_dir().as_deref())
}

/// An absolute path, of something that need not be there.
///
/// # Errors
/// If it is empty, or there is no working directory.
pub(crate) fn absolute(argument: &str, path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(expand(path)).map_err(|error| {
        Failure::invalid(
            format!("`{argument}` cannot be used: {error}"),
            "name a path of this host",
        )
    })
}

/// A directory of this host that is there, absolute and without links.
///
/// # Errors
/// If it is not there, or no directory.
pub(crate) fn directory(argument: &str, path: &Path) -> Result<PathBuf, Failure> {
    let found = expand(path).canonicalize();
    found.ok().filter(|path| path.is_dir()).ok_or_else(|| {
        let message = format!("`{argument}` cannot be `{}`", path.display());
        Failure::invalid(message, "name a directory that is there")
    })
}

/// A path as configuration files take it.
///
/// # Errors
/// If it is not text.
pub(crate) fn text(argument: &str, path: PathBuf) -> Result<String, Failure> {
    path.into_os_string().into_string().map_err(|path| {
        let message = format!("`{argument}` cannot be `{}`", Path::new(&path).display());
        Failure::invalid(message, "configuration files take UTF-8 alone")
    })
}

/// A directory or archive that is brought into a workspace, absolute.
///
/// # Errors
/// If it is standard input, or cannot be a path.
pub(crate) fn source(argument: &str, path: &Path) -> Result<PathBuf, Failure> {
    if path == Path::new("-") {
        return Err(Failure::invalid(
            format!("`{argument}` cannot be standard input: a source is read twice"),
            "save the archive to a file, or unpack it inside: \
             `tar c DIR | pyro workspace exec ID -i -- tar x`; a directory `-` is `./-`",
        ));
    }
    absolute(argument, path)
}

fn expand_with(path: &Path, home: Option<&Path>) -> PathBuf {
    let mut components = path.components();
    let first = components.next().map(|component| component.as_os_str());
    match home {
        Some(home) if first == Some(OsStr::new("~")) => home.join(components.as_path()),
        _ => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_leading_tilde_of_its_own_is_expanded() {
        let expanded = |path: &str| expand_with(Path::new(path), Some(Path::new("/home/u")));
        assert_eq!(expanded("~/a/b"), Path::new("/home/u/a/b"));
        assert_eq!(expanded("~"), Path::new("/home/u"));
        for unchanged in ["~other/a", "a/~/b", "/a", ""] {
            assert_eq!(expanded(unchanged), Path::new(unchanged));
        }
        assert_eq!(expand_with(Path::new("~/a"), None), Path::new("~/a"));
    }
}
