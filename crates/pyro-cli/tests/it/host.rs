//! Configurations of chat hosts, in homes of their own.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::{Home, ended};

/// Each host, its file of the user, its file of a project.
const HOSTS: [(&str, &str, Option<&str>); 6] = [
    ("claude-code", ".claude.json", Some(".mcp.json")),
    ("codex", ".codex/config.toml", Some(".codex/config.toml")),
    (
        "opencode",
        ".config/opencode/opencode.json",
        Some("opencode.json"),
    ),
    ("cursor", ".cursor/mcp.json", Some(".cursor/mcp.json")),
    ("vscode", ".config/Code/User/mcp.json", Some(".vscode/mcp.json")),
    (
        "claude-desktop",
        ".config/Claude/claude_desktop_config.json",
        None,
    ),
];

/// What users have in such files, with the place of a new entry as `@`.
fn used(host: &str) -> &'static str {
    match host {
        "claude-code" | "claude-desktop" => {
            "{\n    \"z\": 1,\n    \"mcpServers\": {\n        \"other\": {\"command\":  \"x\"}@\n    },\n    \"a\": [1,2]\n}"
        }
        "codex" => {
            "# mine\nmodel   = \"m\" # best\n\n[mcp_servers.other] # keep\ncommand = 'x'\n\n[tui]\ntheme = \"t\"\n# end\n@"
        }
        "cursor" => {
            "{\n\t// mine\n\t\"mcpServers\": {\n\t\t\"other\": { \"command\": \"x\" }@ // keep\n\t}\n}\n"
        }
        "vscode" => {
            "{\n  /* mine */\n  \"inputs\": [],\n  \"servers\": {\n    \"other\": { \"command\": \"x\", },@\n  },\n}\n"
        }
        "opencode" => {
            "{\n  \"$schema\": \"s\", // keep\n  \"mcp\": {\n    // mine\n    \"other\": { \"type\": \"remote\", \"url\": \"u\" }@\n  }\n}\n"
        }
        _ => unreachable!(),
    }
}

fn write(path: &Path, text: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, text).unwrap();
}

/// Runs words with `--json`, and checks the exit status.
fn report(home: &Home, words: &[&str], status: i32) -> Value {
    let told = home.pyro(&[words, &["--json"]].concat());
    assert_eq!(
        (told.status, told.stderr.as_str()),
        (status, ""),
        "{words:?}: {}",
        told.stdout
    );
    serde_json::from_str(&told.stdout).unwrap()
}

fn status(report: &Value) -> &str {
    report["hosts"][0]["status"].as_str().unwrap()
}

/// An entry for a program that starts with `args`, in an otherwise empty file.
fn entry(host: &str, command: &str, args: &[&str]) -> String {
    let list: Vec<&str> = [&[command], args].concat();
    match host {
        "codex" => format!(
            "[mcp_servers.pyro]\ncommand = {command:?}\nargs = {args:?} # mine\nenv = {{ A = \"b\" }}\n"
        ),
        "opencode" => json!({"mcp": {"pyro": {"type": "local", "command": list, "environment": {"A": "b"}}}})
            .to_string(),
        "vscode" => {
            json!({"servers": {"pyro": {"command": command, "args": args, "env": {"A": "b"}}}}).to_string()
        }
        _ => {
            json!({"mcpServers": {"pyro": {"command": command, "args": args, "env": {"A": "b"}}}}).to_string()
        }
    }
}

#[test]
fn connect_makes_a_file_once_and_doctor_finds_it_right() {
    for (host, file, _) in HOSTS {
        let home = Home::new();
        assert_eq!(status(&report(&home, &["host", "doctor", host], 1)), "missing");
        let dry = report(&home, &["host", "connect", host, "--dry-run"], 0);
        assert_eq!((&dry["changed"], status(&dry)), (&json!(true), "missing"));
        assert!(home.entries().is_empty(), "{host}: {:?}", home.entries());

        let made = report(
            &home,
            &["host", "connect", host, "--profile", "workspace-core"],
            0,
        );
        let path = home.path().join(file);
        assert_eq!(made["changed"], json!(true));
        assert_eq!(made["hosts"][0]["config_path"], json!(path));
        assert_eq!(made["hosts"][0]["command"], json!(env!("CARGO_BIN_EXE_pyro")));
        assert_eq!(
            made["hosts"][0]["args"],
            json!(["mcp", "serve", "--profile", "workspace-core"])
        );
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.ends_with('\n'), "{text:?}");
        let again = report(
            &home,
            &["host", "connect", host, "--profile", "workspace-core"],
            0,
        );
        assert_eq!((&again["changed"], status(&again)), (&json!(false), "connected"));
        assert_eq!(
            report(&home, &["host", "repair", host], 0)["changed"],
            json!(false)
        );
        report(&home, &["host", "doctor", host], 0);
        report(&home, &["host", "doctor"], 0);
        let printed = home.pyro(&["host", "print-config", host, "--profile", "workspace-core"]);
        assert_eq!((printed.status, printed.stdout), (0, text), "{host}");
        let beside = fs::read_dir(path.parent().unwrap()).unwrap().count();
        assert_eq!(beside, 1, "{host} has something beside its file");
    }
}

