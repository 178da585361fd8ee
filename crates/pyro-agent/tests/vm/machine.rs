//! A VM for a test, made as the product makes its own, and gone with its test.

use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use pyro_image::seed::write_empty_seed_image;
use pyro_proto::PORT_NAME;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::host::{Failure, Host};
use crate::input::{self, Runtime};

const QEMU: &str = "qemu-system-x86_64";

/// How long a machine may take to boot on a host that does much besides.
const BOOT: Duration = Duration::from_secs(60);

/// How long a machine may take to end once it was told to.
const END: Duration = Duration::from_secs(30);

const DISK_BYTES: u64 = 4 << 30;

/// How much of a log a failed test shows.
const LAST_LINES: usize = 40;

const KERNEL: &str = "console=ttyS0 quiet panic=-1 reboot=t 8250.nr_uarts=1 random.trust_cpu=on i8042.noaux \
                      i8042.nomux i8042.nopnp i8042.dumbkbd cryptomgr.notests no_timer_check mitigations=off \
                      pyro.bus=pci";

/// What the disk of a seed seems to hold, as in the product whatever the seed; it has blocks only for what is in it.
const SEED_BYTES: u64 = 1 << 40;

/// What a test's machine is made of.
#[derive(Debug, Clone)]
pub(crate) struct Shape {
    /// The read-only image.
    pub(crate) root: PathBuf,
    /// Whether it has a disk of its own.
    pub(crate) disk: Disk,
    /// Its memory.
    pub(crate) mem_mib: u32,
}

/// Whether a machine has a disk of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Disk {
    /// A fresh one.
    Own,
    /// A fresh one, and beside it one with a seed that is empty yet.
    OwnAndSeed,
    /// None: changes are kept in memory.
    None,
}

/// A running machine.
#[derive(Debug)]
pub(crate) struct Machine {
    qemu: Child,
    files: TempDir,
    shape: Shape,
    nonce: String,
}

impl Machine {
    /// Starts a machine; it boots while the caller goes on.
    pub(crate) fn start(shape: &Shape) -> Result<Self, Failure> {
        let files = TempDir::with_prefix("pyro-agent-vm-")?;
        if shape.disk != Disk::None {
            format_disk(&files.path().join("disk"))?;
        }
        if shape.disk == Disk::OwnAndSeed {
            let path = files.path().join("seed");
            let seed = File::options()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)?;
            // As in the product, where a machine is saved with it.
            write_empty_seed_image("tree", seed.try_clone()?, &path)?;
            seed.set_len(SEED_BYTES)?;
        }
        let nonce = new_nonce()?;
        Ok(Self {
            qemu: boot(shape, files.path(), &nonce)?,
            files,
            shape: shape.clone(),
            nonce,
        })
    }

    /// Starts a machine that has ended once more, on its old disks.
    pub(crate) async fn start_again(&mut self) -> Result<(), Failure> {
        self.ended().await?;
        // QEMU removes it, unless it was killed.
        drop(fs::remove_file(self.socket()));
        self.nonce = new_nonce()?;
        self.qemu = boot(&self.shape, self.files.path(), &self.nonce)?;
        Ok(())
    }

    /// Ends the machine without a word to it.
    pub(crate) async fn kill(&mut self) -> Result<(), Failure> {
        Ok(self.qemu.kill().await?)
    }

    /// Connects to the agent, and waits for the end of the boot if need be.
    pub(crate) async fn connect(&self) -> Result<Host, Failure> {
        let host = tokio::time::timeout(BOOT, Host::connect(&self.socket())).await;
        let host = host.map_err(|_| "the agent does not answer")??;
        let nonce = u128::from_be_bytes(host.hello.boot_nonce[..].try_into()?);
        if format!("{nonce:032x}") != self.nonce {
            return Err("the nonce is not that of this boot".into());
        }
        Ok(host)
    }

    /// The host's end of the port.
    pub(crate) fn socket(&self) -> PathBuf {
        self.files.path().join("agent")
    }

    /// The file that is the machine's own disk.
    pub(crate) fn disk(&self) -> PathBuf {
        self.files.path().join("disk")
    }

    /// The file that is the disk of a seed.
    pub(crate) fn seed(&self) -> PathBuf {
        self.files.path().join("seed")
    }

    /// Waits for the end of QEMU.
    pub(crate) async fn ended(&mut self) -> Result<ExitStatus, Failure> {
        let status = tokio::time::timeout(END, self.qemu.wait()).await;
        let state = self
            .qemu
            .id()
            .map(|id| fs::read_to_string(format!("/proc/{id}/status")));
        Ok(status.map_err(|_| format!("QEMU does not end: {state:?}"))??)
    }

    /// The end of what the machine's console and QEMU said.
    pub(crate) fn last_words(&self) -> String {
        ["console", "qemu"]
            .map(|name| tail(&self.files.path().join(name)))
            .concat()
    }
}

