//! Whether a VMM is installed, and which.

use serde_json::{Value, json};

use super::finding::{fail, pass};
use super::program;
use crate::isolation::{QEMU, VmmBinary};
use crate::object::DoctorCheck;
use crate::settings::Settings;

/// What was found.
pub(super) struct Vmm {
    pub(super) binary: Option<VmmBinary>,
    pub(super) check: DoctorCheck,
    pub(super) value: Value,
}

const ID: &str = "vmm.qemu";
const INSTALL: &str = "install QEMU: `sudo apt-get install qemu-system-x86`";

/// Finds QEMU and asks it for its version.
pub(super) async fn look(settings: &Settings) -> Vmm {
    let Some(binary) = VmmBinary::find_qemu(&settings.search_path) else {
        return Vmm {
            binary: None,
            check: fail(ID, format!("no `{QEMU}` in the search path"), INSTALL),
            value: Value::Null,
        };
    };
    let answer = program::ask(&binary.path, &["--version"]).await;
    let version = answer.as_deref().and_then(parse_version).map(str::to_owned);
    let value = json!({"kind": binary.kind, "path": binary.path, "version": version});
    let path = binary.path.display();
    match version {
        Some(version) => Vmm {
            check: pass(ID, format!("QEMU {version} at {path}")),
            binary: Some(binary),
            value,
        },
        None => Vmm {
            check: fail(
                ID,
                format!("`{path}` does not tell its version"),
                "reinstall QEMU: `sudo apt-get install --reinstall qemu-system-x86`",
            ),
            binary: None,
            value,
        },
    }
}

/// The version in "QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)".
fn parse_version(text: &str) -> Option<&str> {
    let (_, rest) = text.lines().next()?.split_once("version ")?;
    rest.split_ascii_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_the_word_after_version() {
        let text = "QEMU emulator version 7.2.22 (Debian 1:7.2)\nCopyright\n";
        assert_eq!(parse_version(text), Some("7.2.22"));
        assert_eq!(parse_version("QEMU emulator version 9.0.1"), Some("9.0.1"));
        assert_eq!(parse_version("hello"), None);
        assert_eq!(parse_version(""), None);
    }
}
