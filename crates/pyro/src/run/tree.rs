//! The tree of a one-shot VM: what it begins with, and what it is asked for at the end.

use std::fs::File;
use std::path::Path;

use pyro_proto::file::WorkspaceTree;
use pyro_proto::message::Verb;

use super::RunRequest;
use crate::Pyro;
use crate::environment::{BootableEnvironment, ImageDefaults, OnProgress};
use crate::error::Result;
use crate::guest::Caller;
use crate::guest::files::Opened;
use crate::id::{VmId, WorkspaceId};
use crate::isolation::Isolation;
use crate::object::{GuestUse, WorkspaceSeed};
use crate::vm::{FollowedVm as _, LiveVm, Tenant};
use crate::workspace::LiveTree;
use crate::workspace::seed::{self, Planned, Source};

/// What a tree begins with.
#[derive(Debug)]
pub(super) struct Seeded {
    /// The image, which has no name and is gone with the run; `None` if the seed is in a directory of this host.
    pub(super) image: Option<File>,
    /// What is in it.
    pub(super) seed: WorkspaceSeed,
    /// What was degraded on the way.
    pub(super) warnings: Vec<String>,
}

/// Looks through the seed, if there is one: it is refused here if it is too large, or cannot be read.
pub(super) async fn plan(
    pyro: &Pyro,
    request: &RunRequest,
    progress: OnProgress<'_>,
) -> Result<Option<Planned>> {
    let Some(path) = &request.seed_path else {
        return Ok(None);
    };
    let source = Source {
        path,
        include_ignored: request.include_ignored,
        excludes_file: pyro.settings().git_excludes_file.clone(),
        quota: disk_bytes(request),
    };
    Ok(Some(seed::plan(&source, progress).await?))
}

/// Writes the image of a seed that was looked through.
pub(super) async fn write(
    planned: Option<Planned>,
    dir: &Path,
    environment: &BootableEnvironment,
    progress: OnProgress<'_>,
) -> Result<Option<Seeded>> {
    let Some(planned) = planned else {
        return Ok(None);
    };
    let (image, seed, warnings) = planned.write_nameless(dir, environment, progress).await?;
    Ok(Some(Seeded {
        image: Some(image),
        seed,
        warnings,
    }))
}

/// Writes a seed that was looked through as a new directory, for a run on this host.
pub(super) async fn write_directory(
    planned: Option<Planned>,
    seed: &Path,
    progress: OnProgress<'_>,
) -> Result<Option<Seeded>> {
    let Some(planned) = planned else {
        return Ok(None);
    };
    let (seed, warnings) = planned.write_directory(seed, progress).await?;
    Ok(Some(Seeded {
        image: None,
        seed,
        warnings,
    }))
}

/// What its guest is told of the tree; a VM of which nothing is asked but its command has none.
pub(super) fn tenant(
    request: &RunRequest,
    vm_id: VmId,
    seeded: Option<&Seeded>,
    user: &str,
) -> Option<Tenant> {
    let has_tree = seeded.is_some() || request.return_diff || !request.exports.is_empty();
    has_tree.then(|| Tenant {
        id: vm_id,
        tree: WorkspaceTree {
            seeded: seeded.is_some(),
            user: user.to_owned(),
        },
    })
}

/// How the command runs where the caller does not say: in the tree, if that was seeded.
pub(super) fn defaults(of_image: &ImageDefaults, seeded: Option<&Seeded>) -> ImageDefaults {
    let mut defaults = of_image.clone();
    if seeded.is_some() {
        crate::TREE.clone_into(&mut defaults.working_dir);
    }
    defaults
}

/// The length that all contents of a disk can have, in bytes.
fn disk_bytes(request: &RunRequest) -> u64 {
    u64::from(request.resources.disk_gib()) << 30
}

/// What the tree can hold, in bytes.
pub(super) fn capacity_bytes(request: &RunRequest, seeded: Option<&Seeded>) -> u64 {
    let of_seed = seeded.map_or(0, |seeded| seeded.seed.bytes_written);
    disk_bytes(request).saturating_add(of_seed)
}

/// The tree of a VM that runs, by a connection of its own.
#[derive(Debug)]
pub(super) struct VmTree {
    vm_id: VmId,
    caller: Caller,
    used: GuestUse,
    capacity_bytes: u64,
}

impl VmTree {
    /// Connects to the agent, unless that is done already.
    ///
    /// # Errors
    /// `guest-lost`.
    pub(super) async fn open(
        vm: &mut LiveVm,
        vm_id: VmId,
        isolation: Isolation,
        capacity_bytes: u64,
    ) -> Result<Self> {
        let caller = vm.caller().await?;
        let facts = vm.facts();
        Ok(Self {
            vm_id,
            caller,
            used: GuestUse {
                auto_started: false,
                isolation: Some(isolation),
                vmm: Some(facts.vmm),
                execution_mode: facts.execution_mode,
            },
            capacity_bytes,
        })
    }
}

impl LiveTree for VmTree {
    fn id(&self) -> WorkspaceId {
        self.vm_id
    }

    async fn call(&self, verb: Verb) -> Result<(GuestUse, Opened)> {
        let call = self.caller.open_call(verb).await?;
        Ok((self.used.clone(), call))
    }

    fn capacity_bytes(&self) -> Result<u64> {
        Ok(self.capacity_bytes)
    }
}
