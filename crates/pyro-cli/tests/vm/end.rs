//! Commands that do not end by themselves, end everything, or leave something behind.

use crate::support::Home;

#[test]
fn a_time_limit_ends_the_command_and_all_its_children() {
    let home = Home::new();
    // Long enough for the first bytes on a guest that is starved.
    let script = "setsid sleep 1000 & (trap '' TERM; setsid sleep 1001) & yes";
    let (status, result) = home.json(&["--timeout-seconds", "10"], &[script]);
    assert_eq!((status, &result["exit_code"]), (124, &124.into()), "{status}");
    assert_eq!(
        (&result["outcome"], &result["timed_out"]),
        (&"timed_out".into(), &true.into())
    );
    assert_eq!(result["cleanup"]["deleted"], true);
    assert!(result["stdout"].as_str().unwrap().starts_with("y\ny\n"));
    assert!(result["duration_ms"].as_u64().unwrap() >= 10_000);

    let ended = home.run(&["--timeout-seconds", "10"], &["echo so far; exec sleep 1000"]);
    assert_eq!((ended.status, ended.text()), (124, "so far\n"));
    assert!(ended.stderr.contains("its time was up"), "{}", ended.stderr);
}

#[test]
fn a_guest_that_kills_everything_still_reports_its_end() {
    let home = Home::new();
    let script = "echo before; sleep 1000 & kill -9 -1; echo after; wait; exit 5";
    let (status, result) = home.json(&[], &[script]);
    assert_eq!((status, &result["outcome"]), (5, &"exited".into()), "{result:#}");
    assert_eq!(result["stdout"], "before\nafter\n");
}

#[test]
fn a_fork_bomb_ends_with_its_time() {
    let home = Home::new();
    let bomb = "echo lit; bomb() { bomb | bomb & }; bomb; sleep 1000";
    let (status, result) = home.json(
        &["--timeout-seconds", "15", "--mem-mib", "512"],
        &["bash", "-c", bomb],
    );
    assert_eq!(
        (status, &result["outcome"]),
        (124, &"timed_out".into()),
        "{:#}",
        result["warnings"]
    );
    assert!(result["stdout"].as_str().unwrap().starts_with("lit\n"));
    home.assert_nothing_reserved();
}

#[test]
fn children_left_behind_hold_nothing_up() {
    let home = Home::new();
    // They hold the command's output open, in its session and in one of their own.
    let script = "sleep 1000 & setsid sleep 1001 & echo done; exit 4";
    let ended = home.run(&[], &[script]);
    assert_eq!((ended.status, ended.text()), (4, "done\n"), "{}", ended.stderr);
}

#[test]
fn a_guest_that_ends_its_machine_is_lost_with_its_last_words_heard() {
    let home = Home::new();
    let script = "echo before; sleep 1; echo b > /proc/sysrq-trigger; sleep 60";
    let (status, result) = home.json(&[], &[script]);
    let error = &result["error"];
    assert_eq!(
        (status, &error["code"]),
        (125, &"guest-lost".into()),
        "{result:#}"
    );
    assert!(
        error["hint"].is_string() && error["details"]["console"].is_string(),
        "{error:#}"
    );

    let ended = home.run(&[], &[script]);
    assert_eq!(
        (ended.status, ended.text()),
        (125, "before\n"),
        "{}",
        ended.stderr
    );
}
