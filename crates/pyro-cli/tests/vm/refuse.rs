//! What cannot be done: the code, the next step, the exit status, and nothing half done.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::image::{home_with_static_image, root_image};
use crate::support::{Ended, Home, names, required};

/// Fails unless this is a failure with that code, and everything that belongs to one.
fn assert_refused(ended: &Ended, code: &str) -> Value {
    let told = ended.json();
    let fields = |value: &Value| {
        let object = value.as_object().expect("a failure is an object");
        object.keys().cloned().collect::<Vec<_>>()
    };
    assert_eq!(fields(&told), ["error", "ok"], "{told:#}");
    assert_eq!(told["ok"], false);
    let error = &told["error"];
    assert_eq!(fields(error), ["code", "details", "hint", "message"]);
    assert_eq!(error["code"], code, "{told:#}");
    assert!(
        error["message"].as_str().is_some_and(|text| !text.is_empty()),
        "{told:#}"
    );
    assert!(
        error["hint"].as_str().is_some_and(|text| !text.is_empty()),
        "{told:#}"
    );
    let status = match code {
        "invalid-argument" | "unknown-argument" => 2,
        _ => 125,
    };
    assert_eq!(ended.status, status, "{told:#}");
    error.clone()
}

/// A run that is refused with that code: the error.
pub(crate) fn refused(home: &Home, options: &[&str], code: &str) -> Value {
    assert_refused(&home.run(&[&["--json"], options].concat(), &["true"]), code)
}

/// As a person sees it.
fn assert_told(ended: &Ended) {
    assert_eq!(ended.text(), "");
    let lines: Vec<&str> = ended.stderr.lines().collect();
    assert!(
        lines.first().is_some_and(|line| line.starts_with("error: ")),
        "{}",
        ended.stderr
    );
    assert!(
        lines.last().is_some_and(|line| line.starts_with("hint: ")),
        "{}",
        ended.stderr
    );
}

#[test]
fn an_unknown_environment_is_answered_with_one_like_it() {
    let mut home = Home::new();
    home.set_environment("debian:12-bulid");
    let error = refused(&home, &[], "environment-not-found");
    assert!(
        error["hint"].as_str().unwrap().contains("`debian:12-build`"),
        "{error:#}"
    );
    let ended = home.run(&[], &["true"]);
    assert_eq!(ended.status, 125);
    assert_told(&ended);
}

#[test]
fn a_size_out_of_range_is_refused_before_any_work() {
    let home = Home::new();
    refused(&home, &["--mem-mib", "1"], "invalid-argument");
    let ended = Ended::from(
        home.pyro(["run", "--json", "debian:12", "true"])
            .output()
            .unwrap(),
    );
    let error = assert_refused(&ended, "invalid-argument");
    assert!(error["hint"].as_str().unwrap().contains("--"), "{error:#}");
    assert!(!home.state().exists(), "a refusal made a home");
}

#[test]
fn more_memory_than_there_is_is_not_admitted() {
    let home = Home::new();
    let meminfo = fs::read_to_string("/proc/meminfo").unwrap();
    let total = meminfo
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .unwrap();
    let total: u64 = total.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    // Some of it is always in use, and a margin is kept.
    let error = refused(
        &home,
        &["--mem-mib", &(total / 1024 - 8).to_string()],
        "insufficient-resources",
    );
    let details = &error["details"];
    let (needed, available) = (
        details["needed_bytes"].as_u64(),
        details["available_bytes"].as_u64(),
    );
    assert!(needed.unwrap() > available.unwrap(), "{error:#}");
    assert!(error["message"].as_str().unwrap().contains("MiB"), "{error:#}");
    assert!(error["hint"].as_str().unwrap().contains("--mem-mib"), "{error:#}");
    if home.state().join("admission.json").exists() {
        home.assert_nothing_reserved();
    }
}

#[test]
fn a_directory_that_is_not_the_users_own_is_refused() {
    let home = Home::new();
    let open = home.path().join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, PermissionsExt::from_mode(0o777)).unwrap();
    let foreign = home.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    // Without the right to give a directory away, one that is another's from the beginning.
    let foreign = match chown(&foreign, Some(12_345), None) {
        Ok(()) => foreign,
        Err(_) => "/usr".into(),
    };
    let file = home.path().join("file");
    fs::write(&file, "in the way").unwrap();
    for dir in [&open, &foreign, &file] {
        for variable in ["PYRO_HOME", "PYRO_CACHE_DIR"] {
            let mut command = home.run_command(&["--json"], &["true"]);
            let ended = Ended::from(command.env(variable, dir).output().unwrap());
            let error = assert_refused(&ended, "host-io");
            assert!(
                error["message"]
                    .as_str()
                    .unwrap()
                    .contains(&*dir.to_string_lossy()),
                "{error:#}"
            );
            assert!(
                error["hint"].as_str().unwrap().contains("PYRO_CACHE_DIR"),
                "{error:#}"
            );
        }
    }
    assert_eq!(
        (names(&open), fs::read_to_string(&file).unwrap()),
        (vec![], "in the way".to_owned())
    );
}

