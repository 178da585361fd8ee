//! Many runs, in a row and at once.

use std::collections::BTreeSet;
use std::thread;
use std::time::{Duration, Instant};

use crate::process::{self, all_gone};
use crate::support::{Home, Running, figure, gone_within};

/// Every one of this many runs is killed at some moment.
const KILLED_EVERY: u64 = 5;

/// A run ends within this time on any host that is fit to run these tests; kills fall into its first part.
const KILLED_WITHIN: Duration = Duration::from_millis(3500);

fn runs() -> u64 {
    figure("PYRO_TEST_RUNS", 12)
}

/// A number below `limit`, from a sequence that the seed fixes (an LCG of Knuth's).
fn next(state: &mut u64, limit: u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) % limit
}

#[test]
fn runs_in_a_row_leave_nothing_behind_however_they_end() {
    let home = Home::new();
    let seed: u64 = Instant::now().elapsed().subsec_nanos().into();
    let seed = seed ^ u64::from(std::process::id());
    let (mut state, mut killed, began) = (seed, 0, Instant::now());
    println!("{} runs, seed {seed}", runs());
    for run in 1..=runs() {
        if run % KILLED_EVERY == 0 {
            let moment = Duration::from_millis(next(&mut state, 3500)).min(KILLED_WITHIN);
            killed += u64::from(kill_after(&home, moment));
            home.assert_nothing_left();
        } else {
            let ended = home.run(&["-q", "--mem-mib", "512"], &["echo $((6 * 7))"]);
            assert_eq!(
                (ended.status, ended.text(), ended.stderr.as_str()),
                (0, "42\n", ""),
                "run {run}"
            );
        }
    }
    assert_eq!(home.run(&["-q"], &["true"]).status, 0);
    home.assert_nothing_left();
    home.assert_nothing_reserved();
    println!(
        "{} runs in {:.1} s, {killed} of them killed",
        runs(),
        began.elapsed().as_secs_f64()
    );
    let doctor = home.pyro(["doctor", "--json"]).output().unwrap();
    let report: serde_json::Value = serde_json::from_slice(&doctor.stdout).unwrap();
    let checks = report["checks"].as_array().unwrap();
    let leftovers = checks.iter().find(|check| check["id"] == "leftovers").unwrap();
    assert_eq!(leftovers["status"], "pass", "{leftovers}");
}

/// Kills a run at that moment of its life; false if it had ended before.
fn kill_after(home: &Home, moment: Duration) -> bool {
    let mut running = home.start(&["-q"], &["sleep 1"]);
    // The moment is what is tested, so this is no wait for anything.
    thread::sleep(moment);
    let had_ended = running.has_ended();
    let family = running.descendants();
    running.kill();
    assert!(
        all_gone(&family, gone_within()),
        "killed after {moment:?}: {family:?}"
    );
    let holders = process::holding(home.path());
    assert!(
        all_gone(&holders, gone_within()),
        "killed after {moment:?}: {holders:?}"
    );
    !had_ended
}

#[test]
fn several_runs_at_once_do_not_meet() {
    let home = Home::new();
    let one = || {
        let ended = home.run(
            &["-q", "--mem-mib", "384"],
            &["cat /etc/machine-id; ls /tmp; echo mine >/tmp/$$; ls /tmp | wc -l"],
        );
        assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{}", ended.text());
        let mut lines = ended.text().lines().map(str::to_owned);
        let id = lines.next().unwrap();
        assert_eq!(
            lines.collect::<Vec<_>>(),
            ["1"],
            "a file of another run is in /tmp"
        );
        id
    };
    let count = figure("PYRO_TEST_AT_ONCE", 4);
    let ids: BTreeSet<String> = thread::scope(|scope| {
        let runs: Vec<_> = (0..count).map(|_| scope.spawn(one)).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    assert_eq!(ids.len() as u64, count);
    home.assert_nothing_reserved();
}

#[test]
fn an_environment_in_use_is_not_pruned() {
    let home = crate::image::home_with_static_image();
    let prune = || {
        let output = home.pyro(["env", "prune", "--all", "--json"]).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(0),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        report
    };
    let mut running: Running = home.start(&["-i"], &["/busybox", "cat", "-"]);
    let mut stdin = running.stdin();
    std::io::Write::write_all(&mut stdin, b"ready\n").unwrap();
    running.wait_for("ready");
    let report = prune();
    assert_eq!(report["count"], 0, "{report:#}");
    assert_eq!(report["kept"].as_array().unwrap().len(), 1, "{report:#}");
    std::io::Write::write_all(&mut stdin, b"still here\n").unwrap();
    drop(stdin);
    let ended = running.finish();
    assert_eq!((ended.status, ended.text()), (0, "still here\n"));
    assert_eq!(
        home.run(&["-q"], &["/busybox", "echo", "again"]).text(),
        "again\n"
    );

    let report = prune();
    assert_eq!(
        (&report["count"], &report["kept"]),
        (&1.into(), &serde_json::json!([])),
        "{report:#}"
    );
    assert!(report["freed_bytes"].as_u64().unwrap() > 1 << 20);
    let (status, told) = home.json(&[], &["/busybox", "true"]);
    assert_eq!(
        (status, &told["error"]["code"]),
        (125, &"environment-not-found".into()),
        "{told:#}"
    );
}
