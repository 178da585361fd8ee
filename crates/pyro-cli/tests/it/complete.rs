//! What shells complete, and the manual pages.

#![expect(clippy::unwrap_used, reason = "a helper that fails must fail the test")]

use std::process::Command;

use crate::harness::{Home, ended};

/// What bash would offer for a line that ends in these words, the last of which is still being written.
fn offered(home: &Home, words: &[&str]) -> Vec<String> {
    let script = home.pyro(&["completions", "bash"]).stdout;
    let line = format!(
        "{script}\nCOMP_WORDS=(\"$@\") COMP_CWORD=$(($# - 1)); _clap_complete_pyro pyro \"${{@: -1}}\"\n\
                        printf '%s\\n' \"${{COMPREPLY[@]}}\""
    );
    let directory = std::path::Path::new(env!("CARGO_BIN_EXE_pyro")).parent().unwrap();
    let path = format!("{}:{}", directory.display(), std::env::var("PATH").unwrap());
    let output = Command::new("bash")
        .args(["-c", &line, "bash"])
        .args(words)
        .env_clear()
        .env("HOME", home.path())
        .env("PATH", path)
        .output()
        .unwrap();
    let ended = ended(output);
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""), "{words:?}");
    ended.stdout.lines().map(|line| line.trim().to_owned()).collect()
}

#[test]
fn bash_is_offered_what_could_come_next() {
    let home = Home::new();
    assert_eq!(offered(&home, &["pyro", "work"]), ["workspace"]);
    assert_eq!(offered(&home, &["pyro", "workspace", "ex"]), ["exec", "export"]);
    assert_eq!(
        offered(&home, &["pyro", "mcp", "serve", "--profile", ""]),
        ["vm-run", "workspace-core", "workspace-full"]
    );
    let environments = offered(&home, &["pyro", "run", "deb"]);
    assert!(
        !environments.is_empty() && environments.iter().all(|name| name.starts_with("deb")),
        "{environments:?}"
    );
    assert_eq!(offered(&home, &["pyro", "workspace", "status", "no"]), [""]);
    assert!(!offered(&home, &["pyro", ""]).contains(&"supervise".to_owned()));
}

#[test]
fn each_shell_has_a_script_that_asks_pyro() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let printed = home.pyro(&["completions", shell]);
        assert_eq!((printed.status, printed.stderr.as_str()), (0, ""), "{shell}");
        assert!(
            printed.stdout.contains("PYRO_COMPLETE"),
            "{shell}: {}",
            printed.stdout
        );
    }
    let refused = home.pyro(&["completions", "cmd"]);
    assert_eq!(refused.status, 2, "{}", refused.stderr);
    assert!(home.entries().is_empty());
}

#[test]
fn every_command_has_a_manual_page() {
    let home = Home::new();
    let written = home.pyro(&["man", "--out", "man/man1", "--json"]);
    assert_eq!(written.status, 0, "{}", written.stderr);
    let page = |name: &str| home.path().join("man/man1").join(format!("{name}.1"));
    for name in ["pyro", "pyro-run", "pyro-workspace-file-read", "pyro-mcp-serve"] {
        let text = std::fs::read_to_string(page(name)).unwrap();
        assert!(
            text.contains(".SH NAME") && text.contains("DESCRIPTION"),
            "{name}: {text}"
        );
    }
    assert!(!page("pyro-supervise").exists() && !page("pyro-help").exists());
    let count = std::fs::read_dir(page("pyro").parent().unwrap()).unwrap().count();
    assert!(
        written.stdout.contains(&format!("\"entry_count\": {count}")),
        "{}",
        written.stdout
    );
    std::fs::write(home.path().join("file"), "").unwrap();
    let refused = home.pyro(&["man", "--out", "file"]);
    assert_eq!(refused.status, 125, "{}", refused.stderr);
    assert!(
        refused.stderr.contains("cannot write the manual pages"),
        "{}",
        refused.stderr
    );
}
