//! The `paystats` command.
//!
//! With `PAYSTATS_DIE_WITH_PARENT=1` it gets SIGTERM when the process that started it is gone (Linux); `make` sets that.

use std::{process::ExitCode, time::Duration};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use paystats_core::{config::optional, telemetry};
use paystats_server::raise_limit;
use paystats_standalone::{commands::Cli, lifeline};
use tokio::runtime::Runtime;

fn main() -> ExitCode {
    start(Cli::parse()).unwrap_or_else(|error| {
        eprintln!("paystats: {error:#}");
        ExitCode::FAILURE
    })
}

fn start(cli: Cli) -> Result<ExitCode> {
    // Before any thread is started: the kernel notes it for this thread.
    if optional("PAYSTATS_DIE_WITH_PARENT").as_deref() == Some("1") {
        lifeline::end_with_parent().context("PAYSTATS_DIE_WITH_PARENT")?;
    }
    let _traces = telemetry::init("paystats", telemetry::TERMINAL)?;
    raise_limit();
    let runtime = Runtime::new().context("starting the runtime")?;
    let outcome = runtime.block_on(cli.execute());
    // A blocking task that was left behind must not keep the process from ending.
    runtime.shutdown_timeout(Duration::from_secs(1));
    outcome
}
