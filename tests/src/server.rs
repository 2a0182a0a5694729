//! The server as tests run it: as tasks of the test's process, on a port of its own, asked over HTTP and WebSockets as any client asks.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use mongodb::{
    bson::Document,
    event::{EventHandler, command::CommandEvent},
};
use paystats_core::{config::Config, store::Store};
use paystats_server::ServerConfig;
use paystats_standalone::client;
use serde_json::{Value, json};
use tokio::{
    net::TcpListener,
    task::{JoinHandle, spawn_blocking},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use ureq::http::HeaderMap;

use crate::{PATIENCE, TestBed, bed::show_logs, eventually};

/// Longest that a field may take, unless a test says otherwise.
const DEADLINE: Duration = Duration::from_secs(30);

/// A server in this process. Dropped, it is cut off in whatever it does.
#[derive(Debug)]
pub struct RunningServer {
    address: SocketAddr,
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

    /// The same, and tells which questions it asks MongoDB.
    pub async fn start_overheard_server(&self) -> (RunningServer, Commands) {
        let commands = Commands::default();
        let store = Store::with_command_events(&self.config().store, Some(commands.handler())).await.unwrap();
        let server = RunningServer::start_on(store, self.config().clone(), DEADLINE).await;
        server.ready().await;
        (server, commands)
    }
}

impl RunningServer {
    /// Starts one, whose engines need not be there yet.
    pub async fn start(config: Config, deadline: Duration) -> Self {
        Self::start_on(Store::new(&config.store).await.unwrap(), config, deadline).await
    }

    async fn start_on(store: Store, config: Config, deadline: Duration) -> Self {
        show_logs();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let shutdown = CancellationToken::new();
        let (server, token) = (ServerConfig { address, web_dir: None, deadline }, shutdown.clone());
        let running = paystats_server::run_on(store, listener, config, server, token);
        Self { address, task: tokio::spawn(async { running.await.unwrap() }), shutdown }
    }

    /// Waits until it says that it is ready.
    pub async fn ready(&self) {
        eventually("a ready server", async || match self.get("/readyz").await {
            ready if ready.status == 200 => Ok(()),
            waiting => Err(waiting),
        })
        .await;
    }

    /// Waits until it says that it waits for exactly these engines.
    pub async fn waits_for(&self, engines: &[&str]) {
        eventually("a server that is not ready", async || match self.get("/readyz").await {
            waiting if waiting.status == 503 && waiting.body["waitingFor"] == json!(engines) => Ok(()),
            other => Err(other),
        })
        .await;
    }

    /// Where `path` is asked for.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(path, None).await
    }

    /// Runs a query or a mutation, by POST.
    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.ask("/graphql", Some(json!({ "query": query, "variables": variables }))).await
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> Answer {
        let url = self.url(path);
        // An agent a request: it keeps no connection that would have to be drained.
        let agent = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
        let asked = spawn_blocking(move || {
            let agent = agent.new_agent();
            let (head, mut body) = match body {
                Some(body) => agent.post(url).send_json(body)?,
                None => agent.get(url).call()?,
            }
            .into_parts();
            let text = body.read_to_string()?;
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Ok::<_, ureq::Error>(Answer { status: head.status.as_u16(), headers: head.headers, body })
        });
        asked.await.unwrap().unwrap()
    }

    /// Starts a subscription.
    pub async fn subscribe(&self, query: &str, variables: Value) -> Subscription {
        let client = client::Client::new(&format!("ws://{}/graphql", self.address)).unwrap();
        Subscription(client.subscribe(query, variables).await.unwrap())
    }

    /// Stops it softly, and returns when it has ended.
    pub async fn stop(mut self) {
        self.shutdown.cancel();
        timeout(PATIENCE, &mut self.task).await.expect("the server stops").expect("the server does not panic");
    }
}

impl Drop for RunningServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the server answered over HTTP.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Headers.
    pub headers: HeaderMap,
    /// The body as JSON; as a string where it is something else.
    pub body: Value,
}

impl Answer {
    /// What was asked for. Panics if there are errors, and shows them.
    #[track_caller]
    pub fn data(&self) -> &Value {
        assert!(self.body["errors"].is_null(), "the server answered with errors: {self:?}");
        &self.body["data"]
    }

    /// The code of the first error. Panics if there is none.
    #[track_caller]
    pub fn code(&self) -> &str {
        self.body["errors"][0]["extensions"]["code"]
            .as_str()
            .unwrap_or_else(|| panic!("no error with a code: {self:?}"))
    }

    /// The first error as `CODE: message`. Panics if there is none.
    #[track_caller]
    pub fn refusal(&self) -> String {
        let message = self.body["errors"][0]["message"].as_str();
        format!("{}: {}", self.code(), message.unwrap_or_else(|| panic!("an error without a message: {self:?}")))
    }
}

/// A running subscription. Dropped, it is ended.
#[derive(Debug)]
pub struct Subscription(client::Subscription);

impl Subscription {
    /// What it tells next; `None` when it is complete.
    pub async fn next(&mut self) -> Option<Value> {
        self.try_next().await.unwrap()
    }

    /// What it tells next, or the error that ends it.
    pub async fn try_next(&mut self) -> Result<Option<Value>, String> {
        let next = timeout(PATIENCE, self.0.next()).await.expect("a subscription goes on");
        next.map_err(|error| error.to_string())
    }

    /// All that it tells until it is complete.
    pub async fn rest(&mut self) -> Vec<Value> {
        let mut told = Vec::new();
        while let Some(next) = self.next().await {
            told.push(next);
        }
        told
    }

    /// The error that it tells next, as `message (CODE)`.
    pub async fn refusal(&mut self) -> String {
        self.try_next().await.expect_err("the subscription is refused")
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

    /// The questions since the last call, each as `command collection`. What the server asks of itself every two seconds, for loads that
    /// nobody published, is left out.
    pub fn take(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.0.lock().unwrap());
        asked.iter().filter(|command| !is_outbox(command)).filter_map(question).collect()
    }
}

fn is_outbox(command: &Document) -> bool {
    command.get_document("filter").is_ok_and(|filter| filter.contains_key("published"))
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
