//! The `paystats` command from outside: what it starts, what it leaves behind. Needs `make engines`, and `/proc`.
#![cfg(target_os = "linux")]

mod generate;
mod house;
mod loads;
mod processes;
mod store;
mod supervision;

use std::process::Command;

fn paystats() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_paystats"));
    for variable in [
        "PAYSTATS_MONGODB_URI",
        "PAYSTATS_DATABASE",
        "PAYSTATS_NATS_URL",
        "PAYSTATS_DATALAKE",
        "PAYSTATS_DIE_WITH_PARENT",
        "PAYSTATS_SERVER",
    ] {
        command.env_remove(variable);
    }
    command
}
