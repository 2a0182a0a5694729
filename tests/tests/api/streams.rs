//! Subscriptions over plain HTTP: Server-Sent Events, which are resumed by the number of the last event, and multipart.

use paystats_loader::LoaderConfig;
use paystats_tests::{
    Event, TestBed, is_final,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};

const WATCH: &str = "subscription($id: ID!, $afterSeq: Int) {
    loadProgress(id: $id, afterSeq: $afterSeq) { seq state rowsRead rowsInserted load { id } }
}";
const SMALL_CHUNKS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };
const ROWS: i64 = 10_000;

async fn bed() -> TestBed {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", paystats((1..=ROWS).map(|id| paystat_row(&paystat(id)))));
    bed
}

fn complete() -> Event {
    Event { event: "complete".to_owned(), id: None, data: Value::Null }
}

/// The progress that an event tells, whose number is that of the event.
#[track_caller]
fn progress(event: Event) -> Value {
    assert_eq!(event.event, "next");
    let progress = event.data["data"]["loadProgress"].clone();
    assert!(event.id.is_some() && event.id == progress["seq"].as_u64(), "{event:?}");
    progress
}

/// Numbers only grow, so nothing is repeated, and the end comes once and last, with all rows.
#[track_caller]
fn assert_is_a_whole_life(told: &[Value]) {
    assert!(told.is_sorted_by(|a, b| a["seq"].as_u64() < b["seq"].as_u64()), "{told:?}");
    let ends: Vec<_> = told.iter().filter(|progress| is_final(&progress["state"])).collect();
    assert_eq!(ends, [told.last().unwrap()]);
    assert_eq!((&ends[0]["state"], &ends[0]["rowsInserted"]), (&json!("SUCCEEDED"), &json!(ROWS)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_watched_as_events_and_goes_on_at_another_server() {
    let bed = bed().await;
    let (server, other) = (bed.start_server().await, bed.start_server().await);
    let load = server.start_load("rows.csv", json!({})).await;
    let variables = json!({ "id": load.id });

    let mut first = server.events(WATCH, variables.clone(), None).await;
    let mut waiting = server.events(WATCH, variables.clone(), Some(0)).await;
    let mut told = vec![progress(first.event().await.unwrap())];
    assert_eq!(told[0]["state"], "QUEUED");
    let _loader = bed.start_loader(SMALL_CHUNKS);
    while told.last().is_some_and(|last| last["rowsRead"] == 0) {
        told.push(progress(first.event().await.unwrap()));
    }
    drop(first);
    let last_seen = told.last().unwrap()["seq"].as_u64();
    // The server that stops neither waits for its streams nor lets them look as if they were complete.
    server.stop().await;
    while let Some(event) = waiting.event().await {
        assert_eq!(event.event, "next");
    }

    let mut rest = other.events(WATCH, variables.clone(), last_seen).await;
    loop {
        match rest.event().await.unwrap() {
            event if event == complete() => break,
            event => told.push(progress(event)),
        }
    }
    rest.ends().await;
    assert_is_a_whole_life(&told);

    // Whoever saw the end is told nothing but that it was the end; the later of both numbers counts.
    let end = told.last().unwrap()["seq"].as_u64().unwrap();
    let after_seq = |seq: u64| json!({ "id": load.id, "afterSeq": seq });
    for (variables, last_event_id) in
        [(variables.clone(), Some(end)), (after_seq(end), None), (after_seq(0), Some(end)), (after_seq(end), Some(0))]
    {
        assert_eq!(other.events(WATCH, variables, last_event_id).await.event().await, Some(complete()));
    }
    let mut end_alone = other.events(WATCH, variables, Some(end - 1)).await;
    assert_eq!(progress(end_alone.event().await.unwrap()), *told.last().unwrap());
    assert_eq!(end_alone.event().await, Some(complete()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_watched_in_parts() {
    let bed = bed().await;
    let server = bed.start_server().await;
    let load = server.start_load("rows.csv", json!({})).await;
    let mut parts = server.parts(WATCH, json!({ "id": load.id })).await;
    let first = parts.part().await.unwrap();
    assert_eq!(first["payload"]["data"]["loadProgress"]["state"], "QUEUED");
    let _loader = bed.start_loader(SMALL_CHUNKS);
    let mut told = vec![first];
    while let Some(part) = parts.part().await {
        told.push(part);
    }
    parts.ends().await;
    let told: Vec<_> = told.into_iter().map(|mut part| part["payload"]["data"]["loadProgress"].take()).collect();
    assert_is_a_whole_life(&told);
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_who_reads_parts() {
    let bed = bed().await;
    let server = bed.start_server().await;
    let load = server.start_load("rows.csv", json!({})).await;
    let mut parts = server.parts(WATCH, json!({ "id": load.id })).await;
    parts.part().await.unwrap();
    server.stop().await;
    let last = parts.part().await.unwrap();
    assert_eq!((&last["payload"], &last["errors"][0]["extensions"]["code"]), (&Value::Null, &json!("UNAVAILABLE")));
    assert_eq!(parts.part().await, None);
    parts.ends().await;
}

#[tokio::test]
async fn a_watcher_of_no_load_is_told_so() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    for (variables, code) in
        [(json!({ "id": 7 }), "NOT_FOUND"), (json!({ "id": "1", "afterSeq": -1 }), "BAD_USER_INPUT")]
    {
        let mut events = server.events(WATCH, variables.clone(), None).await;
        let told = events.event().await.unwrap();
        assert_eq!((told.id, &told.data["errors"][0]["extensions"]["code"]), (None, &json!(code)));
        assert_eq!(events.event().await, Some(complete()));
        events.ends().await;
        let mut parts = server.parts(WATCH, variables).await;
        assert_eq!(parts.part().await, Some(json!({ "payload": told.data })));
        assert_eq!(parts.part().await, None);
    }
}
