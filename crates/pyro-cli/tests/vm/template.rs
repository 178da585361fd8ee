//! Templates: made once, restored from then on, and never trusted when something about them is wrong.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a helper that fails must fail the test"
)]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::image::home_with_static_image;
use crate::prepare::other_runtime;
use crate::process::{self, all_gone};
use crate::support::{Home, figure, gone_within, names};
use crate::tier::{self, Tier};

/// Runs the image's one program; the whole result.
fn run(home: &Home, options: &[&str]) -> Value {
    let (status, result) = home.json(options, &["/busybox", "echo", "hello"]);
    assert_eq!(status, 0, "{result:#}");
    assert_eq!(result["stdout"], "hello\n", "{result:#}");
    result
}

fn kind(result: &Value) -> &str {
    result["metadata"]["start_kind"].as_str().unwrap()
}

/// The directories of whole templates.
fn templates(home: &Home) -> Vec<PathBuf> {
    let dir = home.cache().join("templates");
    let whole = |name: &String| name.len() == 64;
    names(&dir)
        .into_iter()
        .filter(whole)
        .map(|name| dir.join(name))
        .collect()
}

fn the_template(home: &Home) -> PathBuf {
    let templates = templates(home);
    assert_eq!(templates.len(), 1, "{templates:?}");
    templates.into_iter().next().unwrap()
}

#[test]
fn the_second_start_is_a_restore_that_differs_in_time_alone() {
    let home = home_with_static_image();
    let first = run(&home, &[]);
    assert_eq!((kind(&first), &first["warnings"]), ("template", &json!([])));
    let template = the_template(&home);
    let second = run(&home, &[]);
    assert_eq!((kind(&second), &second["warnings"]), ("restored", &json!([])));
    assert_eq!(the_template(&home), template);
    for field in ["isolation", "vmm", "execution_mode", "exit_code", "stderr"] {
        assert_eq!(first[field], second[field], "{field}");
    }
    for part in ["memory", "devices", "disk"] {
        let metadata = fs::metadata(template.join(part)).unwrap();
        assert_eq!(metadata.mode() & 0o777, 0o400, "{part}");
    }
    // Another size is another machine.
    assert_eq!(kind(&run(&home, &["--mem-mib", "256"])), "template");
    assert_eq!(kind(&run(&home, &["--mem-mib", "256"])), "restored");
    assert_eq!(kind(&run(&home, &[])), "restored");
}

#[test]
fn the_clock_of_a_restored_guest_is_the_hosts() {
    let home = Home::new();
    let mut running = home.start(&["-i", "-q"], &["while read -r _; do date +%s%N; done"]);
    let mut stdin = running.stdin();
    // The first answer also proves that the guest is there.
    for _ in 0..3 {
        let before = SystemTime::now();
        stdin.write_all(b"now\n").unwrap();
        let mut line = String::new();
        running.stdout().read_line(&mut line).unwrap();
        let after = SystemTime::now();
        let guest = SystemTime::UNIX_EPOCH + Duration::from_nanos(line.trim().parse().unwrap());
        // The host's clock goes on while it is on its way to the guest.
        let slack = Duration::from_millis(figure("PYRO_TEST_CLOCK_MS", 100));
        assert!(
            before - slack < guest && guest < after + slack,
            "{guest:?} is not between {before:?} and {after:?}"
        );
    }
    drop(stdin);
    assert_eq!(running.finish().status, 0);
}

#[test]
fn what_one_vm_does_is_not_in_the_next() {
    let home = Home::new();
    let script = "ls /root /tmp /run; echo mine >/tmp/left; echo mine >/root/left; \
        cat /etc/machine-id >/run/left; sync; sha256sum /proc/self/mounts";
    let [first, second] = [(); 2].map(|()| home.run(&["-q"], &[script]));
    assert_eq!((first.status, first.stderr.as_str()), (0, ""));
    assert_eq!(first.text(), second.text());
    assert!(!first.text().contains("left"), "{}", first.text());
}

#[test]
fn a_template_that_was_changed_is_made_anew() {
    let home = home_with_static_image();
    run(&home, &[]);
    let spoil: [fn(&Path); 3] = [
        |dir| fs::remove_file(dir.join("devices")).unwrap(),
        |dir| fs::write(dir.join("template.json"), "{\"format\": 1").unwrap(),
        |dir| {
            let memory = dir.join("memory");
            fs::set_permissions(&memory, PermissionsExt::from_mode(0o600)).unwrap();
            let file = fs::File::options().write(true).open(&memory).unwrap();
            file.set_len(1 << 20).unwrap();
        },
    ];
    for spoil in spoil {
        spoil(&the_template(&home));
        let result = run(&home, &[]);
        assert_eq!((kind(&result), &result["warnings"]), ("template", &json!([])));
        assert_eq!(kind(&run(&home, &[])), "restored");
    }
}

#[test]
fn a_template_that_does_not_restore_is_thrown_away_and_the_vm_boots() {
    let home = home_with_static_image();
    let first = run(&home, &[]);
    assert_eq!(kind(&first), "template", "{first:#}");
    let dir = the_template(&home);
    let devices = dir.join("devices");
    fs::remove_file(&devices).unwrap();
    fs::write(&devices, "no state of any device").unwrap();
    reseal(&dir, 1, &devices);
    let result = run(&home, &[]);
    assert_eq!(kind(&result), "cold", "{result:#}");
    let warning = result["warnings"][0].as_str().unwrap();
    assert!(
        warning.contains("template") && warning.contains("cold"),
        "{warning}"
    );
    assert!(templates(&home).is_empty());
    assert_eq!(kind(&run(&home, &[])), "template");
    assert_eq!(kind(&run(&home, &[])), "restored");
}

