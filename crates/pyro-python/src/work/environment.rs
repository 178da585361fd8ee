//! Environments.

use pyro::object::{EnvironmentInfo, PruneReport};
use pyro::{BuildOptions, Error, ImportSource, PruneScope};
use serde::Deserialize;
use tokio::task::block_in_place;

use super::Request;
use crate::context::Context;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {}

impl Request for List {
    type Output = Vec<EnvironmentInfo>;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        Ok(context.pyro.environments().list()?.environments)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pull {
    environment: String,
    force: bool,
}

impl Request for Pull {
    type Output = EnvironmentInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut progress = context.teller.on_environment();
        let environments = context.pyro.environments();
        environments
            .pull(&self.environment, self.force, &mut progress)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Inspect {
    environment: String,
}

impl Request for Inspect {
    type Output = EnvironmentInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        context.pyro.environments().inspect(&self.environment)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prune {
    all: bool,
    dry_run: bool,
}

impl Request for Prune {
    type Output = PruneReport;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let scope = match self.all {
            true => PruneScope::AllUnused,
            false => PruneScope::Superseded,
        };
        block_in_place(|| context.pyro.environments().prune(scope, self.dry_run))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Import {
    path: String,
    name: Option<String>,
}

impl Request for Import {
    type Output = EnvironmentInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let source = ImportSource::parse(&self.path);
        let mut progress = context.teller.on_environment();
        let environments = context.pyro.environments();
        environments
            .import(&source, self.name.as_deref(), &mut progress)
            .await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Build {
    environment: String,
    mirror: Option<String>,
    packages: Vec<String>,
    name: Option<String>,
}

impl Request for Build {
    type Output = EnvironmentInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut options = BuildOptions::default();
        options.mirror = self.mirror;
        options.packages = self.packages;
        options.name = self.name;
        let mut progress = context.teller.on_environment();
        let environments = context.pyro.environments();
        environments
            .build(&self.environment, &options, &mut progress)
            .await
    }
}
