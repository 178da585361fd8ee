//! Servers that know what their client works on: a directory, the checkout around them, or a repository.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::{Client, server, text};

const CORE: [&str; 2] = ["--profile", "workspace-core"];

/// Runs Git with none of the configuration of the host; returns what it printed.
fn git(dir: &Path, arguments: &[&str]) -> String {
    let output = Command::new("git")
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@example.org",
            "-c",
            "init.defaultBranch=main",
        ])
        .args(arguments)
        .current_dir(dir)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// A checkout with a file, an executable, a link, something ignored and something untracked.
fn checkout() -> TempDir {
    let dir = TempDir::new().unwrap();
    let path = |name: &str| dir.path().join(name);
    git(dir.path(), &["init", "--quiet"]);
    fs::create_dir(path("below")).unwrap();
    fs::write(path("message.txt"), "broken\n").unwrap();
    fs::write(path(".gitignore"), "*.log\n").unwrap();
    fs::write(path("check.sh"), "#!/bin/sh\ngrep -qx fixed message.txt\n").unwrap();
    fs::set_permissions(path("check.sh"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink("../message.txt", path("below/link")).unwrap();
    git(dir.path(), &["add", "."]);
    git(dir.path(), &["commit", "--quiet", "--message", "first"]);
    fs::write(path("noise.log"), "").unwrap();
    fs::write(path("untracked"), "").unwrap();
    dir
}

/// A server that was started in a directory.
fn started_in(dir: &Path, arguments: &[&str], variables: &[(&str, &Path)]) -> Client {
    let home = TempDir::new().unwrap();
    let mut command = server(&[&CORE[..], arguments].concat(), home.path());
    command.current_dir(dir).envs(variables.iter().copied());
    Client::open_by(command, home)
}

/// Makes a workspace; returns its seed and the text of the result.
fn created(client: &mut Client, arguments: Value) -> (Value, String) {
    let result = client.done("workspace_create", arguments);
    let seed = result["structuredContent"]["workspace_seed"].clone();
    (seed, text(&result).to_owned())
}

/// What a command prints in the workspace `a`.
fn printed(client: &mut Client, command: &str) -> String {
    let result = client.done("workspace_exec", json!({"workspace_id": "a", "command": command}));
    let text = text(&result);
    assert!(text.starts_with("exit 0 in "), "{text}");
    text.split_once("stdout:\n")
        .map_or("", |(_, stdout)| stdout)
        .to_owned()
}

#[test]
fn workspaces_start_from_the_checkout_around_the_server() {
    let project = checkout();
    let mut client = started_in(&project.path().join("below"), &[], &[]);
    let (seed, said) = created(&mut client, json!({"name": "a"}));
    assert_eq!(
        (&seed["mode"], &seed["origin_kind"], &seed["seed_path"]),
        (&json!("directory"), &json!("project"), &Value::Null),
        "no place of the host that the client did not supply: {seed}"
    );
    assert_eq!(seed["ignored_count"], 1);
    assert!(said.contains("\ntree: /workspace from the project: "), "{said}");
    assert!(!said.contains(&*project.path().to_string_lossy()), "{said}");
    assert_eq!(
        printed(&mut client, "ls -A; readlink below/link; stat -c %a check.sh"),
        ".git\n.gitignore\nbelow\ncheck.sh\nmessage.txt\nuntracked\n../message.txt\n755\n"
    );
    // Paths of the host start at the project, which is allowed.
    printed(&mut client, "echo fixed > message.txt && ./check.sh");
    let export = json!({"workspace_id": "a", "path": "message.txt", "output_path": "below/fixed.txt"});
    client.done("workspace_export", export);
    assert_eq!(
        fs::read_to_string(project.path().join("below/fixed.txt")).unwrap(),
        "fixed\n"
    );
    let push = json!({"workspace_id": "a", "source_path": "below", "dest": "pushed"});
    client.done("workspace_sync_push", push);
    assert_eq!(printed(&mut client, "cat pushed/fixed.txt"), "fixed\n");
    let outside = client.refused(
        "workspace_sync_push",
        json!({"workspace_id": "a", "source_path": "../x"}),
    );
    assert!(outside.starts_with("error host-path-denied: "), "{outside}");
    assert_eq!(
        git(project.path(), &["diff", "--name-only"]),
        "",
        "the host's own files are as they were"
    );
}

#[test]
fn a_project_that_is_not_wanted_is_not_taken() {
    let project = checkout();
    let mut client = started_in(project.path(), &[], &[]);
    let both = client.refused("workspace_create", json!({"empty": true, "seed_path": "."}));
    assert!(
        both.starts_with("error invalid-argument: `empty` cannot be true with `seed_path`"),
        "{both}"
    );
    let (seed, _) = created(&mut client, json!({"name": "empty", "empty": true}));
    assert_eq!(
        (&seed["mode"], &seed["origin_kind"]),
        (&json!("empty"), &json!("none"))
    );
    let (seed, said) = created(&mut client, json!({"name": "path", "seed_path": "below"}));
    assert_eq!(
        (&seed["origin_kind"], &seed["seed_path"]),
        (&json!("path"), &json!("below"))
    );
    assert!(said.contains("\ntree: /workspace from below: "), "{said}");

    let mut client = started_in(project.path(), &["--no-project-source"], &[]);
    let (seed, _) = created(&mut client, json!({}));
    assert_eq!(seed["origin_kind"], "none");
    let refused = client.refused("workspace_create", json!({"seed_path": "below"}));
    assert!(refused.starts_with("error host-path-denied: "), "{refused}");

    // A home that is kept in Git is no project.
    let mut client = started_in(&project.path().join("below"), &[], &[("HOME", project.path())]);
    assert_eq!(created(&mut client, json!({})).0["origin_kind"], "none");
}

#[test]
fn workspaces_start_from_a_directory_that_the_server_was_given() {
    let [project, elsewhere] = [(); 2].map(|()| TempDir::new().unwrap());
    fs::write(project.path().join("file"), "").unwrap();
    let path = project.path().to_str().unwrap();
    let mut client = started_in(elsewhere.path(), &["--project-path", path], &[]);
    let (seed, _) = created(&mut client, json!({"name": "a"}));
    assert_eq!(
        (&seed["origin_kind"], &seed["entry_count"]),
        (&json!("project"), &json!(1))
    );
    assert_eq!(printed(&mut client, "ls -A"), "file\n");
}

/// A host where every program that Git could be made to run says so in a file.
struct Traps {
    dir: TempDir,
}

impl Traps {
    fn set() -> Self {
        let traps = Self {
            dir: TempDir::new().unwrap(),
        };
        let trap = traps.script(
            "trap",
            &format!("echo \"$0 $*\" >> {}; cat", traps.sprung().display()),
        );
        for place in ["template/hooks", "hooks"] {
            fs::create_dir_all(traps.path(place)).unwrap();
            for hook in ["post-checkout", "post-index-change", "reference-transaction"] {
                fs::copy(&trap, traps.path(place).join(hook)).unwrap();
            }
        }
        let config = format!(
            "[init]\n\ttemplateDir = {0}/template\n[core]\n\thooksPath = {0}/hooks\n\taskPass = {1}\n\tfsmonitor = {1}\n\
             [filter \"trap\"]\n\tsmudge = {1}\n\tclean = {1}\n\trequired = true\n[credential]\n\thelper = \n",
            traps.dir.path().display(),
            trap.display(),
        );
        fs::write(traps.path("config"), config).unwrap();
        traps
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn sprung(&self) -> PathBuf {
        self.path("sprung")
    }

    fn script(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    /// A server on that host.
    fn server(&self, arguments: &[&str]) -> Client {
        let [config, trap] = [self.path("config"), self.path("trap")];
        let variables = [
            ("GIT_CONFIG_GLOBAL", config.as_path()),
            ("GIT_ASKPASS", &trap),
            ("SSH_ASKPASS", &trap),
        ];
        started_in(self.dir.path(), arguments, &variables)
    }

    fn assert_none_sprung(&self) {
        let said = fs::read_to_string(self.sprung()).unwrap_or_default();
        assert_eq!(said, "", "programs of the host ran");
    }
}

#[test]
fn workspaces_start_from_a_repository_of_which_nothing_runs_on_the_host() {
    let project = checkout();
    fs::write(project.path().join(".gitattributes"), "message.txt filter=trap\n").unwrap();
    git(project.path(), &["checkout", "--quiet", "-b", "side"]);
    fs::write(project.path().join("message.txt"), "side\n").unwrap();
    git(project.path(), &["add", "."]);
    git(project.path(), &["commit", "--quiet", "--message", "side"]);
    let side = git(project.path(), &["rev-parse", "HEAD"]);
    let traps = Traps::set();
    let bare = traps.path("bare.git");
    git(project.path(), &["checkout", "--quiet", "main"]);
    git(
        project.path(),
        &["clone", "--quiet", "--bare", ".", bare.to_str().unwrap()],
    );
    let url = format!("file://{}", bare.display());

    let mut client = traps.server(&["--repo-url", &url, "--repo-ref", "side"]);
    let (seed, said) = created(&mut client, json!({"name": "a"}));
    assert_eq!(
        (
            &seed["mode"],
            &seed["origin_kind"],
            &seed["origin_ref"],
            &seed["seed_path"]
        ),
        (&json!("directory"), &json!("repo"), &json!(side), &Value::Null)
    );
    assert!(
        said.contains(&format!("\ntree: /workspace from the repository at {side}: ")),
        "{said}"
    );
    assert_eq!(
        printed(&mut client, "cat message.txt; cat .git/HEAD"),
        "side\nref: refs/heads/side\n"
    );
    assert_eq!(printed(&mut client, "git status --porcelain"), "");
    let hooks = printed(&mut client, "ls .git/hooks 2>&- || :");
    assert_eq!(hooks, "", "no hook of the host's template");
    traps.assert_none_sprung();
    let clones = |client: &Client| -> Vec<PathBuf> {
        let entries = fs::read_dir(client.home().join("repositories")).unwrap();
        let paths = entries.map(|entry| entry.unwrap().path());
        paths.filter(|path| path.is_dir()).collect()
    };
    created(&mut client, json!({"name": "b"}));
    assert_eq!(clones(&client).len(), 1, "one for all workspaces");
    client.close_input();
    assert!(client.exit_status(Duration::from_secs(10)).is_some());
    assert!(clones(&client).is_empty(), "it goes with the server");

    for (reference, message) in [(side.as_str(), "side\n"), ("main", "broken\n")] {
        let mut client = traps.server(&["--repo-url", &url, "--repo-ref", reference]);
        created(&mut client, json!({"name": "a"}));
        assert_eq!(printed(&mut client, "cat message.txt"), message, "{reference}");
    }
    let mut client = traps.server(&["--repo-url", &url, "--repo-ref", "nowhere"]);
    let said = client.refused("workspace_create", json!({}));
    assert!(
        said.starts_with("error pull-failed: cannot check out `nowhere` of `file://"),
        "{said}"
    );
    assert!(
        said.contains("\nhint: name a branch, a tag or a commit"),
        "{said}"
    );
    traps.assert_none_sprung();
}

#[test]
fn a_repository_that_cannot_be_had_is_an_error_without_a_prompt() {
    let traps = Traps::set();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            drop(stream.read(&mut [0; 4096]));
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\
                          Connection: close\r\n\r\n";
            stream.write_all(answer.as_bytes()).ok();
        }
    });
    for (url, shown) in [
        (
            "file:///nonexistent/repo".to_owned(),
            "file:///nonexistent/repo".to_owned(),
        ),
        (format!("http://{address}/repo"), format!("http://{address}/repo")),
        (
            format!("http://someone:hunter2@{address}/repo"),
            format!("http://{address}/repo"),
        ),
        (
            "http://hunter2@127.0.0.1:1/repo".to_owned(),
            "http://127.0.0.1:1/repo".to_owned(),
        ),
    ] {
        let mut client = traps.server(&["--repo-url", &url]);
        let said = client.refused("workspace_create", json!({}));
        assert!(
            said.starts_with(&format!("error pull-failed: cannot clone `{shown}`: fatal: ")),
            "{said}"
        );
        assert!(said.contains("\nhint: check the address"), "{said}");
        assert!(!said.contains("hunter2"), "{said}");
        let listed = client.done("workspace_list", json!({}));
        assert_eq!(listed["structuredContent"]["count"], 0, "nothing is left behind");
        // What needs no repository goes on.
        client.done("workspace_create", json!({"empty": true}));
    }
    traps.assert_none_sprung();
}

#[test]
fn what_reaches_a_repository_has_no_terminal_to_ask_at() {
    let place = TempDir::new().unwrap();
    let (ssh, seen) = (place.path().join("ssh"), place.path().join("seen"));
    let script = format!(
        "#!/bin/sh\ncut -d' ' -f6 /proc/$$/stat >{}\nexit 1\n",
        seen.display()
    );
    fs::write(&ssh, script).unwrap();
    fs::set_permissions(&ssh, fs::Permissions::from_mode(0o755)).unwrap();
    let project = ["--repo-url", "ssh://nobody@localhost/repo"];
    let mut client = started_in(place.path(), &project, &[("GIT_SSH_COMMAND", &ssh)]);
    let said = client.refused("workspace_create", json!({}));
    assert!(said.starts_with("error pull-failed: "), "{said}");
    let session = fs::read_to_string(seen).unwrap();
    let of_server = fs::read_to_string(format!("/proc/{}/stat", client.pid())).unwrap();
    assert_ne!(session.trim(), of_server.split(' ').nth(5).unwrap());
}
