//! The refused rows of a load, watched as they come: each once, whatever becomes of the load, its loaders and the database.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use paystats_core::load::LoadId;
use paystats_loader::LoaderConfig;
use paystats_tests::{
    Accepted, Api, RunningServer, Stage, Subscription, TestBed, is_final,
    sources::{paystat, paystat_row, paystats},
};
use serde_json::{Value, json};

const WATCH: &str = "subscription($id: ID!) { rejections(loadId: $id) { line column code value reason fields } }";
const LIST: &str = "query($id: ID!, $after: String) { load(id: $id) { rejections(first: 1000, after: $after) {
    nodes { line column code value reason fields } pageInfo { hasNextPage endCursor }
} } }";
const SMALL_CHUNKS: LoaderConfig = LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };

/// The paystats with the numbers 1 to `count`; each third row is bad, and each fourth one has the id of the row before.
fn with_bad_rows(count: i64) -> String {
    let row = |id| match id {
        id if id % 3 == 0 => paystat_row(&paystat(id)).replace("2015-01-01", "2015-01-02"),
        id if id % 4 == 0 => paystat_row(&paystat(id - 1)),
        id => paystat_row(&paystat(id)),
    };
    paystats((1..=count).map(row))
}

async fn watch(api: &Api, id: &str) -> Subscription {
    api.subscribe(WATCH, json!({ "id": id })).await
}

async fn next(watch: &mut Subscription) -> Value {
    watch.next().await.expect("the load refuses more")["rejections"].take()
}

async fn rest(watch: &mut Subscription) -> Vec<Value> {
    watch.rest().await.into_iter().map(|mut next| next["rejections"].take()).collect()
}

/// All refused rows of a load that are kept, by line.
async fn list(api: &Api, id: &str) -> Vec<Value> {
    let (mut rows, mut after) = (Vec::new(), Value::Null);
    loop {
        let answer = api.graphql(LIST, json!({ "id": id, "after": after })).await;
        let page = &answer.data()["load"]["rejections"];
        rows.extend(page["nodes"].as_array().unwrap().iter().cloned());
        if page["pageInfo"]["hasNextPage"] == false {
            return rows;
        }
        after = page["pageInfo"]["endCursor"].clone();
    }
}

fn line(row: &Value) -> u64 {
    row["line"].as_u64().unwrap()
}

/// What was told are the refused rows that the load has in the end, each once, and those of each chunk by line.
async fn assert_are_all(bed: &TestBed, api: &Api, load: &Accepted, told: &[Value]) {
    let mut by_line = told.to_vec();
    by_line.sort_by_key(line);
    assert_eq!(by_line, list(api, &load.id).await);
    let id = bed.store().loads.by_number(load.number).await.unwrap().unwrap().id;
    let chunks = bed.store().load_chunks.rejections_kept(id).await.unwrap();
    let mut of_chunks = BTreeMap::<u32, Vec<u64>>::new();
    for line in told.iter().map(line) {
        let chunk = chunks.iter().rfind(|chunk| chunk.start_line <= line).unwrap();
        of_chunks.entry(chunk.chunk).or_default().push(line);
    }
    assert_eq!(of_chunks.len(), chunks.len());
    for chunk in chunks {
        let lines = &of_chunks[&chunk.chunk];
        assert!(lines.is_sorted() && lines.len() as u64 == chunk.rows, "{chunk:?}: {lines:?}");
    }
}

