//! Which VMMs are installed.

use serde_json::{Value, json};

use super::finding::{fail, pass, warn};
use super::program;
use crate::isolation::{FIRECRACKER, KvmVerdict, QEMU, VmmBinary, Vmms};
use crate::object::DoctorCheck;
use crate::settings::Settings;

/// What was found.
pub(super) struct Found {
    /// Those that answer.
    pub(super) vmms: Vmms,
    qemu: Look,
    firecracker: Look,
}

/// A look at one program.
struct Look {
    binary: Option<VmmBinary>,
    version: Option<String>,
}

const QEMU_ID: &str = "vmm.qemu";
const FIRECRACKER_ID: &str = "vmm.firecracker";
const INSTALL_QEMU: &str = "install QEMU: `sudo apt-get install qemu-system-x86`";
const INSTALL_FIRECRACKER: &str =
    "install `firecracker` from its releases into a directory of PATH, such as `/usr/local/bin`";

/// Finds the VMMs and asks each for its version.
pub(super) async fn look(settings: &Settings) -> Found {
    let Vmms { firecracker, qemu } = Vmms::find(&settings.search_path);
    let (firecracker, qemu) = tokio::join!(
        ask(firecracker, parse_firecracker_version),
        ask(qemu, parse_qemu_version)
    );
    Found {
        vmms: Vmms {
            firecracker: firecracker.working(),
            qemu: qemu.working(),
        },
        qemu,
        firecracker,
    }
}

async fn ask(binary: Option<VmmBinary>, parse: fn(&str) -> Option<&str>) -> Look {
    let answer = match &binary {
        Some(binary) => program::ask(&binary.path, &["--version"]).await,
        None => None,
    };
    let version = answer.as_deref().and_then(parse).map(str::to_owned);
    Look { binary, version }
}

impl Look {
    fn working(&self) -> Option<VmmBinary> {
        self.binary.clone().filter(|_| self.version.is_some())
    }

    fn value(&self) -> Value {
        let Some(binary) = &self.binary else {
            return Value::Null;
        };
        json!({"kind": binary.kind, "path": binary.path, "version": self.version})
    }
}

impl Found {
    /// QEMU, as the report has it.
    pub(super) fn qemu_value(&self) -> Value {
        self.qemu.value()
    }

    /// Firecracker, as the report has it.
    pub(super) fn firecracker_value(&self) -> Value {
        self.firecracker.value()
    }

    /// What is right and wrong with them. Without KVM, Firecracker is of no use and nobody needs it; with it, VMs run
    /// without QEMU.
    pub(super) fn checks(&self, kvm: &KvmVerdict) -> Vec<DoctorCheck> {
        let has_another = kvm.works() && self.vmms.firecracker.is_some();
        vec![
            self.qemu.check((QEMU_ID, "QEMU"), || {
                let missing = format!("no `{QEMU}` in the search path");
                if has_another {
                    warn(QEMU_ID, format!("{missing}: VMs run on KVM only"), INSTALL_QEMU)
                } else {
                    fail(QEMU_ID, missing, INSTALL_QEMU)
                }
            }),
            self.firecracker.check((FIRECRACKER_ID, "Firecracker"), || {
                let missing = format!("no `{FIRECRACKER}` in the search path");
                if kvm.works() {
                    let slower = format!("{missing}: VMs on KVM run in QEMU, which starts more slowly");
                    warn(FIRECRACKER_ID, slower, INSTALL_FIRECRACKER)
                } else {
                    pass(
                        FIRECRACKER_ID,
                        format!("{missing}; without KVM it would be of no use"),
                    )
                }
            }),
        ]
    }
}

impl Look {
    fn check(&self, (id, name): (&str, &str), missing: impl Fn() -> DoctorCheck) -> DoctorCheck {
        let Some(binary) = &self.binary else {
            return missing();
        };
        let path = binary.path.display();
        match &self.version {
            Some(version) => pass(id, format!("{name} {version} at {path}")),
            None => fail(
                id,
                format!("`{path}` does not tell its version"),
                format!("reinstall {name}; see what `{path} --version` says"),
            ),
        }
    }
}

/// The version in "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)".
fn parse_qemu_version(text: &str) -> Option<&str> {
    let (_, rest) = text.lines().next()?.split_once("version ")?;
    rest.split_ascii_whitespace().next()
}

/// The version in "Firecracker v1.12.1".
fn parse_firecracker_version(text: &str) -> Option<&str> {
    text.lines()
        .next()?
        .strip_prefix("Firecracker v")?
        .split_ascii_whitespace()
        .next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::Speed;
    use crate::object::Status;

    #[test]
    fn versions_are_found_in_what_vmms_say() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright\n";
        assert_eq!(parse_qemu_version(text), Some("7.2.22"));
        assert_eq!(parse_qemu_version("QEMU emulator version 9.0.1"), Some("9.0.1"));
        assert_eq!(parse_qemu_version("hello"), None);
        assert_eq!(parse_qemu_version(""), None);
        let text = "Firecracker v1.12.1\n\n2026-11-24T10:00:00 [anonymous-instance:main] exiting\n";
        assert_eq!(parse_firecracker_version(text), Some("1.12.1"));
        assert_eq!(parse_firecracker_version("QEMU"), None);
    }

    fn nothing() -> Look {
        Look {
            binary: None,
            version: None,
        }
    }

    #[test]
    fn qemu_is_not_needed_where_firecracker_runs_vms() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::copy("/bin/true", dir.path().join(FIRECRACKER)).unwrap();
        let vmms = Vmms::find(&[dir.path().to_path_buf()]);
        let found = Found {
            firecracker: Look {
                binary: vmms.firecracker.clone(),
                version: Some("1.12.1".to_owned()),
            },
            vmms,
            qemu: nothing(),
        };
        let works = KvmVerdict::Works(Speed {
            instructions: 1,
            cpu_us: 1,
        });
        assert_eq!(found.checks(&works)[0].status, Status::Warn);
        assert_eq!(found.checks(&KvmVerdict::Absent)[0].status, Status::Fail);
    }

    #[test]
    fn firecracker_is_missed_only_where_kvm_works() {
        let found = Found {
            vmms: Vmms::default(),
            qemu: nothing(),
            firecracker: nothing(),
        };
        let statuses = |kvm: &KvmVerdict| {
            found
                .checks(kvm)
                .into_iter()
                .map(|check| check.status)
                .collect::<Vec<_>>()
        };
        assert_eq!(statuses(&KvmVerdict::Absent), [Status::Fail, Status::Pass]);
        let works = KvmVerdict::Works(Speed {
            instructions: 1,
            cpu_us: 1,
        });
        assert_eq!(statuses(&works), [Status::Fail, Status::Warn]);
    }
}
