//! A machine whose agent answers.

mod error;
mod followed;
mod shared;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use pyro_proto::file::WorkspaceTree;
use pyro_proto::handshake::{AgentHello, NONCE_BYTES};
use pyro_proto::message::{Configure, Exec};
use tokio::time::error::Elapsed;

pub(crate) use self::error::VmError;
pub(crate) use self::followed::FollowedVm;
pub(crate) use self::shared::{Kept, SharedVm};

use crate::guest::{self, Caller, Connection, Ender, Greeted, GuestError, Repeat, SoleCall};
use crate::id::{VmId, WorkspaceId};
use crate::object::VmmKind;
use crate::vmm::{
    Driver, FirstStream, HostSpec, LastWords, Machine, MachineFacts, MachineSpec, Origin, VmmError,
};

/// How long a guest may take until its agent answers; some twenty times of what it takes on a slow host. On KVM too:
/// one that is emulated itself takes 6 to 14 s, several times of that beside other work.
const BOOT_BOUND: Duration = Duration::from_secs(120);

/// How long a restored guest may take until its agent answers; some hundred times of what it takes.
const RESTORE_BOUND: Duration = Duration::from_secs(30);

/// How long the agent may take to answer on this host; some thousand times of what it takes.
const HOST_BOUND: Duration = Duration::from_secs(30);

/// How long a VMM may take to hand over a new byte stream, and the agent to answer on it.
const RECONNECT_BOUND: Duration = Duration::from_secs(30);

/// How long an agent may take to give a machine its tree: it first undoes what was being put in place when the machine
/// ended, which takes as long as that took; 100,000 files take some two minutes in an emulated guest.
const RECOVERY_BOUND: Duration = Duration::from_secs(900);

/// How long the saving of a machine may take, which writes what memory its guest has touched.
const SAVE_BOUND: Duration = Duration::from_secs(300);

/// How long to wait for the word that a VMM ended, once its streams have.
const END_BOUND: Duration = Duration::from_secs(2);

/// A VM that runs, and its agent. Dropping it kills the VM.
#[derive(Debug)]
pub(crate) struct LiveVm {
    vm_id: VmId,
    machine: Machine,
    hello: AgentHello,
    link: Link,
    boot_nonce: Vec<u8>,
    timing: StartTiming,
}

/// The workspace that a VM is for.
#[derive(Debug, Clone)]
pub(crate) struct Tenant {
    /// Its id, which is the guest's name.
    pub(crate) id: WorkspaceId,
    /// Its tree.
    pub(crate) tree: WorkspaceTree,
}

/// The way to its agent.
#[derive(Debug)]
enum Link {
    /// Hands were shaken, and nothing was said yet.
    Greeted(Greeted),
    /// For whatever there is to say.
    Connected(Connection),
    /// Taken by the one command that it is about.
    Plain(Ender),
    /// None: a connection is being made, or could not be made.
    Absent,
}

/// Where the time of a start went.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StartTiming {
    /// Until the VMM's process ran.
    pub(crate) spawn: Duration,
    /// From then until the agent's first answer.
    pub(crate) connect: Duration,
    /// From then until the guest had its identity, and its first command ran if it was given one without standard input.
    pub(crate) begin: Duration,
    /// From the guest kernel's start to the agent being ready, on the guest's clock.
    pub(crate) guest_ready: Duration,
}

impl StartTiming {
    /// From the start of the VMM to the agent's first answer.
    pub(crate) fn boot(&self) -> Duration {
        self.spawn + self.connect
    }
}

impl LiveVm {
    /// Starts a machine, waits for its agent and gives the guest what must be its own.
    ///
    /// A command without standard input is started with that, in one exchange, and its call returned. Any other is yet to
    /// be started. Dropping the future ends the machine.
    ///
    /// # Errors
    /// [`VmError`]; nothing is left running.
    pub(crate) async fn start(
        driver: &Driver,
        spec: MachineSpec,
        exec: Option<&Exec>,
        tenant: Option<&Tenant>,
    ) -> Result<(Self, Option<SoleCall>), VmError> {
        Self::start_anonymous(driver, spec)
            .await?
            .take_on(exec, tenant)
            .await
    }

