//! The files that belong to pyro itself and boot every guest: a kernel and an initramfs with the agent.

use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::digest;
use crate::error::{Diagnosis, ErrorCode};
use crate::settings::Settings;

/// The name of the kernel in a runtime directory.
pub(crate) const KERNEL: &str = "vmlinux";

/// The name of the initramfs in a runtime directory.
pub(crate) const INITRAMFS: &str = "initramfs.cpio";

/// The name of the agent in a runtime directory.
const AGENT: &str = "pyro-agent";

const MANIFEST: &str = "manifest.json";
const MANIFEST_FORMAT: u32 = 1;

/// Where what was verified last is remembered, in the cache directory.
const VERIFIED: &str = "runtime-verified.json";

/// A runtime directory whose manifest was read.
#[derive(Debug, Clone)]
pub(crate) struct Runtime {
    dir: PathBuf,
    manifest: Manifest,
}

/// What a runtime directory must hold.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Manifest {
    format: u32,
    /// The version of pyro that the files belong to.
    pub(crate) pyro_version: String,
    /// The kernel's release, as `uname -r` prints it in a guest.
    pub(crate) kernel_release: String,
    files: BTreeMap<String, FileEntry>,
    /// The agent as a program of this host, for commands without a guest.
    agent: Option<FileEntry>,
}

/// What a file of the runtime must be.
#[derive(Debug, Clone, Deserialize)]
struct FileEntry {
    sha256: String,
    size: u64,
}

/// A runtime that cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeError {
    /// No directory to look in.
    #[error("the runtime directory cannot be located")]
    NoPlace(#[source] std::io::Error),
    /// A file that cannot be read.
    #[error("the runtime file `{}` cannot be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A manifest that does not read as one.
    #[error("the runtime manifest `{}` is damaged", path.display())]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// A manifest of another format or without an entry.
    #[error("the runtime manifest `{}` is of another version of pyro", path.display())]
    Foreign {
        /// The manifest.
        path: PathBuf,
    },
    /// A file that is not what the manifest says.
    #[error("`{}` does not match its digest", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
    },
}

impl Diagnosis for RuntimeError {
    fn code(&self) -> ErrorCode {
        ErrorCode::RuntimeDamaged
    }

    fn hint(&self) -> Option<String> {
        Some(
            "reinstall pyro (from a checkout: `cargo xtask runtime`), or point PYRO_RUNTIME_DIR at its files"
                .into(),
        )
    }
}

/// What identifies an unchanged file without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    size: u64,
    device: u64,
    inode: u64,
    changed_ns: i128,
}

/// What was verified, by path.
type Verified = BTreeMap<PathBuf, (String, Identity)>;

