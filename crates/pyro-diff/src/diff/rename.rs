//! Which deleted and added files are one file that moved.
//!
//! The rules are Git's: first equal contents, then contents that are at least half similar. The work is bounded whatever
//! the contents are; beyond the bounds a file counts as deleted and added.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};
use std::hash::Hash;

use super::similarity::Sketch;
use super::{Change, Contents, DiffError, Node, Side, read};
use crate::blob::{BlobId, blob_id};
use crate::mode::Mode;

/// How alike two contents must be, in percent.
const MIN_SIMILARITY: u8 = 50;

/// The largest content that is compared for similarity, in bytes.
const MAX_SIMILAR_BYTES: u64 = 4 << 20;

/// The most files on each side of which each is compared with each.
const MAX_COMPARED_FILES: usize = 200;

/// The most bytes read to find similar files, in all.
const MAX_READ_BYTES: u64 = 64 << 20;

/// The most steps spent on comparisons, in all. A step is one line of a content.
const MAX_STEPS: usize = 20_000_000;

/// Where a file came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rename {
    /// The index of the deleted file in the list of changes.
    pub(super) old: usize,
    /// How alike old and new content are, in percent.
    pub(super) similarity: u8,
}

/// The renames, by the index of the added file.
pub(super) type Renames = HashMap<usize, Rename>;

/// Finds all renames.
pub(super) fn find(
    changes: &[Change],
    contents: &mut impl Contents,
    max_file_bytes: u64,
) -> Result<Renames, DiffError> {
    let mut finder = Finder {
        changes,
        contents,
        deleted: candidates(changes, Side::Old, max_file_bytes),
        added: candidates(changes, Side::New, max_file_bytes),
        renames: Renames::new(),
    };
    // Nothing can have moved; and where everything was added, there is much to look at.
    if finder.deleted.is_empty() || finder.added.is_empty() {
        return Ok(finder.renames);
    }
    finder.pair_equal()?;
    finder.pair_similar()?;
    Ok(finder.renames)
}

/// A file that has no other side.
#[derive(Debug, Clone, Copy)]
struct Candidate<'a> {
    index: usize,
    node: Node,
    /// The last component of its path.
    name: &'a [u8],
}

impl Candidate<'_> {
    /// What two files share before their contents are worth a look.
    fn shape(&self) -> (bool, u64) {
        (self.node.mode == Mode::Symlink, self.node.size)
    }

    fn may_be_similar(&self, other: &Self) -> bool {
        let (smaller, larger) = (
            self.node.size.min(other.node.size),
            self.node.size.max(other.node.size),
        );
        smaller.saturating_mul(100) >= larger.saturating_mul(MIN_SIMILARITY.into())
    }
}

fn candidates(changes: &[Change], side: Side, max_file_bytes: u64) -> Vec<Candidate<'_>> {
    let mut candidates = Vec::new();
    for (index, change) in changes.iter().enumerate() {
        let (Some(node), None) = (change.node(side), change.node(side.other())) else {
            continue;
        };
        if node.mode != Mode::Directory && node.size <= max_file_bytes {
            let name = change.path.rsplit(|&byte| byte == b'/').next();
            candidates.push(Candidate {
                index,
                node,
                name: name.unwrap_or_default(),
            });
        }
    }
    candidates
}

/// The only candidate of each name, or that there are more; of these names alone.
fn by_name<'a>(
    candidates: &[Candidate<'a>],
    names: &HashSet<&'a [u8]>,
) -> HashMap<&'a [u8], Option<Candidate<'a>>> {
    let mut by_name = HashMap::new();
    for candidate in candidates.iter().filter(|one| names.contains(one.name)) {
        by_name
            .entry(candidate.name)
            .and_modify(|only| *only = None)
            .or_insert(Some(*candidate));
    }
    by_name
}

