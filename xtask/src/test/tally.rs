//! Counts what the test harness reports.

use std::fmt;

/// Sums over all test programs.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    /// The program whose tests are running.
    program: String,
}

impl Tally {
    /// Adds what another one counted.
    pub(crate) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Takes in a line of the harness, and says what is new to a person.
    pub(crate) fn read(&mut self, line: &str) -> Option<String> {
        let text = line.trim_start();
        if let Some(program) = text
            .strip_prefix("Running ")
            .or_else(|| text.strip_prefix("Doc-tests "))
        {
            program.clone_into(&mut self.program);
            return None;
        }
        if let Some(result) = text.strip_prefix("test result: ") {
            let (passed, failed) = (count(result, "passed"), count(result, "failed"));
            self.passed += passed;
            self.failed += failed;
            let time = result.rsplit("finished in ").next().unwrap_or_default();
            let is_empty = passed + failed == 0;
            return (!is_empty)
                .then(|| format!("{}: {passed} passed, {failed} failed, {time}", self.program));
        }
        let is_news = text.starts_with("test ")
            && (text.ends_with(" ... FAILED") || text.ends_with("has been running for over 60 seconds"));
        is_news.then(|| text.to_owned())
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// The number before a word, as in `ok. 5 passed; 0 failed; …`.
fn count(result: &str, word: &str) -> u64 {
    let words: Vec<&str> = result.split([' ', ';']).collect();
    let number = words
        .iter()
        .zip(words.iter().skip(1))
        .find(|(_, next)| **next == word);
    number.and_then(|(number, _)| number.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_of_all_programs_are_summed() {
        let mut tally = Tally::default();
        let log = "\
     Running unittests src/lib.rs (target/debug/deps/pyro-1)
test id::tests::ids_are_short ... ok
test vm::boots has been running for over 60 seconds
test result: FAILED. 12 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out; finished in 3.20s
   Doc-tests pyro
test result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s
     Running tests/vm/main.rs (target/debug/deps/vm-1)
test result: ok. 3 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 90.00s";
        let news: Vec<String> = log.lines().filter_map(|line| tally.read(line)).collect();
        assert_eq!(
            news,
            [
                "test vm::boots has been running for over 60 seconds",
                "unittests src/lib.rs (target/debug/deps/pyro-1): 12 passed, 1 failed, 3.20s",
                "tests/vm/main.rs (target/debug/deps/vm-1): 3 passed, 0 failed, 90.00s",
            ]
        );
        assert_eq!(tally.to_string(), "15 passed, 1 failed");
    }
}
