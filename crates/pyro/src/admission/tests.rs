use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::{Duration, Instant};

use super::*;
use crate::error::Error;

const MIB: u64 = 1 << 20;

/// Names the state directory for the processes that a test starts of itself.
const HELPER_HOME: &str = "PYRO_TEST_ADMISSION_HOME";

fn need(mem_bytes: u64) -> Need {
    Need {
        mem_bytes,
        disk_bytes: 0,
    }
}

fn held(home: &Path) -> Vec<Entry> {
    reservations(home).unwrap()
}

#[test]
fn a_reservation_is_held_until_it_is_dropped() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path().join("state"));
    let home = home.path().join("state");
    let first = admission.reserve(VmId::random(), need(MIB)).unwrap();
    let second = admission.reserve(VmId::random(), need(2 * MIB)).unwrap();
    assert_eq!(held(&home).len(), 2);
    assert!(held(&home).iter().all(Entry::is_live));
    drop(first);
    assert_eq!(held(&home)[0].mem_bytes, 2 * MIB);
    drop(second);
    assert_eq!(held(&home), []);
}

#[test]
fn a_vm_holds_one_reservation() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path());
    let vm_id = VmId::random();
    let _first = admission.reserve(vm_id, need(MIB)).unwrap();
    let _second = admission.reserve(vm_id, need(3 * MIB)).unwrap();
    assert_eq!(held(home.path()).len(), 1);
    assert_eq!(held(home.path())[0].mem_bytes, 3 * MIB);
}

#[test]
fn more_than_the_host_has_is_refused_with_figures() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path());
    let error = Error::from(admission.reserve(VmId::random(), need(1 << 50)).unwrap_err());
    assert_eq!(error.code(), ErrorCode::InsufficientResources);
    assert!(
        error.message().starts_with("needs 1073741824 MiB of memory, "),
        "{error}"
    );
    let details = error.details().unwrap();
    assert_eq!(details["needed_bytes"], 1_u64 << 50);
    assert_eq!(details["resource"], "memory");
    let disk = Need {
        mem_bytes: 0,
        disk_bytes: 1 << 60,
    };
    let error = Error::from(admission.reserve(VmId::random(), disk).unwrap_err());
    assert_eq!(error.details().unwrap()["resource"], "disk");
    assert_eq!(held(home.path()), []);
}

#[test]
fn reservations_of_the_dead_are_dropped_by_the_next_look() {
    let home = tempfile::tempdir().unwrap();
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    let this = std::process::id();
    // One process is gone; of the other the id belongs to a later process.
    let entries = [(child.id(), 1), (this, 1)].map(|(owner_pid, owner_start)| Entry {
        vm_id: VmId::random().to_string(),
        owner_pid,
        owner_start,
        mem_bytes: 1 << 50,
        disk_bytes: 1 << 60,
    });
    file::Register::lock(home.path())
        .unwrap()
        .write(&entries)
        .unwrap();
    let admission = Admission::new(home.path());
    let _reservation = admission.reserve(VmId::random(), need(MIB)).unwrap();
    assert_eq!(held(home.path()).len(), 1);
}

#[test]
fn a_register_that_cannot_be_made_out_is_begun_anew() {
    for content in ["", "{\"format\":1,\"entr", "{\"format\":99,\"entries\":[]}", "[]"] {
        let home = tempfile::tempdir().unwrap();
        std::fs::write(home.path().join("admission.json"), content).unwrap();
        let admission = Admission::new(home.path());
        let _reservation = admission.reserve(VmId::random(), need(MIB)).unwrap();
        assert_eq!(held(home.path()).len(), 1, "{content}");
    }
}

#[test]
fn a_state_directory_that_others_may_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o777)).unwrap();
    let error = Admission::new(home.path()).reserve(VmId::random(), need(MIB));
    assert_eq!(error.unwrap_err().code(), ErrorCode::HostIo);
}

/// Two thirds of what this host would give to one VM now: two of them never fit.
fn most_of_the_memory(home: &Path) -> u64 {
    memory(home).unwrap().for_vms / 3 * 2
}

#[test]
fn of_many_threads_exactly_one_gets_what_is_there_once() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path());
    let much = most_of_the_memory(home.path());
    let barrier = Barrier::new(8);
    let results: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    barrier.wait();
                    admission.reserve(VmId::random(), need(much))
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 1);
    assert_eq!(held(home.path()).len(), 1);
    drop(results);
    assert_eq!(held(home.path()), []);
}

#[test]
fn small_reservations_of_many_threads_are_all_kept() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path());
    let reservations: Vec<_> = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..16)
            .map(|_| scope.spawn(|| admission.reserve(VmId::random(), need(MIB)).unwrap()))
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(held(home.path()).len(), reservations.len());
}

/// What a process does that the next test starts: reserve, say how it went, hold until its input ends.
#[test]
fn helper_process() {
    let Some(home) = std::env::var_os(HELPER_HOME) else {
        return;
    };
    let home = PathBuf::from(home);
    let much = std::env::var("PYRO_TEST_ADMISSION_NEED")
        .unwrap()
        .parse()
        .unwrap();
    let result = Admission::new(&home).reserve(VmId::random(), need(much));
    println!("{}", if result.is_ok() { "ADMITTED" } else { "REFUSED" });
    std::io::read_to_string(std::io::stdin()).unwrap();
}

fn helper(home: &Path, much: u64) -> std::process::Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "admission::tests::helper_process", "--nocapture"])
        .env(HELPER_HOME, home)
        .env("PYRO_TEST_ADMISSION_NEED", much.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads until the helper has said how it went.
fn admitted(child: &mut std::process::Child) -> bool {
    use std::io::BufRead;
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let lines = output.lines().map(Result::unwrap);
    let mut answers = lines.filter_map(|line| match line {
        line if line.contains("ADMITTED") => Some(true),
        line if line.contains("REFUSED") => Some(false),
        _ => None,
    });
    answers.next().unwrap()
}

#[test]
fn of_many_processes_exactly_one_gets_what_is_there_once_and_killing_it_frees_it() {
    let home = tempfile::tempdir().unwrap();
    let much = most_of_the_memory(home.path());
    let mut children: Vec<_> = (0..4).map(|_| helper(home.path(), much)).collect();
    let results: Vec<_> = children.iter_mut().map(admitted).collect();
    assert_eq!(results.iter().filter(|admitted| **admitted).count(), 1);
    for child in &mut children {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert_eq!(
        held(home.path()).len(),
        1,
        "a killed process gives nothing back itself"
    );
    let _reservation = Admission::new(home.path())
        .reserve(VmId::random(), need(much / 2))
        .unwrap();
    assert_eq!(held(home.path()).len(), 1);
}

#[test]
fn a_reservation_takes_little_time() {
    let home = tempfile::tempdir().unwrap();
    let admission = Admission::new(home.path());
    let started = Instant::now();
    for _ in 0..100 {
        drop(admission.reserve(VmId::random(), need(MIB)).unwrap());
    }
    let each = started.elapsed() / 100;
    println!("reserve and release: {each:?}");
    assert!(each < Duration::from_millis(50), "{each:?}");
}
