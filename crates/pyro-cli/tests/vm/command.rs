//! What a command gets: its words, variables, directory and user.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use crate::support::Home;

#[test]
fn several_words_reach_the_program_untouched() {
    let home = Home::new();
    let odd: &[&[u8]] = &[
        b"a b",
        b"it's",
        b"\"",
        b"",
        b"$HOME",
        b"*",
        b"\\n",
        b"\n",
        b"-",
        b"--",
        b"--json",
        b"\xff\xfe",
        b"a\tb",
        b"",
    ];
    let mut words: Vec<&OsStr> = vec!["printf".as_ref(), "%s\\0".as_ref()];
    words.extend(odd.iter().map(|word| OsStr::from_bytes(word)));
    let ended = home.run(&[], &words);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    let mut expected = odd.join(&0);
    expected.push(0);
    assert!(
        ended.stdout == expected,
        "{:?}",
        ended.stdout.escape_ascii().to_string()
    );
    assert!(ended.stderr.contains(": exit 0 in "), "{}", ended.stderr);
}

#[test]
fn one_word_is_a_string_for_a_login_shell() {
    let home = Home::new();
    let script = "false && echo no || echo \"two  spaces\" | tr a-z A-Z; echo $0 $#; echo $HOST_SECRET; pwd";
    let mut command = home.run_command(&["--quiet"], &[script]);
    let output = command.env("HOST_SECRET", "of the host").output().unwrap();
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        "TWO  SPACES\n/bin/sh 0\n\n/\n"
    );
    assert_eq!((output.status.code(), output.stderr.len()), (Some(0), 0));
}

#[test]
fn variables_directory_and_user_are_those_that_were_asked_for() {
    let home = Home::new();
    let value = OsStr::from_bytes(b"\xff raw");
    let mut words: Vec<&OsStr> = [
        "--cwd",
        "/var/tmp",
        "--user",
        "games",
        "--env",
        "A=  b=c  ",
        "--env",
        "EMPTY=",
    ]
    .map(OsStr::new)
    .to_vec();
    let raw = [OsStr::new("RAW="), value].map(OsStr::as_bytes).concat();
    words.extend([OsStr::new("--env"), OsStr::from_bytes(&raw)]);
    let script = "pwd; id -un; id -g; cat /proc/self/environ";
    let mut all = vec![OsStr::new("run")];
    all.extend(words);
    all.extend(["--timeout-seconds", "600", "--", "bash", "-c", script].map(OsStr::new));
    let output = home.pyro(all).env("HOST_SECRET", "x").output().unwrap();
    let text = output
        .stdout
        .split_at(output.stdout.len().min("/var/tmp\ngames\n60\n".len()));
    assert_eq!(String::from_utf8_lossy(text.0), "/var/tmp\ngames\n60\n");
    let mut entries: Vec<&[u8]> = text.1.split(|byte| *byte == 0).collect();
    entries.retain(|entry| !entry.is_empty() && !entry.starts_with(b"_=") && !entry.starts_with(b"SHLVL="));
    for expected in [
        &b"A=  b=c  "[..],
        b"EMPTY=",
        b"RAW=\xff raw",
        b"HOME=/usr/games",
        b"USER=games",
        b"PWD=/var/tmp",
    ] {
        assert!(
            entries.contains(&expected),
            "{:?}",
            text.1.escape_ascii().to_string()
        );
    }
    let names: Vec<_> = entries
        .iter()
        .filter_map(|entry| entry.split(|byte| *byte == b'=').next())
        .collect();
    for name in ["PATH", "LANG", "TERM"] {
        assert!(names.contains(&name.as_bytes()), "{name}");
    }
    assert!(!names.contains(&&b"HOST_SECRET"[..]));
}

#[test]
fn a_user_may_be_numbers_that_the_image_does_not_know() {
    let home = Home::new();
    let script =
        "id -u; id -g; id -G; touch /tmp/mine && stat -c %u:%g /tmp/mine; touch /root/x || echo refused";
    let ended = home.run(&["--user", "1234:4321"], &[script]);
    assert_eq!(
        ended.text(),
        "1234\n4321\n4321\n1234:4321\nrefused\n",
        "{}",
        ended.stderr
    );
}

#[test]
fn what_the_guest_does_not_have_is_an_argument_refused() {
    let home = Home::new();
    for (options, named) in [
        (["--user", "nobody-at-all"], "nobody-at-all"),
        (["--cwd", "/no/such/dir"], "/no/such/dir"),
    ] {
        let (status, told) = home.json(&options, &["touch /run/it-ran"]);
        assert_eq!((status, &told["ok"]), (2, &false.into()), "{told:#}");
        assert_eq!(told["error"]["code"], "invalid-argument");
        let message = told["error"]["message"].as_str().unwrap();
        assert!(message.contains(named), "{message}");
        assert!(
            told["error"]["hint"]
                .as_str()
                .is_some_and(|hint| !hint.is_empty()),
            "{told:#}"
        );
    }
}
