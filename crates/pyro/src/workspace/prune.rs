//! Removes workspaces that nobody came back to.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

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
        if !request.dry_run && !remove(store, &record, request)? {
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
    let stopped = Duration::try_from(now.duration_since(stopped_at(record))).unwrap_or_default();
    if record.state != State::Stopped || stopped < request.older_than {
        return None;
    }
    match record.stop_reason {
        Some(StopReason::TtlExpired) => Some("nobody used it, and it was stopped"),
        Some(StopReason::Requested) if request.stopped => Some("it was stopped"),
        _ => None,
    }
}

/// Since when it has no VM. One that nobody used had one until its time was over, which may be days.
fn stopped_at(record: &Record) -> Timestamp {
    record.stopped_at.unwrap_or_else(|| {
        let ttl = i64::try_from(record.ttl_seconds).map(SignedDuration::from_secs);
        let expired_at = ttl
            .ok()
            .and_then(|ttl| record.last_activity_at.checked_add(ttl).ok());
        expired_at.unwrap_or(Timestamp::MAX)
    })
}

/// Removes it, unless somebody began to use it meanwhile.
fn remove(store: &Store, record: &Record, request: &PruneRequest) -> Result<bool, WorkspaceError> {
    let id = record.workspace_id;
    let Some(_life) = store.try_lock_life(id)? else {
        return Ok(false);
    };
    if reason_to_go(&store.read(id)?, request, Timestamp::now()).is_none() {
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
        // It was there, unused, for days, and stopped just now.
        let lived = |stopped_at| Record {
            ttl_seconds: 7 * 24 * 3600,
            stopped_at,
            ..expired.clone()
        };
        let week = 7 * 24 * hour;
        let at = expired.last_activity_at + week;
        for stopped_at in [Some(at), None] {
            assert!(!goes(&lived(stopped_at), false, week + hour / 2));
            assert!(goes(&lived(stopped_at), false, week + 2 * hour));
        }
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
