//! Connections between loaders and engines that are cut, refused, stalled, or lose what comes back.

use std::time::Duration;

use paystats_tests::{Stage, Traffic, oracle::History, rounds};
use serde_json::json;
use tokio::time::sleep;

const CHECKED: &str = "rows, provenance, sums, months, counts, rejections, one end a watcher";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_survives_a_bad_network() {
    rounds("connections to the engines are cut, refused, stalled, deafened", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 501..8_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loaders = [stage.start_loader(2, 30_000).await, stage.start_loader(1, 30_000).await];
        for _ in 0..round.random.usize(2..5) {
            stage.moment(round, 0..500).await;
            stage.network.disturb(round).await;
        }
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}

/// MongoDB does what it was asked to, a transaction's commit included, and nobody learns so: again and again while a load goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_written_without_an_answer_is_not_written_twice() {
    rounds("MongoDB's answers get lost every few moments", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 501..6_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loader = stage.start_loader(2, 10_000).await;
        stage.server.load_reaches(&load.accepted.id, 1).await;
        for _ in 0..round.random.usize(5..12) {
            stage.moment(round, 0..120).await;
            stage.network.mongodb.set_traffic(Traffic::LosesAnswers);
            // Long enough for what was under way to arrive and be done.
            sleep(Duration::from_millis(round.random.u64(5..60))).await;
            stage.network.mongodb.cut();
            stage.network.mongodb.heal();
            round.did("MongoDB's answers lost");
        }
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}
