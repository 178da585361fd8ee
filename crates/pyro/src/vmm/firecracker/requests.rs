//! What Firecracker is told, as pure functions of the machine.
//!
//! The requests are those of its API, `firecracker.yaml` in its sources.

use serde_json::{Value, json};

use super::super::{DiskAccess, MachineSpec, kernel};

/// Paths that Firecracker opens; none of them exists.
pub(super) const KERNEL: &str = "/kernel";
pub(super) const INITRAMFS: &str = "/initramfs";
pub(super) const MEMORY: &str = "/memory";
pub(super) const DEVICES: &str = "/devices";
/// One for each disk that a machine may have.
pub(super) const DISKS: [&str; 3] = ["/disk0", "/disk1", "/disk2"];

/// The guest's own vsock address, which only the guest sees; those below it have a meaning (vsock(7)).
const GUEST_CONTEXT: u32 = 3;

/// In their order, all that leads to a booted machine. One that is to be saved keeps account of the memory that it writes
/// to, as only that is saved.
pub(super) fn boot(spec: &MachineSpec, to_save: bool) -> Vec<(&'static str, Value)> {
    let machine = json!({
        "vcpu_count": spec.resources.vcpu_count(),
        "mem_size_mib": spec.resources.mem_mib(),
        "track_dirty_pages": to_save,
    });
    // The guest's reboot, as its way out, is a keyboard controller's; there is no PCI to look for.
    let line = kernel::command_line(spec, &["reboot=k", "pci=off", "pyro.bus=mmio"]);
    let source = json!({"kernel_image_path": KERNEL, "initrd_path": INITRAMFS, "boot_args": line});
    let mut requests = vec![("/machine-config", machine), ("/boot-source", source)];
    let paths = ["/drives/disk0", "/drives/disk1", "/drives/disk2"];
    for (index, (path, disk)) in paths.into_iter().zip(&spec.disks).enumerate() {
        requests.push((path, drive(index, disk.access)));
    }
    requests.push((
        "/vsock",
        json!({"guest_cid": GUEST_CONTEXT, "uds_path": super::inside::VSOCK}),
    ));
    requests.push(("/actions", json!({"action_type": "InstanceStart"})));
    requests
}

fn drive(index: usize, access: DiskAccess) -> Value {
    json!({
        "drive_id": format!("disk{index}"),
        "path_on_host": DISKS[index],
        "is_root_device": false,
        "is_read_only": access == DiskAccess::ReadOnly,
        "cache_type": match access {
            // Nothing of it is needed once the machine is gone.
            DiskAccess::ReadOnly | DiskAccess::Scratch => "Unsafe",
            DiskAccess::Kept => "Writeback",
        },
        "io_engine": "Sync",
    })
}

/// Stops the guest's processors.
pub(super) fn pause() -> Value {
    json!({"state": "Paused"})
}

/// Saves a paused machine: of its memory, what it ever wrote to; the rest reads as zeros.
pub(super) fn save() -> Value {
    json!({"snapshot_type": "Diff", "snapshot_path": DEVICES, "mem_file_path": MEMORY})
}

/// Makes a fresh Firecracker the saved machine and lets its guest run. The memory is mapped, private and on demand.
pub(super) fn restore() -> Value {
    json!({
        "snapshot_path": DEVICES,
        "mem_backend": {"backend_type": "File", "backend_path": MEMORY},
        "resume_vm": true,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::tests::spec;
    use super::*;
    use crate::isolation::Isolation;

    #[test]
    fn a_machine_has_its_size_its_disks_and_no_network() {
        let spec = spec(Isolation::Hardware);
        let requests = boot(&spec, false);
        let paths: Vec<&str> = requests.iter().map(|(path, _)| *path).collect();
        let expected = [
            "/machine-config",
            "/boot-source",
            "/drives/disk0",
            "/drives/disk1",
            "/drives/disk2",
            "/vsock",
            "/actions",
        ];
        assert_eq!(paths, expected);
        let machine = json!({"vcpu_count": 2, "mem_size_mib": 512, "track_dirty_pages": false});
        assert_eq!(requests[0].1, machine);
        let line = requests[1].1["boot_args"].as_str().unwrap();
        assert!(
            line.contains("pyro.nonce=00ff") && line.contains("pyro.bus=mmio"),
            "{line}"
        );
        assert_eq!(requests[2].1["is_read_only"], true);
        assert_eq!(requests[3].1["is_read_only"], false);
        assert_eq!(requests[4].1["is_read_only"], true);
    }

    #[test]
    fn only_a_machine_that_is_saved_keeps_account_of_its_memory() {
        let requests = boot(&spec(Isolation::Hardware), true);
        assert_eq!(requests[0].1["track_dirty_pages"], true);
        assert_eq!(save()["mem_file_path"], restore()["mem_backend"]["backend_path"]);
        assert_eq!(save()["snapshot_path"], restore()["snapshot_path"]);
    }
}
