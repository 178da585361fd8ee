//! A run on this host itself, where no VM can be had.

use pyro_proto::file::WorkspaceTree;

use super::host_dir::HostDirs;
use super::start::{Ground, Origin, Ready, Start, progress_to};
use super::{Phase, RunEvent, tree};
use crate::environment::ImageDefaults;
use crate::error::Result;
use crate::settings::Settings;
use crate::start::{Clock, HostPlace, start_on_host};
use crate::vm::Tenant;
use crate::workspace::SEED_TREE;

impl Start<'_> {
    /// Starts the command in a directory of its own. Of the environment nothing is needed but its name.
    pub(super) async fn on_host(self, clock: &mut Clock) -> Result<Ready> {
        let Self {
            pyro, request, vm_id, ..
        } = self;
        let origin = Origin {
            name: pyro.environments().normal_name(self.environment())?,
            version: String::new(),
            digest: String::new(),
            warnings: Vec::new(),
        };
        sweep(pyro.settings()).await;
        let dir = HostDirs::create(&self.home, vm_id)?;
        clock.lap("directory");

        let seed = dir.path().join(SEED_TREE);
        let mut progress = progress_to(self.events);
        let seeded = tree::write_directory(self.planned, &seed, &mut progress).await?;
        if seeded.is_some() {
            clock.lap("seed");
        }

        super::tell(self.events, RunEvent::Phase(Phase::Starting)).await;
        let exec = request.wanted().to_exec(&ImageDefaults::of_host());
        let place = HostPlace {
            dir: dir.path(),
            seed: seeded.as_ref().map(|_| &*seed),
        };
        // Commands have their tree in any case: it is where they are.
        let tenant = Tenant {
            id: vm_id,
            tree: WorkspaceTree {
                seeded: seeded.is_some(),
                user: String::new(),
            },
        };
        let started = start_on_host(
            pyro,
            &self.runtime,
            vm_id,
            place,
            Some(&exec),
            Some(&tenant),
            clock,
        )
        .await?;
        Ok(Ready {
            started,
            ground: Ground::Host { _dir: dir },
            origin,
            exec,
            seeded,
        })
    }
}

/// Removes what runs left behind whose owners were killed.
async fn sweep(settings: &Settings) {
    let dirs = HostDirs::new(&settings.home);
    let sweep = move || {
        for (_, path) in dirs.abandoned() {
            if let Err(error) = HostDirs::remove(&path) {
                tracing::debug!(path = %path.display(), %error, "a directory is left behind");
            }
        }
    };
    let _swept = tokio::task::spawn_blocking(sweep).await;
}
