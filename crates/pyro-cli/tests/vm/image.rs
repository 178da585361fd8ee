//! Images of all kinds: with nothing but one program, and with a configuration of their own.

#![expect(clippy::panic, reason = "a helper that fails must fail the test")]

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::Home;
use crate::workspace::Workspaces;

/// The name of an image that holds `/busybox` and nothing else.
pub(crate) const STATIC: &str = "static";

/// A home whose environment holds one static program: no shell, no `/etc`, no `/dev`.
pub(crate) fn home_with_static_image() -> Home {
    let mut home = Home::with_own_cache();
    let tar = home.path().join("static.tar");
    let dir = stage(&home);
    run(Command::new("tar")
        .arg("-cf")
        .arg(&tar)
        .arg("-C")
        .arg(&dir)
        .arg("busybox"));
    let imported = home
        .pyro([
            "env",
            "import",
            tar.to_str().expect("a path of this test is text"),
            "--name",
            STATIC,
            "--json",
        ])
        .output();
    let imported = imported.expect("pyro can be started");
    assert!(
        imported.status.success(),
        "{}",
        String::from_utf8_lossy(&imported.stdout)
    );
    home.set_environment(STATIC);
    home
}

/// A directory with the program.
fn stage(home: &Home) -> PathBuf {
    let dir = home.path().join("stage");
    std::fs::create_dir(&dir).expect("the test's directory is its own");
    let busybox = ["/bin/busybox", "/usr/bin/busybox"].map(Path::new);
    let busybox = busybox
        .iter()
        .find(|path| path.is_file())
        .expect("busybox-static is installed");
    std::fs::copy(busybox, dir.join("busybox")).expect("a program can be copied");
    dir
}

