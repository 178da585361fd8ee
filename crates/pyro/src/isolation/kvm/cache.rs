//! The verdict on disk, so that one probe serves all processes until the host boots again.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{DEVICE, KvmVerdict};
use crate::dirs::{self, CacheDir};
use crate::isolation::binary::{FileIdentity, VmmBinary};

const FILE: &str = "probe.json";
const FORMAT: u32 = 1;

/// Everything that may change what KVM can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Key {
    boot_id: String,
    kernel_release: String,
    vmm: Option<FileIdentity>,
    device: Device,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Device {
    dev: u64,
    ino: u64,
    rdev: u64,
    mode: u32,
    uid: u32,
    gid: u32,
}

/// A verdict and what it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    format: u32,
    key: Key,
    /// What the probe found.
    pub(super) verdict: KvmVerdict,
    /// Whether a real VM has booted since: from then on one that does not boot has other reasons.
    pub(super) confirmed: bool,
}

impl Key {
    /// The key of this moment.
    ///
    /// # Errors
    /// If the kernel or the device does not say what it is; nothing can be remembered then.
    pub(super) fn now(vmm: Option<&VmmBinary>) -> io::Result<Self> {
        let device = fs_err::metadata(DEVICE)?;
        Ok(Self {
            boot_id: fs_err::read_to_string("/proc/sys/kernel/random/boot_id")?
                .trim()
                .to_owned(),
            kernel_release: rustix::system::uname().release().to_string_lossy().into_owned(),
            vmm: vmm.map(|vmm| vmm.identity.clone()),
            device: Device {
                dev: device.dev(),
                ino: device.ino(),
                rdev: device.rdev(),
                mode: device.mode(),
                uid: device.uid(),
                gid: device.gid(),
            },
        })
    }
}

/// Reads what is known for this key. A file that is not there, not readable or of another key says nothing.
pub(super) fn load(cache_dir: &Path, key: &Key) -> Option<Entry> {
    // A verdict that another user could have written is not believed.
    dirs::check_private(cache_dir).ok()?;
    let bytes = std::fs::read(cache_dir.join(FILE)).ok()?;
    let entry: Entry = serde_json::from_slice(&bytes).ok()?;
    (entry.format == FORMAT && entry.key == *key).then_some(entry)
}

/// Remembers a verdict. A cache that cannot be written costs the next process a probe and nothing else.
pub(super) fn store(cache_dir: &Path, key: Key, verdict: KvmVerdict, confirmed: bool) {
    let entry = Entry {
        format: FORMAT,
        key,
        verdict,
        confirmed,
    };
    let bytes = serde_json::to_vec(&entry).expect("a verdict has a JSON form");
    let stored = CacheDir::open(cache_dir).and_then(|dir| dirs::publish(dir.path(), FILE, &bytes));
    if let Err(error) = stored {
        tracing::debug!(%error, "the verdict on KVM is not cached");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::isolation::kvm::Speed;

    fn key(boot_id: &str) -> Key {
        Key {
            boot_id: boot_id.to_owned(),
            kernel_release: "6.1".to_owned(),
            vmm: None,
            device: Device {
                dev: 1,
                ino: 2,
                rdev: 3,
                mode: 0o20_660,
                uid: 0,
                gid: 4,
            },
        }
    }

    fn works() -> KvmVerdict {
        KvmVerdict::Works(Speed {
            instructions: 200_000,
            cpu_us: 300,
        })
    }

    #[test]
    fn a_verdict_holds_for_its_key_alone() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(load(dir.path(), &key("a")), None);
        store(dir.path(), key("a"), works(), true);
        let entry = load(dir.path(), &key("a")).unwrap();
        assert_eq!((entry.verdict, entry.confirmed), (works(), true));
        assert_eq!(load(dir.path(), &key("b")), None);
        let mut chmodded = key("a");
        chmodded.device.mode = 0o20_666;
        assert_eq!(load(dir.path(), &chmodded), None);
    }

    #[test]
    fn a_corrupt_or_newer_file_says_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for content in ["", "{", "[]", r#"{"format":1}"#] {
            std::fs::write(dir.path().join(FILE), content).unwrap();
            assert_eq!(load(dir.path(), &key("a")), None, "{content}");
        }
        store(dir.path(), key("a"), works(), false);
        let text = std::fs::read_to_string(dir.path().join(FILE)).unwrap();
        let newer = text.replace("\"format\":1", "\"format\":2");
        std::fs::write(dir.path().join(FILE), newer).unwrap();
        assert_eq!(load(dir.path(), &key("a")), None);
    }

    #[test]
    fn a_cache_that_cannot_be_written_is_no_failure() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("in-the-way");
        std::fs::write(&file, "").unwrap();
        store(&file, key("a"), works(), false);
        assert_eq!(load(&file, &key("a")), None);
    }
}
