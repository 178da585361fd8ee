//! Whether kernel and agent are there and unchanged.

use serde_json::{Value, json};

use super::finding::{fail, pass};
use crate::error::Diagnosis;
use crate::object::DoctorCheck;
use crate::runtime::{INITRAMFS, KERNEL, Runtime as Files, RuntimeError};
use crate::settings::Settings;

/// What was found.
pub(super) struct Runtime {
    pub(super) checks: Vec<DoctorCheck>,
    /// Whether every file is as it was made.
    pub(super) intact: bool,
    pub(super) value: Value,
}

/// Each check with the file that it is about and the name that people have for it.
const PARTS: [(&str, &str, &str); 2] = [
    ("runtime.kernel", KERNEL, "kernel"),
    ("runtime.agent", INITRAMFS, "agent"),
];

/// Checks every file against the digest in the manifest.
pub(super) fn look(settings: &Settings) -> Runtime {
    let files = match Files::open(settings) {
        Ok(files) => files,
        Err(error) => {
            let checks = PARTS.map(|(id, ..)| failed(id, &error)).to_vec();
            return Runtime {
                checks,
                intact: false,
                value: json!({}),
            };
        }
    };
    let manifest = files.manifest();
    let mut value = json!({
        "dir": files.dir(),
        "pyro_version": manifest.pyro_version,
        "kernel_release": manifest.kernel_release,
    });
    let mut intact = true;
    // The agent of this host is the one of guests in another file.
    let verify = |name| match files.verify_in_full(name) {
        Ok(size) if name == INITRAMFS => files.verify_agent_in_full().map(|()| size),
        verified => verified,
    };
    let checks = PARTS.map(|(id, name, people)| match verify(name) {
        Ok(size) => {
            value[people] = json!({"path": files.dir().join(name), "size_bytes": size});
            pass(
                id,
                format!("the {people} is unchanged ({} MiB)", size.div_ceil(1 << 20)),
            )
        }
        Err(error) => {
            intact = false;
            value[people] = Value::Null;
            failed(id, &error)
        }
    });
    Runtime {
        checks: checks.to_vec(),
        intact,
        value,
    }
}

fn failed(id: &str, error: &RuntimeError) -> DoctorCheck {
    let cause = std::error::Error::source(error)
        .map(|source| format!(": {source}"))
        .unwrap_or_default();
    let fix = error.hint().expect("every error of the runtime has a hint");
    fail(id, format!("{error}{cause}"), fix)
}
