//! Files listed, read and written.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::process::Stdio;

use serde_json::{Value, json};

use crate::support::Ended;
use crate::workspace::Workspaces;

/// Writes bytes through standard input.
fn write(home: &Workspaces, id: &str, path: &str, content: &[u8], options: &[&str]) -> Ended {
    let words = ["workspace", "file", "write", id, path, "--text-file", "-"];
    let mut child = home
        .home()
        .pyro([&words[..], options].concat())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(content).unwrap();
    Ended::from(child.wait_with_output().unwrap())
}

/// What a read prints, and what it says beside it.
fn read(home: &Workspaces, id: &str, path: &str, options: &[&str]) -> (Vec<u8>, String) {
    let ended = home.pyro(&[&["file", "read", id, path], options].concat());
    assert_eq!(ended.status, 0, "{path} {options:?}: {}", ended.stderr);
    (ended.stdout, ended.stderr)
}

#[test]
fn every_byte_that_was_written_is_read_back() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let written = write(&home, &id, "deep/er/bytes", &bytes, &["--json"]).json();
    assert_eq!(
        (&written["path"], &written["size_bytes"], &written["created"]),
        (&json!("/workspace/deep/er/bytes"), &json!(300_000), &json!(true))
    );
    let (first, told) = read(&home, &id, "deep/er/bytes", &[]);
    assert!(first == bytes[..65_536]);
    assert!(told.contains("go on with `--offset 65536`"), "{told}");
    let (rest, told) = read(
        &home,
        &id,
        "deep/er/bytes",
        &["--offset", "65536", "--max-bytes", "1048576"],
    );
    assert!(rest == bytes[65_536..]);
    assert!(!told.contains("go on"), "{told}");
    let (rest, told) = read(
        &home,
        &id,
        "deep/er/bytes",
        &["--content-only", "--offset", "299999"],
    );
    assert_eq!((rest, told.as_str()), (bytes[299_999..].to_vec(), ""));
    let (none, _) = read(&home, &id, "deep/er/bytes", &["--offset", "300000"]);
    assert!(none.is_empty());
    let object = home.ok(&["file", "read", &id, "deep/er/bytes", "--max-bytes", "4"]);
    assert_eq!(
        (&object["encoding"], &object["content"], &object["next_offset"]),
        (&json!("base64"), &json!("AAECAw=="), &json!(4))
    );
    assert!(object.get("bytes").is_none(), "{object:#}");
}

#[test]
fn text_is_read_by_lines_and_cut_at_the_ends_of_characters() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "seq 1 100 >numbers; printf 'one\\ntwo' >open");
    for (lines, expected) in [
        ("3:5", "3\n4\n5\n"),
        ("99:", "99\n100\n"),
        (":2", "1\n2\n"),
        ("100:200", "100\n"),
        ("101:", ""),
    ] {
        let (text, told) = read(&home, &id, "numbers", &["--lines", lines]);
        assert_eq!(text, expected.as_bytes(), "{lines}: {told}");
    }
    let (_, told) = read(&home, &id, "numbers", &["--lines", "3:5"]);
    assert!(
        told.starts_with("/workspace/numbers: lines 3–5 of 292 B"),
        "{told}"
    );
    // No newline is added where standard output is no terminal.
    assert_eq!(read(&home, &id, "open", &[]).0, b"one\ntwo");
    assert_eq!(read(&home, &id, "open", &["--lines", "2:2"]).0, b"two");
    home.ok(&["file", "write", &id, "accents", "--text", "ééé"]);
    let part = home.ok(&["file", "read", &id, "accents", "--max-bytes", "3"]);
    assert_eq!(
        (&part["content"], &part["encoding"], &part["next_offset"]),
        (&json!("é"), &json!("utf-8"), &json!(2))
    );
}

#[test]
fn a_large_file_is_read_in_part() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(
        &id,
        "truncate -s 100000000 big && printf marker | dd of=big bs=1 seek=99000000 conv=notrunc 2>/dev/null",
    );
    let options = ["--offset", "98500000", "--max-bytes", "1048576"];
    let (part, told) = read(&home, &id, "big", &options);
    assert_eq!(part.len(), 1_048_576);
    assert_eq!(&part[500_000..500_006], b"marker");
    assert!(told.contains("go on with `--offset 99548576`"), "{told}");
}

