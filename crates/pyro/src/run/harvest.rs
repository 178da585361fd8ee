//! What is taken out of a one-shot VM between the end of its command and its own.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::RunRequest;
use super::error::{InterruptedExport, NotExported, SameTarget, refused};
use crate::error::Result;
use crate::object::{WorkspaceDiff, WorkspaceExport};
use crate::workspace::{DiffRequest, LiveTree, PlannedExport, diff_of};

/// What is to be taken out, with every target found.
#[derive(Debug, Default)]
pub(super) struct Wanted {
    diff: bool,
    exports: Vec<PlannedExport>,
}

/// What was taken out.
#[derive(Debug, Default)]
pub(super) struct Harvest {
    pub(super) diff: Option<Box<WorkspaceDiff>>,
    /// `None` if nothing was to be exported.
    pub(super) exports: Option<Vec<WorkspaceExport>>,
    pub(super) failures: Vec<NotExported>,
    pub(super) warnings: Vec<String>,
}

impl Wanted {
    /// Finds all targets on the host, before anything runs.
    ///
    /// # Errors
    /// `output-exists`, `host-io`, and `invalid-argument` for two exports with one target.
    pub(super) fn plan(request: &RunRequest) -> Result<Self> {
        let planned = request.exports.iter().cloned().map(PlannedExport::new);
        let exports = planned.collect::<Result<Vec<_>>>().map_err(refused)?;
        let mut targets = BTreeSet::new();
        let twice = exports.iter().find(|export| !targets.insert(export.target()));
        if let Some(export) = twice {
            let path = export.target().to_owned();
            return Err(SameTarget { path }.into());
        }
        Ok(Self {
            diff: request.return_diff,
            exports,
        })
    }

    /// Whether there is nothing to be taken out.
    pub(super) fn is_nothing(&self) -> bool {
        !self.diff && self.exports.is_empty()
    }

    /// Says why nothing was taken out of a VM that its caller gave up, or that had to be ended by force.
    pub(super) fn forgo(self) -> Harvest {
        let mut warnings: Vec<String> = self.exports.iter().map(not_tried).collect();
        if self.diff {
            warnings.push("what the command changed is not known, as it was ended".to_owned());
        }
        Harvest {
            exports: (!self.exports.is_empty()).then(Vec::new),
            warnings,
            ..Harvest::default()
        }
    }

    /// Takes out what is wanted, each as far as it is to be had, until `stop`.
    pub(super) async fn harvest(
        self,
        tree: Result<impl LiveTree>,
        stop: impl Future<Output = ()>,
    ) -> Harvest {
        let names: Vec<(String, PathBuf)> = self
            .exports
            .iter()
            .map(|export| (export.path(), export.target().to_owned()))
            .collect();
        let wants_diff = self.diff;
        let mut harvest = Harvest {
            exports: (!names.is_empty()).then(Vec::new),
            ..Harvest::default()
        };
        let failure = match tree {
            Ok(tree) => {
                let is_stopped = tokio::select! {
                    () = harvest.gather(self, &tree) => false,
                    () = stop => true,
                };
                is_stopped.then(|| InterruptedExport.into())
            }
            Err(error) => Some(error),
        };
        if let Some(failure) = failure {
            if wants_diff && harvest.diff.is_none() && harvest.warnings.is_empty() {
                harvest.no_diff(&failure);
            }
            let failure = Arc::new(failure);
            for (path, target) in names.into_iter().skip(harvest.done()) {
                let failure = Arc::clone(&failure);
                harvest.failures.push(NotExported::new(path, target, failure));
            }
        }
        harvest
    }
}

impl Harvest {
    async fn gather(&mut self, wanted: Wanted, tree: &impl LiveTree) {
        if wanted.diff {
            match diff_of(tree, &DiffRequest::default()).await {
                Ok(diff) => self.diff = Some(Box::new(diff)),
                // The command ran, whatever becomes of this.
                Err(error) => self.no_diff(&error),
            }
        }
        for export in wanted.exports {
            let (path, target) = (export.path(), export.target().to_owned());
            match export.make(tree).await {
                Ok(exported) => self.exports.get_or_insert_default().push(exported),
                Err(error) => self
                    .failures
                    .push(NotExported::new(path, target, Arc::new(error))),
            }
        }
    }

    fn no_diff(&mut self, error: &crate::Error) {
        let warning = format!("what the command changed is not known: {error}");
        self.warnings.push(warning);
    }

    /// How many exports were tried to their end, in their order.
    fn done(&self) -> usize {
        self.exports.as_ref().map_or(0, Vec::len) + self.failures.len()
    }
}

fn not_tried(export: &PlannedExport) -> String {
    let target: &Path = export.target();
    format!(
        "`{}` was not exported to `{}`, as the command was ended",
        export.path(),
        target.display()
    )
}
