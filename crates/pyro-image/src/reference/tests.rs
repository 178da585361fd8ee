use super::*;

const HEX: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn normal(text: &str) -> String {
    let reference: Reference = text.parse().unwrap_or_else(|error| panic!("{text}: {error}"));
    assert_eq!(reference.given(), text);
    reference.to_string()
}

#[test]
fn short_names_mean_docker_hub() {
    assert_eq!(normal("debian:12"), "docker.io/library/debian:12");
    assert_eq!(normal("debian"), "docker.io/library/debian:latest");
    assert_eq!(normal("docker.io/debian"), "docker.io/library/debian:latest");
    assert_eq!(normal("index.docker.io/owner/image:1"), "docker.io/owner/image:1");
    assert_eq!(normal("owner/image"), "docker.io/owner/image:latest");
    assert_eq!(normal("localhost:5000"), "docker.io/library/localhost:5000");
}

#[test]
fn a_first_part_that_looks_like_a_host_is_the_registry() {
    assert_eq!(normal("localhost:5000/a/b:tag"), "localhost:5000/a/b:tag");
    assert_eq!(normal("localhost/a"), "localhost/a:latest");
    assert_eq!(normal("[::1]:5000/a"), "[::1]:5000/a:latest");
    assert_eq!(normal("GHCR.io/o/i"), "ghcr.io/o/i:latest");
    assert_eq!(
        normal("127.0.0.1:1/a__b/c-d.e---f"),
        "127.0.0.1:1/a__b/c-d.e---f:latest"
    );
}

#[test]
fn a_digest_alone_leaves_no_tag() {
    let text = format!("ghcr.io/o/i@sha256:{HEX}");
    assert_eq!(normal(&text), text);
    assert_eq!(
        normal(&format!("a:b@sha256:{HEX}")),
        format!("docker.io/library/a:b@sha256:{HEX}")
    );
    let pinned = "debian:12"
        .parse::<Reference>()
        .unwrap()
        .with_digest(Digest::of(b""));
    assert_eq!(
        pinned.given(),
        format!("docker.io/library/debian:12@sha256:{HEX}")
    );
    assert_eq!(pinned.selector(), format!("sha256:{HEX}"));
}

#[test]
fn what_could_leave_its_place_is_refused() {
    let long = "a".repeat(300);
    let tag = format!("a:{}", "b".repeat(129));
    for text in [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "../a",
        "a/../b",
        "a/./b",
        "a/.b",
        "a/b.",
        "a..b",
        "a___b",
        "a_.b",
        "A",
        "a:",
        "a: b",
        "a:.b",
        "a:b/c:",
        "a b",
        "a?b",
        "a#b",
        "a%2e",
        "a\\b",
        "é",
        "a\n",
        "ex_ample.com/a",
        "-a.com/x",
        "localhost:0/a",
        "localhost:65536/a",
        "localhost:+1/a",
        "localhost:/a",
        "[::1/a",
        "[x]/a",
        "a.b@c/d",
        "a@sha256:00",
        "a@",
        "a@sha512:00",
        "user@host.com/a",
        "docker.io/",
        HEX,
        &long,
        &tag,
    ] {
        assert!(text.parse::<Reference>().is_err(), "{text}");
    }
}

#[test]
fn errors_name_the_part_that_is_wrong() {
    let error = |text: &str| text.parse::<Reference>().unwrap_err().to_string();
    assert_eq!(
        error("ghcr.io/o/UP:1"),
        "`UP` in `ghcr.io/o/UP:1` is not a repository name: lower-case letters, digits, and between them `.`, `_`, `__` or `-`"
    );
    assert_eq!(
        error("a.b:99999/c"),
        "`a.b:99999` in `a.b:99999/c` is not a registry host"
    );
}

#[test]
fn only_spellings_of_this_machine_are_loopback() {
    for (host, expected) in [
        ("localhost", true),
        ("localhost:80", true),
        ("127.9.9.9:5000", true),
        ("[::1]", true),
        ("127.1", false),
        ("127.0.0.1.example.com", false),
        ("localhost.example.com", false),
        ("10.0.0.1", false),
        ("[::2]:1", false),
    ] {
        assert_eq!(
            RegistryHost::parse(host).unwrap().is_loopback(),
            expected,
            "{host}"
        );
    }
}

#[test]
fn a_record_keeps_what_the_user_wrote() {
    let reference: Reference = "debian:12".parse().unwrap();
    let json = serde_json::to_string(&reference).unwrap();
    assert_eq!(json, "\"debian:12\"");
    assert_eq!(serde_json::from_str::<Reference>(&json).unwrap(), reference);
}