    /// The same on this host, where no VMM is to be had.
    ///
    /// # Errors
    /// [`VmError`]; nothing is left running.
    pub(crate) async fn start_on_host(
        spec: HostSpec,
        exec: Option<&Exec>,
        tenant: Option<&Tenant>,
    ) -> Result<(Self, Option<SoleCall>), VmError> {
        let (vm_id, boot_nonce) = (spec.vm_id, decode_hex(&spec.boot_nonce));
        let starting = Driver::start_on_host(spec);
        Self::await_agent(vm_id, starting, boot_nonce, HOST_BOUND)
            .await?
            .take_on(exec, tenant)
            .await
    }

    /// Gives the guest what must be its own, and its first command.
    async fn take_on(
        mut self,
        exec: Option<&Exec>,
        tenant: Option<&Tenant>,
    ) -> Result<(Self, Option<SoleCall>), VmError> {
        let started = Instant::now();
        let mut nonce = vec![0; NONCE_BYTES];
        crate::random::fill(&mut nonce);
        let name = tenant.map_or(self.vm_id, |tenant| tenant.id);
        let mut configuration = guest::configuration(name, &nonce);
        configuration.workspace = tenant.map(|tenant| tenant.tree.clone());
        let call = match exec {
            Some(exec) if !exec.stdin => Some(self.exec_alone(configuration, exec.clone()).await?),
            Some(_) | None => {
                self.configure(configuration).await?;
                None
            }
        };
        self.boot_nonce = nonce;
        self.timing.begin = started.elapsed();
        Ok((self, call))
    }

    /// Starts a machine and waits for its agent. It is nobody's yet: it may be saved, and must not be used.
    ///
    /// # Errors
    /// [`VmError`]; nothing is left running.
    pub(crate) async fn start_anonymous(driver: &Driver, spec: MachineSpec) -> Result<Self, VmError> {
        let vm_id = spec.vm_id;
        let bound = match &spec.origin {
            Origin::Boot | Origin::BootToSave { .. } => BOOT_BOUND,
            Origin::Restore(_) => RESTORE_BOUND,
        };
        let boot_nonce = decode_hex(&spec.boot_nonce);
        Self::await_agent(vm_id, driver.start(spec), boot_nonce, bound).await
    }

    /// Waits for a machine that is being started, and for its agent; for each of them no longer than `bound`.
    async fn await_agent(
        vm_id: VmId,
        starting: impl Future<Output = Result<Machine, VmmError>>,
        boot_nonce: Vec<u8>,
        bound: Duration,
    ) -> Result<Self, VmError> {
        let started = Instant::now();
        let Ok(machine) = tokio::time::timeout(bound, starting).await else {
            let last_words = LastWords::default();
            return Err(VmError::Silent { bound, last_words });
        };
        let mut machine = machine?;
        let spawn = started.elapsed();
        tracing::debug!(%vm_id, ?spawn, confinement = machine.facts().confinement, "the VMM runs");
        let greeted = match first_answer(&mut machine, &boot_nonce, bound).await {
            Ok(greeted) => greeted,
            Err(failure) => return Err(failure.explain(machine, started, bound).await),
        };
        let connect = started.elapsed() - spawn;
        let hello = greeted.hello().clone();
        tracing::debug!(%vm_id, ?connect, ?hello, "the agent answered");
        let guest_ready = Duration::from_micros(hello.ready_after_us);
        Ok(Self {
            vm_id,
            machine,
            hello,
            link: Link::Greeted(greeted),
            boot_nonce,
            timing: StartTiming {
                spawn,
                connect,
                begin: Duration::ZERO,
                guest_ready,
            },
        })
    }

    async fn configure(&mut self, configuration: Configure) -> Result<(), VmError> {
        let bound = match configuration.workspace {
            Some(_) => RECOVERY_BOUND,
            None => RECONNECT_BOUND,
        };
        let configured = async { self.connect().await?.configure(configuration).await };
        let outcome = tokio::time::timeout(bound, configured).await;
        self.judge(outcome).await
    }

