use std::collections::BTreeMap;
use std::fs::{File, FileTimes};

use super::*;
use crate::isolation::Isolation;
use crate::object::{
    ArtifactType, Cleanup, CleanupReason, DiffEntry, DiffStatus, ExecOutcome, ExecutionMode, GuestUse,
    StreamInfo, TextEncoding, VmmKind, WorkspaceDiff,
};

fn exec(stdout: &str) -> VmExec {
    let vm_id = VmId::random();
    let info = |bytes: u64| StreamInfo {
        bytes,
        encoding: TextEncoding::Utf8Lossy,
        truncated: true,
        omitted_bytes: 1,
        stored_bytes: bytes - 1,
    };
    let entry = DiffEntry {
        path: "a".to_owned(),
        path_base64: None,
        old_path: None,
        status: DiffStatus::TypeChanged,
        artifact_type: ArtifactType::Symlink,
        old_mode: Some("100644".into()),
        new_mode: None,
        insertions: Some(1),
        deletions: None,
        patch_offset: 0,
        patch_bytes: 3,
        patch_omitted: Some("binary".into()),
    };
    let diff = WorkspaceDiff {
        workspace_id: vm_id,
        from_snapshot: "baseline".to_owned(),
        changed: true,
        truncated: false,
        redacted: false,
        summary: Default::default(),
        ignored: Default::default(),
        entries: vec![entry],
        patch: "+\u{fffd}\n".to_owned(),
        guest: GuestUse {
            auto_started: false,
            isolation: Some(Isolation::Emulated),
            vmm: Some(VmmKind::Qemu),
            execution_mode: ExecutionMode::GuestSerial,
        },
        patch_bytes: b"+\xff\n".to_vec(),
        warnings: Vec::new(),
    };
    VmExec {
        vm_id,
        environment: "debian:12".to_owned(),
        environment_version: "12".to_owned(),
        environment_digest: "sha256:00".to_owned(),
        command: "x".to_owned(),
        stdout: stdout.to_owned(),
        stderr: "err\u{fffd}".to_owned(),
        stdout_info: info(5),
        stderr_info: info(6),
        exit_code: Some(137),
        outcome: ExecOutcome::Signaled,
        signal: Some(9),
        oom_killed: true,
        timed_out: false,
        cancelled: false,
        duration_ms: 7,
        boot_ms: 8,
        diff: Some(Box::new(diff)),
        exports: None,
        skipped: Some(Vec::new()),
        cleanup: Cleanup {
            vm_id,
            deleted: true,
            reason: CleanupReason::PostExecCleanup,
        },
        isolation: Isolation::Emulated,
        vmm: VmmKind::Qemu,
        execution_mode: ExecutionMode::GuestSerial,
        warnings: vec!["w".to_owned()],
        metadata: BTreeMap::from([("k".to_owned(), "v".to_owned())]),
    }
}

fn kept() -> (tempfile::TempDir, KeptRuns) {
    let base = tempfile::tempdir().unwrap();
    let runs = KeptRuns::new(&base.path().join("home"));
    (base, runs)
}

fn make_older(runs: &KeptRuns, id: VmId, age: Duration) {
    let times = FileTimes::new().set_modified(SystemTime::now() - age);
    let dir = File::open(runs.dir().join(id.as_str())).unwrap();
    dir.set_times(times).unwrap();
}

#[test]
fn a_result_reads_back_as_it_was() {
    let (_base, runs) = kept();
    let exec = exec("out\n");
    runs.keep(&exec).unwrap();
    let read = runs.read(exec.vm_id).unwrap();
    let json = |exec: &VmExec| serde_json::to_value(exec).unwrap();
    assert_eq!(json(&read), json(&exec));
    assert_eq!(read.diff.unwrap().patch_bytes, exec.diff.unwrap().patch_bytes);
    let others = runs.read(VmId::random()).unwrap_err();
    assert_eq!(others.code(), ErrorCode::VmNotFound);
}

#[test]
fn a_result_goes_after_an_hour() {
    let (_base, runs) = kept();
    let [old, new] = [exec("old"), exec("new")];
    for exec in [&old, &new] {
        runs.keep(exec).unwrap();
    }
    make_older(&runs, old.vm_id, KEPT_FOR + Duration::from_secs(9));
    make_older(&runs, new.vm_id, KEPT_FOR - Duration::from_secs(99));
    assert!(matches!(runs.read(old.vm_id), Err(KeptError::Absent(_))));
    assert_eq!(runs.read(new.vm_id).unwrap().stdout, "new");
    assert_eq!(runs.outdated()[0].0, old.vm_id.as_str());
    runs.keep(&exec("next")).unwrap();
    assert_eq!((runs.places().len(), runs.outdated().len()), (2, 0));
}

#[test]
fn the_oldest_results_go_first_where_all_take_too_much() {
    let (_base, runs) = kept();
    let all: Vec<_> = (0..3).map(|_| exec(&"x".repeat(100_000))).collect();
    for (exec, age) in all.iter().zip([3, 2, 1]) {
        runs.keep(exec).unwrap();
        make_older(&runs, exec.vm_id, Duration::from_secs(60 * age));
    }
    runs.give_up(250_000);
    assert!(matches!(runs.read(all[0].vm_id), Err(KeptError::Absent(_))));
    assert!(runs.read(all[1].vm_id).is_ok() && runs.read(all[2].vm_id).is_ok());
}

#[test]
fn what_another_pyro_wrote_or_nobody_can_read_says_so() {
    let (_base, runs) = kept();
    let exec = exec("out\n");
    runs.keep(&exec).unwrap();
    for (text, code) in [
        ("{\"format\": 99}", ErrorCode::VersionMismatch),
        ("", ErrorCode::StateDamaged),
    ] {
        fs::write(runs.dir().join(exec.vm_id.as_str()).join(RESULT), text).unwrap();
        assert_eq!(runs.read(exec.vm_id).unwrap_err().code(), code);
    }
}
