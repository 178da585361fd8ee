//! Finding a template, or making it.

use std::time::Duration;

use pyro_proto::message::Exec;

use super::{NotStarted, StartKind, Starter, driver, new_boot_nonce};
use crate::guest;
use crate::id::VmId;
use crate::isolation::Choice;
use crate::template::{Draft, Maker, Template, TemplateError, TemplateInputs, TemplateStore};
use crate::vm::{LiveVm, VmError};
use crate::vmm::{DiskAccess, Origin};

/// What must stay free beside a guest's memory when a template is made, in bytes: its disk and its devices.
///
/// A full file system would end the VMM in the middle: the guest's memory is a mapping of the file.
const HEADROOM_BYTES: u64 = 256 << 20;

/// How long the guest may take to rehearse; what it runs then has its own limit, well below.
const REHEARSAL_BOUND: Duration = Duration::from_secs(60);

impl Starter<'_> {
    /// The template for such a VM. If there is none, it is made, which takes as long as a boot; if somebody else is
    /// making it, that is waited for.
    pub(super) async fn find_or_make(
        &self,
        vm_id: VmId,
        choice: &Choice,
    ) -> Result<(Template, StartKind), NotStarted> {
        let inputs = self.inputs(choice)?;
        let store = TemplateStore::new(&self.pyro.settings().cache_dir);
        if let Some(template) = store.open(&inputs)? {
            return Ok((template, StartKind::Restore));
        }
        let maker = store.lock(inputs.clone()).await?;
        if let Some(template) = maker.open()? {
            return Ok((template, StartKind::Restore));
        }
        let (needed, free) = (inputs.mem_bytes() + HEADROOM_BYTES, store.free_bytes()?);
        if free < needed {
            return Err(TemplateError::Full { needed, free }.into());
        }
        self.make(vm_id, choice, &maker).await?;
        match maker.open()? {
            Some(template) => Ok((template, StartKind::Made)),
            None => Err(TemplateError::Vanished.into()),
        }
    }

    /// What the template for such a VM is made of.
    ///
    /// # Errors
    /// If the host does not tell what it is.
    pub(crate) fn inputs(&self, choice: &Choice) -> Result<TemplateInputs, TemplateError> {
        let [kernel, initramfs] = self.runtime.digests();
        let parts = [kernel, initramfs, self.environment.root_digest()];
        let is_kept = self.own_disk.access() == DiskAccess::Kept;
        TemplateInputs::new(choice, parts, self.resources, is_kept).map_err(TemplateError::Host)
    }

    async fn make(&self, vm_id: VmId, choice: &Choice, maker: &Maker) -> Result<(), NotStarted> {
        tracing::debug!(%vm_id, "making a template");
        let draft = maker.begin()?;
        let boot_nonce = new_boot_nonce();
        let mut vm = self
            .boot_to_save(vm_id, choice, &draft, boot_nonce.clone())
            .await?;
        let rehearsal = async {
            rehearse_identity(&mut vm).await;
            warm_up(&mut vm).await;
        };
        // A guest that is stuck by then is found out when it is to be saved.
        let outcome = tokio::time::timeout(REHEARSAL_BOUND, rehearsal).await;
        tracing::debug!(?outcome, "the template's machine is warm");
        vm.save(draft.devices()?.into()).await?;
        tracing::debug!("the template's machine is saved");
        maker.publish(draft, boot_nonce)?;
        Ok(())
    }

    async fn boot_to_save(
        &self,
        vm_id: VmId,
        choice: &Choice,
        draft: &Draft,
        boot_nonce: String,
    ) -> Result<LiveVm, NotStarted> {
        let disk = draft.disk()?;
        self.disks().make_empty(&disk, self.resources.disk_gib())?;
        let memory = draft.memory()?.into();
        let spec = self.spec(
            vm_id,
            choice,
            disk.into(),
            boot_nonce,
            Origin::BootToSave { memory },
        )?;
        match LiveVm::start_anonymous(&driver(choice), spec).await {
            Ok(vm) => Ok(vm),
            Err(error @ (VmError::Silent { .. } | VmError::Vmm(_))) => Err(NotStarted::of_boot(error)),
            // One that ended early may have wanted for space; a cold boot needs less.
            Err(error) => Err(error.into()),
        }
    }
}

/// Gives the guest an identity that no VM will have, so that all that the first one takes besides writing it, a file
/// and a mount above all, is done before the machine is saved. The one that each VM gets replaces all of it.
async fn rehearse_identity(vm: &mut LiveVm) {
    // Without a nonce the guest keeps that of its boot, by which the host knows it again.
    let nobody = guest::configuration(VmId::random(), &[]);
    let rehearsed = async { vm.connect().await?.configure(nobody).await };
    if let Err(error) = rehearsed.await {
        tracing::debug!(%error, "the template's machine rehearsed no identity");
    }
}

/// Lets the guest start the image's login shell once, to do nothing, so that what every first command needs is in the
/// saved memory: the shell, what its profile runs, their libraries, and the agent's own way to them. It is a rehearsal:
/// whatever the profile does is undone. An image without a shell goes without.
async fn warm_up(vm: &mut LiveVm) {
    let exec = Exec {
        request_id: guest::request_id(),
        shell: Some(b"true"[..].into()),
        cwd: b"/"[..].into(),
        timeout_ms: 10_000,
        grace_ms: 100,
        rehearsal: true,
        ..Exec::default()
    };
    let run = async {
        let (_sender, mut receiver) = vm.connect().await?.exec(exec).await?;
        while receiver.next().await?.is_some() {}
        Ok::<_, guest::GuestError>(())
    };
    // A VM is only slower without, and one that is broken shows when it is saved.
    if let Err(error) = run.await {
        tracing::debug!(%error, "the template's machine was not warmed");
    }
}