/// Makes the record vouch for a part that was replaced.
fn reseal(dir: &Path, index: usize, part: &Path) {
    let path = dir.join("template.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let metadata = fs::metadata(part).unwrap();
    let changed_ns = metadata.ctime() * 1_000_000_000 + metadata.ctime_nsec();
    record["parts"][index] =
        json!({"size": metadata.len(), "inode": metadata.ino(), "changed_ns": changed_ns});
    fs::write(&path, record.to_string()).unwrap();
}

#[test]
fn several_first_starts_make_one_template() {
    let home = home_with_static_image();
    let kinds: Vec<String> = thread::scope(|scope| {
        let runs: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| kind(&run(&home, &["--mem-mib", "256"])).to_owned()))
            .collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    });
    let made = kinds.iter().filter(|kind| *kind == "template").count();
    let restored = kinds.iter().filter(|kind| *kind == "restored").count();
    assert_eq!((made, restored), (1, 3), "{kinds:?}");
    the_template(&home);
}

#[test]
fn another_vmm_or_another_agent_means_another_template() {
    let home = home_with_static_image();
    run(&home, &[]);
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    // The VMM's user must get there.
    fs::set_permissions(home.path(), PermissionsExt::from_mode(0o755)).unwrap();
    Tier::wanted().install_another_vmm(&bin);
    let path = format!("{}:{}", bin.display(), tier::PATH);
    let with = |variable: &str, value: &str| {
        let mut command = home.run_command(&["--json"], &["/busybox", "true"]);
        let output = command.env(variable, value).output().unwrap();
        let result: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(result["exit_code"], 0, "{result:#}");
        kind(&result).to_owned()
    };
    assert_eq!(with("PATH", &path), "template");
    assert_eq!(with("PATH", &path), "restored");
    // Zeros after an archive are no part of it, so this one boots as the other does.
    let runtime = other_runtime(&home, |initramfs| initramfs.extend([0; 512]));
    let runtime = runtime.to_str().unwrap();
    assert_eq!(with("PYRO_RUNTIME_DIR", runtime), "template");
    assert_eq!(with("PYRO_RUNTIME_DIR", runtime), "restored");
    assert_eq!(templates(&home).len(), 3);
}

/// What pyro logs when it enters each step of making a template, in their order.
const STEPS: [&str; 6] = [
    "making a template",
    "the VMM runs",
    "the agent answered",
    "machine is warm",
    "machine is saved",
    "the template is written",
];

/// A step that is killed in at a moment of its own each time.
const MOMENTS_US: [u64; 4] = [0, 400, 5_000, 17_000];

#[test]
fn a_pyro_that_is_killed_while_it_makes_a_template_leaves_none_or_a_whole_one() {
    let home = home_with_static_image();
    let kills = usize::try_from(figure("PYRO_TEST_KILLS", 6)).unwrap();
    // A few kills fall into the last steps, in which there is something on disk.
    let first = STEPS.len().saturating_sub(kills);
    for kill in 0..kills {
        let step = STEPS[(first + kill) % STEPS.len()];
        let moment = Duration::from_micros(MOMENTS_US[kill / STEPS.len() % MOMENTS_US.len()]);
        // The last kill may have come after all was done.
        for template in templates(&home) {
            fs::remove_dir_all(template).unwrap();
        }
        kill_at(&home, step, moment);
        for template in templates(&home) {
            assert_eq!(
                names(&template),
                ["devices", "disk", "memory", "template.json"],
                "killed at `{step}`"
            );
        }
        if kill % 2 == 1 {
            let result = run(&home, &["--mem-mib", "256"]);
            assert_eq!(result["warnings"], json!([]), "killed at `{step}`");
            assert_ne!(kind(&result), "cold", "killed at `{step}`");
            assert_eq!(kind(&run(&home, &["--mem-mib", "256"])), "restored");
            fs::remove_dir_all(the_template(&home)).unwrap();
        }
    }
    run(&home, &["--mem-mib", "256"]);
    let left = names(&home.cache().join("templates"));
    assert_eq!(left.len(), 2, "a template and its lock: {left:?}");
}

/// Kills a pyro by SIGKILL so much later than it logs the step, and waits until its VMM is gone too.
fn kill_at(home: &Home, step: &str, moment: Duration) {
    let mut command = home.run_command(&["--mem-mib", "256"], &["/busybox", "true"]);
    let child = command
        .env("PYRO_LOG", "pyro=debug")
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = Killed(child.unwrap());
    let mut lines = BufReader::new(child.0.stderr.take().unwrap()).lines();
    let mut log = Vec::new();
    while !log.last().is_some_and(|line: &String| line.contains(step)) {
        match lines.next() {
            Some(line) => log.push(line.unwrap()),
            None => panic!("pyro ended before `{step}`: {log:#?}"),
        }
    }
    // The moment is what is tested, so this is no wait for anything.
    thread::sleep(moment);
    let family = process::descendants(child.0.id());
    drop(child);
    assert!(all_gone(&family, gone_within()), "killed at `{step}`: {family:?}");
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}
