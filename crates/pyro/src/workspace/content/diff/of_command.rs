//! What a command changed: the live tree after it, compared with the live tree before it.
//!
//! Both differ from the baseline in a list of paths. What a path on neither list is, it was. Of the paths on the first
//! list the contents are kept while the command runs.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use pyro_diff::{Change, DiffOptions, Node};
use pyro_proto::file::{Changes, Fetch, FileChange, FileKind};
use pyro_proto::message::Verb;

use super::contents::{Compared, Source, content};
use super::{compare, node, select, shown};
use crate::error::Result;
use crate::guest::files::ChangesCall;
use crate::object::{IgnoredChanges, WorkspaceDiff};
use crate::workspace::Workspace;

/// How many bytes of contents are kept while a command runs. What is over it counts as too large to be shown.
const KEPT_BYTES: u64 = 64 << 20;

/// How many contents are fetched at once.
const AT_ONCE: usize = 64;

/// The live tree before a command, as far as it differed from the baseline.
#[derive(Debug)]
pub(in crate::workspace) struct TreeBefore {
    paths: BTreeMap<Vec<u8>, PathBefore>,
}

#[derive(Debug)]
struct PathBefore {
    /// What it was in the baseline.
    baseline: Option<Node>,
    /// What it was before the command.
    live: Option<Node>,
    stamp: Bytes,
    content: Vec<u8>,
}

impl Workspace {
    /// Remembers the live tree.
    pub(in crate::workspace) async fn tree_before(&self) -> Result<TreeBefore> {
        let (_, call) = self.call_guest(Verb::Changes).await?;
        let (mut call, changes) = ChangesCall::start(call, everything()).await?;
        let selected = select(&mut call, changes, false).await?;
        let mut before = TreeBefore {
            paths: BTreeMap::new(),
        };
        let mut left = KEPT_BYTES;
        for changes in selected.changes.chunks(AT_ONCE) {
            before.keep(&mut call, changes, &mut left).await?;
        }
        Ok(before)
    }

    /// What changed since.
    pub(in crate::workspace) async fn diff_since(&self, before: TreeBefore) -> Result<WorkspaceDiff> {
        let (guest, call) = self.call_guest(Verb::Changes).await?;
        let (mut call, changes) = ChangesCall::start(call, everything()).await?;
        let selected = select(&mut call, changes, false).await?;
        let same = before.unchanged(&mut call).await?;
        let compared = before.compared(&selected.changes, &same);
        let diff = compare(call, compared, DiffOptions::default()).await?;
        let mut shown = shown::diff(self.id(), diff, guest.used);
        "command".clone_into(&mut shown.from_snapshot);
        shown.ignored = IgnoredChanges::default();
        Ok(shown)
    }
}

fn everything() -> Changes {
    Changes { path: Bytes::new() }
}

fn live(path: &[u8], max_bytes: u64) -> Fetch {
    Fetch {
        path: Bytes::copy_from_slice(path),
        old: false,
        max_bytes,
    }
}

impl TreeBefore {
    async fn keep(&mut self, call: &mut ChangesCall, changes: &[FileChange], left: &mut u64) -> Result<()> {
        let mut fetches = Vec::with_capacity(changes.len());
        for change in changes {
            let size = change.new.as_ref().map_or(0, |new| new.size);
            // What does not fit is not sent.
            let max_bytes = if size <= *left { size } else { 0 };
            *left -= max_bytes;
            fetches.push(live(&change.path, max_bytes));
        }
        for (change, fetched) in changes.iter().zip(call.fetch(&fetches).await?) {
            let mut live = change.new.as_ref().and_then(node);
            let is_cut = fetched.entry.kind() == FileKind::File && fetched.content.is_none();
            if let Some(live) = live.as_mut().filter(|_| is_cut) {
                // Over every limit: it is left out as too large.
                live.size = u64::MAX;
            }
            let before = PathBefore {
                baseline: change.old.as_ref().and_then(node),
                live,
                stamp: fetched.entry.stamp.clone(),
                content: content(fetched),
            };
            self.paths.insert(change.path.to_vec(), before);
        }
        Ok(())
    }

