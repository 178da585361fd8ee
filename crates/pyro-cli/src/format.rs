//! Quantities and names as people read them.

use std::fmt::Display;
use std::time::Duration;

use pyro::object::ExecOutcome;
use serde::Serialize;
use serde_json::Value;

/// A size in the largest binary unit that leaves a whole number before the point.
pub(crate) fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    // Tenths of the unit, so that no floating point is needed for one digit after the point.
    let mut tenths = u128::from(bytes) * 10 / 1024;
    let mut unit = 0;
    while tenths >= 10_240 && unit + 1 < UNITS.len() {
        tenths /= 1024;
        unit += 1;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, UNITS[unit])
}

/// A duration in seconds with one digit after the point.
pub(crate) fn seconds(milliseconds: u64) -> String {
    format!("{:.1} s", Duration::from_millis(milliseconds).as_secs_f64())
}

/// The beginning of a digest, enough to tell it from others by eye.
pub(crate) fn short_digest(digest: &str) -> &str {
    let hexadecimal = digest.split_once(':').map_or(digest, |(_, rest)| rest);
    hexadecimal.get(..12).unwrap_or(hexadecimal)
}

/// The name of an enumeration's value, as JSON has it; so people and programs read the same word.
pub(crate) fn name(value: impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => "unknown".to_owned(),
    }
}

/// `1 check`, `2 checks`; `1 entry`, `2 entries`.
pub(crate) fn count<N: Copy + Display + PartialEq + From<u8>>(number: N, noun: &str) -> String {
    match noun.strip_suffix('y') {
        _ if number == N::from(1) => format!("{number} {noun}"),
        Some(stem) => format!("{number} {stem}ies"),
        None => format!("{number} {noun}s"),
    }
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct End {
    pub(crate) outcome: ExecOutcome,
    pub(crate) exit_code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) oom_killed: bool,
    pub(crate) duration_ms: u64,
}

/// How a command ended, in words.
pub(crate) fn end(end: &End) -> String {
    let code = end.exit_code.unwrap_or_default();
    let took = seconds(end.duration_ms);
    let words = match end.outcome {
        ExecOutcome::Exited => format!("exit {code} in {took}"),
        ExecOutcome::Signaled => {
            let signal = end.signal.unwrap_or(code - 128);
            format!("ended by signal {signal}, exit {code} in {took}")
        }
        ExecOutcome::NotStarted if code == 126 => format!("its program cannot be executed, exit {code}"),
        ExecOutcome::NotStarted => format!("its program was not found, exit {code}"),
        ExecOutcome::TimedOut => format!("its time was up after {took}, exit {code}"),
        ExecOutcome::Cancelled => format!("cancelled after {took}, exit {code}"),
        _ => format!("{}, exit {code} in {took}", name(end.outcome)),
    };
    let memory = if end.oom_killed { ", out of memory" } else { "" };
    format!("{words}{memory}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_binary_with_one_digit() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (118 << 20, "118.0 MiB"),
            ((1 << 30) + (1 << 29), "1.5 GiB"),
            (u64::MAX, "16777215.9 TiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(size(bytes), text);
        }
    }

    #[test]
    fn digests_are_shortened_without_their_algorithm() {
        assert_eq!(short_digest("sha256:0123456789abcdef"), "0123456789ab");
        assert_eq!(short_digest("short"), "short");
    }

    #[test]
    fn names_are_those_of_the_json_form() {
        assert_eq!(name(pyro::object::VmmKind::Qemu), "qemu");
        assert_eq!(name(ExecOutcome::TimedOut), "timed_out");
    }

    #[test]
    fn a_count_has_its_plural() {
        assert_eq!(count(1_u64, "entry"), "1 entry");
        assert_eq!(count(0_u64, "entry"), "0 entries");
        assert_eq!(count(2_usize, "file"), "2 files");
    }
}
