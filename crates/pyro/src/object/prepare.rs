//! *prepare report*: whether VMs start from a template here.

use serde::Serialize;
use serde_json::Value;

use crate::isolation::Isolation;
use crate::object::Status;

/// What was prepared and proved.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PrepareReport {
    /// The environment as it is recorded.
    pub environment: String,
    /// The digest that fixes its content.
    pub environment_digest: String,
    /// Whether it is proved.
    pub status: Status,
    /// Whether an earlier proof still holds, so that no VM was started.
    pub reused: bool,
    /// When it was proved, in RFC 3339; absent if it was not.
    pub prepared_at: Option<String>,
    /// Whether a request from the guest was tried.
    pub network_checked: bool,
    /// The tier that it was proved in.
    pub isolation: Isolation,
    /// What was done, in its order; the last one may have failed.
    pub steps: Vec<PrepareStep>,
    /// What was skipped, degraded or guessed.
    pub warnings: Vec<String>,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct PrepareStep {
    /// A stable name: `environment`, `template` or `restore`.
    pub name: String,
    /// How long it took, in milliseconds.
    pub duration_ms: u64,
    /// The error object of a step that failed.
    pub error: Option<Value>,
}
