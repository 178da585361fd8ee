//! The ways to run VMs that the lab tries.

use std::fmt;

use clap::ValueEnum;

/// A VMM on working KVM. The names are those that the tests take from `PYRO_TEST_TIER`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Tier {
    #[value(name = "hardware/qemu")]
    Qemu,
    #[value(name = "hardware/firecracker")]
    Firecracker,
}

/// The tiers that are tried unless one is asked for.
pub(super) const TIERS: &[Tier] = &[Tier::Qemu, Tier::Firecracker];

impl Tier {
    /// Its name in names of files.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Qemu => "qemu",
            Self::Firecracker => "firecracker",
        }
    }

    /// Shell commands that make it the one that pyro chooses: Firecracker comes first where it is installed.
    pub(super) fn setup(self) -> &'static str {
        match self {
            Self::Qemu => "rm -f /usr/local/bin/firecracker",
            Self::Firecracker => "install -m 755 /lab/bin/firecracker /usr/local/bin/firecracker",
        }
    }
}

impl fmt::Display for Tier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Qemu => "hardware/qemu",
            Self::Firecracker => "hardware/firecracker",
        })
    }
}
