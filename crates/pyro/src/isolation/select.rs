//! Which tier and VMM a VM gets: a pure rule, and the look at the host that feeds it.

use super::binary::{QEMU, VmmBinary, Vmms};
use super::{Isolation, IsolationFloor, KvmProbe, KvmVerdict};
use crate::error::{Diagnosis, ErrorCode};
use crate::settings::Settings;

/// How a VM is going to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    /// The tier that this is.
    pub(crate) isolation: Isolation,
    /// The program that runs it.
    pub(crate) vmm: VmmBinary,
    /// What to try if that cannot run a VM here.
    pub(crate) next: Option<Box<Self>>,
}

impl Choice {
    /// What comes next in the same tier.
    pub(crate) fn next_in_tier(&self) -> Option<&Self> {
        self.next
            .as_deref()
            .filter(|next| next.isolation == self.isolation)
    }

    /// What comes next in another tier.
    pub(crate) fn next_tier(&self) -> Option<&Self> {
        let mut next = self.next.as_deref();
        while let Some(choice) = next
            && choice.isolation == self.isolation
        {
            next = choice.next.as_deref();
        }
        next
    }
}

/// How something is going to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// In a VM.
    Vm(Choice),
    /// As processes of this host, because no VM can be had and the caller allows that.
    Host,
}

/// Why there is no way to run a VM as demanded.
#[derive(Debug, Clone, thiserror::Error, PartialEq, Eq)]
pub(crate) enum IsolationError {
    /// Hardware isolation was demanded where KVM does not work.
    #[error("isolation `hardware` does not work here: {verdict}")]
    HardwareUnavailable {
        /// What the probe found.
        verdict: KvmVerdict,
    },
    /// The program that runs VMs is not installed.
    #[error("no `{program}` in the search path")]
    VmmMissing {
        /// Its name.
        program: &'static str,
        /// Whether the caller might allow to do without it.
        may_do_without: bool,
    },
}

impl Diagnosis for IsolationError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::HardwareUnavailable { .. } => ErrorCode::IsolationUnavailable,
            Self::VmmMissing { .. } => ErrorCode::RuntimeDamaged,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(match self {
            Self::HardwareUnavailable {
                verdict: verdict @ KvmVerdict::NotAccessible,
            } => format!(
                "{}; or use `--isolation emulated`",
                verdict.fix().expect("what is not accessible can be made so")
            ),
            Self::HardwareUnavailable { .. } => "use `--isolation emulated`; see `pyro doctor`".to_owned(),
            Self::VmmMissing { may_do_without, .. } => {
                let install = "install it with `sudo apt-get install qemu-system-x86`; see `pyro doctor`";
                let instead = match may_do_without {
                    true => "; `--allow-host-compat` runs on this host without it, isolated by nothing",
                    false => "",
                };
                format!("{install}{instead}")
            }
        })
    }
}

/// What becomes of a demand that is met by `vm`, or not: this host itself comes last, and only where that is allowed,
/// nothing stronger is demanded, and no tier of VMs works.
///
/// # Errors
/// Why there is no VM, which then is needed.
pub(crate) fn or_host(
    vm: Result<Choice, IsolationError>,
    floor: IsolationFloor,
    allow_host_compat: bool,
) -> Result<Way, IsolationError> {
    match vm {
        Ok(choice) => Ok(Way::Vm(choice)),
        Err(IsolationError::VmmMissing { program, .. }) if floor == IsolationFloor::Auto => {
            match allow_host_compat {
                true => Ok(Way::Host),
                false => Err(IsolationError::VmmMissing {
                    program,
                    may_do_without: true,
                }),
            }
        }
        Err(error) => Err(error),
    }
}

