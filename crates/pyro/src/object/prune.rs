//! What a prune of everything removed, and what it left.

use std::path::PathBuf;

use serde::Serialize;

/// What was removed and what stays.
#[derive(Debug, Clone, Default, Serialize)]
#[non_exhaustive]
pub struct Pruning {
    /// What is gone, or would be.
    pub removed: Vec<PrunedItem>,
    /// What stays.
    pub kept: Vec<KeptItem>,
    /// The space that the removed things used on disk, in bytes.
    pub freed_bytes: u64,
    /// Whether nothing was done.
    pub dry_run: bool,
}

/// Something that is gone, or would be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PrunedItem {
    /// What it is.
    pub kind: PruneKind,
    /// What it is called, for people.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The space that it uses on disk, in bytes.
    pub bytes: u64,
    /// Why it goes.
    pub reason: String,
}

/// Something that stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct KeptItem {
    /// What it is.
    pub kind: PruneKind,
    /// What it is called, for people.
    pub name: String,
    /// Where it is.
    pub path: PathBuf,
    /// The space that it uses on disk, in bytes.
    pub bytes: u64,
    /// Why it stays.
    pub reason: String,
}

/// The kinds of things that a prune looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum PruneKind {
    /// A saved VM, from which others start.
    Template,
    /// A template whose making was not finished.
    Draft,
    /// The lock of a template that is gone.
    Lock,
    /// A file that was written and never put in place.
    File,
    /// The cgroup of a VM whose owner was killed.
    Cgroup,
    /// A workspace that is stopped.
    Workspace,
    /// A one-shot VM whose time is over, or what a run without a VM left whose owner was killed.
    Vm,
    /// What a one-shot run came to, longer ago than it is kept.
    Run,
}
