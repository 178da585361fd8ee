//! Resources: what results had to leave out.

use serde_json::{Value, json};

use crate::client::{Client, text};

/// The addresses that a result links to.
fn links(result: &Value) -> Vec<String> {
    let blocks = result["content"].as_array().unwrap().iter();
    blocks
        .filter_map(|block| block["uri"].as_str().map(str::to_owned))
        .collect()
}

fn read(client: &mut Client, uri: &str) -> Value {
    let id = client.request("resources/read", json!({"uri": uri}));
    client.answer(id)
}

/// The text of a resource that is there.
fn content(client: &mut Client, uri: &str) -> String {
    let answer = read(client, uri);
    let content = &answer["result"]["contents"][0];
    assert_eq!(content["uri"], uri, "{answer}");
    content["text"]
        .as_str()
        .unwrap_or_else(|| panic!("{answer}"))
        .to_owned()
}

#[test]
fn what_was_cut_is_behind_a_link() {
    let mut client = Client::open(&["--profile", "workspace-core"]);
    let id =
        client.done("workspace_create", json!({"name": "a"}))["structuredContent"]["workspace_id"].clone();
    let at = format!("pyro://workspaces/{}", id.as_str().unwrap());
    let whole: String = (1..=20_000).map(|number| format!("{number}\n")).collect();

    let run = json!({"workspace_id": "a", "command": "seq 20000 | tee 'a file'; echo short >&2"});
    let cut = client.done("workspace_exec", run);
    let output = format!("{at}/commands/1/stdout");
    assert_eq!(links(&cut), [output.as_str()], "{}", text(&cut));
    assert_eq!(content(&mut client, &output), whole);
    assert_eq!(
        content(&mut client, &format!("{at}/commands/1/stderr")),
        "short\n"
    );
    let logs = client.done("workspace_logs", json!({"workspace_id": "a"}));
    assert_eq!(links(&logs), [output.as_str()]);

    let part = client.done(
        "workspace_file_read",
        json!({"workspace_id": "a", "path": "a file", "max_bytes": 10}),
    );
    let file = format!("{at}/files/a%20file");
    assert_eq!(links(&part), [file.as_str()]);
    assert_eq!(content(&mut client, &file), whole);
    let binary = json!({"workspace_id": "a", "path": "b", "text": "/wA=", "encoding": "base64"});
    client.done("workspace_file_write", binary);
    let answer = read(&mut client, &format!("{at}/files/b"));
    assert_eq!(answer["result"]["contents"][0]["blob"], "/wA=", "{answer}");

    let diff = client.done(
        "workspace_diff",
        json!({"workspace_id": "a", "max_output_chars": 1000}),
    );
    let changes = format!("{at}/diff");
    assert_eq!(links(&diff), [changes.as_str()]);
    assert!(content(&mut client, &changes).contains("\n+20000\n"));

    // Of a long file there is the beginning, whole characters of it, and what is missing is said.
    let long = "head -c 1048575 /dev/zero | tr '\\0' a > long; printf 'ébc' >> long";
    client.done("workspace_exec", json!({"workspace_id": "a", "command": long}));
    let answer = read(&mut client, &format!("{at}/files/long"));
    let [beginning, note] = &answer["result"]["contents"].as_array().unwrap()[..] else {
        panic!("{answer}");
    };
    assert_eq!(beginning["text"].as_str().unwrap(), "a".repeat(1_048_575));
    assert_eq!(
        beginning["_meta"],
        json!({"truncated": true, "size_bytes": 1_048_579, "next_offset": 1_048_575})
    );
    assert_eq!(
        note["text"],
        "[… 4 bytes omitted; workspace_file_read path=/workspace/long offset=1048575 …]"
    );

    // What was shown whole needs no link.
    let short = client.done("workspace_exec", json!({"workspace_id": "a", "command": "true"}));
    assert_eq!(links(&short), [""; 0]);

    for gone in ["commands/99/stdout", "files/nowhere", "files/../x", "nothing"] {
        let answer = read(&mut client, &format!("{at}/{gone}"));
        assert!(answer["error"]["code"].is_i64(), "{gone}: {answer}");
    }
    for other in ["pyro://workspaces/gone/diff", "file:///etc/passwd", ""] {
        let answer = read(&mut client, other);
        assert!(answer["error"]["code"].is_i64(), "{other}: {answer}");
    }
}

#[test]
fn what_a_run_left_out_is_read_by_its_links() {
    let dir = tempfile::tempdir().unwrap();
    let allowed = dir.path().to_str().unwrap();
    let mut client = Client::open(&["--profile", "vm-run", "--allow-host-path", allowed]);
    let whole: String = (1..=20000).map(|number| format!("{number}\n")).collect();
    let run = json!({
        "command": "seq 20000; echo short >&2; seq 100000 > long", "seed_path": allowed, "return_diff": true,
    });
    let cut = client.done("vm_run", run);
    let [output, diff] = &links(&cut)[..] else {
        panic!("{cut}");
    };
    let id = output.strip_prefix("pyro://runs/").unwrap();
    let id = id.strip_suffix("/stdout").unwrap();
    assert!(
        text(&cut)
            .lines()
            .next()
            .unwrap()
            .contains(&format!(" · VM {id} deleted")),
        "{cut}"
    );
    assert_eq!(content(&mut client, output), whole);
    assert_eq!(diff, &format!("pyro://runs/{id}/diff"));
    assert!(content(&mut client, diff).contains("\n+100000\n"));
    let stderr = format!("pyro://runs/{id}/stderr");
    assert_eq!(content(&mut client, &stderr), "short\n");

    let short = client.done("vm_run", json!({"command": "true"}));
    assert_eq!(links(&short), [""; 0]);
    let others = [
        "pyro://runs/000000000000/stdout".to_owned(),
        format!("pyro://runs/{id}/both"),
        format!("pyro://workspaces/{id}/diff"),
    ];
    for other in others {
        let answer = read(&mut client, &other);
        assert!(answer["error"]["code"].is_i64(), "{other}: {answer}");
    }

    // What goes on has printed something too.
    let run = json!({"command": "seq 20000; sleep 600", "timeout_seconds": 600, "wait_seconds": 1});
    let mut left = client.done("vm_run", run);
    let (_, rest) = text(&left).split_once("vm_run vm_id=").unwrap();
    let id = rest[..12].to_owned();
    while links(&left).is_empty() {
        left = client.done("vm_run", json!({"vm_id": id, "wait_seconds": 1}));
    }
    let output = format!("pyro://runs/{id}/stdout");
    assert_eq!(links(&left), [output.as_str()]);
    assert!(content(&mut client, &output).starts_with("1\n2\n"));
}

#[test]
fn resources_are_those_of_the_tools() {
    let listed = |arguments: &[&str]| {
        let mut client = Client::open(arguments);
        let id = client.request("resources/templates/list", json!({}));
        client.answer(id)
    };
    let core = listed(&["--profile", "workspace-core"]);
    assert_eq!(
        core["result"]["resourceTemplates"].as_array().unwrap().len(),
        5,
        "{core}"
    );
    let some = listed(&[
        "--profile",
        "workspace-core",
        "--exclude-tools",
        "workspace_file_read",
    ]);
    assert_eq!(
        some["result"]["resourceTemplates"].as_array().unwrap().len(),
        4,
        "{some}"
    );
    let runs = listed(&["--profile", "vm-run"]);
    assert_eq!(
        runs["result"]["resourceTemplates"].as_array().unwrap().len(),
        2,
        "{runs}"
    );
    let none = listed(&["--tools", "workspace_list"]);
    assert_eq!(none["error"]["code"], -32601, "{none}");
}