    async fn exec_alone(&mut self, configuration: Configure, exec: Exec) -> Result<SoleCall, VmError> {
        // On this host a tree is copied from its seed.
        let bound = match (&configuration.workspace, self.facts().vmm) {
            (Some(_), VmmKind::None) => RECOVERY_BOUND,
            _ => RECONNECT_BOUND,
        };
        let begun = async {
            match std::mem::replace(&mut self.link, Link::Absent) {
                Link::Greeted(greeted) => greeted.exec(configuration, exec).await,
                Link::Connected(_) | Link::Plain(_) | Link::Absent => Err(absent()),
            }
        };
        let outcome = tokio::time::timeout(bound, begun).await;
        let (call, ender) = self.judge(outcome).await?;
        self.link = Link::Plain(ender);
        Ok(call)
    }

    /// Finds out what is wrong with a guest that was asked for something which every one can do.
    async fn judge<T>(&mut self, outcome: Result<Result<T, GuestError>, Elapsed>) -> Result<T, VmError> {
        match outcome {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(source)) => Err(self.unfit(source).await),
            Err(_) => Err(self.lost("its agent fell silent").await),
        }
    }

    async fn unfit(&mut self, source: GuestError) -> VmError {
        let last_words = self.machine.last_words().await;
        VmError::Unfit { source, last_words }
    }

    /// Ends the conversation with the agent and saves the machine, whose devices' state goes to `devices`. Its memory
    /// is then complete in the file that it was started with; the machine itself is killed.
    ///
    /// # Errors
    /// [`VmError`] if the guest or its VMM does not go along.
    pub(crate) async fn save(mut self, devices: OwnedFd) -> Result<(), VmError> {
        self.hang_up().await;
        // Kept open beyond the saving: so the guest need not learn, once restored, that the host went and came.
        let Ok(stream) = tokio::time::timeout(RECONNECT_BOUND, self.machine.reopen_channel()).await else {
            return Err(self.lost("its agent fell silent").await);
        };
        let mut stream = stream?;
        let idle = guest::wait_until_idle(&mut stream, &self.boot_nonce);
        match tokio::time::timeout(RECONNECT_BOUND, idle).await {
            Ok(Ok(())) => {}
            Ok(Err(source)) => return Err(self.unfit(source).await),
            Err(_) => return Err(self.lost("its agent fell silent").await),
        }
        match tokio::time::timeout(SAVE_BOUND, self.machine.save(devices)).await {
            Ok(saved) => saved?,
            Err(_) => return Err(self.lost("its VMM did not save it").await),
        }
        self.machine.kill().await;
        Ok(())
    }

    /// What calls its agent, by a connection that is begun if nothing was said yet.
    ///
    /// # Errors
    /// [`GuestError::Broken`] if there is none: the last reconnection failed, or a command has it for itself.
    pub(crate) async fn connect(&mut self) -> Result<Caller, GuestError> {
        self.link = match std::mem::replace(&mut self.link, Link::Absent) {
            Link::Greeted(greeted) => Link::Connected(greeted.connect().await?),
            link => link,
        };
        match &self.link {
            Link::Connected(connection) => Ok(connection.caller().clone()),
            Link::Greeted(_) | Link::Plain(_) | Link::Absent => Err(absent()),
        }
    }

    /// Ends the conversation; once this returns, the guest sees the end of it.
    async fn hang_up(&mut self) {
        match std::mem::replace(&mut self.link, Link::Absent) {
            Link::Connected(connection) => connection.close().await,
            Link::Plain(ender) => ender.end(),
            Link::Greeted(_) | Link::Absent => {}
        }
    }

    /// What its agent said of itself and its guest when it started.
    pub(crate) fn hello(&self) -> &AgentHello {
        &self.hello
    }

    /// Where the time of its start went.
    pub(crate) fn timing(&self) -> &StartTiming {
        &self.timing
    }

    /// What stays true of its machine.
    pub(crate) fn facts(&self) -> &MachineFacts {
        self.machine.facts()
    }

    /// The version of its VMM.
    pub(crate) async fn vmm_version(&mut self) -> Option<String> {
        // A VMM that does not answer is not waited for.
        tokio::time::timeout(END_BOUND, self.machine.vmm_version())
            .await
            .ok()
            .flatten()
    }

    /// Waits until its VMM has ended, and says how.
    pub(crate) async fn ended(&mut self) -> String {
        self.machine.ended().await
    }

    /// Opens a new byte stream to the agent in place of one that broke.
    ///
    /// # Errors
    /// [`VmError::Lost`] if the VM is gone or does not answer.
    pub(crate) async fn reconnect(&mut self) -> Result<Caller, VmError> {
        // Before the new one opens, so that the guest sees the end of the old one.
        self.hang_up().await;
        let attempt = async {
            let stream = self
                .machine
                .reopen_channel()
                .await
                .map_err(|error| error.to_string())?;
            let greeted = Greeted::open(stream, &self.boot_nonce, Repeat::UntilAnswered).await;
            let connected = async { greeted?.connect().await };
            connected.await.map_err(|error: GuestError| error.to_string())
        };
        tracing::debug!(vm_id = %self.vm_id, "opening a new byte stream to the agent");
        match tokio::time::timeout(RECONNECT_BOUND, attempt).await {
            Ok(Ok(connection)) => {
                let caller = connection.caller().clone();
                self.link = Link::Connected(connection);
                Ok(caller)
            }
            Ok(Err(problem)) => Err(self.lost(&problem).await),
            Err(_) => Err(self.lost("its agent fell silent").await),
        }
    }

    /// Explains why the VM is of no more use.
    pub(crate) async fn lost(&mut self, problem: &str) -> VmError {
        // If its VMM has ended, that is the better explanation.
        let how = match tokio::time::timeout(END_BOUND, self.machine.ended()).await {
            Ok(how) => how,
            Err(_) => format!("does not answer: {problem}"),
        };
        VmError::Lost {
            vm_id: self.vm_id,
            how,
            last_words: self.machine.last_words().await,
        }
    }

    /// The memory that its VMM uses now, in bytes.
    pub(crate) fn resident_bytes(&self) -> Option<u64> {
        self.machine.resident_bytes()
    }

    /// Kills the VM and waits until it is gone.
    pub(crate) async fn kill(self) {
        drop(self.link);
        self.machine.kill().await;
    }
}

