//! Warnings, of which a hostile seed must not make many.

/// How many warnings are kept.
const KEPT: usize = 50;

/// Collects warnings and counts those beyond the first.
#[derive(Debug, Default)]
pub(super) struct Warnings {
    kept: Vec<String>,
    more: u64,
}

impl Warnings {
    /// Adds a warning.
    pub(super) fn push(&mut self, text: String) {
        if self.kept.len() < KEPT {
            self.kept.push(text);
        } else {
            self.more += 1;
        }
    }

    /// Returns the warnings, the last of which counts those that were dropped.
    pub(super) fn list(&self) -> Vec<String> {
        let mut all = self.kept.clone();
        if self.more > 0 {
            all.push(format!("and {} more warnings", self.more));
        }
        all
    }
}

/// Shows a path of bytes.
pub(super) fn shown(path: &[u8]) -> String {
    String::from_utf8_lossy(path).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn warnings_are_bounded_and_counted() {
        let mut warnings = Warnings::default();
        for at in 0..KEPT + 7 {
            warnings.push(at.to_string());
        }
        let list = warnings.list();
        assert_eq!(list.len(), KEPT + 1);
        assert_eq!(list[KEPT], "and 7 more warnings");
    }
}
