//! Times as people read them: how long ago, or in how long.

use jiff::Timestamp;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

/// A time of a result, as in `3 min ago` or `in 42 min`; what is no time stays as it is.
pub(crate) fn relative(time: &str) -> String {
    relative_to(time, Timestamp::now())
}

fn relative_to(time: &str, now: Timestamp) -> String {
    let Ok(at) = time.parse::<Timestamp>() else {
        return time.to_owned();
    };
    // Whole seconds of what is shown: one that is to come has begun.
    let milliseconds = now.duration_since(at).as_millis();
    let (distance, is_past) = if milliseconds < 0 {
        (milliseconds.unsigned_abs().div_ceil(1000), false)
    } else {
        (milliseconds.unsigned_abs() / 1000, true)
    };
    let seconds = i64::try_from(distance).unwrap_or(i64::MAX);
    let told = match seconds {
        ..MINUTE => format!("{seconds} s"),
        MINUTE..HOUR => format!("{} min", seconds / MINUTE),
        HOUR..DAY => format!("{} h", seconds / HOUR),
        _ if seconds < 2 * DAY => "1 day".to_owned(),
        _ => format!("{} days", seconds / DAY),
    };
    if is_past {
        format!("{told} ago")
    } else {
        format!("in {told}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_by_their_distance() {
        let now: Timestamp = "2026-11-28T12:00:00Z".parse().unwrap();
        for (time, told) in [
            ("2026-11-28T12:00:00.000Z", "0 s ago"),
            ("2026-11-28T11:59:01.000Z", "59 s ago"),
            ("2026-11-28T11:56:59.500Z", "3 min ago"),
            ("2026-11-28T00:30:00.000Z", "11 h ago"),
            ("2026-11-27T12:00:00.000Z", "1 day ago"),
            ("1970-01-01T00:00:00.000Z", "20785 days ago"),
            ("2026-11-28T12:00:00.001Z", "in 1 s"),
            ("2026-11-28T12:42:00.000Z", "in 42 min"),
            ("2026-12-05T12:00:00.000Z", "in 7 days"),
            ("-", "-"),
        ] {
            assert_eq!(relative_to(time, now), told, "{time}");
        }
    }
}
