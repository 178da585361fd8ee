//! Trees that change while they are read.

use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use pyro_image::seed::{SeedError, SeedOptions};
use rustix::fs::{CWD, FileType, Mode, RenameFlags, mknodat, renameat_with};

use super::{Home, plan, write};
use crate::image::Image;

/// Plans, lets `change` work on the seed, and writes the image.
fn build_after(home: &Home, change: impl FnOnce()) -> Result<(Image, Vec<String>), SeedError> {
    let plan = home.plan();
    change();
    let out = home.dir.path().join("out");
    let built = write(plan, &out);
    assert_eq!(out.exists(), built.is_ok());
    let warnings = built?.warnings;
    Ok((Image::read(&std::fs::read(&out).unwrap()), warnings))
}

fn refusal(home: &Home, change: impl FnOnce()) -> String {
    let plan = home.plan();
    change();
    let out = home.dir.path().join("out");
    let error = write(plan, &out).unwrap_err();
    assert!(!out.exists(), "a failed build leaves no file");
    assert!(matches!(error, SeedError::Changed { .. }), "{error:?}");
    error.to_string()
}

#[test]
fn of_a_file_that_grows_the_planned_length_is_taken() {
    let home = Home::new();
    home.file("log", "12345");
    let (image, warnings) = build_after(&home, || {
        home.file("log", "1234567");
    })
    .unwrap();
    assert_eq!(image.text("/log"), "12345");
    assert_eq!(
        warnings,
        ["`log` has grown while it was read; its first 5 bytes were taken"]
    );
}

#[test]
fn a_file_that_is_rewritten_is_named() {
    let home = Home::new();
    home.file("d/a", "12345");
    let (image, warnings) = build_after(&home, || {
        std::thread::sleep(Duration::from_millis(20));
        home.file("d/a", "abcde");
    })
    .unwrap();
    assert_eq!(image.text("/d/a"), "abcde");
    assert_eq!(warnings, ["`d/a` was written to while it was read"]);
}

#[test]
fn a_file_that_shrinks_or_goes_is_an_error_that_names_it() {
    let home = Home::new();
    let path = home.path("d/file");
    let set = || {
        home.file("d/file", "12345");
    };
    let names_it = |message: String| {
        let expected = format!("`{}` changed while it was read", path.display());
        assert_eq!(message, expected);
        drop(std::fs::remove_file(&path));
        set();
    };
    set();
    names_it(refusal(&home, || {
        home.file("d/file", "123");
    }));
    names_it(refusal(&home, || std::fs::remove_file(&path).unwrap()));
    names_it(refusal(&home, || {
        std::fs::remove_file(&path).unwrap();
        symlink("/etc/passwd", &path).unwrap();
    }));
    names_it(refusal(&home, || {
        std::fs::remove_file(&path).unwrap();
        mknodat(CWD, &path, FileType::Fifo, Mode::from(0o644), 0).unwrap();
    }));
}

#[test]
fn a_directory_that_becomes_a_link_is_not_entered() {
    let home = Home::new();
    home.file("d/e/passwd", "12345");
    let elsewhere = home.dir.path().join("elsewhere");
    std::fs::create_dir(&elsewhere).unwrap();
    std::fs::write(elsewhere.join("passwd"), "secret").unwrap();
    let message = refusal(&home, || {
        std::fs::rename(home.path("d/e"), home.path("d/was")).unwrap();
        symlink(&elsewhere, home.path("d/e")).unwrap();
    });
    assert!(message.contains("d/e/passwd"), "{message}");
}

/// Exchanges a directory and a link to a secret, over and over, while the seed is built.
#[test]
fn a_race_of_links_never_leaves_the_tree() {
    let home = Home::new();
    let secret = home.dir.path().join("secret");
    std::fs::create_dir_all(secret.join("e")).unwrap();
    for name in ["file", "e/file", "only-here"] {
        std::fs::write(secret.join(name), "SECRET").unwrap();
    }
    home.file("a/d/file", "public").file("a/d/e/file", "public");
    symlink(&secret, home.path("a/link")).unwrap();
    let end = AtomicBool::new(false);
    let (mut whole, mut changed) = (0, 0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let (one, other) = (home.path("a/d"), home.path("a/link"));
            while !end.load(Ordering::Relaxed) {
                renameat_with(CWD, &one, CWD, &other, RenameFlags::EXCHANGE).unwrap();
            }
        });
        let deadline = Instant::now() + Duration::from_secs(3);
        while Instant::now() < deadline {
            match attempt(&home.seed(), &home.dir.path().join("out")) {
                Ok(()) => whole += 1,
                Err(SeedError::Changed { .. }) => changed += 1,
                Err(other) => panic!("{other:?}"),
            }
        }
        end.store(true, Ordering::Relaxed);
    });
    println!("{whole} images were whole, {changed} attempts saw the change");
    assert!(whole + changed > 20);
}

fn attempt(seed: &Path, out: &Path) -> Result<(), SeedError> {
    drop(std::fs::remove_file(out));
    write(plan(seed, &SeedOptions::default())?, out)?;
    let bytes = std::fs::read(out).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"SECRET"));
    assert!(!bytes.windows(9).any(|window| window == b"only-here"));
    Ok(())
}
