//! Parameters that several tools have, with the same words everywhere.

use std::time::Duration;

use pyro::argument::{InvalidArgument, MAX_SHELL_BYTES, TIMEOUT_SECONDS, TTL_SECONDS};
use pyro::{DISK_GIB, Diagnosis, ErrorCode, MIN_MEM_MIB, Resources, VCPU_COUNT};
use serde_json::{Map, Value};

use super::Defaults;
use crate::arguments::Arguments;
use crate::schema::{Kind, Parameter};

/// The name of the state that a workspace began with.
pub(super) const BASELINE: &str = "baseline";

const HOST_COMPAT: &str = "allow_host_compat";

/// The shell command of a tool that runs one.
pub(super) fn command() -> Parameter {
    let kind = Kind::Text {
        max_bytes: Some(MAX_SHELL_BYTES),
        default: None,
    };
    Parameter::new("command", "Shell command", kind).required()
}

/// The environment of a tool that starts a VM.
pub(super) fn environment(defaults: &Defaults) -> Parameter {
    let kind = Kind::Text {
        max_bytes: None,
        default: Some(defaults.environment.clone().into()),
    };
    Parameter::new("environment", "VM image", kind)
}

/// Adds to the parameters of a tool that starts a VM whether it may do without, where the server lets calls say that.
pub(super) fn or_host(mut parameters: Vec<Parameter>, defaults: &Defaults) -> Vec<Parameter> {
    if defaults.allow_host_compat {
        parameters.push(Parameter::flag(
            HOST_COMPAT,
            "Where no VM can run, use the host itself, unisolated",
        ));
    }
    parameters
}

/// Whether a call that starts a VM may do without.
pub(super) fn may_use_host(arguments: &Arguments) -> bool {
    arguments.has(HOST_COMPAT) && arguments.flag(HOST_COMPAT)
}

/// The CPUs of a VM.
pub(super) fn vcpu_count() -> Parameter {
    let default = Resources::default().vcpu_count().into();
    Parameter::integer("vcpu_count", "CPUs", VCPU_COUNT, default)
}

/// The memory of a VM.
pub(super) fn mem_mib(defaults: &Defaults) -> Parameter {
    let range = MIN_MEM_MIB..=defaults.host_memory_mib.max(MIN_MEM_MIB);
    Parameter::integer("mem_mib", "Memory", range, Resources::default().mem_mib().into())
}

/// The disk of a VM.
pub(super) fn disk_gib() -> Parameter {
    let default = Resources::default().disk_gib().into();
    Parameter::integer("disk_gib", "Disk", DISK_GIB, default)
}

/// The time that a command may take.
pub(super) fn timeout_seconds(default: Duration) -> Parameter {
    Parameter::integer(
        "timeout_seconds",
        "Command limit",
        TIMEOUT_SECONDS,
        default.as_secs(),
    )
}

/// The time that a call may take before it leaves its command running.
pub(super) fn wait_seconds(description: &'static str, least: u64, default: u64) -> Parameter {
    Parameter::integer("wait_seconds", description, least..=3600, default)
}

/// The time that a VM may be idle.
pub(super) fn ttl_seconds(default: Duration) -> Parameter {
    Parameter::integer("ttl_seconds", "Idle limit", TTL_SECONDS, default.as_secs())
}

/// The characters shown of each stream, or of a patch.
pub(super) fn max_output_chars(description: &'static str, default: u64) -> Parameter {
    Parameter::integer("max_output_chars", description, 1000..=200_000, default)
}

/// The workspace that a tool works on.
pub(super) fn workspace_id() -> Parameter {
    Parameter::text("workspace_id", "Or name").required()
}

/// The value of `max_output_chars`.
pub(super) fn max_chars(arguments: &Arguments) -> usize {
    usize::try_from(arguments.integer("max_output_chars")).unwrap_or(usize::MAX)
}

/// Refuses two choices that exclude each other.
pub(super) fn not_both(name: &'static str, problem: &'static str, both: bool) -> Result<(), InvalidArgument> {
    if !both {
        return Ok(());
    }
    Err(InvalidArgument::Malformed {
        name,
        problem,
        given: String::new(),
    })
}

/// A snapshot that is not there.
#[derive(Debug, thiserror::Error)]
#[error("no snapshot `{name}` in `{workspace}`")]
struct NoSnapshot {
    name: String,
    workspace: String,
}

impl Diagnosis for NoSnapshot {
    fn code(&self) -> ErrorCode {
        ErrorCode::ItemNotFound
    }

    fn hint(&self) -> Option<String> {
        Some(format!("snapshots: {BASELINE}"))
    }

    fn details(&self) -> Option<Map<String, Value>> {
        Some([("kind".to_owned(), "snapshot".into())].into_iter().collect())
    }
}

/// The state that is meant. There is one only until there are snapshots.
pub(super) fn baseline(name: &'static str) -> Parameter {
    Parameter::verbatim_or(name, "State", BASELINE).unlisted()
}

/// Refuses any state but the one that a workspace began with: there are no others yet.
pub(super) fn only_baseline(arguments: &Arguments, name: &'static str) -> pyro::Result<()> {
    let given = arguments.text(name);
    if given == BASELINE {
        return Ok(());
    }
    Err(NoSnapshot {
        name: given.chars().take(64).collect(),
        workspace: arguments.text("workspace_id").to_owned(),
    }
    .into())
}
