//! Reports that the lab's job prints, each between two marks.

/// Comes before a report, with the tier that it is about.
pub(super) const REPORT: &str = "@lab report ";
/// Comes after it.
pub(super) const REPORTED: &str = "@lab reported";

/// The reports of a job, read line by line.
#[derive(Debug, Default)]
pub(super) struct Reports {
    whole: Vec<(String, String)>,
    open: Option<(String, String)>,
}

impl Reports {
    /// Takes in a line; false if it belongs to no report.
    pub(super) fn read(&mut self, line: &str) -> bool {
        if let Some(tier) = line.strip_prefix(REPORT) {
            self.open = Some((tier.to_owned(), String::new()));
        } else if line == REPORTED {
            self.whole.extend(self.open.take());
        } else if let Some((_, text)) = &mut self.open {
            text.push_str(line);
            text.push('\n');
        } else {
            return false;
        }
        true
    }

    /// The tiers and texts of those that are whole.
    pub(super) fn finish(self) -> Vec<(String, String)> {
        self.whole
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_reports_count() {
        let mut reports = Reports::default();
        let log = "noise\n@lab report hardware/qemu\n{\n}\n@lab reported\nnoise\n@lab report hardware/firecracker\n{";
        let others: Vec<&str> = log.lines().filter(|line| !reports.read(line)).collect();
        assert_eq!(others, ["noise", "noise"]);
        assert_eq!(
            reports.finish(),
            [("hardware/qemu".to_owned(), "{\n}\n".to_owned())]
        );
    }
}
