//! A run on this host itself, where no VM can be had.

use super::host_dir::HostDirs;
use super::start::{Ground, Origin, Ready, Start};
use super::{Phase, RunEvent, tree};
use crate::environment::ImageDefaults;
use crate::error::Result;
use crate::settings::Settings;
use crate::start::{Clock, HostPlace, start_on_host};

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

        super::tell(self.events, RunEvent::Phase(Phase::Starting)).await;
        let seeded = None;
        let defaults = ImageDefaults {
            env: Vec::new(),
            working_dir: String::new(),
            user: String::new(),
        };
        let exec = request.wanted().to_exec(&defaults);
        let place = HostPlace {
            dir: dir.path(),
            seed: None,
        };
        let tenant = tree::tenant(request, vm_id, seeded.as_ref(), "");
        let started = start_on_host(
            pyro,
            &self.runtime,
            vm_id,
            place,
            Some(&exec),
            tenant.as_ref(),
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
