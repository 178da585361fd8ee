//! The base 85 in which Git writes binary content: lines of at most 52 bytes, each with its length in front.

const ALPHABET: &[u8; 85] =
    b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";

/// The value of each byte in the alphabet, 255 for all others.
const VALUES: [u8; 256] = values();

const LINE_BYTES: usize = 52;

/// Appends the lines of `bytes`.
pub(crate) fn push_lines(out: &mut Vec<u8>, bytes: &[u8]) {
    for line in bytes.chunks(LINE_BYTES) {
        out.push(length_letter(line.len()));
        for group in line.chunks(4) {
            let mut padded = [0; 4];
            padded[..group.len()].copy_from_slice(group);
            push_group(out, u32::from_be_bytes(padded));
        }
        out.push(b'\n');
    }
}

/// Appends the bytes of one line, without its newline. `None` if it is malformed.
pub(crate) fn decode_line(out: &mut Vec<u8>, line: &[u8]) -> Option<()> {
    let (&letter, digits) = line.split_first()?;
    let length = match letter {
        b'A'..=b'Z' => usize::from(letter - b'A') + 1,
        b'a'..=b'z' => usize::from(letter - b'a') + 27,
        _ => return None,
    };
    if digits.len() != length.div_ceil(4) * 5 {
        return None;
    }
    let end = out.len() + length;
    for group in digits.chunks_exact(5) {
        out.extend_from_slice(&decode_group(group)?.to_be_bytes());
    }
    out.truncate(end);
    Some(())
}

fn length_letter(length: usize) -> u8 {
    let length = u8::try_from(length).unwrap_or(u8::MAX);
    match length {
        0..=26 => b'A' + length.saturating_sub(1),
        _ => b'a' + (length - 27).min(25),
    }
}

fn push_group(out: &mut Vec<u8>, mut value: u32) {
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(value % 85) as usize];
        value /= 85;
    }
    out.extend_from_slice(&digits);
}

fn decode_group(digits: &[u8]) -> Option<u32> {
    let mut value: u32 = 0;
    for &digit in digits {
        let digit = VALUES[usize::from(digit)];
        if digit == u8::MAX {
            return None;
        }
        value = value.checked_mul(85)?.checked_add(u32::from(digit))?;
    }
    Some(value)
}

const fn values() -> [u8; 256] {
    let mut values = [u8::MAX; 256];
    let mut digit: u8 = 0;
    while digit < 85 {
        values[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_length_survives() {
        for length in 0..=120_u8 {
            let bytes: Vec<u8> = (0..length).map(|index| index.wrapping_mul(201)).collect();
            let mut text = Vec::new();
            push_lines(&mut text, &bytes);
            let mut decoded = Vec::new();
            for line in text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
                decode_line(&mut decoded, line).unwrap();
            }
            assert_eq!(decoded, bytes);
        }
    }

    #[test]
    fn malformed_lines_are_refused() {
        // No length, a length that is no letter, too few and too many digits, a foreign digit, a value over 32 bits.
        for line in ["", "100000", "D0000", "D000000", "D00\"00", "D~~~~~"] {
            assert_eq!(decode_line(&mut Vec::new(), line.as_bytes()), None, "{line}");
        }
    }
}
