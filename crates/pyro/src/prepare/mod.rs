//! Makes an environment's template ahead of its first use, and proves that a VM starts from it.

mod proof;

use std::time::{Duration, Instant};

use self::proof::{Proof, Proofs};
use crate::Pyro;
use crate::command::{Command, millis};
use crate::dirs::{CacheDir, StateDir};
use crate::environment::{BootableEnvironment, EnvironmentProgress, OnProgress};
use crate::error::{Diagnosis, Error, ErrorCode, Result};
use crate::isolation::{self, IsolationFloor};
use crate::object::{ExecOutcome, PrepareReport, PrepareStep, Status, VmExec};
use crate::resources::Resources;
use crate::run::RunRequest;
use crate::runtime::Runtime;
use crate::start::{OwnDisk, StartKind, Starter};
use crate::template::{TemplateInputs, TemplateStore};

/// How long the command that does nothing may take, on the slowest of hosts.
const TIMEOUT: Duration = Duration::from_secs(120);

/// What to prepare.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct PrepareRequest {
    /// The environment; the settings' default if absent.
    pub environment: Option<String>,
    /// The isolation demanded; the settings' default if absent.
    pub isolation: Option<IsolationFloor>,
    /// Prove it again, even if it was proved before.
    pub force: bool,
    /// Prove that the guest reaches the network, too.
    pub network: bool,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
enum PrepareError {
    /// The wish cannot be met.
    #[error("a guest's network cannot be proved")]
    NoNetwork,
    /// The VM ran, but not as one that is restored.
    #[error("the VM was started `{kind}`, not restored from its template{}", because(.warnings))]
    NotRestored { kind: String, warnings: Vec<String> },
    /// The VM ran, and what it ran went wrong.
    #[error("`true` did not end well in the VM: exit {exit_code}")]
    CommandFailed { exit_code: i32 },
}

fn because(warnings: &[String]) -> String {
    warnings.iter().map(|warning| format!("; {warning}")).collect()
}

impl Diagnosis for PrepareError {
    fn code(&self) -> ErrorCode {
        match self {
            Self::NoNetwork => ErrorCode::Unsupported,
            Self::NotRestored { .. } | Self::CommandFailed { .. } => ErrorCode::BootFailed,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            match self {
                Self::NoNetwork => {
                    "networking is not part of this version; prepare without it: `pyro prepare`"
                }
                Self::NotRestored { .. } | Self::CommandFailed { .. } => {
                    "look what is wrong here: `pyro doctor`"
                }
            }
            .to_owned(),
        )
    }
}

/// Fetches the environment if it is not there, makes its template and proves it.
///
/// VMs are of the default size. Dropping the future ends the VM it started and keeps what is whole.
///
/// # Errors
/// What keeps an environment from being had or a tier from being chosen, and `unsupported` for the network. A VM that
/// does not start is a finding of the report.
pub(crate) async fn prepare(
    pyro: &Pyro,
    request: &PrepareRequest,
    progress: OnProgress<'_>,
) -> Result<PrepareReport> {
    if request.network {
        return Err(PrepareError::NoNetwork.into());
    }
    let began = Instant::now();
    let target = Target::find(pyro, request, progress).await?;
    let mut report = target.report(began.elapsed())?;
    let proofs = Proofs::new(&pyro.settings().cache_dir);
    let inputs = target.inputs()?;
    let templates = TemplateStore::new(&pyro.settings().cache_dir);
    if !request.force
        && let Some(proof) = proofs.find(&inputs.key())
        && templates.open(&inputs)?.is_some()
    {
        report.status = Status::Pass;
        report.reused = true;
        report.prepared_at = Some(proof.prepared_at);
        return Ok(report);
    }
    if !target.prove(&mut report, progress).await {
        return Ok(report);
    }
    // A VM that KVM did not start may have changed what is chosen.
    let proof = Proof::now(target.inputs()?.key());
    report.prepared_at = Some(proof.prepared_at.clone());
    report.status = Status::Pass;
    proofs.add(proof, &templates)?;
    Ok(report)
}

