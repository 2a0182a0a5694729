//! Loads, watched: before, while and after they run, by many, and over connections and a bus that are lost.

use std::collections::BTreeSet;

use futures_util::{future::join_all, join};
use paystats_core::load::{ChunkProgress, LoadEvent, LoadId, LoadState, Progress, Reverted};
use paystats_loader::LoaderConfig;
use paystats_tests::{RunningServer, Subscription, TestBed};
use serde_json::{Value, json};

use super::loads::{source, start_paystats};

const WATCH: &str = "subscription($id: ID!, $afterSeq: Int) {
    loadProgress(id: $id, afterSeq: $afterSeq) {
        seq state error rowsRead rowsInserted rowsUpdated rowsUnchanged rowsRejected rowsTotal bytesRead bytesTotal fraction
        chunksDone chunksTotal rowsPerSecond etaSeconds load { id }
    }
}";
const MISSED: &str =
    "subscription($id: ID!, $afterSeq: Int) { loadProgress(id: $id, afterSeq: $afterSeq) { seq state missed } }";
pub(super) const SMALL_CHUNKS: LoaderConfig =
    LoaderConfig { concurrency: 2, chunk_bytes: 10_000, chunks_in_flight: 16 };

pub(super) async fn watch(server: &RunningServer, id: &str, after_seq: Option<u64>) -> Subscription {
    server.subscribe(WATCH, json!({ "id": id, "afterSeq": after_seq })).await
}

/// What `loadProgress` tells until it is complete.
pub(super) async fn progress_of(server: &RunningServer, id: &str, after_seq: Option<u64>) -> Vec<Value> {
    let told = watch(server, id, after_seq).await.rest().await;
    told.into_iter().map(|mut next| next["loadProgress"].take()).collect()
}

async fn next(watch: &mut Subscription) -> Value {
    watch.next().await.expect("the load goes on")["loadProgress"].take()
}

fn is_final(progress: &Value) -> bool {
    matches!(progress["state"].as_str(), Some("SUCCEEDED" | "FAILED" | "CANCELLED" | "UNDONE"))
}

fn seq(progress: &Value) -> u64 {
    progress["seq"].as_u64().unwrap()
}

