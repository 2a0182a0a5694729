//! `paystats loads`: the loads of a server, the newest first.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};

use super::{
    ENTITIES, STATES,
    api::{Pages, Server},
    api_names, name_here,
    output::{Table, cell, print},
};

const LOADS: &str = "query ($filter: LoadFilter, $first: Int!, $after: String) {
    loads(filter: $filter, first: $first, after: $after) {
        nodes {
            id number entity source sourceSizeBytes dryRun onReject maxRejected maxRejectedRatio onlyRejected retryOf { number }
            state error createdAt startedAt finishedAt
            progress {
                rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected rowsReverted rowsKept rowsTotal fraction
            }
        }
        pageInfo { hasNextPage endCursor }
    }
}";

#[derive(Debug, Args)]
pub(super) struct Loads {
    /// At most this many
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    first: u64,
    /// Only loads of this entity
    #[arg(long, value_parser = api_names(ENTITIES))]
    entity: Option<String>,
    /// Only loads in this state; several are separated by commas
    #[arg(long, value_parser = api_names(STATES), value_delimiter = ',')]
    state: Vec<String>,
    /// Print a JSON object a line, with the API's own names, instead of a table
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

impl Loads {
    pub(super) async fn run(self) -> Result<ExitCode> {
        let states = (!self.state.is_empty()).then_some(self.state);
        let variables = json!({ "filter": { "entity": self.entity, "states": states } });
        let mut pages = Pages::new(&self.server.client, LOADS, variables, "/loads", self.first);
        let mut table = Table::new(["load", "entity", "source", "state", "rows", "rejected", "accepted at"]);
        while let Some(loads) = pages.next().await? {
            let text = match self.json {
                true => loads.iter().map(|load| format!("{load}\n")).collect(),
                false => table.lines(&loads.iter().map(row).collect::<Vec<_>>()),
            };
            if !print(&text)? {
                break;
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn row(load: &Value) -> [String; 7] {
    [
        format!("#{}", load["number"]),
        name_here(&cell(&load["entity"])),
        cell(&load["source"]),
        format!("{}{}", name_here(&cell(&load["state"])), if load["dryRun"] == true { " (dry run)" } else { "" }),
        cell(&load["progress"]["rowsRead"]),
        cell(&load["progress"]["rowsRejected"]),
        to_the_second(&cell(&load["createdAt"])),
    ]
}

/// `2026-11-24 08:30:28 UTC`: the API's times are RFC 3339, in UTC.
fn to_the_second(time: &str) -> String {
    match time.get(..19) {
        Some(seconds) => format!("{} UTC", seconds.replace('T', " ")),
        None => time.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_to_the_second() {
        assert_eq!(to_the_second("2026-11-24T08:30:28.123456Z"), "2026-11-24 08:30:28 UTC");
        assert_eq!(to_the_second(""), "");
    }
}
