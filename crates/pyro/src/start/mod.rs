//! From an environment and a size to a VM whose agent answers: restored from a template where there is one.
//!
//! Without a template one is made first: a machine is booted, saved and thrown away, and the VM is restored from it like
//! every later one. Whatever goes wrong with a template, the VM boots cold, and the user sees a note.

mod clock;
mod host;
mod make;

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use pyro_proto::handshake::NONCE_BYTES;
use pyro_proto::message::Exec;

use crate::Pyro;
use crate::disk::{self, DiskError, DiskSource};
use crate::environment::BootableEnvironment;
use crate::error::{Error, Result};
use crate::guest::SoleCall;
use crate::id::VmId;
use crate::isolation::{Choice, Isolation, KvmProbe};
use crate::object::VmmKind;
use crate::resources::Resources;
use crate::runtime::Runtime;
use crate::template::Template;
use crate::vm::{LiveVm, Tenant, VmError};
use crate::vmm::{Disk, DiskAccess, Driver, MachineSpec, Origin, SavedMachine, VmmError};

pub(crate) use self::clock::Clock;
pub(crate) use self::host::{HostPlace, start_on_host};

/// What VMs are started from.
#[derive(Debug)]
pub(crate) struct Starter<'a> {
    pub(crate) pyro: &'a Pyro,
    pub(crate) runtime: &'a Runtime,
    pub(crate) environment: &'a BootableEnvironment,
    pub(crate) resources: Resources,
    /// The directory on whose file system the VMs' own disks are made.
    pub(crate) disk_dir: &'a Path,
    /// What the VM's own disk is.
    pub(crate) own_disk: OwnDisk<'a>,
    /// The workspace that it is for, if it is for one.
    pub(crate) tenant: Option<Tenant>,
    /// The image of the seed, if the workspace has one; see [`disk::SEED_DISK_BYTES`].
    pub(crate) seed: Option<&'a File>,
}

impl OwnDisk<'_> {
    /// What the guest may do with it.
    fn access(self) -> DiskAccess {
        match self {
            Self::Nameless => DiskAccess::Scratch,
            Self::New(_) | Self::Old(_) => DiskAccess::Kept,
        }
    }
}

/// What a VMM needs besides the guest's memory, in bytes.
pub(crate) const VM_OVERHEAD_BYTES: u64 = 60 << 20;

/// A VM's own disk.
#[derive(Debug, Clone, Copy)]
pub(crate) enum OwnDisk<'a> {
    /// Empty, without a name, and gone with the VM.
    Nameless,
    /// Empty, in a file that outlives the VM.
    New(&'a File),
    /// What another VM left in a file.
    Old(&'a File),
}

/// A VM that runs its first command, or is ready for it.
#[derive(Debug)]
pub(crate) struct StartedVm {
    pub(crate) vm: LiveVm,
    /// The call of its first command; `None` if there is none, or if it is yet to be started, because it has standard
    /// input.
    pub(crate) call: Option<SoleCall>,
    pub(crate) isolation: Isolation,
    pub(crate) kind: StartKind,
    /// What was degraded on the way.
    pub(crate) warnings: Vec<String>,
}

/// How a VM came to life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StartKind {
    /// Its kernel was booted.
    Cold,
    /// It was restored from a template that was there.
    Restore,
    /// It was restored from a template that was made for it.
    Made,
}

impl StartKind {
    /// Its name in results.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Cold => "cold",
            Self::Restore => "restored",
            Self::Made => "template",
        }
    }
}

