//! What operators are told: metrics of server and loader, and the ids of requests.

use std::time::Duration;

use paystats_core::bus::{Bus, WorkKind};
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Api, RunningLoader, TestBed, eventually,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::json;

const LOADER: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 1_000, chunks_in_flight: 16 };
const START: &str =
    "mutation($source: String!) { startLoad(input: { entity: PAYSTATS, source: $source }) { load { id } } }";
const WATCH: &str = "subscription($id: ID!) { loadProgress(id: $id) { state } }";

/// Waits until a program tells that a metric has this value.
async fn tells(program: &Api, metric: &str, value: f64) {
    eventually(metric, async || {
        let metrics = program.metrics().await;
        if metrics.get(metric) == Some(value) { Ok(()) } else { Err((metrics.get(metric), metrics)) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_becomes_of_a_load_is_counted_by_the_loader_that_does_it() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (_loader, loader) = RunningLoader::start_observed(bed.config().clone(), LOADER).await;
    loader.ready().await;
    bed.insert_postal_codes(1).await;
    let good = (1..=100).map(|id| paystat_row(&paystat(id)));
    let source = format!("{}x,2015-01-01,<=24,F,1,101\n", paystats(good));
    bed.put("rows.csv", &source);
    for _ in 0..2 {
        let started = server.graphql(START, json!({ "source": "rows.csv" })).await;
        let id = &started.data()["startLoad"]["load"]["id"];
        server.subscribe(WATCH, json!({ "id": id })).await.rest().await;
    }
    let metrics = loader.metrics().await;
    for (metric, value) in [
        (r#"paystats_loader_rows_total{entity="PAYSTATS",outcome="inserted"}"#, 100.0),
        (r#"paystats_loader_rows_total{entity="PAYSTATS",outcome="unchanged"}"#, 100.0),
        (r#"paystats_loader_rows_total{entity="PAYSTATS",outcome="rejected"}"#, 2.0),
        (r#"paystats_loader_rows_total{entity="POSTAL_CODES",outcome="inserted"}"#, 0.0),
        (r#"paystats_loader_rejections_total{entity="PAYSTATS",code="INVALID_AMOUNT"}"#, 2.0),
        (r#"paystats_loader_loads_ended_total{entity="PAYSTATS",state="SUCCEEDED"}"#, 2.0),
        (r#"paystats_loader_loads_ended_total{entity="PAYSTATS",state="FAILED"}"#, 0.0),
        (r#"paystats_loader_work_total{kind="plan",outcome="done"}"#, 2.0),
        ("paystats_ready", 1.0),
        ("paystats_degraded", 0.0),
    ] {
        assert_eq!(metrics.get(metric), Some(value), "{metric} in {}", metrics.0);
    }
    let header = source.lines().next().unwrap().len() + 1;
    let read = metrics.get(r#"paystats_loader_read_bytes_total{entity="PAYSTATS"}"#);
    assert_eq!(read, Some(2.0 * (source.len() - header) as f64));
    // The end of the load is told before the work is acknowledged.
    tells(&loader, r#"paystats_loader_work_in_hand{kind="chunk"}"#, 0.0).await;
    let metrics = loader.metrics().await;
    let done = metrics.get(r#"paystats_loader_work_total{kind="chunk",outcome="done"}"#).unwrap();
    assert!(done >= 4.0, "each load has several chunks: {}", metrics.0);
    assert_eq!(metrics.get(r#"paystats_loader_work_duration_seconds_count{kind="chunk"}"#), Some(done));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_that_fails_is_counted_as_such() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (_loader, loader) = RunningLoader::start_observed(bed.config().clone(), LOADER).await;
    bed.put("rows.csv", "no,such,columns\n1,2,3\n");
    let started = server.graphql(START, json!({ "source": "rows.csv" })).await;
    let id = &started.data()["startLoad"]["load"]["id"];
    server.subscribe(WATCH, json!({ "id": id })).await.rest().await;
    let metrics = loader.metrics().await;
    for metric in [
        r#"paystats_loader_loads_ended_total{entity="PAYSTATS",state="FAILED"}"#,
        r#"paystats_loader_work_total{kind="plan",outcome="failed"}"#,
    ] {
        assert_eq!(metrics.get(metric), Some(1.0), "{metric} in {}", metrics.0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_counted_by_route_and_operations_by_field_and_code() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for _ in 0..3 {
        server.graphql("{ a: total { count } b: total { count } }", json!({})).await;
    }
    server.graphql("{ paystat(id: \"nothing\") { id } }", json!({})).await;
    server.graphql("{ noSuchField }", json!({})).await;
    server.graphql("{ total { count", json!({})).await;
    server.get("/no/such/page").await;
    let metrics = server.metrics().await;
    for (metric, value) in [
        (r#"paystats_graphql_operations_total{type="query",field="total",code="OK"}"#, 6.0),
        (r#"paystats_graphql_operation_duration_seconds_count{type="query",field="total"}"#, 6.0),
        (r#"paystats_graphql_operations_total{type="query",field="paystat",code="BAD_USER_INPUT"}"#, 1.0),
        (r#"paystats_graphql_refused_total{code="GRAPHQL_PARSE_FAILED"}"#, 1.0),
        (r#"paystats_loads_unpublished"#, 0.0),
        ("paystats_ready", 1.0),
        ("paystats_degraded", 0.0),
    ] {
        assert_eq!(metrics.get(metric), Some(value), "{metric} in {}", metrics.0);
    }
    assert!(!metrics.0.contains("noSuchField"), "names that clients make up are no labels");
    let answered = |route: &str, status: u16| {
        metrics.get(&format!("paystats_http_requests_total{{route=\"{route}\",status=\"{status}\"}}"))
    };
    assert!(answered("/graphql", 200) >= Some(3.0), "{}", metrics.0);
    assert!(answered("/readyz", 200) >= Some(1.0));
    assert_eq!(answered("pages", 404), Some(1.0));
    assert!(metrics.get("paystats_cube_age_seconds").unwrap() < 60.0);
    assert!(metrics.0.ends_with("# EOF\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_loaders_is_told_before_there_ever_was_one() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for kind in ["plan", "chunk", "revert"] {
        tells(&server, &format!("paystats_queue_messages{{kind=\"{kind}\",state=\"waiting\"}}"), 0.0).await;
    }
    bed.put("rows.csv", paystats(std::iter::empty::<String>()));
    server.graphql(START, json!({ "source": "rows.csv" })).await.data();
    tells(&server, r#"paystats_queue_messages{kind="plan",state="waiting"}"#, 1.0).await;
    let (_loader, _) = RunningLoader::start_observed(bed.config().clone(), LOADER).await;
    tells(&server, r#"paystats_queue_messages{kind="plan",state="waiting"}"#, 0.0).await;
    tells(&server, r#"paystats_queue_messages{kind="plan",state="in_hand"}"#, 0.0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn watchers_are_counted_while_they_watch() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let watch = "subscription { totalChanged(now: true) { count } }";
    let watchers = r#"paystats_watchers{field="totalChanged"}"#;
    let mut first = server.subscribe(watch, json!({})).await;
    let mut second = server.subscribe(watch, json!({})).await;
    first.next().await.unwrap();
    second.next().await.unwrap();
    tells(&server, watchers, 2.0).await;
    drop((first, second));
    tells(&server, watchers, 0.0).await;
    let refused = server.subscribe(WATCH, json!({ "id": "999" })).await.refusal().await;
    assert!(refused.contains("NOT_FOUND"), "{refused}");
    tells(
        &server,
        r#"paystats_graphql_operations_total{type="subscription",field="loadProgress",code="NOT_FOUND"}"#,
        1.0,
    )
    .await;
    let began = r#"paystats_graphql_operations_total{type="subscription",field="totalChanged",code="OK"}"#;
    assert_eq!(server.metrics().await.get(began), Some(2.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_version_of_the_totals_goes_up_with_every_change() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let before = server.metrics().await.get("paystats_cube_version").unwrap();
    bed.insert_postal_codes(1).await;
    let create = r#"mutation { createPaystat(input: {
        amount: "1.50", month: "2015-01", age: FROM_65, gender: F, postalCodeId: 1
    }) { paystat { id } } }"#;
    server.graphql(create, json!({})).await.data();
    assert!(server.metrics().await.get("paystats_cube_version").unwrap() > before);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_has_the_id_of_its_request() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let given = server.send("GET", "/healthz", &[("x-request-id", "from-the-proxy.1")], "").await;
    assert_eq!(given.headers["x-request-id"], "from-the-proxy.1");
    let (one, other) = (server.get("/healthz").await, server.get("/no/such/page").await);
    assert_eq!(one.headers["x-request-id"].len(), 32);
    assert_ne!(one.headers["x-request-id"], other.headers["x-request-id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_leaves_the_queues_as_loaders_have_set_them() {
    let bed = TestBed::new().await;
    let mut of_loaders = bed.config().bus.clone();
    of_loaders.ack_wait = Duration::from_secs(60);
    Bus::connect(&of_loaders).await.unwrap().work_queue(WorkKind::Chunk).await.unwrap();
    let _server = bed.start_server().await;
    let client = async_nats::connect(bed.config().bus.url.expose()).await.unwrap();
    let stream = async_nats::jetstream::new(client).get_stream(format!("{}-work", of_loaders.prefix)).await.unwrap();
    let chunks = stream.consumer_info("chunks").await.unwrap();
    assert_eq!(chunks.config.ack_wait, of_loaders.ack_wait);
}
