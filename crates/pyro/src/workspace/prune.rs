//! Removes workspaces that nobody came back to.

use std::time::Duration;

use jiff::Timestamp;

use super::error::WorkspaceError;
use super::info::shown;
use super::record::{Record, State, StopReason};
use super::store::Store;
use crate::object::{KeptItem, PruneKind, PrunedItem, Pruning};
use crate::prune::PruneRequest;
use crate::space::Space;

/// Removes workspaces that have been stopped for long enough, and what is left of others.
pub(crate) fn prune(
    store: &Store,
    request: &PruneRequest,
    report: &mut Pruning,
) -> Result<(), WorkspaceError> {
    for path in store.leftovers() {
        let bytes = Space::of(&path).used_bytes;
        if !request.dry_run {
            store.remove_leftover(&path)?;
        }
        report.freed_bytes += bytes;
        report.removed.push(PrunedItem {
            kind: PruneKind::Workspace,
            name: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            path,
            bytes,
            reason: "nobody finished it".to_owned(),
        });
    }
    for found in store.all()? {
        let path = store.dir(found.id);
        let bytes = Space::of(&path).used_bytes;
        let record = match found.record {
            Ok(record) => record,
            Err(error) => {
                report.kept.push(KeptItem {
                    kind: PruneKind::Workspace,
                    name: found.id.to_string(),
                    path,
                    bytes,
                    reason: error.to_string(),
                });
                continue;
            }
        };
        let Some(reason) = reason_to_go(&record, request, Timestamp::now()) else {
            continue;
        };
        if !request.dry_run && !remove(store, &record)? {
            continue;
        }
        report.freed_bytes += bytes;
        report.removed.push(PrunedItem {
            kind: PruneKind::Workspace,
            name: shown(&record),
            path,
            bytes,
            reason: reason.to_owned(),
        });
    }
    Ok(())
}

/// Why a workspace goes, if it does.
fn reason_to_go(record: &Record, request: &PruneRequest, now: Timestamp) -> Option<&'static str> {
    let idle = Duration::try_from(now.duration_since(record.last_activity_at)).unwrap_or_default();
    if record.state != State::Stopped || idle < request.older_than {
        return None;
    }
    match record.stop_reason {
        Some(StopReason::TtlExpired) => Some("nobody used it, and it was stopped"),
        Some(StopReason::Requested) if request.stopped => Some("it was stopped"),
        _ => None,
    }
}

/// Removes it, unless somebody began to use it meanwhile.
fn remove(store: &Store, record: &Record) -> Result<bool, WorkspaceError> {
    let id = record.workspace_id;
    let Some(_life) = store.try_lock_life(id)? else {
        return Ok(false);
    };
    if store.read(id)?.state != State::Stopped {
        return Ok(false);
    }
    store.remove(id)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
    use super::*;

    #[test]
    fn only_what_stopped_for_long_enough_and_for_the_right_reason_goes() {
        let hour = Duration::from_secs(3600);
        let request = |stopped| PruneRequest {
            older_than: hour,
            stopped,
            dry_run: false,
        };
        let record = |state, reason| Record {
            state,
            stop_reason: Some(reason),
            ..record()
        };
        let goes = |record: &Record, stopped, after: Duration| {
            let now = record.last_activity_at + after;
            reason_to_go(record, &request(stopped), now).is_some()
        };
        let expired = record(State::Stopped, StopReason::TtlExpired);
        assert!(goes(&expired, false, 2 * hour));
        assert!(!goes(&expired, false, hour / 2));
        let requested = record(State::Stopped, StopReason::Requested);
        assert!(!goes(&requested, false, 2 * hour));
        assert!(goes(&requested, true, 2 * hour));
        assert!(!goes(
            &record(State::Stopped, StopReason::SupervisorLost),
            true,
            2 * hour
        ));
        assert!(!goes(
            &record(State::Started, StopReason::TtlExpired),
            true,
            2 * hour
        ));
    }
}
