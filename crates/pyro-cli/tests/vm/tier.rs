//! The tier that the tests run on: what is demanded of every run, and what every result must tell.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness that fails must fail the test"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

/// Where VMMs are looked for.
pub(crate) const PATH: &str = "/usr/local/bin:/usr/bin:/bin";

/// A degree of isolation and the VMM that gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tier {
    /// For `PYRO_ISOLATION`.
    pub(crate) isolation: &'static str,
    pub(crate) vmm: &'static str,
}

const TIERS: [Tier; 3] = [
    Tier {
        isolation: "emulated",
        vmm: "qemu",
    },
    Tier {
        isolation: "hardware",
        vmm: "qemu",
    },
    Tier {
        isolation: "hardware",
        vmm: "firecracker",
    },
];

impl Tier {
    /// The one in `PYRO_TEST_TIER`; unset, the one that works on any host.
    pub(crate) fn wanted() -> Self {
        let Ok(name) = std::env::var("PYRO_TEST_TIER") else {
            return TIERS[0];
        };
        let found = TIERS
            .into_iter()
            .find(|tier| name == format!("{}/{}", tier.isolation, tier.vmm));
        found.unwrap_or_else(|| panic!("PYRO_TEST_TIER names no tier: {name}"))
    }

    /// Fails if a result comes from another tier. A failure comes from none.
    pub(crate) fn assert_is_of(self, result: &Value) {
        if result.get("error").is_none_or(Value::is_null) {
            assert_eq!(
                (&result["isolation"], &result["vmm"]),
                (&self.isolation.into(), &self.vmm.into()),
                "{result:#}"
            );
        }
    }

    /// The program of the VMM, as it is called.
    pub(crate) fn program(self) -> &'static str {
        match self.vmm {
            "qemu" => "qemu-system-x86_64",
            other => other,
        }
    }

    /// Puts a VMM into that directory which does the same and is another program, as far as anybody can tell.
    pub(crate) fn install_another_vmm(self, dir: &Path) {
        let program = self.program();
        let mut directories = PATH.split(':').map(Path::new);
        let found = directories.find(|bin| bin.join(program).is_file());
        let found = found
            .unwrap_or_else(|| panic!("no {program} in {PATH}"))
            .join(program);
        let another = dir.join(program);
        if self.vmm == "qemu" {
            // It finds its firmware relative to itself, so it must stay where it is.
            fs::write(&another, format!("#!/bin/sh\nexec {} \"$@\"\n", found.display())).unwrap();
        } else {
            // It is started in a root of its own, which has no shell.
            fs::copy(&found, &another).unwrap();
        }
        fs::set_permissions(&another, PermissionsExt::from_mode(0o755)).unwrap();
    }
}
