//! A plan in the making, which both kinds of source fill.

use std::sync::atomic::{AtomicBool, Ordering};

use super::budget::Budget;
use super::plan::content_bytes;
use super::warning::Warnings;
use super::{SeedError, SeedLimits, SeedProgress, SeedSkipped, SeedSummary, SkipReason};
use crate::layer::{Metadata, Timestamp};
use crate::tree::{ContentId, InodeId, Node, Tree};

/// How often the caller hears about progress, in entries.
const REPORT_STEP: u64 = 1024;

/// Collects what a source has.
pub(super) struct Draft<'a> {
    pub(super) tree: Tree,
    pub(super) budget: Budget,
    pub(super) warnings: Warnings,
    pub(super) ignored_count: u64,
    pub(super) ignored_bytes: u64,
    skipped: Vec<SeedSkipped>,
    progress: &'a mut dyn FnMut(SeedProgress),
    cancel: &'a AtomicBool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(
        limits: SeedLimits,
        progress: &'a mut dyn FnMut(SeedProgress),
        cancel: &'a AtomicBool,
    ) -> Self {
        Self {
            tree: Tree::without_limits(),
            budget: Budget::new(limits),
            warnings: Warnings::default(),
            ignored_count: 0,
            ignored_bytes: 0,
            skipped: Vec::new(),
            progress,
            cancel,
        }
    }

    /// The caller's wish to stop.
    pub(super) fn cancel(&self) -> &'a AtomicBool {
        self.cancel
    }

    /// Fails once the caller asked to stop.
    pub(super) fn check_cancel(&self) -> Result<(), SeedError> {
        if self.cancel.load(Ordering::Relaxed) {
            return Err(SeedError::Cancelled);
        }
        Ok(())
    }

    /// Counts an entry and tells the caller now and then.
    pub(super) fn charge_entry(&mut self, name: &[u8]) -> Result<(), SeedError> {
        self.budget.charge_entry(name)?;
        if self.budget.entries().is_multiple_of(REPORT_STEP) {
            self.report();
        }
        Ok(())
    }

    /// Notes a file that is left out. It has been charged as an entry.
    pub(super) fn skip(&mut self, path: Vec<u8>, reason: SkipReason) -> Result<(), SeedError> {
        self.budget.charge_metadata(path.len())?;
        self.skipped.push(SeedSkipped { path, reason });
        Ok(())
    }

    /// Adds a file to the tree. Its name has been charged.
    pub(super) fn insert(
        &mut self,
        parent: InodeId,
        name: &[u8],
        metadata: Metadata,
        node: Node,
    ) -> Result<InodeId, SeedError> {
        let limit = self.budget.limits.entries;
        // The tree keeps no limits but that of its numbers.
        self.tree
            .insert(parent, name, metadata, node)
            .map_err(|_| SeedError::TooManyEntries { limit })
    }

    /// A regular file whose content is the `ordinal`th of the source.
    pub(super) fn file(&mut self, size: u64, ordinal: u64) -> Result<Node, SeedError> {
        self.budget.charge_content(size)?;
        let content = ContentId { layer: 0, ordinal };
        Ok(Node::File { size, content })
    }

    /// A symbolic link, whose target is charged.
    pub(super) fn symlink(&mut self, target: Vec<u8>) -> Result<Node, SeedError> {
        self.budget.charge_metadata(target.len())?;
        Ok(Node::Symlink {
            target: target.into(),
        })
    }

    /// Ends the plan.
    pub(super) fn finish(mut self) -> (Tree, SeedSummary) {
        self.report();
        let survey = self.tree.survey();
        let summary = SeedSummary {
            entry_count: survey.names - 1,
            content_bytes: content_bytes(&self.tree, &survey),
            ignored_count: self.ignored_count,
            ignored_bytes: self.ignored_bytes,
            skipped: self.skipped,
            warnings: self.warnings.list(),
        };
        (self.tree, summary)
    }

    fn report(&mut self) {
        (self.progress)(SeedProgress::Found {
            entries: self.budget.entries(),
            bytes: self.budget.content_bytes(),
        });
    }
}

/// The metadata of a file whose owner is nobody's concern.
pub(super) fn metadata(mode: u16, mtime: Timestamp) -> Metadata {
    Metadata {
        mode,
        uid: 0,
        gid: 0,
        mtime,
    }
}
