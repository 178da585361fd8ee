//! Much output, little memory.

use std::io::Read;

use crate::support::{Home, Running, figure};

const MIB: u64 = 1 << 20;

#[test]
fn much_output_passes_through_little_memory() {
    let home = Home::new();
    let count = figure("PYRO_TEST_OUTPUT_MIB", 1024) * MIB;
    let mut running =
        Running::of(&mut home.run_command(&[], &["head", "-c", &count.to_string(), "/dev/zero"]));
    let mut buffer = vec![0; 1 << 20];
    let (mut total, mut ones, mut peak) = (0_u64, 0_u64, 0);
    loop {
        let read = running.stdout().read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        let before = total;
        total += read as u64;
        // With more to come than a pipe holds it is still there; once it has written all, it may be gone.
        let step = 8 * MIB;
        if before / step != total / step && total + step / 2 < count {
            peak = running.peak_memory().unwrap_or(0).max(peak);
        }
        ones += buffer[..read].iter().filter(|byte| **byte != 0).count() as u64;
    }
    let ended = running.finish();
    assert_eq!((ended.status, total, ones), (0, count, 0), "{}", ended.stderr);
    println!(
        "{} MiB: {}, peak memory {} MiB",
        count / MIB,
        ended.stderr.trim(),
        peak / MIB
    );
    assert!((1..64 * MIB).contains(&peak), "peak memory {} MiB", peak / MIB);
}

#[test]
fn a_hundred_megabytes_that_are_no_text_are_counted_and_cut_in_the_middle() {
    let home = Home::new();
    let script = "printf 'HEAD '; tr '\\0' '\\377' </dev/zero | head -c 100000000; printf ' TAIL'";
    let mut running = Running::of(&mut home.run_command(&["--json"], &[script]));
    let mut text = Vec::new();
    let mut buffer = vec![0; 1 << 20];
    let mut peak = 0;
    loop {
        let read = running.stdout().read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        if text.len() < 2 << 20 || buffer[..read].ends_with(b"\n") {
            peak = running.peak_memory().unwrap_or(0).max(peak);
        }
        text.extend_from_slice(&buffer[..read]);
    }
    let ended = running.finish();
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    let result: serde_json::Value = serde_json::from_slice(&text).unwrap();
    let (stdout, info) = (result["stdout"].as_str().unwrap(), &result["stdout_info"]);
    assert!(stdout.starts_with("HEAD \u{fffd}") && stdout.ends_with("\u{fffd} TAIL"));
    assert_eq!(info["bytes"], 100_000_010);
    assert_eq!(info["encoding"], "utf-8-lossy");
    assert_eq!(info["truncated"], true);
    let kept = info["stored_bytes"].as_u64().unwrap();
    assert_eq!(kept, 16 * MIB);
    assert_eq!(info["omitted_bytes"], 100_000_010 - kept);
    println!("100 MB: peak memory {} MiB", peak / MIB);
    // The kept bytes, three times as many as text, and that text as JSON.
    assert!((1..192 * MIB).contains(&peak), "peak memory {} MiB", peak / MIB);
}
