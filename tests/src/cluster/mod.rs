//! Clusters of the engines on this machine: three mongod that are one [replica set](ReplicaSet), three nats-server that are one
//! [JetStream cluster](NatsCluster). Each member can be killed and started again on its data.
//!
//! A member keeps its port, because the others know it by that. Ports are taken from below the range that the system gives to connections,
//! so that none of these takes the port of a member that is away.

mod nats_cluster;
mod replica_set;

use std::{
    fs::{self, File},
    net::TcpListener,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use paystats_standalone::lifeline;
use tokio::process::Child;

pub use self::{nats_cluster::NatsCluster, replica_set::ReplicaSet};

/// Members of a cluster: of these, two are a majority.
const MEMBERS: usize = 3;
/// What both clusters are called.
const NAME: &str = "paystats-test";
/// Where Linux, as it comes, begins to take ports for connections is above these.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// One process of a cluster. It is started with the same command each time. Dropped, it is killed.
#[derive(Debug)]
struct Member {
    port: u16,
    command: Vec<String>,
    log: File,
    process: Option<Child>,
}

impl Member {
    /// Starts it with its data in a folder of its own under `folder`. It need not listen yet.
    async fn start(folder: &Path, name: &str, port: u16, command: Vec<String>) -> Self {
        let log = File::options().append(true).create(true).open(folder.join(format!("{name}.log"))).unwrap();
        let mut member = Self { port, command, log, process: None };
        member.run().await;
        member
    }

    async fn run(&mut self) {
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]).env("LC_ALL", "C");
        command.stdin(Stdio::null()).stdout(self.log.try_clone().unwrap()).stderr(self.log.try_clone().unwrap());
        self.process = Some(lifeline::spawn(command, Signal::SIGKILL).await.unwrap());
    }

    fn runs(&self) -> bool {
        self.process.is_some()
    }

    /// SIGKILL; returns when it is gone.
    async fn kill(&mut self) {
        self.process.take().expect("the member runs").kill().await.unwrap();
    }
}

impl Drop for Member {
    /// Waits until it is gone, so that its folder can be removed.
    fn drop(&mut self) {
        let Some(process) = &mut self.process else { return };
        let _ = process.start_kill();
        let deadline = Instant::now() + Duration::from_secs(5);
        while matches!(process.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// A folder for a member's data.
fn data_folder(folder: &Path, name: &str) -> String {
    let folder = folder.join(name);
    fs::create_dir(&folder).unwrap();
    folder.display().to_string()
}

/// Ports on which nobody listens now.
fn free_ports<const N: usize>() -> [u16; N] {
    // Held until all are found, so that none is found twice.
    let held: [TcpListener; N] = std::array::from_fn(|_| {
        std::iter::repeat_with(|| TcpListener::bind(("127.0.0.1", fastrand::u16(PORTS)))).find_map(Result::ok).unwrap()
    });
    held.map(|listener| listener.local_addr().unwrap().port())
}
