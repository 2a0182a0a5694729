//! SIGKILL for the engines themselves.

use std::time::Duration;

use paystats_tests::{Stage, oracle::History, rounds};
use serde_json::json;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn engines_that_are_killed_in_the_middle_of_a_load_are_waited_for() {
    let checked = "rows, provenance, sums, months, counts, rejections, one end a watcher";
    rounds("mongod and nats-server are killed and started again", checked, async |round| {
        let mut stage = Stage::with_own_engines().await;
        let mut rows = History::default();
        let base = stage.random_source(round, 1..1_001);
        stage.load_in_peace(&mut rows, &base).await;

        let text = stage.random_source(round, 501..8_001);
        let load = stage.start(&text, json!({})).await;
        let outcome = rows.load(load.accepted.number, &load.source);
        let _loaders = [stage.start_loader(2, 12_000).await, stage.start_loader(1, 12_000).await];
        // Each at least once.
        let mut victims = vec![true, false];
        victims.extend((0..round.random.usize(0..2)).map(|_| round.random.bool()));
        round.random.shuffle(&mut victims);
        for is_mongod in victims {
            stage.moment(round, 20..400).await;
            let away = Duration::from_millis(round.random.u64(0..1_000));
            if is_mongod {
                stage.kill_mongod(away).await;
                round.did("mongod killed");
            } else {
                stage.kill_nats_server(away).await;
                round.did("nats-server killed");
            }
        }
        stage.succeeds(load, Some(outcome)).await;
        stage.close(&rows).await;
    })
    .await;
}
