//! What a VMM may use, as a pure function of its machine.
//!
//! These are bounds on a VMM that a guest has taken over, not budgets of one that works: a VMM that is short of memory
//! is killed, and one that is short of threads ends itself, so each bound is well beyond what was ever seen.

use std::fmt;
use std::os::fd::OwnedFd;

use crate::isolation::Isolation;
use crate::resources::Resources;
use crate::vmm::{Disk, DiskAccess};

const MIB: u64 = 1 << 20;

/// What any VMM may use besides its guest's memory: its own, and page cache of what it reads and writes.
const VMM_BYTES: u64 = 256 * MIB;

/// What an emulating VMM may use besides: translated code up to `tb-size`, and its records of that.
const TRANSLATOR_BYTES: u64 = (256 + 128) * MIB;

/// The part of a guest's memory that its page tables may take, the VMM's and KVM's: 8 bytes a page each, and some more.
const PAGE_TABLE_PART: u64 = 64;

/// The part of a guest's memory that an emulator may take for each virtual CPU to remember translated addresses: some
/// 80 bytes a page, in a table that is at most half full, in several modes.
const ADDRESS_PART: u64 = 8;

/// Threads of a VMM besides one for each virtual CPU. QEMU has up to 64 for its disks, and a few others.
const THREADS: u32 = 256;

/// The time over which CPU time is counted, in microseconds; the kernel's default.
const PERIOD_US: u64 = 100_000;

/// Magic numbers of file systems whose files are memory (statfs(2)).
const FILE_SYSTEMS_IN_MEMORY: [u64; 2] = [0x0102_1994, 0x8584_58f6];

/// What a cgroup's controller limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Controller {
    /// CPU time.
    Cpu,
    /// Memory, page cache included.
    Memory,
    /// Processes and threads.
    Pids,
}

impl Controller {
    /// All that pyro makes use of.
    pub(crate) const ALL: [Self; 3] = [Self::Cpu, Self::Memory, Self::Pids];

    /// Its name in `cgroup.controllers`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Pids => "pids",
        }
    }

    /// Those of a list as in `cgroup.controllers`.
    pub(super) fn listed(text: &str) -> Vec<Self> {
        let listed = |controller: &Self| {
            text.split_ascii_whitespace()
                .any(|word| word == controller.name())
        };
        Self::ALL.into_iter().filter(listed).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// The limits of one VMM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    memory_bytes: u64,
    threads: u32,
    cpus: u32,
}

impl Limits {
    /// Of a machine of that size and tier, which keeps so much of its disks in the host's memory.
    pub(crate) fn new(resources: Resources, isolation: Isolation, disks_in_memory_bytes: u64) -> Self {
        let guest = u64::from(resources.mem_mib()) * MIB;
        let vcpus = resources.vcpu_count();
        let emulator = match isolation {
            Isolation::Hardware | Isolation::Host => 0,
            Isolation::Emulated => TRANSLATOR_BYTES + u64::from(vcpus) * (guest / ADDRESS_PART),
        };
        Self {
            memory_bytes: guest + VMM_BYTES + guest / PAGE_TABLE_PART + emulator + disks_in_memory_bytes,
            threads: THREADS + vcpus,
            // Beside the guest's CPUs, the VMM works for its disks and channels.
            cpus: vcpus + 1,
        }
    }

    /// What sets a controller's limit: a file of the cgroup and its content.
    pub(super) fn of(&self, controller: Controller) -> (&'static str, String) {
        match controller {
            Controller::Cpu => (
                "cpu.max",
                format!("{} {PERIOD_US}", u64::from(self.cpus) * PERIOD_US),
            ),
            Controller::Memory => ("memory.max", self.memory_bytes.to_string()),
            Controller::Pids => ("pids.max", self.threads.to_string()),
        }
    }

    /// What belongs to a controller's limit, where the kernel has it: without a limit on swap, the one on memory would
    /// be none, and a process that is left of a VMM serves nobody.
    pub(super) fn besides(&self, controller: Controller) -> Vec<(&'static str, String)> {
        match controller {
            Controller::Memory => vec![
                ("memory.swap.max", self.memory_bytes.to_string()),
                ("memory.oom.group", "1".to_owned()),
            ],
            Controller::Cpu | Controller::Pids => Vec::new(),
        }
    }
}

