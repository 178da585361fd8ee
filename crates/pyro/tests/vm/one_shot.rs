//! One-shot VMs that are created ahead of their command, through the library.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::path::PathBuf;
use std::process::Command as Program;
use std::time::{Duration, Instant};

use pyro::object::{CleanupReason, ExecOutcome, ExecutionMode, StopReason, VmExec, VmState};
use pyro::{
    Command, CreateVmRequest, ErrorCode, ExecRequest, Isolation, IsolationFloor, Pyro, Result, RunEvent,
    Stdin, Vm, VmId,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::Host;

/// Says to this program which VM it is to look for, as another process.
const OTHER: &str = "PYRO_TEST_OTHER";

fn exec(text: &str) -> ExecRequest {
    let mut request = ExecRequest::new(Command::Shell(text.to_owned()));
    request.timeout = Some(Duration::from_secs(600));
    request
}

async fn created(pyro: &Pyro) -> Vm {
    pyro.create_vm(&CreateVmRequest::default(), &mut |_| {})
        .await
        .unwrap()
}

async fn started(pyro: &Pyro) -> Vm {
    let vm = created(pyro).await;
    assert_eq!(vm.start().await.unwrap().state, VmState::Started);
    vm
}

fn dir(pyro: &Pyro, id: VmId) -> PathBuf {
    pyro.settings().home.join("vms").join(id.as_str())
}

/// The process that owns a VM.
fn supervisor(pyro: &Pyro, id: VmId) -> Pid {
    let text = std::fs::read(dir(pyro, id).join("live.json")).unwrap();
    let live: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let pid = live["supervisor"]["pid"].as_i64().unwrap();
    Pid::from_raw(pid.try_into().unwrap()).unwrap()
}

/// Changes the record of a VM as no caller can.
fn edit(pyro: &Pyro, id: VmId, field: &str, value: serde_json::Value) {
    let path = dir(pyro, id).join("record.json");
    let mut record: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    record[field] = value;
    std::fs::write(path, record.to_string()).unwrap();
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// It is gone without having been looked for.
fn assert_gone(pyro: &Pyro, id: VmId) {
    assert!(!dir(pyro, id).exists());
    assert_gone_by_looking(pyro, id);
}

#[test]
fn a_vm_is_created_started_used_and_gone() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let vm = created(&pyro).await;
        let info = vm.status().unwrap();
        assert_eq!(
            (info.state, info.isolation, info.stop_reason),
            (VmState::Created, None, None)
        );
        assert!(info.expires_at.is_some() && info.environment_digest.starts_with("sha256:"));
        let refused = vm.exec(exec("true")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidState);

        let info = vm.start().await.unwrap();
        assert_eq!(info.state, VmState::Started);
        assert!(info.isolation.is_some() && info.metadata.contains_key("start_kind"));
        // Another start changes nothing.
        assert_eq!(vm.start().await.unwrap().metadata, info.metadata);
        assert!(!vm.network_info().unwrap().network_enabled);

        // The place of a workspace's tree is there in every guest, and without a tree it is empty.
        let mut request = exec("cat; pwd; hostname; ls -A /workspace; exit 3");
        request.stdin = Stdin::Reader(Box::new(&b"from here\n"[..]));
        let result = vm.exec(request).await.unwrap();
        let expected = format!("from here\n/\npyro-{}\n", vm.id());
        assert_eq!((result.stdout, result.exit_code), (expected, Some(3)));
        assert_eq!(result.stderr, "");
        assert_eq!(
            (
                result.cleanup.vm_id,
                result.cleanup.deleted,
                result.cleanup.reason
            ),
            (vm.id(), true, CleanupReason::PostExecCleanup)
        );
        assert!(result.boot_ms > 0 && result.environment_digest == info.environment_digest);
        assert_gone(&pyro, vm.id());
        assert!(pyro.vms().unwrap().is_empty());
    });
}

