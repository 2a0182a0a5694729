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
use serde_json::Map;
use tokio::{net::TcpListener, time::timeout};

use crate::store::{Store, StoreError};

/// Longest that an engine is waited for: probes give up soon.
const PATIENCE: Duration = Duration::from_secs(2);
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
const NO_STORE: (axum::http::HeaderName, &str) = (CACHE_CONTROL, "no-store");

/// Something that a program needs, and why it is not there. Both are told to whoever asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// Such as `mongodb`.
    pub what: &'static str,
    /// In our words: nothing of a driver.
    pub reason: &'static str,
}

impl Missing {
    /// The database is there, and is not one that this release may use.
    pub const SCHEMA: Self = Self { what: "schema", reason: "the database is not for this release, or not yet" };
    /// MongoDB is away.
    pub const MONGODB: Self = Self { what: "mongodb", reason: "it does not answer" };
    /// NATS is away, or nobody has connected to it yet.
    pub const NATS: Self = Self { what: "nats", reason: "it is not connected" };

    /// Which engines a program cannot use; `is_connected` says whether NATS is there, `None` where it was never connected to. That is
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

/// Whether a program may be sent work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Readiness {
    /// What it waits for; nothing means ready.
    pub waiting_for: Vec<Missing>,
    /// What it does its work without, as well as it can. Being sent nothing would help nobody.
    pub without: Vec<Missing>,
}

impl Readiness {
    fn is_ready(&self) -> bool {
        self.waiting_for.is_empty()
    }

    fn is_degraded(&self) -> bool {
        self.is_ready() && !self.without.is_empty()
    }
}

/// A program as those see it who operate it.
#[async_trait]
pub trait Operated: Send + Sync + 'static {
    /// Whether it may be sent work now. Answers within a few seconds, because probes give up soon.
    async fn readiness(&self) -> Readiness;

    /// Brings those metrics up to date that are measured and not counted.
    async fn measure(&self) {}
}

/// The routes for operators of one program.
#[derive(Clone)]
pub struct Operations {
    program: Arc<dyn Operated>,
    registry: Arc<Registry>,
    ready: Gauge,
    degraded: Gauge,
}

impl Operations {
    /// Of this program, whose metrics are in `registry`. `version` is the program's.
    pub fn new(program: Arc<impl Operated>, mut registry: Registry, version: &'static str) -> Self {
        registry.register("paystats_build", "What runs here", Info::new([("version", version)]));
        let (ready, degraded) = (Gauge::default(), Gauge::default());
        registry.register("paystats_ready", "1 if /readyz says ready, 0 if not", ready.clone());
        registry.register("paystats_degraded", "1 if /readyz says ready, but without something", degraded.clone());
        Self { program, registry: Arc::new(registry), ready, degraded }
    }

    /// Serves `/healthz` and `/readyz`. `/healthz` asks nothing: a program that waits for its database must not be restarted for that.
    pub fn probes(&self) -> Router {
        let program = self.program.clone();
        let ready = move || {
            let program = program.clone();
            async move { program.readiness().await.into_response() }
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
        let ((), readiness) = tokio::join!(self.program.measure(), self.program.readiness());
        self.ready.set(readiness.is_ready().into());
        self.degraded.set(readiness.is_degraded().into());
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("a string takes any text");
        text
    }
}

impl IntoResponse for Readiness {
    fn into_response(self) -> Response {
        let (status, word) = match self.is_ready() {
            true => (StatusCode::OK, "ready"),
            false => (StatusCode::SERVICE_UNAVAILABLE, "not ready"),
        };
        let mut body = Map::from_iter([("status".to_owned(), word.into())]);
        for (name, missing) in [("waitingFor", &self.waiting_for), ("without", &self.without)] {
            if !missing.is_empty() {
                body.insert(name.to_owned(), missing.iter().map(|missing| missing.what).collect());
            }
        }
        let missing = self.waiting_for.iter().chain(&self.without);
        let reasons: Map<_, _> = missing.map(|missing| (missing.what.to_owned(), missing.reason.into())).collect();
        if !reasons.is_empty() {
            body.insert("reasons".to_owned(), reasons.into());
        }
        (status, [NO_STORE], Json(body)).into_response()
    }
}

#[cfg(test)]
mod tests {
    use axum::body::{Body, to_bytes};
    use axum::http::Request;
    use prometheus_client::metrics::counter::Counter;
    use serde_json::json;
    use tower::ServiceExt;