/// How much of the disks may end up in the host's memory: those that a guest writes to, if their file system is there.
/// Everything else of a disk is page cache that the kernel can take back.
pub(crate) fn disks_in_memory(disks: &[Disk]) -> u64 {
    disks
        .iter()
        .filter(|disk| disk.access != DiskAccess::ReadOnly && is_in_memory(&disk.image))
        .filter_map(|disk| u64::try_from(rustix::fs::fstat(&disk.image).ok()?.st_size).ok())
        .sum()
}

fn is_in_memory(file: &OwnedFd) -> bool {
    let file_system = rustix::fs::fstatfs(file);
    file_system
        .ok()
        .and_then(|found| u64::try_from(found.f_type).ok())
        .is_some_and(|magic| FILE_SYSTEMS_IN_MEMORY.contains(&magic))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(isolation: Isolation, vcpus: u64, mem_mib: u64) -> Limits {
        let resources = Resources::new(vcpus, mem_mib, 10, 1 << 20).unwrap();
        Limits::new(resources, isolation, 0)
    }

    fn memory(isolation: Isolation, vcpus: u64, mem_mib: u64) -> u64 {
        limits(isolation, vcpus, mem_mib).memory_bytes / MIB
    }

    #[test]
    fn the_memory_is_the_guests_and_what_the_tier_needs() {
        assert_eq!(memory(Isolation::Hardware, 1, 1024), 1024 + 256 + 16);
        assert_eq!(memory(Isolation::Hardware, 8, 1024), 1024 + 256 + 16);
        assert_eq!(memory(Isolation::Emulated, 1, 1024), 1024 + 256 + 16 + 384 + 128);
        assert_eq!(memory(Isolation::Emulated, 2, 1024), 1024 + 256 + 16 + 384 + 256);
        assert_eq!(memory(Isolation::Hardware, 1, 128), 128 + 256 + 2);
    }

    #[test]
    fn a_disk_in_memory_is_granted_in_full() {
        let resources = Resources::default();
        let [without, with] =
            [0, 10 << 30].map(|disk| Limits::new(resources, Isolation::Hardware, disk).memory_bytes);
        assert_eq!(with - without, 10 << 30);
    }

    #[test]
    fn only_disks_that_are_written_to_and_are_memory_count() {
        let disk = |dir: &str, access| {
            let file = tempfile::tempfile_in(dir).unwrap();
            file.set_len(5 << 30).unwrap();
            let image = file.into();
            Disk { image, access }
        };
        let in_memory = "/dev/shm";
        assert_eq!(
            disks_in_memory(&[
                disk(in_memory, DiskAccess::ReadOnly),
                disk(in_memory, DiskAccess::Scratch)
            ]),
            5 << 30
        );
        assert_eq!(
            disks_in_memory(&[disk(env!("CARGO_MANIFEST_DIR"), DiskAccess::Scratch)]),
            0
        );
    }

    #[test]
    fn each_limit_is_written_as_the_kernel_reads_it() {
        let limits = limits(Isolation::Hardware, 2, 256);
        assert_eq!(
            limits.of(Controller::Cpu),
            ("cpu.max", "300000 100000".to_owned())
        );
        assert_eq!(limits.of(Controller::Pids), ("pids.max", "258".to_owned()));
        let bytes = ((256 + 256 + 4) << 20).to_string();
        assert_eq!(limits.of(Controller::Memory), ("memory.max", bytes.clone()));
        let besides = limits.besides(Controller::Memory);
        assert!(besides.contains(&("memory.swap.max", bytes)), "{besides:?}");
    }

    #[test]
    fn the_largest_machine_has_limits() {
        let largest = limits(Isolation::Emulated, 32, u64::from(u32::MAX >> 12));
        assert_eq!(largest.cpus, 33);
        assert!(largest.memory_bytes > 1 << 40);
    }

    #[test]
    fn controllers_are_found_in_a_list() {
        use Controller::{Cpu, Memory, Pids};
        assert_eq!(
            Controller::listed("cpuset cpu io memory hugetlb pids rdma misc\n"),
            [Cpu, Memory, Pids]
        );
        assert_eq!(Controller::listed("cpuset hugetlb\n"), []);
        assert_eq!(Controller::listed("pids memory"), [Memory, Pids]);
        assert_eq!(Controller::listed(""), []);
    }
}
