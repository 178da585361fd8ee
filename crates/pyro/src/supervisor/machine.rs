//! The VM of a workspace: its disk and its start. What is there in place of one is in `on_host.rs`.

use std::fs::{File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use pyro_proto::file::WorkspaceTree;
use tokio::time::Instant;

use super::on_host::{self, Misplaced};
use crate::Pyro;
use crate::admission::{Admission, Need, Reservation};
use crate::command::millis;
use crate::dirs::CacheDir;
use crate::disk_state;
use crate::environment::BootableEnvironment;
use crate::error::Result;
use crate::guest;
use crate::id::VmId;
use crate::isolation::{self, Choice, IsolationError, Way};
use crate::object::SeedMode;
use crate::resources::Resources;
use crate::runtime::Runtime;
use crate::start::{Clock, OwnDisk, StartedVm, Starter, VM_OVERHEAD_BYTES};
use crate::vm::{Kept, Tenant};
use crate::workspace::{Ground, Kind, Record, SEED, VmFacts, WorkspaceError};

/// What a fresh disk grows by before a command writes anything, in bytes.
pub(crate) const DISK_GROWTH_BYTES: u64 = 64 << 20;

/// How long a VMM that was killed may take to let go of its disk.
const LOCKED_WITHIN: Duration = Duration::from_secs(20);

/// How often that is looked at: nothing tells of it.
const LOCK_CHECK: Duration = Duration::from_millis(20);

/// What is to be known of a VM whose disk was left with errors. Nothing repairs it: the host does not look into what a
/// guest wrote, and a guest brings no program for it that could be trusted.
const FAULTY_DISK: &str = "the file system of its disk has errors, as after a disk of the host that was full: export what \
                           is needed, then reset it";

/// What runs, with what it holds. Dropping it kills a VM.
#[derive(Debug)]
pub(super) struct RunningVm {
    pub(super) kept: Kept,
    pub(super) facts: VmFacts,
    pub(super) holds: Holds,
}

/// What is held for as long as something runs.
#[derive(Debug)]
pub(super) enum Holds {
    /// By a VM: its memory, and its disk.
    Machine { _reservation: Reservation, _disk: File },
    /// Nothing: there is no VM.
    Nothing,
}

impl RunningVm {
    /// Ends it at once, and waits until it is gone with all that it had started.
    pub(super) async fn kill(self) {
        let Self { kept, holds, .. } = self;
        kept.kill().await;
        if matches!(holds, Holds::Nothing) {
            on_host::end_descendants().await;
        }
    }
}

/// What a workspace is started from.
#[derive(Debug)]
pub(super) enum Base {
    /// The image of an environment, in a VM.
    Image(Box<BootableEnvironment>),
    /// This host, without a VM.
    Host,
}

impl Base {
    /// Finds what a workspace is started from.
    ///
    /// # Errors
    /// `environment-not-found` if the image of its environment is gone.
    pub(super) fn of(pyro: &Pyro, record: &Record) -> Result<Self> {
        Ok(match record.ground {
            Ground::Disk => {
                let (name, digest) = (&record.environment, &record.environment_digest);
                Self::Image(Box::new(pyro.environments().installed_as(name, digest)?))
            }
            Ground::Directory => Self::Host,
        })
    }
}

/// Whether the disk of a workspace is made or taken as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DiskIs {
    New,
    Old,
}

/// Starts a VM for the workspace in a directory, on the disk of that name.
pub(super) async fn start(
    pyro: &Pyro,
    record: &Record,
    environment: &BootableEnvironment,
    dir: &Path,
    (disk, disk_is): (&str, DiskIs),
) -> Result<RunningVm> {
    let settings = pyro.settings();
    let resources = Resources::new(
        record.vcpu_count.into(),
        record.mem_mib.into(),
        record.disk_gib.into(),
        pyro.host_memory_mib(),
    )?;
    let runtime = Runtime::open(settings)?;
    let cache = CacheDir::open(&settings.cache_dir)?;
    runtime.verify(cache.path())?;
    let choice = choose(pyro, record, disk_is)?;
    let vm_id = vm_id(record);
    let need = Need {
        mem_bytes: (u64::from(resources.mem_mib()) << 20) + VM_OVERHEAD_BYTES,
        disk_bytes: DISK_GROWTH_BYTES,
    };
    let reservation = Admission::new(&settings.home).reserve(vm_id, need)?;
    let disk = open_disk(&dir.join(disk), disk_is).await?;
    let is_faulty = disk_is == DiskIs::Old && disk_state::has_errors(&disk);
    let seed = open_seed(dir, record)?;
    let starter = Starter {
        pyro,
        runtime: &runtime,
        environment,
        resources,
        disk_dir: &settings.home,
        own_disk: match disk_is {
            DiskIs::New => OwnDisk::New(&disk),
            DiskIs::Old => OwnDisk::Old(&disk),
        },
        tenant: (record.kind == Kind::Workspace).then(|| Tenant {
            id: record.workspace_id,
            tree: WorkspaceTree {
                seeded: seed.is_some(),
                user: environment.defaults.user.clone(),
            },
        }),
        seed: seed.as_ref(),
    };
    let mut clock = Clock::start();
    let mut started = starter.start(vm_id, None, &choice, &mut clock).await?;
    let mut facts = facts_of(&mut started, clock).await;
    if is_faulty {
        facts.warnings.push(FAULTY_DISK.to_owned());
    }
    Ok(RunningVm {
        kept: Kept::new(started.vm),
        facts,
        holds: Holds::Machine {
            _reservation: reservation,
            _disk: disk,
        },
    })
}

