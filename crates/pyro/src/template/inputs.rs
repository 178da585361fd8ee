//! Everything that a template depends on.

use std::io::Read;

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::isolation::{Choice, FileIdentity, Isolation};
use crate::object::VmmKind;
use crate::resources::Resources;

/// Raised whenever a machine is put together in another way, so that what was saved before does not fit it.
const MAKE: u32 = 4;

/// What of a processor a guest can tell, as `/proc/cpuinfo` names it (proc_cpuinfo(5)).
const CPU_FIELDS: [&str; 6] = [
    "vendor_id",
    "cpu family",
    "model",
    "stepping",
    "microcode",
    "flags",
];

/// What a template was made of. A template serves only a machine for which all of it is the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TemplateInputs {
    make: u32,
    pyro_version: String,
    /// The VMM's kind.
    pub(super) vmm: VmmKind,
    /// The VMM's program.
    pub(super) program: FileIdentity,
    isolation: Isolation,
    /// The digest of what a guest can tell of the host's processor and kernel.
    host: String,
    kernel: String,
    initramfs: String,
    /// The digest of the root file system image.
    pub(super) root: String,
    vcpu_count: u32,
    mem_mib: u32,
    disk_gib: u32,
    /// Whether the guest's disk is flushed when the guest wants it: a device of another kind for some VMMs.
    #[serde(default)]
    is_flushed: bool,
}

impl TemplateInputs {
    /// Gathers them. The digests are those of the kernel, the initramfs and the root file system image.
    pub(crate) fn new(
        choice: &Choice,
        [kernel, initramfs, root]: [&str; 3],
        resources: Resources,
        is_kept: bool,
    ) -> std::io::Result<Self> {
        Ok(Self {
            make: MAKE,
            pyro_version: env!("CARGO_PKG_VERSION").to_owned(),
            vmm: choice.vmm.kind,
            program: choice.vmm.identity.clone(),
            isolation: choice.isolation,
            host: host(choice.isolation)?,
            kernel: kernel.to_owned(),
            initramfs: initramfs.to_owned(),
            root: root.to_owned(),
            vcpu_count: resources.vcpu_count(),
            mem_mib: resources.mem_mib(),
            disk_gib: resources.disk_gib(),
            is_flushed: is_kept && choice.vmm.kind == VmmKind::Firecracker,
        })
    }

    /// What a template with these inputs is called: 64 hexadecimal digits.
    pub(crate) fn key(&self) -> String {
        let bytes = serde_json::to_vec(self).expect("inputs have string keys and no other way to fail");
        let (digest, _) = digest::sha256(&bytes[..]).expect("memory can be read");
        digest
    }

    /// The size of the guest's memory, in bytes.
    pub(crate) fn mem_bytes(&self) -> u64 {
        u64::from(self.mem_mib) << 20
    }

    /// Whether such a machine could be made of what is installed now: this pyro, kernel, initramfs and host.
    pub(super) fn fits(&self, [kernel, initramfs]: [&str; 2]) -> bool {
        self.make == MAKE
            && self.pyro_version == env!("CARGO_PKG_VERSION")
            && self.kernel == kernel
            && self.initramfs == initramfs
            && FileIdentity::of(&self.program.path).is_ok_and(|program| program == self.program)
            && host(self.isolation).is_ok_and(|host| host == self.host)
    }

    /// What it is for people.
    pub(super) fn describe(&self) -> String {
        let Self {
            vcpu_count,
            mem_mib,
            disk_gib,
            isolation,
            ..
        } = self;
        format!("{vcpu_count} vCPU, {mem_mib} MiB, {disk_gib} GiB, {isolation}")
    }
}

