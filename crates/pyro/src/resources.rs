//! How large a VM is.

use std::ops::RangeInclusive;

use serde::Serialize;

use crate::argument::{self, InvalidArgument};

/// Virtual CPUs of a VM.
pub const VCPU_COUNT: RangeInclusive<u64> = 1..=32;

/// The least memory of a VM, in MiB; the most is what the host has.
pub const MIN_MEM_MIB: u64 = 128;

/// The quota of a VM's own disk, in GiB.
pub const DISK_GIB: RangeInclusive<u64> = 1..=1024;

/// The size of a VM, within the limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Resources {
    vcpu_count: u32,
    mem_mib: u32,
    disk_gib: u32,
}

impl Resources {
    /// Checks a size.
    ///
    /// `host_mem_mib` is all the memory that the host has.
    ///
    /// # Errors
    /// [`InvalidArgument::OutOfRange`] for the first value outside its range.
    pub fn new(
        vcpu_count: u64,
        mem_mib: u64,
        disk_gib: u64,
        host_mem_mib: u64,
    ) -> Result<Self, InvalidArgument> {
        let memory = MIN_MEM_MIB..=host_mem_mib.max(MIN_MEM_MIB).min(u64::from(u32::MAX));
        Ok(Self {
            vcpu_count: narrow(argument::in_range("vcpu_count", vcpu_count, &VCPU_COUNT)?),
            mem_mib: narrow(argument::in_range("mem_mib", mem_mib, &memory)?),
            disk_gib: narrow(argument::in_range("disk_gib", disk_gib, &DISK_GIB)?),
        })
    }

    /// Virtual CPUs.
    pub fn vcpu_count(self) -> u32 {
        self.vcpu_count
    }

    /// Memory, in MiB.
    pub fn mem_mib(self) -> u32 {
        self.mem_mib
    }

    /// The quota of the VM's own disk, in GiB.
    pub fn disk_gib(self) -> u32 {
        self.disk_gib
    }
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            vcpu_count: 1,
            mem_mib: 1024,
            disk_gib: 10,
        }
    }
}

fn narrow(value: u64) -> u32 {
    u32::try_from(value).expect("every range of a size ends within 32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_out_of_range_names_the_value_and_the_range() {
        let error = Resources::new(1, 64, 10, 63_000).unwrap_err();
        assert_eq!(error.to_string(), "`mem_mib` must be 128–63000, got 64");
        Resources::new(33, 512, 10, 63_000).unwrap_err();
        Resources::new(1, 512, 0, 63_000).unwrap_err();
        Resources::new(0, 512, 1, 63_000).unwrap_err();
    }
}