#[test]
fn everything_else_in_a_file_stays_byte_for_byte() {
    for (host, file, _) in HOSTS {
        for line_end in ["\n", "\r\n"] {
            let home = Home::new();
            let path = home.path().join(file);
            let used = used(host).replace('\n', line_end);
            let (before, after) = used.split_once('@').unwrap();
            write(&path, &used.replace('@', ""));
            fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
            report(&home, &["host", "connect", host], 0);
            let text = fs::read_to_string(&path).unwrap();
            // A comma may have to come between a server and the comment behind it.
            let kept = text.starts_with(before) && text.ends_with(after.trim_start_matches(" // keep"));
            assert!(
                kept && text.contains(after.trim_end_matches(['\n', '\r', '\t', '}'])),
                "{host}:\n{text}"
            );
            assert_eq!(
                text.matches("keep").count(),
                used.matches("keep").count(),
                "{host}:\n{text}"
            );
            assert_eq!(
                text.matches('\n').count(),
                text.matches(line_end).count(),
                "{host}: {text:?}"
            );
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
            assert_eq!(status(&report(&home, &["host", "doctor", host], 0)), "connected");
            assert_eq!(
                report(&home, &["host", "connect", host], 0)["changed"],
                json!(false)
            );
        }
    }
}

#[test]
fn a_stale_entry_is_repaired_and_keeps_what_is_valid() {
    for (host, file, _) in HOSTS {
        let home = Home::new();
        let path = home.path().join(file);
        let args = [
            "mcp",
            "serve",
            "--gone",
            "1",
            "--profile",
            "vm-run",
            "--allow-host-path",
            "/",
            "--allow-host-path",
            "/no",
        ];
        write(&path, &entry(host, "/old/pyro", &args));
        let found = report(&home, &["host", "doctor", host], 1);
        assert_eq!(status(&found), "stale");
        assert_eq!(
            found["hosts"][0]["problems"].as_array().unwrap().len(),
            2,
            "{found}"
        );
        let before = fs::read_to_string(&path).unwrap();
        assert_eq!(
            report(&home, &["host", "repair", host, "--dry-run"], 0)["changed"],
            json!(true)
        );
        assert_eq!(fs::read_to_string(&path).unwrap(), before);

        let repaired = report(&home, &["host", "repair", host], 0);
        assert_eq!(
            (status(&repaired), &repaired["changed"]),
            ("connected", &json!(true))
        );
        let kept = json!(["mcp", "serve", "--profile", "vm-run", "--allow-host-path", "/"]);
        assert_eq!(repaired["hosts"][0]["args"], kept);
        let text = fs::read_to_string(&path).unwrap();
        assert!(
            text.contains('A') && (host != "codex" || text.contains("# mine")),
            "{text}"
        );
        report(&home, &["host", "doctor"], 0);
    }
}

#[test]
fn a_program_elsewhere_is_stale_and_a_link_to_this_one_is_not() {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir(&bin).unwrap();
    symlink(env!("CARGO_BIN_EXE_pyro"), bin.join("pyro")).unwrap();
    let run = |words: &[&str]| {
        let told = ended(
            home.command(words)
                .env("PATH", &bin)
                .arg("--json")
                .output()
                .unwrap(),
        );
        serde_json::from_str::<Value>(&told.stdout).unwrap()
    };
    let made = run(&["host", "connect", "cursor"]);
    assert_eq!(made["hosts"][0]["command"], json!(bin.join("pyro")));
    assert_eq!(
        status(&report(&home, &["host", "doctor", "cursor"], 0)),
        "connected"
    );
    assert_eq!(
        report(&home, &["host", "repair", "cursor"], 0)["changed"],
        json!(false)
    );

    fs::remove_file(bin.join("pyro")).unwrap();
    fs::write(bin.join("pyro"), "another").unwrap();
    assert_eq!(status(&report(&home, &["host", "doctor", "cursor"], 1)), "stale");
}

