//! A command in a VM of its own.

use std::collections::BTreeMap;

use pyro::object::VmExec;
use pyro::{Error, ExportRequest, RunRequest, TreePath};
use serde::Deserialize;

use super::Request;
use crate::context::Context;
use crate::patch_text;
use crate::request::{self, HostText};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RunInVm {
    environment: Option<String>,
    command: Option<String>,
    argv: Option<Vec<HostText>>,
    vcpu_count: u64,
    mem_mib: u64,
    timeout_seconds: Option<u64>,
    ttl_seconds: u64,
    seed_path: Option<HostText>,
    return_diff: bool,
    env: Option<BTreeMap<String, HostText>>,
    cwd: Option<String>,
    user: Option<String>,
    /// By their paths in the guest.
    exports: Option<BTreeMap<String, HostText>>,
}

impl Request for RunInVm {
    type Output = VmExec;

    const ENDS_ITSELF: bool = true;

    async fn run(self, mut context: Context) -> Result<Self::Output, Error> {
        let mut run = RunRequest::new(request::command(self.command, self.argv)?);
        run.environment = self.environment;
        run.resources = request::size(&context.pyro, self.vcpu_count, self.mem_mib, None)?;
        run.timeout = request::seconds(self.timeout_seconds);
        run.ttl = std::time::Duration::from_secs(self.ttl_seconds);
        run.seed_path = self.seed_path.map(HostText::into_path);
        run.return_diff = self.return_diff;
        run.env = request::variables(self.env);
        run.cwd = self.cwd;
        run.user = self.user;
        run.stdin = context.take_stdin();
        for (path, output) in self.exports.unwrap_or_default() {
            let path = TreePath::parse_given(path)?;
            run.exports.push(ExportRequest::new(path, output.into_path()));
        }
        let run = context.pyro.start_run(run);
        let mut done = context.follow(run).await?;
        if let Some(diff) = &mut done.diff {
            patch_text::fit(diff);
        }
        Ok(done)
    }
}
