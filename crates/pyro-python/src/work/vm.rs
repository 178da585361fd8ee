//! VMs that are made ahead of their command.

use std::collections::BTreeMap;
use std::time::Duration;

use pyro::object::{Reap, VmDeletion, VmExec, VmInfo, VmNetwork};
use pyro::{CreateVmRequest, Error, ExecRequest, Pyro, Vm, VmId};
use serde::Deserialize;

use super::Request;
use crate::context::Context;
use crate::request::{self, HostText};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Create {
    environment: Option<String>,
    vcpu_count: u64,
    mem_mib: u64,
    disk_gib: u64,
    ttl_seconds: u64,
}

impl Request for Create {
    type Output = VmInfo;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        let mut create = CreateVmRequest::default();
        create.environment = self.environment;
        create.resources = request::size(&context.pyro, self.vcpu_count, self.mem_mib, Some(self.disk_gib))?;
        create.ttl = Duration::from_secs(self.ttl_seconds);
        let mut progress = context.teller.on_environment();
        context.pyro.create_vm(&create, &mut progress).await?.status()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Exec {
    vm_id: String,
    command: Option<String>,
    argv: Option<Vec<HostText>>,
    timeout_seconds: Option<u64>,
    env: Option<BTreeMap<String, HostText>>,
    cwd: Option<String>,
    user: Option<String>,
}

impl Request for Exec {
    type Output = VmExec;

    const ENDS_ITSELF: bool = true;

    async fn run(self, mut context: Context) -> Result<Self::Output, Error> {
        let mut exec = ExecRequest::new(request::command(self.command, self.argv)?);
        exec.timeout = request::seconds(self.timeout_seconds);
        exec.env = request::variables(self.env);
        exec.cwd = self.cwd;
        exec.user = self.user;
        exec.stdin = context.take_stdin();
        let run = vm_of(&context.pyro, &self.vm_id)?.start_exec(exec);
        context.follow(run).await
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReapExpired {}

impl Request for ReapExpired {
    type Output = Reap;

    async fn run(self, context: Context) -> Result<Self::Output, Error> {
        context.pyro.reap_expired()
    }
}

/// What is asked of a VM by its id alone.
macro_rules! of_a_vm {
    ($($name:ident -> $output:ty, |$vm:ident| $body:expr;)+) => {$(
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            vm_id: String,
        }

        impl Request for $name {
            type Output = $output;

            async fn run(self, context: Context) -> Result<Self::Output, Error> {
                let $vm = vm_of(&context.pyro, &self.vm_id)?;
                $body
            }
        }
    )+};
}

of_a_vm! {
    Start -> VmInfo, |vm| vm.start().await;
    Stop -> VmInfo, |vm| vm.stop().await;
    Delete -> VmDeletion, |vm| vm.delete().await;
    Status -> VmInfo, |vm| vm.status();
    NetworkInfo -> VmNetwork, |vm| vm.network_info();
}

fn vm_of(pyro: &Pyro, id: &str) -> Result<Vm, Error> {
    pyro.vm(&id.parse::<VmId>()?)
}