struct Finder<'a, C> {
    changes: &'a [Change],
    contents: &'a mut C,
    /// Files not yet paired, in order.
    deleted: Vec<Candidate<'a>>,
    added: Vec<Candidate<'a>>,
    renames: Renames,
}

type Identity = ((bool, u64), BlobId);

impl<'a, C: Contents> Finder<'a, C> {
    fn read(&mut self, side: Side, index: usize) -> Result<Vec<u8>, DiffError> {
        read(self.changes, self.contents, side, index)
    }

    fn pair(&mut self, old: usize, new: usize, similarity: u8) {
        self.renames.insert(new, Rename { old, similarity });
        self.deleted.retain(|candidate| candidate.index != old);
        self.added.retain(|candidate| candidate.index != new);
    }

    /// Pairs files with equal contents, those of the same name before others.
    fn pair_equal(&mut self) -> Result<(), DiffError> {
        let old = self.identities(Side::Old)?;
        let new = self.identities(Side::New)?;
        let mut paired: HashMap<usize, usize> = HashMap::new();
        pair_by(&old, &new, &mut paired, |identity, candidate| {
            (*identity, candidate.name)
        });
        pair_by(&old, &new, &mut paired, |identity, _| *identity);

        let sources: HashSet<usize> = paired.values().copied().collect();
        self.deleted
            .retain(|candidate| !sources.contains(&candidate.index));
        self.added
            .retain(|candidate| !paired.contains_key(&candidate.index));
        let renames = paired.into_iter().map(|(new, old)| {
            let similarity = 100;
            (new, Rename { old, similarity })
        });
        self.renames.extend(renames);
        Ok(())
    }

    /// The identities of those files on one side whose shape appears on the other.
    fn identities(&mut self, side: Side) -> Result<Vec<(Identity, Candidate<'a>)>, DiffError> {
        let (own, other) = match side {
            Side::Old => (self.deleted.clone(), &self.added),
            Side::New => (self.added.clone(), &self.deleted),
        };
        let shapes: HashSet<_> = other.iter().map(Candidate::shape).collect();
        let mut identities = Vec::new();
        for candidate in own {
            if shapes.contains(&candidate.shape()) {
                let content = self.read(side, candidate.index)?;
                identities.push(((candidate.shape(), blob_id(&content)), candidate));
            }
        }
        Ok(identities)
    }

