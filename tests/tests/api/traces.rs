//! Traces: what one request sets off is one trace, from the server through the bus into every chunk and every command to MongoDB.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Arc, Mutex},
};

use axum::{Router, body::Bytes, routing::post};
use opentelemetry_proto::tonic::{collector::trace::v1::ExportTraceServiceRequest, trace::v1::Span};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    LoaderProcess, ServerProcess, TestBed,
    sources::{paystat, paystat_row, paystats},
};
use prost::Message;
use serde_json::json;
use tokio::net::TcpListener;

const LOADER: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 1_000, chunks_in_flight: 2 };
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

/// Whoever collects traces.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Vec<(String, Span)>>>);

impl Collector {
    /// Listens, and returns where.
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let this = self.clone();
        let take = async move |body: Bytes| this.take(&ExportTraceServiceRequest::decode(body).unwrap());
        tokio::spawn(async { axum::serve(listener, Router::new().route("/v1/traces", post(take))).await });
        format!("http://{address}")
    }

    fn take(&self, request: &ExportTraceServiceRequest) {
        for of_program in &request.resource_spans {
            let resource = of_program.resource.as_ref().unwrap();
            let name = resource.attributes.iter().find(|attribute| attribute.key == "service.name").unwrap();
            let program = format!("{:?}", name.value.as_ref().unwrap().value);
            let spans = of_program.scope_spans.iter().flat_map(|scope| scope.spans.clone());
            self.0.lock().unwrap().extend(spans.map(|span| (program.clone(), span)));
        }
    }
}

/// The names of a span and of what it is a part of.
fn path<'a>(span: &'a Span, by_id: &HashMap<&[u8], &'a Span>) -> Vec<&'a str> {
    let parent = |span: &&'a Span| by_id.get(&*span.parent_span_id).copied();
    std::iter::successors(Some(span), parent).map(|span| span.name.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_mutation_sets_off_is_one_trace_down_to_the_database() {
    let bed = TestBed::new().await;
    let collector = Collector::default();
    let endpoint = [("OTEL_EXPORTER_OTLP_ENDPOINT", collector.start().await)];
    let server = ServerProcess::start_with(bed.config(), &endpoint).await;
    let loader = LoaderProcess::start_with(bed.config(), &LOADER, &endpoint).await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", paystats((1..=200).map(|id| paystat_row(&paystat(id)))));
    let start = r#"mutation { startLoad(input: { entity: PAYSTATS, source: "rows.csv" }) { load { id } } }"#;
    let headers = [("content-type", "application/json"), ("traceparent", &format!("00-{TRACE}-{CALLER}-01"))];
    let started = server.send("POST", "/graphql", &headers, json!({ "query": start }).to_string()).await;
    let id = &started.data()["startLoad"]["load"]["id"];
    let watch = "subscription($id: ID!) { loadProgress(id: $id) { state } }";
    server.subscribe(watch, json!({ "id": id })).await.rest().await;
    // Whoever ends sends what it still holds.
    loader.stop().await;
    server.stop().await;

    let spans = collector.0.lock().unwrap().clone();
    let ours: Vec<&(String, Span)> = spans.iter().filter(|(_, span)| hex::encode(&span.trace_id) == TRACE).collect();
    let by_id: HashMap<&[u8], &Span> = ours.iter().map(|(_, span)| (&*span.span_id, span)).collect();
    let find = |program: &str, name: &str| -> Vec<&Span> {
        let found = ours.iter().filter(|(of, span)| of.contains(program) && span.name == name);
        found.map(|(_, span)| span).collect()
    };
    let names: Vec<_> = ours.iter().map(|(program, span)| (program, &span.name)).collect();

    let [request] = find("paystats-server", "POST /graphql")[..] else { panic!("one request: {names:?}") };
    assert_eq!(hex::encode(&request.parent_span_id), CALLER, "it goes on with the trace of its caller");
    let [insert] = find("paystats-server", "insert loads")[..] else { panic!("one load is written: {names:?}") };
    assert_eq!(path(insert, &by_id), ["insert loads", "mutation startLoad", "POST /graphql"]);
    let [plan] = find("paystats-loader", "plan")[..] else { panic!("it is planned once: {names:?}") };
    assert_eq!(path(plan, &by_id), ["plan", "mutation startLoad", "POST /graphql"]);
    let chunks = find("paystats-loader", "chunk");
    assert!(chunks.len() > 4, "{names:?}");
    for chunk in &chunks {
        assert!(
            path(chunk, &by_id).ends_with(&["plan", "mutation startLoad", "POST /graphql"]),
            "{:?}",
            path(chunk, &by_id)
        );
    }
    // A transaction that met another one is done again.
    let written = find("paystats-loader", "insert paystats");
    let writers: HashSet<&[u8]> = written.iter().map(|insert| &*insert.parent_span_id).collect();
    assert_eq!(writers, chunks.iter().map(|chunk| &*chunk.span_id).collect(), "each chunk writes rows: {names:?}");
    let told: BTreeSet<&str> = insert.attributes.iter().map(|attribute| attribute.key.as_str()).collect();
    let known = ["db.collection.name", "db.namespace", "db.operation.name", "db.system.name"];
    assert!(told.is_subset(&known.into()), "nothing of what is in a command: {told:?}");
}

/// The span of the request in a trace ends with its answer, long before.
#[tokio::test(flavor = "multi_thread")]
async fn log_lines_of_a_subscription_name_its_request_also_where_traces_are_kept() {
    let bed = TestBed::new().await;
    let log = ("PAYSTATS_LOG", "warn,paystats_server::serve=info,paystats_server::http::websocket=debug".to_owned());
    let traces = ("OTEL_EXPORTER_OTLP_ENDPOINT", Collector::default().start().await);
    for settings in [vec![log.clone()], vec![log, traces]] {
        let server = ServerProcess::start_with(bed.config(), &settings).await;
        let mut watching = server.subscribe("subscription { totalChanged(now: true) { count } }", json!({})).await;
        watching.next().await;
        let lines = server.stop().await;
        let closing = lines.iter().find(|line| line.contains("closing a WebSocket"));
        let closing = closing.unwrap_or_else(|| panic!("its end is told: {lines:?}"));
        let (_, id) = closing.split_once("request.id=\"").unwrap_or_else(|| panic!("{closing}"));
        let id: String = id.chars().take_while(char::is_ascii_hexdigit).collect();
        assert_eq!(id.len(), 32, "{closing}");
    }
}