/// Chooses a VM for a demand, from what is known about the host.
///
/// # Errors
/// [`IsolationError`] if the demand cannot be met; it is never lowered.
pub(crate) fn select(floor: IsolationFloor, kvm: &KvmVerdict, vmms: Vmms) -> Result<Choice, IsolationError> {
    let on_kvm = match floor {
        IsolationFloor::Emulated => false,
        IsolationFloor::Auto => kvm.works(),
        IsolationFloor::Hardware if kvm.works() => true,
        IsolationFloor::Hardware => {
            let verdict = kvm.clone();
            return Err(IsolationError::HardwareUnavailable { verdict });
        }
    };
    let Vmms { firecracker, qemu } = vmms;
    // The last resort first.
    let ways = [
        (
            floor != IsolationFloor::Hardware,
            Isolation::Emulated,
            qemu.clone(),
        ),
        (on_kvm, Isolation::Hardware, qemu),
        (on_kvm, Isolation::Hardware, firecracker),
    ];
    let mut choice = None;
    for (_, isolation, vmm) in ways.into_iter().filter(|(is_open, ..)| *is_open) {
        if let Some(vmm) = vmm {
            let next = choice.take().map(Box::new);
            choice = Some(Choice { isolation, vmm, next });
        }
    }
    choice.ok_or(IsolationError::VmmMissing {
        program: QEMU,
        may_do_without: false,
    })
}

/// Looks at this host and chooses, as [`choose_vm`] does; this host itself only if the caller allows that.
///
/// # Errors
/// As [`or_host`].
pub(crate) fn choose(
    settings: &Settings,
    floor: IsolationFloor,
    allow_host_compat: bool,
) -> Result<Way, IsolationError> {
    or_host(choose_vm(settings, floor), floor, allow_host_compat)
}

