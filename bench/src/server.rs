//! A server that is measured, as a process of its own, and questions to it over connections that stay open.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use paystats_core::config::Config;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::process::Process;

/// Runs until it is dropped.
pub struct ServerProcess {
    /// The process.
    pub process: Process,
    /// Where it listens, on 127.0.0.1.
    pub port: u16,
}

impl ServerProcess {
    /// Starts ours and waits until it is ready. The time that takes is given too.
    pub async fn start(config: &Config) -> Result<(Self, Duration)> {
        Self::start_program("server-under-bench", config).await
    }

    /// Starts a server that was built with this program.
    pub async fn start_program(program: &str, config: &Config) -> Result<(Self, Duration)> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let start = Instant::now();
        let address = format!("127.0.0.1:{port}");
        // All clients are one caller.
        let unlimited = ["PAYSTATS_RATE_PER_SECOND", "PAYSTATS_SUBSCRIPTIONS"].map(|quota| (quota, "0".to_owned()));
        let settings = [&[("PAYSTATS_HTTP_ADDR", address)], unlimited.as_slice()].concat();
        let process = Process::start(program, config, &settings)?;
        let server = Self { process, port };
        while !server.is_ready().await {
            ensure!(start.elapsed() < Duration::from_secs(120), "the server is not ready");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok((server, start.elapsed()))
    }

    async fn is_ready(&self) -> bool {
        let Ok(mut connection) = self.connect().await else { return false };
        connection.ask(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n").await.is_ok()
    }

    pub async fn connect(&self) -> Result<Connection> {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.set_nodelay(true)?;
        Ok(Connection { stream, read: Vec::new() })
    }
}

/// A connection that asks one question after the other.
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
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