/// What is proved.
#[derive(Debug)]
struct Target<'a> {
    pyro: &'a Pyro,
    name: &'a str,
    floor: IsolationFloor,
    runtime: Runtime,
    environment: BootableEnvironment,
}

impl<'a> Target<'a> {
    async fn find(pyro: &'a Pyro, request: &'a PrepareRequest, progress: OnProgress<'_>) -> Result<Self> {
        let settings = pyro.settings();
        let runtime = Runtime::open(settings)?;
        let cache = CacheDir::open(&settings.cache_dir)?;
        StateDir::open(&settings.home)?;
        runtime.verify(cache.path())?;
        let floor = request.isolation.unwrap_or(settings.isolation);
        isolation::choose_vm(settings, floor)?;
        let name = request.environment.as_deref().unwrap_or(&settings.environment);
        let environment = pyro.environments().ensure(name, progress).await?;
        Ok(Self {
            pyro,
            name,
            floor,
            runtime,
            environment,
        })
    }

    /// What the template for such VMs is made of, as things are now.
    fn inputs(&self) -> Result<TemplateInputs> {
        let settings = self.pyro.settings();
        let starter = Starter {
            pyro: self.pyro,
            runtime: &self.runtime,
            environment: &self.environment,
            resources: Resources::default(),
            disk_dir: &settings.home,
            own_disk: OwnDisk::Nameless,
            tenant: None,
            seed: None,
        };
        Ok(starter.inputs(&isolation::choose_vm(settings, self.floor)?)?)
    }

    /// The report after the first step.
    fn report(&self, took: Duration) -> Result<PrepareReport> {
        Ok(PrepareReport {
            environment: self.environment.name.clone(),
            environment_digest: self.environment.digest.clone(),
            status: Status::Fail,
            reused: false,
            prepared_at: None,
            network_checked: false,
            isolation: isolation::choose_vm(self.pyro.settings(), self.floor)?.isolation,
            steps: vec![step("environment", took, None)],
            warnings: self.environment.warnings.clone(),
        })
    }

    /// Starts two VMs: the first makes the template if there is none, the second must be restored from it.
    async fn prove(&self, report: &mut PrepareReport, progress: OnProgress<'_>) -> bool {
        for (name, told) in [
            ("template", "making the template"),
            ("restore", "restoring a VM from it"),
        ] {
            progress(EnvironmentProgress::Step(told.to_owned()));
            let began = Instant::now();
            let ran = self.run().await;
            let judged = ran.and_then(|result| {
                report.isolation = result.isolation;
                judge(&result, name == "restore")
            });
            let error = judged.err().map(|error| error.to_json());
            let failed = error.is_some();
            report.steps.push(step(name, began.elapsed(), error));
            if failed {
                return false;
            }
        }
        true
    }

    /// A run of `true` in a VM of the default size.
    async fn run(&self) -> Result<VmExec> {
        let mut request = RunRequest::new(Command::Argv(vec!["true".into()]));
        request.environment = Some(self.name.to_owned());
        request.isolation = Some(self.floor);
        request.timeout = Some(TIMEOUT);
        self.pyro.run(request).await
    }
}

/// Whether a run proves what it should: that the agent of a restored VM does what it is asked.
fn judge(result: &VmExec, must_be_restored: bool) -> Result<()> {
    let kind = result.metadata.get("start_kind").map_or("", String::as_str);
    // A cold boot means that the template could not be made or used, and a warning says why.
    if kind == StartKind::Cold.as_str() || (must_be_restored && kind != StartKind::Restore.as_str()) {
        return Err(Error::from(PrepareError::NotRestored {
            kind: kind.to_owned(),
            warnings: result.warnings.clone(),
        }));
    }
    match (result.outcome, result.exit_code) {
        // An image without `true`: that the agent looked for it proves as much.
        (ExecOutcome::Exited, Some(0)) | (ExecOutcome::NotStarted, _) => Ok(()),
        (_, exit_code) => Err(Error::from(PrepareError::CommandFailed {
            exit_code: exit_code.unwrap_or_default(),
        })),
    }
}

fn step(name: &str, took: Duration, error: Option<serde_json::Value>) -> PrepareStep {
    PrepareStep {
        name: name.to_owned(),
        duration_ms: millis(took),
        error,
    }
}
