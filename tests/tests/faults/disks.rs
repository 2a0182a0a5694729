//! A bus whose disk is full: what it cannot take waits, and nothing is lost.

use std::time::Duration;

use paystats_tests::{Accepted, Stage, oracle::History, rounds};
use serde_json::json;
use tokio::time::sleep;

const CHECKED: &str = "no accepted load is lost; rows, provenance, sums, counts, rejections, one end a watcher";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_that_a_full_bus_did_not_take_is_accepted_and_loaded_when_there_is_room() {
    rounds("the bus takes no work when a load is started", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let _loader = stage.start_loader(2, 20_000).await;
        let text = stage.random_source(round, 1..2_001);
        let path = stage.put(&text);
        let limits = stage.bed.fill_stream("work").await;
        round.did("work stream full");
        let refused = stage.server.try_start_load(&path, json!({ "idempotencyKey": "one" })).await.unwrap();
        assert_eq!(refused.code(), "UNAVAILABLE");
        let found = stage.server.graphql("{ loads { nodes { id number } } }", json!({})).await;
        let accepted = Accepted::of(&found.data()["loads"]["nodes"][0]);
        let load = stage.watch(accepted, path, &text).await;
        stage.bed.set_stream_limits(limits).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_goes_on_when_the_bus_has_room_again() {
    rounds("the bus takes neither work nor events during a load", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;
        let text = stage.random_source(round, 501..8_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loaders = [stage.start_loader(2, 20_000).await, stage.start_loader(1, 20_000).await];
        for _ in 0..round.random.usize(1..4) {
            stage.moment(round, 0..300).await;
            let (stream, fault) =
                *round.random.choice(&[("work", "work stream full"), ("events", "event stream full")]).unwrap();
            let limits = stage.bed.fill_stream(stream).await;
            sleep(Duration::from_millis(round.random.u64(100..1_500))).await;
            stage.bed.set_stream_limits(limits).await;
            round.did(fault);
        }
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}
