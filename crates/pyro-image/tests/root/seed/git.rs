//! Git work trees as seeds, judged by Git itself.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;
use std::process::Command;

use pyro_image::seed::{SeedOptions, SeedPlan};

use super::{Home, plan};
use crate::image::Image;
use crate::random::Random;

/// Runs Git with nothing of its user's configuration.
fn git(dir: &Path, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new("git")
        .current_dir(dir)
        .args([
            "-c",
            "user.name=t",
            "-c",
            "user.email=t@t",
            "-c",
            "protocol.file.allow=always",
        ])
        .args(["-c", "init.defaultBranch=main"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_CONFIG_NOSYSTEM", "1")
        .env("HOME", dir)
        .env_remove("XDG_CONFIG_HOME")
        .output()
        .expect("`git` must be installed for these tests");
    assert!(output.status.success(), "git {arguments:?}: {output:?}");
    output.stdout
}

/// A repository in the seed, made by Git.
fn repository() -> Home {
    let home = Home::new();
    git(&home.seed(), &["init", "-q"]);
    home
}

/// The paths of files in an image that are not in a `.git`, joined by blanks.
fn files(image: &Image) -> String {
    let kept = image.files.iter().filter(|(path, file)| {
        file.mode & 0o170_000 != 0o040_000 && !path.windows(6).any(|window| window == b"/.git/")
    });
    let paths: Vec<_> = kept.map(|(path, _)| String::from_utf8_lossy(path)).collect();
    paths.join(" ")
}

#[test]
fn what_git_ignores_is_left_out_and_counted() {
    let home = repository();
    home.file(".gitignore", "*.log\n!keep.log\n/target/\nsecret*\n")
        .file("src/.gitignore", "!special.log\ngenerated/\n")
        .file("src/main.rs", "fn main() {}")
        .file("src/a.log", "12345")
        .file("src/special.log", "kept")
        .file("src/generated/x.rs", "123")
        .file("keep.log", "kept")
        .file("drop.log", "1234567")
        .file("target/debug/deep/bin", "1234567890")
        .file("target/keep.log", "not even this")
        .file("target/tracked/file", "tracked")
        .file("src/target/stays", "not at the root")
        .file("untracked", "kept")
        .file("local-only", "x")
        .file(".git/info/exclude", "local-*\n")
        .file("secret.txt", "tracked though ignored")
        .dir("empty");
    git(
        &home.seed(),
        &["add", "-f", "secret.txt", "target/tracked/file", "src/main.rs"],
    );
    let (image, built) = home.build();
    assert_eq!(
        files(&image),
        "/.gitignore /keep.log /secret.txt /src/.gitignore /src/main.rs /src/special.log /src/target/stays \
         /target/tracked/file /untracked"
    );
    assert_eq!(
        (built.ignored_count, built.ignored_bytes),
        (6, 5 + 3 + 7 + 10 + 13 + 1)
    );
    assert!(image.files.contains_key(&b"/empty"[..]));
    assert!(image.files.contains_key(&b"/.git/objects"[..]) && image.files.contains_key(&b"/.git/index"[..]));
    assert!(!image.files.contains_key(&b"/target/debug"[..]));
    assert!(built.warnings.is_empty(), "{:?}", built.warnings);

    let everything = SeedOptions {
        include_ignored: true,
        ..SeedOptions::default()
    };
    let (image, built) = home.build_with(&everything);
    assert!(image.files.contains_key(&b"/target/debug/deep/bin"[..]));
    assert_eq!(built.ignored_count, 0);
}

#[test]
fn the_directory_git_comes_along_whole() {
    let home = repository();
    home.file(".gitignore", "*\n!.gitignore\n").file("x", "ignored");
    home.file(".git/hooks/run", "#!/bin/sh")
        .file(".git/x.log", "log")
        .file(".git/.gitignore", "*");
    let (image, built) = home.build();
    assert!(image.files.contains_key(&b"/.git/hooks/run"[..]));
    assert!(image.files.contains_key(&b"/.git/x.log"[..]) && image.files.contains_key(&b"/.git/HEAD"[..]));
    assert_eq!(
        (files(&image), built.ignored_count),
        ("/.gitignore".to_owned(), 1)
    );
}

#[test]
fn without_a_repository_nothing_is_ignored() {
    let home = Home::new();
    home.file(".gitignore", "*").file("a", "x").dir(".git");
    let (image, built) = home.build();
    assert_eq!(
        (files(&image), built.ignored_count),
        ("/.gitignore /a".to_owned(), 0)
    );
}

#[test]
fn rules_from_above_the_seed_hold() {
    let home = repository();
    home.file(".gitignore", "*.o\n/sub/in/only-here\n*.keep\n")
        .file("sub/.gitignore", "!x.keep\nhidden\n/in/anchored\n")
        .file("sub/in/.gitignore", "mine\n")
        .file(".git/info/exclude", "excluded\n");
    for name in [
        "a.o",
        "only-here",
        "x.keep",
        "y.keep",
        "hidden",
        "anchored",
        "mine",
        "excluded",
        "kept",
        "d/anchored",
    ] {
        home.file(&format!("sub/in/{name}"), name);
    }
    home.file("sub/in/tracked.o", "x");
    git(&home.seed(), &["add", "-f", "sub/in/tracked.o"]);
    let (image, built) = super::build(&home.path("sub/in"), &SeedOptions::default());
    assert_eq!(files(&image), "/.gitignore /d/anchored /kept /tracked.o /x.keep");
    assert_eq!(built.ignored_count, 7);
}

#[test]
fn a_seed_that_is_itself_ignored_is_taken_as_it_is() {
    let home = repository();
    home.file(".gitignore", "*")
        .file("project/a", "x")
        .file("project/d/b.o", "y");
    let (image, built) = super::build(&home.path("project/d"), &SeedOptions::default());
    assert_eq!((files(&image), built.ignored_count), ("/b.o".to_owned(), 0));
    let root = std::fs::canonicalize(home.seed()).unwrap();
    let expected = format!(
        "the seed is ignored in its work tree `{}`, whose rules were not applied",
        root.display()
    );
    assert_eq!(built.warnings, [expected]);
}

#[test]
fn the_users_own_file_comes_last() {
    let home = repository();
    let own = home.dir.path().join("ignore");
    std::fs::write(&own, "*.swp\n*.bak\n").unwrap();
    home.file(".gitignore", "!good.bak")
        .file("a.swp", "")
        .file("b.bak", "")
        .file("good.bak", "");
    let options = SeedOptions {
        excludes_file: Some(own),
        ..SeedOptions::default()
    };
    assert_eq!(files(&home.build_with(&options).0), "/.gitignore /good.bak");
    let options = SeedOptions {
        excludes_file: Some(home.path("missing")),
        ..SeedOptions::default()
    };
    let (image, built) = home.build_with(&options);
    assert_eq!(files(&image), "/.gitignore /a.swp /b.bak /good.bak");
    assert!(built.warnings.is_empty());
}

#[test]
fn repositories_inside_have_their_own_rules() {
    let home = repository();
    home.file(".gitignore", "*.o\nvendor/\n")
        .file("a.o", "")
        .file("vendor/x", "");
    for inner in ["inner", "d/inner"] {
        home.file(&format!("{inner}/.gitignore"), "*.x\n")
            .file(&format!("{inner}/kept.o"), "")
            .file(&format!("{inner}/left.x"), "")
            .file(&format!("{inner}/listed.x"), "");
        git(&home.path(inner), &["init", "-q"]);
        git(&home.path(inner), &["add", "-f", "listed.x"]);
    }
    let inside = "d/inner/.gitignore /d/inner/kept.o /d/inner/listed.x";
    let (image, built) = home.build();
    assert_eq!(
        files(&image),
        format!("/.gitignore /{inside} /inner/.gitignore /inner/kept.o /inner/listed.x")
    );
    assert_eq!(built.ignored_count, 4);
    std::fs::remove_dir_all(home.path(".git")).unwrap();
    assert!(files(&home.build().0).contains(&format!("/a.o /{inside}")));
}

#[test]
fn a_git_file_that_leads_out_is_copied_and_named() {
    let home = repository();
    home.file("a", "x")
        .file(".gitignore", "*.o")
        .file(".git/info/exclude", "*.local");
    git(&home.seed(), &["add", "."]);
    git(&home.seed(), &["commit", "-qm", "one"]);
    let tree = home.dir.path().join("linked");
    git(&home.seed(), &["worktree", "add", "-q", tree.to_str().unwrap()]);
    for name in ["b.o", "c.local", "listed.o"] {
        std::fs::write(tree.join(name), name).unwrap();
    }
    git(&tree, &["add", "-f", "listed.o"]);
    let (image, built) = super::build(&tree, &SeedOptions::default());
    assert_eq!(files(&image), "/.git /.gitignore /a /listed.o");
    assert_eq!(
        (image.file("/.git").mode & 0o170_000, built.ignored_count),
        (0o100_000, 2)
    );
    assert_eq!(built.warnings.len(), 1);
    let warning = &built.warnings[0];
    assert!(
        warning.starts_with("`.git` points to the repository `/")
            && warning.ends_with("not part of the seed"),
        "{warning}"
    );
}

#[test]
fn a_link_to_a_repository_is_followed_for_its_rules_only() {
    let home = repository();
    home.file(".gitignore", "*.o").file("a.o", "").file("b", "");
    std::fs::rename(home.path(".git"), home.dir.path().join("repository")).unwrap();
    std::os::unix::fs::symlink("../repository", home.path(".git")).unwrap();
    let (image, built) = home.build();
    assert_eq!(files(&image), "/.git /.gitignore /b");
    assert_eq!(image.text("/.git"), "../repository");
    assert_eq!(
        built.warnings,
        ["`.git` points to the repository `../repository`, which is not part of the seed"]
    );
}

#[test]
fn a_git_file_that_stays_inside_is_no_trouble() {
    let home = repository();
    let other = Home::new();
    git(&other.seed(), &["init", "-q"]);
    other.file("s", "x").file(".gitignore", "*.o");
    git(&other.seed(), &["add", "."]);
    git(&other.seed(), &["commit", "-qm", "one"]);
    git(
        &home.seed(),
        &[
            "submodule",
            "--quiet",
            "add",
            other.seed().to_str().unwrap(),
            "sub",
        ],
    );
    home.file("sub/x.o", "").file("y.o", "");
    let (image, built) = home.build();
    assert_eq!(
        files(&image),
        "/.gitmodules /sub/.git /sub/.gitignore /sub/s /y.o"
    );
    assert_eq!((built.ignored_count, built.warnings.len()), (1, 0));
}

#[test]
fn every_form_of_the_index_is_read() {
    let forms: [&[&str]; 4] = [
        &["update-index", "--index-version", "2"],
        &["update-index", "--index-version", "4"],
        &["update-index", "--split-index"],
        &["update-index", "--skip-worktree", "d/listed0.o"],
    ];
    for form in forms {
        let home = repository();
        home.file(".gitignore", "*.o\nd/\n").file("d/other", "");
        for at in 0..40 {
            home.file(&format!("d/listed{at}.o"), "");
        }
        git(&home.seed(), &["add", "-f", "d/listed0.o", "d/listed1.o"]);
        git(&home.seed(), form);
        let rest: Vec<_> = (2..40).map(|at| format!("d/listed{at}.o")).collect();
        let mut add = vec!["add", "-f"];
        add.extend(rest.iter().map(String::as_str));
        git(&home.seed(), &add);
        let (image, built) = home.build();
        assert_eq!(files(&image).split(' ').count(), 41, "{form:?}");
        assert_eq!((built.ignored_count, built.warnings.len()), (1, 0), "{form:?}");
    }
}

#[test]
fn a_damaged_index_is_named() {
    let home = repository();
    home.file(".gitignore", "*.o")
        .file("a.o", "")
        .file("b", "")
        .file(".git/index", "DIRC nonsense");
    let (image, built) = home.build();
    assert_eq!(files(&image), "/.gitignore /b");
    assert!(
        built.warnings[0].contains("was not understood"),
        "{:?}",
        built.warnings
    );
}

#[test]
fn ignore_files_that_are_none_do_no_harm() {
    let home = repository();
    let outside = home.dir.path().join("patterns");
    std::fs::write(&outside, "*").unwrap();
    std::os::unix::fs::symlink(&outside, home.path(".gitignore")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        home.path("pipe"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from(0o644),
        0,
    )
    .unwrap();
    home.dir("a/.gitignore")
        .file("b/.gitignore", "[\nx\n")
        .file("b/x", "")
        .file("c/.gitignore", vec![b'a'; 300_000]);
    std::fs::create_dir(home.path("d")).unwrap();
    std::fs::rename(home.path("pipe"), home.path("d/.gitignore")).unwrap();
    let (image, built) = home.build();
    assert_eq!(files(&image), "/.gitignore /b/.gitignore /c/.gitignore");
    let told = |name: &str| built.warnings.iter().any(|warning| warning.contains(name));
    assert!(told("`.gitignore`") && told("line 1 of ignore file `b/.gitignore`"));
    assert!(told("`c/.gitignore`") && told("`a/.gitignore`") && told("`d/.gitignore`"));
}

/// Ignore files in each other, as large as they may be, until their patterns are more than is held.
#[test]
fn rules_take_no_memory_without_bound() {
    let home = repository();
    let lines: String = (0..7000).map(|at| format!("file-{at}.txt\n")).collect();
    for depth in 0..8 {
        home.file(&format!("{}.gitignore", "d/".repeat(depth)), &lines);
    }
    home.file("other/.gitignore", "x").file("other/x", "");
    let (image, built) = home.build();
    assert_eq!(built.warnings.len(), 3, "{:?}", built.warnings);
    let expected = "ignore file `d/d/d/d/d/.gitignore` was not applied: there are too many";
    assert_eq!(built.warnings[0], expected);
    assert!(
        !image.files.contains_key(&b"/other/x"[..]),
        "what is done with is given back"
    );
}

/// A pattern as people write them, and as they do not.
fn pattern(random: &mut Random) -> String {
    let pieces = [
        "a", "b", "c", "*", "?", "[ab]", "[!a]", "a*", "**", "{a,b}", "\\a", "a b",
    ];
    let count = 1 + random.below(3);
    let parts: Vec<_> = (0..count)
        .map(|_| pieces[usize::try_from(random.below(12)).unwrap()])
        .collect();
    let mark = ["", "", "", "!", "/", "!/"][usize::try_from(random.below(6)).unwrap()];
    let end = ["", "", "/", " "][usize::try_from(random.below(4)).unwrap()];
    format!("{mark}{}{end}\n", parts.join("/"))
}

fn random_repository(random: &mut Random) -> Home {
    let home = repository();
    let names = ["a", "b", "c", "ab", "{a,b}", "a b", "x"];
    for _ in 0..60 {
        let depth = 1 + random.below(4);
        let parts: Vec<_> = (0..depth)
            .map(|_| names[usize::try_from(random.below(7)).unwrap()])
            .collect();
        let path = home.path(&parts.join("/"));
        drop(std::fs::create_dir_all(path.parent().unwrap()));
        if !path.exists() {
            drop(std::fs::write(&path, "x"));
        }
        if random.below(6) == 0 && path.is_file() {
            git(&home.seed(), &["add", "-f", &parts.join("/")]);
        }
    }
    for dir in ["", "a", "b", "a/b"] {
        if home.path(dir).is_dir() && random.below(4) > 0 {
            let lines: String = (0..=random.below(4)).map(|_| pattern(random)).collect();
            std::fs::write(home.path(dir).join(".gitignore"), lines).unwrap();
        }
    }
    home.file(".git/info/exclude", pattern(random));
    home
}

/// The files of a plan that are not in a `.git`.
fn planned(plan: &SeedPlan) -> BTreeSet<Vec<u8>> {
    let cancel = std::sync::atomic::AtomicBool::new(false);
    let mut reader = plan.read(&cancel);
    std::iter::from_fn(|| reader.next_entry())
        .filter(|entry| !matches!(entry.kind, pyro_image::seed::SeedKind::Directory))
        .map(|entry| entry.path)
        .filter(|path| !path.starts_with(b".git/"))
        .collect()
}

#[test]
fn random_rules_mean_what_they_mean_to_git() {
    let (mut kept, mut all) = (0, 0);
    for number in 1..=25 {
        let home = random_repository(&mut Random(0x2545_f491_4f6c_dd1d ^ number));
        let listed = git(
            &home.seed(),
            &["ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        );
        let expected: BTreeSet<Vec<u8>> = listed
            .split(|byte| *byte == 0)
            .filter(|path| !path.is_empty())
            .map(<[u8]>::to_vec)
            .collect();
        let found = planned(&plan(&home.seed(), &SeedOptions::default()).unwrap());
        kept += found.len();
        let everything = SeedOptions {
            include_ignored: true,
            ..SeedOptions::default()
        };
        all += planned(&plan(&home.seed(), &everything).unwrap()).len();
        let shown = |one: &BTreeSet<Vec<u8>>, other: &BTreeSet<Vec<u8>>| {
            let paths: Vec<_> = one
                .difference(other)
                .map(|path| OsStr::from_bytes(path).to_owned())
                .collect();
            paths
        };
        if found != expected {
            let rules = Command::new("grep")
                .args(["-rn", "", "--include=.gitignore", "--include=exclude", "."])
                .current_dir(home.seed())
                .output()
                .unwrap();
            panic!(
                "repository {number}: kept too many {:?}, too few {:?}\n{}",
                shown(&found, &expected),
                shown(&expected, &found),
                std::ffi::OsString::from_vec(rules.stdout).to_string_lossy()
            );
        }
    }
    println!("{kept} files of {all} were kept");
    assert!(kept > all / 4 && kept < all * 3 / 4);
}
