//! Git's deltas: a content as copies from another and new bytes.

/// Why a delta does not give a content.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum DeltaError {
    /// It is malformed, or was made for another base.
    Malformed,
    /// It announces more than the limit.
    TooLarge,
}

/// Builds the content that `delta` makes from `base`, of at most `limit` bytes.
pub(crate) fn apply(base: &[u8], delta: &[u8], limit: usize) -> Result<Vec<u8>, DeltaError> {
    let mut reader = Reader(delta);
    if reader.size()? != base.len() {
        return Err(DeltaError::Malformed);
    }
    let size = reader.size()?;
    if size > limit {
        return Err(DeltaError::TooLarge);
    }
    let mut content = Vec::new();
    while !reader.0.is_empty() {
        let piece = reader.piece(base)?;
        // Checked before it is kept: a few bytes of delta may announce copies without end.
        if content.len() + piece.len() > size {
            return Err(DeltaError::Malformed);
        }
        content.extend_from_slice(piece);
    }
    if content.len() == size {
        Ok(content)
    } else {
        Err(DeltaError::Malformed)
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn byte(&mut self) -> Result<u8, DeltaError> {
        let (&byte, rest) = self.0.split_first().ok_or(DeltaError::Malformed)?;
        self.0 = rest;
        Ok(byte)
    }

    /// A size in groups of seven bits, the lowest first.
    fn size(&mut self) -> Result<usize, DeltaError> {
        let mut size = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            size |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return usize::try_from(size).map_err(|_| DeltaError::Malformed);
            }
        }
        Err(DeltaError::Malformed)
    }

    fn piece(&mut self, base: &'a [u8]) -> Result<&'a [u8], DeltaError> {
        let opcode = self.byte()?;
        if opcode & 0x80 == 0 {
            let length = usize::from(opcode);
            if length == 0 || length > self.0.len() {
                return Err(DeltaError::Malformed);
            }
            let (piece, rest) = self.0.split_at(length);
            self.0 = rest;
            return Ok(piece);
        }
        let start = self.number(opcode, 4)?;
        let length = match self.number(opcode >> 4, 3)? {
            0 => 0x1_0000,
            length => length,
        };
        base.get(start..start.saturating_add(length))
            .ok_or(DeltaError::Malformed)
    }

    /// A number of which only those bytes are written that `present` names.
    fn number(&mut self, present: u8, bytes: u8) -> Result<usize, DeltaError> {
        let mut number = 0;
        for index in 0..bytes {
            if present & (1 << index) != 0 {
                number |= usize::from(self.byte()?) << (8 * index);
            }
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_and_new_bytes_make_a_content() {
        // From 6 bytes to 7: copy 3 from 2, then two new bytes, then copy 2 from 0.
        let delta = [6, 7, 0x91, 2, 3, 2, b'X', b'Y', 0x90, 2];
        assert_eq!(apply(b"abcdef", &delta, 7).unwrap(), b"cdeXYab");
    }

    #[test]
    fn a_delta_for_another_base_or_beyond_it_is_refused() {
        let malformed = Err(DeltaError::Malformed);
        assert_eq!(apply(b"abcde", &[6, 1, 1, b'X'], 10), malformed, "base");
        assert_eq!(apply(b"abc", &[3, 3, 0x91, 1, 3], 10), malformed, "beyond");
        assert_eq!(apply(b"abc", &[3, 2, 1, b'X'], 10), malformed, "too short");
        assert_eq!(apply(b"abc", &[3, 1, 2, b'X', b'Y'], 10), malformed, "too long");
        assert_eq!(apply(b"abc", &[3, 1, 0], 10), malformed, "no such opcode");
        assert_eq!(apply(b"abc", &[3], 10), malformed, "cut");
        assert_eq!(apply(b"abc", &[0xff; 30], 10), malformed, "endless size");
    }

    #[test]
    fn a_giant_is_refused_before_it_is_built() {
        let delta = [1, 0xff, 0xff, 0xff, 0x7f, 0x90, 1];
        assert_eq!(apply(b"a", &delta, 1000), Err(DeltaError::TooLarge));
    }
}