fn run(command: &mut Command) {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn an_image_of_one_static_program_runs_it() {
    let home = home_with_static_image();
    let ended = home.run(
        &[],
        &["/busybox", "sh", "-c", "echo \"$0\" && /busybox id -u", "a b"],
    );
    assert_eq!((ended.status, ended.text()), (0, "a b\n0\n"), "{}", ended.stderr);

    // Plain and quoted words need no shell.
    let ended = home.run(&["-q"], &["/busybox echo 'one  two' \"three\" fo\\ur"]);
    assert_eq!((ended.status, ended.text()), (0, "one  two three four\n"));

    let (status, told) = home.json(&[], &["/busybox echo a && /busybox echo b"]);
    assert_eq!(
        (status, &told["error"]["code"]),
        (125, &"shell-missing".into()),
        "{told:#}"
    );
    assert!(
        told["error"]["hint"].as_str().unwrap().contains("shell"),
        "{told:#}"
    );

    // What every program may count on is there all the same.
    let script = "/busybox ls /; /busybox stat -c %F /dev/null /proc/self; echo x >/tmp/y && /busybox cat /tmp/y; /busybox env";
    let ended = home.run(&["-q"], &["/busybox", "sh", "-c", script]);
    for line in [
        "busybox",
        "dev",
        "proc",
        "sys",
        "tmp",
        "character special file",
        "symbolic link",
        "x",
        "HOME=/",
    ] {
        assert!(
            ended.text().lines().any(|told| told == line),
            "no `{line}` in {}",
            ended.text()
        );
    }
}

#[test]
fn an_images_own_configuration_applies() {
    let mut home = Home::with_own_cache();
    let dir = stage(&home);
    let layout = home.path().join("layout").display().to_string();
    let image = format!("{layout}:latest");
    run(Command::new("umoci").args(["init", "--layout", &layout]));
    run(Command::new("umoci").args(["new", "--image", &image]));
    let busybox = dir.join("busybox");
    run(Command::new("umoci")
        .args(["insert", "--rootless", "--image", &image])
        .arg(busybox)
        .arg("/busybox"));
    run(Command::new("umoci")
        .args(["config", "--image", &image, "--architecture", "amd64"])
        .args([
            "--config.env",
            "COLOUR=deep  blue",
            "--config.env",
            "PATH=/tools:/",
            "--config.workingdir",
            "/src/deep",
            "--config.user",
            "1000:1001",
        ]));
    home.set_environment(&format!("oci-layout:{layout}"));
    let script = "pwd; id -u; id -g; stat -c %u /src/deep; touch here && echo writable; echo \"$COLOUR\"; echo \"$PATH\"";
    let words = ["busybox", "sh", "-c", script];
    let (status, result) = home.json(&[], &words);
    assert_eq!(status, 0, "{result:#}");
    assert_eq!(
        result["stdout"], "/src/deep\n1000\n1001\n1000\nwritable\ndeep  blue\n/tools:/\n",
        "{result:#}"
    );
    assert!(
        result["environment_digest"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );

    // What the caller asks for wins.
    let options = ["-q", "--env", "COLOUR=red", "--cwd", "/", "--user", "0"];
    let ended = home.run(
        &options,
        &[
            "busybox",
            "sh",
            "-c",
            "pwd; id -u; echo \"$COLOUR\"; [ -e /src/deep/here ] || echo fresh",
        ],
    );
    assert_eq!((ended.status, ended.text()), (0, "/\n0\nred\nfresh\n"));
}

#[test]
fn a_seed_belongs_to_the_user_that_an_image_names() {
    let home = Home::with_own_cache();
    let dir = stage(&home);
    let layout = home.path().join("layout").display().to_string();
    let image = format!("{layout}:latest");
    run(Command::new("umoci").args(["init", "--layout", &layout]));
    run(Command::new("umoci").args(["new", "--image", &image]));
    let etc = home.path().join("etc");
    std::fs::create_dir(&etc).unwrap();
    std::fs::write(
        etc.join("passwd"),
        "root:x:0:0::/:\nnode:x:1234:2345::/:/busybox\n",
    )
    .unwrap();
    std::fs::write(etc.join("group"), "node:x:2345:\nstaff:x:50:node\n").unwrap();
    for (from, to) in [(dir.join("busybox"), "/busybox"), (etc, "/etc")] {
        run(Command::new("umoci")
            .args(["insert", "--rootless", "--image", &image])
            .arg(from)
            .arg(to));
    }
    let seed = home.path().join("seed");
    std::fs::create_dir(&seed).unwrap();
    std::fs::write(seed.join("note"), "one\n").unwrap();
    let home = Workspaces::of(home);
    for (user, ids) in [
        ("node", "1234:2345"),
        ("node:staff", "1234:50"),
        ("1234", "1234:2345"),
    ] {
        // An environment of its own.
        let own = format!("{layout}-{}", user.replace(':', "-"));
        run(Command::new("cp").args(["-r", &layout, &own]));
        let image = format!("{own}:latest");
        let config = ["config", "--image", &image, "--architecture", "amd64"];
        run(Command::new("umoci").args(config).args(["--config.user", user]));
        let environment = format!("oci-layout:{own}");
        let id = home.create(&[&environment, "--seed-path", seed.to_str().unwrap()]);
        let script = "/busybox id -u; /busybox stat -c %u:%g . note; echo two >>note && /busybox cat note";
        let exec = home.ok(&["exec", &id, "--", "/busybox", "sh", "-c", script]);
        let uid = ids.split(':').next().unwrap();
        assert_eq!(
            exec["stdout"],
            format!("{uid}\n{ids}\n{ids}\none\ntwo\n"),
            "{user}: {exec:#}"
        );
        let warnings = &home.ok(&["status", &id])["warnings"];
        assert!(!warnings.to_string().contains("the user"), "{warnings}");
    }
}

/// The one root file system image in a cache.
pub(crate) fn root_image(cache: &Path) -> PathBuf {
    let installs = std::fs::read_dir(cache.join("installs")).expect("the cache has installs");
    let mut images = installs
        .filter_map(|entry| Some(entry.ok()?.path().join("root.erofs")))
        .filter(|path| path.exists());
    images.next().expect("an image is installed")
}