/// The id of what is started.
pub(super) fn vm_id(record: &Record) -> VmId {
    match record.kind {
        // Each start is a VM of its own: two of them may run for a moment while one takes the place of the other.
        Kind::Workspace => VmId::random(),
        Kind::Vm => record.workspace_id,
    }
}

/// The VM that a workspace with a disk gets.
fn choose(pyro: &Pyro, record: &Record, disk_is: DiskIs) -> Result<Choice> {
    match isolation::choose(pyro.settings(), record.isolation, record.allow_host_compat) {
        Ok(Way::Vm(choice)) => Ok(choice),
        // Of no use to it, whoever allows it.
        Ok(Way::Host) => Err(Misplaced::no_vm(record).into()),
        Err(IsolationError::VmmMissing { .. }) if disk_is == DiskIs::Old => {
            Err(Misplaced::no_vm(record).into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Whether the tree of a workspace began with something.
pub(super) fn is_seeded(record: &Record) -> bool {
    let seed = record.seed.as_ref();
    seed.is_some_and(|seed| seed.mode != SeedMode::Empty)
}

/// Opens the image of the seed, if the workspace began with one.
fn open_seed(dir: &Path, record: &Record) -> Result<Option<File>, WorkspaceError> {
    if !is_seeded(record) {
        return Ok(None);
    }
    let path = dir.join(SEED);
    let opened = File::open(&path);
    opened.map(Some).map_err(|source| WorkspaceError::Io {
        action: "open",
        path,
        source,
    })
}

/// Opens a disk and locks it for as long as the file, or a copy of its descriptor, is open: by the VMM too. A VMM that was
/// killed has it for as long as the kernel takes its memory apart.
async fn open_disk(path: &Path, disk_is: DiskIs) -> Result<File, WorkspaceError> {
    let error = |action, source| WorkspaceError::Io {
        action,
        path: path.to_owned(),
        source,
    };
    let file = File::options()
        .read(true)
        .write(true)
        .create(disk_is == DiskIs::New)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| error("open", source))?;
    let deadline = Instant::now() + LOCKED_WITHIN;
    loop {
        let source = match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                tokio::time::sleep(LOCK_CHECK).await;
                continue;
            }
            Err(TryLockError::WouldBlock) => std::io::ErrorKind::ResourceBusy.into(),
            Err(TryLockError::Error(source)) => source,
        };
        return Err(error("lock", source));
    }
}

pub(super) async fn facts_of(started: &mut StartedVm, clock: Clock) -> VmFacts {
    let machine = started.vm.facts().clone();
    let hello = started.vm.hello().clone();
    let mut metadata = clock.into_metadata();
    let named = [
        ("start_kind", started.kind.as_str().to_owned()),
        ("confinement", machine.confinement.clone()),
        ("kernel", guest::printable(&hello.kernel_release)),
        ("agent_version", guest::printable(&hello.agent_version)),
    ];
    metadata.extend(named.map(|(name, value)| (name.to_owned(), value)));
    if let Some(version) = started.vm.vmm_version().await {
        metadata.insert("vmm_version".to_owned(), version);
    }
    let mut warnings = started.warnings.clone();
    warnings.extend(machine.warning);
    VmFacts {
        isolation: started.isolation,
        vmm: machine.vmm,
        execution_mode: machine.execution_mode,
        boot_ms: millis(started.vm.timing().boot()),
        metadata,
        warnings,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_disk_is_waited_for_until_whoever_was_killed_has_let_go_of_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("disk.img");
        let held = open_disk(&path, DiskIs::New).await.unwrap();
        let wait = LOCKED_WITHIN / 2;
        let release = async {
            tokio::time::sleep(wait).await;
            drop(held);
        };
        let began = Instant::now();
        let (opened, ()) = tokio::join!(open_disk(&path, DiskIs::Old), release);
        let held = opened.unwrap();
        assert!(began.elapsed() >= wait);
        let refused = open_disk(&path, DiskIs::Old).await.unwrap_err();
        assert!(refused.to_string().starts_with("cannot lock"), "{refused}");
        drop(held);
    }
}