/// A guest with the host's own processor depends on that, and on the kernel whose KVM runs it. An emulated one has the
/// emulator's processor, some of whose features the emulator may take from the host's.
fn host(isolation: Isolation) -> std::io::Result<String> {
    // The first processor comes first; each of the others would cost time to print.
    let mut start = vec![0; 4096];
    let count = fs_err::File::open("/proc/cpuinfo")?.read(&mut start)?;
    let mut text = processor(&String::from_utf8_lossy(&start[..count]));
    if isolation == Isolation::Hardware {
        let kernel = rustix::system::uname();
        text.push_str(&kernel.release().to_string_lossy());
        text.push_str(&kernel.version().to_string_lossy());
    }
    let (digest, _) = digest::sha256(text.as_bytes())?;
    Ok(digest)
}

/// The lines about the first processor that stay the same while the host runs.
fn processor(cpuinfo: &str) -> String {
    let first = cpuinfo.split("\n\n").next().unwrap_or_default();
    let lasting = |line: &&str| {
        line.split_once(':')
            .is_some_and(|(name, _)| CPU_FIELDS.contains(&name.trim()))
    };
    first.lines().filter(lasting).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::isolation::VmmBinary;

    /// Inputs that fit this host, with `/bin/sh` in a VMM's place.
    pub(in crate::template) fn inputs() -> TemplateInputs {
        let path = std::path::PathBuf::from("/bin/sh");
        let choice = Choice {
            isolation: Isolation::Emulated,
            vmm: VmmBinary {
                kind: VmmKind::Qemu,
                identity: FileIdentity::of(&path).unwrap(),
                path,
            },
            next: None,
        };
        let resources = Resources::new(1, 512, 10, 4096).unwrap();
        TemplateInputs::new(&choice, ["kernel", "initramfs", "root"], resources, false).unwrap()
    }

    #[test]
    fn every_input_makes_another_key() {
        let base = serde_json::to_value(inputs()).unwrap();
        let names: Vec<String> = base.as_object().unwrap().keys().cloned().collect();
        assert_eq!(names.len(), 13);
        for name in names {
            let mut changed = base.clone();
            changed[&name] = match name.as_str() {
                "vmm" => "firecracker".into(),
                "isolation" => "hardware".into(),
                "program" => serde_json::json!({"path": "/bin/sh", "size": 1, "ino": 1, "modified": [1, 1]}),
                "is_flushed" => true.into(),
                "make" | "vcpu_count" | "mem_mib" | "disk_gib" => 7.into(),
                _ => "other".into(),
            };
            let changed: TemplateInputs = serde_json::from_value(changed).unwrap();
            assert_ne!(changed.key(), inputs().key(), "{name}");
        }
    }

    #[test]
    fn what_is_no_longer_installed_fits_no_more() {
        let inputs = inputs();
        assert!(inputs.fits(["kernel", "initramfs"]));
        assert!(!inputs.fits(["newer kernel", "initramfs"]));
        assert!(!inputs.fits(["kernel", "newer initramfs"]));
        let changes: [fn(&mut TemplateInputs); 4] = [
            |inputs| inputs.program.size += 1,
            |inputs| inputs.program.path = "/nonexistent/qemu".into(),
            |inputs| inputs.host = "another processor".to_owned(),
            |inputs| inputs.pyro_version = "0.0.1".to_owned(),
        ];
        for change in changes {
            let mut changed = inputs.clone();
            change(&mut changed);
            assert!(!changed.fits(["kernel", "initramfs"]), "{changed:?}");
        }
    }

    #[test]
    fn a_processor_is_known_by_its_flags_and_not_by_its_clock() {
        let text = |mhz: &str, flags: &str| {
            format!(
                "processor\t: 0\nmodel\t\t: 1\ncpu MHz\t\t: {mhz}\nflags\t\t: {flags}\n\nprocessor\t: 1\n"
            )
        };
        assert_eq!(
            processor(&text("2000.1", "fpu avx")),
            processor(&text("900.0", "fpu avx"))
        );
        assert_ne!(processor(&text("1", "fpu avx")), processor(&text("1", "fpu")));
    }
}
