//! mongod as a replica set of one.

use std::{
    fs,
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result};

use super::{
    locate,
    process::Process,
    replica_set::{self, make_primary},
};

/// The share of memory that mongod's cache gets unless told otherwise, in GB.
pub const DEFAULT_CACHE_GB: f64 = 1.0;

/// How long mongod may take until it is primary. Recovery after a kill in the middle of a large load takes its time, and half a minute
/// passes when the port of the run before now belongs to somebody who does not answer.
const STARTING: Duration = Duration::from_secs(120);

/// mongod's exit code when it cannot listen on its port.
const CANNOT_LISTEN: i32 = 48;

/// A running mongod: a writable primary. Killed when dropped.
#[derive(Debug)]
pub struct Mongod {
    process: Process,
    port: u16,
}

impl Mongod {
    /// Starts mongod with its data in `dir`, which is created if it is missing. Without `port`: the port of the run before, if that is
    /// free, else any free one.
    pub async fn start(dir: &Path, port: Option<u16>) -> Result<Self> {
        Self::start_with_cache(dir, port, DEFAULT_CACHE_GB).await
    }

    /// As [`Mongod::start`], with `cache_gb` GB for the cache: at least 0.25; tests take 0.5.
    pub async fn start_with_cache(dir: &Path, port: Option<u16>, cache_gb: f64) -> Result<Self> {
        fs::create_dir_all(dir.join("db")).with_context(|| format!("creating {}", dir.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        let port_file = dir.join("port");

        // A port that is free now may be taken a moment later.
        let mut tries = 3;
        loop {
            let chosen = match port {
                Some(port) => port,
                None => previous_port(&port_file).map_or_else(free_port, Ok)?,
            };
            let mut process = Process::start("mongod", command(&dir, chosen, cache_gb)?, &dir).await?;
            let pid = process.pid();
            match process.during(STARTING, make_primary(chosen, pid)).await {
                Ok(()) => {
                    fs::write(&port_file, chosen.to_string()).context("noting mongod's port")?;
                    return Ok(Self { process, port: chosen });
                }
                Err(error) => {
                    tries -= 1;
                    let was_taken = process.status().is_some_and(|status| status.code() == Some(CANNOT_LISTEN));
                    if port.is_some() || !was_taken || tries == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Connection string. It names the replica set, as in production: the driver finds the primary and retries writes.
    pub fn uri(&self) -> String {
        format!("mongodb://127.0.0.1:{}/?replicaSet={}", self.port, replica_set::NAME)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Completes when mongod has ended by itself, with the reason.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.process.ended().await
    }

    /// Stops it cleanly.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    /// Kills it, as a power cut would; what was journaled is there at the next start.
    pub async fn kill(self) -> Result<()> {
        self.process.kill().await
    }
}

fn command(dir: &Path, port: u16, cache_gb: f64) -> Result<Command> {
    let mut command = Command::new(locate::mongod()?);
    command.arg("--dbpath").arg(dir.join("db"));
    command.args([
        "--replSet",
        replica_set::NAME,
        "--bind_ip",
        "127.0.0.1",
        "--nounixsocket",
        "--port",
        &port.to_string(),
    ]);
    command.args(["--wiredTigerCacheSizeGB", &cache_gb.to_string()]);
    // The default is a twentieth of the disk. 1 GB holds about four million changes, enough for a change stream to be resumed.
    command.args(["--oplogSize", "1024"]);
    command.args(["--setParameter", "diagnosticDataCollectionEnabled=false"]);
    // A primary about to stop waits this long for its clients to find another one. There is no other one.
    command.args(["--setParameter", "shutdownTimeoutMillisForSignaledShutdown=100"]);
    Ok(command)
}

/// The port of the run before, if it can be had again: then the replica set's configuration fits as it is.
fn previous_port(file: &Path) -> Option<u16> {
    let port = fs::read_to_string(file).ok()?.trim().parse().ok()?;
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok().map(|_| port)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}
