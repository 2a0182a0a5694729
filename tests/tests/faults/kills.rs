//! SIGKILL for loaders, at any moment.

use paystats_tests::{Stage, oracle::History, rounds};
use serde_json::json;

const CHECKED: &str = "rows, provenance, sums, months, counts, rejections, one end a watcher";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_load_survives_loaders_that_are_killed_again_and_again() {
    rounds("loaders are killed during a load", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 501..10_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        for _ in 0..round.random.usize(4..9) {
            // Each loader would cut differently, had the first not chosen; some chunks have several batches.
            let loader = stage.start_loader(2, round.random.u64(10_000..400_000)).await;
            if round.random.bool() {
                let moment = round.random.u64(1..10_000);
                round.is_late = !stage.server.load_reaches(&load.accepted.id, moment).await;
            } else {
                stage.moment(round, 1..700).await;
            }
            loader.kill().await;
            round.did("loader killed");
        }
        let loader = stage.start_loader(2, 50_000).await;
        stage.succeeds(load, Some(outcome)).await;
        loader.stop().await;
        stage.close(&rows).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn loads_survive_the_death_of_one_of_the_loaders_that_share_them() {
    rounds("one of three loaders is killed, again and again", CHECKED, async |round| {
        let mut stage = Stage::new().await;
        let mut rows = History::default();
        let mut loads = Vec::new();
        for first in [1, 4_001] {
            let text = stage.random_source(round, first..first + 4_000);
            let load = stage.start(&text, json!({})).await;
            let outcome = rows.load(load.accepted.number, &load.source);
            loads.push((load, outcome));
        }
        let mut loaders = Vec::new();
        for _ in 0..3 {
            loaders.push(stage.start_loader(1, 20_000).await);
        }
        for _ in 0..round.random.usize(3..7) {
            stage.moment(round, 1..400).await;
            let victim = loaders.swap_remove(round.random.usize(..loaders.len()));
            victim.kill().await;
            round.did("loader killed");
            loaders.push(stage.start_loader(1, 20_000).await);
        }
        for (load, outcome) in loads {
            stage.succeeds(load, Some(outcome)).await;
        }
        stage.close(&rows).await;
    })
    .await;
}
