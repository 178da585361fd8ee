//! What the lab runs, as a shell script.

use crate::lab::report::{REPORT, REPORTED};
use crate::lab::tier::Tier;

/// How many tests run at once: one more than there are CPUs, because some wait for a time limit.
const THREADS: u32 = 2;
/// How often and how much, where the same tests on the host do more of it: see `tests/vm/main.rs` of pyro-cli.
const FIGURES: [(&str, u32); 13] = [
    // One of them is killed.
    ("PYRO_TEST_RUNS", 5),
    ("PYRO_TEST_AT_ONCE", 3),
    ("PYRO_TEST_KILLS", 2),
    ("PYRO_TEST_WORKSPACE_KILLS", 5),
    ("PYRO_TEST_MIXED_OPERATIONS", 40),
    // Above what the test allows pyro to use.
    ("PYRO_TEST_OUTPUT_MIB", 80),
    ("PYRO_TEST_INPUT_MIB", 2),
    ("PYRO_TEST_TREE_FILES", 300),
    ("PYRO_TEST_TREE_MIB", 4),
    ("PYRO_TEST_TREE_PAIRS", 30),
    ("PYRO_TEST_CLOCK_MS", 2000),
    ("PYRO_TEST_GONE_S", 20),
    // The lab delegates all controllers.
    ("PYRO_TEST_CGROUPS", 1),
];
/// Tests that are about pyro and not about what runs its VMs, by a part of their names, each with the reason.
pub(super) const LEFT_OUT: &[(&str, &str)] = &[
    ("refuse::", "refused by pyro itself, whatever would run the VM"),
    (
        "image::",
        "images of all kinds are one kind of file before a VMM sees them",
    ),
    (
        "limit::",
        "the guest's kernel fills its disk and its memory page by page, for minutes",
    ),
    (
        "template::a_template_that_was_changed",
        "changes are found before a VMM sees them",
    ),
    (
        "prepare::a_template_is_prepared_once",
        "when to make and to remove one is decided without a VMM",
    ),
    ("many::an_environment_in_use_is_not_pruned", "locks of the cache"),
    (
        "volume::a_hundred_megabytes",
        "output is cut and counted outside of the guest",
    ),
    ("host::a_host_without_qemu", "nothing is started"),
    ("host_run::", "no VMM takes part"),
    ("host_workspace::", "no VMM takes part"),
    ("workspace::names_ids_and_labels", "refused by pyro itself"),
    ("ids::", "refused by pyro itself"),
    ("prune::", "what goes is decided without a VMM"),
    ("content::archives", "refused by pyro itself"),
    ("complete::", "the shell asks for what is on disk"),
    (
        "workspace::the_example_runs",
        "it is built beside the tests of this host",
    ),
    (
        "workspace::a_record_that_cannot_be_read",
        "read before a VMM is thought of",
    ),
    ("workspace::long_output", "kept outside of the guest"),
    ("history::", "kept outside of the guest"),
    (
        "workspace::a_workspace_that_nobody_uses",
        "time passes alike everywhere",
    ),
];
/// Tests that take more than half a minute there, and of which the others try the main part: `cargo xtask lab` runs them,
/// and not every run of all checks.
pub(super) const LONG: &[(&str, &str)] = &[
    ("template::a_pyro_that_is_killed", "many boots"),
    ("template::another_vmm_or_another_agent", "four boots"),
    (
        "template::a_template_that_does_not_restore",
        "boots after failed restores",
    ),
    ("template::several_first_starts", "waits for one of them"),
    (
        "prepare::a_vm_that_does_not_boot",
        "waits for the bound of a boot",
    ),
    ("many::runs_in_a_row", "many runs"),
    ("kill::", "a boot after each kill"),
    ("crowd::", "a boot after each stop"),
    ("template::the_second_start_is_a_restore", "four boots"),
    ("workspace::a_creation_that_is_given_up", "several creations"),
    ("workspace::what_ends_a_workspace", "several boots"),
    ("content::copy", "what is brought in is sent alike by every VMM"),
    ("content::corpus", "hundreds of trees"),
    (
        "content::export",
        "what is brought out is sent alike by every VMM",
    ),
    ("content::flows", "the same through the library"),
    ("content::large", "thousands of files"),
    ("content::push", "what is brought in is sent alike by every VMM"),
    ("content::round_trip", "large trees"),
    ("content::run::a_command_that_fails", "several time limits"),
    (
        "content::run::an",
        "what is brought out is sent alike by every VMM",
    ),
    ("content::run::git", "the same through Git"),
    ("content::run::what", "refused by pyro itself"),
    ("demo::", "a run like others"),
    ("durable::", "a boot after each kill"),
    ("fields::", "told by pyro itself"),
    ("follow::", "read outside of the guest"),
    ("flows::flow_parallel", "several workspaces"),
    ("full_disk::", "a disk is filled"),
    ("mixed::", "many commands"),
    ("one_shot::a_vm_has", "several boots"),
    ("one_shot::a_vm_whose", "waits for times to be over"),
    ("one_shot::another", "several boots"),
    ("parallel::", "many commands"),
    ("races::", "several workspaces"),
];

