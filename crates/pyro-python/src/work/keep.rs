//! The state of the host, and of what pyro keeps on it.

use pyro::object::{DiskUsage as Usage, DoctorReport, PrepareReport, Pruning};
use pyro::{DoctorRequest, Error, PrepareRequest, PruneRequest, argument};
use serde::Deserialize;
use tokio::task::block_in_place;

use super::Request;
use crate::context::Context;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Doctor {
    platform: Option<String>,
    environment: Option<String>,
}

impl Request for Doctor {
    type Output = DoctorReport;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut doctor = DoctorRequest::default();
        doctor.platform = self.platform;
        doctor.environment = self.environment;
        Ok(context.pyro.doctor(&doctor).await)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prepare {
    environment: Option<String>,
    network: bool,
    force: bool,
}

impl Request for Prepare {
    type Output = PrepareReport;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut prepare = PrepareRequest::default();
        prepare.environment = self.environment;
        prepare.network = self.network;
        prepare.force = self.force;
        let mut progress = context.teller.on_environment();
        context.pyro.prepare(&prepare, &mut progress).await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DiskUsage {}

impl Request for DiskUsage {
    type Output = Usage;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        block_in_place(|| context.pyro.disk_usage())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prune {
    older_than: String,
    stopped: bool,
    dry_run: bool,
}

impl Request for Prune {
    type Output = Pruning;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut prune = PruneRequest::default();
        prune.older_than = argument::duration("older_than", &self.older_than)?;
        prune.stopped = self.stopped;
        prune.dry_run = self.dry_run;
        block_in_place(|| context.pyro.prune(&prune))
    }
}
