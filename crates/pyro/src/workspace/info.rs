//! Workspaces as their users see them.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::error::io_error;
use super::exec::TREE;
use super::history::Entry;
use super::latest::Latest;
use super::live::{Live, VmFacts};
use super::record::{Record, State};
use super::seed;
use super::store::{Found, Store};
use crate::error::Result;
use crate::id::WorkspaceId;
use crate::object::{
    ExecOutcome, ExecutionMode, LastCommand, WorkspaceDeletion, WorkspaceInfo, WorkspaceReset, WorkspaceSeed,
    WorkspaceSummary,
};
use crate::space;

/// What a workspace is called in messages: its name, else its id.
pub(super) fn shown(record: &Record) -> String {
    match &record.name {
        Some(name) => name.to_string(),
        None => record.workspace_id.to_string(),
    }
}

/// A time as results show it.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.3}")
}

pub(super) fn last_activity(record: &Record, live: Option<&Live>) -> Timestamp {
    let of_live = live.map(|live| live.last_activity_at);
    of_live
        .unwrap_or(record.last_activity_at)
        .max(record.last_activity_at)
}

fn expires(record: &Record, live: Option<&Live>) -> Option<String> {
    let live = live.filter(|live| record.state == State::Started && live.busy == 0)?;
    let ttl = SignedDuration::try_from(Duration::from_secs(record.ttl_seconds)).ok()?;
    live.last_activity_at.checked_add(ttl).ok().map(time)
}

/// What went wrong last; while the host's disk is full, that cannot be recorded.
fn last_error(store: &Store, record: &Record, live: Option<&Live>) -> Option<String> {
    let is_full = || live.is_some() && space::is_full(&store.dir(record.workspace_id));
    let recorded = record.last_error.clone();
    recorded.or_else(|| is_full().then(|| space::FULL.to_owned()))
}

pub(super) fn warnings(record: &Record, vm: Option<&VmFacts>) -> Vec<String> {
    let of_vm = vm.map_or(&[][..], |vm| &vm.warnings);
    record.warnings.iter().chain(of_vm).cloned().collect()
}

/// The outcome of a command of the history.
pub(super) fn outcome(entry: &Entry, is_live: bool) -> ExecOutcome {
    match &entry.ended {
        Some(ended) => ended.outcome,
        None if is_live => ExecOutcome::Running,
        None => ExecOutcome::Lost,
    }
}

/// The VM that a workspace has now.
pub(super) fn vm_of<'a>(record: &Record, live: Option<&'a Live>) -> Option<&'a VmFacts> {
    let runs = record.state != State::Stopped;
    live.filter(|_| runs).and_then(|live| live.vm.as_ref())
}

/// Describes a workspace in full.
pub(super) fn describe(store: &Store, found: Found) -> Result<WorkspaceInfo> {
    let Found { id, record, live } = found;
    let record = record?;
    let dir = store.dir(id);
    let latest = Latest::read(&dir, record.generation).map_err(io_error("read the history of", dir))?;
    let last_command = latest.entry.as_ref().map(|entry| LastCommand {
        sequence: entry.began.sequence,
        command: entry.began.command.clone(),
        cwd: entry.began.cwd.clone(),
        exit_code: entry.ended.as_ref().and_then(|ended| ended.exit_code),
        outcome: outcome(entry, live.is_some()),
        duration_ms: entry.ended.as_ref().map(|ended| ended.duration_ms),
    });
    let disk_used = record.ground.used_bytes(&store.dir(id));
    let vm = vm_of(&record, live.as_ref());
    Ok(WorkspaceInfo {
        workspace_id: id,
        name: record.name.clone(),
        labels: record.labels.clone(),
        environment: record.environment.clone(),
        environment_version: record.environment_version.clone(),
        environment_digest: record.environment_digest.clone(),
        vcpu_count: record.vcpu_count,
        mem_mib: record.mem_mib,
        disk_gib: record.disk_gib,
        disk_used_bytes: disk_used,
        ttl_seconds: record.ttl_seconds,
        created_at: time(record.created_at),
        last_activity_at: time(last_activity(&record, live.as_ref())),
        expires_at: expires(&record, live.as_ref()),
        state: record.state,
        stop_reason: record.stop_reason,
        last_error: last_error(store, &record, live.as_ref()),
        network_policy: "off".to_owned(),
        network_enabled: false,
        allowed_domains: Vec::new(),
        allowed_cidrs: Vec::new(),
        allow_host_compat: record.allow_host_compat,
        guest_ip: None,
        tap_name: None,
        workspace_path: TREE.to_owned(),
        workspace_seed: record.seed.clone().unwrap_or_else(seed::none),
        secrets: Vec::new(),
        command_count: latest.command_count,
        total_command_count: latest.total(),
        last_command,
        reset_count: record.generation,
        last_reset_at: record.last_reset_at.map(time),
        service_count: 0,
        running_service_count: 0,
        workspace_reset: None,
        auto_started: false,
        isolation: vm.map(|vm| vm.isolation),
        vmm: vm.map(|vm| vm.vmm),
        execution_mode: vm.map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
        warnings: warnings(&record, vm),
        metadata: vm.map_or_else(Default::default, |vm| vm.metadata.clone()),
    })
}

/// Describes a workspace for a list.
pub(super) fn summary(store: &Store, found: &Found) -> WorkspaceSummary {
    let record = match &found.record {
        Ok(record) => record,
        Err(error) => return damaged(found.id, error.to_string()),
    };
    let live = found.live.as_ref();
    let latest = Latest::read(&store.dir(found.id), record.generation);
    let vm = vm_of(record, live);
    WorkspaceSummary {
        workspace_id: found.id,
        name: record.name.clone(),
        labels: record.labels.clone(),
        environment: record.environment.clone(),
        state: record.state,
        created_at: Some(time(record.created_at)),
        last_activity_at: Some(time(last_activity(record, live))),
        expires_at: expires(record, live),
        command_count: latest.map_or(0, |latest| latest.command_count),
        service_count: 0,
        running_service_count: 0,
        last_error: last_error(store, record, live),
        isolation: vm.map(|vm| vm.isolation),
        vmm: vm.map(|vm| vm.vmm),
        execution_mode: vm.map_or(ExecutionMode::Pending, |vm| vm.execution_mode),
    }
}

fn damaged(id: WorkspaceId, problem: String) -> WorkspaceSummary {
    WorkspaceSummary {
        workspace_id: id,
        name: None,
        labels: Default::default(),
        environment: String::new(),
        state: State::Damaged,
        created_at: None,
        last_activity_at: None,
        expires_at: None,
        command_count: 0,
        service_count: 0,
        running_service_count: 0,
        last_error: Some(problem),
        isolation: None,
        vmm: None,
        execution_mode: ExecutionMode::Pending,
    }
}

/// A reset to the beginning, which is the seed.
pub(super) fn reset_to_baseline(seed: &WorkspaceSeed) -> WorkspaceReset {
    WorkspaceReset {
        snapshot_name: "baseline".to_owned(),
        kind: "baseline".to_owned(),
        destination: seed.destination.clone(),
        entry_count: seed.entry_count,
        bytes_written: seed.bytes_written,
        restored: "disk".to_owned(),
    }
}

/// A workspace that is gone.
pub(super) fn deletion(id: WorkspaceId) -> WorkspaceDeletion {
    WorkspaceDeletion {
        workspace_id: id,
        deleted: true,
        reason: "explicit_delete".to_owned(),
        isolation: None,
        vmm: None,
        execution_mode: ExecutionMode::Pending,
        warnings: Vec::new(),
    }
}
