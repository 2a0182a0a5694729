//! What an orchestrator asks: is the process alive (`/healthz`), and may it be sent traffic (`/readyz`).

use axum::{
    Json, Router,
    http::{StatusCode, header::CACHE_CONTROL},
    response::{IntoResponse, Response},
    routing::get,
};
use serde_json::json;

/// Serves `/healthz` and `/readyz`.
///
/// `ready` is called for each request to `/readyz` and resolves to the names of what the server still waits for, such as `mongodb`;
/// empty means ready. It should answer within a second or so, because probes give up soon. `/healthz` never asks it: a server that
/// waits for its database must not be restarted for that.
pub fn health_routes<F, Fut>(ready: F) -> Router
where
    F: Fn() -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Vec<&'static str>> + Send,
{
    Router::new()
        .route("/healthz", get(|| async { ([(CACHE_CONTROL, "no-store")], "ok") }))
        .route("/readyz", get(move || async move { readiness(&ready().await) }))
}

fn readiness(waiting_for: &[&'static str]) -> Response {
    let (status, body) = if waiting_for.is_empty() {
        (StatusCode::OK, json!({"status": "ready"}))
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, json!({"status": "not ready", "waitingFor": waiting_for}))
    };
    (status, [(CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::toy::get;

    fn waiting_for(names: &'static [&'static str]) -> Router {
        health_routes(move || async move { names.to_vec() })
    }

    #[tokio::test]
    async fn a_live_process_is_healthy_whatever_it_waits_for() {
        let (status, _, body) = get(waiting_for(&["mongodb"]), "/healthz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "ok"));
    }

    #[tokio::test]
    async fn it_is_ready_when_it_waits_for_nothing() {
        let (status, headers, body) = get(waiting_for(&[]), "/readyz").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, r#"{"status":"ready"}"#));
        assert_eq!(headers["cache-control"], "no-store");
    }

    #[tokio::test]
    async fn it_says_what_it_waits_for() {
        let (status, _, body) = get(waiting_for(&["mongodb", "nats"]), "/readyz").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(body, r#"{"status":"not ready","waitingFor":["mongodb","nats"]}"#);
    }
}
