//! Archives that would write elsewhere or without end: each is refused, and nothing is changed by it.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Command, Stdio};

use crate::workspace::Workspaces;

const FILE: u8 = b'0';
const HARD_LINK: u8 = b'1';
const LINK: u8 = b'2';

/// Larger than a disk of 1 GiB.
const TOO_MUCH: u64 = 1100 << 20;

/// A member in the format of POSIX.1-1988 (ustar), which says that it holds `size` bytes.
fn header(name: &str, kind: u8, target: &str, size: u64) -> Vec<u8> {
    let mut block = vec![0; 512];
    let mut put = |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    // More than eleven digits are written in the form that GNU tar has for them.
    put(124, &format!("{:011o}\0", size & 0o77_777_777_777));
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, &char::from(kind).to_string());
    put(157, target);
    put(257, "ustar\x0000");
    if size > 0o77_777_777_777 {
        block[124..136].fill(0);
        block[124] = 0x80;
        block[128..136].copy_from_slice(&size.to_be_bytes());
    }
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    block
}

/// An archive of links, and of files that hold one byte.
fn archive(members: &[(&str, u8, &str)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, target) in members {
        let is_file = *kind == FILE;
        bytes.extend(header(name, *kind, target, is_file.into()));
        if is_file {
            bytes.push(b'x');
            bytes.resize(bytes.len().next_multiple_of(512), 0);
        }
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn members_that_lead_elsewhere_are_refused_and_nothing_is_changed() {
    let home = Workspaces::new();
    let id = home.create(&[]);
    home.sh(&id, "echo kept >kept; ln -s /root out; ln -s . here");
    let before = home.sh(&id, "find /workspace /root | sort");
    let hostile: [&[(&str, u8, &str)]; 9] = [
        &[("/root/evil", FILE, "")],
        &[("../evil", FILE, "")],
        &[("a/../../evil", FILE, "")],
        &[("d", LINK, "/root"), ("d/evil", FILE, "")],
        &[("d", LINK, "."), ("d/evil", FILE, "")],
        &[("d", FILE, ""), ("d/evil", FILE, "")],
        &[("evil", HARD_LINK, "/etc/passwd")],
        &[("evil", HARD_LINK, "../../etc/passwd")],
        &[("evil", b'Z', "")],
    ];
    let path = home.home().path().join("hostile");
    for members in hostile {
        // What could be taken comes first, and is not taken either.
        let first = [("first", FILE, "")];
        fs::write(&path, archive(&[&first, members].concat())).unwrap();
        home.refused(&["sync", "push", &id, "hostile"], "archive-invalid");
        home.refused(&["create", "--seed-path", "hostile"], "archive-invalid");
    }
    assert_eq!(home.sh(&id, "find /workspace /root | sort"), before);
    // Through a link that is in the tree already: it is replaced, and nothing is behind it.
    fs::write(&path, archive(&[("out/evil", FILE, "")])).unwrap();
    let (_, told) = home.json(&["sync", "push", &id, "hostile"]);
    assert_eq!(home.sh(&id, "find /root | sort; cat kept"), {
        let lines = before.lines().filter(|line| line.starts_with("/root"));
        lines.map(|line| format!("{line}\n")).collect::<String>() + "kept\n"
    });
    assert!(
        told["error"].is_object() || told["workspace_sync"].is_object(),
        "{told:#}"
    );
    assert_eq!(home.ok(&["list"])["count"], 1);
}

#[test]
fn an_archive_that_holds_more_than_the_disk_is_refused_at_once() {
    let home = Workspaces::new();
    let id = home.create(&["--disk-gib", "1"]);
    let path = |name: &str| home.home().path().join(name);
    // It has what it says, in some megabytes.
    let mut gzip = Command::new("gzip")
        .arg("-9")
        .stdin(Stdio::piped())
        .stdout(File::create(path("bomb")).unwrap())
        .spawn()
        .unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let zeros = vec![0; 1 << 20];
    input.write_all(&header("zeros", FILE, "", TOO_MUCH)).unwrap();
    (0..TOO_MUCH >> 20).for_each(|_| input.write_all(&zeros).unwrap());
    input.write_all(&[0; 1024]).unwrap();
    drop(input);
    assert!(gzip.wait().unwrap().success());
    assert!(fs::metadata(path("bomb")).unwrap().len() < 8 << 20);
    // It says what no disk holds, and has nothing of it.
    fs::write(path("claim"), header("claim", FILE, "", 1 << 60)).unwrap();
    for name in ["bomb", "claim"] {
        home.refused(&["sync", "push", &id, name], "insufficient-resources");
        home.refused(
            &["create", "--seed-path", name, "--disk-gib", "1"],
            "insufficient-resources",
        );
    }
    assert_eq!(home.sh(&id, "ls -A"), "");
    assert_eq!(home.ok(&["list"])["count"], 1);
}
