//! What `paystats` can do: a file a command.

mod engines_exec;
mod run;

use std::{ffi::OsString, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};

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
            Command::Engines(EnginesCommand::Exec { command }) => engines_exec::exec(&command).await,
        }
    }
}