impl Runtime {
    /// Reads the manifest of the runtime that these settings name, or of the one installed with this program.
    ///
    /// # Errors
    /// [`RuntimeError`] if there is none or it belongs to another version.
    pub(crate) fn open(settings: &Settings) -> Result<Self, RuntimeError> {
        let dir = match &settings.runtime_dir {
            Some(dir) => dir.clone(),
            None => beside_the_program()?,
        };
        let path = dir.join(MANIFEST);
        let bytes = fs::read(&path).map_err(|source| RuntimeError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let manifest: Manifest = serde_json::from_slice(&bytes).map_err(|source| RuntimeError::Manifest {
            path: path.clone(),
            source,
        })?;
        let complete = [KERNEL, INITRAMFS]
            .iter()
            .all(|name| manifest.files.contains_key(*name));
        if manifest.format != MANIFEST_FORMAT || !complete {
            return Err(RuntimeError::Foreign { path });
        }
        Ok(Self { dir, manifest })
    }

    /// The directory.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// What the manifest says.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The digests of kernel and initramfs, as the manifest says.
    pub(crate) fn digests(&self) -> [&str; 2] {
        [KERNEL, INITRAMFS].map(|name| {
            let entry = self.manifest.files.get(name);
            entry.map_or("", |entry| &entry.sha256)
        })
    }

    /// The uncompressed kernel.
    pub(crate) fn kernel(&self) -> PathBuf {
        self.dir.join(KERNEL)
    }

    /// The initramfs with the agent.
    pub(crate) fn initramfs(&self) -> PathBuf {
        self.dir.join(INITRAMFS)
    }

    /// Compares one file of the manifest with its digest, in full, and returns its size in bytes.
    ///
    /// # Errors
    /// [`RuntimeError`] if it is missing or changed.
    pub(crate) fn verify_in_full(&self, name: &str) -> Result<u64, RuntimeError> {
        match self.manifest.files.get(name) {
            Some(entry) => self.verify_file(name, entry).map(|identity| identity.size),
            None => Err(RuntimeError::Foreign {
                path: self.dir.join(MANIFEST),
            }),
        }
    }

    /// Compares the agent of this host with its digest, in full, if the runtime has one.
    ///
    /// # Errors
    /// [`RuntimeError`] if it is missing or changed.
    pub(crate) fn verify_agent_in_full(&self) -> Result<(), RuntimeError> {
        let entry = self.manifest.agent.as_ref();
        entry.map_or(Ok(()), |entry| self.verify_file(AGENT, entry).map(|_| ()))
    }

    /// Compares files that were not verified before, or have changed since, with their digests.
    ///
    /// What was verified is remembered in the cache directory; where that cannot be written, every call hashes.
    ///
    /// # Errors
    /// [`RuntimeError`] naming the first file that is missing or changed.
    pub(crate) fn verify(&self, cache_dir: &Path) -> Result<(), RuntimeError> {
        let files = self.manifest.files.iter();
        self.verify_once(files.map(|(name, entry)| (name.as_str(), entry)), cache_dir)
    }

    /// The agent as a program of this host, compared with its digest as [`Self::verify`] does with the other files.
    ///
    /// # Errors
    /// [`RuntimeError`] if the runtime has none, or it is missing or changed.
    pub(crate) fn agent(&self, cache_dir: &Path) -> Result<PathBuf, RuntimeError> {
        let entry = self.manifest.agent.as_ref();
        let entry = entry.ok_or_else(|| RuntimeError::Foreign {
            path: self.dir.join(MANIFEST),
        })?;
        self.verify_once([(AGENT, entry)], cache_dir)?;
        Ok(self.dir.join(AGENT))
    }

    fn verify_once<'a>(
        &self,
        files: impl IntoIterator<Item = (&'a str, &'a FileEntry)>,
        cache_dir: &Path,
    ) -> Result<(), RuntimeError> {
        let record = cache_dir.join(VERIFIED);
        let mut verified: Verified = fs::read(&record)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_default();
        let mut learned = false;
        for (name, entry) in files {
            let path = self.dir.join(name);
            let now = identity(&path)?;
            if verified.get(&path) != Some(&(entry.sha256.clone(), now)) {
                let identity = self.verify_file(name, entry)?;
                verified.insert(path, (entry.sha256.clone(), identity));
                learned = true;
            }
        }
        if learned && let Ok(bytes) = serde_json::to_vec(&verified) {
            // Losing this costs the next start a hash, nothing else.
            let _unwritten = crate::dirs::publish(cache_dir, VERIFIED, &bytes);
        }
        Ok(())
    }

    fn verify_file(&self, name: &str, entry: &FileEntry) -> Result<Identity, RuntimeError> {
        let path = self.dir.join(name);
        let unreadable = |source| RuntimeError::Unreadable {
            path: path.clone(),
            source,
        };
        let before = identity(&path)?;
        let file = fs::File::open(&path).map_err(unreadable)?;
        let (digest, _) = digest::sha256(file).map_err(unreadable)?;
        if digest == entry.sha256 && before.size == entry.size {
            Ok(before)
        } else {
            Err(RuntimeError::Changed { path })
        }
    }
}

