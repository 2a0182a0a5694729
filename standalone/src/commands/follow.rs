//! Follows a load to its end, for all commands that start something with one: its progress, then a summary, then its outcome as the exit code.

use std::process::ExitCode;

use anyhow::{Result, bail};
use paystats_core::load::LoadState;
use serde_json::{Value, json};

use super::{
    name_here,
    output::{Table, cell, counts, visible},
};
use crate::{
    client::Client,
    loads::{self, AcceptedLoad},
    progress::{ProgressDisplay, count},
    signals::StopSignals,
    terminal::say,
};

const REJECTIONS: &str = "query ($id: ID!) { load(id: $id) { rejections(first: 5) { nodes { line column reason } } } }";

const CHANGES: &str = "query ($id: ID!) { load(id: $id) { totalChanges { month amount count } } }";

const KEPT: &str = "query ($id: ID!) { load(id: $id) { keptRows(first: 5) { databaseId reason load { number } } } }";

/// Shows the progress of a load until it ends, then what became of its rows. An end in another state than `wanted` is an error.
///
/// Ctrl-C and SIGTERM end the watching alone.
pub(super) async fn follow(client: &Client, load: &AcceptedLoad, wanted: LoadState) -> Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    let note = if load.is_dry_run { " (dry run)" } else { "" };
    let mut display = ProgressDisplay::new(format!("load #{} of {}{note}", load.number, visible(&load.source)));
    let watched = tokio::select! {
        last = loads::watch(client, load, &mut display) => Ok(last?),
        stop = signals.next() => Err(stop),
    };
    let last = match watched {
        Ok(last) => last,
        Err(stop) => {
            display.finish("not watched any more");
            say(goes_on(load, wanted));
            return Ok(stop.exit_code());
        }
    };
    let state: LoadState = serde_json::from_value(last["state"].clone())?;
    display.finish(outcome(state));
    say_summary(client, load, state, &last).await?;
    if state == wanted {
        return Ok(ExitCode::SUCCESS);
    }
    match last["error"].as_str() {
        Some(reason) => bail!("load #{} {}: {reason}", load.number, outcome(state)),
        None => bail!("load #{} ended as {}", load.number, name_here(state.name())),
    }
}

/// What a person who stops watching has to know.
fn goes_on(load: &AcceptedLoad, wanted: LoadState) -> String {
    let number = load.number;
    match wanted {
        LoadState::Succeeded => format!("load #{number} goes on: `paystats cancel {number}` stops it"),
        _ => format!("load #{number} is being taken back all the same"),
    }
}

fn outcome(state: LoadState) -> &'static str {
    match state {
        LoadState::Succeeded => "done",
        LoadState::Failed => "failed",
        LoadState::Cancelled => "cancelled",
        LoadState::Undone => "undone",
        LoadState::Queued | LoadState::Planning | LoadState::Loading | LoadState::RollingUp | LoadState::Reverting => {
            "not over"
        }
    }
}

async fn say_summary(client: &Client, load: &AcceptedLoad, state: LoadState, last: &Value) -> Result<()> {
    let rejected = count(last, "rowsRejected");
    match state {
        LoadState::Succeeded => say(counts(of_rows(load.is_dry_run, last))),
        // Of a file that could not be loaded at all there is nothing to tell but the reason.
        LoadState::Failed if count(last, "rowsRead") == 0 => {}
        LoadState::Failed => {
            let read = [("read", count(last, "rowsRead")), ("rejected", rejected)];
            say(counts(read.into_iter().chain(of_reverted(last))));
        }
        _ => say(counts(of_reverted(last))),
    }
    if matches!(state, LoadState::Succeeded | LoadState::Failed) && rejected > 0 {
        say(first_rejections(load, &client.query(REJECTIONS, json!({ "id": load.id })).await?));
    }
    if state == LoadState::Succeeded && load.is_dry_run && load.entity == "PAYSTATS" {
        say(changes(&client.query(CHANGES, json!({ "id": load.id })).await?));
    }
    if count(last, "rowsKept") > 0 {
        let answer = client.query(KEPT, json!({ "id": load.id })).await?;
        say(first_kept(load, &answer, count(last, "rowsKept")));
    }
    Ok(())
}

