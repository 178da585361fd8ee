//! The rule of admission: figures in, a decision out.

use std::collections::BTreeMap;
use std::fmt;

use super::file::Entry;

/// What one VM needs of the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Need {
    /// The guest's memory and what its VMM needs on top, in bytes.
    pub(crate) mem_bytes: u64,
    /// How much its disk is expected to grow, in bytes.
    pub(crate) disk_bytes: u64,
}

/// What the host has, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Host {
    /// All its memory.
    pub(crate) mem_total: u64,
    /// The memory that programs can get without swapping (`MemAvailable`).
    pub(crate) mem_available: u64,
    /// What this user can still write to the state directory's file system.
    pub(crate) disk_free: u64,
}

/// What can be short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Resource {
    /// Memory of the host.
    Memory,
    /// Space on the state directory's file system.
    Disk,
}

/// What is short, by how much, and who holds it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) struct Lack {
    /// What is short.
    pub(crate) resource: Resource,
    /// Bytes needed.
    pub(crate) needed: u64,
    /// Bytes available, margin and reservations taken off.
    pub(crate) available: u64,
    /// The VMs that hold some, the largest first.
    pub(crate) holders: Vec<Holder>,
}

/// A VM that holds some of what is short.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// The VM.
    pub(crate) vm_id: String,
    /// What it has reserved, in bytes.
    pub(crate) bytes: u64,
}

/// What is never given to VMs of a file system's free space, in bytes.
pub(crate) const DISK_MARGIN: u64 = 1 << 30;

/// The memory that a new VM can get, in bytes: what is available, less what others have coming and 5 % of all.
pub(super) fn memory_for_vms(total: u64, available: u64, outstanding: u64) -> u64 {
    available.saturating_sub(total / 20).saturating_sub(outstanding)
}

impl Resource {
    /// Its name for programs.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Disk => "disk",
        }
    }
}

impl fmt::Display for Lack {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.resource {
            Resource::Memory => "memory",
            Resource::Disk => "disk space",
        };
        // Rounded so that what is short never reads as enough.
        let (needed, available) = (self.needed.div_ceil(1 << 20), self.available >> 20);
        write!(
            formatter,
            "needs {needed} MiB of {what}, {available} MiB available"
        )
    }
}

impl Lack {
    /// What could be freed, and the argument to lower.
    pub(super) fn advice(&self) -> String {
        let otherwise = match self.resource {
            Resource::Memory => "lower `--mem-mib`",
            Resource::Disk => {
                "free space where PYRO_HOME is, or name a place with more: `--home DIR`; `pyro env prune` removes unused environments"
            }
        };
        match self.holders.first() {
            Some(Holder { vm_id, bytes }) => {
                format!("end VM `{vm_id}` ({} MiB) or {otherwise}", bytes >> 20)
            }
            None => otherwise.to_owned(),
        }
    }
}

/// Decides whether the host carries one more VM.
///
/// `touched` is the memory that each owner's VMMs already occupy: what they use is missing from the host's available
/// memory, so only the rest of what they reserved is still to come.
///
/// # Errors
/// [`Lack`] of the first resource that does not suffice.
pub(super) fn admit(
    need: Need,
    host: &Host,
    entries: &[Entry],
    touched: &BTreeMap<u32, u64>,
) -> Result<(), Lack> {
    let outstanding = outstanding_memory(entries, touched);
    let memory = memory_for_vms(host.mem_total, host.mem_available, outstanding);
    let reserved_disk = entries
        .iter()
        .fold(0_u64, |sum, entry| sum.saturating_add(entry.disk_bytes));
    let disk = host
        .disk_free
        .saturating_sub(DISK_MARGIN)
        .saturating_sub(reserved_disk);
    require(Resource::Memory, need.mem_bytes, memory, entries)?;
    // Nothing is refused to a VM that writes nothing, even where the margin is gone.
    require(Resource::Disk, need.disk_bytes, disk, entries)
}

fn require(resource: Resource, needed: u64, available: u64, entries: &[Entry]) -> Result<(), Lack> {
    if needed <= available {
        return Ok(());
    }
    let held = |entry: &Entry| match resource {
        Resource::Memory => entry.mem_bytes,
        Resource::Disk => entry.disk_bytes,
    };
    let mut holders: Vec<_> = entries
        .iter()
        .filter(|entry| held(entry) > 0)
        .map(|entry| Holder {
            vm_id: entry.vm_id.clone(),
            bytes: held(entry),
        })
        .collect();
    holders.sort_by_key(|holder| std::cmp::Reverse(holder.bytes));
    Err(Lack {
        resource,
        needed,
        available,
        holders,
    })
}

/// The memory that is reserved and not yet touched, over all owners, in bytes.
pub(super) fn outstanding_memory(entries: &[Entry], touched: &BTreeMap<u32, u64>) -> u64 {
    let mut reserved = BTreeMap::<u32, u64>::new();
    for entry in entries {
        let sum = reserved.entry(entry.owner_pid).or_default();
        *sum = sum.saturating_add(entry.mem_bytes);
    }
    reserved.into_iter().fold(0, |sum, (owner, bytes)| {
        let used = touched.get(&owner).copied().unwrap_or(0);
        sum.saturating_add(bytes.saturating_sub(used))
    })
}