#[test]
fn a_vm_that_is_stopped_keeps_its_disk_until_it_is_deleted() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let vm = started(&pyro).await;
        let info = vm.stop().await.unwrap();
        assert_eq!(
            (info.state, info.stop_reason, info.isolation),
            (VmState::Stopped, Some(StopReason::Requested), None)
        );
        assert!(info.expires_at.is_some());
        assert_eq!(vm.stop().await.unwrap().state, VmState::Stopped);
        let refused = vm.exec(exec("true")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidState);
        let usage = pyro.disk_usage().unwrap();
        assert_eq!(
            (usage.vms.len(), usage.vms[0].name.as_str()),
            (1, vm.id().as_str())
        );
        assert!(usage.vms[0].space.used_bytes > 0 && usage.workspaces.is_empty());
        assert_eq!(vm.start().await.unwrap().state, VmState::Started);
        let owner = supervisor(&pyro, vm.id());
        let deletion = vm.delete().await.unwrap();
        assert_eq!(
            (deletion.deleted, deletion.reason),
            (true, CleanupReason::ExplicitDelete)
        );
        assert_gone(&pyro, vm.id());
        until("the supervisor ends", || is_gone(owner)).await;
    });
}

fn is_gone(pid: Pid) -> bool {
    // Killed ones are waited for by a thread of whoever started them.
    !PathBuf::from(format!("/proc/{}/exe", pid.as_raw_nonzero())).exists()
}

#[test]
fn another_process_sees_it_and_a_client_that_ends_leaves_it() {
    if let Ok(id) = std::env::var(OTHER) {
        return as_other(&id.parse().unwrap());
    }
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let vm = created(&pyro).await;
        let owner = Program::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "one_shot::another_process_sees_it_and_a_client_that_ends_leaves_it",
            ])
            .env(OTHER, vm.id().as_str())
            .env("PYRO_HOME", &pyro.settings().home)
            .output()
            .unwrap();
        assert!(
            owner.status.success(),
            "{}",
            String::from_utf8_lossy(&owner.stdout)
        );
        // It was started by a process that is gone.
        assert_eq!(pyro.vms().unwrap()[0].state, VmState::Started);
        let result = vm.exec(exec("echo here")).await.unwrap();
        assert_eq!(result.stdout, "here\n");
        assert_gone(&pyro, vm.id());
    });
}

/// Finds a VM of another process, and starts it.
fn as_other(id: &VmId) {
    let mut host = Host::new();
    host.settings.home = std::env::var_os("PYRO_HOME").unwrap().into();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        assert_eq!(pyro.vms().unwrap()[0].vm_id, *id);
        let vm = pyro.vm(id).unwrap();
        assert_eq!(vm.status().unwrap().state, VmState::Created);
        vm.start().await.unwrap();
    });
}

#[test]
fn a_vm_has_one_command_and_goes_however_that_ends() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        // Its time is up, and another is refused meanwhile.
        let vm = started(&pyro).await;
        let mut request = exec("echo ready; exec sleep 1000");
        request.timeout = Some(Duration::from_secs(3));
        let mut run = vm.start_exec(request);
        assert!(until_output(&mut run).await);
        assert_eq!(vm.status().unwrap().expires_at, None);
        let refused = vm.exec(exec("true")).await.unwrap_err();
        assert_eq!(refused.code(), ErrorCode::InvalidState, "{refused}");
        let result = run.finish().await.unwrap();
        assert_eq!(
            (result.outcome, result.exit_code),
            (ExecOutcome::TimedOut, Some(124))
        );
        assert_gone(&pyro, vm.id());

        // Its client goes away.
        let vm = started(&pyro).await;
        let mut run = vm.start_exec(exec("echo ready; exec sleep 1000"));
        assert!(until_output(&mut run).await);
        drop(run);
        until("the VM goes", || !dir(&pyro, vm.id()).exists()).await;
        assert_gone(&pyro, vm.id());

        // Its supervisor is killed, or somebody deletes it.
        let end_by_kill = |vm: Vm| {
            kill_process(supervisor(&pyro, vm.id()), Signal::KILL).unwrap();
            std::future::ready(())
        };
        let error = ended_by(&pyro, end_by_kill).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::GuestLost, "{error}");
        let cleanup = &error.details().unwrap()["cleanup"];
        assert_eq!(
            (&cleanup["deleted"], &cleanup["reason"]),
            (&true.into(), &"run_vm_error_cleanup".into())
        );
        let end_by_deletion = |vm: Vm| async move { assert!(vm.delete().await.unwrap().deleted) };
        let result = ended_by(&pyro, end_by_deletion).await;
        assert_eq!(result.unwrap().outcome, ExecOutcome::Cancelled);
    });
}

async fn until_output(run: &mut pyro::Run<VmExec>) -> bool {
    while let Some(event) = run.next_event().await {
        if matches!(event, RunEvent::Stdout(_)) {
            return true;
        }
    }
    false
}

