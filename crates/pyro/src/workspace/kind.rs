//! What is kept in the same way: workspaces, and one-shot VMs that were made before their command is known.

use serde::{Deserialize, Serialize};

/// What a record is of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A workspace: it has a tree, and stays until it is deleted.
    #[default]
    Workspace,
    /// A VM for one command: it has no tree, and is gone once that ended or its time is over.
    Vm,
}

impl Kind {
    /// The directory of all of them, in the state directory.
    pub(super) fn directory(self) -> &'static str {
        match self {
            Self::Workspace => "workspaces",
            Self::Vm => "vms",
        }
    }
}
