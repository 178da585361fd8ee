//! The modes that Git records.

use std::fmt;

/// What a path is, as far as Git records it: all permissions but one are left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mode {
    /// A regular file that nobody may execute.
    File,
    /// A regular file with an execute bit.
    Executable,
    /// A symbolic link. Its content is its target, without a newline.
    Symlink,
    /// A directory. Git has no entry for it: it stands here only where it took the place of a file or gave way to one.
    Directory,
}

impl Mode {
    /// The mode as Git writes it, in octal.
    pub fn octal(self) -> &'static str {
        match self {
            Self::File => "100644",
            Self::Executable => "100755",
            Self::Symlink => "120000",
            Self::Directory => "040000",
        }
    }

    /// Reads the mode of a file or link, as it stands in a patch.
    ///
    /// Old versions of Git and models write other permissions too; of these only the owner's execute bit counts.
    pub(crate) fn parse(text: &[u8]) -> Option<Self> {
        let digits = text.len() <= 6 && text.iter().all(u8::is_ascii_digit);
        let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
        let bits = u32::from_str_radix(text, 8).ok()?;
        match (bits >> 12, bits & 0o100) {
            (0o12, _) => Some(Self::Symlink),
            // A bare `0755` is not what Git writes, but says enough.
            (0o10 | 0, 0) => Some(Self::File),
            (0o10 | 0, _) => Some(Self::Executable),
            _ => None,
        }
    }

    /// Whether a change from one to the other is a change of permissions alone.
    pub(crate) fn is_same_type(self, other: Self) -> bool {
        let executable_aside = |mode| match mode {
            Self::Executable => Self::File,
            other => other,
        };
        executable_aside(self) == executable_aside(other)
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.octal())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_all_permissions_one_bit_counts() {
        assert_eq!(Mode::parse(b"100664"), Some(Mode::File));
        assert_eq!(Mode::parse(b"100700"), Some(Mode::Executable));
        assert_eq!(Mode::parse(b"0755"), Some(Mode::Executable));
        assert_eq!(Mode::parse(b"120777"), Some(Mode::Symlink));
    }

    #[test]
    fn directories_submodules_and_nonsense_are_no_modes() {
        for text in [
            "040000",
            "160000",
            "rw-r--r--",
            "",
            "1006440",
            "100648",
            "+100644",
        ] {
            assert_eq!(Mode::parse(text.as_bytes()), None, "{text}");
        }
    }
}