#[test]
fn a_file_that_cannot_be_understood_is_never_written() {
    for (host, file, _) in HOSTS {
        let home = Home::new();
        let path = home.path().join(file);
        let broken = if host == "codex" {
            "a = 1\nb = = 2\n"
        } else {
            "{\n  \"a\": 1,,\n}\n"
        };
        write(&path, broken);
        let found = report(&home, &["host", "doctor", host], 1);
        assert_eq!(status(&found), "broken");
        assert!(
            found["hosts"][0]["problems"][0]
                .as_str()
                .unwrap()
                .starts_with("line 2, column "),
            "{found}"
        );
        for verb in ["connect", "repair"] {
            let told = home.pyro(&["host", verb, host]);
            assert_eq!(told.status, 125, "{}", told.stderr);
            assert!(
                told.stderr.contains("line 2, column ") && told.stderr.contains("hint: "),
                "{}",
                told.stderr
            );
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), broken);
        fs::write(&path, b"\xff\xfe").unwrap();
        assert_eq!(home.pyro(&["host", "connect", host]).status, 125);
        assert_eq!(fs::read(&path).unwrap(), b"\xff\xfe");
    }
}

#[test]
fn another_server_of_the_name_is_left_and_a_malformed_entry_is_repaired() {
    for (host, file, _) in HOSTS {
        let home = Home::new();
        let path = home.path().join(file);
        let foreign = entry(host, "/usr/bin/python3", &["-m", "pyro"]);
        write(&path, &foreign);
        for verb in ["connect", "repair"] {
            let refused = report(&home, &["host", verb, host], 125);
            assert_eq!(refused["error"]["code"], json!("name-taken"));
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), foreign);
        report(&home, &["host", "connect", host, "--name", "vmbox"], 0);
        assert_eq!(
            status(&report(&home, &["host", "doctor", host, "--name", "vmbox"], 0)),
            "connected"
        );

        let malformed = if host == "codex" {
            "mcp_servers = { pyro = 1, other = { command = \"x\" } }\n".to_owned()
        } else {
            let key = ["mcpServers", "servers", "mcp"]
                [usize::from(host == "vscode") + 2 * usize::from(host == "opencode")];
            json!({key: {"pyro": [1], "other": {"command": "x"}}}).to_string()
        };
        write(&path, &malformed);
        assert_eq!(status(&report(&home, &["host", "doctor", host], 1)), "broken");
        assert_eq!(status(&report(&home, &["host", "repair", host], 0)), "connected");
        assert!(fs::read_to_string(&path).unwrap().contains("other"));
    }
}

#[test]
fn projects_have_their_own_file_at_the_root_of_the_checkout() {
    for (host, _, file) in HOSTS {
        let home = Home::new();
        let below = home.path().join("project/a/b");
        fs::create_dir_all(&below).unwrap();
        fs::create_dir(home.path().join("project/.git")).unwrap();
        let mut command = home.command(["host", "connect", host, "--scope", "project"]);
        let told = ended(command.current_dir(&below).output().unwrap());
        match file {
            Some(file) => {
                assert_eq!(told.status, 0, "{}", told.stderr);
                assert!(home.path().join("project").join(file).is_file(), "{host}");
                assert!(told.stdout.contains("next: "), "{}", told.stdout);
            }
            None => assert!(
                told.status == 2 && told.stderr.contains("hint: "),
                "{}",
                told.stderr
            ),
        }
        assert_eq!(home.entries().len(), 1, "{:?}", home.entries());
    }
}

