//! Whether the host can carry one more VM, decided in one step for all processes of the user.
//!
//! Every VM reserves its memory and its expected disk growth before it starts. The reservations of all processes are
//! in one file under a lock that is held only to read, check and write; no daemon keeps them. A reservation ends when
//! it is dropped, or with the process that holds it, which others notice when they look next.

mod file;
mod owner;
mod rule;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::dirs::{DirError, StateDir};
use crate::error::{Diagnosis, ErrorCode};
use crate::id::VmId;

pub(crate) use file::{Entry, reservations};
pub(crate) use rule::{DISK_MARGIN, Lack, Need};

/// The register of what the user's VMs hold.
#[derive(Debug, Clone)]
pub(crate) struct Admission {
    home: PathBuf,
}

/// What one VM holds. Dropping it gives it back.
#[derive(Debug)]
#[must_use = "a reservation that is dropped is given back"]
pub(crate) struct Reservation {
    home: PathBuf,
    vm_id: VmId,
}

/// Why a VM is not admitted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AdmissionError {
    /// The host has too little left.
    #[error(transparent)]
    Lack(Lack),
    /// The state directory cannot be used.
    #[error(transparent)]
    Dir(#[from] DirError),
    /// The register or the host's figures cannot be had.
    #[error("cannot {action} `{}`", path.display())]
    Io {
        /// What was attempted.
        action: &'static str,
        /// What it was attempted on.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl Diagnosis for AdmissionError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::Lack(_) => ErrorCode::InsufficientResources,
            Self::Dir(error) => error.code(),
            Self::Io { .. } => ErrorCode::HostIo,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Lack(lack) => Some(lack.advice()),
            Self::Dir(error) => error.hint(),
            Self::Io { path, .. } => Some(format!("check `{}` with `pyro doctor`", path.display())),
        }
    }

    fn details(&self) -> Option<Map<String, Value>> {
        let Self::Lack(lack) = self else {
            return None;
        };
        let holders: Vec<_> = lack
            .holders
            .iter()
            .map(|holder| json!({"vm_id": holder.vm_id, "bytes": holder.bytes}))
            .collect();
        let mut details = Map::new();
        details.insert("resource".to_owned(), json!(lack.resource.as_str()));
        details.insert("needed_bytes".to_owned(), json!(lack.needed));
        details.insert("available_bytes".to_owned(), json!(lack.available));
        details.insert("held_by".to_owned(), json!(holders));
        Some(details)
    }
}

impl Admission {
    /// The register in this state directory. Touches nothing yet.
    pub(crate) fn new(home: impl Into<PathBuf>) -> Self {
        Self { home: home.into() }
    }

    /// Reserves what a VM needs, for as long as the reservation and this process live.
    ///
    /// Blocks only while another process reads, checks and writes, well under a millisecond. A second reservation
    /// for the same VM takes the place of the first.
    ///
    /// # Errors
    /// [`AdmissionError::Lack`] with the amounts, if the host has too little; else what kept it from being decided.
    pub(crate) fn reserve(&self, vm_id: VmId, need: Need) -> Result<Reservation, AdmissionError> {
        let home = StateDir::open(&self.home)?;
        let entry = Entry::of_this_process(vm_id, need)?;
        let mut register = file::Register::lock(home.path())?;
        let mut entries = register.live_entries();
        entries.retain(|held| held.vm_id != entry.vm_id);
        let host = host(home.path())?;
        rule::admit(need, &host, &entries, &owner::touched_by(&entries)).map_err(AdmissionError::Lack)?;
        entries.push(entry);
        register.write(&entries)?;
        Ok(Reservation {
            home: self.home.clone(),
            vm_id,
        })
    }
}

impl Admission {
    /// Checks that there is space for a VM's disk to grow by so much, before anything is written. Reserves nothing.
    ///
    /// # Errors
    /// [`AdmissionError::Lack`] with the amounts; else what kept it from being decided.
    pub(crate) fn check_disk(&self, disk_bytes: u64) -> Result<(), AdmissionError> {
        let mut entries = reservations(&self.home).unwrap_or_default();
        entries.retain(Entry::is_live);
        let need = Need {
            mem_bytes: 0,
            disk_bytes,
        };
        rule::admit(need, &host(&self.home)?, &entries, &BTreeMap::new()).map_err(AdmissionError::Lack)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let release = || -> Result<(), AdmissionError> {
            let mut register = file::Register::lock(&self.home)?;
            let mut entries = register.live_entries();
            entries.retain(|entry| entry.vm_id != self.vm_id.as_str());
            register.write(&entries)
        };
        if let Err(error) = release() {
            // It ends with this process all the same.
            tracing::warn!(%error, vm_id = %self.vm_id, "a reservation was not given back");
        }
    }
}

/// Reads what the host has to give to VMs whose state is in `home`.
///
/// # Errors
/// If the kernel or the file system does not say.
fn host(home: &Path) -> Result<rule::Host, AdmissionError> {
    let meminfo = Path::new("/proc/meminfo");
    let text = std::fs::read_to_string(meminfo).map_err(io_error("read", meminfo))?;
    let (mem_total, mem_available) = rule::parse_meminfo(&text).ok_or_else(|| AdmissionError::Io {
        action: "make out",
        path: meminfo.to_path_buf(),
        source: std::io::ErrorKind::InvalidData.into(),
    })?;
    let disk_free = crate::space::free_bytes(home).map_err(io_error("measure", home))?;
    Ok(rule::Host {
        mem_total,
        mem_available,
        disk_free,
    })
}

/// The host's memory and how much of it VMs can still get, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Memory {
    /// All of it.
    pub(crate) total: u64,
    /// What programs can get without swapping.
    pub(crate) available: u64,
    /// What VMs have reserved and not touched yet.
    pub(crate) outstanding: u64,
    /// What a new VM can get.
    pub(crate) for_vms: u64,
}

/// Reads how much memory VMs can still get. Changes nothing; `None` if the kernel does not say.
pub(crate) fn memory(home: &Path) -> Option<Memory> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let (total, available) = rule::parse_meminfo(&text)?;
    let mut entries = reservations(home).unwrap_or_default();
    entries.retain(Entry::is_live);
    let outstanding = rule::outstanding_memory(&entries, &owner::touched_by(&entries));
    Some(Memory {
        total,
        available,
        outstanding,
        for_vms: rule::memory_for_vms(total, available, outstanding),
    })
}

fn io_error(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> AdmissionError {
    let path = path.to_path_buf();
    move |source| AdmissionError::Io { action, path, source }
}

#[cfg(test)]
mod tests;