/// Why there was no first answer.
enum NoAnswer {
    Ended(String),
    Silent,
    Guest(GuestError),
}

impl NoAnswer {
    async fn explain(self, mut machine: Machine, started: Instant, bound: Duration) -> VmError {
        let after = started.elapsed();
        let ended = match self {
            Self::Silent => {
                return VmError::Silent {
                    bound,
                    last_words: machine.last_words().await,
                };
            }
            Self::Ended(how) => how,
            Self::Guest(source) => match tokio::time::timeout(END_BOUND, machine.ended()).await {
                // A stream that breaks is how a VMM's end is seen first.
                Ok(how) if source.is_broken_stream() => how,
                _ => {
                    return VmError::Unfit {
                        source,
                        last_words: machine.last_words().await,
                    };
                }
            },
        };
        VmError::EndedEarly {
            how: ended,
            after,
            last_words: machine.last_words().await,
        }
    }
}

async fn first_answer(
    machine: &mut Machine,
    boot_nonce: &[u8],
    bound: Duration,
) -> Result<Greeted, NoAnswer> {
    let first = machine
        .take_first_stream()
        .expect("a machine that just started has its first stream");
    tokio::select! {
        opened = first_conversation(first, boot_nonce) => opened.map_err(NoAnswer::Guest),
        how = machine.ended() => Err(NoAnswer::Ended(how)),
        () = tokio::time::sleep(bound) => Err(NoAnswer::Silent),
    }
}

async fn first_conversation(first: FirstStream, boot_nonce: &[u8]) -> Result<Greeted, GuestError> {
    let stream = first.open().await;
    let stream = stream.map_err(|error| GuestError::Broken(error.into()))?;
    Greeted::open(stream, boot_nonce, Repeat::Never).await
}

fn absent() -> GuestError {
    GuestError::Broken(std::io::Error::from(std::io::ErrorKind::NotConnected).into())
}

fn decode_hex(digits: &str) -> Vec<u8> {
    let nibble = |digit: u8| {
        char::from(digit)
            .to_digit(16)
            .and_then(|value| u8::try_from(value).ok())
            .unwrap_or(0)
    };
    digits
        .as_bytes()
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | nibble(*digit)))
        .collect()
}
