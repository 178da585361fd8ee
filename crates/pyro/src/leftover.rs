//! Files that were begun and never put in place, because whoever wrote them was killed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::settings::Settings;

/// What nobody took up for that long has been given up.
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(24 * 60 * 60);

/// The files of that kind in the state and cache directories that were given up.
pub(crate) fn unpublished_files(settings: &Settings) -> Vec<PathBuf> {
    let mut files = older_than(&settings.cache_dir.join("disks"), GIVEN_UP, |name| {
        name.starts_with('.')
    });
    for dir in [&settings.home, &settings.cache_dir] {
        files.extend(older_than(dir, GIVEN_UP, is_unpublished));
    }
    files
}

/// Whether a name is that of a file that was written and never put in place.
fn is_unpublished(name: &str) -> bool {
    name.starts_with('.') && name.ends_with(".new")
}

/// What is in a directory under such a name and has not changed for that long, in the order of names.
pub(crate) fn older_than(dir: &Path, age: Duration, wanted: impl Fn(&str) -> bool) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut found: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.file_name().to_str().is_some_and(&wanted))
        .filter(|entry| {
            let changed = entry.metadata().and_then(|metadata| metadata.modified());
            changed.is_ok_and(|changed| changed.elapsed().is_ok_and(|elapsed| elapsed > age))
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}
