//! The loader as tests run it: as tasks of the test's process, or as a process of its own that can be killed.

use std::{path::PathBuf, process::Command};

use nix::sys::signal::{Signal, kill};
use paystats_core::config::Config;
use paystats_loader::LoaderConfig;
use paystats_standalone::lifeline;
use tokio::{process::Child, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::PATIENCE;

/// A loader in this process. Dropped, it is cut off in whatever it does.
#[derive(Debug)]
pub struct RunningLoader {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl RunningLoader {
    /// Starts it; it waits for its engines by itself.
    pub fn start(config: Config, loader: LoaderConfig) -> Self {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { paystats_loader::run(config, loader, token).await.unwrap() });
        Self { task, shutdown }
    }

    /// Stops it softly, and returns when it has given back what it had in hand.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, &mut self.task).await.expect("the loader stops").expect("the loader does not panic");
    }
}

impl Drop for RunningLoader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The loader's program. Dropped, it is killed.
#[derive(Debug)]
pub struct LoaderProcess {
    child: Child,
}

impl LoaderProcess {
    /// Starts it; it waits for its engines by itself.
    pub async fn start(config: &Config, loader: &LoaderConfig) -> Self {
        let mut command = Command::new(program());
        command
            .env("PAYSTATS_MONGODB_URI", config.store.uri.expose())
            .env("PAYSTATS_DATABASE", &config.store.database)
            .env("PAYSTATS_NATS_URL", config.bus.url.expose())
            .env("PAYSTATS_NATS_PREFIX", &config.bus.prefix)
            .env("PAYSTATS_ACK_WAIT_SECONDS", config.bus.ack_wait.as_secs().to_string())
            .env("PAYSTATS_DATALAKE", config.datalake.root.to_string())
            .env("PAYSTATS_LOADER_CONCURRENCY", loader.concurrency.to_string())
            .env("PAYSTATS_CHUNK_BYTES", loader.chunk_bytes.to_string())
            .env("PAYSTATS_LOG", std::env::var("PAYSTATS_LOG").unwrap_or_else(|_| "warn".to_owned()));
        Self { child: lifeline::spawn(command, Signal::SIGKILL).await.unwrap() }
    }

    /// SIGKILL: it gets no chance to give anything back.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; returns when it has ended, which has to be cleanly.
    pub async fn stop(mut self) {
        let pid = self.child.id().expect("the loader runs").cast_signed();
        kill(nix::unistd::Pid::from_raw(pid), Signal::SIGTERM).unwrap();
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the loader stops").unwrap();
        assert!(status.success(), "the loader ended with {status}");
    }
}

/// `loader/src/main.rs`, built by this package's manifest: it stands two folders above the test's own executable, as Cargo lays them out.
fn program() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.ancestors().nth(2).expect("tests stand in target/<profile>/deps").join("loader-under-test")
}
