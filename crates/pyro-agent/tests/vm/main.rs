//! The agent in real VMs: each test boots one with QEMU and holds it to claims, one after the other.
//!
//! `cargo xtask test` runs these. They take from the environment: `PYRO_TEST_BIN`, a pyro in its dist tree, whose kernel
//! and initramfs they boot; and `PYRO_TEST_CACHE`, a `PYRO_CACHE_DIR` with `debian:12` installed. What is missing fails
//! the test that needs it.

#![forbid(unsafe_code)]
#![expect(
    clippy::panic,
    clippy::print_stdout,
    reason = "a claim that does not hold fails its test, and what was measured is shown with it"
)]

#[path = "../shared/calls.rs"]
mod calls;
mod checks;
#[path = "../shared/differences.rs"]
mod differences;
#[path = "../shared/entries.rs"]
mod entries;
#[path = "../shared/host.rs"]
mod host;
mod image;
mod input;
mod machine;
#[path = "../shared/tree.rs"]
mod tree;
mod workspace;

use std::time::{Duration, Instant};

use checks::{Check, changes, checks, commands, files, outage, plain, processes, puts, root, seed, streams};
use host::Failure;
use image::Image;
use machine::{Disk, Machine, Shape};

/// How long one check may take on a host that does much besides.
const LIMIT: Duration = Duration::from_secs(600);

#[test]
fn commands_do_what_they_are_asked_to() {
    let checks = checks![
        commands::start,
        commands::ping,
        commands::configure,
        commands::plain,
        commands::ends,
        commands::refusals,
        commands::users,
        commands::environment,
        commands::rename,
        streams::bulk,
        streams::blocked,
        streams::stdin,
        streams::half_closed,
        streams::kept_output,
    ];
    hold(Image::Environment, Disk::Own, 512, checks);
}

#[test]
fn processes_end_when_and_as_they_should() {
    let checks = checks![
        processes::timeout,
        processes::cancel,
        processes::signal,
        processes::left_running,
        processes::kill_all,
        processes::parallel,
        processes::spare_cgroup,
        processes::rehearsal,
    ];
    hold(Image::Environment, Disk::Own, 512, checks);
}

#[test]
fn a_machine_ends_with_everything_on_disk() {
    hold(Image::Environment, Disk::Own, 256, checks![processes::power_off]);
}

#[test]
fn a_broken_connection_loses_nothing() {
    let checks = checks![
        outage::cut,
        outage::reconnect,
        outage::hello_inside,
        outage::hello_behind_old_bytes,
        outage::hello_twice,
        outage::garbage,
    ];
    hold(Image::Environment, Disk::Own, 512, checks);
}

#[test]
fn one_command_can_do_without_http() {
    let checks = checks![
        plain::plain_command,
        plain::plain_output,
        plain::plain_cut,
        plain::plain_refusals,
    ];
    hold(Image::Environment, Disk::Own, 256, checks);
}

#[test]
fn a_command_that_wants_all_memory_dies_alone() {
    hold(Image::Environment, Disk::Own, 256, checks![processes::oom]);
}

#[test]
fn an_image_of_one_static_program_is_enough() {
    hold(Image::OneProgram, Disk::Own, 256, checks![root::one_program]);
}

#[test]
fn a_machine_without_a_disk_keeps_its_changes_in_memory() {
    hold(Image::Environment, Disk::None, 256, checks![root::without_disk]);
}

#[test]
fn a_root_that_cannot_be_mounted_is_told_to_the_host() {
    hold(Image::Noise, Disk::Own, 256, checks![root::unusable]);
}

#[test]
fn a_workspace_begins_empty_and_outlives_its_machine() {
    let checks = checks![
        files::empty,
        files::round_trip,
        files::both_sides,
        files::links,
        files::special,
        files::rehearsed,
        files::pages,
        files::large,
        files::again,
        files::killed,
    ];
    hold(Image::Environment, Disk::Own, 256, checks);
}

#[test]
fn a_seed_is_what_a_workspace_begins_with() {
    let checks = checks![seed::begins, seed::changes, seed::again];
    hold(Image::Environment, Disk::OwnAndSeed, 256, checks);
}

#[test]
fn what_differs_from_a_seed_is_found_and_sent() {
    let checks = checks![
        changes::ten_among_many,
        changes::everything,
        changes::fetched,
        changes::exported,
        puts::put,
        puts::conflict,
        puts::given_up,
        puts::many,
    ];
    hold(Image::Environment, Disk::OwnAndSeed, 256, checks);
}

#[test]
fn what_is_put_is_whole_whenever_the_machine_is_killed() {
    hold(Image::Environment, Disk::OwnAndSeed, 256, checks![puts::killed]);
}

#[test]
fn a_full_disk_refuses_a_file_whole() {
    hold(
        Image::Environment,
        Disk::None,
        256,
        checks![files::full, puts::full],
    );
}

/// Boots a machine and has it stand every check; the first that does not hold fails the test.
fn hold(image: Image, disk: Disk, mem_mib: u32, checks: &[(&str, Check)]) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.unwrap_or_else(|error| panic!("no runtime: {error}"));
    let outcome: Result<(), Failure> = runtime.block_on(async {
        let image = image.make()?;
        let mut machine = Machine::start(&Shape {
            root: image.path().to_owned(),
            disk,
            mem_mib,
        })?;
        for (name, check) in checks {
            let begun = Instant::now();
            let outcome = tokio::time::timeout(LIMIT, check(&mut machine)).await;
            let outcome = outcome.unwrap_or_else(|_| Err(format!("not done after {LIMIT:?}").into()));
            let note = outcome.map_err(|error| format!("{name}: {error}\n{}", machine.last_words()))?;
            println!("{name}: held after {:?} {note}", begun.elapsed());
        }
        Ok(())
    });
    if let Err(error) = outcome {
        panic!("{error}");
    }
}