/// `MemTotal` and `MemAvailable` of `/proc/meminfo`, in bytes.
pub(super) fn parse_meminfo(text: &str) -> Option<(u64, u64)> {
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        let kibibytes: u64 = line.strip_suffix("kB")?.trim().parse().ok()?;
        kibibytes.checked_mul(1024)
    };
    Some((field("MemTotal:")?, field("MemAvailable:")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;
    const GIB: u64 = 1 << 30;

    fn host(mem_total: u64, mem_available: u64, disk_free: u64) -> Host {
        Host {
            mem_total,
            mem_available,
            disk_free,
        }
    }

    fn need(mem_bytes: u64, disk_bytes: u64) -> Need {
        Need {
            mem_bytes,
            disk_bytes,
        }
    }

    fn entry(vm_id: &str, owner_pid: u32, mem_bytes: u64, disk_bytes: u64) -> Entry {
        Entry {
            vm_id: vm_id.to_owned(),
            owner_pid,
            owner_start: 7,
            mem_bytes,
            disk_bytes,
        }
    }

    fn admit_alone(need: Need, host: &Host) -> Result<(), Lack> {
        admit(need, host, &[], &BTreeMap::new())
    }

    #[test]
    fn five_percent_of_the_memory_stay_with_the_host() {
        let host = host(20 * GIB, 10 * GIB, 100 * GIB);
        assert_eq!(admit_alone(need(9 * GIB, 0), &host), Ok(()));
        let lack = admit_alone(need(9 * GIB + 1, 0), &host).unwrap_err();
        assert_eq!((lack.resource, lack.available), (Resource::Memory, 9 * GIB));
    }

    #[test]
    fn one_gibibyte_of_the_disk_stays_free() {
        let host = host(20 * GIB, 10 * GIB, 3 * GIB);
        assert_eq!(admit_alone(need(0, 2 * GIB), &host), Ok(()));
        let lack = admit_alone(need(0, 2 * GIB + 1), &host).unwrap_err();
        assert_eq!((lack.resource, lack.available), (Resource::Disk, 2 * GIB));
    }

    #[test]
    fn a_host_below_its_margins_has_nothing_to_give() {
        let host = host(20 * GIB, 100 * MIB, 100 * MIB);
        assert_eq!(admit_alone(need(0, 0), &host), Ok(()));
        assert_eq!(admit_alone(need(1, 0), &host).unwrap_err().available, 0);
        assert_eq!(admit_alone(need(0, 1), &host).unwrap_err().available, 0);
    }

    #[test]
    fn what_others_reserved_is_taken() {
        let host = host(20 * GIB, 10 * GIB, 10 * GIB);
        let others = [entry("a", 1, 4 * GIB, 5 * GIB), entry("b", 2, 3 * GIB, 0)];
        let admit = |need| admit(need, &host, &others, &BTreeMap::new());
        assert_eq!(admit(need(2 * GIB, 4 * GIB)), Ok(()));
        assert_eq!(admit(need(2 * GIB + 1, 0)).unwrap_err().available, 2 * GIB);
        assert_eq!(admit(need(0, 4 * GIB + 1)).unwrap_err().available, 4 * GIB);
    }

    #[test]
    fn memory_that_is_touched_already_counts_once() {
        let entries = [
            entry("a", 1, 4 * GIB, 0),
            entry("b", 1, GIB, 0),
            entry("c", 2, GIB, 0),
        ];
        let touched = |pairs: &[(u32, u64)]| pairs.iter().copied().collect::<BTreeMap<_, _>>();
        assert_eq!(outstanding_memory(&entries, &touched(&[])), 6 * GIB);
        assert_eq!(outstanding_memory(&entries, &touched(&[(1, 3 * GIB)])), 3 * GIB);
        // A VMM that uses more than was reserved does not pay for another owner's.
        assert_eq!(outstanding_memory(&entries, &touched(&[(1, 9 * GIB)])), GIB);
        assert_eq!(outstanding_memory(&entries, &touched(&[(3, 9 * GIB)])), 6 * GIB);
    }

    #[test]
    fn absurd_figures_do_not_overflow() {
        let entries = [
            entry("a", 1, u64::MAX, u64::MAX),
            entry("b", 1, u64::MAX, u64::MAX),
        ];
        let lack = admit(need(1, 1), &host(GIB, GIB, GIB), &entries, &BTreeMap::new());
        assert_eq!(lack.unwrap_err().available, 0);
    }

    #[test]
    fn a_refusal_says_how_much_and_what_to_end() {
        let host = host(3052 * MIB, 3052 * MIB, 100 * GIB);
        let lack = admit_alone(need(4096 * MIB, 0), &host).unwrap_err();
        assert_eq!(lack.to_string(), "needs 4096 MiB of memory, 2899 MiB available");
        assert_eq!(lack.advice(), "lower `--mem-mib`");
        let others = [entry("aaa", 1, MIB, 0), entry("bbb", 2, 2048 * MIB, 0)];
        let lack = admit(need(4096 * MIB, 0), &host, &others, &BTreeMap::new()).unwrap_err();
        assert_eq!(lack.advice(), "end VM `bbb` (2048 MiB) or lower `--mem-mib`");
    }

    #[test]
    fn meminfo_is_read_by_name() {
        let text = "MemTotal:       24683520 kB\nMemFree:  1 kB\nMemAvailable:   100 kB\n";
        assert_eq!(parse_meminfo(text), Some((24_683_520 * 1024, 102_400)));
        for text in ["", "MemTotal: 1 kB\n", "MemTotal: x kB\nMemAvailable: 1 kB\n"] {
            assert_eq!(parse_meminfo(text), None, "{text}");
        }
    }
}