/// What every watcher may rely on, from whichever moment it watches: numbers and counts only grow, and the end comes once and last.
#[track_caller]
pub(super) fn assert_is_a_progress(told: &[Value]) {
    const STATES: [&str; 9] =
        ["QUEUED", "PLANNING", "LOADING", "ROLLING_UP", "REVERTING", "SUCCEEDED", "FAILED", "CANCELLED", "UNDONE"];
    let state = |progress: &Value| STATES.iter().position(|state| progress["state"] == *state).unwrap();
    for (before, after) in told.iter().zip(&told[1..]) {
        assert!(seq(before) < seq(after) && state(before) <= state(after), "{before} then {after}");
        assert!(!is_final(before), "{after} follows the end");
        for count in ["rowsRead", "rowsInserted", "bytesRead", "chunksDone"] {
            assert!(before[count].as_u64() <= after[count].as_u64(), "{count}: {before} then {after}");
        }
        assert!(before["fraction"].as_f64() <= after["fraction"].as_f64(), "{before} then {after}");
    }
    for progress in told {
        let parts = ["rowsInserted", "rowsUpdated", "rowsUnchanged", "rowsRejected"];
        let sum: u64 = parts.iter().map(|part| progress[part].as_u64().unwrap()).sum();
        assert_eq!(progress["rowsRead"], sum);
        assert_eq!(progress["load"]["id"], told[0]["load"]["id"]);
    }
    assert!(told.last().is_some_and(is_final), "{told:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_is_watched_before_while_and_after_it_runs() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(10_000));
    let id = start_paystats(&server, "rows.csv").await;

    // Nobody works yet: the state now comes at once.
    let mut before = watch(&server, &id, None).await;
    let mut told = vec![next(&mut before).await];
    assert_eq!((&told[0]["state"], &told[0]["fraction"]), (&json!("QUEUED"), &json!(0.0)));

    let _loader = bed.start_loader(SMALL_CHUNKS);
    while told.last().is_some_and(|last| last["rowsRead"] == 0) {
        told.push(next(&mut before).await);
    }
    let mut during = watch(&server, &id, None).await;
    let mut told_during = vec![next(&mut during).await];
    assert!(seq(&told_during[0]) >= seq(told.last().unwrap()) && !is_final(&told_during[0]));
    told_during.extend(during.rest().await.into_iter().map(|mut next| next["loadProgress"].take()));
    told.extend(before.rest().await.into_iter().map(|mut next| next["loadProgress"].take()));
    assert_is_a_progress(&told);
    assert_is_a_progress(&told_during);
    assert!(told.len() > 4, "{told:?}");

    let end = told.last().unwrap();
    assert_eq!((&end["state"], &end["rowsInserted"]), (&json!("SUCCEEDED"), &json!(10_000)));
    let told_after = progress_of(&server, &id, None).await;
    assert_eq!((told_during.last().unwrap(), told_after.as_slice()), (end, std::slice::from_ref(end)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watcher_that_lost_its_connection_goes_on_at_another_server_without_repeats() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(10_000));
    let id = start_paystats(&server, "rows.csv").await;
    // Up to the state that it has seen, a client hears nothing again.
    let mut waiting = watch(&server, &id, Some(0)).await;

    let mut first = watch(&server, &id, None).await;
    let mut told = vec![next(&mut first).await];
    let _loader = bed.start_loader(SMALL_CHUNKS);
    while told.last().is_some_and(|last| last["rowsRead"] == 0) {
        told.push(next(&mut first).await);
    }
    let last_seen = seq(told.last().unwrap());
    drop(first);
    server.stop().await;

    let other = bed.start_server().await;
    let rest = progress_of(&other, &id, Some(last_seen)).await;
    assert!(rest.iter().all(|next| seq(next) > last_seen), "{rest:?} repeats {last_seen}");
    told.extend(rest);
    assert_is_a_progress(&told);
    let end = seq(told.last().unwrap());
    assert_eq!(progress_of(&other, &id, Some(end)).await, [Value::Null; 0]);
    assert_eq!(progress_of(&other, &id, Some(end - 1)).await, told[told.len() - 1..]);

    // The server that went said so.
    let mut refusal = String::new();
    while refusal.is_empty() {
        if let Err(error) = waiting.try_next().await {
            refusal = error;
        }
    }
    assert!(refusal.contains("1001"), "{refusal}");
}

#[tokio::test]
async fn a_watcher_of_no_load_is_told_so() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let unknown = watch(&server, &LoadId::new().to_string(), None).await.refusal().await;
    assert_eq!(unknown, "there is no load with this id (NOT_FOUND)");
    let bad = watch(&server, "Paystat:1", None).await.refusal().await;
    assert_eq!(bad, "\"Paystat:1\" is not the id of a Load (BAD_USER_INPUT)");
    let negative = "subscription { loadProgress(id: \"1\", afterSeq: -1) { seq } }";
    let negative = server.subscribe(negative, json!({})).await.refusal().await;
    assert_eq!(negative, "afterSeq must not be negative (BAD_USER_INPUT)");
}

#[tokio::test]
async fn a_load_is_watched_by_its_number_as_well() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("rows.csv", source(1));
    let id = start_paystats(&server, "rows.csv").await;
    let told = next(&mut watch(&server, "1", None).await).await;
    assert_eq!((&told["state"], &told["load"]["id"]), (&json!("QUEUED"), &json!(id)));
    assert_eq!(watch(&server, "2", None).await.refusal().await, "there is no load with this id (NOT_FOUND)");
}

