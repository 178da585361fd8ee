//! A guest that wants more than it has.

use crate::support::Home;

#[test]
fn a_full_disk_is_the_guests_own_trouble() {
    let home = Home::new();
    let script = "fallocate -l 800M /a || exit 1; head -c 400M /dev/zero >/b; echo status $?; rm /a
        echo more >/c && cat /c; df --output=size -B1M / | tail -1";
    let ended = home.run(&["--disk-gib", "1"], &[script]);
    let lines: Vec<&str> = ended.text().lines().map(str::trim).collect();
    let [status, more, size] = lines[..] else {
        panic!("{lines:?}: {}", ended.stderr)
    };
    assert_eq!((status, more), ("status 1", "more"), "{}", ended.stderr);
    assert!(
        ended.stderr.contains("No space left on device"),
        "{}",
        ended.stderr
    );
    assert!((800..1024).contains(&size.parse::<u32>().unwrap()), "{size} MiB");
    assert!(ended.stderr.contains(": exit 0 in "), "{}", ended.stderr);
}

#[test]
fn a_guest_without_memory_kills_the_command_and_says_so() {
    let home = Home::new();
    let (status, result) = home.json(&["--mem-mib", "256"], &["tail", "/dev/zero"]);
    assert_eq!(
        (status, &result["outcome"]),
        (137, &"signaled".into()),
        "{result:#}"
    );
    assert_eq!(
        (&result["signal"], &result["oom_killed"]),
        (&9.into(), &true.into()),
        "{result:#}"
    );

    // Where a part of it dies, the rest may go on.
    let ended = home.run(
        &["--mem-mib", "256"],
        &["head -c 900M /dev/zero >/dev/shm/x; echo status $?"],
    );
    assert!(
        ended.text().starts_with("status "),
        "{}: {}",
        ended.text(),
        ended.stderr
    );
}