#[test]
fn a_write_keeps_modes_and_makes_what_it_may() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    let write = |options: &[&str]| home.ok(&[&["file", "write", &id], options].concat());
    assert_eq!(write(&["plain", "--text", "a"])["mode"], "0644");
    assert_eq!(
        write(&["bin/run", "--text", "#!/bin/sh\n", "--executable"])["mode"],
        "0755"
    );
    home.sh(&id, "chmod 600 plain; mkdir dir; ln -s plain link");
    let appended = write(&["plain", "--text", "-b", "--append"]);
    assert_eq!(
        (
            &appended["mode"],
            &appended["size_bytes"],
            &appended["bytes_written"],
            &appended["created"]
        ),
        (&json!("0600"), &json!(3), &json!(2), &json!(false))
    );
    assert_eq!(read(&home, &id, "plain", &[]).0, b"a-b");
    write(&["empty", "--text", ""]);
    assert_eq!(home.sh(&id, "stat -c %s empty"), "0\n");
    home.refused(
        &["file", "write", &id, "no/such", "--text", "x", "--no-parents"],
        "path-not-found",
    );
    assert_eq!(home.sh(&id, "ls -d no 2>/dev/null; true"), "");
    home.refused(&["file", "write", &id, "dir", "--text", "x"], "wrong-file-type");
    home.refused(
        &["file", "write", &id, "link", "--text", "through"],
        "path-refused",
    );
    assert_eq!(read(&home, &id, "plain", &[]).0, b"a-b");
    let largest = vec![b'x'; 8 << 20];
    let ended = self::write(&home, &id, "largest", &largest, &[]);
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert!(ended.text().starts_with("/workspace/largest: 8.0 MiB"));
    assert_eq!(home.sh(&id, "stat -c %s largest"), "8388608\n");
}

#[test]
fn what_leads_out_or_is_no_file_is_refused() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(
        &id,
        "mkfifo pipe; mkdir dir; ln -s /etc/passwd out; ln -s ../etc up; ln -s dir in; ln -s loop loop; echo x >dir/f",
    );
    for path in ["out", "up/passwd", "up"] {
        for words in [
            &["file", "read", &id, path][..],
            &["file", "write", &id, "up/new", "--text", "x"],
        ] {
            home.refused(words, "path-refused");
            assert_eq!(home.json(words).0, 2, "{words:?}");
        }
    }
    assert_eq!(home.sh(&id, "ls -d /etc/new 2>/dev/null; true"), "");
    assert_eq!(read(&home, &id, "in/f", &[]).0, b"x\n");
    for path in ["pipe", "dir"] {
        home.refused(&["file", "read", &id, path], "wrong-file-type");
    }
    home.refused(&["file", "write", &id, "pipe", "--text", "x"], "wrong-file-type");
    home.refused(&["file", "list", &id, "dir/f"], "wrong-file-type");
    home.refused(&["file", "read", &id, "dir/missing"], "path-not-found");
    home.refused(&["file", "list", &id, "missing"], "path-not-found");
    let (status, _) = home.json(&["file", "read", &id, "loop"]);
    assert_ne!(status, 0);
}

#[test]
fn a_list_shows_every_kind_of_file_and_no_name_breaks_it() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(
        &id,
        "mkdir -m 1777 dir; echo x >dir/f; chmod 4755 dir/f; mkfifo pipe; ln -s 'a
b' link; echo x >\"$(printf 'caf\\351')\"; echo x >'line
break'; touch -- -dash",
    );
    let list = home.ok(&["file", "list", &id]);
    let entry = |end: &str| -> Value {
        let entries = list["entries"].as_array().unwrap();
        let found = entries
            .iter()
            .find(|entry| entry["path"].as_str().unwrap().ends_with(end));
        found.unwrap().clone()
    };
    assert_eq!(list["count"], 6, "{list:#}");
    assert_eq!(
        (&entry("/dir")["mode"], &entry("/dir")["artifact_type"]),
        (&json!("1777"), &json!("directory"))
    );
    assert_eq!(entry("/pipe")["artifact_type"], "fifo");
    assert_eq!(entry("/link")["link_target"], "a\nb");
    assert_eq!(entry("caf\u{fffd}")["path_base64"], "L3dvcmtzcGFjZS9jYWbp");
    assert!(entry("line\nbreak").get("path_base64").is_none());

    let table = home.pyro(&["file", "list", &id, "--recursive"]);
    let text = table.text();
    assert_eq!(text.lines().count(), 1 + 7, "{text}");
    for shown in [
        "/workspace/line\\nbreak\n",
        "/workspace/link -> a\\nb\n",
        "/workspace/caf\u{fffd}\n",
        "drwxrwxrwt  ",
        "-rwsr-xr-x  ",
        "prw-r--r--  ",
    ] {
        assert!(text.contains(shown), "{shown:?}: {text}");
    }

    let few = home.ok(&["file", "list", &id, "--limit", "2"]);
    assert_eq!(few["count"], 2);
    assert!(few["next_page"].is_string(), "{few:#}");
    let few = home.pyro(&["file", "list", &id, "--limit", "2"]);
    assert!(few.stderr.contains("`--limit`"), "{}", few.stderr);

    let mut words: Vec<OsString> = ["workspace", "file", "read", &id].map(OsString::from).to_vec();
    words.push(OsString::from_vec(b"caf\xe9".to_vec()));
    let read = home.home().pyro(&words).output().unwrap();
    assert_eq!((read.status.code(), &read.stdout[..]), (Some(0), &b"x\n"[..]));
    for given in ["base64:L3dvcmtzcGFjZS9jYWbp", "base64:Y2Fm6Q=="] {
        let read = home.pyro(&["file", "read", &id, given]);
        assert_eq!(read.text(), "x\n", "{given}");
    }
    words[3] = OsStr::from_bytes(id.as_bytes()).to_owned();
    words[4] = "./-dash".into();
    assert!(home.home().pyro(&words).output().unwrap().status.success());
}
