//! Standard streams: every byte, in both directions, and what happens when one end goes away.

use std::io::{Read, Write};
use std::process::Stdio;

use sha2::{Digest, Sha256};

use crate::support::{Ended, Home, Running, figure};

/// Bytes without pattern, the same every time (xorshift64*).
fn noise(count: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut bytes = Vec::with_capacity(count + 8);
    while bytes.len() < count {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend(state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(count);
    bytes
}

fn hex(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn standard_input_reaches_the_command_and_so_does_its_end() {
    let home = Home::new();
    let mut cat = home.start(&["-i"], &["cat", "-"]);
    let sent = noise(usize::try_from(figure("PYRO_TEST_INPUT_MIB", 8)).unwrap() << 20);
    let mut stdin = cat.stdin();
    let expected = sent.clone();
    // The end of the input is what ends `cat`.
    let writing = std::thread::spawn(move || stdin.write_all(&sent));
    let ended = cat.finish();
    writing.join().unwrap().unwrap();
    assert_eq!(ended.status, 0, "{}", ended.stderr);
    assert_eq!(ended.stdout.len(), expected.len());
    assert!(
        ended.stdout == expected,
        "{} instead of {}",
        hex(&ended.stdout),
        hex(&expected)
    );
}

#[test]
fn an_empty_input_ends_at_once() {
    let home = Home::new();
    let counted = home.run(&["-i"], &["wc", "-c"]);
    assert_eq!((counted.status, counted.text().trim()), (0, "0"));

    // Without `-i` what is there to be read is left alone.
    let (reader, mut writer) = std::io::pipe().unwrap();
    writer.write_all(b"for someone else\n").unwrap();
    let mut command = home.run_command(&[], &["wc", "-c"]);
    let output = command.stdin(reader.try_clone().unwrap()).output().unwrap();
    drop(command);
    drop(writer);
    assert_eq!(Ended::from(output).text().trim(), "0");
    let mut rest = String::new();
    (&reader).read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "for someone else\n");
}

#[test]
fn a_command_that_reads_only_the_beginning_ends_all_the_same() {
    let home = Home::new();
    let mut head = home.start(&["-i"], &["head", "-c", "5"]);
    let mut stdin = head.stdin();
    // Written until nobody reads any more.
    let writing = std::thread::spawn(move || while stdin.write_all(b"hello world\n").is_ok() {});
    let mut stdout = Vec::new();
    head.stdout().read_to_end(&mut stdout).unwrap();
    let ended = head.finish();
    writing.join().unwrap();
    assert_eq!(
        (ended.status, stdout.as_slice()),
        (0, &b"hello"[..]),
        "{}",
        ended.stderr
    );
}

#[test]
fn both_streams_are_complete_separate_and_unaltered() {
    let home = Home::new();
    let script = "head -c 3000000 /dev/urandom >/tmp/o; head -c 2000000 /dev/urandom >/tmp/e
        cat /tmp/o & cat /tmp/e >&2; wait; sha256sum </tmp/o; sha256sum </tmp/e >&2";
    // Standard error is no text here, so it goes around the harness.
    let output = home
        .run_command(&["-q"], &[script])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    for (bytes, count) in [(output.stdout, 3_000_000), (output.stderr, 2_000_000)] {
        assert_eq!(bytes.len(), count + "  -\n".len() + 64);
        let (content, sum) = bytes.split_at(count);
        assert_eq!(String::from_utf8_lossy(sum), format!("{}  -\n", hex(content)));
    }
}

#[test]
fn a_reader_that_has_enough_ends_the_run_quietly() {
    let home = Home::new();
    let mut running = Running::of(&mut home.run_command(&[], &["yes"]));
    let mut beginning = [0; 10];
    running.stdout().read_exact(&mut beginning).unwrap();
    assert_eq!(&beginning, b"y\ny\ny\ny\ny\n");
    let vm = running.descendants();
    assert!(!vm.is_empty());
    let ended = running.leave();
    assert_eq!((ended.status, ended.stderr.as_str()), (130, ""));
    assert!(
        crate::process::all_gone(&vm, std::time::Duration::ZERO),
        "pyro left before its VM"
    );
}
