//! The thread that starts every child.
//!
//! A child asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`, prctl(2)), and for the kernel the parent
//! is the *thread* that made it. So they all come from one thread that lives as long as the process.

use std::process::{Child, Command};
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::sync::oneshot;

struct Order {
    command: Command,
    reply: oneshot::Sender<std::io::Result<Child>>,
}

/// Starts the command from the thread that never ends.
///
/// # Errors
/// Whatever starting it gave.
pub(crate) async fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(start_thread);
    let (reply, answer) = oneshot::channel();
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    spawner.send(Order { command, reply }).map_err(|_| gone())?;
    answer.await.map_err(|_| gone())?
}

fn start_thread() -> mpsc::Sender<Order> {
    let (orders, inbox) = mpsc::channel::<Order>();
    let run = move || {
        for mut order in inbox {
            let child = order.command.spawn();
            // The descriptors meant for the child close here, so that its end of each is the only one.
            drop(order.command);
            if let Err(Ok(mut orphan)) = order.reply.send(child) {
                // Whoever asked has given up: nothing may run without an owner.
                let _gone_already = orphan.kill();
                let _status = orphan.wait();
            }
        }
    };
    // Without the thread the sender fails, which `spawn` reports.
    let _handle = std::thread::Builder::new().name("spawner".to_owned()).spawn(run);
    orders
}