fn boot(shape: &Shape, files: &Path, nonce: &str) -> Result<Child, Failure> {
    let mut command = Command::new(input::program(QEMU, "qemu-system-x86")?);
    command.args(arguments(shape, &Runtime::find()?, files, nonce));
    // QEMU takes over the listening socket, so that there is no moment at which nobody listens.
    command.stdin(Stdio::from(OwnedFd::from(UnixListener::bind(
        files.join("agent"),
    )?)));
    let messages = File::create(files.join("qemu"))?;
    command.stdout(messages.try_clone()?).stderr(messages);
    Ok(command.kill_on_drop(true).spawn()?)
}

/// QEMU's arguments: the devices and the kernel command line are those of the product.
fn arguments(shape: &Shape, runtime: &Runtime, files: &Path, nonce: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut add = |words: &[&str]| list.extend(words.iter().map(|word| (*word).to_owned()));
    add(&["-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"]);
    add(&["-machine", "pc,graphics=off,vmport=off,usb=off,hpet=off"]);
    add(&[
        "-accel",
        "tcg,thread=multi,tb-size=256",
        "-cpu",
        "max",
        "-smp",
        "1",
    ]);
    add(&["-m", &format!("{}M", shape.mem_mib)]);
    add(&["-kernel", &runtime.kernel.to_string_lossy()]);
    add(&["-initrd", &runtime.initramfs.to_string_lossy()]);
    add(&["-append", &format!("{KERNEL} pyro.nonce={nonce}")]);
    add(&["-serial", &format!("file:{}", files.join("console").display())]);
    let mut disk = |node: &str, path: &Path, options: &str| {
        let file = format!("file.driver=file,file.filename={}", path.display());
        add(&[
            "-blockdev",
            &format!("driver=raw,node-name={node},{options},{file}"),
        ]);
        add(&["-device", &format!("virtio-blk-pci,drive={node}")]);
    };
    disk("disk0", &shape.root, "read-only=on,file.locking=off");
    if shape.disk != Disk::None {
        let options = "read-only=off,cache.no-flush=on,discard=unmap,detect-zeroes=unmap";
        disk("disk1", &files.join("disk"), options);
    }
    if shape.disk == Disk::OwnAndSeed {
        disk("disk2", &files.join("seed"), "read-only=on,file.locking=off");
    }
    add(&["-device", "virtio-serial-pci,max_ports=2"]);
    add(&["-chardev", "socket,id=agent,fd=0,server=on,wait=off"]);
    add(&[
        "-device",
        &format!("virtserialport,chardev=agent,name={PORT_NAME}"),
    ]);
    list
}

fn new_nonce() -> Result<String, Failure> {
    let mut random = [0; 16];
    File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(format!("{:032x}", u128::from_be_bytes(random)))
}

/// Makes a disk as the product does.
fn format_disk(path: &Path) -> Result<(), Failure> {
    File::create(path)?.set_len(DISK_BYTES)?;
    let mut mke2fs = std::process::Command::new(input::program("mke2fs", "e2fsprogs")?);
    mke2fs
        .args([
            "-q",
            "-F",
            "-t",
            "ext4",
            "-m",
            "0",
            "-O",
            "^resize_inode,extent,flex_bg,huge_file,dir_nlink,extra_isize,uninit_bg",
            "-I",
            "256",
            "-i",
            "16384",
            "-J",
            "size=16",
        ])
        .args(["-E", "assume_storage_prezeroed=1,nodiscard,root_owner=0:0"])
        .arg(path)
        .env("MKE2FS_CONFIG", "/dev/null");
    input::output(&mut mke2fs).map(drop)
}

fn tail(path: &Path) -> String {
    let text = fs::read(path).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<&str> = text.lines().collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    format!("--- {}\n{}\n", path.display(), last.join("\n"))
}
