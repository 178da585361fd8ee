use super::*;

const NOTHING: Stream<'static> = Stream {
    text: "",
    omitted_bytes: 0,
};

fn stream(text: &str) -> Stream<'_> {
    Stream { text, ..NOTHING }
}

fn done() -> Execution<'static> {
    Execution {
        outcome: ExecOutcome::Exited,
        doing: RUNNING,
        exit_code: Some(0),
        signal: None,
        oom_killed: false,
        duration_ms: 1234,
        tier: "emulated/qemu".to_owned(),
        place: Place::Vm {
            environment: "debian:12",
            vm_id: "3f2a91c0d4e5".parse().unwrap(),
            deleted: true,
            is_created: false,
        },
        stdout: NOTHING,
        stderr: NOTHING,
        warnings: &[],
        changes: None,
        skipped: &[],
    }
}

fn first_line(execution: &Execution<'_>) -> String {
    write_execution(execution, 20_000)
        .lines()
        .next()
        .unwrap()
        .to_owned()
}

#[test]
fn the_text_names_status_tier_fate_and_streams() {
    let execution = Execution {
        stdout: stream("git version 2.39.5\n"),
        stderr: stream("careful"),
        ..done()
    };
    assert_eq!(
        write_execution(&execution, 20_000),
        "exit 0 in 1.2 s · debian:12 · emulated/qemu · VM 3f2a91c0d4e5 deleted\n\
         \n\
         stdout:\n\
         git version 2.39.5\n\
         \n\
         stderr:\n\
         careful\n"
    );
}

#[test]
fn a_stream_without_output_has_no_heading_and_none_at_all_is_said() {
    let execution = Execution {
        stderr: stream("x\n"),
        ..done()
    };
    assert!(!write_execution(&execution, 20_000).contains("stdout"));
    assert!(write_execution(&done(), 20_000).ends_with("deleted\n\n(no output)\n"));
}

#[test]
fn every_outcome_has_its_own_words() {
    use ExecOutcome::{Cancelled, Exited, NotStarted, Signaled, TimedOut};
    for (outcome, exit_code, signal, words) in [
        (Exited, 3, None, "exit 3 in 1.2 s ·"),
        (
            Signaled,
            139,
            Some(11),
            "killed by signal 11 (SEGV) after 1.2 s, exit 139 ·",
        ),
        (
            Signaled,
            168,
            Some(40),
            "killed by signal 40 after 1.2 s, exit 168 ·",
        ),
        (NotStarted, 127, None, "not started, exit 127 ·"),
        (TimedOut, 124, None, "timed out after 1.2 s, exit 124 ·"),
        (Cancelled, 130, None, "cancelled after 1.2 s, exit 130 ·"),
    ] {
        let execution = Execution {
            outcome,
            exit_code: Some(exit_code),
            signal,
            ..done()
        };
        let line = first_line(&execution);
        assert!(line.starts_with(words), "{line}");
    }
}

#[test]
fn a_time_limit_and_a_want_of_memory_come_with_the_next_step() {
    let late = Execution {
        outcome: ExecOutcome::TimedOut,
        exit_code: Some(124),
        ..done()
    };
    assert!(write_execution(&late, 20_000).contains("\nhint: raise timeout_seconds"));
    let hungry = Execution {
        outcome: ExecOutcome::Signaled,
        exit_code: Some(137),
        signal: Some(9),
        oom_killed: true,
        ..done()
    };
    let text = write_execution(&hungry, 20_000);
    assert!(text.starts_with("killed by signal 9 (KILL) after 1.2 s, exit 137, out of memory ·"));
    assert!(text.ends_with("hint: raise mem_mib\n"));
    // The size of a VM that was made before cannot be raised by the call that ran the command.
    let mut created = hungry;
    if let Place::Vm { is_created, .. } = &mut created.place {
        *is_created = true;
    }
    let text = write_execution(&created, 20_000);
    assert!(text.ends_with("hint: create a VM with more mem_mib\n"), "{text}");
}

#[test]
fn a_program_that_is_missing_comes_with_the_next_step() {
    let missing = Execution {
        exit_code: Some(127),
        stderr: stream("/bin/sh: 1: make: not found\n"),
        ..done()
    };
    let text = write_execution(&missing, 20_000);
    assert!(
        text.contains("not found\n\nhint: ") && text.contains("choose an environment"),
        "{text}"
    );
}

#[test]
fn a_vm_that_is_still_there_is_said_to_be() {
    let execution = Execution {
        place: Place::Vm {
            environment: "debian:12",
            vm_id: "3f2a91c0d4e5".parse().unwrap(),
            deleted: false,
            is_created: false,
        },
        ..done()
    };
    assert!(first_line(&execution).ends_with("VM 3f2a91c0d4e5 not deleted"));
}

