//! What differs from the seed, and what is sent of the tree. The checks go on from one another.

use std::fs;
use std::os::unix::fs::symlink;
use std::time::Instant;

use pyro_proto::file::FileKind;

use super::seed::write_seed;
use super::{configuration, configure, ensure, output};
use crate::differences::{begin_to_fetch, compare, export, fetch};
use crate::host::Failure;
use crate::machine::Machine;
use crate::workspace::{MACHINE_ID, with_workspace};

/// How many files the seed has beside those that are changed.
const MANY: usize = 10_000;

/// Ten changes among many files are found soon, and nothing else is.
pub(crate) async fn ten_among_many(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("alpha", MACHINE_ID)?).await?;
    write_seed(machine, |top| {
        for file in 0..MANY {
            let directory = top.join(format!("many/{}", file % 100));
            fs::create_dir_all(&directory)?;
            fs::write(directory.join(file.to_string()), "same\n")?;
        }
        for path in [
            "a", "a-b", "a.c/x", "b/a", "b/b/c", "b/b/d", "c/d/e/f", "c/d/e/g", "file", "touched",
        ] {
            let place = top.join(path);
            fs::create_dir_all(place.parent().ok_or("a parent")?)?;
            fs::write(place, path)?;
        }
        fs::create_dir(top.join("empty"))?;
        symlink("b", top.join("link"))?;
        Ok(())
    })?;
    configure(&host, with_workspace(true)?).await?;
    let begun = Instant::now();
    ensure(compare(&host, "").await?.is_empty(), "nothing is changed")?;
    let nothing = begun.elapsed();
    output(
        &host,
        "cd /workspace/many && for i in 0 1 2 3 4 5 6 7 8 9; do echo else > $i/$i; done",
    )
    .await?;
    let begun = Instant::now();
    let found = compare(&host, "").await?;
    let ten = begun.elapsed();
    let wanted: Vec<String> = (0..10).map(|file| format!("*many/{file}/{file}")).collect();
    ensure(found == wanted.join(" "), &found)?;
    output(
        &host,
        "cd /workspace/many && for i in 0 1 2 3 4 5 6 7 8 9; do echo same > $i/$i; done",
    )
    .await?;
    ensure(
        compare(&host, "").await?.is_empty(),
        "what is as before is no change",
    )?;
    Ok(format!("no change found in {nothing:?}, ten in {ten:?}"))
}

/// Whatever commands do is found, and what they undo is not.
pub(crate) async fn everything(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(
        &host,
        "cd /workspace && touch -d 2001-01-01 touched && chown 5:5 touched && chmod 700 a-b && chmod 644 a-b \
         && chmod 711 c/d && echo > new && rm new && mv c/d/e c/x && mv c/x c/d/e \
         && rm -r a.c && mkdir a.c && printf a.c/x > a.c/x",
    )
    .await?;
    let found = compare(&host, "").await?;
    ensure(found.is_empty(), &found)?;
    output(
        &host,
        "cd /workspace && printf FILE > file && chmod 755 a && ln -sfn c link && mv b renamed && rmdir empty \
         && printf x > empty && rm touched && mkdir -p touched/deep && printf x > touched/deep/file \
         && rm -r c/d && mkdir -p c/d/e && printf c/d/e/g > c/d/e/g && mkfifo pipe && mv many/99 many/100",
    )
    .await?;
    let begun = Instant::now();
    let found = compare(&host, "").await?;
    let took = begun.elapsed();
    let many = |sign: &str, directory: usize| {
        let mut files: Vec<String> = (0..MANY)
            .filter(|file| file % 100 == 99)
            .map(|file| format!("{sign}many/{directory}/{file}"))
            .collect();
        files.sort();
        format!("{sign}many/{directory} {}", files.join(" "))
    };
    let wanted = format!(
        "*a -b -b/a -b/b -b/b/c -b/b/d -c/d/e/f ~empty *file *link {} {} +pipe +renamed +renamed/a +renamed/b \
         +renamed/b/c +renamed/b/d ~touched +touched/deep +touched/deep/file",
        many("+", 100),
        many("-", 99)
    );
    ensure(found == wanted, &found)?;
    let found = compare(&host, "renamed/b").await?;
    ensure(found == "+renamed/b +renamed/b/c +renamed/b/d", &found)?;
    ensure(compare(&host, "b/b/c").await? == "-b/b/c", "a path that is gone")?;
    Ok(format!("found in {took:?}"))
}

/// Both sides of a path are read, however it was renamed.
pub(crate) async fn fetched(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let mut call = begin_to_fetch(&host).await?;
    for (path, old, content) in [
        ("file", true, "file"),
        ("file", false, "FILE"),
        ("b/b/c", true, "b/b/c"),
        ("renamed/b/c", false, "b/b/c"),
        ("a", false, "a"),
    ] {
        let (_, found) = fetch(&mut call, path, old).await?;
        ensure(found.as_deref() == Some(content.as_bytes()), (path, found))?;
    }
    for (path, old, kind) in [
        ("b/b/c", false, FileKind::Absent),
        ("link/d/e/g", false, FileKind::Absent),
        ("link", true, FileKind::Symlink),
        ("pipe", false, FileKind::Fifo),
        ("c/d", false, FileKind::Directory),
        ("", false, FileKind::Directory),
    ] {
        let (entry, _) = fetch(&mut call, path, old).await?;
        ensure(entry.kind() == kind, &entry)?;
        ensure(entry.stamp.is_empty() == old, &entry)?;
    }
    let (before, _) = fetch(&mut call, "file", false).await?;
    output(&host, "printf eliF > /workspace/file").await?;
    let (after, _) = fetch(&mut call, "file", false).await?;
    ensure(before.stamp != after.stamp, "a stamp tells the states apart")?;
    Ok(String::new())
}

/// A part of the tree is sent with its contents and hard links.
pub(crate) async fn exported(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    output(
        &host,
        "cd /workspace && ln file renamed/one && ln file renamed/two && chmod 0 renamed/a",
    )
    .await?;
    let found = export(&host, "renamed").await?;
    let wanted = "Directory renamed,File renamed/a=b/a,Directory renamed/b,File renamed/b/c=b/b/c,\
                  File renamed/b/d=b/b/d,File renamed/one=eliF,HardLink renamed/two";
    ensure(found == wanted, &found)?;
    let found = export(&host, "link").await?;
    ensure(found == "Symlink link", &found)?;
    let found = export(&host, "link/d/e/g").await?;
    ensure(found == "File link/d/e/g=c/d/e/g", &found)?;
    let begun = Instant::now();
    let entries = export(&host, "").await?.split(',').count();
    let took = begun.elapsed();
    ensure(entries > MANY, entries)?;
    output(
        &host,
        "cd /workspace && rm renamed/one renamed/two && chmod 644 renamed/a",
    )
    .await?;
    Ok(format!("{entries} entries sent in {took:?}"))
}
