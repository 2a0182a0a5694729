//! The server that is measured, as a process of its own, and questions to it over connections that stay open.

use std::{
    fs,
    net::TcpListener,
    process::{Child, Command},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::config::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::bed::programs;

/// Runs until it is dropped.
pub struct ServerProcess {
    child: Child,
    port: u16,
}

impl ServerProcess {
    /// Starts it and waits until it is ready. The time that takes is given too.
    pub async fn start(config: &Config) -> Result<(Self, Duration)> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let start = Instant::now();
        let child = Command::new(programs()?.join("server-under-bench"))
            .env("PAYSTATS_HTTP_ADDR", format!("127.0.0.1:{port}"))
            .env("PAYSTATS_MONGODB_URI", config.store.uri.expose())
            .env("PAYSTATS_DATABASE", &config.store.database)
            .env("PAYSTATS_NATS_URL", config.bus.url.expose())
            .env("PAYSTATS_NATS_PREFIX", &config.bus.prefix)
            .env("PAYSTATS_DATALAKE", config.datalake.root.to_string())
            .env("PAYSTATS_LOG", "warn")
            .spawn()
            .context("starting the server")?;
        let server = Self { child, port };
        while !server.is_ready().await {
            ensure!(start.elapsed() < Duration::from_secs(120), "the server is not ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok((server, start.elapsed()))
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = self.connect().await else { return false };
        connection.ask(b"GET /readyz HTTP/1.1\r\nhost: bench\r\n\r\n").await.is_ok()
    }

    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, read: Vec::new() })
    }

    /// The memory that it has resident now.
    pub fn resident_bytes(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kib: u64 = line.trim().trim_end_matches(" kB").parse().context("VmRSS is no number")?;
        Ok(kib * 1024)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.child.id().cast_signed()), Signal::SIGTERM);
        let _ = self.child.wait();
    }
}

/// A connection that asks one question after the other.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A question as bytes of HTTP.
pub fn request(query: &str) -> Vec<u8> {
    let body = serde_json::json!({ "query": query }).to_string();
    let length = body.len();
    let head = "POST /graphql HTTP/1.1\r\nhost: bench\r\ncontent-type: application/json";
    format!("{head}\r\ncontent-length: {length}\r\n\r\n{body}").into_bytes()
}

impl Connection {
    /// Sends a request and reads its answer. Fails for any other status than 200.
    pub async fn ask(&mut self, request: &[u8]) -> Result<&[u8]> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let head = loop {
            if let Some(end) = self.read.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
                break end + 4;
            }
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server hung up");
        };
        let text = str::from_utf8(&self.read[..head])?.to_ascii_lowercase();
        if !text.starts_with("http/1.1 200") {
            bail!("{}", String::from_utf8_lossy(&self.read));
        }
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.context("no content-length")?.parse()?;
        while self.read.len() < head + length {
            ensure!(self.stream.read_buf(&mut self.read).await? > 0, "the server hung up");
        }
        Ok(&self.read[head..])
    }
}
