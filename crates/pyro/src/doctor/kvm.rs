//! What KVM can do, and the tiers that follow.

use rustix::fs::{Access, AtFlags, CWD};

use super::finding::{pass, warn};
use crate::isolation::{DEVICE, Isolation, IsolationFloor, KvmVerdict, VmmBinary, select};
use crate::object::{DoctorCheck, KvmState, TierState, VmmKind};

/// The state of the device, with the probe's verdict. One that is of no use is a warning: the emulated tier remains.
pub(super) fn look(verdict: &KvmVerdict) -> (KvmState, DoctorCheck) {
    let may = |access| rustix::fs::accessat(CWD, DEVICE, access, AtFlags::EACCESS).is_ok();
    let state = KvmState {
        exists: may(Access::EXISTS),
        readable: may(Access::READ_OK),
        writable: may(Access::WRITE_OK),
        usable: verdict.works(),
        reason: verdict.to_string(),
    };
    let check = match verdict.fix() {
        None => pass("kvm", verdict.to_string()),
        Some(fix) => warn("kvm", verdict.to_string(), fix),
    };
    (state, check)
}

/// What each tier can do here.
pub(super) fn tiers(verdict: &KvmVerdict, qemu: Option<&VmmBinary>) -> Vec<TierState> {
    let tier = |isolation, floor| {
        let choice = select(floor, verdict, qemu.cloned());
        let reason = match (&choice, isolation) {
            (Err(_), Isolation::Hardware) if !verdict.works() => verdict.to_string(),
            (Err(error), _) => error.to_string(),
            (Ok(_), Isolation::Hardware) => verdict.to_string(),
            (Ok(choice), Isolation::Emulated) => {
                format!("{} needs no support of the hardware", choice.vmm.path.display())
            }
        };
        TierState {
            isolation,
            vmm: VmmKind::Qemu,
            usable: choice.is_ok(),
            reason,
        }
    };
    vec![
        tier(Isolation::Hardware, IsolationFloor::Hardware),
        tier(Isolation::Emulated, IsolationFloor::Emulated),
    ]
}
