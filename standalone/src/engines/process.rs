//! What both engines have in common as processes: started with a log and a claim on their folder, watched, stopped, killed.

use std::{
    fs::{self, File},
    future::Future,
    os::unix::process::CommandExt as _,
    path::{Path, PathBuf},
    process::{Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, anyhow, bail};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{process::Child, time::timeout};

use super::claim::Claim;
use crate::lifeline;

/// How long a clean stop may take before the engine is killed.
const STOPPING: Duration = Duration::from_secs(20);

/// A running engine. Dropping it kills it and waits until it is gone, so that its folder can be used again or removed.
#[derive(Debug)]
pub(super) struct Process {
    name: &'static str,
    child: Child,
    pid: u32,
    log: PathBuf,
}

impl Process {
    /// Starts `command` as the engine `name` of `dir`.
    pub(super) async fn start(name: &'static str, mut command: Command, dir: &Path) -> Result<Self> {
        let claim = Claim::take(dir, name).await?;
        let log = dir.join(format!("{name}.log"));
        if log.exists() {
            fs::rename(&log, dir.join(format!("{name}.log.1"))).context("keeping the log of the run before")?;
        }
        let output = File::create(&log).with_context(|| format!("creating {}", log.display()))?;
        let program = command.get_program().to_owned();
        command
            .stdin(claim.to_inherit()?)
            .stdout(output.try_clone().context("opening the log twice")?)
            .stderr(output)
            // mongod refuses to start under a locale that is not installed.
            .env("LC_ALL", "C")
            .process_group(0);
        let child = lifeline::spawn(command, Signal::SIGKILL).await;
        let child = child.with_context(|| format!("starting {}", program.display()))?;
        let pid = child.id().context("a child that was just started has a process id")?;
        let process = Self { name, child, pid, log };
        claim.hand_over(pid)?;
        Ok(process)
    }

    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Completes when the engine has ended by itself, and says why. Can be dropped and called again.
    pub(super) async fn ended(&mut self) -> anyhow::Error {
        match self.child.wait().await {
            Ok(status) => {
                anyhow!("{} ended by itself ({status}); {}:\n{}", self.name, self.log.display(), digest(&self.log))
            }
            Err(error) => anyhow!(error).context(format!("waiting for {}", self.name)),
        }
    }

    /// How the engine ended; `None` while it runs.
    pub(super) fn status(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// Does `work`, which needs the engine, for at most `patience`; stops waiting when the engine ends.
    pub(super) async fn during<T>(&mut self, patience: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
        let (name, log) = (self.name, self.log.clone());
        tokio::select! {
            error = self.ended() => Err(error),
            outcome = timeout(patience, work) => match outcome {
                Ok(outcome) => outcome,
                Err(_) => bail!("{name} was not ready within {} s; {}:\n{}", patience.as_secs(), log.display(), digest(&log)),
            },
        }
    }

    /// SIGTERM, then SIGKILL when that does not help.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.signal(Signal::SIGTERM);
        match timeout(STOPPING, self.child.wait()).await {
            Ok(status) => drop(status.with_context(|| format!("waiting for {}", self.name))?),
            Err(_) => {
                tracing::warn!(engine = self.name, "did not stop within {} s and is killed", STOPPING.as_secs());
                self.child.kill().await.with_context(|| format!("killing {}", self.name))?;
            }
        }
        Ok(())
    }

    /// SIGKILL; returns when the engine is gone.
    pub(super) async fn kill(mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("killing {}", self.name))
    }

    fn signal(&self, signal: Signal) {
        // The child's number cannot belong to somebody else before it was waited for; `id` is `None` from then on.
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status().is_some() {
            return;
        }
        let _ = self.child.start_kill();
        let deadline = Instant::now() + Duration::from_secs(5);
        while self.status().is_none() && Instant::now() < deadline {
            // A drop cannot be awaited. A killed mongod is gone after some 50 ms.
            thread::sleep(Duration::from_millis(2));
        }
    }
}

/// What a person should see of a log: mongod's errors (it logs a JSON document a line, and goes on for a page after the error), or else
/// the last lines as they are, which is nats-server's way, and the dynamic linker's.
fn digest(log: &Path) -> String {
    const LINES: usize = 12;
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let errors: Vec<String> = text.lines().filter_map(mongod_error).collect();
    let lines = if errors.is_empty() { text.lines().map(str::to_owned).collect() } else { errors };
    let last = &lines[lines.len().saturating_sub(LINES)..];
    if last.is_empty() { "  (the log is empty)".to_owned() } else { format!("  {}", last.join("\n  ")) }
}

/// The message of a line of severity error or fatal.
fn mongod_error(line: &str) -> Option<String> {
    let line: serde_json::Value = serde_json::from_str(line).ok()?;
    if !matches!(line["s"].as_str()?, "E" | "F") {
        return None;
    }
    let message = line["msg"].as_str()?;
    Some(if line["attr"].is_null() { message.to_owned() } else { format!("{message} {}", line["attr"]) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_shows_mongods_errors_and_otherwise_the_last_lines() {
        let dir = tempfile::tempdir().unwrap();
        let log = dir.path().join("engine.log");
        fs::write(
            &log,
            r#"{"t":{},"s":"I","c":"CONTROL","msg":"Starting"}
{"t":{},"s":"E","c":"CONTROL","msg":"terminating","attr":{"error":"NonExistentPath"}}
{"t":{},"s":"I","c":"CONTROL","msg":"Shutting down"}
"#,
        )
        .unwrap();
        assert_eq!(digest(&log), r#"  terminating {"error":"NonExistentPath"}"#);

        fs::write(&log, "mongod: error while loading shared libraries: libcrypto.so.3\n").unwrap();
        assert_eq!(digest(&log), "  mongod: error while loading shared libraries: libcrypto.so.3");
    }
}