    /// Pairs regular files with similar contents: those of the same name if there is only one of it, then the most
    /// similar first.
    fn pair_similar(&mut self) -> Result<(), DiffError> {
        let is_comparable = |candidate: &Candidate<'_>| {
            let node = candidate.node;
            node.mode != Mode::Symlink && (1..=MAX_SIMILAR_BYTES).contains(&node.size)
        };
        self.deleted.retain(is_comparable);
        self.added.retain(is_comparable);
        let mut budget = Budget::default();
        for (old, new) in self.same_names() {
            if let Some(pair) = self.compare_pair(old, new, &mut budget)? {
                self.pair(old.index, new.index, pair);
            }
        }
        self.deleted.truncate(MAX_COMPARED_FILES);
        self.added.truncate(MAX_COMPARED_FILES);
        self.compare_all(&mut budget)
    }

    /// The files whose name appears once on each side, at most as many as are compared.
    fn same_names(&self) -> Vec<(Candidate<'a>, Candidate<'a>)> {
        let names = self.deleted.iter().map(|candidate| candidate.name).collect();
        let new = by_name(&self.added, &names);
        let old = by_name(&self.deleted, &new.keys().copied().collect());
        let mut pairs: Vec<_> = old
            .iter()
            .filter_map(|(name, old)| match (old, new.get(name)) {
                (Some(old), Some(Some(new))) if old.may_be_similar(new) => Some((*old, *new)),
                _ => None,
            })
            .collect();
        pairs.sort_unstable_by_key(|(_, new)| new.index);
        pairs.truncate(MAX_COMPARED_FILES);
        pairs
    }

    fn compare_pair(
        &mut self,
        old: Candidate<'_>,
        new: Candidate<'_>,
        budget: &mut Budget,
    ) -> Result<Option<u8>, DiffError> {
        let Some(one) = self.sketch(Side::Old, old, budget)? else {
            return Ok(None);
        };
        let Some(two) = self.sketch(Side::New, new, budget)? else {
            return Ok(None);
        };
        Ok(budget.similarity(&one, &two))
    }

    fn compare_all(&mut self, budget: &mut Budget) -> Result<(), DiffError> {
        let worth = |one: &Candidate<'_>, others: &[Candidate<'_>]| {
            others.iter().any(|other| one.may_be_similar(other))
        };
        let (deleted, added) = (self.deleted.clone(), self.added.clone());
        let mut sources = Vec::new();
        for candidate in deleted.iter().filter(|candidate| worth(candidate, &added)) {
            if let Some(sketch) = self.sketch(Side::Old, *candidate, budget)? {
                sources.push((candidate, sketch));
            }
        }
        let mut scores = Vec::new();
        for target in added.iter().filter(|candidate| worth(candidate, &deleted)) {
            let Some(sketch) = self.sketch(Side::New, *target, budget)? else {
                continue;
            };
            for (source, source_sketch) in sources.iter().filter(|(source, _)| source.may_be_similar(target))
            {
                if let Some(similarity) = budget.similarity(source_sketch, &sketch) {
                    let other_name = source.name != target.name;
                    scores.push((Reverse(similarity), other_name, target.index, source.index));
                }
            }
        }
        scores.sort_unstable();
        for (Reverse(similarity), _, new, old) in scores {
            let is_free = |candidates: &[Candidate<'_>], index| {
                candidates
                    .iter()
                    .any(|candidate: &Candidate<'_>| candidate.index == index)
            };
            if is_free(&self.deleted, old) && is_free(&self.added, new) {
                self.pair(old, new, similarity);
            }
        }
        Ok(())
    }

    fn sketch(
        &mut self,
        side: Side,
        candidate: Candidate<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Sketch>, DiffError> {
        let Some(left) = budget.bytes.checked_sub(candidate.node.size) else {
            return Ok(None);
        };
        budget.bytes = left;
        let content = self.read(side, candidate.index)?;
        Ok(Some(Sketch::of(&content)))
    }
}

/// Pairs each file on the new side with the first free one on the old side that has the same key.
fn pair_by<'a, K: Hash + Eq>(
    old: &'a [(Identity, Candidate<'a>)],
    new: &'a [(Identity, Candidate<'a>)],
    paired: &mut HashMap<usize, usize>,
    key: impl Fn(&'a Identity, &Candidate<'a>) -> K,
) {
    let taken: HashSet<usize> = paired.values().copied().collect();
    let mut free: HashMap<K, Vec<usize>> = HashMap::new();
    for (identity, candidate) in old.iter().rev() {
        if !taken.contains(&candidate.index) {
            free.entry(key(identity, candidate))
                .or_default()
                .push(candidate.index);
        }
    }
    for (identity, candidate) in new {
        if paired.contains_key(&candidate.index) {
            continue;
        }
        if let Some(source) = free.get_mut(&key(identity, candidate)).and_then(Vec::pop) {
            paired.insert(candidate.index, source);
        }
    }
}

/// What may still be spent.
struct Budget {
    bytes: u64,
    steps: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self {
            bytes: MAX_READ_BYTES,
            steps: MAX_STEPS,
        }
    }
}

impl Budget {
    /// How alike two contents are, if they are alike enough and there is work left for the question.
    fn similarity(&mut self, one: &Sketch, two: &Sketch) -> Option<u8> {
        self.steps = self.steps.checked_sub(one.steps() + two.steps())?;
        Some(one.similarity(two)).filter(|&similarity| similarity >= MIN_SIMILARITY)
    }
}
