//! How much memory there is for VMs.

use std::path::Path;

use serde_json::{Value, json};

use super::finding::{pass, warn};
use crate::admission;
use crate::object::DoctorCheck;
use crate::resources::Resources;

const ID: &str = "memory";

/// Checks that a VM of the usual size would be admitted.
pub(super) fn look(home: &Path) -> (DoctorCheck, Value) {
    let Some(free) = admission::memory(home) else {
        let fix = "mount the process file system: `sudo mount -t proc proc /proc`";
        return (warn(ID, "the host does not tell its memory", fix), Value::Null);
    };
    let value = json!({
        "total_bytes": free.total,
        "available_bytes": free.available,
        "reserved_bytes": free.outstanding,
        "for_vms_bytes": free.for_vms,
    });
    let mebibytes = free.for_vms >> 20;
    let usual = u64::from(Resources::default().mem_mib());
    let check = if mebibytes >= usual {
        pass(ID, format!("{mebibytes} MiB for VMs"))
    } else {
        warn(
            ID,
            format!("{mebibytes} MiB for VMs, less than the {usual} MiB of a VM of the usual size"),
            "end other programs (`ps aux --sort -rss | head`), or use `--mem-mib 256`",
        )
    };
    (check, value)
}
