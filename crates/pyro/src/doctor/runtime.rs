//! Whether kernel and agent are there and unchanged.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::finding::{fail, pass};
use crate::object::DoctorCheck;
use crate::settings::Settings;

/// What was found.
pub(super) struct Runtime {
    pub(super) checks: Vec<DoctorCheck>,
    /// Whether every file is as it was made.
    pub(super) intact: bool,
    pub(super) value: Value,
}

const MANIFEST: &str = "manifest.json";
const FORMAT: u32 = 1;

/// Each check with the file that it is about and the name that people have for it.
const PARTS: [(&str, &str, &str); 2] = [
    ("runtime.kernel", "vmlinux", "kernel"),
    ("runtime.agent", "initramfs.cpio", "agent"),
];

const REINSTALL: &str = "reinstall pyro, or name a complete runtime: `PYRO_RUNTIME_DIR=<dir> pyro doctor`";

#[derive(Debug, Deserialize)]
struct Manifest {
    format: u32,
    pyro_version: String,
    kernel_release: String,
    files: BTreeMap<String, Part>,
}

#[derive(Debug, Deserialize)]
struct Part {
    sha256: String,
    size: u64,
}

/// Why a file of the runtime is no use.
#[derive(Debug, thiserror::Error)]
enum Damage {
    #[error("cannot read `{}`: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("`{}` has format {format}, not {FORMAT}", path.display())]
    Format { path: PathBuf, format: u32 },
    #[error("`{}` does not list `{name}`", path.display())]
    Unlisted { path: PathBuf, name: &'static str },
    #[error("`{}` has {found} bytes instead of {wanted}", path.display())]
    Size { path: PathBuf, found: u64, wanted: u64 },
    #[error("`{}` does not match its digest", path.display())]
    Digest { path: PathBuf },
}

/// Checks every file against the digest in the manifest.
pub(super) fn look(settings: &Settings) -> Runtime {
    let dir = match &settings.runtime_dir {
        Some(dir) => dir.clone(),
        None => beside_program(),
    };
    let manifest = match read_manifest(&dir) {
        Ok(manifest) => manifest,
        Err(damage) => {
            return Runtime {
                checks: PARTS
                    .map(|(id, ..)| fail(id, damage.to_string(), REINSTALL))
                    .to_vec(),
                intact: false,
                value: json!({"dir": dir}),
            };
        }
    };
    let mut value = json!({
        "dir": dir,
        "pyro_version": manifest.pyro_version,
        "kernel_release": manifest.kernel_release,
    });
    let mut intact = true;
    let checks = PARTS.map(|(id, name, people)| match verify(&dir, &manifest, name) {
        Ok(part) => {
            value[people] = json!({"path": dir.join(name), "sha256": part.sha256, "size_bytes": part.size});
            pass(
                id,
                format!("the {people} is unchanged ({} MiB)", part.size.div_ceil(1 << 20)),
            )
        }
        Err(damage) => {
            intact = false;
            value[people] = Value::Null;
            fail(id, damage.to_string(), REINSTALL)
        }
    });
    Runtime {
        checks: checks.to_vec(),
        intact,
        value,
    }
}

/// Where a release has it: `../lib/pyro` from the directory of the program.
fn beside_program() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let dir = program.parent().unwrap_or_else(|| Path::new("/"));
    dir.parent().unwrap_or(dir).join("lib/pyro")
}

fn read_manifest(dir: &Path) -> Result<Manifest, Damage> {
    let path = dir.join(MANIFEST);
    let read = || -> io::Result<Manifest> { Ok(serde_json::from_slice(&std::fs::read(&path)?)?) };
    let manifest = match read() {
        Ok(manifest) => manifest,
        Err(source) => return Err(Damage::Unreadable { path, source }),
    };
    match manifest.format {
        FORMAT => Ok(manifest),
        format => Err(Damage::Format { path, format }),
    }
}

fn verify<'a>(dir: &Path, manifest: &'a Manifest, name: &'static str) -> Result<&'a Part, Damage> {
    let Some(part) = manifest.files.get(name) else {
        let path = dir.join(MANIFEST);
        return Err(Damage::Unlisted { path, name });
    };
    let path = dir.join(name);
    let (digest, found) = match hash(&path) {
        Ok(hashed) => hashed,
        Err(source) => return Err(Damage::Unreadable { path, source }),
    };
    if found != part.size {
        let wanted = part.size;
        return Err(Damage::Size { path, found, wanted });
    }
    if !digest.eq_ignore_ascii_case(&part.sha256) {
        return Err(Damage::Digest { path });
    }
    Ok(part)
}

fn hash(path: &Path) -> io::Result<(String, u64)> {
    let mut file = File::open(path)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 256 << 10];
    let mut total = 0_u64;
    loop {
        let count = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        hasher.update(&buffer[..count]);
        total += u64::try_from(count).expect("a buffer's length fits 64 bits");
    }
    let digest = hasher.finalize();
    Ok((digest.iter().map(|byte| format!("{byte:02x}")).collect(), total))
}
