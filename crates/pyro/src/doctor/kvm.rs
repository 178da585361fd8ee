//! What KVM can do, and the tiers that follow.

use rustix::fs::{Access, AtFlags, CWD};

use super::finding::{pass, warn};
use crate::isolation::{DEVICE, FIRECRACKER, Isolation, KvmVerdict, QEMU, VmmBinary, Vmms};
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

/// What each tier can do here, in the order in which they are tried. Firecracker needs a jail, which the host must allow.
pub(super) fn tiers(verdict: &KvmVerdict, vmms: &Vmms, may_jail: bool) -> Vec<TierState> {
    let state = |isolation, vmm, obstacle: Option<String>, reason: String| TierState {
        isolation,
        vmm,
        usable: obstacle.is_none(),
        reason: obstacle.unwrap_or(reason),
    };
    let missing = |binary: &Option<VmmBinary>, program: &str| {
        binary
            .is_none()
            .then(|| format!("no working `{program}` in the search path"))
    };
    let no_kvm = || (!verdict.works()).then(|| verdict.to_string());
    let no_jail = (!may_jail).then(|| "this host forbids the namespaces of its jail".to_owned());
    let no_firecracker = no_kvm()
        .or_else(|| missing(&vmms.firecracker, FIRECRACKER))
        .or(no_jail);
    let no_qemu = missing(&vmms.qemu, QEMU);
    let emulates = vmms
        .qemu
        .as_ref()
        .map(|qemu| format!("{} needs no support of the hardware", qemu.path.display()));
    let emulates = emulates.unwrap_or_default();
    vec![
        state(
            Isolation::Hardware,
            VmmKind::Firecracker,
            no_firecracker,
            verdict.to_string(),
        ),
        state(
            Isolation::Hardware,
            VmmKind::Qemu,
            no_kvm().or_else(|| no_qemu.clone()),
            verdict.to_string(),
        ),
        state(Isolation::Emulated, VmmKind::Qemu, no_qemu, emulates),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::Speed;

    fn usable(verdict: &KvmVerdict, vmms: &Vmms, may_jail: bool) -> Vec<bool> {
        tiers(verdict, vmms, may_jail)
            .iter()
            .map(|tier| tier.usable)
            .collect()
    }

    #[test]
    fn a_tier_needs_kvm_a_vmm_and_for_firecracker_a_jail() {
        let dir = tempfile::tempdir().unwrap();
        for program in [FIRECRACKER, QEMU] {
            std::fs::copy("/bin/true", dir.path().join(program)).unwrap();
        }
        let installed = Vmms::find(&[dir.path().to_path_buf()]);
        let works = KvmVerdict::Works(Speed {
            instructions: 1,
            cpu_us: 1,
        });
        assert_eq!(usable(&works, &installed, true), [true, true, true]);
        assert_eq!(usable(&works, &installed, false), [false, true, true]);
        assert_eq!(
            usable(&KvmVerdict::Absent, &installed, true),
            [false, false, true]
        );
        assert_eq!(usable(&works, &Vmms::default(), true), [false, false, false]);
    }
}
