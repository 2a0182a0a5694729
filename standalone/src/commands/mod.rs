//! What `paystats` can do: a file a command, and what those share that ask a server (`api`, `follow`, `output`) or the database (`database`).

mod api;
mod backup;
mod cancel;
mod database;
mod engines_exec;
mod follow;
mod generate;
mod load;
mod loads;
mod output;
mod rejections;
mod restore;
mod retry;
mod run;
mod undo;
mod verify;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{
    Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
};

use paystats_server::access::NewKey;

use self::{
    backup::Backup, cancel::Cancel, generate::Generate, load::Load, loads::Loads, rejections::Rejections,
    restore::Restore, retry::Retry, undo::Undo, verify::Verify,
};

/// Card payments by place, month, age and gender: a GraphQL API with its loader, on one machine.
#[derive(Debug, Parser)]
#[command(name = "paystats", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything: MongoDB and NATS (unless PAYSTATS_MONGODB_URI or PAYSTATS_NATS_URL names one), the server and the loader
    ///
    /// PAYSTATS_HTTP_ADDR says where to listen (127.0.0.1:8080), PAYSTATS_DATA_DIR where to keep data (.paystats), PAYSTATS_DATALAKE where
    /// files to load are (datalake in the data folder). An empty store is filled with a demo data set, unless PAYSTATS_DEMO is off.
    Run,
    /// Load a file of the data lake into a running server
    ///
    /// Exits with 0 if the load was accepted or, with --watch, succeeded; with 1 if it failed. Loading a file again changes nothing.
    Load(Load),
    /// Stop a load and take back what it wrote
    ///
    /// Rows that were changed since, by newer loads or edits, stay. Exits with 0 if the load is being taken back or, with --watch, ended as
    /// cancelled.
    Cancel(Cancel),
    /// Repeat a load that failed, was cancelled or undone, as a new load of its source as it is now
    ///
    /// Exits with 0 if the new load was accepted or, with --watch, succeeded; with 1 if it failed, or if there is nothing to repeat.
    Retry(Retry),
    /// Take back a load that has succeeded: rows that it inserted go, rows that it replaced return
    ///
    /// Rows that were changed since, by newer loads or edits, stay. Exits with 0 if the load is being taken back or, with --watch, ended as
    /// undone.
    Undo(Undo),
    /// List the loads of a running server, the newest first
    Loads(Loads),
    /// List the rows that a load refused, and why
    Rejections(Rejections),
    /// Hold the totals that answers are made from against the paystats in MongoDB, which PAYSTATS_MONGODB_URI names
    ///
    /// Exits with 0 if all are right or, with --repair, were mended; with 1 if some are wrong.
    Verify(Verify),
    /// Write all that is kept in MongoDB into a file, of one moment, while everything runs
    ///
    /// PAYSTATS_MONGODB_URI and PAYSTATS_DATABASE say of which database, which is only read.
    Backup(Backup),
    /// Restore a backup into an empty database, and bring it up to date
    ///
    /// PAYSTATS_MONGODB_URI and PAYSTATS_DATABASE say into which. Nothing is written where the file is damaged or the database is not empty.
    /// Loads that were under way go on once a server and a loader run.
    Restore(Restore),
    ApiKey(NewKey),
    /// Write made-up files to load: postal_codes.csv and paystats.csv
    Generate(Generate),
    /// Do something with the engines alone, mongod and nats-server
    #[command(subcommand)]
    Engines(EnginesCommand),
}

#[derive(Debug, Subcommand)]
enum EnginesCommand {
    /// Run a command with fresh engines that are gone when it ends; pass on its exit code
    ///
    /// The command finds them by PAYSTATS_TEST_MONGODB_URI and PAYSTATS_TEST_NATS_URL.
    Exec {
        /// The program and its arguments
        #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "COMMAND")]
        command: Vec<OsString>,
    },
}

impl Cli {
    /// Does what the command line says.
    pub async fn execute(self) -> Result<ExitCode> {
        match self.command {
            Command::Run => run::run().await,
            Command::Load(load) => load.run().await.map_err(api::explained),
            Command::Cancel(cancel) => cancel.run().await.map_err(api::explained),
            Command::Retry(retry) => retry.run().await.map_err(api::explained),
            Command::Undo(undo) => undo.run().await.map_err(api::explained),
            Command::Loads(loads) => loads.run().await.map_err(api::explained),
            Command::Rejections(rejections) => rejections.run().await.map_err(api::explained),
            Command::Verify(verify) => verify.run().await,
            Command::Backup(backup) => backup.run().await,
            Command::Restore(restore) => restore.run().await,
            Command::ApiKey(new) => new.execute().map(|()| ExitCode::SUCCESS),
            Command::Generate(generate) => generate.run(),
            Command::Engines(EnginesCommand::Exec { command }) => engines_exec::exec(&command).await,
        }
    }
}

/// The API's `LoadEntity` as it is written here.
const ENTITIES: &[&str] = &["postal-codes", "paystats"];

/// The API's `LoadState` as it is written here.
const STATES: &[&str] =
    &["queued", "planning", "loading", "rolling-up", "reverting", "succeeded", "failed", "cancelled", "undone"];

/// The API's `OnReject` as it is written here.
const ON_REJECT: &[&str] = &["skip", "abort"];

/// Takes one of `names`, yields the API's name for it: `postal-codes` is `POSTAL_CODES`.
fn api_names(names: &'static [&'static str]) -> impl TypedValueParser<Value = String> {
    PossibleValuesParser::new(names).map(|name| name.to_uppercase().replace('-', "_"))
}

/// A name of the API as it is written here: `POSTAL_CODES` is `postal-codes`.
fn name_here(name: &str) -> String {
    name.to_lowercase().replace('_', "-")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn names_are_those_of_the_api() {
        let schema = include_str!("../../../schema.graphql");
        for (name, names) in [("LoadEntity", ENTITIES), ("LoadState", STATES), ("OnReject", ON_REJECT)] {
            let values = schema.split_once(&format!("enum {name} {{")).unwrap().1.split_once('}').unwrap().0;
            let is_name =
                |line: &&str| line.chars().all(|character| character.is_ascii_uppercase() || character == '_');
            let there = values.lines().map(str::trim).filter(|line| !line.is_empty()).filter(is_name);
            let here =
                names.iter().map(|name| api_names(names).parse_ref(&Cli::command(), None, name.as_ref()).unwrap());
            assert_eq!(here.collect::<Vec<_>>(), there.clone().collect::<Vec<_>>());
            assert!(there.map(name_here).eq(names.iter().copied()));
        }
    }
}
