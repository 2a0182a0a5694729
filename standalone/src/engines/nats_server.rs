//! nats-server with JetStream.

use std::{fs, io, path::Path, process::Command, time::Duration};

use anyhow::{Context as _, Result, ensure};
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpStream,
    time::sleep,
};

use super::{locate, process::Process};

/// How long nats-server may take until it answers; it reads its streams first.
const STARTING: Duration = Duration::from_secs(60);

/// A running nats-server. Killed when dropped.
#[derive(Debug)]
pub struct NatsServer {
    process: Process,
    port: u16,
}

impl NatsServer {
    /// Starts nats-server with its streams in `dir`, which is created if it is missing. Without `port`: any free one.
    pub async fn start(dir: &Path, port: Option<u16>) -> Result<Self> {
        // It writes its addresses there, in a file named after its process.
        let ports = dir.join("ports");
        if let Err(error) = fs::remove_dir_all(&ports)
            && error.kind() != io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("emptying {}", ports.display()));
        }
        fs::create_dir_all(&ports).with_context(|| format!("creating {}", ports.display()))?;
        let dir = dir.canonicalize().with_context(|| format!("finding {}", dir.display()))?;
        let ports = dir.join("ports");

        let mut command = Command::new(locate::nats_server()?);
        command.args(["--jetstream", "--addr", "127.0.0.1", "--port"]);
        command.arg(port.map_or("-1".to_owned(), |port| port.to_string()));
        command.arg("--store_dir").arg(&dir).arg("--ports_file_dir").arg(&ports);

        let mut process = Process::start("nats-server", command, &dir).await?;
        let port = process.during(STARTING, answering_port(&ports)).await?;
        Ok(Self { process, port })
    }

    /// URL for clients.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Completes when nats-server has ended by itself, with the reason.
    pub async fn ended(&mut self) -> anyhow::Error {
        self.process.ended().await
    }

    /// Stops it cleanly.
    pub async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    /// Kills it; what was written is there at the next start.
    pub async fn kill(self) -> Result<()> {
        self.process.kill().await
    }
}

/// Waits for the address and for a greeting that promises JetStream. Waits for ever: the caller sets the limit.
async fn answering_port(ports: &Path) -> Result<u16> {
    let port = loop {
        if let Some(port) = written_port(ports)? {
            break port;
        }
        sleep(Duration::from_millis(5)).await;
    };
    let stream = TcpStream::connect(("127.0.0.1", port)).await.context("connecting to nats-server")?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).await.context("reading nats-server's greeting")?;
    let info: serde_json::Value = greeting
        .strip_prefix("INFO ")
        .and_then(|info| serde_json::from_str(info).ok())
        .with_context(|| format!("nats-server greets with {greeting:?}"))?;
    ensure!(info["jetstream"] == true, "nats-server has no JetStream");
    Ok(port)
}

/// `None` while the file is missing or half written.
fn written_port(ports: &Path) -> Result<Option<u16>> {
    let folder = fs::read_dir(ports).with_context(|| format!("reading {}", ports.display()))?;
    let text = folder.flatten().find_map(|file| fs::read_to_string(file.path()).ok());
    let addresses: Option<serde_json::Value> = text.and_then(|text| serde_json::from_str(&text).ok());
    let port = addresses.as_ref().and_then(|addresses| addresses["nats"][0].as_str()?.rsplit_once(':')?.1.parse().ok());
    Ok(port)
}
