//! Machines with other roots than an environment's.

use pyro_proto::message::agent_message::Body as Answer;
use pyro_proto::message::host_message::Body as Ask;
use pyro_proto::message::{Exec, FaultKind, Outcome, Verb};

use super::{argv, configuration, configure, ensure, output, refusal, shell};
use crate::host::Failure;
use crate::machine::Machine;

const MACHINE_ID: &str = "0123456789abcdef0123456789abcdef";

/// An image needs neither a shell nor any file that pyro knows of.
pub(crate) async fn one_program(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("lean", MACHINE_ID)?).await?;
    let given = host
        .run(argv(&["/bin/busybox", "cat", "/etc/machine-id"]))
        .await?;
    ensure(given.stdout == format!("{MACHINE_ID}\n").as_bytes(), &given)?;
    ensure(
        refusal(&host, shell("echo x")).await? == FaultKind::ShellMissing,
        "a string needs a shell",
    )?;
    let fallback = Exec {
        argv: argv(&["/bin/busybox", "echo", "without"]).argv,
        ..shell("echo with")
    };
    let given = host.run(fallback).await?;
    ensure(
        given.ended.outcome() == Outcome::Exited && given.stdout == b"without\n",
        &given,
    )?;
    Ok(String::new())
}

/// Changes are kept in memory where there is no disk for them.
pub(crate) async fn without_disk(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    configure(&host, configuration("diskless", MACHINE_ID)?).await?;
    output(
        &host,
        "echo kept > /etc/own && mv /usr/share/common-licenses /usr/share/moved",
    )
    .await?;
    let seen = output(&host, "cat /etc/own; ls -d /usr/share/moved").await?;
    ensure(seen == "kept\n/usr/share/moved", &seen)?;
    Ok(String::new())
}

/// A machine that cannot run anything says why, and can still be powered off.
pub(crate) async fn unusable(machine: &mut Machine) -> Result<String, Failure> {
    let host = machine.connect().await?;
    let why = host.hello.setup_failure.clone().ok_or("no setup failure")?;
    ensure(why.contains("mount the image"), &why)?;
    match host.ask(Verb::Exec, Some(Ask::Exec(argv(&["true"])))).await? {
        Answer::Fault(fault) => ensure(fault.message == why, fault)?,
        other => return Err(format!("not refused: {other:?}").into()),
    }
    host.ask(Verb::PowerOff, None).await?;
    drop(host);
    ensure(machine.ended().await?.success(), "QEMU ends well")?;
    Ok(why)
}
