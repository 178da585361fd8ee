//! Machines that have a workspace.

use std::process::Command;

use pyro_proto::file::WorkspaceTree;
use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::{Configure, Verb};

use crate::calls::{configuration, ensure, text};
use crate::host::{Failure, Host};
use crate::input;
use crate::machine::Machine;

/// Of every machine.
pub(crate) const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef";

/// To whom the trees belong; no image needs to know them.
pub(crate) const USER: &str = "1234:4321";

/// A configuration as the product gives it for a workspace.
pub(crate) fn with_workspace(seeded: bool) -> Result<Configure, Failure> {
    Ok(Configure {
        workspace: Some(WorkspaceTree {
            seeded,
            user: USER.to_owned(),
        }),
        ..configuration("alpha", MACHINE_ID)?
    })
}

/// Ends a machine, finds its disk whole, and starts it again.
pub(crate) async fn power_off_and_start(machine: &mut Machine, host: Host) -> Result<(), Failure> {
    let answer = host.ask(Verb::PowerOff, None).await?;
    ensure(matches!(answer, Answer::Done(_)), answer)?;
    drop(host);
    ensure(machine.ended().await?.success(), "QEMU ends well")?;
    let mut e2fsck = Command::new(input::program("e2fsck", "e2fsprogs")?);
    input::output(e2fsck.arg("-fn").arg(machine.disk()))?;
    let mut dumpe2fs = Command::new(input::program("dumpe2fs", "e2fsprogs")?);
    let features = input::output(dumpe2fs.arg("-h").arg(machine.disk()))?;
    ensure(
        !text(&features).contains("needs_recovery"),
        "a journal that is done with",
    )?;
    machine.start_again().await
}
