//! `paystats engines exec -- COMMAND`: the engines for the length of a command, for tests.

use std::{
    ffi::OsString,
    future::pending,
    os::unix::process::ExitStatusExt as _,
    process::{Command, ExitCode, ExitStatus},
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{process::Child, time::sleep};

use crate::{
    engines::LocalEngines,
    lifeline,
    signals::{Stop, StopSignals},
};

/// mongod's cache: tests have little data, and the machine has compilers to run.
const CACHE_GB: f64 = 0.5;

/// How long a command that was asked to stop may take before it is killed.
const STOPPING: Duration = Duration::from_secs(10);

pub(super) async fn exec(command: &[OsString]) -> Result<ExitCode> {
    let mut signals = StopSignals::listen()?;
    let folder = tempfile::Builder::new().prefix("paystats-engines-").tempdir().context("making a temporary folder")?;
    let engines = tokio::select! {
        engines = LocalEngines::start(folder.path(), CACHE_GB) => engines?,
        _ = signals.next() => return Ok(ExitCode::FAILURE),
    };
    let outcome = run_beside(&engines, command, &mut signals).await;
    engines.stop().await?;
    folder.close().context("removing the temporary folder")?;
    Ok(exit_code(outcome?))
}

async fn run_beside(engines: &LocalEngines, command: &[OsString], signals: &mut StopSignals) -> Result<ExitStatus> {
    let [program, arguments @ ..] = command else { anyhow::bail!("no command was given") };
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("PAYSTATS_TEST_MONGODB_URI", engines.mongod.uri())
        .env("PAYSTATS_TEST_NATS_URL", engines.nats_server.url())
        // Meant for this process, whose parent is `make`.
        .env_remove("PAYSTATS_DIE_WITH_PARENT");
    // It stays in our process group: in a terminal it may read, and Ctrl-C reaches it as if we were not there.
    let mut child =
        lifeline::spawn(command, Signal::SIGTERM).await.with_context(|| format!("starting {}", program.display()))?;

    let mut asked_to_stop = false;
    loop {
        let out_of_patience = async { if asked_to_stop { sleep(STOPPING).await } else { pending().await } };
        tokio::select! {
            status = child.wait() => return status.context("waiting for the command"),
            stop = signals.next() => {
                if asked_to_stop {
                    child.start_kill()?;
                } else if stop == Stop::Terminate {
                    ask_to_stop(&child);
                }
                asked_to_stop = true;
            }
            () = out_of_patience => child.start_kill()?,
        }
    }
}

fn ask_to_stop(child: &Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
    }
}

/// As a shell tells it: 128 and the signal's number when one ended the command.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    ExitCode::from(u8::try_from(code).unwrap_or(1))
}
