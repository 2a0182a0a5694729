//! The loader as tests run it: as tasks of the test's process, or as a process of its own that can be killed.

use nix::sys::signal::Signal;
use paystats_core::config::Config;
use paystats_loader::LoaderConfig;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Api, PATIENCE, process::Program};

/// A loader in this process. Dropped, it is cut off in whatever it does.
#[derive(Debug)]
pub struct RunningLoader {
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl RunningLoader {
    /// Starts it; it waits for its engines by itself.
    pub fn start(config: Config, loader: LoaderConfig) -> Self {
        Self::start_on(None, config, loader)
    }

    /// The same, and where it tells how it is.
    pub async fn start_observed(config: Config, loader: LoaderConfig) -> (Self, Api) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let operators = Api::at(listener.local_addr().unwrap());
        (Self::start_on(Some(listener), config, loader), operators)
    }

    fn start_on(operators: Option<TcpListener>, config: Config, loader: LoaderConfig) -> Self {
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let task = tokio::spawn(async move { paystats_loader::run(config, loader, operators, token).await.unwrap() });
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

/// The loader's program. Dropped, it is killed, also while it is paused.
#[derive(Debug)]
pub struct LoaderProcess(Program);

impl LoaderProcess {
    /// Starts it; it waits for its engines by itself.
    pub async fn start(config: &Config, loader: &LoaderConfig) -> Self {
        Self::start_with(config, loader, &[]).await
    }

    /// The same with further variables.
    pub async fn start_with(config: &Config, loader: &LoaderConfig, further: &[(&str, String)]) -> Self {
        let settings = [
            ("PAYSTATS_LOADER_CONCURRENCY", loader.concurrency.to_string()),
            ("PAYSTATS_CHUNK_BYTES", loader.chunk_bytes.to_string()),
            ("PAYSTATS_CHUNKS_IN_FLIGHT", loader.chunks_in_flight.to_string()),
        ];
        Self(Program::start("loader-under-test", config, &[&settings, further].concat()).await)
    }

    /// SIGKILL: it gets no chance to give anything back.
    pub async fn kill(self) {
        self.0.kill().await;
    }

    /// SIGTERM; returns when it has ended, which has to be cleanly.
    pub async fn stop(self) {
        self.0.stop().await;
    }

    /// SIGSTOP: it does nothing, and gives no sign of life, until [`wake`](Self::wake).
    pub fn pause(&self) {
        self.0.signal(Signal::SIGSTOP);
    }

    /// SIGCONT: it goes on where it was paused, as if no time had passed.
    pub fn wake(&self) {
        self.0.signal(Signal::SIGCONT);
    }
}