#[test]
fn variables_of_the_hosts_move_their_files() {
    let home = Home::new();
    let dir = home.path().join("elsewhere");
    for (host, variable, file) in [
        ("claude-code", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("codex", "CODEX_HOME", "config.toml"),
        ("opencode", "XDG_CONFIG_HOME", "opencode/opencode.json"),
        ("vscode", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
        (
            "claude-desktop",
            "XDG_CONFIG_HOME",
            "Claude/claude_desktop_config.json",
        ),
    ] {
        let mut command = home.command(["host", "connect", host]);
        let told = ended(command.env(variable, &dir).output().unwrap());
        assert_eq!(told.status, 0, "{}", told.stderr);
        assert!(dir.join(file).is_file(), "{host}");
    }
    assert_eq!(home.entries(), [dir]);
}

#[test]
fn opencode_has_two_files_and_two_forms() {
    let home = Home::new();
    let dir = home.path().join(".config/opencode");
    write(&dir.join("opencode.json"), "{}");
    write(
        &dir.join("opencode.jsonc"),
        "{ // mine\n  \"mcp\": { \"servers\": {} }\n}\n",
    );
    report(&home, &["host", "connect", "opencode"], 0);
    assert_eq!(fs::read_to_string(dir.join("opencode.json")).unwrap(), "{}");
    let text = fs::read_to_string(dir.join("opencode.jsonc")).unwrap();
    assert!(
        text.starts_with("{ // mine\n  \"mcp\": { \"servers\": {"),
        "{text}"
    );
    assert_eq!(
        status(&report(&home, &["host", "doctor", "opencode"], 0)),
        "connected"
    );
}

#[test]
fn links_stay_links_and_read_only_files_stay_as_they_are() {
    for target_is_there in [true, false] {
        let home = Home::new();
        let target = home.path().join("dotfiles/claude.json");
        write(&target, "{}\n");
        if !target_is_there {
            fs::remove_file(&target).unwrap();
        }
        let link = home.path().join(".claude.json");
        symlink("dotfiles/claude.json", &link).unwrap();
        report(&home, &["host", "connect", "claude-code"], 0);
        assert_eq!(
            fs::read_link(&link).unwrap(),
            PathBuf::from("dotfiles/claude.json")
        );
        assert!(fs::read_to_string(&target).unwrap().contains("workspace-full"));
    }
    let home = Home::new();
    let path = home.path().join(".claude.json");
    write(&path, "{}\n");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
    let refused = report(&home, &["host", "connect", "claude-code"], 125);
    assert_eq!(refused["error"]["code"], json!("host-io"));
    assert_eq!(fs::read_to_string(&path).unwrap(), "{}\n");
    assert_eq!(home.entries().len(), 1);
}

#[test]
fn names_that_a_host_keeps_or_cannot_hold_are_refused() {
    let home = Home::new();
    for name in [
        "workspace",
        "Workspace",
        "claude-in-chrome",
        "computer-use",
        "Claude Preview",
    ] {
        assert_eq!(
            home.pyro(&["host", "connect", "claude-code", "--name", name])
                .status,
            2,
            "{name}"
        );
    }
    for (host, _, _) in HOSTS {
        for name in [
            "",
            "a b",
            "a.b",
            "a\"b",
            "a]\nb",
            "__proto__",
            "é",
            "-a",
            &"a".repeat(33),
        ] {
            let argument = format!("--name={name}");
            let told = home.pyro(&["host", "connect", host, &argument]);
            assert!(
                told.status == 2 && told.stderr.contains("hint: "),
                "{name:?}: {}",
                told.stderr
            );
        }
    }
    assert_eq!(home.pyro(&["host", "connect", "emacs"]).status, 2);
    assert!(home.entries().is_empty());
}

#[test]
fn hostile_directories_are_written_so_that_they_are_read_back() {
    for (host, _, _) in HOSTS {
        let home = Home::new();
        let name = "a \"b\"\\ 'c'\n]#é\u{1}";
        let dir = home.path().canonicalize().unwrap().join(name);
        fs::create_dir(&dir).unwrap();
        let words = [
            "host",
            "connect",
            host,
            "--allow-host-path",
            name,
            "--allow-host-path",
            "/",
        ];
        let made = report(&home, &words, 0);
        let paths = json!(["--allow-host-path", dir, "--allow-host-path", "/"]);
        assert_eq!(
            made["hosts"][0]["args"].as_array().unwrap()[4..],
            *paths.as_array().unwrap()
        );
        assert_eq!(status(&report(&home, &["host", "doctor", host], 0)), "connected");
        assert_eq!(
            home.pyro(&["host", "connect", host, "--allow-host-path", "none"])
                .status,
            2
        );
    }
}

#[test]
fn many_at_once_lose_nothing() {
    let home = Home::new();
    let path = home.path().join(".codex/config.toml");
    let names: Vec<String> = (0..12).map(|number| format!("pyro{number}")).collect();
    let running: Vec<_> = names
        .iter()
        .map(|name| {
            home.command(["host", "connect", "codex", "--name", name])
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut process in running {
        assert!(process.wait().unwrap().success());
    }
    let text = fs::read_to_string(path).unwrap();
    for name in names {
        assert!(text.contains(&format!("[mcp_servers.{name}]\n")), "{text}");
    }
}

#[test]
fn what_was_written_starts_a_server_that_answers() {
    let home = Home::new();
    report(&home, &["host", "connect", "cursor", "--allow-host-path", "."], 0);
    let text = fs::read_to_string(home.path().join(".cursor/mcp.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    let entry = &config["mcpServers"]["pyro"];
    let args = entry["args"]
        .as_array()
        .unwrap()
        .iter()
        .map(|arg| arg.as_str().unwrap());
    let mut server = Command::new(entry["command"].as_str().unwrap())
        .args(args)
        .env_clear()
        .env("HOME", home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let request = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": {"name": "test", "version": "1"},
        },
    });
    let mut stdin = server.stdin.take().unwrap();
    writeln!(stdin, "{request}").unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let answer: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(answer["result"]["serverInfo"]["name"], json!("pyro"), "{answer}");
    drop(stdin);
    server.wait().unwrap();
}

#[test]
fn what_is_no_file_or_leads_nowhere_is_refused() {
    let home = Home::new();
    let path = home.path().join(".cursor/mcp.json");
    fs::create_dir_all(&path).unwrap();
    assert_eq!(status(&report(&home, &["host", "doctor", "cursor"], 1)), "broken");
    report(&home, &["host", "connect", "cursor"], 125);

    let link = home.path().join(".claude.json");
    symlink(".claude.json", &link).unwrap();
    report(&home, &["host", "connect", "claude-code"], 125);
    assert_eq!(fs::read_link(&link).unwrap(), PathBuf::from(".claude.json"));
}

#[test]
fn an_entry_that_is_there_twice_or_switched_off_is_told() {
    let home = Home::new();
    let path = home.path().join(".claude.json");
    let twice = r#"{"mcpServers": {"pyro": {"command": "pyro"}, "pyro": {"command": "pyro"}}}"#;
    write(&path, twice);
    assert_eq!(
        status(&report(&home, &["host", "doctor", "claude-code"], 1)),
        "broken"
    );
    report(&home, &["host", "repair", "claude-code"], 125);
    assert_eq!(fs::read_to_string(&path).unwrap(), twice);

    report(&home, &["host", "connect", "opencode"], 0);
    let path = home.path().join(".config/opencode/opencode.json");
    let on = fs::read_to_string(&path).unwrap();
    write(&path, &on.replace("\"enabled\": true", "\"enabled\": false"));
    let found = report(&home, &["host", "doctor", "opencode"], 1);
    assert_eq!(
        found["hosts"][0]["problems"],
        json!(["the entry is switched off"])
    );
}

#[test]
fn connect_writes_the_options_of_the_project() {
    let home = Home::new();
    fs::create_dir(home.path().join("project")).unwrap();
    let project = home.path().join("project").canonicalize().unwrap();
    let project = project.to_str().unwrap();
    let url = "https://example.org/repo";
    for (given, written) in [
        (
            &["--project-path", "project"][..],
            &["--project-path", project][..],
        ),
        (
            &["--repo-url", url, "--repo-ref", "v1"],
            &["--repo-url", url, "--repo-ref", "v1"],
        ),
        (&["--no-project-source"], &["--no-project-source"]),
        (&[], &[]),
    ] {
        let made = report(&home, &[&["host", "connect", "cursor"], given].concat(), 0);
        let serve = ["mcp", "serve", "--profile", "workspace-full"];
        assert_eq!(made["hosts"][0]["args"], json!([&serve[..], written].concat()));
    }
    for refused in [
        &["--project-path", "nowhere"][..],
        &["--repo-ref", "v1"],
        &["--repo-url", "--upload-pack=x"],
        &["--project-path", "project", "--repo-url", url],
        &["--no-project-source", "--repo-url", url],
    ] {
        report(&home, &[&["host", "connect", "cursor"], refused].concat(), 2);
    }
}
