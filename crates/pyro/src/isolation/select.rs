//! Which tier and VMM a VM gets: a pure rule, and the look at the host that feeds it.

use super::binary::{QEMU, VmmBinary};
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
            Self::VmmMissing { .. } => {
                "install it with `sudo apt-get install qemu-system-x86`; see `pyro doctor`".to_owned()
            }
        })
    }
}

/// Chooses for a demand, from what is known about the host.
///
/// # Errors
/// [`IsolationError`] if the demand cannot be met; it is never lowered.
pub(crate) fn select(
    floor: IsolationFloor,
    kvm: &KvmVerdict,
    qemu: Option<VmmBinary>,
) -> Result<Choice, IsolationError> {
    let hardware = match floor {
        IsolationFloor::Emulated => false,
        IsolationFloor::Auto => kvm.works(),
        IsolationFloor::Hardware if kvm.works() => true,
        IsolationFloor::Hardware => {
            let verdict = kvm.clone();
            return Err(IsolationError::HardwareUnavailable { verdict });
        }
    };
    let vmm = qemu.ok_or(IsolationError::VmmMissing { program: QEMU })?;
    let isolation = if hardware {
        Isolation::Hardware
    } else {
        Isolation::Emulated
    };
    Ok(Choice { isolation, vmm })
}

/// Looks at this host and chooses. Probes KVM only where the demand asks for it and no verdict is cached; runs no
/// program. Blocks for up to 0.1 s when it probes.
///
/// # Errors
/// As [`select`].
pub(crate) fn choose(settings: &Settings, floor: IsolationFloor) -> Result<Choice, IsolationError> {
    let qemu = VmmBinary::find_qemu(&settings.search_path);
    let kvm = match floor {
        // Not asked, so not looked at.
        IsolationFloor::Emulated => KvmVerdict::Absent,
        IsolationFloor::Auto | IsolationFloor::Hardware => {
            KvmProbe::new(&settings.cache_dir, qemu.clone()).verdict()
        }
    };
    select(floor, &kvm, qemu)
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

    fn qemu() -> Option<VmmBinary> {
        let path = PathBuf::from("/usr/bin/qemu-system-x86_64");
        Some(VmmBinary {
            kind: VmmKind::Qemu,
            path: path.clone(),
            identity: FileIdentity {
                path,
                size: 1,
                ino: 2,
                modified: (3, 4),
            },
        })
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

    #[test]
    fn a_missing_vmm_is_named() {
        let floors = [
            IsolationFloor::Auto,
            IsolationFloor::Hardware,
            IsolationFloor::Emulated,
        ];
        for floor in floors {
            let error = Error::from(select(floor, &KvmVerdict::Works(SPEED), None).unwrap_err());
            assert_eq!(error.code(), ErrorCode::RuntimeDamaged);
            assert_eq!(error.message(), "no `qemu-system-x86_64` in the search path");
            assert!(error.hint().unwrap().contains("apt-get install qemu-system-x86"));
        }
    }

    #[test]
    fn a_refusal_gives_the_reason_and_the_way_out() {
        for kvm in broken() {
            // Also where no VMM is installed: the demand is what cannot be met.
            let error = Error::from(select(IsolationFloor::Hardware, &kvm, None).unwrap_err());
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
        let error = choose(&settings, IsolationFloor::Emulated).unwrap_err();
        assert!(matches!(error, IsolationError::VmmMissing { .. }));
        assert!(!nowhere.exists());
    }
}
