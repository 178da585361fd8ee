//! Which of the changes Git ignores, told from the files of the workspace alone.
//!
//! Only directories with changes in them are asked about, all those of one depth at once.

use std::ops::Range;

use pyro_image::seed::{RemoteRules, RemoteVerdict};
use pyro_proto::file::{Fetch, FileChange, FileKind};

use crate::error::Result;
use crate::guest::files::{ChangesCall, Fetched};
use crate::object::IgnoredChanges;

/// How long a `.gitignore` may be, in bytes; longer ones have no effect, as in a seed.
const PATTERNS_BYTES: u64 = 128 << 10;

/// How long an index may be, in bytes; what longer ones track is not known.
const INDEX_BYTES: u64 = 64 << 20;

/// What holds in a directory.
#[derive(Debug, Clone)]
enum Here {
    /// No work tree is around.
    Outside,
    /// It is in a work tree, and not ignored.
    Inside(RemoteRules),
    /// It is ignored, but Git tracks files in it.
    TrackedOnly(RemoteRules),
}

/// A directory with changes in it.
#[derive(Debug)]
struct Directory {
    path: Vec<u8>,
    here: Here,
    /// Its changes, in the list of all.
    changes: Range<usize>,
}

/// Takes the changes that Git ignores, and those in `.git`, out of a list in the order of the paths' names.
pub(super) async fn leave_out(
    call: &mut ChangesCall,
    mut changes: Vec<FileChange>,
) -> Result<(Vec<FileChange>, IgnoredChanges)> {
    // By names, so that all that is in a directory stands together.
    changes.sort_by(|a, b| names(&a.path).cmp(names(&b.path)));
    let mut is_shown = vec![false; changes.len()];
    let mut level = vec![Directory {
        path: Vec::new(),
        here: Here::Outside,
        changes: 0..changes.len(),
    }];
    while !level.is_empty() {
        enter(call, &mut level).await?;
        let mut next = Vec::new();
        for directory in &level {
            directory.judge(&changes, &mut is_shown, &mut next);
        }
        level = next;
    }
    let mut ignored = IgnoredChanges::default();
    let mut shown = Vec::new();
    for (change, is_shown) in changes.into_iter().zip(is_shown) {
        if is_shown {
            shown.push(change);
        } else {
            ignored.count += 1;
            let node = change.new.as_ref().or(change.old.as_ref());
            ignored.bytes = ignored.bytes.saturating_add(node.map_or(0, |node| node.size));
        }
    }
    shown.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((shown, ignored))
}

fn names(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    path.split(|&byte| byte == b'/')
}

fn join(directory: &[u8], name: &[u8]) -> Vec<u8> {
    if directory.is_empty() {
        return name.to_vec();
    }
    [directory, b"/", name].concat()
}

/// Whether a path of a work tree is that of its repository.
fn is_git(path: &[u8]) -> bool {
    names(path).last() == Some(b".git")
}

/// Asks which of the directories begin a work tree, and which have patterns.
async fn enter(call: &mut ChangesCall, level: &mut [Directory]) -> Result<()> {
    let fetch = |path: Vec<u8>, old, max_bytes| Fetch {
        path: path.into(),
        old,
        max_bytes,
    };
    let wanted: Vec<Fetch> = level
        .iter()
        .flat_map(|Directory { path, .. }| {
            [
                fetch(join(path, b".git"), false, 0),
                fetch(join(path, b".git"), true, 0),
                fetch(join(path, b".gitignore"), false, PATTERNS_BYTES),
            ]
        })
        .collect();
    let fetched = call.fetch(&wanted).await?;
    for (directory, found) in level.iter_mut().zip(fetched.chunks_exact(3)) {
        let [git, old_git, patterns] = found else { continue };
        if matches!(directory.here, Here::TrackedOnly(_)) {
            continue;
        }
        if is_repository(git) || is_repository(old_git) {
            directory.here = Here::Inside(work_tree(call, &directory.path).await?);
        }
        if let (Here::Inside(rules), Some(text)) = (&directory.here, content(patterns)) {
            directory.here = Here::Inside(rules.with_file(&directory.path, text));
        }
    }
    Ok(())
}

fn is_repository(git: &Fetched) -> bool {
    // A file names the place of the repository.
    [FileKind::Directory, FileKind::File].contains(&git.entry.kind())
}

fn content(fetched: &Fetched) -> Option<&[u8]> {
    let is_file = fetched.entry.kind() == FileKind::File;
    fetched.content.as_deref().filter(|_| is_file)
}

async fn work_tree(call: &mut ChangesCall, top: &[u8]) -> Result<RemoteRules> {
    let fetch = |name: &[u8], max_bytes| Fetch {
        path: join(top, name).into(),
        old: false,
        max_bytes,
    };
    let wanted = [
        fetch(b".git/index", INDEX_BYTES),
        fetch(b".git/info/exclude", PATTERNS_BYTES),
    ];
    let fetched = call.fetch(&wanted).await?;
    let text = |at: usize| fetched.get(at).and_then(content);
    Ok(RemoteRules::of_work_tree(top, text(0), text(1)))
}

impl Directory {
    /// Marks the changes right in it that are shown, and goes on with the directories that are.
    fn judge(&self, changes: &[FileChange], is_shown: &mut [bool], next: &mut Vec<Self>) {
        let mut at = self.changes.start;
        while at < self.changes.end {
            let name_end = self.name_end(&changes[at].path);
            let path = &changes[at].path[..name_end];
            let same = changes[at..self.changes.end]
                .iter()
                .take_while(|change| change.path.starts_with(path) && self.name_end(&change.path) == name_end)
                .count();
            let below = at + usize::from(changes[at].path.len() == name_end)..at + same;
            for index in at..below.start {
                is_shown[index] = self.shows(&changes[index]);
            }
            if let Some(here) = self.leads_to(path).filter(|_| !below.is_empty()) {
                next.push(Self {
                    path: path.to_vec(),
                    here,
                    changes: below.clone(),
                });
            }
            at = below.end;
        }
    }

    /// Where the name in this directory that leads to a path ends.
    fn name_end(&self, path: &[u8]) -> usize {
        let start = if self.path.is_empty() {
            0
        } else {
            self.path.len() + 1
        };
        let rest = path.get(start..).unwrap_or_default();
        start + rest.iter().position(|&byte| byte == b'/').unwrap_or(rest.len())
    }

    fn shows(&self, change: &FileChange) -> bool {
        let node = change.new.as_ref().or(change.old.as_ref());
        let is_directory = node.is_some_and(|node| node.kind() == FileKind::Directory);
        match &self.here {
            Here::Outside => true,
            Here::Inside(_) if is_git(&change.path) => false,
            Here::Inside(rules) => rules.judge(&change.path, is_directory) == RemoteVerdict::Seen,
            Here::TrackedOnly(rules) => rules.is_tracked(&change.path),
        }
    }

    /// What holds in a directory of this one; `None` if all in it is ignored.
    fn leads_to(&self, path: &[u8]) -> Option<Here> {
        match &self.here {
            Here::Outside => Some(Here::Outside),
            Here::Inside(_) if is_git(path) => None,
            Here::Inside(rules) => match rules.judge(path, true) {
                RemoteVerdict::Seen => Some(Here::Inside(rules.clone())),
                RemoteVerdict::Ignored => None,
                RemoteVerdict::TrackedOnly => Some(Here::TrackedOnly(rules.clone())),
            },
            Here::TrackedOnly(rules) => Some(Here::TrackedOnly(rules.clone())),
        }
    }
}