#[test]
fn warnings_come_last() {
    let warnings = ["the clock was guessed".to_owned()];
    let execution = Execution {
        stdout: stream("x\n"),
        warnings: &warnings,
        ..done()
    };
    assert!(write_execution(&execution, 20_000).ends_with("x\n\nwarning: the clock was guessed\n"));
}

#[test]
fn output_over_the_limit_keeps_both_ends_and_says_how_to_get_more() {
    let output: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    let execution = Execution {
        stdout: stream(&output),
        ..done()
    };
    let gap = |execution: &Execution<'_>| {
        let text = write_execution(execution, 1000);
        assert!(text.chars().count() < 1400, "{}", text.len());
        assert!(text.contains("line 0\n") && text.ends_with("line 9999\n"));
        text.lines()
            .find(|line| line.starts_with("[…"))
            .unwrap()
            .to_owned()
    };
    let gap_of_some = gap(&execution);
    assert!(
        gap_of_some
            .ends_with("bytes omitted; vm_run vm_id=3f2a91c0d4e5 max_output_chars=200000, or print less with head, tail, grep …]"),
        "{gap_of_some}"
    );
    let execution = Execution {
        stdout: Stream {
            text: &output,
            omitted_bytes: 1_000_000,
        },
        ..done()
    };
    let gap_of_much = gap(&execution);
    assert!(
        gap_of_much.ends_with("bytes omitted; print less with head, tail, grep …]"),
        "no limit shows that much: {gap_of_much}"
    );
    let all = write_execution(&execution, 200_000);
    assert!(all.contains("stdout (1,000,000 bytes of its middle were not kept):\n"));
    assert!(!all.contains("max_output_chars"));
}

#[test]
fn the_limit_holds_for_each_stream_and_control_sequences_do_not_count() {
    let red = "\x1b[31mr\x1b[0m".repeat(500);
    let execution = Execution {
        stdout: stream(&red),
        stderr: stream(&red),
        ..done()
    };
    let text = write_execution(&execution, 1000);
    assert!(!text.contains('\x1b') && !text.contains("omitted"));
    assert_eq!(text.matches(&"r".repeat(500)).count(), 2);
}

#[test]
fn hosts_that_show_only_text_see_all_a_next_step_needs() {
    let execution = Execution {
        exit_code: Some(3),
        stdout: stream("x"),
        ..done()
    };
    let text = write_execution(&execution, 20_000);
    for needed in ["exit 3", "3f2a91c0d4e5", "deleted", "emulated/qemu", "debian:12"] {
        assert!(text.contains(needed), "{needed}");
    }
}

fn kept(left_running: u32, auto_started: bool, changes: Option<&str>) -> Execution<'static> {
    Execution {
        changes: changes.map(str::to_owned),
        place: Place::Workspace {
            workspace_id: "3f2a91c0d4e5",
            sequence: 4,
            left_running,
            auto_started,
        },
        ..done()
    }
}

#[test]
fn a_command_of_a_workspace_names_both_and_where_its_history_goes_on() {
    let output: String = (0..10_000).map(|number| format!("line {number}\n")).collect();
    let execution = Execution {
        stdout: stream(&output),
        ..kept(0, false, None)
    };
    let text = write_execution(&execution, 1000);
    assert!(
        text.starts_with("exit 0 in 1.2 s · workspace 3f2a91c0d4e5 #4 · emulated/qemu\n\nstdout:\nline 0\n")
    );
    assert!(
        text.contains("bytes omitted; workspace_logs sequence=4 offset="),
        "{text}"
    );
    assert!(text.ends_with("line 9999\n"), "{text}");
}

#[test]
fn what_a_command_changed_and_left_is_said_after_its_output() {
    assert_eq!(
        write_execution(&kept(2, true, Some("nothing changed\n")), 1000),
        "exit 0 in 1.2 s · workspace 3f2a91c0d4e5 #4 · emulated/qemu\n\
         \n\
         (no output)\n\
         \n\
         diff: nothing changed\n\
         \n\
         note: the workspace had stopped, and was started for this command\n\
         note: processes left running: 2\n"
    );
}

#[test]
fn a_run_that_outlives_its_call_says_how_to_wait_for_it() {
    let running = Execution {
        outcome: ExecOutcome::Running,
        exit_code: None,
        stdout: stream("so far\n"),
        ..done()
    };
    assert_eq!(
        write_execution(&running, 20_000),
        "still running after 1.2 s · debian:12 · emulated/qemu · VM 3f2a91c0d4e5 not done\n\
         \n\
         stdout:\n\
         so far\n\
         \n\
         hint: it goes on; wait for it by vm_run vm_id=3f2a91c0d4e5 wait_seconds=25, do not run it again\n"
    );
    let preparing = Execution {
        doing: phase_message(Phase::Environment),
        tier: tier(None, None),
        ..running
    };
    assert_eq!(
        first_line(&preparing),
        "still preparing the environment after 1.2 s · debian:12 · no VM · VM 3f2a91c0d4e5 not done"
    );
}