#[test]
fn an_image_that_changed_is_never_booted() {
    let home = home_with_static_image();
    let image = root_image(home.cache());
    let mut file = fs::File::options().read(true).write(true).open(&image).unwrap();
    let middle = file.metadata().unwrap().len() / 2;
    file.seek(SeekFrom::Start(middle)).unwrap();
    file.write_all(b"\xa5").unwrap();
    drop(file);
    let error = refused(&home, &[], "digest-mismatch");
    assert!(
        error["message"].as_str().unwrap().contains("`static`"),
        "{error:#}"
    );
    fs::remove_file(&image).unwrap();
    refused(&home, &[], "digest-mismatch");
}

#[test]
fn an_image_that_was_only_moved_is_compared_and_booted() {
    let home = home_with_static_image();
    let image = root_image(home.cache());
    let copy = image.with_extension("copy");
    fs::copy(&image, &copy).unwrap();
    fs::rename(&copy, &image).unwrap();
    let install = image.with_file_name("install.json");
    let before = fs::read_to_string(&install).unwrap();
    let ended = home.run(&[], &["/busybox", "true"]);
    assert_eq!(ended.status, 0, "{}", ended.text());
    assert_ne!(
        fs::read_to_string(&install).unwrap(),
        before,
        "it is known from now on"
    );
}

#[test]
fn a_runtime_that_is_incomplete_or_changed_is_never_booted() {
    let home = Home::new();
    let own = home.path().join("runtime");
    let runtime = runtime_dir();
    fs::create_dir(&own).unwrap();
    for name in ["manifest.json", "vmlinux"] {
        symlink(runtime.join(name), own.join(name)).unwrap();
    }
    let told = |code| {
        let mut command = home.run_command(&["--json"], &["true"]);
        let ended = Ended::from(command.env("PYRO_RUNTIME_DIR", &own).output().unwrap());
        assert_refused(&ended, code)["message"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let initramfs = own.join("initramfs.cpio");
    assert!(
        told("runtime-damaged").contains("initramfs.cpio"),
        "the missing file is named"
    );
    let mut bytes = fs::read(runtime.join("initramfs.cpio")).unwrap();
    fs::write(&initramfs, &bytes).unwrap();
    let mut command = home.run_command(&["-q"], &["echo whole"]);
    let whole = Ended::from(command.env("PYRO_RUNTIME_DIR", &own).output().unwrap());
    assert_eq!(whole.text(), "whole\n");
    // Verified a moment ago, and changed since.
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&initramfs, &bytes).unwrap();
    assert!(told("runtime-damaged").contains("does not match its digest"));
    fs::remove_file(own.join("manifest.json")).unwrap();
    assert!(told("runtime-damaged").contains("manifest.json"));
}

fn runtime_dir() -> std::path::PathBuf {
    let bin = required("PYRO_TEST_BIN");
    let prefix = bin.parent().and_then(Path::parent);
    prefix.expect("the binary is in `bin`").join("lib/pyro")
}

/// Runs a shell script in which `$1` is a file system of 1 MiB. Where no other may be mounted, the script's files can
/// grow no further than that instead.
fn on_a_tiny_volume(home: &Home, script: &str) -> Ended {
    let volume = home.path().join("volume");
    fs::create_dir_all(&volume).unwrap();
    let mounted = "mount -t tmpfs -o size=1m,mode=0700 none \"$1\" && ";
    let mut namespace = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        namespace.arg("--map-root-user");
    }
    namespace.args(["--mount", "sh", "-c"]);
    let possible = namespace
        .arg(format!("{mounted}true"))
        .arg("sh")
        .arg(&volume)
        .output();
    let mut words: Vec<String> = Vec::new();
    if possible.is_ok_and(|output| output.status.success()) {
        words.push("unshare".to_owned());
        if !rustix::process::geteuid().is_root() {
            words.push("--map-root-user".to_owned());
        }
        words.extend(["--mount", "sh", "-c"].map(str::to_owned));
        words.push(format!("{mounted}{script}"));
    } else {
        // Nothing may be mounted here.
        words.extend(["sh", "-c"].map(str::to_owned));
        words.push(format!("trap '' XFSZ; ulimit -f 1024; {script}"));
    }
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).arg("sh").arg(&volume);
    let template = home.pyro([""; 0]);
    command.env_clear();
    for (name, value) in template.get_envs() {
        if let Some(value) = value {
            command.env(name, value);
        }
    }
    command.env("PYRO", required("PYRO_TEST_BIN"));
    Ended::from(command.output().unwrap())
}

#[test]
fn a_full_disk_of_the_host_leaves_nothing_half_done() {
    let home = home_with_static_image();
    let tar = home.path().join("static.tar");
    let script = format!(
        "PYRO_CACHE_DIR=\"$1\" \"$PYRO\" env import {} --name full --json; code=$?
         [ -z \"$(find \"$1\" -name root.erofs -o -name '.draft*')\" ] || exit 99; exit $code",
        tar.display()
    );
    let ended = on_a_tiny_volume(&home, &script);
    let error = assert_refused(&ended, "host-io");
    assert!(error["hint"].as_str().unwrap().contains("space"), "{error:#}");

    // A VM needs room to write.
    let ended = on_a_tiny_volume(&home, "PYRO_HOME=\"$1\" \"$PYRO\" run --json -- /busybox true");
    if ended.status != 0 {
        let error = assert_refused(&ended, "insufficient-resources");
        assert_eq!(error["details"]["resource"], "disk", "{error:#}");
    }
}
