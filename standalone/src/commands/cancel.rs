//! `paystats cancel`: stops a load and has taken back what it wrote; watches that if asked to.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use paystats_core::load::LoadState;

use super::{api::Server, follow::follow};
use crate::{loads, terminal::say};

#[derive(Debug, Args)]
pub(super) struct Cancel {
    /// The load's number, such as 42, or its id
    load: String,
    /// Show the progress until its rows are taken back, then a summary; Ctrl-C stops watching, and taking back goes on
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

impl Cancel {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let client = &self.server.client;
        let load = loads::cancel(client, &self.load).await.with_context(|| format!("load {}", self.load))?;
        // What is over already has its summary at once.
        if self.watch || load.state.is_final() {
            return follow(client, &load, LoadState::Cancelled).await;
        }
        let number = load.number;
        say(format_args!("load #{number} is being taken back: `paystats cancel {number} --watch` tells how far it is"));
        Ok(ExitCode::SUCCESS)
    }
}
