//! The public API, asked over HTTP and WebSockets as any client asks.

use std::{net::SocketAddr, time::Duration};

use paystats_standalone::client;
use serde_json::{Value, json};
use tokio::{task::spawn_blocking, time::timeout};
use ureq::http::{HeaderMap, Method, Request};

use crate::{PATIENCE, eventually};

/// The API of one server.
#[derive(Clone, Copy, Debug)]
pub struct Api {
    address: SocketAddr,
}

impl Api {
    /// The API of the server that listens there.
    pub fn at(address: SocketAddr) -> Self {
        Self { address }
    }

    /// Waits until it says that it is ready, and lacks nothing.
    pub async fn ready(&self) {
        self.says_ready(200, json!({ "status": "ready" })).await;
    }

    /// Waits until it says that it waits for exactly these.
    pub async fn waits_for(&self, missing: &[&str]) {
        self.says_ready(503, json!({ "status": "not ready", "waitingFor": missing })).await;
    }

    /// Waits until it says that it is ready, without exactly these.
    pub async fn goes_without(&self, missing: &[&str]) {
        self.says_ready(200, json!({ "status": "ready", "without": missing })).await;
    }

    /// Waits for this answer to `/readyz`, whatever the reasons.
    async fn says_ready(&self, status: u16, body: Value) {
        eventually(&format!("{status} with {body}"), async || {
            let mut answer = self.get("/readyz").await;
            answer.body.as_object_mut().map(|told| told.remove("reasons"));
            if answer.status == status && answer.body == body { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    /// Where `path` is asked for.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// `GET path`.
    pub async fn get(&self, path: &str) -> Answer {
        self.ask(path, None).await.unwrap()
    }

    /// What it counts and measures, as Prometheus reads it.
    pub async fn metrics(&self) -> Metrics {
        let answer = self.get("/metrics").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        Metrics(answer.body.as_str().expect("metrics are text").to_owned())
    }

    /// Runs a query or a mutation, by POST.
    pub async fn graphql(&self, query: &str, variables: Value) -> Answer {
        self.try_graphql(query, variables).await.unwrap()
    }

    /// The same on a server that may die meanwhile.
    pub async fn try_graphql(&self, query: &str, variables: Value) -> Result<Answer, ureq::Error> {
        self.ask("/graphql", Some(json!({ "query": query, "variables": variables }))).await
    }

    /// Sends any request, with these headers and this body.
    pub async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: impl Into<Vec<u8>>) -> Answer {
        let mut request = Request::builder().method(method).uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let body = body.into();
        let asked = spawn_blocking(move || {
            let agent =
                ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE)).build();
            let agent = agent.new_agent();
            let answered = match method_has_body(request.method_ref().unwrap()) {
                true => agent.run(request.body(body).unwrap()),
                false => agent.run(request.body(()).unwrap()),
            };
            let (head, mut body) = answered.unwrap().into_parts();
            let text = body.read_to_string().unwrap();
            let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
            Answer { status: head.status.as_u16(), headers: head.headers, body }
        });
        asked.await.unwrap()
    }

    async fn ask(&self, path: &str, body: Option<Value>) -> Result<Answer, ureq::Error> {
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
        asked.await.unwrap()
    }

    /// Starts a subscription.
    pub async fn subscribe(&self, query: &str, variables: Value) -> Subscription {
        self.try_subscribe(query, variables).await.unwrap()
    }

    /// The same on a server that may be gone.
    pub async fn try_subscribe(&self, query: &str, variables: Value) -> anyhow::Result<Subscription> {
        let client = client::Client::new(&format!("ws://{}/graphql", self.address))?;
        Ok(Subscription(client.subscribe(query, variables).await?))
    }
}

fn method_has_body(method: &Method) -> bool {
    matches!(*method, Method::PUT | Method::POST)
}

/// What a program counts and measures.
#[derive(Clone, Debug)]
pub struct Metrics(pub String);

impl Metrics {
    /// The value of a metric with these labels, as they are written: `paystats_ready` or `paystats_watchers{field="loads"}`.
    pub fn get(&self, metric: &str) -> Option<f64> {
        self.0.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' ')?.parse().ok())
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
        self.next_within(PATIENCE).await
    }

    /// The same, where more patience is needed.
    pub async fn next_within(&mut self, patience: Duration) -> Result<Option<Value>, String> {
        let next = timeout(patience, self.0.next()).await.expect("a subscription goes on");
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
