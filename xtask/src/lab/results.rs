//! What the lab's job says, read line by line.

use anyhow::{Result, bail, ensure};

use crate::lab::tier::Tier;

/// The line that ends every job, before its exit status.
const ENDED: &str = "@lab ended ";

/// Whether a line is the last of its job.
pub(super) fn is_end(line: &str) -> bool {
    line.starts_with(ENDED)
}

/// Which tests a job ran, and how it ended.
#[derive(Debug, Default)]
pub(super) struct Results {
    /// The tier whose tests must run, if the job is about tests.
    tier: Option<Tier>,
    passed: u64,
    failed: Vec<String>,
    /// The tier and the program whose tests are running.
    place: String,
    ended: Option<i32>,
}

impl Results {
    /// Nothing yet, of tests on a tier.
    pub(super) fn of_tests(tier: Tier) -> Self {
        Self {
            tier: Some(tier),
            ..Self::default()
        }
    }

    /// Takes in a line, and says what is new to a person.
    pub(super) fn read(&mut self, line: &str) -> Option<String> {
        if let Some(place) = line.strip_prefix("Running ") {
            place.clone_into(&mut self.place);
        }
        if let Some(status) = line.strip_prefix(ENDED) {
            self.ended = status.trim().parse().ok();
            return None;
        }
        let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let test = format!("{} {name}", self.place);
        match outcome {
            "ok" => {
                self.passed += 1;
                Some(format!("{test}: passed"))
            }
            // The tally tells of it.
            "FAILED" => {
                self.failed.push(test);
                None
            }
            _ => None,
        }
    }

    /// The exit status of the job, once it ended.
    pub(super) fn ended(&self) -> Option<i32> {
        self.ended
    }

    /// Fails if a test did, if none ran, or if a program ended otherwise than its tests tell.
    pub(super) fn verdict(&self) -> Result<()> {
        ensure!(
            self.failed.is_empty(),
            "failed in the lab: {}",
            self.failed.join(", ")
        );
        if let Some(tier) = self.tier.filter(|_| self.passed == 0) {
            bail!("no test ran on {tier}");
        }
        ensure!(self.ended == Some(0), "a test program failed in the lab");
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(tier: Tier, log: &str) -> (Results, Vec<String>) {
        let mut results = Results::of_tests(tier);
        let news = log.lines().filter_map(|line| results.read(line)).collect();
        (results, news)
    }

    #[test]
    fn tests_are_told_with_their_tier() {
        let log = "Running hardware/qemu pyro-cli\ntest exit::a_status ... ok\ntest result: ok. 1 passed\n@lab ended 0";
        let (results, news) = read(Tier::Qemu, log);
        assert_eq!(news, ["hardware/qemu pyro-cli exit::a_status: passed"]);
        results.verdict().unwrap();
    }

    #[test]
    fn a_tier_without_tests_fails() {
        let log = "Running hardware/firecracker pyro-cli\n@lab ended 0";
        let (results, _) = read(Tier::Firecracker, log);
        let error = results.verdict().unwrap_err().to_string();
        assert_eq!(error, "no test ran on hardware/firecracker");
    }

    #[test]
    fn a_failed_test_and_a_program_that_dies_fail() {
        let log = "Running hardware/qemu pyro\ntest cut::one ... ok\ntest cut::two ... FAILED\n@lab ended 1";
        let (results, _) = read(Tier::Qemu, log);
        let error = results.verdict().unwrap_err().to_string();
        assert_eq!(error, "failed in the lab: hardware/qemu pyro cut::two");

        let (results, _) = read(
            Tier::Qemu,
            "Running hardware/qemu pyro\ntest cut::one ... ok\n@lab ended 1",
        );
        assert!(results.verdict().is_err());
    }

    #[test]
    fn a_job_that_is_cut_off_has_not_ended() {
        let (results, _) = read(Tier::Qemu, "Running hardware/qemu pyro\ntest cut::one ... ok");
        assert_eq!(results.ended(), None);
        assert!(results.verdict().is_err());
    }
}