#[tokio::test]
async fn a_load_that_waits_knows_its_place() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.put("rows.csv", source(1));
    let positions = async || {
        let query = "{ loads(first: 9) { nodes { progress { queuePosition } } } }";
        let loads = server.graphql(query, json!({})).await.data()["loads"]["nodes"].clone();
        loads.as_array().unwrap().iter().map(|load| load["progress"]["queuePosition"].clone()).collect::<Vec<_>>()
    };
    for _ in 0..3 {
        start_paystats(&server, "rows.csv").await;
    }
    assert_eq!(positions().await, [3, 2, 1]);
    let _loader = bed.start_plain_loader();
    progress_of(&server, "3", None).await;
    progress_of(&server, "1", None).await;
    progress_of(&server, "2", None).await;
    assert_eq!(positions().await, [Value::Null, Value::Null, Value::Null]);
}

#[tokio::test]
async fn all_loads_are_watched_at_once() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(100));
    bed.put("nonsense.csv", "nonsense");
    let earlier = start_paystats(&server, "rows.csv").await;
    progress_of(&server, &earlier, None).await;

    let mut all = server.subscribe("subscription { loads { seq state rowsRead load { id } } }", json!({})).await;
    let (good, bad) = (start_paystats(&server, "rows.csv").await, start_paystats(&server, "nonsense.csv").await);
    let mut told: Vec<Value> = Vec::new();
    while told.iter().filter(|progress| is_final(progress)).count() < 2 {
        told.push(all.next().await.unwrap()["loads"].take());
    }
    for (id, end) in [(good, "SUCCEEDED"), (bad, "FAILED")] {
        let of: Vec<_> = told.iter().filter(|progress| progress["load"]["id"] == id).collect();
        assert!(of.is_sorted_by(|a, b| seq(a) < seq(b)), "{of:?}");
        assert_eq!((&of[0]["state"], &of.last().unwrap()["state"]), (&json!("QUEUED"), &json!(end)));
    }
    assert!(told.iter().all(|progress| progress["load"]["id"] != earlier));
}

#[tokio::test]
async fn loads_are_watched_by_what_they_are_and_gone_on_with_at_another_server() {
    const LOADS: &str = "subscription($filter: LoadFilter, $afterSeq: Int) {
        loads(filter: $filter, afterSeq: $afterSeq) { seq state missed load { number } }
    }";
    let bed = TestBed::new().await;
    let (server, other) = (bed.start_server().await, bed.start_server().await);
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(100));
    bed.put("codes.csv", "the_geom,code,id\n");
    start_paystats(&server, "rows.csv").await;
    server.start_load("codes.csv", json!({ "entity": "POSTAL_CODES" })).await;
    let filter = json!({ "entity": "PAYSTATS" });
    let mut paystats = server.subscribe(LOADS, json!({ "filter": filter })).await;
    let mut succeeded = other.subscribe(LOADS, json!({ "filter": { "states": ["SUCCEEDED"] } })).await;
    let mut all = other.subscribe(LOADS, json!({})).await;
    let next = async |watch: &mut Subscription| {
        let told = watch.next().await.unwrap()["loads"].take();
        (told["load"]["number"].as_i64().unwrap(), told["state"].as_str().unwrap().to_owned(), seq(&told))
    };

    // What is under way comes first, before a worker has taken anything.
    let (number, state, queued) = next(&mut paystats).await;
    assert_eq!((number, state.as_str()), (1, "QUEUED"));
    assert_eq!([next(&mut all).await.0, next(&mut all).await.0], [1, 2]);

    let loader = bed.start_plain_loader();
    let mut ends = Vec::new();
    while ends.len() < 2 {
        let (number, state, _) = next(&mut succeeded).await;
        assert_eq!(state, "SUCCEEDED");
        ends.push(number);
    }
    ends.sort_unstable();
    assert_eq!(ends, [1, 2]);
    loop {
        let (number, state, _) = next(&mut paystats).await;
        assert_eq!(number, 1);
        if state == "SUCCEEDED" {
            break;
        }
    }
    loader.stop().await;

    // Who comes back gets the newest of each load that has gone on, then what comes.
    drop(paystats);
    start_paystats(&server, "rows.csv").await;
    let mut again = other.subscribe(LOADS, json!({ "filter": filter, "afterSeq": queued })).await;
    let told = [again.next().await.unwrap(), again.next().await.unwrap()].map(|mut told| told["loads"].take());
    let states = told.each_ref().map(|told| (told["load"]["number"].as_i64(), told["state"].as_str()));
    assert_eq!(states, [(Some(1), Some("SUCCEEDED")), (Some(3), Some("QUEUED"))]);
    assert_eq!(told[0]["missed"], true);
    let newest = seq(&told[1]);
    let mut nothing = server.subscribe(LOADS, json!({ "filter": filter, "afterSeq": newest })).await;
    let _loader = bed.start_plain_loader();
    assert!(next(&mut nothing).await.2 > newest);
}

