//! The thread that starts every child.
//!
//! A child asks the kernel to be killed when its parent dies (`PR_SET_PDEATHSIG`, prctl(2)), and for the kernel the parent
//! is the *thread* that made it. So they all come from one thread that lives as long as the process.

use std::process::Command;
use std::sync::OnceLock;
use std::sync::mpsc;

use tokio::sync::oneshot;

use super::running::Running;

type Order = Box<dyn FnOnce() + Send>;

/// Starts the command from the thread that never ends.
///
/// # Errors
/// Whatever starting it gave.
pub(crate) async fn spawn(mut command: Command) -> std::io::Result<Running> {
    // The descriptors meant for the child close with the command, so that its end of each is the only one.
    spawn_by(move || command.spawn().map(Running::from)).await
}

/// Starts a child as `start` says, on the thread that never ends. What that returns must end the child when dropped: it
/// is dropped if whoever asked has given up, as nothing may run without an owner. To give up blocks until then.
///
/// # Errors
/// What `start` gave.
pub(crate) async fn spawn_by<T: Send + 'static>(
    start: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> std::io::Result<T> {
    static SPAWNER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(start_thread);
    let (reply, answer) = oneshot::channel();
    let (under_way, over) = mpsc::channel();
    let gone = || std::io::Error::other("the thread that starts processes is gone");
    let order = move || {
        let unwanted = reply.send(start());
        drop(unwanted);
        drop(under_way);
    };
    spawner.send(Box::new(order)).map_err(|_| gone())?;
    let _until_over = UntilOver(over);
    answer.await.map_err(|_| gone())?
}

/// An order, for whose end its drop waits: else this process could end before a child that nobody wanted any more.
struct UntilOver(mpsc::Receiver<()>);

impl Drop for UntilOver {
    fn drop(&mut self) {
        // Nothing is ever sent: it ends with the sender.
        let _over = self.0.recv();
    }
}

fn start_thread() -> mpsc::Sender<Order> {
    let (orders, inbox) = mpsc::channel::<Order>();
    let run = move || {
        for order in inbox {
            order();
        }
    };
    // Without the thread the sender fails, which `spawn_by` reports.
    let _handle = std::thread::Builder::new().name("spawner".to_owned()).spawn(run);
    orders
}
