//! What the lab runs, as a shell script.

use crate::lab::tier::Tier;

/// How many tests run at once.
const THREADS: u32 = 2;
/// How many runs in a row must leave nothing behind: one of them is killed.
const RUNS: u32 = 5;
/// Tests that say nothing about the hardware tier, each with the reason.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[];

/// Runs a command of the caller's, with pyro at hand.
pub(super) fn of_command(tier: Tier, command: &str) -> String {
    format!(
        "{}\nexport PATH=/lab/dist/bin:$PATH PYRO_CACHE_DIR=/lab/environments PYRO_ISOLATION=hardware\n{command}\n",
        tier.setup()
    )
}

/// Runs test programs, the same on each tier.
pub(super) fn of_tests(tiers: &[Tier], programs: &[&str], filters: &[String]) -> String {
    let mut job = format!(
        "export PYRO_TEST_BIN=/lab/dist/bin/pyro PYRO_TEST_CACHE=/lab/environments PYRO_TEST_RUNS={RUNS}\n"
    );
    let skipped: String = LEFT_OUT
        .iter()
        .map(|(name, _)| format!(" --skip {}", quote(name)))
        .collect();
    let filters: String = filters
        .iter()
        .map(|filter| format!(" {}", quote(filter)))
        .collect();
    job.push_str("failed=0\n");
    for tier in tiers {
        job.push_str(&format!("{}\n", tier.setup()));
        for program in programs {
            job.push_str(&format!(
                "echo 'Running {tier} {program}'\n\
                 PYRO_TEST_TIER={tier} /lab/tests/{program} --test-threads {THREADS}{skipped}{filters} || failed=1\n"
            ));
        }
    }
    job.push_str("exit $failed\n");
    job
}

/// A word of a shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tier_runs_each_program_with_the_same_filters() {
        let job = of_tests(
            &[Tier::Qemu, Tier::Firecracker],
            &["cli", "library"],
            &["it's".to_owned()],
        );
        let runs: Vec<&str> = job
            .lines()
            .filter(|line| line.contains("--test-threads"))
            .collect();
        assert_eq!(runs.len(), 4);
        assert!(runs.iter().all(|line| line.contains(r"'it'\''s'")), "{job}");
        assert!(
            runs[1].starts_with("PYRO_TEST_TIER=hardware/qemu /lab/tests/library "),
            "{job}"
        );
        assert!(
            runs[2].starts_with("PYRO_TEST_TIER=hardware/firecracker /lab/tests/cli "),
            "{job}"
        );
    }
}
