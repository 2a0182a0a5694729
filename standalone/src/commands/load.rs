//! `paystats load`: starts a load, and watches it if asked to.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use indicatif::HumanCount;
use serde_json::{Value, json};

use super::{
    ENTITIES,
    api::Server,
    api_names,
    output::{cell, visible},
};
use crate::{
    client::Client,
    loads::{self, AcceptedLoad},
    progress::ProgressDisplay,
    terminal::say,
};

const REJECTIONS: &str = "query ($id: ID!) { load(id: $id) { rejections(first: 5) { nodes { line column reason } } } }";

#[derive(Debug, Args)]
pub(super) struct Load {
    /// The file, as its path inside the server's data lake, such as 2015/paystats.csv
    source: String,
    /// What its rows are
    #[arg(long, value_parser = api_names(ENTITIES))]
    entity: String,
    /// A name for this request, 1 to 200 bytes: asked again with the same key, the same load is answered
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    /// Show the progress until the load ends, then a summary
    #[arg(long)]
    watch: bool,
    #[command(flatten)]
    server: Server,
}

impl Load {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let client = &self.server.client;
        let load = loads::start(client, &self.entity, &self.source, self.idempotency_key.as_deref()).await?;
        say(format_args!("load #{} ({}) accepted", load.number, load.id));
        if self.watch {
            self.watch(&load).await?;
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn watch(&self, load: &AcceptedLoad) -> Result<()> {
        let mut display = ProgressDisplay::new(format!("load #{} of {}", load.number, visible(&self.source)));
        let last = loads::watch(&self.server.client, load, &mut display).await?;
        let succeeded = last["state"] == "SUCCEEDED";
        display.finish(if succeeded { "done" } else { "failed" });
        if last["rowsRead"].as_u64().unwrap_or(0) > 0 || succeeded {
            say(counts(&last));
        }
        if last["rowsRejected"].as_u64().unwrap_or(0) > 0 {
            say(first_rejections(&self.server.client, load).await?);
        }
        if !succeeded {
            bail!("load #{} failed: {}", load.number, last["error"].as_str().unwrap_or("no reason was given"));
        }
        Ok(())
    }
}

fn counts(progress: &Value) -> String {
    let count = |field: &str| HumanCount(progress[field].as_u64().unwrap_or(0));
    format!(
        "  inserted   {}\n  updated    {}\n  unchanged  {}\n  rejected   {}",
        count("rowsInserted"),
        count("rowsUpdated"),
        count("rowsUnchanged"),
        count("rowsRejected")
    )
}

async fn first_rejections(client: &Client, load: &AcceptedLoad) -> Result<String> {
    let answer = client.query(REJECTIONS, json!({ "id": load.id })).await?;
    let rejections = answer["load"]["rejections"]["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
    let line = |rejection: &Value| {
        let column = rejection["column"].as_str().map(|column| format!(", {column}")).unwrap_or_default();
        visible(&format!("    line {}{column}: {}", rejection["line"], cell(&rejection["reason"])))
    };
    let mut lines: Vec<_> = rejections.iter().map(line).collect();
    lines.push(format!("  `paystats rejections {}` lists all rejections", load.number));
    Ok(lines.join("\n"))
}
