//! What whoever operates a program asks it over HTTP: does it live (`/healthz`), may it be sent work (`/readyz`), and what has it counted
//! (`/metrics`, in the text format of OpenMetrics, which Prometheus reads).

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Json, Router,
    http::{
        StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};
use prometheus_client::{
    encoding::text::encode,
    metrics::{gauge::Gauge, info::Info},
    registry::Registry,
};
use serde_json::{Map, json};
use tokio::{net::TcpListener, time::timeout};

use crate::store::{Store, StoreError};

/// Longest that an engine is waited for: probes give up soon.
const PATIENCE: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const NO_STORE: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// Something that a program cannot work without, and why it is not there. Both are told to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Such as `mongodb`.
    pub what: &'static str,
    /// In our words: nothing of a driver.
    pub reason: &'static str,
}

impl Waiting {
    /// The database is there, and is not one that this release may use.
    pub const SCHEMA: Self = Self { what: "schema", reason: "the database is not for this release, or not yet" };
    /// MongoDB is away.
    pub const MONGODB: Self = Self { what: "mongodb", reason: "it does not answer" };
    /// NATS is away, or nobody has connected to it yet.
    pub const NATS: Self = Self { what: "nats", reason: "it is not connected" };

    /// What keeps a program from using its engines; `is_connected` says whether NATS is there, `None` where it was never connected to. That is
    /// tried once the database may be used, so it is not to blame before.
    pub async fn for_engines(store: &Store, is_connected: Option<bool>) -> Vec<Self> {
        let database = match timeout(PATIENCE, store.check()).await {
            Ok(Ok(())) => None,
            Ok(Err(StoreError::Schema(_))) => Some(Self::SCHEMA),
            Ok(Err(_)) | Err(_) => Some(Self::MONGODB),
        };
        let nats = match is_connected {
            Some(true) => None,
            None if database == Some(Self::SCHEMA) => None,
            Some(false) | None => Some(Self::NATS),
        };
        database.into_iter().chain(nats).collect()
    }
}

/// A program as those see it who operate it.
#[async_trait]
pub trait Operated: Send + Sync + 'static {
    /// What it waits for now; nothing means ready. Answers within a few seconds, because probes give up soon.
    async fn waiting_for(&self) -> Vec<Waiting>;

    /// Brings those metrics up to date that are measured and not counted.
    async fn measure(&self) {}
}

/// The routes for operators of one program.
#[derive(Clone)]
pub struct Operations {
    program: Arc<dyn Operated>,
    registry: Arc<Registry>,
    ready: Gauge,
}

impl Operations {
    /// Of this program, whose metrics are in `registry`. `version` is the program's.
    pub fn new(program: Arc<impl Operated>, mut registry: Registry, version: &'static str) -> Self {
        registry.register("paystats_build", "What runs here", Info::new([("version", version)]));
        let ready = Gauge::default();
        registry.register("paystats_ready", "1 if /readyz says ready, 0 if not", ready.clone());
        Self { program, registry: Arc::new(registry), ready }
    }

    /// Serves `/healthz` and `/readyz`. `/healthz` asks nothing: a program that waits for its database must not be restarted for that.
    pub fn probes(&self) -> Router {
        let program = self.program.clone();
        let ready = move || {
            let program = program.clone();
            async move { readiness(&program.waiting_for().await) }
        };
        Router::new().route("/healthz", get(async || ([NO_STORE], "ok"))).route("/readyz", get(ready))
    }

    /// Serves `/metrics`.
    pub fn metrics(&self) -> Router {
        let this = self.clone();
        let scrape = move || {
            let this = this.clone();
            async move { ([(CONTENT_TYPE, OPEN_METRICS), NO_STORE], this.scrape().await) }
        };
        Router::new().route("/metrics", get(scrape))
    }

    /// Serves all of them on `listener`, for ever: for a program that serves nothing else.
    pub async fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        axum::serve(listener, self.probes().merge(self.metrics())).await
    }

    async fn scrape(&self) -> String {
        let ((), waiting_for) = tokio::join!(self.program.measure(), self.program.waiting_for());
        self.ready.set(waiting_for.is_empty().into());
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

fn readiness(waiting_for: &[Waiting]) -> Response {
    let (status, body) = if waiting_for.is_empty() {
        (StatusCode::OK, json!({ "status": "ready" }))
    } else {
        let names: Vec<_> = waiting_for.iter().map(|waiting| waiting.what).collect();
        let reasons: Map<_, _> =
            waiting_for.iter().map(|waiting| (waiting.what.to_owned(), waiting.reason.into())).collect();
        (StatusCode::SERVICE_UNAVAILABLE, json!({ "status": "not ready", "waitingFor": names, "reasons": reasons }))
    };
    (status, [NO_STORE], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus_client::metrics::counter::Counter;
    use tower::ServiceExt;

    use super::*;

    struct Toy(&'static [Waiting], Counter);

    #[async_trait]
    impl Operated for Toy {
        async fn waiting_for(&self) -> Vec<Waiting> {
            self.0.to_vec()
        }

        async fn measure(&self) {
            self.1.inc();
        }
    }

    fn operations(waiting_for: &'static [Waiting]) -> Operations {
        let (counter, mut registry) = (Counter::default(), Registry::default());
        registry.register("toy_measurements", "How often it was asked", counter.clone());
        Operations::new(Arc::new(Toy(waiting_for, counter)), registry, "1.2.3")
    }

    async fn get(routes: Router, path: &str) -> (StatusCode, String) {
        let response = routes.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let status = response.status();
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap())
    }

    #[tokio::test]
    async fn a_live_process_is_healthy_whatever_it_waits_for() {
        let answer = get(operations(&[Waiting::MONGODB]).probes(), "/healthz").await;
        assert_eq!(answer, (StatusCode::OK, "ok".to_owned()));
    }

    #[tokio::test]
    async fn it_is_ready_when_it_waits_for_nothing() {
        let answer = get(operations(&[]).probes(), "/readyz").await;
        assert_eq!(answer, (StatusCode::OK, r#"{"status":"ready"}"#.to_owned()));
    }

    #[tokio::test]
    async fn it_says_what_it_waits_for_and_why() {
        let (status, body) = get(operations(&[Waiting::MONGODB, Waiting::NATS]).probes(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = json!({
            "status": "not ready",
            "waitingFor": ["mongodb", "nats"],
            "reasons": { "mongodb": "it does not answer", "nats": "it is not connected" },
        });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn what_is_measured_is_measured_when_it_is_asked_for() {
        let (ready, waiting) = (operations(&[]), operations(&[Waiting::NATS]));
        get(ready.metrics(), "/metrics").await;
        let (_, text) = get(ready.metrics(), "/metrics").await;
        for line in ["paystats_build_info{version=\"1.2.3\"} 1", "paystats_ready 1", "toy_measurements_total 2"] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        let (_, text) = get(waiting.metrics(), "/metrics").await;
        assert!(text.contains("\npaystats_ready 0\n"), "{text}");
    }
}