    use super::*;

    struct Toy(Readiness, Counter);

    #[async_trait]
    impl Operated for Toy {
        async fn readiness(&self) -> Readiness {
            self.0.clone()
        }

        async fn measure(&self) {
            self.1.inc();
        }
    }

    fn operations(waiting_for: &[Missing], without: &[Missing]) -> Operations {
        let (counter, mut registry) = (Counter::default(), Registry::default());
        registry.register("toy_measurements", "How often it was asked", counter.clone());
        let readiness = Readiness { waiting_for: waiting_for.to_vec(), without: without.to_vec() };
        Operations::new(Arc::new(Toy(readiness, counter)), registry, "1.2.3")
    }

    async fn get(routes: Router, path: &str) -> (StatusCode, String) {
        let response = routes.oneshot(Request::get(path).body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let status = response.status();
        (status, String::from_utf8(to_bytes(response.into_body(), 1 << 20).await.unwrap().into()).unwrap())
    }

    #[tokio::test]
    async fn a_live_process_is_healthy_whatever_it_waits_for() {
        let answer = get(operations(&[Missing::MONGODB], &[]).probes(), "/healthz").await;
        assert_eq!(answer, (StatusCode::OK, "ok".to_owned()));
    }

    #[tokio::test]
    async fn it_is_ready_when_it_waits_for_nothing() {
        let answer = get(operations(&[], &[]).probes(), "/readyz").await;
        assert_eq!(answer, (StatusCode::OK, r#"{"status":"ready"}"#.to_owned()));
    }

    #[tokio::test]
    async fn it_says_what_it_waits_for_and_why() {
        let (status, body) = get(operations(&[Missing::MONGODB, Missing::NATS], &[]).probes(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = json!({
            "status": "not ready",
            "waitingFor": ["mongodb", "nats"],
            "reasons": { "mongodb": "it does not answer", "nats": "it is not connected" },
        });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn it_says_too_what_it_would_do_without() {
        let (status, body) = get(operations(&[Missing::MONGODB], &[Missing::NATS]).probes(), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        let expected = json!({
            "status": "not ready",
            "waitingFor": ["mongodb"],
            "without": ["nats"],
            "reasons": { "mongodb": "it does not answer", "nats": "it is not connected" },
        });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn it_is_ready_without_what_it_can_do_without_and_says_so() {
        let (status, body) = get(operations(&[], &[Missing::NATS]).probes(), "/readyz").await;
        assert_eq!(status, StatusCode::OK);
        let reasons = json!({ "nats": "it is not connected" });
        let expected = json!({ "status": "ready", "without": ["nats"], "reasons": reasons });
        assert_eq!(body.parse::<serde_json::Value>().unwrap(), expected);
    }

    #[tokio::test]
    async fn what_is_measured_is_measured_when_it_is_asked_for() {
        let (ready, waiting) = (operations(&[], &[]), operations(&[Missing::MONGODB], &[Missing::NATS]));
        get(ready.metrics(), "/metrics").await;
        let (_, text) = get(ready.metrics(), "/metrics").await;
        for line in [
            "paystats_build_info{version=\"1.2.3\"} 1",
            "paystats_ready 1",
            "paystats_degraded 0",
            "toy_measurements_total 2",
        ] {
            assert!(text.lines().any(|told| told == line), "{line} in {text}");
        }
        let (_, text) = get(waiting.metrics(), "/metrics").await;
        assert!(text.contains("\npaystats_ready 0\n") && text.contains("\npaystats_degraded 0\n"), "{text}");
        let (_, text) = get(operations(&[], &[Missing::NATS]).metrics(), "/metrics").await;
        assert!(text.contains("\npaystats_ready 1\n") && text.contains("\npaystats_degraded 1\n"), "{text}");
    }
}
