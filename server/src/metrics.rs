//! What the server counts and measures. Labels have few values, whatever clients send: names of our schema, routes, codes.

use std::time::Duration;

use async_graphql::parser::types::OperationType;
use paystats_core::{
    bus::WorkKind,
    metrics::{Durations, durations},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

/// The metrics of one server.
#[derive(Clone, Debug)]
pub struct Metrics {
    requests: Family<Request, Counter>,
    request_seconds: Durations<Route>,
    operations: Family<Operation, Counter>,
    operation_seconds: Durations<Field>,
    refused: Family<Refusal, Counter>,
    watchers: Family<WatchedField, Gauge>,
    /// The version of the store that totals are answered from.
    pub(crate) cube_version: Gauge,
    /// Seconds since the totals were known to be those of the store.
    pub(crate) cube_age: Gauge<f64, std::sync::atomic::AtomicU64>,
    queue: Family<Queue, Gauge>,
    /// Loads that are accepted and not yet on the bus.
    pub(crate) unpublished: Gauge,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    route: String,
    status: u16,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Route {
    route: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Operation {
    r#type: &'static str,
    field: String,
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Field {
    r#type: &'static str,
    field: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct WatchedField {
    field: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    code: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Queue {
    kind: &'static str,
    state: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            requests: Family::default(),
            request_seconds: durations(),
            operations: Family::default(),
            operation_seconds: durations(),
            refused: Family::default(),
            watchers: Family::default(),
            cube_version: Gauge::default(),
            cube_age: Gauge::default(),
            queue: Family::default(),
            unpublished: Gauge::default(),
        }
    }
}

impl Metrics {
    /// All of them, by their names.
    pub(crate) fn registry(&self) -> Registry {
        let mut registry = Registry::default();
        registry.register("paystats_http_requests", "Answers begun, by route and status", self.requests.clone());
        registry.register(
            "paystats_http_request_duration_seconds",
            "From a request's head until its answer begins, by route",
            self.request_seconds.clone(),
        );
        registry.register(
            "paystats_graphql_operations",
            "Fields of the roots that were answered, and what subscriptions told first, by OK or the code of the error; OK too where a part of the answer failed",
            self.operations.clone(),
        );
        registry.register(
            "paystats_graphql_operation_duration_seconds",
            "What a field of the roots of queries and mutations took",
            self.operation_seconds.clone(),
        );
        registry.register(
            "paystats_graphql_refused",
            "Documents that were refused before they were held against the schema, by the code of the error",
            self.refused.clone(),
        );
        registry.register("paystats_watchers", "Subscriptions that run now", self.watchers.clone());
        registry.register(
            "paystats_cube_version",
            "Version of the store that totals are answered from",
            self.cube_version.clone(),
        );
        registry.register(
            "paystats_cube_age_seconds",
            "Seconds since the totals in memory were last known to be those of the store",
            self.cube_age.clone(),
        );
        registry.register(
            "paystats_queue_messages",
            "Work for loaders: waiting, or in the hands of one",
            self.queue.clone(),
        );
        registry.register(
            "paystats_loads_unpublished",
            "Loads that are accepted and not yet on the message bus",
            self.unpublished.clone(),
        );
        registry
    }

    /// An answer of this route begins.
    pub(crate) fn answered(&self, route: &str, status: u16, took: Duration) {
        self.requests.get_or_create(&Request { route: route.to_owned(), status }).inc();
        self.request_seconds.get_or_create(&Route { route: route.to_owned() }).observe(took.as_secs_f64());
    }

    /// A field of a root was answered.
    pub(crate) fn resolved(&self, kind: OperationType, field: &str, code: &str, took: Duration) {
        let r#type = name(kind);
        self.count(r#type, field, code);
        let field = Field { r#type, field: field.to_owned() };
        self.operation_seconds.get_or_create(&field).observe(took.as_secs_f64());
    }

    /// A subscription begins; it runs as long as what this returns is held.
    pub(crate) fn watches(&self, field: &str) -> Watcher {
        let running = self.watchers.get_or_create_owned(&WatchedField { field: field.to_owned() });
        running.inc();
        Watcher { metrics: self.clone(), field: field.to_owned(), running, is_counted: false }
    }

    /// A subscription was refused, or has begun, which is told by what it tells first.
    pub(crate) fn watched(&self, field: &str, code: &str) {
        self.count(name(OperationType::Subscription), field, code);
    }

    /// A document was refused.
    pub(crate) fn refused(&self, code: &str) {
        self.refused.get_or_create(&Refusal { code: code.to_owned() }).inc();
    }

    /// So much work of this kind waits, and so much is in the hands of loaders.
    pub(crate) fn queue(&self, kind: WorkKind, waiting: u64, in_hand: u64) {
        for (state, messages) in [("waiting", waiting), ("in_hand", in_hand)] {
            self.queue.get_or_create(&Queue { kind: kind.name(), state }).set(messages as i64);
        }
    }

    fn count(&self, r#type: &'static str, field: &str, code: &str) {
        let operation = Operation { r#type, field: field.to_owned(), code: code.to_owned() };
        self.operations.get_or_create(&operation).inc();
    }
}

/// A subscription that is counted as running.
#[derive(Debug)]
pub(crate) struct Watcher {
    metrics: Metrics,
    field: String,
    running: Gauge,
    is_counted: bool,
}

impl Watcher {
    /// It tells something: an error with this code, if it is one.
    pub(crate) fn tells(&mut self, code: Option<&str>) {
        if !std::mem::replace(&mut self.is_counted, true) {
            self.metrics.watched(&self.field, code.unwrap_or("OK"));
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.tells(None);
        self.running.dec();
    }
}

fn name(kind: OperationType) -> &'static str {
    match kind {
        OperationType::Query => "query",
        OperationType::Mutation => "mutation",
        OperationType::Subscription => "subscription",
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::encoding::text::encode;

    use super::*;

    #[test]
    fn a_watcher_is_counted_as_long_as_it_watches() {
        let metrics = Metrics::default();
        let registry = metrics.registry();
        let text = || {
            let mut text = String::new();
            encode(&mut text, &registry).unwrap();
            text
        };
        let mut watchers = [metrics.watches("loads"), metrics.watches("loads")];
        assert!(text().contains("paystats_watchers{field=\"loads\"} 2\n"), "{}", text());
        watchers[0].tells(Some("NOT_FOUND"));
        watchers[0].tells(None);
        drop(watchers);
        assert!(text().contains("paystats_watchers{field=\"loads\"} 0\n"));
        let told = |code| {
            format!("paystats_graphql_operations_total{{type=\"subscription\",field=\"loads\",code=\"{code}\"}} 1\n")
        };
        assert!(text().contains(&told("OK")) && text().contains(&told("NOT_FOUND")), "{}", text());
    }
}
