//! Where a path leads.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The absolute path without links and dots, as far as something is there; what follows is as given. `None` if that
/// cannot be told.
pub(super) fn resolved(path: &Path) -> Option<PathBuf> {
    let absolute = std::env::current_dir().ok()?.join(path);
    let mut there = absolute.as_path();
    let mut rest = Vec::new();
    loop {
        match there.canonicalize() {
            Ok(mut found) => {
                found.extend(rest.into_iter().rev());
                return Some(found);
            }
            // A link that leads nowhere may lead somewhere by the time it is used.
            Err(error) if is_absent(&error) && there.symlink_metadata().is_err() => {
                rest.push(there.file_name()?);
                there = there.parent()?;
            }
            Err(_) => return None,
        }
    }
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}
