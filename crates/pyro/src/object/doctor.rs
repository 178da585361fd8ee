//! *doctor report*: what works on this host, what does not, and the fix.

use serde::Serialize;
use serde_json::Value;

use crate::isolation::Isolation;
use crate::object::VmmKind;

/// Everything that doctor found.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DoctorReport {
    /// The platform that was checked.
    pub platform: String,
    /// The worst status of all checks.
    pub status: Status,
    /// Whether kernel, agent and VMM are there and unchanged.
    pub runtime_ok: bool,
    /// Every check.
    pub checks: Vec<DoctorCheck>,
    /// What needs doing.
    pub issues: Vec<DoctorIssue>,
    /// What each tier can do here.
    pub tiers: Vec<TierState>,
    /// The state of `/dev/kvm`.
    pub kvm: KvmState,
    /// The state of guest networking.
    pub networking: Value,
    /// Kernel, agent and VMM: paths, versions, digests.
    pub runtime: Value,
    /// Free space and features of the state and cache directories.
    pub disk: Value,
    /// Memory of the host, in bytes.
    pub memory: Value,
    /// What earlier runs left behind.
    pub leftovers: Value,
    /// The environments that were checked.
    pub environments: Value,
}

/// One check.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DoctorCheck {
    /// A stable name, such as `runtime.kernel`.
    pub id: String,
    /// How it went.
    pub status: Status,
    /// One line for people.
    pub summary: String,
    /// What to do about it.
    pub fix: Option<String>,
}

/// How a check went; the greater, the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// As it should be.
    Pass,
    /// pyro works, with less than it could have.
    Warn,
    /// Something does not work.
    Fail,
}

/// One thing that needs doing.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct DoctorIssue {
    /// The check that found it.
    pub id: String,
    /// How much it matters.
    pub severity: Severity,
    /// One sentence.
    pub message: String,
    /// What to do, with a command.
    pub fix: String,
}

/// How much an issue matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// pyro works, with less than it could have.
    Warning,
    /// Something does not work.
    Error,
}

/// What a tier can do here with one VMM.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
pub struct TierState {
    /// The tier.
    pub isolation: Isolation,
    /// The VMM.
    pub vmm: VmmKind,
    /// Whether a guest can be started in it.
    pub usable: bool,
    /// Why, or why not.
    pub reason: String,
}

/// The state of `/dev/kvm`.
#[derive(Debug, Clone, Serialize)]
#[non_exhaustive]
#[expect(clippy::struct_excessive_bools, reason = "the contract names these fields")]
pub struct KvmState {
    /// Whether the device is there.
    pub exists: bool,
    /// Whether this user may read it.
    pub readable: bool,
    /// Whether this user may write it.
    pub writable: bool,
    /// Whether a guest runs on it.
    pub usable: bool,
    /// Why, or why not.
    pub reason: String,
}
