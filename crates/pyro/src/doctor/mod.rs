//! What works on this host, what does not, and the fix.
//!
//! Each check is a file of its own: it looks at one thing, never fails, and says what it found and what to do. None
//! reaches the network or needs a working part of pyro.

mod confinement;
mod directories;
mod environment;
mod finding;
mod host;
mod kvm;
mod leftovers;
mod memory;
mod platform;
mod program;
mod runtime;
mod tools;
mod vmm;

use serde_json::{Value, json};

use crate::Pyro;
use crate::isolation::{KvmProbe, KvmVerdict};
use crate::object::{DoctorCheck, DoctorReport, Status};
use crate::settings::Settings;

/// What doctor looks at.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct DoctorRequest {
    /// The platform; this host's if absent.
    pub platform: Option<String>,
    /// An environment to verify in full.
    pub environment: Option<String>,
}

/// Checks everything that pyro needs. Never fails: what is broken is in the report.
///
/// Must be called within a tokio runtime. Takes well under a second, most of it hashing the runtime's files.
pub(crate) async fn examine(pyro: &Pyro, request: &DoctorRequest) -> DoctorReport {
    let settings = pyro.settings();
    let (found, confinement) = tokio::join!(vmm::look(settings), confinement::look(settings));
    let (platform, platform_check) = platform::look(request.platform.as_deref());
    let blocking = {
        let (settings, on_kvm) = (settings.clone(), found.vmms.on_kvm().cloned());
        tokio::task::spawn_blocking(move || {
            let verdict = KvmProbe::new(&settings.cache_dir, on_kvm).verdict();
            (verdict, Files::look(&settings))
        })
    };
    let Ok((verdict, files)) = blocking.await else {
        return broken(platform, platform_check);
    };
    let (kvm, kvm_check) = kvm::look(&verdict);
    let mut checks = vec![platform_check, kvm_check];
    checks.extend(found.checks(&verdict));
    checks.extend(files.checks);
    checks.extend(confinement.checks);
    checks.push(tools::look(settings));
    let mut environments = Value::Array(Vec::new());
    if let Some(name) = &request.environment {
        let (check, value) = environment::look(pyro, name).await;
        checks.push(check);
        environments = Value::Array(vec![value]);
    }
    let mut runtime = files.runtime.value;
    runtime["vmm"] = found.qemu_value();
    runtime["firecracker"] = found.firecracker_value();
    runtime["confinement"] = confinement.value;
    let mut tiers = kvm::tiers(&verdict, &found.vmms, confinement.may_jail);
    let runs_vms = tiers.iter().any(|tier| tier.usable);
    tiers.push(host::tier(settings, &found.vmms));
    DoctorReport {
        platform,
        status: finding::worst(&checks),
        runtime_ok: files.runtime.intact && runs_vms,
        issues: finding::issues(&checks),
        checks,
        tiers,
        kvm,
        networking: json!({"usable": false, "reason": "this build gives guests no network"}),
        runtime,
        disk: files.disk,
        memory: files.memory,
        leftovers: files.leftovers,
        environments,
    }
}

/// What is found by reading files and directories.
struct Files {
    checks: Vec<DoctorCheck>,
    runtime: runtime::Runtime,
    disk: Value,
    memory: Value,
    leftovers: Value,
}

impl Files {
    fn look(settings: &Settings) -> Self {
        let runtime = runtime::look(settings);
        let mut checks = runtime.checks.clone();
        let (directories, disk) = directories::look(settings);
        checks.extend(directories);
        let (memory_check, memory) = memory::look(&settings.home);
        let (leftovers_check, leftovers) = leftovers::look(settings);
        checks.extend([memory_check, leftovers_check]);
        Self {
            checks,
            runtime,
            disk,
            memory,
            leftovers,
        }
    }
}

/// The report where doctor itself does not work: a fault of pyro, said as such.
fn broken(platform: String, platform_check: DoctorCheck) -> DoctorReport {
    let itself = finding::fail(
        "doctor",
        "doctor could not finish its checks",
        "report this fault of pyro with the output of `PYRO_LOG=debug pyro doctor`",
    );
    let checks = vec![platform_check, itself];
    let verdict = KvmVerdict::Absent;
    DoctorReport {
        platform,
        status: Status::Fail,
        runtime_ok: false,
        issues: finding::issues(&checks),
        checks,
        tiers: Vec::new(),
        kvm: kvm::look(&verdict).0,
        networking: Value::Null,
        runtime: Value::Null,
        disk: Value::Null,
        memory: Value::Null,
        leftovers: Value::Null,
        environments: Value::Null,
    }
}

#[cfg(test)]
mod tests;
