//! What a supervisor says of itself and its VM: `live.json`, for whoever lists workspaces without asking it. What changes with
//! each operation is in [`pulse`](super::pulse).
//!
//! It means nothing once the supervisor is gone, so it is not synced.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::OnceLock;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::pulse::Beat;
use crate::isolation::Isolation;
use crate::object::{ExecutionMode, VmmKind};
use crate::process::ProcessIdentity;

const FILE: &str = "live.json";

/// A supervisor and its VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Live {
    pub(crate) supervisor: ProcessIdentity,
    /// The boot of the host that the process belongs to.
    pub(crate) boot: String,
    pub(crate) vm: Option<VmFacts>,
    /// As of the time when this was written; there may be a later one in the pulse.
    pub(crate) last_activity_at: Timestamp,
    /// Commands that run, and other operations under way: while there are any, nothing expires. As of that time, too.
    pub(crate) busy: u64,
}

/// What stays true of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VmFacts {
    pub(crate) isolation: Isolation,
    pub(crate) vmm: VmmKind,
    pub(crate) execution_mode: ExecutionMode,
    /// From the start of the VMM to the agent's first answer, in milliseconds.
    #[serde(default)]
    pub(crate) boot_ms: u64,
    pub(crate) metadata: BTreeMap<String, String>,
    pub(crate) warnings: Vec<String>,
}

impl Live {
    /// Reads what a supervisor said last, if one ever did; whether it lives is another question.
    pub(crate) fn read(dir: &Path) -> Option<Self> {
        let mut live: Self = serde_json::from_slice(&std::fs::read(dir.join(FILE)).ok()?).ok()?;
        if let Some(beat) = Beat::read(dir) {
            live.last_activity_at = beat.last_activity_at;
            live.busy = beat.busy;
        }
        Some(live)
    }

    /// Says it, in place of what was said before.
    ///
    /// # Errors
    /// If the file system refuses.
    pub(crate) fn write(&self, dir: &Path) -> io::Result<()> {
        let bytes = serde_json::to_vec(self)?;
        let draft = dir.join(".live.json.new");
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(&bytes)?;
        std::fs::rename(draft, dir.join(FILE))
    }

    /// Whether the supervisor lives.
    pub(crate) fn is_live(&self) -> bool {
        self.supervisor.is_live() && self.boot == host_boot()
    }
}

/// What tells this boot of the host from every other (random(4), `boot_id`); empty if the kernel does not say.
pub(crate) fn host_boot() -> &'static str {
    static BOOT: OnceLock<String> = OnceLock::new();
    let read = || std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    BOOT.get_or_init(|| read().trim().to_owned())
}
