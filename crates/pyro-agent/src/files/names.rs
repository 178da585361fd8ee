//! The names in a directory that may be very large.

use std::ffi::OsStr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;

use rustix::fs::Dir;

/// How many names are read before those that nobody asks for are dropped.
const SPARE: usize = 1024;

/// Names in the order of their bytes, in two allocations.
#[derive(Debug, Default)]
pub(super) struct Names {
    bytes: Vec<u8>,
    /// Where each begins, and its length, in bytes. The next one is the last.
    spans: Vec<(u32, u8)>,
    is_cut: bool,
}

impl Names {
    /// Reads the first `most` names behind `after`. What cannot be read is not there.
    pub(super) fn read(directory: impl AsFd, after: &[u8], most: usize) -> Self {
        let mut names = Self::default();
        let Ok(mut entries) = Dir::read_from(directory) else {
            return names;
        };
        while let Some(Ok(entry)) = entries.read() {
            let name = entry.file_name().to_bytes();
            if name > after && !matches!(name, b"." | b"..") && !names.push(name) {
                break;
            }
            if names.spans.len() >= most.saturating_mul(2).saturating_add(SPARE) {
                names.keep_first(most);
            }
        }
        let bytes = &names.bytes;
        names
            .spans
            .sort_unstable_by(|a, b| slice(bytes, *b).cmp(slice(bytes, *a)));
        names
    }

    /// Whether there are more behind the last.
    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// The next name.
    pub(super) fn next(&mut self) -> Option<&OsStr> {
        let span = self.spans.pop()?;
        Some(OsStr::from_bytes(slice(&self.bytes, span)))
    }

    /// Adds a name, if there is room: four GiB are enough for any directory that exists.
    fn push(&mut self, name: &[u8]) -> bool {
        let (Ok(begin), Ok(length)) = (u32::try_from(self.bytes.len()), u8::try_from(name.len())) else {
            return false;
        };
        self.bytes.extend_from_slice(name);
        self.spans.push((begin, length));
        true
    }

    fn keep_first(&mut self, most: usize) {
        let bytes = &self.bytes;
        let by_name = |a: &(u32, u8), b: &(u32, u8)| slice(bytes, *a).cmp(slice(bytes, *b));
        self.spans.select_nth_unstable_by(most, by_name);
        let mut kept = Self {
            is_cut: true,
            ..Self::default()
        };
        for span in self.spans.iter().take(most) {
            kept.push(slice(bytes, *span));
        }
        *self = kept;
    }
}

fn slice(bytes: &[u8], (begin, length): (u32, u8)) -> &[u8] {
    let begin = usize::try_from(begin).unwrap_or(usize::MAX);
    bytes
        .get(begin..begin.saturating_add(length.into()))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};

    use tempfile::TempDir;

    use super::*;

    fn all(mut names: Names) -> Vec<String> {
        let mut list = Vec::new();
        while let Some(name) = names.next() {
            list.push(name.to_string_lossy().into_owned());
        }
        list
    }

    #[test]
    fn the_first_names_are_kept_of_many() {
        let directory = TempDir::new().unwrap();
        let mut wanted: Vec<String> = (0..3000)
            .map(|number| (number * 7919 % 3000).to_string())
            .collect();
        for name in &wanted {
            fs::write(directory.path().join(name), "").unwrap();
        }
        wanted.sort();
        let open = || File::open(directory.path()).unwrap();
        assert_eq!(all(Names::read(open(), b"", usize::MAX)), wanted);
        for most in [1, 2, 700] {
            let names = all(Names::read(open(), b"1500", most));
            let begin = wanted.iter().position(|name| name == "1500").unwrap() + 1;
            // More may come along, but those that were asked for come first.
            assert_eq!(names[..most], wanted[begin..begin + most]);
            assert!(names.len() <= 2 * most + SPARE);
        }
    }
}
