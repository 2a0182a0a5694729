//! The product's programs as processes of their own, which can be killed, stopped and woken. They end with the test, however that ends.

use std::process::{Command, Stdio};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use paystats_core::config::Config;
use paystats_standalone::lifeline;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
    sync::mpsc,
    time::timeout,
};

use crate::PATIENCE;

/// What a server logs in any case: where it listens.
const START: &str = "paystats_server::serve=info";

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub(crate) struct Program {
    child: Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Program {
    /// Starts a program that this package's manifest builds. It stands two folders above the test's own executable, as Cargo lays them
    /// out, or beside a program of this package.
    pub(crate) async fn start(name: &str, config: &Config, settings: &[(&str, String)]) -> Self {
        let here = std::env::current_exe().unwrap();
        let program = here.ancestors().nth(2).expect("tests stand in target/<profile>/deps").join(name);
        let mut command = Command::new(program);
        command
            .env("PAYSTATS_MONGODB_URI", config.store.uri.expose())
            .env("PAYSTATS_DATABASE", &config.store.database)
            .env("PAYSTATS_NATS_URL", config.bus.url.expose())
            .env("PAYSTATS_NATS_PREFIX", &config.bus.prefix)
            .env("PAYSTATS_ACK_WAIT_SECONDS", config.bus.ack_wait.as_secs().to_string())
            .env("PAYSTATS_DATALAKE", config.datalake.root.to_string())
            .env(
                "PAYSTATS_LOG",
                format!("{},{START}", std::env::var("PAYSTATS_LOG").unwrap_or_else(|_| "warn".to_owned())),
            )
            .envs(config.bus.replicas.map(|replicas| ("PAYSTATS_NATS_REPLICAS", replicas.to_string())))
            .envs(settings.iter().map(|(name, value)| (name, value)))
            .stderr(Stdio::piped());
        let mut child = lifeline::spawn(command, Signal::SIGKILL).await.unwrap();
        let mut log = BufReader::new(child.stderr.take().expect("its log is piped")).lines();
        let (tell, lines) = mpsc::unbounded_channel();
        let name = name.to_owned();
        tokio::spawn(async move {
            while let Ok(Some(line)) = log.next_line().await {
                eprintln!("{name}: {line}");
                // Who does not wait for a line has no use for it.
                let _ = tell.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line of the log with `words`, and returns the word behind them.
    pub(crate) async fn says(&mut self, words: &str) -> String {
        let found = async {
            while let Some(line) = self.lines.recv().await {
                if let Some((_, rest)) = line.split_once(words) {
                    return rest.split_whitespace().next().unwrap_or_default().to_owned();
                }
            }
            panic!("the program ended before it said {words:?}")
        };
        timeout(PATIENCE, found).await.expect("the program starts")
    }

    /// SIGKILL; returns when it is gone.
    pub(crate) async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }

    /// SIGTERM; returns when it has ended, which has to be cleanly, with what it logged and nobody waited for.
    pub(crate) async fn stop(mut self) -> Vec<String> {
        self.signal(Signal::SIGTERM);
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the program stops").unwrap();
        assert!(status.success(), "the program ended with {status}");
        let mut lines = Vec::new();
        while let Some(line) = self.lines.recv().await {
            lines.push(line);
        }
        lines
    }

    /// Sends a signal. A child's number belongs to nobody else before it was waited for.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = self.child.id().expect("the program runs").cast_signed();
        kill(Pid::from_raw(pid), signal).unwrap();
    }
}