/// A worker that was stalled says something about its chunk after others have ended the load.
#[tokio::test]
async fn what_is_said_after_the_end_of_a_load_changes_nothing() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let _loader = bed.start_plain_loader();
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(10));
    let ended = start_paystats(&server, "rows.csv").await;
    let end = progress_of(&server, &ended, None).await.pop().unwrap();

    let mut all = server.subscribe("subscription { loads { state load { id } } }", json!({})).await;
    let late = LoadEvent::Chunk(ChunkProgress { bytes_read: 5, ..Default::default() });
    bed.bus().publish_event(ended["Load:".len()..].parse().unwrap(), &late).await.unwrap();
    let next = start_paystats(&server, "rows.csv").await;
    let heard = all.next().await.unwrap()["loads"].take();
    assert_eq!(heard, json!({ "state": "QUEUED", "load": { "id": next } }));
    assert_eq!(progress_of(&server, &ended, None).await, [end]);
}

/// A load that nobody works on, by its ids in the API and in the store.
async fn watch_a_load_that_waits(bed: &TestBed, server: &RunningServer) -> (String, LoadId, Subscription) {
    bed.put("rows.csv", source(10));
    let id = start_paystats(server, "rows.csv").await;
    let load = id["Load:".len()..].parse().unwrap();
    let watch = watch(server, &id, None).await;
    (id, load, watch)
}

/// The new stream gives no number that the old one may have given, so nobody takes a new event for one of before.
#[tokio::test]
async fn where_the_bus_was_lost_with_all_it_held_its_watchers_hear_of_what_comes() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (id, load, mut watch) = watch_a_load_that_waits(&bed, &server).await;
    let queued = next(&mut watch).await;
    assert_eq!(queued["state"], "QUEUED");

    bed.lose_bus().await;
    bed.bus().publish_event(load, &LoadEvent::Planning { started_at_millis: 0, bytes_total: 10 }).await.unwrap();
    let planning = next(&mut watch).await;
    assert_eq!(planning["state"], "PLANNING");
    assert!(seq(&planning) > seq(&queued) + 100_000, "{queued} then {planning}");
    // What was before is lost; a client is told so, and what is now.
    for (after, missed) in [(seq(&queued), true), (seq(&planning) - 1, false)] {
        let mut late = server.subscribe(MISSED, json!({ "id": id, "afterSeq": after })).await;
        let told = next(&mut late).await;
        assert_eq!(told, json!({ "seq": planning["seq"], "state": "PLANNING", "missed": missed }));
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_read_keeps_nobody_from_hearing_those_behind_it() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (id, load, mut watch) = watch_a_load_that_waits(&bed, &server).await;
    let queued = next(&mut watch).await;
    for message in ["nonsense", r#"{"type": "of_a_later_release", "rows": 7}"#, "{}"] {
        bed.publish_raw_event(load, message).await;
    }
    let planning = LoadEvent::Planning { started_at_millis: 0, bytes_total: 10 };
    bed.bus().publish_event(load, &planning).await.unwrap();
    let told = next(&mut watch).await;
    assert_eq!((&told["state"], seq(&told)), (&json!("PLANNING"), seq(&queued) + 4));
    // Nor does it keep a server from starting, or from finding out what was.
    let other = bed.start_server().await;
    let after = async |seq: u64| next(&mut self::watch(&other, &id, Some(seq)).await).await;
    assert_eq!(after(seq(&queued)).await, told);
}

