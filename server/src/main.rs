//! The server as a program of its own.

use anyhow::Context;
use clap::{Parser, Subcommand};
use paystats_core::{config::Config, shutdown, telemetry};
use paystats_server::{ServerConfig, access::NewKey, raise_limit};
use tokio::net::TcpListener;

/// Answers questions about card payments, over HTTP. Its settings come from the environment.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    ApiKey(NewKey),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    if let Some(Command::ApiKey(new)) = Cli::parse().command {
        return new.execute();
    }
    let _traces = telemetry::init("paystats-server", telemetry::SERVICE)?;
    raise_limit();
    let (config, server) = (Config::from_env()?, ServerConfig::from_env()?);
    let shutdown = shutdown::on_signal().context("listening for signals")?;
    let listener = TcpListener::bind(server.address)
        .await
        .with_context(|| format!("PAYSTATS_HTTP_ADDR: {} cannot be listened on", server.address))?;
    paystats_server::run(listener, config, server, shutdown).await
}
