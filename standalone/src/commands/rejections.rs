//! `paystats rejections`: all refused rows of a load, as a table or as CSV.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use super::{
    api::{Pages, Server},
    output::{Table, cell, print},
};

const REJECTIONS: &str = "query ($id: ID!, $first: Int!, $after: String) {
    load(id: $id) {
        rejections(first: $first, after: $after) {
            nodes { line column code value reason }
            pageInfo { hasNextPage endCursor }
        }
    }
}";

const FILE: &str = "query ($id: ID!) { load(id: $id) { rejectionsCsv } }";

const COLUMNS: [&str; 5] = ["line", "column", "code", "value", "reason"];

#[derive(Debug, Args)]
pub(super) struct Rejections {
    /// The load's number, such as 42, or its id
    load: String,
    /// Print the server's file of rejections instead of a table: CSV with whole values and the fields of each row's record
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    server: Server,
}

impl Rejections {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let printed = if self.csv { self.print_file().await } else { self.print_table().await };
        printed.with_context(|| format!("load {}", self.load))?;
        Ok(ExitCode::SUCCESS)
    }

    async fn print_file(&self) -> Result<()> {
        let client = &self.server.client;
        let answer = client.query(FILE, json!({ "id": self.load })).await?;
        let path = answer["load"]["rejectionsCsv"].as_str().context("the server knows no such load")?;
        client.download(path, |piece| print(piece)).await
    }

    async fn print_table(&self) -> Result<()> {
        let variables = json!({ "id": self.load });
        let mut pages = Pages::new(&self.server.client, REJECTIONS, variables, "/load/rejections", u64::MAX);
        let mut table = Table::new(COLUMNS);
        while let Some(rejections) = pages.next().await? {
            if !print(table.lines(&rejections.iter().map(row).collect::<Vec<_>>()))? {
                break;
            }
        }
        Ok(())
    }
}

fn row(rejection: &Value) -> [String; 5] {
    COLUMNS.map(|column| cell(&rejection[column]))
}