    /// The paths that nobody touched.
    async fn unchanged(&self, call: &mut ChangesCall) -> Result<BTreeSet<Vec<u8>>> {
        let fetches: Vec<Fetch> = self.paths.keys().map(|path| live(path, 0)).collect();
        let fetched = call.fetch(&fetches).await?;
        Ok(self
            .paths
            .iter()
            .zip(fetched)
            .filter(|((_, before), fetched)| before.stamp == fetched.entry.stamp)
            .map(|((path, _), _)| path.clone())
            .collect())
    }

    fn compared(mut self, after: &[FileChange], same: &BTreeSet<Vec<u8>>) -> Vec<Compared> {
        let mut compared = Vec::new();
        for change in after.iter().filter(|change| !same.contains(&change.path[..])) {
            let new = change.new.as_ref().and_then(node);
            let (old, source) = match self.paths.remove(&change.path[..]) {
                Some(before) => (before.live, Source::Kept(before.content)),
                None => (change.old.as_ref().and_then(node), Source::Baseline),
            };
            compared.push(of_path(change.path.to_vec(), (old, source), (new, Source::Live)));
        }
        // What is as in the baseline again.
        for (path, before) in self.paths.into_iter().filter(|(path, _)| !same.contains(path)) {
            let old = (before.live, Source::Kept(before.content));
            compared.push(of_path(path, old, (before.baseline, Source::Baseline)));
        }
        compared.retain(|one| one.change.old.is_some() || one.change.new.is_some());
        compared.sort_by(|a, b| a.change.path.cmp(&b.change.path));
        compared
    }
}

fn of_path(path: Vec<u8>, old: (Option<Node>, Source), new: (Option<Node>, Source)) -> Compared {
    Compared {
        change: Change {
            path,
            old: old.0,
            new: new.0,
        },
        old: old.1,
        new: new.1,
    }
}

#[cfg(test)]
mod tests {
    use pyro_diff::Mode;
    use pyro_proto::file::FileNode;

    use super::*;

    const FILE: Node = Node {
        mode: Mode::File,
        size: 1,
    };

    fn before(baseline: Option<Node>, live: Option<Node>, content: &[u8]) -> PathBefore {
        PathBefore {
            baseline,
            live,
            stamp: Bytes::new(),
            content: content.to_vec(),
        }
    }

    fn after(path: &str, is_old: bool, is_new: bool) -> FileChange {
        let node = FileNode {
            kind: FileKind::File.into(),
            mode: 0o644,
            size: 1,
        };
        FileChange {
            path: Bytes::copy_from_slice(path.as_bytes()),
            old: is_old.then(|| node.clone()),
            new: is_new.then_some(node),
        }
    }

    #[test]
    fn every_path_is_compared_with_what_it_was_right_before() {
        let tree = TreeBefore {
            paths: BTreeMap::from([
                (b"kept".to_vec(), before(None, Some(FILE), b"k")),
                (b"changed".to_vec(), before(Some(FILE), Some(FILE), b"1")),
                (b"restored".to_vec(), before(Some(FILE), None, b"")),
                (b"removed".to_vec(), before(None, Some(FILE), b"r")),
            ]),
        };
        let now = [
            after("changed", true, true),
            after("kept", false, true),
            after("new", false, true),
        ];
        let compared = tree.compared(&now, &BTreeSet::from([b"kept".to_vec()]));
        let shown: Vec<_> = compared
            .iter()
            .map(|one| {
                let path = String::from_utf8_lossy(&one.change.path).into_owned();
                (path, one.change.old.is_some(), one.change.new.is_some())
            })
            .collect();
        let expected = [
            ("changed", true, true),
            ("new", false, true),
            ("removed", true, false),
            ("restored", false, true),
        ];
        assert_eq!(
            shown,
            expected.map(|(path, old, new)| (path.to_owned(), old, new))
        );
        assert_eq!(compared[0].old, Source::Kept(b"1".to_vec()));
        assert_eq!(compared[3].new, Source::Baseline);
    }
}
