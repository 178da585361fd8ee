//! What becomes of VMs on disk, without one that runs.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::json;

use super::*;
use crate::Pyro;
use crate::error::{Error, ErrorCode};
use crate::id::VmId;
use crate::object::{CleanupReason, Pruning};
use crate::process::ProcessIdentity;
use crate::settings::Settings;
use crate::workspace::kind::Kind;
use crate::workspace::record::tests::record;
use crate::workspace::record::{Mover, Record, State};
use crate::workspace::store::Store;
use crate::workspace::{ExecRequest, StopReason};

/// A VM that was created, with a minute to live since it was last used.
pub(crate) fn vm_record(id: VmId, last_activity_at: Timestamp) -> Record {
    Record {
        kind: Kind::Vm,
        workspace_id: id,
        name: None,
        ttl_seconds: 60,
        last_activity_at,
        state: State::Created,
        stop_reason: None,
        ..record()
    }
}

fn id(text: &str) -> VmId {
    text.parse().unwrap()
}

fn pyro(base: &Path) -> (Pyro, Store) {
    let pyro = Pyro::open(Settings::new(base.join("home"), base.join("cache")));
    let store = Store::of(Kind::Vm, &pyro.settings().home);
    (pyro, store)
}

fn ago(seconds: u64) -> Timestamp {
    Timestamp::now() - Duration::from_secs(seconds)
}

fn reason(error: &Error) -> serde_json::Value {
    assert_eq!(error.code(), ErrorCode::VmNotFound);
    error.details().unwrap()["reason"].clone()
}

#[tokio::test]
async fn only_vms_whose_time_is_over_are_reaped() {
    let base = tempfile::tempdir().unwrap();
    let (pyro, store) = pyro(base.path());
    assert_eq!(pyro.reap_expired().unwrap().count, 0);
    assert!(!pyro.settings().home.exists());
    let (young, stopped, created) = (id("000000000001"), id("000000000002"), id("000000000003"));
    store.create(&vm_record(young, ago(30))).unwrap();
    store.create(&vm_record(created, ago(300))).unwrap();
    let old = vm_record(stopped, ago(61));
    store
        .create(&Record {
            state: State::Stopped,
            stop_reason: Some(StopReason::Requested),
            ..old
        })
        .unwrap();

    // They are gone for everybody before anybody removes them.
    let listed = pyro.vms().unwrap();
    assert_eq!(
        (listed.len(), listed[0].vm_id, listed[0].state),
        (1, young, State::Created)
    );
    assert_eq!(reason(&pyro.vm(&created).unwrap_err()), json!("expired"));

    let reap = pyro.reap_expired().unwrap();
    assert_eq!((reap.count, reap.deleted_vm_ids), (2, vec![stopped, created]));
    assert!(!store.dir(stopped).exists() && !store.dir(created).exists());
    assert_eq!(pyro.reap_expired().unwrap().count, 0);
    let error = pyro.vm(&created).unwrap_err();
    assert_eq!(reason(&error), json!("expired"));
    assert!(error.message().ends_with("expired 4 min ago"), "{error}");
    assert_eq!(
        reason(&pyro.vm(&id("00000000000f")).unwrap_err()),
        json!("unknown")
    );

    let vm = pyro.vm(&young).unwrap();
    assert_eq!(vm.delete().await.unwrap().reason, CleanupReason::ExplicitDelete);
    assert_eq!(reason(&vm.status().unwrap_err()), json!("unknown"));
    assert_eq!(reason(&vm.delete().await.unwrap_err()), json!("unknown"));
}

#[tokio::test]
async fn what_is_over_can_be_deleted_or_pruned_too() {
    let base = tempfile::tempdir().unwrap();
    let (pyro, store) = pyro(base.path());
    let (one, two) = (id("000000000001"), id("000000000002"));
    for id in [one, two] {
        store.create(&vm_record(id, Timestamp::now())).unwrap();
    }
    let vm = pyro.vm(&one).unwrap();
    for id in [one, two] {
        let over = |record: &mut Record| {
            record.last_activity_at = ago(61);
            Ok(())
        };
        store.update(id, over).unwrap();
    }
    assert_eq!(vm.delete().await.unwrap().reason, CleanupReason::Expired);
    for dry_run in [true, false] {
        let mut report = Pruning::default();
        prune(&store, dry_run, &mut report).unwrap();
        assert_eq!((report.removed.len(), report.kept.len()), (1, 0));
        assert_eq!(report.removed[0].name, two.as_str());
        assert_eq!(store.dir(two).exists(), dry_run);
    }
    let mut report = Pruning::default();
    prune(&store, false, &mut report).unwrap();
    assert!(report.removed.is_empty());
}

#[tokio::test]
async fn a_vm_that_does_not_run_takes_no_command_and_stays() {
    let base = tempfile::tempdir().unwrap();
    let (pyro, store) = pyro(base.path());
    let one = id("000000000001");
    store.create(&vm_record(one, Timestamp::now())).unwrap();
    let vm = pyro.vm(&one).unwrap();
    let request = || ExecRequest::new(crate::Command::Shell("true".to_owned()));
    let error = vm.exec(request()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidState);
    assert!(error.hint().unwrap().contains("vm_start"));
    let mut with_diff = request();
    with_diff.return_diff = true;
    let error = vm.exec(with_diff).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidArgument);
    // There is nothing to stop.
    assert_eq!(vm.stop().await.unwrap().state, State::Created);
}

#[test]
fn a_vm_that_nobody_finishes_making_is_gone_and_no_workspace_is_taken_for_one() {
    let base = tempfile::tempdir().unwrap();
    let (pyro, store) = pyro(base.path());
    let (half, foreign) = (id("000000000001"), id("000000000002"));
    let mover = Mover {
        process: ProcessIdentity { pid: 1, start: 1 },
        boot: String::new(),
        since: Timestamp::now(),
        before: State::Creating,
    };
    let record = Record {
        state: State::Creating,
        mover: Some(mover),
        ..vm_record(half, Timestamp::now())
    };
    store.create(&record).unwrap();
    assert!(pyro.vms().unwrap().is_empty());
    assert!(!store.dir(half).exists());

    let record = Record {
        kind: Kind::Workspace,
        ..vm_record(foreign, Timestamp::now())
    };
    store.create(&record).unwrap();
    let listed = pyro.vms().unwrap();
    assert_eq!(listed[0].state, State::Damaged);
    let error = pyro.vm(&foreign).unwrap().status().unwrap_err();
    assert_eq!(error.code(), ErrorCode::StateDamaged);
    assert!(error.hint().unwrap().contains("vm_delete"));
}
