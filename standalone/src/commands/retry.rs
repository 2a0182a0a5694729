//! `paystats retry`: repeats a load as a new one, and watches that if asked to.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use paystats_core::load::LoadState;
use serde_json::json;

use super::{api::Server, follow::follow};
use crate::{loads, terminal::say};

#[derive(Debug, Args)]
pub(super) struct Retry {
    /// The load's number, such as 42, or its id
    load: String,
    /// Of a load that has succeeded, load the lines that it refused, as they stand in its source now
    #[arg(long)]
    only_rejected: bool,
    /// A name for this request, 1 to 200 bytes: asked again with the same key, the same load is answered
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Show the progress until the new load ends, then a summary; Ctrl-C stops watching, and the load goes on
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

impl Retry {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let client = &self.server.client;
        let input =
            json!({ "id": self.load, "onlyRejected": self.only_rejected, "idempotencyKey": self.idempotency_key });
        let load = loads::retry(client, input).await.with_context(|| format!("load {}", self.load))?;
        say(format_args!("load #{} ({}) accepted", load.number, load.id));
        if self.watch { follow(client, &load, LoadState::Succeeded).await } else { Ok(ExitCode::SUCCESS) }
    }
}
