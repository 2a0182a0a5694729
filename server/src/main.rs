//! The server as a program of its own.

use anyhow::Context;
use paystats_core::{config::Config, shutdown, telemetry};
use paystats_server::{ServerConfig, raise_limit};
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    telemetry::init(telemetry::SERVICE)?;
    raise_limit();
    let (config, server) = (Config::from_env()?, ServerConfig::from_env()?);
    let shutdown = shutdown::on_signal().context("listening for signals")?;
    let listener = TcpListener::bind(server.address)
        .await
        .with_context(|| format!("PAYSTATS_HTTP_ADDR: {} cannot be listened on", server.address))?;
    paystats_server::run(listener, config, server, shutdown).await
}
