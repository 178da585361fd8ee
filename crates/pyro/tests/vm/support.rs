//! The library, opened on a home of its own.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a harness that fails must fail the test"
)]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyro::object::VmExec;
use pyro::{Command, IsolationFloor, Pyro, Result, Run, RunControl, RunEvent, RunRequest, Settings};
use tempfile::TempDir;

/// A home, and a runtime like that of the command.
pub(crate) struct Host {
    pub(crate) settings: Settings,
    home: TempDir,
    runtime: tokio::runtime::Runtime,
    // Descriptors and children are the whole process's, so one test counts them at a time.
    _alone: MutexGuard<'static, ()>,
}

fn required(variable: &str) -> PathBuf {
    match std::env::var_os(variable) {
        Some(value) => value.into(),
        None => panic!("{variable} is not set: `cargo xtask test` runs these tests"),
    }
}

/// The isolation and the VMM in `PYRO_TEST_TIER`; unset, those that work on any host.
fn tier() -> (&'static str, &'static str) {
    let name = std::env::var("PYRO_TEST_TIER").unwrap_or_else(|_| "emulated/qemu".to_owned());
    let tiers = [
        ("emulated", "qemu"),
        ("hardware", "qemu"),
        ("hardware", "firecracker"),
    ];
    let found = tiers
        .into_iter()
        .find(|(isolation, vmm)| name == format!("{isolation}/{vmm}"));
    found.unwrap_or_else(|| panic!("PYRO_TEST_TIER names no tier: {name}"))
}

fn assert_is_of_tier(result: &VmExec) {
    let told = serde_json::to_value(result).unwrap();
    let (isolation, vmm) = tier();
    assert_eq!(
        (&told["isolation"], &told["vmm"]),
        (&isolation.into(), &vmm.into())
    );
}

impl Host {
    pub(crate) fn new() -> Self {
        static ALONE: Mutex<()> = Mutex::new(());
        let alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        let home = tempfile::tempdir().unwrap();
        let bin = required("PYRO_TEST_BIN");
        let prefix = bin.parent().and_then(Path::parent).unwrap();
        let mut settings = Settings::new(home.path().join("state"), required("PYRO_TEST_CACHE"));
        settings.runtime_dir = Some(prefix.join("lib/pyro"));
        settings.program = Some(bin.clone());
        settings.isolation = match tier().0 {
            "hardware" => IsolationFloor::Hardware,
            _ => IsolationFloor::Emulated,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        Self {
            settings,
            home,
            runtime: runtime.unwrap(),
            _alone: alone,
        }
    }

    /// The isolation of its VMs, as a variable names it.
    pub(crate) fn isolation(&self) -> &'static str {
        tier().0
    }

    /// Everything that is left in the home.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.home.path().join("state"));
        let entries = entries.into_iter().flatten();
        entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect()
    }

    /// Runs a request to its end; `watch` sees all standard output so far each time that more comes.
    pub(crate) fn run(
        &self,
        request: RunRequest,
        mut watch: impl FnMut(&[u8], &RunControl),
    ) -> (Result<VmExec>, Vec<u8>) {
        let pyro = Pyro::open(self.settings.clone());
        self.runtime.block_on(async {
            let mut run: Run = pyro.start_run(request);
            let control = run.control();
            let mut stdout = Vec::new();
            while let Some(event) = run.next_event().await {
                if let RunEvent::Stdout(bytes) = event {
                    stdout.extend_from_slice(&bytes);
                    watch(&stdout, &control);
                }
            }
            let result = run.finish().await;
            if let Ok(result) = &result {
                assert_is_of_tier(result);
            }
            (result, stdout)
        })
    }

    pub(crate) fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.block_on(future)
    }
}

/// A shell string with all the time that it may need.
pub(crate) fn shell(text: &str) -> RunRequest {
    let mut request = RunRequest::new(Command::Shell(text.to_owned()));
    request.timeout = Some(Duration::from_secs(600));
    request
}