impl Starter<'_> {
    /// Starts a VM, for a command if there is one, as chosen; where that does not work here, as comes next.
    ///
    /// # Errors
    /// Whatever kept the VM from booting; nothing is left running.
    pub(crate) async fn start(
        &self,
        vm_id: VmId,
        exec: Option<&Exec>,
        choice: &Choice,
        clock: &mut Clock,
    ) -> Result<StartedVm> {
        let probe = self.probe(choice);
        let mut choice = choice;
        let mut warnings = Vec::new();
        loop {
            let failure = match self.start_in_tier(vm_id, exec, choice, clock).await {
                Ok(mut started) => {
                    if started.kind != StartKind::Restore
                        && choice.isolation == Isolation::Hardware
                        && let Some(probe) = &probe
                    {
                        probe.confirm();
                    }
                    started.warnings.splice(0..0, warnings);
                    return Ok(started);
                }
                Err(failure) => failure,
            };
            let next = failure.next(choice);
            if let NotStarted::NoBoot(error) = &failure
                && next.is_none_or(|next| next.isolation != choice.isolation)
                && let Some(probe) = &probe
            {
                probe.withdraw(&error.to_string());
            }
            let Some(next) = next else {
                return Err(failure.into_error());
            };
            warnings.push(instead(choice, &failure.into_error(), next));
            choice = next;
        }
    }

    /// What keeps the verdict on KVM, if the choice depends on it.
    fn probe(&self, choice: &Choice) -> Option<KvmProbe> {
        let cache_dir = &self.pyro.settings().cache_dir;
        (choice.isolation == Isolation::Hardware).then(|| KvmProbe::new(cache_dir, Some(choice.vmm.clone())))
    }

    async fn start_in_tier(
        &self,
        vm_id: VmId,
        exec: Option<&Exec>,
        choice: &Choice,
        clock: &mut Clock,
    ) -> Result<StartedVm, NotStarted> {
        let started = |(vm, call), kind, warnings| StartedVm {
            vm,
            call,
            isolation: choice.isolation,
            kind,
            warnings,
        };
        if !self.pyro.settings().templates || matches!(self.own_disk, OwnDisk::Old(_)) {
            let vm = self.boot(vm_id, exec, choice, clock).await?;
            return Ok(started(vm, StartKind::Cold, Vec::new()));
        }
        let unusable = match self.start_from_template(vm_id, exec, choice, clock).await {
            Ok((vm, kind)) => return Ok(started(vm, kind, Vec::new())),
            // To boot another would take as long, and end alike.
            Err(failure @ (NotStarted::NoBoot(_) | NotStarted::NoVmm(_))) => return Err(failure),
            Err(NotStarted::Other(error)) => error,
        };
        tracing::debug!(error = ?unusable, "no template");
        let vm = self.boot(vm_id, exec, choice, clock).await?;
        let warning = format!("the VM was booted cold, as its template could not be used: {unusable}");
        Ok(started(vm, StartKind::Cold, vec![warning]))
    }

    async fn start_from_template(
        &self,
        vm_id: VmId,
        exec: Option<&Exec>,
        choice: &Choice,
        clock: &mut Clock,
    ) -> Result<(Begun, StartKind), NotStarted> {
        let found = self.find_or_make(vm_id, choice).await;
        clock.lap("template");
        let (template, kind) = found?;
        let vm = self.restore(vm_id, exec, choice, template, clock).await?;
        Ok((vm, kind))
    }

    /// A template that does not restore is removed.
    async fn restore(
        &self,
        vm_id: VmId,
        exec: Option<&Exec>,
        choice: &Choice,
        template: Template,
        clock: &mut Clock,
    ) -> Result<Begun, NotStarted> {
        let Template {
            boot_nonce,
            memory,
            devices,
            disk,
            place,
        } = template;
        let disk = self.own_disk(Some(&disk))?;
        let origin = Origin::Restore(SavedMachine { memory, devices });
        let spec = self.spec(vm_id, choice, disk, boot_nonce, origin)?;
        clock.lap("disk");
        match LiveVm::start(&driver(choice), spec, exec, self.tenant.as_ref()).await {
            Ok(begun) => {
                record_timing(&begun.0, StartKind::Restore, clock);
                Ok(begun)
            }
            // A VMM that was not even started says nothing of the template.
            Err(error @ VmError::Vmm(VmmError::Spawn { .. } | VmmError::Part { .. })) => {
                Err(NotStarted::NoVmm(error))
            }
            Err(error) => {
                place.discard();
                Err(error.into())
            }
        }
    }

    async fn boot(
        &self,
        vm_id: VmId,
        exec: Option<&Exec>,
        choice: &Choice,
        clock: &mut Clock,
    ) -> Result<Begun, NotStarted> {
        let disk = self.own_disk(None)?;
        let spec = self.spec(vm_id, choice, disk, new_boot_nonce(), Origin::Boot)?;
        clock.lap("disk");
        let begun = match LiveVm::start(&driver(choice), spec, exec, self.tenant.as_ref()).await {
            Ok(begun) => begun,
            Err(error) => return Err(NotStarted::of_boot(error)),
        };
        record_timing(&begun.0, StartKind::Cold, clock);
        Ok(begun)
    }

    /// The VM's own disk; a new one begins as that of a template does, if it is to be restored from one.
    fn own_disk(&self, of_template: Option<&File>) -> Result<OwnedFd> {
        let disks = self.disks();
        let blank;
        let image = match of_template {
            Some(image) => image,
            None => {
                blank = disks.empty(self.resources.disk_gib())?;
                &blank
            }
        };
        let file = match self.own_disk {
            OwnDisk::Nameless => return Ok(disks.copy_of(image)?),
            OwnDisk::New(file) => {
                disks.refill(file, image)?;
                file
            }
            OwnDisk::Old(file) => file,
        };
        let shared = file.try_clone().map_err(|source| DiskError::Host {
            action: "open a disk in",
            path: self.disk_dir.to_owned(),
            source,
        })?;
        Ok(shared.into())
    }

    /// Every machine has a disk for a seed, so that one template serves those with and those without; it was made without.
    fn seed_disk(&self, origin: &Origin) -> Result<OwnedFd, DiskError> {
        let opened = match (self.seed, origin) {
            (Some(seed), Origin::Boot | Origin::Restore(_)) => seed.try_clone().map(OwnedFd::from),
            (None, _) | (_, Origin::BootToSave { .. }) => disk::empty_seed(),
        };
        opened.map_err(|source| DiskError::Host {
            action: "open a seed in",
            path: self.disk_dir.to_owned(),
            source,
        })
    }

    fn disks(&self) -> DiskSource<'_> {
        let settings = self.pyro.settings();
        DiskSource {
            cache_dir: &settings.cache_dir,
            disk_dir: self.disk_dir,
            search_path: &settings.search_path,
        }
    }

    fn spec(
        &self,
        vm_id: VmId,
        choice: &Choice,
        disk: OwnedFd,
        boot_nonce: String,
        origin: Origin,
    ) -> Result<MachineSpec> {
        Ok(MachineSpec {
            vm_id,
            resources: self.resources,
            isolation: choice.isolation,
            kernel: self.runtime.kernel(),
            initramfs: self.runtime.initramfs(),
            boot_nonce,
            disks: vec![
                Disk {
                    image: self.environment.open_root()?,
                    access: DiskAccess::ReadOnly,
                },
                Disk {
                    image: disk,
                    access: self.own_disk.access(),
                },
                Disk {
                    image: self.seed_disk(&origin)?,
                    access: DiskAccess::ReadOnly,
                },
            ],
            origin,
        })
    }
}