fn of_rows(is_dry_run: bool, last: &Value) -> [(&'static str, u64); 4] {
    let [inserted, updated] = if is_dry_run { ["would insert", "would update"] } else { ["inserted", "updated"] };
    [
        (inserted, count(last, "rowsInserted")),
        (updated, count(last, "rowsUpdated")),
        ("unchanged", count(last, "rowsUnchanged")),
        ("rejected", count(last, "rowsRejected")),
    ]
}

fn of_reverted(last: &Value) -> [(&'static str, u64); 2] {
    [("taken back", count(last, "rowsReverted")), ("kept", count(last, "rowsKept"))]
}

/// What a dry run would change in the total, in the API's exact decimals.
fn changes(answer: &Value) -> String {
    let months = nodes(&answer["load"]["totalChanges"]);
    if months.is_empty() {
        return "  the total would not change".to_owned();
    }
    let row = |change: &Value| ["month", "amount", "count"].map(|column| cell(&change[column]));
    let table = Table::new(["month", "amount", "count"]).lines(&months.iter().map(row).collect::<Vec<_>>());
    format!("  the total would change by\n    {}", table.trim_end().replace('\n', "\n    "))
}

fn first_rejections(load: &AcceptedLoad, answer: &Value) -> String {
    let line = |rejection: &Value| {
        let column = rejection["column"].as_str().map(|column| format!(", {column}")).unwrap_or_default();
        visible(&format!("    line {}{column}: {}", rejection["line"], cell(&rejection["reason"])))
    };
    let mut lines: Vec<_> = nodes(&answer["load"]["rejections"]["nodes"]).iter().map(line).collect();
    lines.push(format!("  `paystats rejections {}` lists all rejections", load.number));
    lines.join("\n")
}

/// Rows that stayed, of `all` that did, and why.
fn first_kept(load: &AcceptedLoad, answer: &Value, all: u64) -> String {
    let thing = if load.entity == "PAYSTATS" { "paystat" } else { "postal code" };
    let rows = nodes(&answer["load"]["keptRows"]);
    let line = |row: &Value| {
        let reason = match (row["reason"].as_str(), row["load"]["number"].as_i64()) {
            (Some("REPLACED_BY_LOAD"), Some(number)) => format!("load #{number} replaced it"),
            (Some("REPLACED_BY_LOAD"), None) => "a newer load replaced it".to_owned(),
            (Some("EDITED"), _) => "it was edited".to_owned(),
            (Some("DELETED"), _) => "it was deleted".to_owned(),
            (Some("IN_USE"), _) => "paystats name it, or its former code is another's".to_owned(),
            _ => name_here(&cell(&row["reason"])),
        };
        format!("    {thing} {}: {reason}", row["databaseId"])
    };
    let mut lines: Vec<_> = rows.iter().map(line).collect();
    let others = all.saturating_sub(rows.len() as u64);
    if others > 0 {
        lines.push(format!("    and {others} more"));
    }
    lines.join("\n")
}

fn nodes(list: &Value) -> &[Value] {
    list.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(entity: &str) -> AcceptedLoad {
        AcceptedLoad {
            id: "Load:a".to_owned(),
            number: 3,
            entity: entity.to_owned(),
            source: "a.csv".to_owned(),
            is_dry_run: false,
            state: LoadState::Reverting,
        }
    }

    #[test]
    fn rows_that_stay_are_told_with_their_reasons() {
        let row = |id: u64, reason: &str, number: Value| json!({ "databaseId": id, "reason": reason, "load": { "number": number } });
        let rows = json!([
            row(4, "REPLACED_BY_LOAD", 7.into()),
            row(5, "EDITED", Value::Null),
            row(6, "DELETED", Value::Null),
            row(7, "SOMETHING_NEW", Value::Null),
        ]);
        let answer = json!({ "load": { "keptRows": rows } });
        let lines = "    paystat 4: load #7 replaced it\n    paystat 5: it was edited\n    paystat 6: it was deleted\n    \
                     paystat 7: something-new";
        assert_eq!(first_kept(&load("PAYSTATS"), &answer, 4), lines);
        assert_eq!(first_kept(&load("PAYSTATS"), &answer, 6), format!("{lines}\n    and 2 more"));
        let in_use = json!({ "load": { "keptRows": [row(1, "IN_USE", Value::Null)] } });
        let told = first_kept(&load("POSTAL_CODES"), &in_use, 1);
        assert_eq!(told, "    postal code 1: paystats name it, or its former code is another's");
    }

    #[test]
    fn amounts_of_a_dry_run_are_told_as_they_are() {
        let months = json!([
            { "month": "2015-01", "amount": "-12345678901234567890.0000000000000001", "count": -2 },
            { "month": "2015-02", "amount": "0", "count": 1 },
        ]);
        let told = changes(&json!({ "load": { "totalChanges": months } }));
        let amount = "-12345678901234567890.0000000000000001";
        let expected = format!(
            "  the total would change by\n    month    amount{0}count\n    2015-01  {amount}  -2\n    2015-02  0{1}1",
            " ".repeat(amount.len() - 4),
            " ".repeat(amount.len() + 1),
        );
        assert_eq!(told, expected);
        assert_eq!(changes(&json!({ "load": { "totalChanges": [] } })), "  the total would not change");
    }
}
