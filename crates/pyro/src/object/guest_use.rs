//! What every result says of the guest that it came from.

use serde::{Deserialize, Serialize};

use crate::isolation::Isolation;
use crate::object::{ExecutionMode, VmmKind};

/// The guest that an operation used.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GuestUse {
    /// Whether the workspace was started for it.
    pub auto_started: bool,
    /// The strength of the wall around the guest.
    pub isolation: Option<Isolation>,
    /// The program that runs the guest.
    pub vmm: Option<VmmKind>,
    /// How the host talks to the guest.
    pub execution_mode: ExecutionMode,
}

impl GuestUse {
    /// What a result of it has to warn of.
    pub(crate) fn warnings(&self) -> Vec<String> {
        unisolated(self.isolation).into_iter().collect()
    }
}

/// The warning of a result that came about without isolation.
pub(crate) fn unisolated(isolation: Option<Isolation>) -> Option<String> {
    (isolation == Some(Isolation::Host))
        .then(|| "nothing isolates it: it runs on this host itself".to_owned())
}