/// A VM, and the call of its first command if that was started.
type Begun = (LiveVm, Option<SoleCall>);

/// Why a VM did not start.
#[derive(Debug)]
enum NotStarted {
    /// A kernel was booted, and its guest never answered: this VMM may not be able to run guests here.
    NoBoot(VmError),
    /// The VMM did not come as far as to boot a kernel.
    NoVmm(VmError),
    /// Anything else.
    Other(Error),
}

impl<E: Into<Error>> From<E> for NotStarted {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl NotStarted {
    /// Why a machine that was to boot did not.
    fn of_boot(error: VmError) -> Self {
        match error {
            VmError::EndedEarly { .. } | VmError::Silent { .. } => Self::NoBoot(error),
            VmError::Vmm(_) => Self::NoVmm(error),
            VmError::Unfit { .. } | VmError::Ended | VmError::Lost { .. } => error.into(),
        }
    }

    /// What is worth trying after this.
    fn next<'a>(&self, choice: &'a Choice) -> Option<&'a Choice> {
        match self {
            // Where one VMM waited in vain for its guest, another would too, for as long again.
            Self::NoBoot(VmError::Silent { .. }) => choice.next_tier(),
            Self::NoBoot(_) => choice.next.as_deref(),
            // That says nothing of the tier.
            Self::NoVmm(_) => choice.next_in_tier(),
            Self::Other(_) => None,
        }
    }

    fn into_error(self) -> Error {
        match self {
            Self::NoBoot(error) | Self::NoVmm(error) => error.into(),
            Self::Other(error) => error,
        }
    }
}

/// Tells the user what came in place of what.
fn instead(failed: &Choice, error: &Error, next: &Choice) -> String {
    let because = error.message();
    let vmm = |choice: &Choice| match choice.vmm.kind {
        VmmKind::Firecracker => "Firecracker",
        VmmKind::Qemu => "QEMU",
        VmmKind::None => "this host",
    };
    if next.isolation == failed.isolation {
        format!(
            "{} did not start the guest ({because}); {} runs it instead",
            vmm(failed),
            vmm(next)
        )
    } else {
        format!("KVM did not start the guest ({because}); it runs emulated instead")
    }
}

fn driver(choice: &Choice) -> Driver {
    Driver::of(&choice.vmm)
}

fn new_boot_nonce() -> String {
    crate::random::hex::<NONCE_BYTES>()
}

fn record_timing(vm: &LiveVm, kind: StartKind, clock: &mut Clock) {
    let timing = *vm.timing();
    clock.lap("start");
    clock.add("spawn", timing.spawn);
    clock.add("connect", timing.connect);
    clock.add("begin", timing.begin);
    if kind == StartKind::Cold {
        clock.add("guest_ready", timing.guest_ready);
    }
}
