//! Numbers as tar writes them.

use super::Timestamp;

/// Reads a numeric header field: octal digits between blanks, or the binary form of GNU tar and `star` whose first
/// byte has its high bit set. An empty field is zero, as all tar readers have it.
pub(super) fn field(bytes: &[u8]) -> Option<i128> {
    match bytes.first() {
        Some(first) if first & 0x80 != 0 => Some(binary(bytes)),
        _ => octal(bytes),
    }
}

fn octal(bytes: &[u8]) -> Option<i128> {
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let digits = bytes[..end].trim_ascii();
    // Fields have at most 12 bytes, so 36 bits: no overflow.
    digits.iter().try_fold(0, |value, digit| match digit {
        b'0'..=b'7' => Some(value * 8 + i128::from(digit - b'0')),
        _ => None,
    })
}

/// Two's complement without the first bit, which is the mark of this form. Fields have at most 12 bytes: no overflow.
fn binary(bytes: &[u8]) -> i128 {
    let negative = bytes[0] & 0x40 != 0;
    let first = i128::from(bytes[0] & 0x7f) - if negative { 0x80 } else { 0 };
    bytes[1..]
        .iter()
        .fold(first, |value, byte| value * 256 + i128::from(*byte))
}

/// Reads a decimal number without sign.
pub(super) fn decimal(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Reads a time of an extended header: seconds with an optional sign and fraction. Digits after the ninth are cut.
pub(super) fn timestamp(text: &[u8]) -> Option<Timestamp> {
    let (negative, text) = match text.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let point = text.iter().position(|byte| *byte == b'.');
    let (whole, fraction) = match point {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &text[..0]),
    };
    let seconds = i64::try_from(decimal(whole)?).ok()?;
    let nanoseconds = nanoseconds(fraction)?;
    Some(match (negative, nanoseconds) {
        (false, _) => Timestamp { seconds, nanoseconds },
        (true, 0) => Timestamp {
            seconds: -seconds,
            nanoseconds,
        },
        (true, _) => Timestamp {
            seconds: -seconds - 1,
            nanoseconds: 1_000_000_000 - nanoseconds,
        },
    })
}

fn nanoseconds(fraction: &[u8]) -> Option<u32> {
    if !fraction.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let digit = |place: usize| u32::from(fraction.get(place).map_or(0, |byte| byte - b'0'));
    Some((0..9).fold(0, |value, place| value * 10 + digit(place)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octal_fields_may_be_blank_padded_or_empty() {
        assert_eq!(field(b"0000644\0"), Some(0o644));
        assert_eq!(field(b"   644 \0"), Some(0o644));
        assert_eq!(field(b"\0\0\0\0\0\0\0\0"), Some(0));
        assert_eq!(field(b"0000648\0"), None);
        assert_eq!(field(b"-000064\0"), None);
    }

    #[test]
    fn binary_fields_carry_a_sign() {
        assert_eq!(field(&[0x80, 0, 0, 0, 0, 0x98, 0x96, 0x80]), Some(10_000_000));
        assert_eq!(field(&[0xff; 12]), Some(-1));
    }

    #[test]
    fn times_before_1970_count_nanoseconds_forward() {
        let time = |seconds, nanoseconds| Some(Timestamp { seconds, nanoseconds });
        assert_eq!(timestamp(b"12.5"), time(12, 500_000_000));
        assert_eq!(timestamp(b"-1.25"), time(-2, 750_000_000));
        assert_eq!(timestamp(b"-3"), time(-3, 0));
        assert_eq!(timestamp(b"7.1234567891"), time(7, 123_456_789));
        for bad in [&b""[..], b".5", b"+1", b"1.x", b"99999999999999999999"] {
            assert_eq!(timestamp(bad), None);
        }
    }
}
