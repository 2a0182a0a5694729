//! Connections between loaders and engines that are cut, refused, stalled, or lose what comes back.

use std::time::Duration;

use futures_util::future::BoxFuture;
use paystats_core::bus::{Bus, BusError, WorkKind};
use paystats_tests::{Stage, Traffic, oracle::History, rounds};
use serde_json::json;
use tokio::time::{sleep, timeout};

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

/// As while a stream of a cluster changes its leader: who asks about it gets no answer, and no error either.
#[tokio::test]
async fn what_nats_is_asked_about_its_streams_is_asked_again_where_nobody_answers() {
    type Ask = fn(&Bus) -> BoxFuture<'_, Result<(), BusError>>;
    let asked: [(&str, Ask); 6] = [
        ("API.STREAM.INFO", |bus| Box::pin(async { bus.has_lost_work().await.map(drop) })),
        ("API.STREAM.INFO", |bus| Box::pin(bus.prepare(0, 1))),
        ("API.STREAM.INFO", |bus| Box::pin(async { bus.load_events(None).await.map(drop) })),
        ("API.CONSUMER.CREATE", |bus| Box::pin(async { bus.load_events(None).await.map(drop) })),
        ("API.CONSUMER", |bus| Box::pin(async { bus.work_queue(WorkKind::Chunk).await.map(drop) })),
        ("API.CONSUMER.INFO", |bus| Box::pin(async { bus.queue_depth(WorkKind::Chunk).await.map(drop) })),
    ];
    let stage = Stage::new().await;
    let bus = Bus::connect(&stage.config().bus).await.unwrap();
    bus.prepare(0, 1).await.unwrap();
    for (place, (subject, ask)) in asked.into_iter().enumerate() {
        stage.network.nats.lose(subject);
        let answered = timeout(Duration::from_secs(3), ask(&bus)).await;
        assert!(stage.network.nats.has_lost(), "{place}: {subject} was asked");
        answered.unwrap_or_else(|_| panic!("{place}: {subject} was not asked again")).unwrap();
    }
    stage.close(&History::default()).await;
}
