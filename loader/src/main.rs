//! The loader as a program of its own.

use anyhow::Context;
use paystats_core::{config::Config, shutdown, telemetry};
use paystats_loader::LoaderConfig;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let _traces = telemetry::init("paystats-loader", telemetry::SERVICE)?;
    let (config, loader) = (Config::from_env()?, LoaderConfig::from_env()?);
    let shutdown = shutdown::on_signal().context("listening for signals")?;
    let operators = paystats_loader::listen_for_operators().await?;
    paystats_loader::run(config, loader, operators, shutdown).await
}
