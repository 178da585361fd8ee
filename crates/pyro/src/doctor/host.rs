//! What this host can do without a VM.

use crate::isolation::{Isolation, Vmms};
use crate::object::{TierState, VmmKind};
use crate::runtime::Runtime;
use crate::settings::Settings;

/// The last tier: it is there only where no program that runs VMs is, and only for those who allow it.
pub(super) fn tier(settings: &Settings, vmms: &Vmms) -> TierState {
    let obstacle = match vmms.on_kvm() {
        Some(vmm) => Some(format!("never used where `{}` runs VMs", vmm.path.display())),
        None => match Runtime::open(settings).and_then(|runtime| runtime.verify_agent_in_full()) {
            Ok(true) => None,
            Ok(false) => Some("the runtime has no agent for it".to_owned()),
            Err(error) => Some(error.to_string()),
        },
    };
    TierState {
        isolation: Isolation::Host,
        vmm: VmmKind::None,
        usable: obstacle.is_none(),
        reason: obstacle.unwrap_or_else(|| {
            "with `--allow-host-compat` alone; nothing isolates what runs there".to_owned()
        }),
    }
}
