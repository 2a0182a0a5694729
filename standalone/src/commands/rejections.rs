//! `paystats rejections`: all refused rows of a load, as a table or as CSV.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;
use serde_json::{Value, json};

use super::{
    api::{Pages, Server},
    output::{Table, cell, csv_record, print},
};

const REJECTIONS: &str = "query ($id: ID!, $first: Int!, $after: String) {
    load(id: $id) {
        rejections(first: $first, after: $after) {
            nodes { line column code value reason }
            pageInfo { hasNextPage endCursor }
        }
    }
}";

const COLUMNS: [&str; 5] = ["line", "column", "code", "value", "reason"];

#[derive(Debug, Args)]
pub(super) struct Rejections {
    /// The load's number, such as 42, or its id
    load: String,
    /// Print CSV with a header and whole values, instead of a table
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    server: Server,
}

impl Rejections {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let variables = json!({ "id": self.load });
        let mut pages = Pages::new(&self.server.client, REJECTIONS, variables, "/load/rejections", u64::MAX);
        let mut table = Table::new(COLUMNS);
        let mut csv = csv_record(COLUMNS);
        while let Some(rejections) = pages.next().await.with_context(|| format!("load {}", self.load))? {
            let rows: Vec<_> = rejections.iter().map(row).collect();
            let text = match self.csv {
                true => {
                    csv.extend(rows.iter().map(|row| csv_record(row.each_ref().map(String::as_str))));
                    std::mem::take(&mut csv)
                }
                false => table.lines(&rows),
            };
            if !print(&text)? {
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(rejection: &Value) -> [String; 5] {
    COLUMNS.map(|column| cell(&rejection[column]))
}
