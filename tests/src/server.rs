//! The server as tests run it: as tasks of the test's process on a port of its own, or as a process of its own that can be killed.

use std::{
    ops::Deref,
    sync::{Arc, Mutex},
    time::Duration,
};

use mongodb::{
    bson::Document,
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::{config::Config, store::Store};
use paystats_server::ServerConfig;
use tokio::{net::TcpListener, task::JoinHandle, time::timeout};
use tokio_util::sync::CancellationToken;

use crate::{Api, PATIENCE, TestBed, bed::show_logs, process::Program};

/// Longest that a field may take, unless a test says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server in this process. Dropped, it is cut off in whatever it does.
#[derive(Debug)]
pub struct RunningServer {
    api: Api,
    task: JoinHandle<()>,
    shutdown: CancellationToken,
}

impl TestBed {
    /// Runs a server in this process; it is ready.
    pub async fn start_server(&self) -> RunningServer {
        let server = RunningServer::start(self.config().clone(), DEADLINE).await;
        server.ready().await;
        server
    }

    /// The same with other settings.
    pub async fn start_server_with(&self, change: impl FnOnce(&mut ServerConfig)) -> RunningServer {
        let store = Store::new(&self.config().store).await.unwrap();
        let server = RunningServer::start_on(store, self.config().clone(), change).await;
        server.ready().await;
        server
    }

    /// The same, and tells which questions it asks MongoDB.
    pub async fn start_overheard_server(&self) -> (RunningServer, Commands) {
        let commands = Commands::default();
        let store = Store::with_command_events(&self.config().store, Some(commands.handler())).await.unwrap();
        let server = RunningServer::start_on(store, self.config().clone(), |_| ()).await;
        server.ready().await;
        (server, commands)
    }
}

impl RunningServer {
    /// Starts one, whose engines need not be there yet.
    pub async fn start(config: Config, deadline: Duration) -> Self {
        let store = Store::new(&config.store).await.unwrap();
        Self::start_on(store, config, |server| server.deadline = deadline).await
    }

    async fn start_on(store: Store, config: Config, change: impl FnOnce(&mut ServerConfig)) -> Self {
        show_logs();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (mut server, token) = (ServerConfig::at(address), shutdown.clone());
        change(&mut server);
        let running = paystats_server::run_on(store, listener, config, server, token);
        Self { api: Api::at(address), task: tokio::spawn(async { running.await.unwrap() }), shutdown }
    }

    /// Stops it softly, and returns when it has ended.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, &mut self.task).await.expect("the server stops").expect("the server does not panic");
    }
}

impl Deref for RunningServer {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The server's program. Dropped, it is killed.
#[derive(Debug)]
pub struct ServerProcess {
    api: Api,
    program: Program,
}

impl ServerProcess {
    /// Starts it and waits until it is ready.
    pub async fn start(config: &Config) -> Self {
        Self::start_with(config, &[]).await
    }

    /// The same with further variables.
    pub async fn start_with(config: &Config, further: &[(&str, String)]) -> Self {
        let settings = [("PAYSTATS_HTTP_ADDR", "127.0.0.1:0".to_owned())];
        let mut program = Program::start("server-under-test", config, &[&settings, further].concat()).await;
        let address = program.says("server listens address=").await.parse().expect("an address");
        let server = Self { api: Api::at(address), program };
        server.ready().await;
        server
    }

    /// SIGTERM; returns when it has ended, which has to be cleanly, with its log.
    pub async fn stop(self) -> Vec<String> {
        self.program.stop().await
    }

    /// SIGKILL: it gets no chance to finish anything.
    pub async fn kill(self) {
        self.program.kill().await;
    }
}

impl Deref for ServerProcess {
    type Target = Api;

    fn deref(&self) -> &Api {
        &self.api
    }
}

/// What a server asks MongoDB.
#[derive(Clone, Debug, Default)]
pub struct Commands(Arc<Mutex<Vec<Document>>>);

impl Commands {
    fn handler(&self) -> EventHandler<CommandEvent> {
        let commands = self.0.clone();
        EventHandler::callback(move |event| {
            if let CommandEvent::Started(started) = event {
                commands.lock().unwrap().push(started.command);
            }
        })
    }

    /// The questions since the last call, each as `command collection`. What the server asks of itself, for loads that nobody
    /// published and for changes of the totals, is left out.
    pub fn take(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.0.lock().unwrap());
        asked.iter().filter(|command| !is_own(command)).filter_map(question).collect()
    }
}

fn is_own(command: &Document) -> bool {
    let outbox = command.get_document("filter").is_ok_and(|filter| filter.contains_key("published"));
    let totals = ["counters", "rollups"].map(|name| command.values().any(|value| value.as_str() == Some(name)));
    outbox || totals.contains(&true)
}

fn question(command: &Document) -> Option<String> {
    let (name, target) = command.iter().next()?;
    let collection = match name.as_str() {
        "find" | "aggregate" => target.as_str()?,
        "getMore" => command.get_str("collection").ok()?,
        _ => return None,
    };
    Some(format!("{name} {collection}"))
}
