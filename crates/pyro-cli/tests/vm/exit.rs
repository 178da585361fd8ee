//! Exit statuses, and how programs tell the guest's from pyro's.

use serde_json::Value;

use crate::support::Home;

fn end(home: &Home, words: &[&str]) -> (i32, Value) {
    let (status, result) = home.json(&[], words);
    assert_eq!(result["exit_code"], status, "{result:#}");
    assert_eq!(result["timed_out"], false);
    assert_eq!(result["cancelled"], false);
    assert_eq!(result["error"], Value::Null);
    (status, result)
}

#[test]
fn a_status_is_the_commands_own_even_where_pyro_has_one_like_it() {
    let home = Home::new();
    for code in [7, 124, 125, 130] {
        let (status, result) = end(&home, &[&format!("echo out; echo err >&2; exit {code}")]);
        assert_eq!((status, &result["outcome"]), (code, &"exited".into()));
        assert_eq!(
            (&result["stdout"], &result["stderr"]),
            (&"out\n".into(), &"err\n".into())
        );
        assert_eq!(result["signal"], Value::Null);
    }
}

#[test]
fn a_signal_is_told_as_a_shell_tells_it() {
    let home = Home::new();
    let (status, result) = end(&home, &["kill -9 $$"]);
    assert_eq!((status, &result["outcome"]), (137, &"signaled".into()));
    assert_eq!(result["signal"], 9);
    let ended = home.run(&[], &["bash", "-c", "kill -SEGV $$"]);
    assert_eq!((ended.status, ended.stdout.len()), (139, 0));
    assert!(ended.stderr.contains("signal 11"), "{}", ended.stderr);
}

#[test]
fn a_program_that_cannot_be_started_is_told_from_one_that_failed() {
    let home = Home::new();
    for (program, code) in [("no-such-program", 127), ("/etc/passwd", 126)] {
        let (status, result) = end(&home, &[program, "an argument"]);
        assert_eq!(
            (status, &result["outcome"]),
            (code, &"not_started".into()),
            "{result:#}"
        );
        assert!(result["warnings"].to_string().contains(program), "{result:#}");
    }
    // What a shell does not find, it says itself.
    let (status, result) = end(&home, &["no-such-program || exit $?"]);
    assert_eq!((status, &result["outcome"]), (127, &"exited".into()));
}