/// Runs a command of the caller's, with pyro at hand.
pub(super) fn of_command(tier: Tier, command: &str) -> String {
    format!(
        "{}\nexport PATH=/lab/dist/bin:$PATH PYRO_CACHE_DIR=/lab/environments PYRO_ISOLATION=hardware\n{command}\n",
        tier.setup()
    )
}

/// Runs test programs on a tier, without what is left out.
pub(super) fn of_tests(
    tier: Tier,
    programs: &[&str],
    filters: &[String],
    left_out: &[(&str, &str)],
) -> String {
    let mut job = format!(
        "{}\nexport PYRO_TEST_BIN=/lab/dist/bin/pyro PYRO_TEST_CACHE=/lab/environments PYRO_TEST_TIER={tier}\n",
        tier.setup()
    );
    for (variable, figure) in FIGURES {
        job.push_str(&format!("export {variable}={figure}\n"));
    }
    let skipped: String = left_out
        .iter()
        .map(|(name, _)| format!(" --skip {}", quote(name)))
        .collect();
    let filters: String = filters
        .iter()
        .map(|filter| format!(" {}", quote(filter)))
        .collect();
    job.push_str("failed=0\n");
    for program in programs {
        job.push_str(&format!(
            "echo 'Running {tier} {program}'\n\
             /lab/tests/{program} --test-threads {THREADS}{skipped}{filters} || failed=1\n"
        ));
    }
    job.push_str("exit $failed\n");
    job
}

/// Measures a tier by the `xtask` that lies among the tests, and prints what it reports between two marks.
pub(super) fn of_bench(tier: Tier, words: &str) -> String {
    format!(
        "{}\nexport PYRO_CACHE_DIR=/lab/environments\n\
         /lab/tests/xtask bench --dist /lab/dist --isolation hardware --json /lab/bench.json {words} || exit\n\
         echo '{REPORT}{tier}'\ncat /lab/bench.json\necho '{REPORTED}'\n",
        tier.setup()
    )
}

/// A word of a shell.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_program_runs_with_the_same_filters() {
        let job = of_tests(
            Tier::Firecracker,
            &["cli", "library"],
            &["it's".to_owned()],
            LEFT_OUT,
        );
        let runs: Vec<&str> = job
            .lines()
            .filter(|line| line.contains("--test-threads"))
            .collect();
        assert_eq!(runs.len(), 2);
        assert!(runs.iter().all(|line| line.contains(r"'it'\''s'")), "{job}");
        assert!(runs[1].starts_with("/lab/tests/library "), "{job}");
        assert!(job.contains(" PYRO_TEST_TIER=hardware/firecracker\n"), "{job}");
    }
}