/// What comes of a command in a VM that is ended meanwhile.
async fn ended_by<F: Future<Output = ()>>(pyro: &Pyro, end: impl FnOnce(Vm) -> F) -> Result<VmExec> {
    let vm = started(pyro).await;
    let id = vm.id();
    let mut run = vm.start_exec(exec("echo ready; exec sleep 1000"));
    assert!(until_output(&mut run).await);
    end(vm).await;
    let result = run.finish().await;
    assert_gone(pyro, id);
    result
}

#[test]
fn a_vm_whose_supervisor_is_killed_is_stopped_and_one_whose_time_is_over_is_gone() {
    let host = Host::new();
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let vm = started(&pyro).await;
        let owner = supervisor(&pyro, vm.id());
        kill_process(owner, Signal::KILL).unwrap();
        until("the supervisor ends", || is_gone(owner)).await;
        let info = vm.status().unwrap();
        assert_eq!(
            (info.state, info.stop_reason),
            (VmState::Stopped, Some(StopReason::SupervisorLost))
        );

        // Its supervisor removes it, and nobody has to ask for that.
        edit(&pyro, vm.id(), "ttl_seconds", 20.into());
        vm.start().await.unwrap();
        assert_eq!(pyro.reap_expired().unwrap().count, 0);
        until("the VM expires", || !dir(&pyro, vm.id()).exists()).await;
        let error = vm.status().unwrap_err();
        assert_eq!(error.details().unwrap()["reason"], "expired");

        // Without one, the next to look does.
        let vm = created(&pyro).await;
        edit(&pyro, vm.id(), "ttl_seconds", 0.into());
        let error = vm.start().await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::VmNotFound);
        assert!(dir(&pyro, vm.id()).exists());
        assert_eq!(pyro.reap_expired().unwrap().deleted_vm_ids, [vm.id()]);
        assert_gone(&pyro, vm.id());

        // Somebody began to delete it and was killed before its supervisor heard of it.
        let vm = started(&pyro).await;
        let owner = supervisor(&pyro, vm.id());
        let mover = serde_json::json!({
            "process": {"pid": 1, "start": 1},
            "boot": "",
            "since": "2026-01-01T00:00:00Z",
            "before": "started",
        });
        edit(&pyro, vm.id(), "mover", mover);
        edit(&pyro, vm.id(), "state", "deleting".into());
        assert_gone_by_looking(&pyro, vm.id());
        until("the supervisor ends", || is_gone(owner)).await;
    });
}

fn assert_gone_by_looking(pyro: &Pyro, id: VmId) {
    assert_eq!(pyro.vm(&id).unwrap_err().code(), ErrorCode::VmNotFound);
    assert!(!dir(pyro, id).exists());
}

#[test]
fn without_a_vm_it_is_a_directory_that_goes_with_its_command() {
    let mut host = Host::new();
    host.settings.search_path.clear();
    host.settings.isolation = IsolationFloor::Auto;
    host.settings.allow_host_compat = true;
    let pyro = Pyro::open(host.settings.clone());
    host.block_on(async {
        let vm = started(&pyro).await;
        let info = vm.stop().await.unwrap();
        assert!(info.allow_host_compat && info.environment_digest.is_empty());
        let info = vm.start().await.unwrap();
        assert_eq!(
            (info.isolation, info.execution_mode),
            (Some(Isolation::Host), ExecutionMode::HostCompat)
        );
        let result = vm.exec(exec("pwd -P; exit 3")).await.unwrap();
        assert_eq!(result.exit_code, Some(3));
        let tree = dir(&pyro, vm.id()).canonicalize();
        assert!(tree.is_err(), "{tree:?}");
        assert!(result.stdout.contains(vm.id().as_str()), "{}", result.stdout);
        assert!(
            result.warnings.iter().any(|warning| warning.contains("isolates")),
            "{result:?}"
        );
        assert_eq!(result.cleanup.reason, CleanupReason::PostExecCleanup);
        assert_gone(&pyro, vm.id());

        let vm = started(&pyro).await;
        let mut run = vm.start_exec(exec(
            "setsid sleep 1000 & mkdir locked; chmod 0 locked; echo ready; sleep 1000",
        ));
        assert!(until_output(&mut run).await);
        drop(run);
        until("the VM goes", || !dir(&pyro, vm.id()).exists()).await;
        assert_gone(&pyro, vm.id());
    });
}