/// The bus was away when it ended. Its end has a greater number than what was told before it: a client that keeps what has the greatest knows it.
#[tokio::test]
async fn a_load_whose_end_nobody_told_has_ended_all_the_same() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    let (id, load, mut early) = watch_a_load_that_waits(&bed, &server).await;
    bed.bus().publish_event(load, &LoadEvent::Planning { started_at_millis: 0, bytes_total: 10 }).await.unwrap();
    let mut planning = next(&mut early).await;
    while planning["state"] != "PLANNING" {
        planning = next(&mut early).await;
    }
    let mut late = watch(&server, &id, None).await;
    assert_eq!(next(&mut late).await, planning);

    let loads = &bed.store().loads;
    loads.start_reverting(load, LoadState::Failed, Some("no luck")).await.unwrap().unwrap();
    let mut end = Progress::queued(10).in_state(LoadState::Failed, Reverted::default());
    end.error = Some("no luck".to_owned());
    loads.end_reverting(load, &end).await.unwrap().unwrap();
    let query = "{ loads(filter: { states: [FAILED] }) { nodes { state error progress { seq state error } } } }";
    let answer = server.graphql(query, json!({})).await;
    let end = json!({ "seq": seq(&planning) + 1, "state": "FAILED", "error": "no luck" });
    let expected = json!([{ "state": "FAILED", "error": "no luck", "progress": end }]);
    assert_eq!(answer.data()["loads"]["nodes"], expected);

    let seen = Some(seq(&planning));
    let (early, late) = (early.rest(), late.rest());
    let (early, late, new, back) = join!(early, late, progress_of(&server, &id, None), progress_of(&server, &id, seen));
    let told = |watch: Vec<Value>| watch.into_iter().map(|mut next| next["loadProgress"].take()).collect();
    for (told, states) in
        [(told(early), &["FAILED"][..]), (told(late), &["FAILED"]), (new, &["PLANNING", "FAILED"]), (back, &["FAILED"])]
    {
        let told: Vec<_> = told.iter().map(|told| (told["state"].as_str().unwrap(), seq(told))).collect();
        let number = |state| seq(&planning) + u64::from(state == "FAILED");
        assert_eq!(told, states.iter().map(|&state| (state, number(state))).collect::<Vec<_>>());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_watchers_see_the_same_load() {
    let bed = TestBed::new().await;
    let server = bed.start_server().await;
    bed.insert_postal_codes(1).await;
    bed.put("rows.csv", source(5_000));
    let id = start_paystats(&server, "rows.csv").await;
    let mut watches = join_all((0..50).map(|_| watch(&server, &id, None))).await;
    for watch in &mut watches {
        assert_eq!(next(watch).await["state"], "QUEUED");
    }
    let _loader = bed.start_loader(SMALL_CHUNKS);
    let told = join_all(watches.iter_mut().map(Subscription::rest)).await;
    for told in &told {
        let told: Vec<Value> = told.iter().map(|next| next["loadProgress"].clone()).collect();
        assert_is_a_progress(&told);
        assert_eq!(told.last().unwrap()["rowsInserted"], 5_000);
    }
    let ends: BTreeSet<String> = told.iter().map(|told| told.last().unwrap().to_string()).collect();
    assert_eq!(ends.len(), 1, "{ends:?}");
}
