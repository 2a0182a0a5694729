//! Every request has an id, which is in each line that is logged while it is answered and in its answer, and is counted by its route.

use std::time::Instant;

use axum::{
    Router,
    extract::{MatchedPath, Request, State},
    http::{HeaderMap, HeaderName, HeaderValue},
    middleware::{Next, from_fn_with_state},
    response::Response,
};
use paystats_core::telemetry::traces;
use tokio::task_local;
use tracing::{Instrument, Span, debug, error_span, field::Empty, trace_span};
use uuid::Uuid;

use crate::metrics::Metrics;

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

task_local! {
    /// The span of the request in logs, which no trace waits for.
    static LOGGED: Span;
}

/// The span of this request for what goes on after it, for hours maybe: the one in a trace would not end before.
pub(super) fn lasting_span() -> Span {
    LOGGED.try_with(Span::clone).unwrap_or_else(|_| Span::current())
}

/// The routes, whose requests are counted and have ids.
pub(crate) fn observed(routes: Router, metrics: Metrics) -> Router {
    routes.layer(from_fn_with_state(metrics, observe))
}

async fn observe(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("pages", MatchedPath::as_str);
    let id = request_id(request.headers());
    // Probes are asked all the time, and log nothing.
    let is_probe = ["/healthz", "/readyz", "/metrics"].contains(&route);
    let (logged, traced) = if is_probe { (Span::none(), Span::none()) } else { spans(&request, route, &id) };
    let answering = async {
        let mut response = next.run(request).await;
        response.headers_mut().insert(X_REQUEST_ID, id);
        let (status, took) = (response.status().as_u16(), start.elapsed());
        traced.record("http.response.status_code", status);
        debug!(route, status, ?took, "answered");
        metrics.answered(route, status, took);
        response
    };
    LOGGED.scope(logged.clone(), answering.instrument(traced.clone())).instrument(logged).await
}

/// The request in logs, and in a trace: its caller's, if it says so.
fn spans(request: &Request, route: &str, id: &HeaderValue) -> (Span, Span) {
    let logged = error_span!("request", request.id = id.to_str().unwrap_or_default(), trace.id = Empty);
    let traced = trace_span!(
        target: traces::TARGET,
        parent: &logged,
        "request",
        otel.name = format_args!("{} {route}", request.method()),
        otel.kind = "server",
        http.response.status_code = Empty,
    );
    let traceparent = request.headers().get(traces::TRACEPARENT);
    traces::go_on(&traced, traceparent.and_then(|header| header.to_str().ok()));
    logged.record("trace.id", traces::id_of(&traced));
    (logged, traced)
}

/// The id that whoever stands before us has given the request, if it can stand in a log; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let is_plain = |id: &&HeaderValue| {
        let bytes = id.as_bytes();
        (1..=64).contains(&bytes.len())
            && bytes.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    headers.get(X_REQUEST_ID).filter(is_plain).cloned().unwrap_or_else(|| {
        HeaderValue::from_str(Uuid::now_v7().as_simple().encode_lower(&mut Uuid::encode_buffer()))
            .expect("hexadecimal digits may stand in a header")
    })
}

#[cfg(test)]
mod tests {
    use axum::{body::Body, routing::get};
    use tower::ServiceExt;

    use super::*;

    #[tokio::test]
    async fn what_goes_on_after_a_request_is_in_its_span_of_the_log_and_in_no_trace() {
        let _all_spans = tracing::subscriber::set_default(tracing_subscriber::registry());
        let spans = async || {
            let target = |span: Span| span.metadata().map(|span| (span.name(), span.target()));
            assert_eq!(target(Span::current()), Some(("request", traces::TARGET)));
            let lasting = target(lasting_span()).unwrap();
            assert_eq!(lasting, ("request", module_path!().rsplit_once("::").unwrap().0));
            // In a task of its own, which the span is given to.
            tokio::spawn(async move { target(lasting_span()) }.instrument(lasting_span())).await.unwrap().unwrap().0
        };
        let routes = observed(Router::new().route("/watch", get(spans)), Metrics::default());
        let answer = routes.oneshot(Request::get("/watch").body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200);
    }

    #[test]
    fn an_id_of_somebody_before_us_is_kept_if_it_is_plain() {
        let id = |given: &str| request_id(&[(X_REQUEST_ID, given.parse().unwrap())].into_iter().collect());
        assert_eq!(id("abc-123_4.5"), "abc-123_4.5");
        for odd in ["", "a b", "{\"a\":1}", &"a".repeat(65)] {
            assert_eq!(id(odd).len(), 32, "{odd}");
        }
        assert_ne!(request_id(&HeaderMap::new()), request_id(&HeaderMap::new()));
    }
}
