//! A tree that begins with a seed.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use pyro_image::seed::{SeedOptions, SeedOwner, SeedPlan, build_seed_image};
use pyro_proto::file::WriteFile;
use pyro_proto::message::FaultKind;
use tempfile::TempDir;

use super::{configuration, configure, ensure, output};
use crate::host::Failure;
use crate::machine::Machine;
use crate::tree::{all, content, to, unreadable, write};
use crate::workspace::{MACHINE_ID, power_off_and_start, with_workspace};

/// A seed that comes after the boot, as after a restore, is the tree with all that it has.
pub(crate) async fn begins(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("alpha", MACHINE_ID)?).await?;
    // Whoever had read the disk before would now have other bytes than are there.
    put_seed(machine)?;
    let begun = Instant::now();
    configure(&host, with_workspace(true)?).await?;
    let took = begun.elapsed();
    ensure(
        all(&host).await? == "dir dir/deep dir/deep/file empty link run top",
        all(&host).await?,
    )?;
    ensure(content(&host, "link").await? == "deep\n", "a link of the seed")?;
    let seen = output(
        &host,
        "cd /workspace && cat dir/deep/file && stat -c %n:%u:%a . run dir && ./run",
    )
    .await?;
    ensure(seen == "deep\n.:1234:755\nrun:1234:755\ndir:1234:755\nran", &seen)?;
    Ok(format!("configured with a seed in {took:?}"))
}

/// All that the seed has can be changed, from either side.
pub(crate) async fn changes(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let more = WriteFile {
        append: true,
        ..to("top")
    };
    let written = write(&host, more, b"more\n").await?;
    ensure((written.size, written.created) == (9, false), written)?;
    let written = write(&host, to("run"), b"#!/bin/sh\necho anew\n").await?;
    ensure((written.mode, written.created) == (0o755, false), written)?;
    write(&host, to("dir/deep/new"), b"new").await?;
    let seen = output(
        &host,
        "cd /workspace && cat top && ./run && mv dir moved && rm -r empty && mkdir empty && ls moved/deep",
    )
    .await?;
    ensure(seen == "top\nmore\nanew\nfile\nnew", &seen)?;
    write(&host, to("dir/other"), b"").await?;
    let wanted = "dir dir/other empty link moved moved/deep moved/deep/file moved/deep/new run top";
    ensure(all(&host).await? == wanted, all(&host).await?)?;
    ensure(
        unreadable(&host, "link").await? == FaultKind::PathNotFound,
        "a link that leads nowhere now",
    )?;
    Ok(String::new())
}

/// The next machine has the same seed and the same changes.
pub(crate) async fn again(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    power_off_and_start(machine, host).await?;
    let host = machine.connect().await?;
    configure(&host, with_workspace(true)?).await?;
    let wanted = "dir dir/other empty link moved moved/deep moved/deep/file moved/deep/new run top";
    ensure(all(&host).await? == wanted, all(&host).await?)?;
    ensure(
        content(&host, "moved/deep/file").await? == "deep\n",
        "behind a rename",
    )?;
    ensure(content(&host, "top").await? == "top\nmore\n", "changed")?;
    Ok(String::new())
}

/// Makes a seed and writes it to the disk that the machine has for one.
fn put_seed(machine: &Machine) -> Result<(), Failure> {
    write_seed(machine, |top| {
        fs::create_dir_all(top.join("dir/deep"))?;
        fs::create_dir(top.join("empty"))?;
        fs::write(top.join("dir/deep/file"), "deep\n")?;
        fs::write(top.join("top"), "top\n")?;
        fs::write(top.join("run"), "#!/bin/sh\necho ran\n")?;
        fs::set_permissions(top.join("run"), PermissionsExt::from_mode(0o755))?;
        symlink("/workspace/dir/deep/file", top.join("link"))?;
        Ok(())
    })
}

/// Writes a seed that is filled like this to the disk that the machine has for one.
pub(super) fn write_seed(
    machine: &Machine,
    fill: impl FnOnce(&Path) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let files = TempDir::with_prefix("pyro-agent-seed-")?;
    let top = files.path().join("seed");
    fs::create_dir(&top)?;
    fill(&top)?;
    let never = AtomicBool::new(false);
    let mut plan = SeedPlan::new(&top, &SeedOptions::default(), &mut |_| {}, &never)?;
    plan.nest("tree")?;
    let image = files.path().join("image");
    let owner = SeedOwner { uid: 1234, gid: 4321 };
    build_seed_image(plan, &image, owner, &mut |_| {}, &never)?;
    let mut disk = OpenOptions::new().write(true).open(machine.seed())?;
    std::io::copy(&mut File::open(&image)?, &mut disk)?;
    Ok(())
}
