//! What a push with `delete` removes, decided from names alone.

/// What the source says of something that the destination has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The source has it.
    Has {
        /// Whether as a directory.
        is_directory: bool,
    },
    /// It stays with all that is in it, though the source lacks it.
    Spared,
    /// The source lacks it.
    Lacks,
}

/// What is to be removed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Deletion {
    /// The paths relative to the destination, of directories only the topmost.
    pub(super) paths: Vec<Vec<u8>>,
    /// How many names these are, with those in directories.
    pub(super) count: u64,
}

/// Finds what is to be removed while the destination is walked.
#[derive(Debug)]
pub(super) struct Deletions<J> {
    judge: J,
    found: Deletion,
    /// The directories that the walk is in and that the source lacks, each in the one before.
    lacking: Vec<Lacking>,
    /// A directory about whose content there is nothing to decide.
    settled: Option<Vec<u8>>,
}

/// A directory that the source lacks.
#[derive(Debug)]
struct Lacking {
    path: Vec<u8>,
    /// What is removed in it if it cannot be removed itself.
    inside: Deletion,
    /// Whether something in it stays.
    holds_spared: bool,
}

impl<J: FnMut(&[u8], bool) -> Verdict> Deletions<J> {
    /// Begins a walk. `judge` says what becomes of a path, relative to the destination, that is a directory or is not.
    pub(super) fn new(judge: J) -> Self {
        Self {
            judge,
            found: Deletion::default(),
            lacking: Vec::new(),
            settled: None,
        }
    }

    /// Sees the next path of the walk, in which each directory comes right before what is in it.
    pub(super) fn see(&mut self, path: &[u8], is_directory: bool) {
        if self
            .settled
            .as_ref()
            .is_some_and(|settled| is_below(path, settled))
        {
            return;
        }
        self.settled = None;
        while let Some(left) = self.lacking.pop_if(|lacking| !is_below(path, &lacking.path)) {
            self.leave(left);
        }
        match (self.judge)(path, is_directory) {
            Verdict::Has { is_directory: true } => {}
            // A directory in whose place something else comes goes with all that is in it.
            Verdict::Has { is_directory: false } => self.settle(path, is_directory),
            Verdict::Spared => {
                for lacking in &mut self.lacking {
                    lacking.holds_spared = true;
                }
                self.settle(path, is_directory);
            }
            Verdict::Lacks if is_directory => self.lacking.push(Lacking {
                path: path.to_vec(),
                inside: Deletion::default(),
                holds_spared: false,
            }),
            Verdict::Lacks => self.add(Deletion {
                paths: vec![path.to_vec()],
                count: 1,
            }),
        }
    }

    /// Ends the walk.
    pub(super) fn finish(mut self) -> Deletion {
        while let Some(left) = self.lacking.pop() {
            self.leave(left);
        }
        self.found
    }

    fn settle(&mut self, path: &[u8], is_directory: bool) {
        self.settled = is_directory.then(|| path.to_vec());
    }

    fn leave(&mut self, left: Lacking) {
        let Lacking {
            path,
            inside,
            holds_spared,
        } = left;
        self.add(if holds_spared {
            inside
        } else {
            Deletion {
                paths: vec![path],
                count: inside.count + 1,
            }
        });
    }

    fn add(&mut self, more: Deletion) {
        let to = match self.lacking.last_mut() {
            Some(lacking) => &mut lacking.inside,
            None => &mut self.found,
        };
        to.count += more.count;
        to.paths.extend(more.paths);
    }
}

/// Whether a path is below a directory.
fn is_below(path: &[u8], directory: &[u8]) -> bool {
    path.strip_prefix(directory)
        .is_some_and(|rest| rest.starts_with(b"/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Walks a destination, in which names that end with a slash are directories. The source has `has`, and what is
    /// called `spared` stays.
    fn deleted(has: &[&str], destination: &[&str]) -> (Vec<String>, u64) {
        let mut deletions = Deletions::new(|path: &[u8], _| {
            let path = std::str::from_utf8(path).unwrap();
            if path.ends_with("spared") {
                return Verdict::Spared;
            }
            let is_directory = has.contains(&format!("{path}/").as_str());
            if is_directory || has.contains(&path) {
                Verdict::Has { is_directory }
            } else {
                Verdict::Lacks
            }
        });
        for path in destination {
            deletions.see(path.trim_end_matches('/').as_bytes(), path.ends_with('/'));
        }
        let Deletion { paths, count } = deletions.finish();
        let shown = |path: &Vec<u8>| String::from_utf8_lossy(path).into_owned();
        (paths.iter().map(shown).collect(), count)
    }

    #[test]
    fn what_the_source_lacks_goes_and_of_directories_the_topmost() {
        let (paths, count) = deleted(
            &["a", "d/", "d/kept"],
            &[
                "a", "b", "d/", "d/gone", "d/kept", "e/", "e/f/", "e/f/g", "e/h", "z",
            ],
        );
        assert_eq!(paths, ["b", "d/gone", "e", "z"]);
        assert_eq!(count, 7);
    }

    #[test]
    fn a_directory_that_holds_something_spared_stays_and_loses_the_rest() {
        let (paths, count) = deleted(
            &[],
            &[
                "a/",
                "a/b/",
                "a/b/c/",
                "a/b/c/x",
                "a/b/spared/",
                "a/b/spared/x",
                "a/b/y",
                "a/d/",
                "a/d/x",
                "a/e",
                "b/",
                "spared",
            ],
        );
        assert_eq!(paths, ["a/b/c", "a/b/y", "a/d", "a/e", "b"]);
        assert_eq!(count, 7);
    }

    #[test]
    fn names_that_begin_alike_are_not_below_each_other() {
        let (paths, _) = deleted(&["a.d"], &["a/", "a/x", "a.d", "a2/", "spared/", "spared2"]);
        assert_eq!(paths, ["a", "a2", "spared2"]);
    }

    #[test]
    fn what_is_replaced_by_another_kind_is_not_removed_by_itself() {
        let (paths, count) = deleted(&["a", "b/", "b/x"], &["a/", "a/x", "a/y/", "b"]);
        assert_eq!((paths.len(), count), (0, 0));
    }

    #[test]
    fn an_empty_destination_loses_nothing() {
        assert_eq!(deleted(&["a"], &[]), (Vec::new(), 0));
    }
}