fn identity(path: &Path) -> Result<Identity, RuntimeError> {
    let metadata = fs::metadata(path).map_err(|source| RuntimeError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    Ok(Identity {
        size: metadata.len(),
        device: metadata.dev(),
        inode: metadata.ino(),
        changed_ns: digest::changed_ns(&metadata),
    })
}

/// `bin/pyro` finds `lib/pyro`, wherever the two were installed together.
fn beside_the_program() -> Result<PathBuf, RuntimeError> {
    let program = std::env::current_exe().map_err(RuntimeError::NoPlace)?;
    let prefix = program
        .parent()
        .and_then(Path::parent)
        .unwrap_or_else(|| Path::new("/"));
    Ok(prefix.join("lib").join("pyro"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime_dir() -> (tempfile::TempDir, Settings) {
        let dir = tempfile::tempdir().unwrap();
        for name in [KERNEL, INITRAMFS] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let entry = |name: &str| {
            let (digest, _) = digest::sha256(name.as_bytes()).unwrap();
            serde_json::json!({"sha256": digest, "size": name.len()})
        };
        let manifest = serde_json::json!({
            "format": 1, "pyro_version": "0", "kernel_release": "6",
            "files": {KERNEL: entry(KERNEL), INITRAMFS: entry(INITRAMFS)},
            "agent": entry(AGENT),
        });
        fs::write(dir.path().join(MANIFEST), manifest.to_string()).unwrap();
        let mut settings = Settings::new(dir.path().join("home"), dir.path().join("cache"));
        settings.runtime_dir = Some(dir.path().to_owned());
        fs::create_dir(&settings.cache_dir).unwrap();
        (dir, settings)
    }

    #[test]
    fn a_changed_file_is_named_even_after_it_was_verified() {
        let (_dir, settings) = runtime_dir();
        let runtime = Runtime::open(&settings).unwrap();
        runtime.verify(&settings.cache_dir).unwrap();
        assert!(settings.cache_dir.join(VERIFIED).exists());
        fs::write(runtime.kernel(), "vmlinuX").unwrap();
        let error = runtime.verify(&settings.cache_dir).unwrap_err();
        assert!(
            error.to_string().contains("vmlinux` does not match its digest"),
            "{error}"
        );
    }

    #[test]
    fn the_agent_is_verified_for_itself_and_no_guest_needs_it() {
        let (dir, settings) = runtime_dir();
        let runtime = Runtime::open(&settings).unwrap();
        runtime.verify(&settings.cache_dir).unwrap();
        let path = dir.path().join(AGENT);
        let missing = runtime.agent(&settings.cache_dir).unwrap_err();
        assert!(matches!(missing, RuntimeError::Unreadable { path: at, .. } if at == path));
        fs::write(&path, AGENT).unwrap();
        assert_eq!(runtime.agent(&settings.cache_dir).unwrap(), path);
        fs::write(&path, "pyro-agenT").unwrap();
        runtime.verify_agent_in_full().unwrap_err();
        let changed = runtime.agent(&settings.cache_dir).unwrap_err();
        assert!(matches!(changed, RuntimeError::Changed { path: at } if at == path));
        runtime.verify(&settings.cache_dir).unwrap();
    }

    #[test]
    fn a_runtime_without_agent_serves_guests_alone() {
        let (dir, settings) = runtime_dir();
        let path = dir.path().join(MANIFEST);
        let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        manifest.as_object_mut().unwrap().remove("agent");
        fs::write(&path, manifest.to_string()).unwrap();
        let runtime = Runtime::open(&settings).unwrap();
        runtime.verify(&settings.cache_dir).unwrap();
        runtime.verify_agent_in_full().unwrap();
        let refused = runtime.agent(&settings.cache_dir).unwrap_err();
        assert!(matches!(refused, RuntimeError::Foreign { .. }));
    }

    #[test]
    fn an_absent_runtime_is_an_error_with_a_hint() {
        let mut settings = Settings::new("/nonexistent", "/nonexistent");
        settings.runtime_dir = Some("/nonexistent".into());
        let error = crate::Error::from(Runtime::open(&settings).unwrap_err());
        assert_eq!(error.code(), ErrorCode::RuntimeDamaged);
        assert!(error.hint().unwrap().contains("PYRO_RUNTIME_DIR"));
    }
}
