//! Whether KVM runs guests here: found out by running one.
//!
//! That `/dev/kvm` opens and creates VMs proves nothing. Under nested para-virtualised KVM a foreign guest is
//! interpreted one instruction at a time, about 1 µs each, and a kernel never gets anywhere. So the verdict comes
//! from a small guest that counts, under a bound on the time it takes ([`guest`]), is that of its fastest slice
//! ([`pace`]), and is kept for the rest of the host's boot ([`cache`]).

mod cache;
mod guest;
mod pace;
mod probe;

use std::fmt;

use serde::{Deserialize, Serialize};

pub(crate) use probe::KvmProbe;

/// The device of KVM.
pub(crate) const DEVICE: &str = "/dev/kvm";

/// What KVM can do on this host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub(crate) enum KvmVerdict {
    /// There is no device.
    Absent,
    /// This user may not open the device.
    NotAccessible,
    /// The device opens, and a VM with one CPU cannot be made of it.
    CreatesNoVm {
        /// The step and the system's answer.
        cause: String,
    },
    /// The guest runs, too slowly for a kernel ever to boot.
    TooSlow(Speed),
    /// An entry into the guest had to be broken off.
    NoProgress {
        /// How long it was waited for, in milliseconds.
        waited_ms: u64,
    },
    /// The guest could not be entered, or left in a way that it never should.
    EntryFailed {
        /// The system's answer or the exit.
        cause: String,
    },
    /// The probe's guest ran, and then a real one did not boot.
    Withdrawn {
        /// What that one died of.
        reason: String,
    },
    /// The guest runs.
    Works(Speed),
}

/// How fast the probe's guest was where it was fastest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Speed {
    /// Instructions that it ran.
    pub(crate) instructions: u64,
    /// The time that they took, in microseconds.
    pub(crate) cpu_us: u64,
}

impl Speed {
    /// Nanoseconds per instruction, rounded down.
    pub(crate) fn ns_per_instruction(self) -> u64 {
        self.cpu_us.saturating_mul(1000) / self.instructions.max(1)
    }
}

impl KvmVerdict {
    /// Whether guests run.
    pub(crate) fn works(&self) -> bool {
        matches!(self, Self::Works(_))
    }

    /// What the user can do about it, if anything.
    pub(crate) fn fix(&self) -> Option<&'static str> {
        match self {
            Self::Works(_) => None,
            Self::NotAccessible => {
                Some("add yourself to group kvm: `sudo usermod -aG kvm \"$USER\"`, then log in again")
            }
            Self::Absent => Some(
                "turn on virtualisation in the firmware, or nested virtualisation of this VM, and run `sudo modprobe kvm_intel || sudo modprobe kvm_amd`",
            ),
            Self::CreatesNoVm { .. } | Self::EntryFailed { .. } | Self::NoProgress { .. } => Some(
                "look for the cause with `sudo dmesg | grep -i kvm`; until then the emulated tier is used",
            ),
            Self::TooSlow(_) => Some(
                "this host is a VM whose KVM interprets guests: use one with full nested virtualisation, or `--isolation emulated`",
            ),
            Self::Withdrawn { .. } => Some(
                "remove `probe.json` from the cache directory to try KVM again; until then the emulated tier is used",
            ),
        }
    }

    /// Whether another look is as good as certain to find the same until the host, its kernel or the device changes.
    fn is_lasting(&self) -> bool {
        match self {
            Self::CreatesNoVm { .. }
            | Self::TooSlow(_)
            | Self::EntryFailed { .. }
            | Self::Withdrawn { .. }
            | Self::Works(_) => true,
            // The first two cost one system call to find; a stalled entry may have been the host's load.
            Self::Absent | Self::NotAccessible | Self::NoProgress { .. } => false,
        }
    }
}

impl fmt::Display for KvmVerdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => write!(formatter, "{DEVICE} does not exist"),
            Self::NotAccessible => write!(formatter, "{DEVICE}: permission denied"),
            Self::CreatesNoVm { cause } => write!(formatter, "KVM creates no VM: {cause}"),
            Self::TooSlow(speed) => write!(
                formatter,
                "KVM runs a guest at {} ns per instruction, too slow to boot one",
                speed.ns_per_instruction()
            ),
            Self::NoProgress { waited_ms } => {
                write!(formatter, "KVM cannot run a guest: no exit within {waited_ms} ms")
            }
            Self::EntryFailed { cause } => write!(formatter, "KVM cannot start a guest: {cause}"),
            Self::Withdrawn { reason } => write!(formatter, "a VM on KVM did not boot: {reason}"),
            Self::Works(speed) => write!(
                formatter,
                "KVM runs a guest ({} instructions in {} µs)",
                speed.instructions, speed.cpu_us
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_says_why_and_what_to_do() {
        let slow = KvmVerdict::TooSlow(Speed {
            instructions: 48_000,
            cpu_us: 51_000,
        });
        assert_eq!(
            slow.to_string(),
            "KVM runs a guest at 1062 ns per instruction, too slow to boot one"
        );
        assert!(KvmVerdict::NotAccessible.fix().unwrap().contains("group kvm"));
        assert!(!slow.works());
    }

    #[test]
    fn only_what_lasts_is_kept() {
        assert!(!KvmVerdict::Absent.is_lasting());
        assert!(!KvmVerdict::NotAccessible.is_lasting());
        assert!(!KvmVerdict::NoProgress { waited_ms: 80 }.is_lasting());
        let reason = "no answer".to_owned();
        assert!(KvmVerdict::Withdrawn { reason }.is_lasting());
    }

    #[test]
    fn a_guest_that_ran_nothing_has_a_speed_all_the_same() {
        let none = Speed {
            instructions: 0,
            cpu_us: 3,
        };
        assert_eq!(none.ns_per_instruction(), 3000);
    }
}