async fn is_under_way(server: &RunningServer, load: &Accepted) -> bool {
    !is_final(&server.load(&load.id).await["state"])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_rows_come_while_many_chunks_are_written_side_by_side() {
    let mut stage = Stage::new().await;
    let path = stage.put(&with_bad_rows(20_000));
    let load = stage.server.start_load(&path, json!({})).await;
    let mut early = watch(&stage.server, &load.id).await;
    let loaders = [stage.start_loader(1, 10_000).await, stage.start_loader(2, 10_000).await];
    let mut told = vec![next(&mut early).await];
    assert!(is_under_way(&stage.server, &load).await, "the first row comes before the end");
    let mut late = watch(&stage.server, &load.id).await;
    told.extend(rest(&mut early).await);
    assert!(!is_under_way(&stage.server, &load).await, "it is complete when the load has ended");
    assert_eq!(told.len(), 10_000);
    assert_are_all(&stage.bed, &stage.server, &load, &told).await;
    assert_are_all(&stage.bed, &stage.server, &load, &rest(&mut late).await).await;
    for loader in loaders {
        loader.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_loader_that_is_killed_loses_no_refused_row_and_repeats_none() {
    let mut stage = Stage::new().await;
    let path = stage.put(&with_bad_rows(20_000));
    let load = stage.server.start_load(&path, json!({})).await;
    let mut watching = watch(&stage.server, &load.id).await;
    let mut told = Vec::new();
    for rows in [1, 1_000, 3_000] {
        // Chunks of several batches, too: the first loader has chosen how the source is cut.
        let loader = stage.start_loader(2, 200_000).await;
        while told.len() < rows {
            told.push(next(&mut watching).await);
        }
        assert!(is_under_way(&stage.server, &load).await);
        loader.kill().await;
    }
    let loader = stage.start_loader(2, 200_000).await;
    told.extend(rest(&mut watching).await);
    assert_are_all(&stage.bed, &stage.server, &load, &told).await;
    loader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_goes_on_when_the_database_is_back() {
    let mut stage = Stage::new().await;
    // It alone reaches MongoDB through the network.
    let server = RunningServer::start(stage.config(), Duration::from_secs(30)).await;
    server.ready().await;
    let path = stage.put(&with_bad_rows(20_000));
    let load = stage.server.start_load(&path, json!({})).await;
    let mut watching = watch(&server, &load.id).await;
    let loader = stage.bed.start_loader(SMALL_CHUNKS);
    let mut told = vec![next(&mut watching).await];
    stage.network.mongodb.refuse();
    stage.server.ended(&load.id).await;
    server.waits_for(&["mongodb"]).await;
    stage.network.mongodb.heal();
    told.extend(rest(&mut watching).await);
    assert_are_all(&stage.bed, &stage.server, &load, &told).await;
    loader.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_has_ended_gives_what_it_refused_and_completes() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let server = bed.start_server().await;
    // One chunk, of several batches, whose refused rows are more than are read at once.
    let _loader = bed.start_plain_loader();
    bed.put("bad.csv", with_bad_rows(9_000));
    let load = server.start_load("bad.csv", json!({})).await;
    server.ended(&load.id).await;
    let told = rest(&mut watch(&server, &load.id).await).await;
    assert_eq!(told.len(), 4_500);
    assert_eq!(told, list(&server, &load.id).await);
    assert_eq!(rest(&mut watch(&server, &load.number.to_string()).await).await, told);

    // Of a retry of the refused lines, chunks hold some lines only.
    let answer = server.retry_load(&load, true).await;
    let retry = Accepted::of(&answer.data()["retryLoad"]["load"]);
    let told = rest(&mut watch(&server, &retry.id).await).await;
    assert_eq!(told.len(), 4_500);
    assert_are_all(&bed, &server, &retry, &told).await;

    // What it refused stays when it is undone.
    let mut before = watch(&server, &load.id).await;
    server.undo_load(&load).await.data();
    let mut meanwhile = watch(&server, &load.id).await;
    assert_eq!([rest(&mut before).await.len(), rest(&mut meanwhile).await.len()], [4_500, 4_500]);

    bed.put("good.csv", paystats([paystat_row(&paystat(1))]));
    let good = server.start_load("good.csv", json!({})).await;
    assert_eq!(rest(&mut watch(&server, &good.id).await).await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_looks_four_times_a_second_at_most() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let (server, commands) = bed.start_overheard_server().await;
    bed.put("bad.csv", with_bad_rows(20_000));
    let load = server.start_load("bad.csv", json!({})).await;
    commands.take();
    let start = Instant::now();
    let mut watching = watch(&server, &load.id).await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    assert_eq!(rest(&mut watching).await.len(), 10_000);
    let looks = commands.take().iter().filter(|asked| *asked == "find load_chunks").count();
    let most = 2 + start.elapsed().as_millis() / 250;
    assert!((2..=most).contains(&(looks as u128)), "{looks} looks, and {most} at most");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_fails_or_is_cancelled_completes_too() {
    let bed = TestBed::new().await;
    bed.insert_postal_codes(1).await;
    let server = bed.start_server().await;
    bed.put("bad.csv", with_bad_rows(20_000));
    let waiting = server.start_load("bad.csv", json!({})).await;
    let mut watching = watch(&server, &waiting.id).await;
    server.cancel_load(&waiting).await.data();
    assert_eq!(rest(&mut watching).await, [Value::Null; 0]);

    let load = server.start_load("bad.csv", json!({ "maxRejected": 1_000 })).await;
    let mut early = watch(&server, &load.id).await;
    let _loader = bed.start_loader(SMALL_CHUNKS);
    let told = rest(&mut early).await;
    assert_eq!(server.load(&load.id).await["state"], "FAILED");
    assert!(told.len() > 1_000);
    assert_are_all(&bed, &server, &load, &told).await;
    assert_are_all(&bed, &server, &load, &rest(&mut watch(&server, &load.id).await).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn features_that_share_a_line_are_told_each() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    let feature = |id: u32| {
        // Each second one has the code of the one before, which only the store sees, and each fifth one none.
        let code = if id.is_multiple_of(5) { String::new() } else { format!("{:05}", id / 2) };
        let [west, east] = [0.001 * f64::from(id), 0.001 * f64::from(id + 1)];
        let ring = json!([[[west, 0], [east, 0], [east, 0.001], [west, 0.001], [west, 0]]]);
        let geometry = json!({ "type": "Polygon", "coordinates": ring });
        json!({ "type": "Feature", "properties": { "id": id, "code": code }, "geometry": geometry })
    };
    let features: Vec<Value> = (1..=200).map(feature).collect();
    bed.put("codes.geojson", json!({ "type": "FeatureCollection", "features": features }).to_string());
    let load = server.start_load("codes.geojson", json!({ "entity": "POSTAL_CODES" })).await;
    let told = rest(&mut watch(&server, &load.id).await).await;
    for code in ["INVALID_CODE", "DUPLICATE_CODE"] {
        assert!(told.iter().filter(|row| row["code"] == code).count() >= 40, "{code}");
    }
    assert_eq!(told, list(&server, &load.id).await);
}

#[tokio::test]
async fn a_watcher_of_no_load_is_told_so() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let refused = "there is no load with this id (NOT_FOUND)";
    assert_eq!(watch(&server, "7").await.refusal().await, refused);
    assert_eq!(watch(&server, &format!("Load:{}", LoadId::new())).await.refusal().await, refused);
}