/// Looks at this host and chooses a VM. Probes KVM only where the demand asks for it and no verdict is cached; runs no
/// program. Blocks for up to 0.1 s when it probes.
///
/// # Errors
/// As [`select`].
pub(crate) fn choose_vm(settings: &Settings, floor: IsolationFloor) -> Result<Choice, IsolationError> {
    let vmms = Vmms::find(&settings.search_path);
    let kvm = match floor {
        // Not asked, so not looked at.
        IsolationFloor::Emulated => KvmVerdict::Absent,
        IsolationFloor::Auto | IsolationFloor::Hardware => {
            KvmProbe::new(&settings.cache_dir, vmms.on_kvm().cloned()).verdict()
        }
    };
    select(floor, &kvm, vmms)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::error::Error;
    use crate::isolation::binary::FileIdentity;
    use crate::isolation::kvm::Speed;
    use crate::object::VmmKind;

    const SPEED: Speed = Speed {
        instructions: 48_000,
        cpu_us: 51_000,
    };

    fn vmm(kind: VmmKind) -> VmmBinary {
        let path = PathBuf::from("/usr/bin/vmm");
        VmmBinary {
            kind,
            path: path.clone(),
            identity: FileIdentity {
                path,
                size: 1,
                ino: 2,
                modified: (3, 4),
            },
        }
    }

    fn qemu() -> Vmms {
        Vmms {
            firecracker: None,
            qemu: Some(vmm(VmmKind::Qemu)),
        }
    }

    fn both() -> Vmms {
        Vmms {
            firecracker: Some(vmm(VmmKind::Firecracker)),
            ..qemu()
        }
    }

    fn broken() -> Vec<KvmVerdict> {
        let cause = || "Input/output error".to_owned();
        vec![
            KvmVerdict::Absent,
            KvmVerdict::NotAccessible,
            KvmVerdict::CreatesNoVm { cause: cause() },
            KvmVerdict::TooSlow(SPEED),
            KvmVerdict::NoProgress { waited_ms: 80 },
            KvmVerdict::EntryFailed { cause: cause() },
            KvmVerdict::Withdrawn { reason: cause() },
        ]
    }

    fn tier(floor: IsolationFloor, kvm: &KvmVerdict) -> Result<Isolation, IsolationError> {
        select(floor, kvm, qemu()).map(|choice| choice.isolation)
    }

    #[test]
    fn auto_takes_the_strongest_tier_that_works() {
        let hardware = Ok(Isolation::Hardware);
        let emulated = Ok(Isolation::Emulated);
        assert_eq!(tier(IsolationFloor::Auto, &KvmVerdict::Works(SPEED)), hardware);
        for kvm in broken() {
            assert_eq!(tier(IsolationFloor::Auto, &kvm), emulated, "{kvm}");
        }
    }

    /// What is tried, in its order.
    fn order(floor: IsolationFloor, kvm: &KvmVerdict, vmms: Vmms) -> Vec<(Isolation, VmmKind)> {
        let first = select(floor, kvm, vmms).unwrap();
        let choices = std::iter::successors(Some(&first), |choice| choice.next.as_deref());
        choices
            .map(|choice| (choice.isolation, choice.vmm.kind))
            .collect()
    }

    #[test]
    fn on_kvm_firecracker_comes_first_and_each_has_a_next() {
        let works = KvmVerdict::Works(SPEED);
        let firecracker = (Isolation::Hardware, VmmKind::Firecracker);
        let (on_kvm, emulated) = (
            (Isolation::Hardware, VmmKind::Qemu),
            (Isolation::Emulated, VmmKind::Qemu),
        );
        let auto = order(IsolationFloor::Auto, &works, both());
        assert_eq!(auto, [firecracker, on_kvm, emulated]);
        assert_eq!(
            order(IsolationFloor::Hardware, &works, both()),
            [firecracker, on_kvm]
        );
        assert_eq!(order(IsolationFloor::Auto, &works, qemu()), [on_kvm, emulated]);
        assert_eq!(
            order(IsolationFloor::Auto, &KvmVerdict::Absent, both()),
            [emulated]
        );
        let alone = Vmms { qemu: None, ..both() };
        assert_eq!(order(IsolationFloor::Auto, &works, alone.clone()), [firecracker]);
        select(IsolationFloor::Auto, &KvmVerdict::Absent, alone).unwrap_err();
    }

    #[test]
    fn the_next_tier_passes_over_what_is_in_this_one() {
        let choice = select(IsolationFloor::Auto, &KvmVerdict::Works(SPEED), both()).unwrap();
        assert_eq!(choice.next_in_tier().unwrap().vmm.kind, VmmKind::Qemu);
        assert_eq!(choice.next_tier().unwrap().isolation, Isolation::Emulated);
        let last = choice.next_tier().unwrap();
        assert!(last.next_in_tier().is_none() && last.next_tier().is_none());
    }

    #[test]
    fn hardware_is_never_lowered() {
        let works = KvmVerdict::Works(SPEED);
        let hardware = Ok(Isolation::Hardware);
        assert_eq!(tier(IsolationFloor::Hardware, &works), hardware);
        for verdict in broken() {
            assert_eq!(
                tier(IsolationFloor::Hardware, &verdict),
                Err(IsolationError::HardwareUnavailable { verdict })
            );
        }
    }

    #[test]
    fn emulated_is_emulated_whatever_the_hardware_can_do() {
        let emulated = Ok(Isolation::Emulated);
        assert_eq!(
            tier(IsolationFloor::Emulated, &KvmVerdict::Works(SPEED)),
            emulated
        );
        assert_eq!(tier(IsolationFloor::Emulated, &KvmVerdict::Absent), emulated);
    }

    fn way(
        floor: IsolationFloor,
        kvm: &KvmVerdict,
        vmms: Vmms,
        allowed: bool,
    ) -> Result<Way, IsolationError> {
        or_host(select(floor, kvm, vmms), floor, allowed)
    }

    #[test]
    fn this_host_is_taken_only_where_it_is_allowed_and_no_tier_works() {
        let firecracker_alone = Vmms { qemu: None, ..both() };
        for kvm in broken() {
            for vmms in [Vmms::default(), firecracker_alone.clone()] {
                let taken = way(IsolationFloor::Auto, &kvm, vmms.clone(), true);
                assert_eq!(taken, Ok(Way::Host), "{kvm}");
                way(IsolationFloor::Auto, &kvm, vmms, false).unwrap_err();
            }
        }
        let works = KvmVerdict::Works(SPEED);
        let without_vmm = way(IsolationFloor::Auto, &works, Vmms::default(), true);
        assert_eq!(without_vmm, Ok(Way::Host));
    }

    #[test]
    fn where_a_vm_can_be_had_the_leave_to_do_without_changes_nothing() {
        let hosts = broken().into_iter().map(|kvm| (kvm, qemu())).chain([
            (KvmVerdict::Works(SPEED), qemu()),
            (KvmVerdict::Works(SPEED), both()),
            (KvmVerdict::Works(SPEED), Vmms { qemu: None, ..both() }),
        ]);
        for (kvm, vmms) in hosts {
            let [allowed, denied] =
                [true, false].map(|allowed| way(IsolationFloor::Auto, &kvm, vmms.clone(), allowed));
            assert_eq!(allowed, denied, "{kvm}");
            assert!(matches!(allowed, Ok(Way::Vm(_))), "{kvm}");
        }
    }

    #[test]
    fn what_is_demanded_is_never_lowered_to_this_host() {
        let verdicts = broken().into_iter().chain([KvmVerdict::Works(SPEED)]);
        for kvm in verdicts {
            for floor in [IsolationFloor::Hardware, IsolationFloor::Emulated] {
                let error = way(floor, &kvm, Vmms::default(), true).unwrap_err();
                assert!(!error.hint().unwrap().contains("--allow-host-compat"), "{kvm}");
            }
        }
    }

    #[test]
    fn the_hint_names_this_host_after_the_better_advice() {
        let error = way(IsolationFloor::Auto, &KvmVerdict::Absent, Vmms::default(), false);
        let hint = error.unwrap_err().hint().unwrap();
        let (install, host) = (hint.find("apt-get install"), hint.find("--allow-host-compat"));
        assert!(install.is_some() && install < host, "{hint}");
    }

    #[test]
    fn a_missing_vmm_is_named() {
        let floors = [
            IsolationFloor::Auto,
            IsolationFloor::Hardware,
            IsolationFloor::Emulated,
        ];
        for floor in floors {
            let error = Error::from(select(floor, &KvmVerdict::Works(SPEED), Vmms::default()).unwrap_err());
            assert_eq!(error.code(), ErrorCode::RuntimeDamaged);
            assert_eq!(error.message(), "no `qemu-system-x86_64` in the search path");
            assert!(error.hint().unwrap().contains("apt-get install qemu-system-x86"));
        }
    }

    #[test]
    fn a_refusal_gives_the_reason_and_the_way_out() {
        for kvm in broken() {
            // Also where no VMM is installed: the demand is what cannot be met.
            let error = Error::from(select(IsolationFloor::Hardware, &kvm, Vmms::default()).unwrap_err());
            assert_eq!(error.code(), ErrorCode::IsolationUnavailable);
            assert!(error.message().ends_with(&kvm.to_string()), "{error}");
            assert!(error.hint().unwrap().contains("`--isolation emulated`"));
        }
        let closed = select(IsolationFloor::Hardware, &KvmVerdict::NotAccessible, qemu());
        assert!(closed.unwrap_err().hint().unwrap().contains("group kvm"));
    }

    #[test]
    fn choosing_for_this_host_needs_no_directory_of_ours() {
        let nowhere = PathBuf::from("/nonexistent/pyro");
        let mut settings = Settings::new(&nowhere, &nowhere);
        settings.search_path = vec![nowhere.clone()];
        let error = choose(&settings, IsolationFloor::Emulated, true).unwrap_err();
        assert!(matches!(error, IsolationError::VmmMissing { .. }));
        assert!(!nowhere.exists());
    }
}
