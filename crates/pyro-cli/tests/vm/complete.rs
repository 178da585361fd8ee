//! Shells complete the workspaces that there are.

use crate::workspace::Workspaces;

#[test]
fn a_workspace_is_completed_by_its_name_and_its_id() {
    let home = Workspaces::new();
    let named = home.create(&["--name", "alpha"]);
    let ask = |command: &str, begun: &str| -> Vec<String> {
        let mut asked = home.home().pyro(["--", "pyro", "workspace", command, begun]);
        let output = asked.env("PYRO_COMPLETE", "fish").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let first = |line: &str| line.split('\t').next().unwrap().to_owned();
        text.lines()
            .map(first)
            .filter(|word| !word.starts_with('-'))
            .collect()
    };
    let offered = |begun: &str| ask("status", begun);
    assert_eq!(offered(""), ["alpha"]);
    assert_eq!(offered("al"), ["alpha"]);
    assert_eq!(offered(&named[..6]), [named.as_str()]);
    assert!(offered("beta").is_empty());

    // A copy has a path of the host on its other side.
    std::fs::write(home.home().path().join("album"), "").unwrap();
    assert_eq!(ask("cp", "al"), ["alpha:", "album"]);
}
